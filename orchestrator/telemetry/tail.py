"""Reading the event log while it is being written."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO, Final

_AT_ONCE: Final = 1 << 18  # bytes


class Tail:
    """The lines of a file that another process appends to; the file need not be there yet."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO | None = None
        self._torn = b""

    def read(self) -> bytes:
        """Whole lines that are new, not too many at once; b"" if there are none."""
        if self._file is None:
            try:
                self._file = self._path.open("rb")
            except FileNotFoundError:
                return b""
        while data := self._file.read(_AT_ONCE):
            whole, end, torn = (self._torn + data).rpartition(b"\n")
            self._torn = torn
            if end:
                return whole + end
        return b""

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
