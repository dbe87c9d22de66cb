"""What became of the requests that programs made of the network: one line each, from the event log. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from orchestrator.oracle.events import Event, decode_event
from orchestrator.text import count
from qnode.runtime.logs import format_time

OPEN: Final = "open"
LOST: Final = "lost"
_ENDS: Final = {
    "network_served": "served",
    "network_refused": "refused",
    "network_withdrawn": "withdrawn",
    "network_expired": "expired",
}
_DELIVERIES: Final = ("network_deliver", "network_measure")
_MARK: Final = b'"network_'


class Requested(NamedTuple):
    """A program's request for pairs with any node, as one end of it made it; the other end's is another.

    Attributes:
        number: The node's number for it.
        state: "served", "refused", "withdrawn" or "expired"; "lost" if its node was, "open" if the run ended before it.
        reason: Why it was refused.
        wanted, delivered: Pairs.
        route: The last that it took, from the requester on; () at the other end, or if there was none.
        circuits: How many of its circuits were set up from here.
        queued: How often it had to wait for memory or for a link.
        asked_ns, first_ns, last_ns, ended_ns: When it was made, its first and last pair came, and it ended; or None.
    """

    node: str
    program: str
    number: int
    peer: str
    tag: str
    wanted: int
    asked_ns: int
    state: str = OPEN
    reason: str = ""
    delivered: int = 0
    route: tuple[str, ...] = ()
    circuits: int = 0
    queued: int = 0
    first_ns: int | None = None
    last_ns: int | None = None
    ended_ns: int | None = None

    @property
    def waited_ns(self) -> int | None:
        """Until its first pair came."""
        return None if self.first_ns is None else self.first_ns - self.asked_ns


def requested(events: Iterable[Event]) -> list[Requested]:
    """All requests that a log tells of, in the order in which they were made."""
    found: list[Requested] = []
    at: dict[tuple[str, int], int] = {}  # of each node's present life
    for event in events:
        key = (event.node, event.request)
        if event.event == "node_lost":
            for other in [other for other in at if other[0] == event.node]:
                nth = at.pop(other)
                if found[nth].state == OPEN:
                    found[nth] = found[nth]._replace(state=LOST, ended_ns=event.t)
        elif event.event == "network_request":
            at[key] = len(found)
            found.append(Requested(event.node, event.program, event.request, event.peer, event.name, event.n, event.t))
        elif key in at and event.event.startswith("network_"):
            found[at[key]] = _after(found[at[key]], event)
    return found


def _after(one: Requested, event: Event) -> Requested:
    if event.event in _DELIVERIES:
        first_ns = event.t if one.first_ns is None else one.first_ns
        return one._replace(delivered=one.delivered + 1, first_ns=first_ns, last_ns=event.t)
    if event.event == "network_accepted":
        return one._replace(route=tuple(event.detail.split()), circuits=one.circuits + 1)
    if event.event == "network_queued":
        return one._replace(queued=one.queued + 1)
    if event.event in _ENDS:
        return one._replace(state=_ENDS[event.event], reason=event.detail, ended_ns=event.t)
    return one


def of_network(log: bytes) -> list[Event]:
    """The lines of a log that tell of requests, without reading the others."""
    if _MARK not in log:
        return []
    return [decode_event(line) for line in log.splitlines() if _MARK in line or b'"node_lost"' in line]


def summed_up(rows: Sequence[Requested]) -> list[str]:
    """A sentence for all requests of a program with the same peer."""
    classes: dict[tuple[str, str, str], list[Requested]] = {}
    for row in rows:
        classes.setdefault((row.node, row.program, row.peer), []).append(row)
    return [_sentence(*key, alike) for key, alike in classes.items()]


def _sentence(node: str, program: str, peer: str, rows: Sequence[Requested]) -> str:
    states = dict.fromkeys([*_ENDS.values(), LOST, OPEN])
    numbers = [(state, sum(row.state == state for row in rows)) for state in states]
    parts = [", ".join(f"{n} {state}" for state, n in numbers if n)]
    pairs = sum(row.delivered for row in rows)
    waits = [row.waited_ns for row in rows if row.waited_ns is not None]
    if waits:
        parts.append(
            f"{count(pairs, 'pair')}, the first after {format_time(round(statistics.fmean(waits)))} on average"
        )
    return f"{count(len(rows), 'request')} of {node}'s {program} with {peer}: {'; '.join(parts)}"
