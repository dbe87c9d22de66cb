"""Whether the process of this container has joined its run and answers: exit code 0. Python's standard library alone.

An oracle that listens, and a node that has been let in, write a file that says who they are and where they listen. Its
process must be there, and must answer a connection with the first bytes of every ZeroMQ socket.
"""

import json
import os
import socket
import sys

READY = os.environ.get("QNODE_READY", "/tmp/qnode-ready")
SIGNATURE = 10  # bytes: 0xff, eight that do not matter, 0x7f (https://rfc.zeromq.org/spec/23/)


def main() -> str:
    """What is wrong; nothing if all is well."""
    try:
        with open(READY, encoding="utf-8") as file:
            told = json.load(file)
    except FileNotFoundError:
        return "it has not joined yet"
    try:
        os.kill(told["pid"], 0)
    except ProcessLookupError:
        return f"process {told['pid']} is gone"
    if not told["address"].startswith("tcp://"):
        return ""  # a socket of this machine alone: that the process is there has to do
    host, _, port = told["address"].removeprefix("tcp://").rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=3) as connection:
            greeting = connection.recv(SIGNATURE, socket.MSG_WAITALL)
    except OSError as error:
        return f"{told['address']} does not answer: {error}"
    if len(greeting) < SIGNATURE or (greeting[0], greeting[9]) != (0xFF, 0x7F):
        return f"{told['address']} answers {greeting!r}, not as ZeroMQ does"
    return ""


if __name__ == "__main__":
    sys.exit(main() or 0)
