# Runs the steps in a file with a class of connections, for client.py and cli.py. Prints one line of JSON per step: its
# name, and the results of its actions. main.rs describes both, and the variables.
import hashlib
import json
import os
import sys
import threading
import time

ENV = {name: os.environ[name] for name in ("HOST", "PORT", "USER", "DATABASE", "CA_FILE", "SERVER_NAME", "TOKEN_FILE")}
HOST, PORT = ENV["HOST"], int(ENV["PORT"])
# The fields of an action beside its verb.
OPTIONS = {"params", "file", "running", "stop"}
VERIFIES = bool(ENV["SERVER_NAME"])


def password():
    if not ENV["TOKEN_FILE"]:
        return ""
    with open(ENV["TOKEN_FILE"], encoding="ascii") as file:
        return file.read()


def value(param):
    """Returns a parameter's value. Bytes and long texts have a form in the file."""
    if isinstance(param, dict):
        return bytes.fromhex(param["hex"]) if "hex" in param else param["repeat"][0] * param["repeat"][1]
    return param


def text(found):
    """Returns a value as the runner compares it: text or None, with a digest for what is long."""
    if found is None:
        return None
    if isinstance(found, (bytes, bytearray)):
        return "hex:" + found.hex()
    found = str(found)
    return f"sha256 {digest(found)} of {len(found)} characters" if len(found) > 100 else found


def digest(found):
    return hashlib.sha256(found.encode()).hexdigest()


def report(rows):
    rows = [[text(found) for found in row] for row in rows]
    if len(rows) <= 100:
        return rows
    return [[f"sha256 {digest(chr(10).join(chr(9).join(row) for row in rows))} of {len(rows)} rows"]]


class Client:
    """The actions of a scenario, on connections of a driver."""

    def __init__(self, driver):
        self.driver = driver
        self.main = driver()

    def act(self, action):
        verb = next(key for key in action if key not in OPTIONS)
        try:
            return getattr(self, verb)(action[verb], action)
        except self.main.errors as error:
            return {"error": self.main.code(error)}

    def query(self, sql, action):
        return report(self.main.query(sql, self.params(action)))

    def execute(self, sql, action):
        return self.main.execute(sql, self.params(action))

    def params(self, action):
        return [[value(param) for param in values] for values in action.get("params", [])]

    def run(self, sql, _action):
        self.main.execute(sql)

    def load(self, sql, _action):
        return self.main.execute(sql)

    def copy_in(self, sql, action):
        return self.main.copy_in(sql, action["file"])

    def copy_out(self, sql, _action):
        return [[text(self.main.copy_out(sql))]]

    def elsewhere(self, sql, _action):
        other = self.driver()
        rows = report(other.query(sql))
        other.close()
        return rows

    def sleep(self, sql, action):
        """Runs a long statement, and ends it once another connection finds it running."""

        def end():
            other = self.driver()
            while not (rows := other.query(action["running"])):
                time.sleep(0.02)
            if "stop" in action:
                other.query(action["stop"].replace("{id}", str(rows[0][0])))
            else:
                self.main.cancel()
            other.close()

        ending = threading.Thread(target=end)
        ending.start()
        try:
            return report(self.main.query(sql))
        finally:
            ending.join()

    def begin(self, _yes, _action):
        self.main.begin()

    def commit(self, _yes, _action):
        self.main.commit()

    def rollback(self, _yes, _action):
        self.main.end_transaction()

    def autocommit(self, on, _action):
        self.main.autocommit(on)

    def reset(self, _yes, _action):
        self.main.reset()

    def reconnect(self, _yes, _action):
        self.main.close()
        self.main = self.driver()

    def close(self, _yes, _action):
        self.main.close()


def main(drivers):
    """Runs the steps in the file of the second argument with the class that the first one names."""
    with open(sys.argv[2], encoding="utf-8") as file:
        steps = json.load(file)
    client = Client(drivers[sys.argv[1]])
    for step in steps:
        results = [client.act(action) for action in step["do"]]
        print(json.dumps({"step": step["step"], "results": results}), flush=True)
