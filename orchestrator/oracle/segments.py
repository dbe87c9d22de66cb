"""The files of a record: one after the other, each of a size; what is full is compressed beside the run.

The first is `record`, those after it `record.1`, `record.2`, ...; a compressed one has `.gz` behind its name. A file
becomes the compressed one at once, when that is whole: whoever is killed meanwhile leaves the one or the other.
"""

from __future__ import annotations

import gzip
import logging
import os
import shutil
import threading
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import IO, Final, cast

log = logging.getLogger("qnode")

_LEVEL: Final = 1  # a report has few words and many numbers: more takes ten times as long, and saves little
_CHUNK: Final = 2**20
_PART: Final = ".part"


def segment(path: Path, number: int) -> Path:
    """The name of a segment, as long as it is plain."""
    return path.with_name(f"{path.name}.{number}") if number else path


def packed(plain: Path) -> Path:
    """The name of the same segment, once it is compressed."""
    return plain.with_name(f"{plain.name}.gz")


def is_there(path: Path, number: int) -> bool:
    """Whether a record has this segment."""
    plain = segment(path, number)
    return plain.exists() or packed(plain).exists()


def open_segment(path: Path, number: int) -> IO[bytes]:
    """To read it, as it was written. Raises OSError."""
    plain = segment(path, number)
    while True:
        with suppress(FileNotFoundError):
            return cast("IO[bytes]", gzip.open(packed(plain)))
        try:
            return plain.open("rb")
        except FileNotFoundError:
            if not packed(plain).exists():  # else it has just become that
                raise


def tidy(path: Path, last: int) -> list[Path]:
    """What a compression that was cut off has left is removed; the full segments that are still plain."""
    plain = []
    for one in (segment(path, number) for number in range(last)):
        packed(one).with_name(packed(one).name + _PART).unlink(missing_ok=True)
        if packed(one).exists():
            one.unlink(missing_ok=True)
        elif one.exists():
            plain.append(one)
    return plain


class Packer:
    """Compresses segments in a thread, which works without the interpreter: nobody waits for it but `close`."""

    def __init__(self, *, synced: bool) -> None:
        self._synced = synced
        self._waiting: deque[Path] = deque()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def pack(self, plain: Path) -> None:
        """It will be written no more."""
        with self._lock:
            self._waiting.append(plain)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="packing", daemon=True)
                self._thread.start()

    def close(self) -> None:
        """Returns once all are compressed."""
        thread = self._thread
        if thread is not None:
            thread.join()

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._thread = None
                    return
                plain = self._waiting.popleft()
            try:
                self._pack(plain)
            except OSError as error:  # no room, say: it stays as it is, and nothing is lost
                log.warning("%s is not compressed: %s", plain, error.strerror or error)

    def _pack(self, plain: Path) -> None:
        part = packed(plain).with_name(packed(plain).name + _PART)
        try:
            with plain.open("rb") as source, part.open("wb") as target:
                os.fchmod(target.fileno(), 0o600)
                with gzip.GzipFile("", "wb", _LEVEL, target, mtime=0) as compressed:
                    shutil.copyfileobj(source, compressed, _CHUNK)
                target.flush()
                if self._synced:
                    os.fsync(target.fileno())
            part.replace(packed(plain))
        except OSError:
            part.unlink(missing_ok=True)
            raise
        plain.unlink(missing_ok=True)
