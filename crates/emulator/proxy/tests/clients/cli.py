# Runs a scenario with `mysql` or `psql`: one process per connection, to which statements are written and whose output
# is read. The variable PROGRAM is its path. See scenario.py.
import os
import re
import signal
import subprocess
import tempfile

from scenario import ENV, HOST, PORT, VERIFIES, main, password

END = "end of the output"


class Refused(Exception):
    """An error that the program printed, with its code."""


class Cli:
    """A running program."""

    errors = Refused
    statements = 0

    def __init__(self):
        with tempfile.NamedTemporaryFile("w") as secret:  # Only its owner may read it.
            secret.write(self.secret(password()))
            secret.flush()
            command = [os.environ["PROGRAM"], *self.arguments(secret.name)]
            environment = {**os.environ, **self.environment(secret.name)}
            # Errors are printed between the rows, in their order.
            self.process = subprocess.Popen(
                command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
            )
            self.send("SELECT 1")  # It has read the file.

    def environment(self, _secret):
        return {}

    def send(self, *statements):
        """Runs statements, and returns the lines that they print."""
        for statement in (*statements, self.print_end):
            # A command of psql ends with its line.
            end = "\n" if statement.startswith("\\") else ";\n"
            self.process.stdin.write((statement + end).encode())
        self.process.stdin.flush()
        lines = []
        while (line := self.process.stdout.readline().decode()) not in ("", END + "\n"):
            lines.append(line.removesuffix("\n"))
        refused = next(filter(None, (re.match(self.error, line) for line in lines)), None)
        if not line and not (refused and self.process.wait() == self.cancelled):
            raise EOFError(f"the program ended: {lines[-3:]}")
        if not line:
            self.__init__()
        if refused:
            raise Refused(refused[1])
        return lines

    def prepared(self, sql, params, execute):
        """Returns the lines of each execution of a statement."""
        if not params:
            return [execute(sql)]
        self.statements += 1
        name = f"s{self.statements}"
        self.send(self.prepare(name, sql))
        return [execute(self.execution(name, values)) for values in params]

    def query(self, sql, params=None):
        return [self.row(line) for lines in self.prepared(sql, params, self.send) for line in lines]

    def execute(self, sql, params=None):
        return sum(self.prepared(sql, params, self.count))

    def begin(self):
        self.send("START TRANSACTION")

    def commit(self):
        self.send("COMMIT")

    def end_transaction(self):
        self.send("ROLLBACK")

    def cancel(self):
        self.process.send_signal(signal.SIGINT)

    def close(self):
        rest, _ = self.process.communicate()
        if rest:
            raise EOFError(f"at the end: {rest}")

    def code(self, error):
        return str(error)


class Mysql(Cli):
    error = r"ERROR (\d+) "
    cancelled = None
    print_end = f"SELECT '{END}'"
    escapes = {"n": "\n", "t": "\t", "0": "\0"}

    def secret(self, token):
        return f'[client]\npassword="{token}"\n'

    def arguments(self, secret):
        server = [f"--host={ENV['SERVER_NAME'] or HOST}", f"--port={PORT}"]
        if HOST.startswith("/"):
            server = [f"--socket={HOST}"]
        tls = ["--ssl-mode=DISABLED"]
        if VERIFIES:
            tls = ["--ssl-mode=VERIFY_IDENTITY", f"--ssl-ca={ENV['CA_FILE']}", "--enable-cleartext-plugin"]
        login = [f"--user={ENV['USER']}", f"--database={ENV['DATABASE']}", "--default-character-set=utf8mb4"]
        output = ["--batch", "--skip-column-names", "--unbuffered", "--binary-as-hex"]
        # An error is no end; `resetconnection` is a command; of its limits, that of packets is lower than the server's.
        limits = ["--force", "--commands", "--local-infile", "--max-allowed-packet=64M"]
        return [f"--defaults-file={secret}", *server, *tls, *login, *output, *limits]

    def row(self, line):
        values = []
        for value in line.split("\t"):
            value = re.sub(r"\\(.)", lambda escaped: self.escapes.get(escaped[1], escaped[1]), value)
            hexadecimal = re.fullmatch("0x([0-9A-F]+)", value)
            values.append(None if value == "NULL" else "hex:" + hexadecimal[1].lower() if hexadecimal else value)
        return values

    def literal(self, value):
        if value is None:
            return "NULL"
        return f"x'{value.hex()}'" if isinstance(value, bytes) else "'" + str(value).replace("'", "''") + "'"

    def prepare(self, name, sql):
        return f"PREPARE {name} FROM {self.literal(sql)}"

    def execution(self, name, values):
        self.send("SET " + ", ".join(f"@p{n} = {self.literal(value)}" for n, value in enumerate(values)))
        return f"EXECUTE {name} USING " + ", ".join(f"@p{n}" for n in range(len(values)))

    def count(self, sql):
        return max(0, int(self.send(sql, "SELECT ROW_COUNT()")[-1]))

    def autocommit(self, on):
        self.send(f"SET autocommit = {int(on)}")

    def reset(self):
        self.send("resetconnection")


class Psql(Cli):
    error = r"ERROR:  (\w{5})$"
    # The exit status after SIGINT, which ends a program that does not read from a terminal.
    cancelled = 3
    print_end = f"\\echo '{END}'"

    def secret(self, token):
        return "*:*:*:*:" + token.replace("\\", "\\\\").replace(":", "\\:") + "\n"

    def environment(self, secret):
        return {"PGPASSFILE": secret}

    def arguments(self, _secret):
        server = f"host={ENV['SERVER_NAME']} hostaddr={HOST}" if VERIFIES else f"host={HOST}"
        tls = f"sslmode=verify-full sslrootcert={ENV['CA_FILE']}" if VERIFIES else "sslmode=disable"
        output = ["--no-align", "--tuples-only", "--field-separator=\t", "--pset=null=\\N", "--set=VERBOSITY=sqlstate"]
        login = f"{server} port={PORT} user={ENV['USER']} dbname={ENV['DATABASE']} {tls}"
        return ["--no-psqlrc", "--no-password", *output, login]

    def row(self, line):
        # Bytes are printed as \x, with digits.
        values = (re.sub(r"^\\x([0-9a-f]+)$", r"hex:\1", value) for value in line.split("\t"))
        return [None if value == "\\N" else value for value in values]

    def literal(self, value):
        if value is None:
            return "NULL"
        return "'" + (f"\\x{value.hex()}" if isinstance(value, bytes) else str(value).replace("'", "''")) + "'"

    def prepare(self, name, sql):
        parts = sql.split("?")
        return f"PREPARE {name} AS " + parts[0] + "".join(f"${n}{part}" for n, part in enumerate(parts[1:], 1))

    def execution(self, name, values):
        return f"EXECUTE {name}({', '.join(self.literal(value) for value in values)})"

    def count(self, sql):
        last = self.send(sql)[-1].split()[-1]
        return int(last) if last.isdigit() else 0

    def autocommit(self, on):
        self.send(f"\\set AUTOCOMMIT {'on' if on else 'off'}")

    def copy_in(self, sql, path):
        return self.count("\\copy " + sql.removeprefix("COPY ").replace("STDIN", f"'{path}'"))

    def copy_out(self, sql):
        return "".join(line + "\n" for line in self.send(sql))


if __name__ == "__main__":
    main({"mysql-cli": Mysql, "psql": Psql})
