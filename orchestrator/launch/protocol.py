"""What the launcher and its forkserver say to each other over a socketpair: length-prefixed MessagePack."""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Iterator
from typing import Final

import msgspec

_LENGTH: Final = struct.Struct("<I")


class Open(msgspec.Struct, array_like=True, tag=1, frozen=True):
    """Make a directory for a run, and import what its programs will import (see preload.py)."""

    modules: tuple[str, ...] = ()


class Prepare(msgspec.Struct, array_like=True, tag=2, frozen=True):
    """What all node processes of the run are told, and all their programs; children inherit it."""

    run: bytes
    programs: tuple[str, ...] = ()


class Fork(msgspec.Struct, array_like=True, tag=3, frozen=True):
    """Start a process: "oracle" or "node", with what it is told. `number` names it in the answers."""

    number: int
    kind: str
    spec: bytes


class Kill(msgspec.Struct, array_like=True, tag=4, frozen=True):
    """End what is left of the run, and remove its directory."""


class End(msgspec.Struct, array_like=True, tag=5, frozen=True):
    """End one process at once, if it is still there."""

    number: int


class Opened(msgspec.Struct, array_like=True, tag=10, frozen=True):
    directory: str


class Forked(msgspec.Struct, array_like=True, tag=11, frozen=True):
    number: int
    pid: int


class Exited(msgspec.Struct, array_like=True, tag=12, frozen=True):
    """A child is gone; `status` is its exit code, or minus the number of the signal that ended it.

    `words` is the sentence that it left behind, if it knew what was wrong.
    """

    number: int
    status: int
    words: str = ""


class Killed(msgspec.Struct, array_like=True, tag=13, frozen=True):
    """Nothing of the run is left."""


class Unable(msgspec.Struct, array_like=True, tag=14, frozen=True):
    """What was ordered cannot be done."""

    detail: str


Order = Open | Prepare | Fork | Kill | End
Answer = Opened | Forked | Exited | Killed | Unable

_encode = msgspec.msgpack.Encoder().encode
_orders = msgspec.msgpack.Decoder(Order)
_answers = msgspec.msgpack.Decoder(Answer)


def send(sock: socket.socket, *messages: Order | Answer) -> None:
    """Write messages; waits if the other side is slow."""
    sock.sendall(_framed(*messages))


def _framed(*messages: Order | Answer) -> bytes:
    return b"".join(_LENGTH.pack(len(body)) + body for body in map(_encode, messages))


class Writer:
    """Sends messages and never waits: the launcher gives all its orders before it looks at an answer.

    If both sides waited until the other has taken what it was sent, neither would go on: a socket takes the answers for
    some 280 processes, fewer than the orders for 1,000.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._kept = bytearray()

    @property
    def waits(self) -> bool:
        """Whether there is something to be sent once the socket takes more: `flush` then."""
        return bool(self._kept)

    def send(self, *messages: Order | Answer) -> None:
        self._kept += _framed(*messages)
        self.flush()

    def flush(self) -> None:
        """Send what was kept, as far as the socket takes it."""
        with contextlib.suppress(BlockingIOError):
            while self._kept:
                del self._kept[: self._socket.send(self._kept, socket.MSG_DONTWAIT)]


class Reader:
    """Cuts what arrives into messages. `closed` once the other side is gone."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._buffer = bytearray()
        self.closed = False

    def orders(self) -> Iterator[Order]:
        """What the launcher wants, as far as it has arrived."""
        return map(_orders.decode, self._bodies())

    def answers(self) -> Iterator[Answer]:
        """What the forkserver answers, as far as it has arrived."""
        return map(_answers.decode, self._bodies())

    def _bodies(self) -> Iterator[bytes]:
        try:
            data = self._socket.recv(1 << 20)
        except ConnectionResetError:
            data = b""
        if not data:
            self.closed = True
            return
        self._buffer += data
        while len(self._buffer) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._buffer)
            if len(self._buffer) < _LENGTH.size + length:
                return
            body = bytes(self._buffer[_LENGTH.size : _LENGTH.size + length])
            del self._buffer[: _LENGTH.size + length]
            yield body
