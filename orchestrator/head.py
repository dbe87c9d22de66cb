"""run.json, which heads a saved run: what it was and how it ended, for people and programs.

It is made when a run starts, with `running` for an end, and padded with blanks: what is written over them later needs
no room on a disk that is full by then.
"""

from __future__ import annotations

import fcntl
import json
import platform
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import msgspec

from orchestrator.run import Source
from qnode import __version__
from qnode.errors import ConfigError, ProcessLost
from qnode.wire.unreadable import UNREADABLE

FORMAT: Final = 1
RUNNING: Final = "running"  # how a run "ended" that is under way
KILLED: Final = "killed"  # how it ended if whoever started it could not say

RUN_FILE: Final = "run.json"
CONFIG_FILE: Final = "config.yaml"
SUMMARY_FILE: Final = "summary"
_KILLED_HOW: Final[dict[str, str | int]] = {
    "name": "the orchestrator",
    "reason": "it was killed, or could write nothing any more",
}
_PAGE: Final = 4096  # what a short file takes on a disk anyway
_ENDING: Final = 1024  # bytes that the end of a run takes in run.json, if there is no room for more
_PACKAGES: Final = ("numpy", "stim", "pyzmq", "msgspec", "msgpack", "pydantic", "PyYAML")


class Failure(msgspec.Struct):
    """An error as it travels."""

    code: str
    fields: dict[str, str | int]


class Head(msgspec.Struct):
    """What is read back of run.json; everything else in it is for others."""

    format: int
    id: str
    name: str
    seed: int
    started: datetime
    ended: str
    base: str
    path: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    exit_code: int | None = None
    wall_s: float | None = None
    failure: Failure | None = None
    unsaved: str = ""  # why there is nothing else of it
    versions: dict[str, str] = {}


_decode = msgspec.json.Decoder(Head).decode


def first_head(folder: Path, source: Source, started: datetime) -> bytes:
    """Of a run that starts; with room for its end."""
    head = head_of(folder, source, {"started": started.isoformat(), "ended": RUNNING})
    return padded(head, -(-(len(head) + _ENDING) // _PAGE) * _PAGE)


def head_of(folder: Path, source: Source, more: Mapping[str, Any]) -> bytes:
    """Of a run of which more is known than what was run."""
    data = {
        "format": FORMAT,
        "id": folder.name,
        "name": source.name,
        "seed": source.seed,
        **more,
        "base": str(source.base),
        "path": list(source.path),
        "files": list(source.files),
        "versions": dict(versions()),
    }
    return json.dumps(data, indent=1, ensure_ascii=False).encode() + b"\n"


@cache
def versions() -> Mapping[str, str]:
    """Of qnode, Python and the packages that a run's bytes depend on; looked up once, for that takes milliseconds."""
    return {
        "qnode": __version__,
        "python": platform.python_version(),
        **{name: metadata.version(name) for name in _PACKAGES},
    }


def padded(head: bytes, size: int) -> bytes:
    """The same in so many bytes, if it takes no more by itself."""
    return head.rstrip(b"\n").ljust(size - 1) + b"\n"


def read_head(folder: Path) -> Head:
    """Of a run that is saved. Raises ConfigError if none is, or another version saved it."""
    try:
        head = _decode((folder / RUN_FILE).read_bytes())
        if head.ended == RUNNING and not _is_locked(folder):
            head.ended, head.failure = KILLED, Failure("ProcessLost", _KILLED_HOW)
            head.exit_code = ProcessLost.exit_code
    except OSError as error:
        raise ConfigError(place=str(folder), detail=f"this is no saved run: {error.strerror or error}") from None
    except UNREADABLE as error:
        raise ConfigError(place=str(folder / RUN_FILE), detail=f"this is not what a run saves: {error}") from None
    if head.format != FORMAT:
        detail = (
            f"saved in format {head.format}, and this version of qnode reads {FORMAT}; use the version that saved it"
        )
        raise ConfigError(place=str(folder), detail=detail)
    return head


def _is_locked(folder: Path) -> bool:
    with (folder / CONFIG_FILE).open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
