"""Who has reserved how many memory slots of a node, and from when to when: a calendar that admits or refuses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

ALWAYS_NS: Final = 2**63 - 1
"""The end of a reservation that has none."""


class Booking(NamedTuple):
    """n slots for somebody from from_ns until just before to_ns."""

    number: int
    who: str
    n: int
    from_ns: int
    to_ns: int

    def __str__(self) -> str:
        until = "on" if self.to_ns == ALWAYS_NS else f"to {self.to_ns} ns"
        return f"{self.who} {self.n} from {self.from_ns} ns {until}"


class Calendar:
    """The bookings of alike slots. Times are integers in nanoseconds; what is over is to be taken out by `end`.

    Invariant: at no time more slots are booked than there are.
    """

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self._bookings: dict[int, Booking] = {}
        self._made = 0

    def __iter__(self) -> Iterator[Booking]:
        return iter(self._bookings.values())

    def within(self, from_ns: int, to_ns: int) -> list[Booking]:
        """The bookings that share time with a window."""
        return [one for one in self if one.from_ns < to_ns and from_ns < one.to_ns]

    def busiest(self, from_ns: int, to_ns: int) -> tuple[int, int]:
        """How many slots are booked at most at one time of a window, and when that is first."""
        near = self.within(from_ns, to_ns)
        starts = sorted({from_ns, *(one.from_ns for one in near if one.from_ns > from_ns)})  # it only rises there
        booked = [(sum(one.n for one in near if one.from_ns <= at_ns < one.to_ns), -at_ns) for at_ns in starts]
        most, at_ns = max(booked)
        return most, -at_ns

    def free(self, from_ns: int, to_ns: int = ALWAYS_NS) -> int:
        """How many slots can be booked for a whole window."""
        return self.slots - self.busiest(from_ns, to_ns)[0]

    def refusal(self, n: int, from_ns: int, to_ns: int = ALWAYS_NS) -> str:
        """Why n slots cannot be booked for a window, in words; "" if they can."""
        if n < 1 or to_ns <= from_ns:
            return f"{n} slots from {from_ns} ns to {to_ns} ns are none"
        if n > self.slots:
            return f"{n} slots wanted, and there are {self.slots}"
        most, at_ns = self.busiest(from_ns, to_ns)
        if most + n <= self.slots:
            return ""
        holders = "; ".join(str(one) for one in self.within(at_ns, at_ns + 1))
        return f"{n} slots wanted, and at {at_ns} ns {most} of {self.slots} are reserved: {holders}"

    def next_fit(self, n: int, from_ns: int, length_ns: int) -> int | None:
        """The earliest time from which on n slots are free for so long; None if they never are."""
        starts = sorted({from_ns, *(one.to_ns for one in self if from_ns < one.to_ns < ALWAYS_NS)})
        return next((at_ns for at_ns in starts if self.free(at_ns, at_ns + length_ns) >= n), None)

    def add(self, who: str, n: int, from_ns: int, to_ns: int = ALWAYS_NS) -> Booking:
        """Book slots, for which there is no `refusal`."""
        if refused := self.refusal(n, from_ns, to_ns):
            raise ValueError(refused)
        self._made += 1
        booking = self._bookings[self._made] = Booking(self._made, who, n, from_ns, to_ns)
        return booking

    def end(self, booking: Booking) -> None:
        """It is over, or will never be; nothing happens if it was taken out before."""
        self._bookings.pop(booking.number, None)
