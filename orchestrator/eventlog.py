"""Reading an event log, also while it is being written: whole lines, block by block, never all of it at once."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from orchestrator.oracle.events import Event, decode_event
from orchestrator.text import count, from_here
from qnode.errors import ConfigError
from qnode.wire.unreadable import UNREADABLE

EVERY_S: Final = 0.1  # how often the file is looked at while the run goes on
_BLOCK_BYTES: Final = 1 << 18


class Line(NamedTuple):
    """One line as it stands in the log, without its end, and what it says."""

    raw: bytes
    event: Event


class EventLog:
    """The log of one run.

    Attributes:
        torn: Whether the last line that was read has no end: whoever wrote it was killed, or is still writing.
    """

    def __init__(self, path: Path) -> None:
        self.torn = False
        self._path = path

    def blocks(self, goes_on: Callable[[], bool] = lambda: False) -> Iterator[list[Line]]:
        """Its lines, several at a time. Whenever all of it has been read and the run goes on, an empty list.

        Raises ConfigError, with the line's number, for one that is no event.
        """
        rest, number = b"", 0
        with self._path.open("rb") as file:
            while True:
                more = goes_on()  # asked before reading: what was written before the run's end is read
                data = file.read(_BLOCK_BYTES)
                if data:
                    *raws, rest = (rest + data).split(b"\n")
                    yield from self._decoded(raws, number)
                    number += len(raws)
                elif more:
                    yield []
                    time.sleep(EVERY_S)  # another process writes it, and tells us nothing
                else:
                    break
        self.torn = bool(rest)

    def _decoded(self, raws: list[bytes], before: int) -> Iterator[list[Line]]:
        lines: list[Line] = []
        for raw in raws:
            try:
                lines.append(Line(raw, decode_event(raw)))
            except UNREADABLE as error:
                yield lines
                place = f"{from_here(self._path)}:{before + len(lines) + 1}"
                raise ConfigError(place=place, detail=f"this line is damaged, it is no event: {error}") from None
        if lines:
            yield lines


@dataclass(frozen=True)
class Wanted:
    """Which events somebody wants to see: those that are named in every set that is not empty, and in time.

    A pair is concerned also by what happens to either of its halves.
    """

    nodes: frozenset[str] = frozenset()
    kinds: frozenset[str] = frozenset()
    programs: frozenset[str] = frozenset()
    peers: frozenset[str] = frozenset()
    pairs: frozenset[str] = frozenset()
    qubits: frozenset[str] = frozenset()
    messages: frozenset[str] = frozenset()
    requests: frozenset[int] = frozenset()
    from_ns: int = 0
    to_ns: int | None = None

    def __call__(self, event: Event) -> bool:
        return (
            (not self.nodes or event.node in self.nodes)
            and (not self.kinds or event.event in self.kinds)
            and (not self.programs or event.program in self.programs)
            and (not self.peers or event.peer in self.peers)
            and (not self.messages or event.message in self.messages)
            and (not self.requests or event.request in self.requests)
            and (not self.qubits or not self.qubits.isdisjoint(event.qubits))
            and (not self.pairs or self._of_pairs(event))
            and event.t >= self.from_ns
            and (self.to_ns is None or event.t <= self.to_ns)
        )

    def _of_pairs(self, event: Event) -> bool:
        return event.pair in self.pairs or any(qubit.partition("@")[0] in self.pairs for qubit in event.qubits)


_TAIL: Final = 1 << 15  # bytes of a log, enough for its last events


def last_events(path: Path, n: int, *, but: Collection[str] = ()) -> list[Event]:
    """The last events of a log but those of some kinds; of a line without an end, and of a damaged log, nothing."""
    try:
        with path.open("rb") as file:
            begun_at = max(0, file.seek(0, os.SEEK_END) - _TAIL)
            file.seek(begun_at)
            lines = file.read().split(b"\n")
        events = [decode_event(line) for line in lines[1 if begun_at else 0 : -1]]
    except (OSError, *UNREADABLE):
        return []
    return [event for event in events if event.event not in but][-n:]


# --- for people ------------------------------------------------------------------------------------------------------


def exact_time(ns: int) -> str:
    """Network time to the nanosecond, in the unit that suits it: 50.035 us."""
    for unit, digits in (("s", 9), ("ms", 6), ("us", 3)):
        whole, part = divmod(ns, 10**digits)
        if whole:
            return f"{whole}.{part:0{digits}}".rstrip("0").removesuffix(".") + f" {unit}"
    return f"{ns} ns"


_COUNTED: Final = {"send_pulses": "pulse", "tap": "pulse", "receive_pulses": "click", "network_slots": "slot"}
_FRAMES: Final = ("network_deliver", "network_correct")  # their n counts nothing


def _number(event: Event) -> str:
    return f"frame {event.n}" if event.event in _FRAMES else count(event.n, _COUNTED.get(event.event, "pair"))


def sentence(event: Event) -> str:
    """What happened, beyond time, node and kind: on one line, with all ids."""
    gate = event.gate + (f"({', '.join(f'{param:g}' for param in event.params)})" if event.params else "")
    parts = [
        " ".join([*([gate] if gate else []), *event.qubits]),
        f"-> {' '.join(map(str, event.outcomes))}" if event.outcomes else "",
    ]
    facts = [
        " ".join(part for part in parts if part),
        _number(event) if event.n else "",
        f"{_PEER.get(event.event, 'with')} {event.peer}" if event.peer else "",
        event.name,
        f"message {event.message}" if event.message else "",
        f"{'about' if event.message else 'pair'} {event.pair}" if event.pair else "",
        f"request {event.request}" if event.request else "",
        f"{'channel' if event.message else 'tag'} {event.channel}" if event.channel else "",
        count(event.bytes, "byte") if event.bytes else "",
        event.detail,
        "at the node" if event.local else "",
    ]
    return " ".join(", ".join(fact for fact in facts if fact).split())  # a name may hold the end of a line


def told(event: Event) -> str:
    """What happened, in a row: `50.035 us alice measure z alice.0 -> 1`."""
    return " ".join(filter(None, (exact_time(event.t), event.node, event.event, sentence(event))))


_PEER: Final = {"send": "to", "send_qubit": "to", "receive": "from", "receive_qubit": "from"}


class Layout:
    """Events as lines in columns. The node's is as wide as the longest name so far: what comes is not known."""

    def __init__(self) -> None:
        self._width = 7

    def line(self, event: Event) -> str:
        node = event.node if event.program in ("", "main") else f"{event.node}.{event.program}"
        self._width = max(self._width, len(node))
        where = (node or "the run").ljust(self._width)
        return f"{exact_time(event.t):>13}  {where}  {event.event:16}  {sentence(event)}".rstrip()
