"""Where a command prints: results to standard output, everything about them to standard error.

On a terminal there may be one transient line at the bottom of standard error, which shows how far a long work is.
"""

from __future__ import annotations

import os
import shutil
import sys
from typing import Final, TextIO

_STYLES: Final = {"bold": "1", "dim": "2", "red": "31", "yellow": "33"}
_CLEAR: Final = "\r\x1b[K"


class Screen:
    """Standard output and standard error of this process.

    Args:
        out: Where results go.
        err: Where progress, warnings and errors go.
    """

    def __init__(self, out: TextIO | None = None, err: TextIO | None = None) -> None:
        self._out = sys.stdout if out is None else out
        self._err = sys.stderr if err is None else err
        self._status = ""
        self.live = _is_terminal(self._err)

    @property
    def width(self) -> int | None:
        """Columns of the terminal that results go to; None if they do not go to one."""
        return shutil.get_terminal_size().columns if self._out.isatty() else None

    def say(self, text: str) -> None:
        """A result. Raises BrokenPipeError if nobody reads it any more."""
        self._print(self._out, text)

    def tell(self, text: str) -> None:
        """Something about the results, or why there are none."""
        self._print(self._err, text)

    def status(self, text: str) -> None:
        """What the transient line shows from now on; "" removes it. Nothing unless standard error is a terminal."""
        if not self.live or text == self._status:
            return
        self._status = text
        columns = shutil.get_terminal_size().columns
        try:
            self._err.write(_CLEAR + (self.style(text[: columns - 1], "dim") if text else ""))
            self._err.flush()
        except OSError:  # the terminal is gone: how far a work is interests nobody any more
            self.live = False

    def style(self, text: str, name: str) -> str:
        """For standard error: a text in a style, where colours are wanted and can be shown."""
        return f"\x1b[{_STYLES[name]}m{text}\x1b[0m" if self.live and _wants_colours() else text

    def heading(self, text: str) -> str:
        """For standard output: a text that stands out."""
        return f"\x1b[1m{text}\x1b[0m" if _is_terminal(self._out) and _wants_colours() else text

    def _print(self, stream: TextIO, text: str) -> None:
        status = self._status
        self.status("")
        stream.write(text + "\n")
        stream.flush()
        self.status(status)


def _is_terminal(stream: TextIO) -> bool:
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def _wants_colours() -> bool:
    return not os.environ.get("NO_COLOR")  # no-color.org: set and not empty
