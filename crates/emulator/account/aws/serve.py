"""The AWS API on this machine: moto, with its patches, at a free port of the loopback address.

Prints one line of JSON with the port, then serves until standard input closes, which it does when the
program that started this one ends, however it ends.
"""

import argparse
import json
import os
import re
import shutil
import sys
import threading

# moto reads these as it is imported.
os.environ["MOTO_IAM_LOAD_MANAGED_POLICIES"] = "true"
# How long, in seconds, a certificate waits to be validated; a minute by default.
os.environ["MOTO_ACM_VALIDATION_WAIT"] = "0"
# It would let every web page read what it is answered.
os.environ["MOTO_DISABLE_GLOBAL_CORS"] = "true"

from moto.core.config import default_user_config
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

# Isolated, Python does not look for modules beside the program.
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import account
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


def end_with_standard_input(folder):
    while sys.stdin.buffer.read(4096):
        pass
    if folder:
        shutil.rmtree(folder, ignore_errors=True)
    os._exit(0)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen at (%(default)s)")
    parser.add_argument("--port", default=0, type=int, help="the port to listen at (a free one)")
    parser.add_argument("--registry", help="the address of the registry of an account")
    parser.add_argument("--images", help="the folder in which that registry keeps its images")
    parser.add_argument("--folder", help="a folder to remove at the end")
    parser.add_argument("--stay", action="store_true", help="serve although standard input is closed")
    options = parser.parse_args()
    if not options.stay:
        threading.Thread(target=end_with_standard_input, args=[options.folder], daemon=True).start()

    key, _, token_digest = os.environ.pop(KEY_VARIABLE, "").partition(":")
    if not (key and token_digest):
        parser.error(f"{KEY_VARIABLE} is not set")
    moto_patches.apply()
    moto_patches.apply(rds_patches.PATCHES)
    application = DomainDispatcherApplication(create_backend_app)
    if options.registry:
        account.registry.address, account.registry.folder = options.registry, options.images
        moto_patches.apply(account.PATCHES)
        application = account.serving(application)
    application = guard.guard(guard.failures_in_form(application), key, token_digest)
    # An invoked function answers with what it was called with, instead of running in a container.
    default_user_config["lambda"]["use_docker"] = False
    default_user_config["batch"]["use_docker"] = False
    server = make_server(
        options.host,
        options.port,
        application,
        threaded=True,
        request_handler=Handler,
    )
    print(json.dumps({"port": server.server_port}), flush=True)
    server.serve_forever()


main()
