"""The record: every report, in execution order, appended before anybody is granted what comes of it.

The event log and a replay are views of it: grants are a pure function of reports, so executing the record again gives
the same grants, the same results and the same bytes in the event log.

A file starts with MAGIC and one entry that describes the run; then an entry for each round. An entry is a length, the
same length with all bits inverted, a CRC-32 and that many bytes of MessagePack. A torn last entry (the writer was
killed) is recognised and dropped; the length stands there twice because a damaged one would look like a torn entry.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from pathlib import Path
from types import TracebackType
from typing import Final

import msgspec

from orchestrator.oracle.losses import Loss
from qnode.errors import MalformedMessage
from qnode.wire.messages import Change
from qnode.wire.unreadable import UNREADABLE

MAGIC: Final = b"qnode-record-1\n"
_HEAD: Final = struct.Struct("<III")
_INVERTED: Final = 0xFFFFFFFF


class Changed(msgspec.Struct, array_like=True, frozen=True):
    """A change of a paused run, and the network time at which it was made."""

    at_ns: int
    change: Change


class Round(msgspec.Struct, array_like=True, frozen=True):
    """What was executed together.

    Attributes:
        now_ns: Network time.
        woken: The nodes that ran because of the outside.
        granted: The digest of all grants since the round before: what these reports are the answer to.
        reports: In execution order.
        changes: What somebody changed before it, while the run was paused.
        over: The run ended within this round, or before it began; what was executed of it is all there.
        losses: Nodes whose processes were gone; they have no report here unless it had come before.
    """

    now_ns: int
    woken: tuple[str, ...]
    granted: bytes
    reports: tuple[msgspec.Raw, ...]
    changes: tuple[Changed, ...] = ()
    over: bool = False
    losses: tuple[Loss, ...] = ()


class GrantDigest:
    """What was granted, in the order in which it was, in a few bytes."""

    __slots__ = ("_hash",)

    def __init__(self) -> None:
        self._hash = _EMPTY.copy()

    def add(self, frame: bytes) -> None:
        """One more encoded grant."""
        self._hash.update(frame)

    def take(self) -> bytes:
        """The digest of all since the last call."""
        digest = self._hash.digest()
        self._hash = _EMPTY.copy()
        return digest


_EMPTY: Final = blake2b(digest_size=8)
NOTHING_GRANTED: Final = _EMPTY.digest()
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Round).decode


class RecordWriter:
    """Appends rounds to a file. What is written survives a kill of this process: nothing is kept back in a buffer."""

    def __init__(self, path: Path, description: bytes) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._path = path
        self._granted = GrantDigest()
        self._changes: list[Changed] = []
        self._write(MAGIC + entry_of(description))

    def granted(self, frame: bytes) -> None:
        """A grant is on its way, encoded: the next entry vouches for it. It is not a byte in the file until then."""
        self._granted.add(frame)

    def changed(self, at_ns: int, change: Change) -> None:
        """The run was changed: the next entry begins with it."""
        self._changes.append(Changed(at_ns, change))

    def append(self, now_ns: int, woken: Sequence[str], reports: Sequence[bytes], losses: Sequence[Loss] = ()) -> None:
        """One round, its reports in execution order. Raises OSError (no space left, say) before anything is granted."""
        self._append(now_ns, woken, reports, over=False, losses=losses)

    def end(self, now_ns: int, woken: Sequence[str], reports: Sequence[bytes]) -> None:
        """The run is over: what was executed of a round that will never be complete, and what was changed before it."""
        if reports or self._changes:
            self._append(now_ns, woken, reports, over=True)

    def _append(
        self, now_ns: int, woken: Sequence[str], reports: Sequence[bytes], *, over: bool, losses: Sequence[Loss] = ()
    ) -> None:
        changes, self._changes = tuple(self._changes), []
        granted, frames = self._granted.take(), tuple(map(msgspec.Raw, reports))
        entry = Round(now_ns, tuple(woken), granted, frames, changes, over, tuple(losses))
        self._write(entry_of(_encode(entry)))

    def _write(self, data: bytes) -> None:
        write_all(self._fd, data, self._path)

    def close(self) -> None:
        os.close(self._fd)

    def __enter__(self) -> RecordWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()


def write_all(descriptor: int, data: bytes, path: Path) -> None:
    """Write, however many times it takes. Raises OSError that names the file."""
    try:
        written = os.write(descriptor, data)
        while written < len(data):
            written += os.write(descriptor, data[written:])
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None


def entry_of(content: bytes) -> bytes:
    """The bytes of one entry, head and all."""
    return _HEAD.pack(len(content), len(content) ^ _INVERTED, zlib.crc32(content)) + content


def read_record(path: Path) -> tuple[bytes, Iterator[Round]]:
    """The run's description and its rounds.

    Raises MalformedMessage, with the offset, for anything that is not a record; a torn last entry is left out.
    """
    entries = _entries(path)
    description = next(entries, None)
    if description is None:
        raise MalformedMessage(detail=f"{path} holds no run")
    return description[1], (_round(path, offset, entry) for offset, entry in entries)


def _round(path: Path, offset: int, entry: bytes) -> Round:
    try:
        return _decode(entry)
    except UNREADABLE as error:
        raise MalformedMessage(detail=f"{path} holds no round at byte {offset}: {error}") from None


def _entries(path: Path) -> Iterator[tuple[int, bytes]]:
    """Each entry and where it starts."""
    with path.open("rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            raise MalformedMessage(detail=f"{path} is not a record of this version of qnode")
        while len(head := file.read(_HEAD.size)) == _HEAD.size:
            offset = file.tell() - _HEAD.size
            length, inverted, crc = _HEAD.unpack(head)
            entry = file.read(length) if length ^ inverted == _INVERTED else None
            if entry is not None and len(entry) < length:
                return
            if entry is None or zlib.crc32(entry) != crc:
                raise MalformedMessage(detail=f"{path} is damaged at byte {offset}")
            yield offset, entry
