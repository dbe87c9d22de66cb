"""A file that is there while a process takes part in a run, for whoever started it elsewhere: health checks, Slurm."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

import msgspec

from orchestrator.folders import write_whole
from qnode.errors import ConfigError

_OUTPUT: Final = Path("-")


class Ready(msgspec.Struct, frozen=True):
    """What the file says.

    Attributes:
        pid: Of the process.
        address: Where it listens, as others on its machine reach it.
        folder: Where an oracle saves the run; "" of a node.
    """

    pid: int
    address: str
    folder: str = ""


class ReadyFile:
    """The file, or none; it belongs to the process that has said something in it. `-` is a line of standard output."""

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def say(self, address: str, folder: str = "") -> None:
        """From now on it is there. Raises ConfigError if it cannot be written."""
        told = msgspec.json.encode(Ready(os.getpid(), address, folder))
        if self._path == _OUTPUT:
            sys.stdout.write(told.decode() + "\n")
            sys.stdout.flush()
        if self._path is None or self._path == _OUTPUT:
            return
        try:
            write_whole(self._path, told)
        except OSError as error:
            detail = f"cannot be written: {error.strerror or error}; choose another file with --ready"
            raise ConfigError(place=str(self._path), detail=detail) from None

    def remove(self) -> None:
        """It is not there any more; safe to call twice."""
        if self._path is not None and self._path != _OUTPUT:
            self._path.unlink(missing_ok=True)


def heard(line: str) -> Ready | None:
    """What a line of output says, if it is such a one."""
    try:
        return msgspec.json.decode(line, type=Ready)
    except msgspec.DecodeError:
        return None
