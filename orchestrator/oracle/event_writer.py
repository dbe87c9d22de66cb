"""The event log on its way to the disk."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

from orchestrator.oracle.events import Event, encode_events
from orchestrator.oracle.record import write_all

FLUSH_EVENTS: Final = 512
FLUSH_S: Final = 0.25  # wall time; whoever reads the log while the run goes on is behind by little more


class EventWriter:
    """Writes the event log while the run goes on: always whole lines, however much of it a reader finds.

    What is executed of a round before it is complete is not in the record yet: it is written only after `settle`, so
    that the log stays a view of the record.

    Attributes:
        emit: Takes an event. It is written by the next `flush` after `settle`; somebody must see to that, now and then.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("xb", buffering=0)
        self._pending: list[Event] = []
        self._settled = 0  # so many of them are in the record
        self._due = 0.0
        self.emit = self._pending.append

    def settle(self) -> None:
        """The record has all that was emitted."""
        self._settled = len(self._pending)

    def flush_if_due(self) -> None:
        """Write if much is waiting, or for long. Raises OSError that names the file."""
        if self._settled and (self._settled >= FLUSH_EVENTS or time.monotonic() >= self._due):
            self.flush()

    def flush(self) -> None:
        """Write what is settled. Raises OSError that names the file."""
        self._due = time.monotonic() + FLUSH_S
        if self._settled:
            lines = encode_events(self._pending[: self._settled])
            # Before: what cannot be written is not tried again behind a line that was cut off.
            del self._pending[: self._settled]
            self._settled = 0
            write_all(self._file.fileno(), lines, self._path)

    def close(self) -> None:
        """Write what is settled, and close the file."""
        self.flush()
        self._file.close()
