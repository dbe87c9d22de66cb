"""What is handed out on the real clock, until its process says that it has it: connections are lost, items are not."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Final

from qnode.errors import MalformedMessage
from qnode.transport.server import Server
from qnode.wire.messages import Hello

MOST: Final = 100_000  # grants that a process has not said that it has; of more, the oldest cannot be had again


class Handing:
    """Hands grants to processes in order, each once, whatever becomes of their connections.

    A process says in each Ping how many it has had. Over a first connection it is handed what there is at once; over
    the next one only once it has said that.
    """

    def __init__(self, server: Server, hellos: Mapping[bytes, Hello]) -> None:
        self._server = server
        self._hellos = hellos
        self._kept: dict[bytes, deque[Sequence[bytes]]] = {}  # by session, like the others
        self._had: dict[bytes, int] = {}
        self._connection: dict[bytes, bytes] = {}

    def give(self, connection: bytes, frames: Sequence[bytes]) -> None:
        """Hand out one grant."""
        session = self._hellos[connection].session
        kept = self._kept.setdefault(session, deque())
        kept.append(frames)
        if len(kept) > MOST:
            kept.popleft()
            self._had[session] = self._had.get(session, 0) + 1
        if self._connection.setdefault(session, connection) == connection:
            self._server.send(connection, frames)

    def has(self, connection: bytes, taken: int) -> None:
        """A process says how many it has had. Raises MalformedMessage if that cannot be."""
        session = self._hellos[connection].session
        kept, had = self._kept.setdefault(session, deque()), self._had.get(session, 0)
        if not had <= taken <= had + len(kept):
            raise MalformedMessage(detail=f"{taken} grants were taken; {had} to {had + len(kept)} are possible")
        for _ in range(taken - had):
            kept.popleft()
        self._had[session] = taken
        if self._connection.setdefault(session, connection) != connection:
            self._connection[session] = connection
            for frames in kept:
                self._server.send(connection, frames)
