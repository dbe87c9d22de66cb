"""A process of ours that goes beside a run, is told things, and ends with whoever started it."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path
from typing import NamedTuple

from orchestrator.launch.early import python


class Companion(NamedTuple):
    """A companion, and our end of the socket to it."""

    process: subprocess.Popen[bytes]
    socket: socket.socket


def start_companion(module: str, output: Path) -> Companion:
    """Start the `main` of a module of ours; its standard input is a socket, whose end tells it that we are gone.

    Args:
        output: The file that its standard output and error are appended to.
    """
    ours, theirs = socket.socketpair()
    with theirs, output.open("ab") as file:
        process = subprocess.Popen(
            python(module),
            stdin=theirs.fileno(),
            stdout=file,
            stderr=file,
            process_group=0,  # the terminal's Ctrl-C is ours to handle
        )
    return Companion(process, ours)
