"""The record: every report, in execution order, appended before anybody is granted what comes of it.

The event log and a replay are views of it: grants are a pure function of reports, so executing the record again gives
the same grants, the same results and the same bytes in the event log.

A file starts with MAGIC and one entry that describes the run; then an entry for each round. An entry is a length, a
CRC-32 and that many bytes of MessagePack. A torn last entry (the writer was killed) is recognised and dropped.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final

import msgspec

from qnode.errors import MalformedMessage

MAGIC: Final = b"qnode-record-1\n"
_HEAD: Final = struct.Struct("<II")


class Round(msgspec.Struct, array_like=True, frozen=True):
    """What was executed together: when, who ran because of the outside, and the reports in execution order."""

    now_ns: int
    woken: tuple[str, ...]
    reports: tuple[msgspec.Raw, ...]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Round).decode


class RecordWriter:
    """Appends rounds to a file. What is written survives a kill of this process: nothing is kept back in a buffer."""

    def __init__(self, path: Path, description: bytes) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._write(MAGIC + _HEAD.pack(len(description), zlib.crc32(description)) + description)

    def append(self, now_ns: int, woken: Sequence[str], reports: Sequence[bytes]) -> None:
        """One round, its reports in execution order. Raises OSError (no space left, say) before anything is granted."""
        entry = _encode(Round(now_ns, tuple(woken), tuple(map(msgspec.Raw, reports))))
        self._write(_HEAD.pack(len(entry), zlib.crc32(entry)) + entry)

    def _write(self, data: bytes) -> None:
        written = os.write(self._fd, data)
        while written < len(data):
            written += os.write(self._fd, data[written:])

    def close(self) -> None:
        os.close(self._fd)

    def __enter__(self) -> RecordWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()


def read_record(path: Path) -> tuple[bytes, Iterator[Round]]:
    """The run's description and its rounds.

    Raises MalformedMessage, with the offset, for anything that is not a record; a torn last entry is left out.
    """
    entries = _entries(path)
    description = next(entries, None)
    if description is None:
        raise MalformedMessage(detail=f"{path} holds no run")
    return description, map(_decode, entries)


def _entries(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            raise MalformedMessage(detail=f"{path} is not a record of this version of qnode")
        while len(head := file.read(_HEAD.size)) == _HEAD.size:
            offset = file.tell() - _HEAD.size
            length, crc = _HEAD.unpack(head)
            entry = file.read(length)
            if len(entry) < length:
                return
            if zlib.crc32(entry) != crc:
                raise MalformedMessage(detail=f"{path} is damaged at byte {offset}")
            yield entry
