"""The AWS API on this machine: moto, on a free port of the loopback address.

Prints one line of JSON with the port, then serves until standard input closes, which it does when the
program that started this one ends, however it ends.
"""

import json
import os
import sys
import threading

from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server


def end_with_standard_input():
    while sys.stdin.buffer.read(4096):
        pass
    os._exit(0)


threading.Thread(target=end_with_standard_input, daemon=True).start()
server = make_server("127.0.0.1", 0, DomainDispatcherApplication(create_backend_app), threaded=True)
print(json.dumps({"port": server.server_port}), flush=True)
server.serve_forever()
