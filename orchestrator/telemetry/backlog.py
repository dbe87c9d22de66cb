"""Messages that wait for the broker: as many as there is room for, and a count of those that were dropped. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import NamedTuple


class Batch(NamedTuple):
    """One message: events of one node, as they stand in the log."""

    topic: str
    payload: bytes
    events: int


class Backlog:
    """The newest events are kept, the oldest dropped.

    Every event that is put in is at any time in exactly one of three places: published, dropped, or waiting.

    Args:
        room: How many events may wait; a single message may be larger.

    Attributes:
        offered, published, dropped: Events.
    """

    def __init__(self, room: int) -> None:
        self._room = room
        self._least = 1
        self._batches: deque[Batch] = deque()
        self._queued = 0
        self._under_way = 0
        self.offered = 0
        self.published = 0
        self.dropped = 0

    @property
    def waiting(self) -> int:
        """Events that are neither published nor dropped yet."""
        return self._queued + self._under_way

    def put(self, batches: Iterable[Batch]) -> None:
        """Queue new messages; the oldest go if there is no room."""
        for batch in batches:
            self.offered += batch.events
            self._queued += batch.events
            self._batches.append(batch)
        self._make_room()

    def take(self, n: int) -> list[Batch]:
        """Up to n of the oldest messages, to be published; each must be settled or given back."""
        taken = [self._batches.popleft() for _ in range(min(n, len(self._batches)))]
        events = sum(batch.events for batch in taken)
        self._queued -= events
        self._under_way += events
        return taken

    def settle(self, batch: Batch) -> None:
        """It is published."""
        self._under_way -= batch.events
        self.published += batch.events

    def give_back(self, batch: Batch) -> None:
        """It could not be published, and is the oldest again."""
        self._under_way -= batch.events
        self._queued += batch.events
        self._batches.appendleft(batch)
        self._make_room()

    def give_up(self) -> None:
        """Drop what waits, and from now on what is given back, too."""
        self._room = self._least = 0
        self._make_room()

    def _make_room(self) -> None:
        while self._queued > self._room and len(self._batches) > self._least:
            batch = self._batches.popleft()
            self._queued -= batch.events
            self.dropped += batch.events
