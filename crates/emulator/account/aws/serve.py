"""The AWS API on this machine: moto, with its patches, at a free port of the loopback address.

Prints one line of JSON with the port, then serves. With `--forks SOCKET`, it only imports moto, which takes seconds, and
forks for each connection to that socket. The fork reads a line of JSON: `options`, those of this program; `key`, the
value of the environment variable below; and `log`, the file for its output. It writes the line with the port, and
serves until that connection ends, which it does when the program at its other side ends, however it ends. Their parent
ends with its standard input.
"""

import argparse
import gc
import importlib
import json
import os
import re
import select
import shutil
import signal
import socket
import sys
import threading

# moto reads these as it is imported.
os.environ["MOTO_IAM_LOAD_MANAGED_POLICIES"] = "true"
# How long, in seconds, a certificate waits to be validated; a minute by default.
os.environ["MOTO_ACM_VALIDATION_WAIT"] = "0"
# It would let every web page read what it is answered.
os.environ["MOTO_DISABLE_GLOBAL_CORS"] = "true"

from moto.core import DEFAULT_ACCOUNT_ID
from moto.core.config import default_user_config
from moto.iam import models as iam
from moto.moto_api._internal import mock_random
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

# Isolated, Python does not look for modules beside the program.
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import account
import account_sessions
import guard
import moto_patches
import rds_patches

# The id of the access key that requests have to name, a colon, and the SHA-256 of the session token that they have to
# bring, in hex.
KEY_VARIABLE = "RDS_IAM_EMULATOR_KEY"

QUERY = re.compile(r"\?[^\s\"']+")


class Handler(MotoRequestHandler):
    """Logs requests without their queries: that of a presigned one has the session token."""

    def log(self, kind, message, *arguments):
        super().log(kind, "%s", QUERY.sub("?…", message % arguments))


# The services of most tests, which moto would import at their first request.
SERVICES = ["ec2", "iam", "rds", "s3", "secretsmanager", "ssm", "sts"]


def fork_for_connections(path):
    for service in SERVICES:
        importlib.import_module(f"moto.{service}.urls")
    # As each first request does: it reads the 1,600 policies that AWS manages, once for each of its five partitions.
    for partition in iam.PARTITION_NAMES:
        iam.iam_backends[DEFAULT_ACCOUNT_ID][partition]
    # What all forks share is neither searched for garbage nor copied for that.
    gc.collect()
    gc.freeze()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(128)
    # Nothing waits for the forks.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    print(json.dumps({"ready": True}), flush=True)
    while True:
        readable, _, _ = select.select([sys.stdin, listener], [], [])
        if sys.stdin in readable:
            shutil.rmtree(os.path.dirname(path), ignore_errors=True)
            return
        connection, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            serve_connection(connection)
        connection.close()


def serve_connection(connection):
    received = connection.makefile()
    request = json.loads(received.readline())
    nothing = os.open(os.devnull, os.O_RDONLY)
    log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for source, target in (nothing, 0), (log, 1), (log, 2):
        os.dup2(source, target)
    # The numbers that it makes up would be those of the other forks.
    mock_random.seed()
    options = parse(request["options"])
    server = bind(options, request["key"])

    def end_with_connection():
        received.read()
        # Before the connection, whose end is the answer.
        server.socket.close()
        if options.folder:
            shutil.rmtree(options.folder, ignore_errors=True)
        os._exit(0)

    threading.Thread(target=end_with_connection, daemon=True).start()
    serve(server, connection.makefile("w"))


def parse(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen at (%(default)s)")
    parser.add_argument("--port", default=0, type=int, help="the port to listen at (a free one)")
    parser.add_argument("--registry", help="the address of the registry of an account")
    parser.add_argument("--images", help="the folder in which that registry keeps its images")
    parser.add_argument("--sessions", help="the address of the emulator of Session Manager of an account")
    parser.add_argument("--folder", help="a folder to remove at the end of the connection")
    parser.add_argument("--forks", metavar="SOCKET", help="fork for each connection to this socket, and remove its folder at the end")
    return parser.parse_args(arguments)


def bind(options, key):
    key, _, token_digest = key.partition(":")
    if not (key and token_digest):
        raise SystemExit(f"{KEY_VARIABLE} is not set")
    moto_patches.apply()
    moto_patches.apply(rds_patches.PATCHES)
    application = DomainDispatcherApplication(create_backend_app)
    if options.registry:
        account.registry.address, account.registry.folder = options.registry, options.images
        account_sessions.emulator.address = options.sessions
        moto_patches.apply(account.PATCHES)
        moto_patches.apply(account_sessions.PATCHES)
        application = account.serving(application)
    application = guard.guard(guard.failures_in_form(application), key, token_digest)
    # An invoked function answers with what it was called with, instead of running in a container.
    default_user_config["lambda"]["use_docker"] = False
    default_user_config["batch"]["use_docker"] = False
    return make_server(
        options.host,
        options.port,
        application,
        threaded=True,
        request_handler=Handler,
    )


def serve(server, output):
    print(json.dumps({"port": server.server_port}), file=output, flush=True)
    server.serve_forever()


options = parse()
if options.forks:
    fork_for_connections(options.forks)
else:
    serve(bind(options, os.environ.pop(KEY_VARIABLE, "")), sys.stdout)
