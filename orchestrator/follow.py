"""What the processes of a run print, as they print it: their common log file, followed line by line."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final, Self

EVERY_S: Final = 0.05  # how often the file is looked at while the run goes on
_AT_ONCE: Final = 1 << 20  # bytes; so that a flood of output does not keep the event loop from everything else


def show(line: str) -> None:
    """Print a line where this process prints; in a notebook that is below the cell."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


class LogFollower:
    """Hands on every line of a file that others append to; belongs to the task that makes it.

    Args:
        path: The file; it need not be there yet.
        on_line: Called with each whole line, without its end. If it raises (nobody reads any more, say), the task is
            cancelled, and leaving the `with` block raises that error instead.
    """

    def __init__(self, path: Path, on_line: Callable[[str], None]) -> None:
        path.touch()
        self._file = path.open("rb")
        self._on_line = on_line
        self._torn = b""
        self._error: Exception | None = None
        self._task = asyncio.current_task()
        self._timer = asyncio.get_running_loop().call_later(EVERY_S, self._look)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Hand on what is left, the last line even if it has no end, and stop."""
        self._timer.cancel()
        with self._file:
            while self._error is None and self._hand_on():
                pass
        if self._torn and self._error is None:
            self._on_line(_text(self._torn))
        if self._error is not None:
            if self._task is not None:
                self._task.uncancel()
            raise self._error

    def _look(self) -> None:
        try:
            self._hand_on()
        except Exception as error:  # noqa: BLE001  # in a callback of the loop: it must reach the task that follows
            self._error = error
            if self._task is not None:
                self._task.cancel()
            return
        self._timer = asyncio.get_running_loop().call_later(EVERY_S, self._look)

    def _hand_on(self) -> bool:
        data = self._file.read(_AT_ONCE)
        *lines, self._torn = (self._torn + data).split(b"\n")
        for line in lines:
            self._on_line(_text(line))
        return bool(data)


def _text(line: bytes) -> str:
    return line.decode("utf-8", "replace")
