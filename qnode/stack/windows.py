"""Memories for a circuit in a time to come: booked at each of its nodes when it is set up, or refused with a reason."""

from __future__ import annotations

from typing import Protocol

from qnode.core.reservations import Booking, Calendar
from qnode.errors import WindowTaken
from qnode.wire.stack import Setup


class Slots(Protocol):
    """The memory slots where pairs arrive."""

    calendar: Calendar

    def take(self, program: str = "") -> bool:
        """One slot at once, of those that are set aside for it first; or False."""


def book(
    memory: Slots, setup: Setup, node: str, now_ns: int, who: str, *, least: int, most: int, step: int
) -> Booking | WindowTaken:
    """The most slots that are free for the whole window: `least` and multiples of `step` more."""
    calendar, from_ns, to_ns = memory.calendar, max(setup.from_ns, now_ns), setup.to_ns
    if from_ns >= to_ns:
        return _taken(setup, node, "that is over", "ask for a later one")
    free = min(most, calendar.free(from_ns, to_ns))
    if free >= least:
        return calendar.add(who, least + (free - least) // step * step, from_ns, to_ns)
    fits_ns = calendar.next_fit(least, from_ns, to_ns - from_ns)
    then = "it never has" if fits_ns is None else f"it has for as long from {fits_ns / 1e9:g} s on"
    return _taken(setup, node, calendar.refusal(least, from_ns, to_ns), then)


def _taken(setup: Setup, node: str, reason: str, then: str) -> WindowTaken:
    return WindowTaken(
        node=node,
        source=setup.route[0],
        target=setup.route[-1],
        start=f"{setup.from_ns / 1e9:g}",
        end=f"{setup.to_ns / 1e9:g}",
        reason=reason,
        then=then,
    )
