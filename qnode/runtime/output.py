"""What a process prints: whole lines in the log of its run, each with the name of the node that says it.

Every process appends to the same file, a line a write, so that lines never mix; whoever follows the file sees all of
the run, in the order in which it was said. Nothing of a run holds the terminal, or the other end of a pipe, open.
"""

from __future__ import annotations

import faulthandler
import io
import os
import sys
import threading
from asyncio import events
from collections.abc import Callable
from typing import IO, TYPE_CHECKING, Final, cast

from qnode.runtime.loop import NodeLoop

if TYPE_CHECKING:
    from typing_extensions import Buffer

SEPARATOR: Final = " | "


class LineWriter(io.RawIOBase):
    """Takes bytes as they come and appends whole lines to a file.

    Args:
        descriptor: Of a file that is open for appending.
        path: Its name, for errors.
        label: Who speaks, asked when a line begins.
    """

    def __init__(self, descriptor: int, path: str, label: Callable[[], str]) -> None:
        self._descriptor = descriptor
        self._path = path
        self._label = label
        self._begun: dict[tuple[int, str], bytes] = {}

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    def write(self, data: Buffer, /) -> int:
        """Raises OSError where there is no room: what is said must not be lost without a word."""
        text = bytes(data)
        speaker = (threading.get_ident(), self._label())
        *lines, rest = (self._begun.pop(speaker, b"") + text).split(b"\n")
        if rest:
            self._begun[speaker] = rest
        for line in lines:
            self._append(speaker[1], line)
        return len(text)

    def finish(self) -> None:
        """Lines that were begun and never ended end now."""
        begun, self._begun = self._begun, {}
        for (_, label), line in begun.items():
            self._append(label, line)

    def _append(self, label: str, line: bytes) -> None:
        data = f"{label}{SEPARATOR}".encode() + line + b"\n"
        try:
            written = os.write(self._descriptor, data)
            while written < len(data):  # it says what is wrong when it is asked again
                written += os.write(self._descriptor, data[written:])
        except OSError as error:
            raise OSError(error.errno, error.strerror, self._path) from None


class Output:
    """Standard output and error of this process, on their way to a log. `finish` writes what has no line end yet."""

    def __init__(self, path: str, name: str) -> None:
        """Raises OSError if the log cannot be written."""
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._writers = [LineWriter(descriptor, path, lambda: speaker() or name) for _ in range(2)]
        sys.stdout, sys.stderr = (
            io.TextIOWrapper(
                cast("IO[bytes]", writer), encoding="utf-8", errors="backslashreplace", newline="\n", write_through=True
            )
            for writer in self._writers
        )
        for standard in (1, 2):  # of libraries and of programs that programs start: their lines have no name
            os.dup2(descriptor, standard)
        faulthandler.enable(descriptor)

    def finish(self) -> None:
        for writer in self._writers:
            writer.finish()


def speaker() -> str:
    """The node whose code runs here, or "" outside of all loops."""
    loop = events._get_running_loop()
    return loop.name if isinstance(loop, NodeLoop) else ""
