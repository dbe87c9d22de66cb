"""The record: every report, in execution order, appended before anybody is granted what comes of it.

The event log and a replay are views of it: grants are a pure function of reports, so executing the record again gives
the same grants, the same results and the same bytes in the event log.

A record is one file after another (segments.py). A file starts with MAGIC and one entry that describes the run, or
says which file it goes on behind; then an entry for each round. An entry is a length, the same length with all bits
inverted, a CRC-32 and that many bytes of MessagePack. A torn last entry (the writer was killed) is recognised and
dropped, in the last file only; the length stands there twice because a damaged one would look like a torn entry.
"""

from __future__ import annotations

import gzip
import os
import struct
import zlib
from collections.abc import Generator, Iterator, Sequence
from hashlib import blake2b
from pathlib import Path
from types import TracebackType
from typing import IO, Final

import msgspec

from orchestrator.oracle.losses import Loss
from orchestrator.oracle.segments import Packer, is_there, open_segment, packed, segment, tidy
from orchestrator.oracle.spec import SEGMENT_BYTES
from qnode.errors import MalformedMessage
from qnode.wire.messages import Change
from qnode.wire.unreadable import UNREADABLE

MAGIC: Final = b"qnode-record-1\n"
_HEAD: Final = struct.Struct("<III")
_INVERTED: Final = 0xFFFFFFFF


class Changed(msgspec.Struct, array_like=True, frozen=True):
    """A change of a paused run, the network time at which it was made, and whose which command it was."""

    at_ns: int
    change: Change
    by: bytes = b""


class Round(msgspec.Struct, array_like=True, frozen=True):
    """What was executed together.

    Attributes:
        now_ns: Network time.
        woken: The nodes that ran because of the outside.
        granted: The digest of all grants since the round before: what these reports are the answer to.
        reports: In execution order.
        changes: What somebody changed before it, while the run was paused.
        over: The run ended within this round, or before it began; what was executed of it is all there.
        farewells: What nodes said when the run was over; with them it is no round.
        losses: Nodes whose processes were gone; they have no report here unless it had come before. Of a run that is
            over with them: those for which it never began.
    """

    now_ns: int
    woken: tuple[str, ...]
    granted: bytes
    reports: tuple[msgspec.Raw, ...]
    changes: tuple[Changed, ...] = ()
    over: bool = False
    farewells: tuple[msgspec.Raw, ...] = ()
    losses: tuple[Loss, ...] = ()

    @property
    def is_change(self) -> bool:
        """Whether it tells of nothing but a change, and no round."""
        return bool(self.changes) and not self.reports and not self.over


class Continued(msgspec.Struct, array_like=True, frozen=True):
    """The first entry of a segment that is not the first: its number, and how long the one before it is."""

    number: int
    before: int


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
_decode_head = msgspec.msgpack.Decoder(Continued).decode


class RecordWriter:
    """Appends rounds to files. What is written survives a kill of this process: nothing is kept back in a buffer.

    Args:
        path: Of the first file; segments.py says how the others are called.
        description: What the run is.
        synced: Whether `append` returns only when the disk has it: for a loss of power.
        segment_bytes: How long a file gets before another one is begun.
        after: A record of this run that has been read to its end: it is gone on with. A torn last entry is cut off.
    """

    def __init__(
        self,
        path: Path,
        description: bytes,
        *,
        synced: bool = False,
        segment_bytes: int = SEGMENT_BYTES,
        after: RecordReader | None = None,
    ) -> None:
        self._path = path
        self._synced = synced
        self._segment_bytes = segment_bytes
        self._granted = GrantDigest()
        self._is_changed = False
        self._packer = Packer(synced=synced)
        if after is None:
            self._number = 0
            self._begin(start_of(description))
        else:
            self._number, self._size = after.last, after.end
            self._go_on(after)

    def _begin(self, start: bytes) -> None:
        self._size = 0
        self._open(os.O_CREAT | os.O_EXCL)
        self._write(start)

    def _open(self, flags: int = 0) -> None:
        self._file = segment(self._path, self._number)
        self._fd = os.open(self._file, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | flags, 0o600)
        if self._synced and flags:  # its name must be there too
            folder = os.open(self._path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    def _go_on(self, after: RecordReader) -> None:
        self._open()
        os.ftruncate(self._fd, after.end)
        if not after.end:  # not even its head was whole
            self._write(_start_behind(self._number, after.before))
        for plain in tidy(self._path, self._number):
            self._packer.pack(plain)

    def granted(self, frame: bytes) -> None:
        """A grant is on its way, encoded: the next entry vouches for it. It is not a byte in the file until then."""
        self._granted.add(frame)

    def changed(self, at_ns: int, change: Change, by: bytes = b"") -> None:
        """The run was changed. Raises OSError, like `append`."""
        self._is_changed = True
        self._write(entry_of(_encode(Round(at_ns, (), NOTHING_GRANTED, (), (Changed(at_ns, change, by),)))))

    def append(self, now_ns: int, woken: Sequence[str], reports: Sequence[bytes], losses: Sequence[Loss] = ()) -> None:
        """One round, its reports in execution order. Raises OSError (no space left, say) before anything is granted."""
        self._append(now_ns, woken, reports, over=False, losses=losses)

    def end(self, now_ns: int, woken: Sequence[str], reports: Sequence[bytes], losses: Sequence[Loss] = ()) -> None:
        """The run is over: what was executed of a round that will never be complete, and what was changed before it;
        or which nodes were lost before there was any."""
        if reports or losses or self._is_changed:
            self._append(now_ns, woken, reports, over=True, losses=losses)

    def farewells(self, now_ns: int, frames: Sequence[bytes]) -> None:
        """What nodes were still waiting for when the run was over: the last entry."""
        self._write(
            entry_of(_encode(Round(now_ns, (), NOTHING_GRANTED, (), (), True, tuple(map(msgspec.Raw, frames)))))
        )

    def _append(
        self, now_ns: int, woken: Sequence[str], reports: Sequence[bytes], *, over: bool, losses: Sequence[Loss] = ()
    ) -> None:
        self._is_changed = False
        granted, frames = self._granted.take(), tuple(map(msgspec.Raw, reports))
        entry = Round(now_ns, tuple(woken), granted, frames, (), over, (), tuple(losses))
        self._write(entry_of(_encode(entry)))

    def _write(self, data: bytes) -> None:
        if self._size >= self._segment_bytes:
            self._begin_next()
        write_all(self._fd, data, self._file)
        self._size += len(data)
        if self._synced:
            os.fdatasync(self._fd)

    def _begin_next(self) -> None:
        full, descriptor, before = self._file, self._fd, self._size
        self._number += 1
        try:
            self._begin(_start_behind(self._number, before))
        finally:
            if self._fd != descriptor:  # else there is no next one, and `close` closes this one
                os.close(descriptor)
        self._packer.pack(full)

    def close(self) -> None:
        """Returns once all full segments are compressed."""
        os.close(self._fd)
        self._packer.close()

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


def start_of(description: bytes) -> bytes:
    """What the first file begins with."""
    return MAGIC + entry_of(description)


def is_torn_start(path: Path) -> bool:
    """Whether a record's writer did not get as far as its first entry."""
    with path.open("rb") as file:
        magic, head = file.read(len(MAGIC)), file.read(_HEAD.size)
        if len(head) < _HEAD.size:
            return MAGIC.startswith(magic)
        length, inverted, _ = _HEAD.unpack(head)
        return magic == MAGIC and length ^ inverted == _INVERTED and len(file.read(length)) < length


def _start_behind(number: int, before: int) -> bytes:
    return MAGIC + entry_of(_encode(Continued(number, before)))


def read_record(path: Path) -> tuple[bytes, Iterator[Round]]:
    """The run's description and its rounds, as RecordReader has them."""
    reader = RecordReader(path)
    return reader.description, reader.rounds()


class RecordReader:
    """A record, all its segments. A torn last entry is left out.

    Raises MalformedMessage, with the offset, for anything that is not a record; while its rounds are gone through, too.

    Attributes:
        description: What the run is.
        last: The segment that was read last.
        end: So many bytes of it are whole.
        before: How long the segment before it is.
    """

    def __init__(self, path: Path) -> None:
        self.last = self.end = self.before = 0
        self._path = path
        self._read = self._entries()
        description = next(self._read, None)
        if description is None:
            raise MalformedMessage(detail=f"{path} holds no run")
        self.description = description[1]

    def rounds(self) -> Iterator[Round]:
        """Each once; what was appended meanwhile is among them."""
        for offset, entry in self._read:
            try:
                yield _decode(entry)
            except UNREADABLE as error:
                where = segment(self._path, self.last)
                raise MalformedMessage(detail=f"{where} holds no round at byte {offset}: {error}") from None

    def _entries(self) -> Iterator[tuple[int, bytes]]:
        """Each entry and where it starts; first the description."""
        while True:
            yield from self._of_segment()
            if not is_there(self._path, self.last + 1):
                return
            self.before, self.last, self.end = self.end, self.last + 1, 0

    def _of_segment(self) -> Iterator[tuple[int, bytes]]:
        where = segment(self._path, self.last)
        try:
            with open_segment(self._path, self.last) as file:
                whole = yield from self._of_file(file, where)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise MalformedMessage(detail=f"{packed(where)} is damaged behind byte {self.end}: {error}") from None
        if not whole and is_there(self._path, self.last + 1):
            raise MalformedMessage(detail=f"{where} is damaged at byte {self.end}: it ends there, and the next goes on")

    def _of_file(self, file: IO[bytes], where: Path) -> Generator[tuple[int, bytes], None, bool]:
        """Returns whether it ends with a whole entry."""
        magic = file.read(len(MAGIC))
        if magic != MAGIC:
            if self.last and MAGIC.startswith(magic):
                return False
            raise MalformedMessage(detail=f"{where} is not a record of this version of qnode")
        offset = len(MAGIC)
        while head := file.read(_HEAD.size):
            if len(head) < _HEAD.size:
                return False
            length, inverted, crc = _HEAD.unpack(head)
            entry = file.read(length) if length ^ inverted == _INVERTED else None
            if entry is not None and len(entry) < length:
                return False
            if entry is None or zlib.crc32(entry) != crc:
                raise MalformedMessage(detail=f"{where} is damaged at byte {offset}")
            if self.last and not self.end:
                self._check_head(entry, where)
            self.end = offset + _HEAD.size + length
            if not self.last or offset > len(MAGIC):
                yield offset, entry
            offset = self.end
        return True

    def _check_head(self, entry: bytes, where: Path) -> None:
        try:
            head = _decode_head(entry)
        except UNREADABLE as error:
            raise MalformedMessage(detail=f"{where} is damaged at byte {len(MAGIC)}: {error}") from None
        if head != Continued(self.last, self.before):
            before = segment(self._path, self.last - 1)
            raise MalformedMessage(
                detail=f"{where} goes on behind byte {head.before} of segment {head.number - 1}, and {before} has"
                f" {self.before} bytes"
            )
