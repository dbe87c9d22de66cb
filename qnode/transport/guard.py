"""Who says too much that is refused, and who says nothing: connections that are ended so that others are served.

Only connections through a network can be: on ipc libzmq does not tell cheaply whose a message is, and whoever can open
the socket there is the same user. What such a one says too much is passed over unread.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from typing import Final

import zmq

SECOND: Final = 1.0
REMEMBERED: Final = 4096


class Guard:
    """Counts what each connection says in vain within a second of wall time.

    Args:
        most: Messages of one connection that may be refused in a second.
        now: Wall time.
    """

    def __init__(self, most: int, now: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._now = now
        self._since = now()
        self._counts: dict[bytes, int] = {}
        self._muted: dict[bytes, None] = {}

    def blame(self, connection: bytes, cost: int = 1) -> bool:
        """One more message that was refused. True if it is one too many: from now on nothing of it is read."""
        if self._now() - self._since > SECOND:
            self._since = self._now()
            self._counts.clear()
        count = self._counts[connection] = self._counts.get(connection, 0) + cost
        if count <= self._most:
            return False
        self._muted[connection] = None
        if len(self._muted) > REMEMBERED:
            del self._muted[next(iter(self._muted))]
        return True

    def is_muted(self, connection: bytes) -> bool:
        return bool(self._muted) and connection in self._muted


def descriptor_of(frame: zmq.Frame) -> int:
    """Of the connection that a frame came over; -1 if libzmq does not know."""
    try:
        return int(frame.get(zmq.SRCFD))
    except (zmq.ZMQError, TypeError, ValueError):
        return -1


def cut(descriptor: int) -> None:
    """End a connection from outside: libzmq sees that the other side has hung up.

    The number may belong to another connection by now, if this one ended with much unread: that one then connects
    again, and loses nothing.
    """
    try:
        copy = os.dup(descriptor)
    except OSError:  # it is gone
        return
    try:
        with socket.socket(fileno=copy) as connection:
            connection.shutdown(socket.SHUT_RDWR)
    except OSError:  # it is gone, or no connection any more
        return
