"""The other end of the yardstick: a process that returns every message to the ROUTER it came from, and nothing else."""

from __future__ import annotations

import os
import sys
import threading

import zmq


def echo(address: str) -> None:
    """For ever; the process ends when its standard input does, that is, with whoever started it."""
    threading.Thread(target=_end_with_input, daemon=True).start()
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    socket = context.socket(zmq.DEALER)
    socket.connect(address)
    socket.send(b"here")
    while True:
        socket.send(socket.recv())


def _end_with_input() -> None:
    os.read(0, 1)
    os._exit(0)


if __name__ == "__main__":
    echo(sys.argv[1])
