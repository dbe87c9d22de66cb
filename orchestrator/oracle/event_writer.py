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

    Args:
        again: The log is there already, as far as it was written: what is emitted is compared with it first. From
            where it is not the same, or was cut off, it is written anew.

    Attributes:
        emit: Takes an event. It is written by the next `flush` after `settle`; somebody must see to that, now and then.
    """

    def __init__(self, path: Path, *, again: bool = False) -> None:
        self._path = path
        self._file = path.open("r+b" if again and path.exists() else "xb", buffering=0)
        self._compares = again
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
            if self._compares:
                lines = self._not_there(lines)
            write_all(self._file.fileno(), lines, self._path)

    def caught_up(self) -> None:
        """All is settled that can have been in the log: whatever else stands there goes, and the rest is new."""
        self.flush()
        self._cut()

    def _not_there(self, lines: bytes) -> bytes:
        start = self._file.tell()
        there = self._file.read(len(lines)) or b""
        if there == lines:
            return b""
        same = next((nth for nth, (a, b) in enumerate(zip(there, lines, strict=False)) if a != b), len(there))
        self._file.seek(start + same)
        self._cut()
        return lines[same:]

    def _cut(self) -> None:
        if self._compares:
            self._file.truncate(self._file.tell())
            self._compares = False

    def close(self) -> None:
        """Write what is settled, and close the file."""
        self.flush()
        self._file.close()
