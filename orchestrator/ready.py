"""A file that is there while a process takes part in a run, for whoever started it elsewhere: health checks, Slurm."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from orchestrator.folders import write_whole
from qnode.errors import ConfigError


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
    """The file, or none; it belongs to the process that has said something in it."""

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def say(self, address: str, folder: str = "") -> None:
        """From now on it is there. Raises ConfigError if it cannot be written."""
        if self._path is None:
            return
        try:
            write_whole(self._path, msgspec.json.encode(Ready(os.getpid(), address, folder)))
        except OSError as error:
            detail = f"cannot be written: {error.strerror or error}; choose another file with --ready"
            raise ConfigError(place=str(self._path), detail=detail) from None

    def remove(self) -> None:
        """It is not there any more; safe to call twice."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)


def read(path: Path) -> Ready | None:
    """What it says; None if it is not there."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Ready)
    except FileNotFoundError:
        return None
