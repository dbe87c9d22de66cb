"""The last words of a process: one sentence that says why it ends, through a pipe to whoever started it.

A pipe and not a file: "no space left" must be sayable too.
"""

from __future__ import annotations

import contextlib
import os
import select
from typing import Final

import msgspec

_MOST_BYTES: Final = select.PIPE_BUF  # what is written at once stays together, however many processes write


class Words(msgspec.Struct, array_like=True, frozen=True):
    """What the process with this number has to say."""

    number: int
    text: str


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Words).decode


class LastWords:
    """A pipe that all children of a server share. Nobody waits at either end: it holds enough."""

    def __init__(self) -> None:
        self.reading, self.writing = os.pipe()
        os.set_blocking(self.reading, False)
        self._buffer = b""
        self._heard: dict[int, str] = {}

    def of(self, number: int) -> str:
        """What a process that has ended said, and "" if it said nothing."""
        with contextlib.suppress(BlockingIOError):
            while data := os.read(self.reading, 1 << 16):
                self._buffer += data
        while self._buffer:
            length = int.from_bytes(self._buffer[:2], "little")
            words = _decode(self._buffer[2 : 2 + length])
            self._buffer = self._buffer[2 + length :]
            self._heard[words.number] = words.text
        return self._heard.pop(number, "")

    def forget(self) -> None:
        """A run is over: numbers begin again."""
        self.of(-2)
        self._heard.clear()


def say(descriptor: int, number: int, text: str) -> None:
    """Leave a sentence behind; one that is too long loses its end."""
    body = _encode(Words(number, text))
    if len(body) > _MOST_BYTES - 2:
        keep = text.encode()[: _MOST_BYTES - 64].decode(errors="ignore")
        body = _encode(Words(number, keep + " ..."))
    with contextlib.suppress(OSError):
        os.write(descriptor, len(body).to_bytes(2, "little") + body)
