"""Who may use this node's memory for a circuit: all its slots at once, or none; who asked first, first.

A node that has too few slots says so and remembers the circuit; nobody who asked later gets slots before it. Nobody
holds slots while waiting for others', so circuits never wait for each other in a ring, and the oldest request of all
goes on wherever it is. Links that have promised their rate to others are waited for in the same way, each by itself:
who waits for a link keeps nobody from memory who does not want that link, too. Priorities are head starts: a request
counts as so much older than it is. So those of a higher priority overtake others, and still nobody waits for ever: in
the end each is the oldest.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Final, NamedTuple, Protocol

from qnode.core.reservations import Calendar
from qnode.wire.stack import Setup, StackSpec


class Slots(Protocol):
    """The memory slots where pairs arrive."""

    slots: int
    free: int

    def most(self, program: str) -> int:
        """How many slots a program can ever have as long as others keep theirs."""

    def free_in_turn(self, program: str) -> int:
        """How many slots `take_in_turn` would take now."""

    calendar: Calendar

    def take(self, program: str = "") -> bool:
        """One slot at once, of those that are set aside for a program first; or False."""

    def take_in_turn(self, n: int, program: str = "") -> bool:
        """n slots, unless somebody waits already or there are too few."""


class Applicant(NamedTuple):
    """A circuit, by age: when its request was made, less its head start, and its name. The same at all its nodes."""

    since_ns: int
    circuit: str


def applicant(setup: Setup, spec: StackSpec) -> Applicant:
    return Applicant(setup.since_ns - setup.priority * spec.head_start_ns, setup.circuit)


NO_LINKS: Final[Mapping[str, float]] = {}


class Waiting(NamedTuple):
    """A circuit that waits, for so many slots at least, for a program, and for its shares of links."""

    who: Applicant
    least: int
    program: str
    shares: Mapping[str, float]


class Admission:
    """The circuits that wait for this node's memory.

    Args:
        crowded: The links, of those of such shares, that have no room for them now.
    """

    def __init__(self, memory: Slots, crowded: Callable[[Mapping[str, float]], Collection[str]]) -> None:
        self._memory = memory
        self._crowded = crowded
        self._waiting: dict[str, Waiting] = {}
        self._told: set[str] = set()

    def admit(
        self,
        who: Applicant,
        least: int,
        most: int,
        step: int,
        program: str = "",
        shares: Mapping[str, float] = NO_LINKS,
    ) -> int:
        """Take slots for a circuit: the most that there are, `least` and multiples of `step` more; 0: it waits."""
        if self._may_take(who, shares):
            fitting = min(most, self._memory.free_in_turn(program))
            wanted = least + max(0, fitting - least) // step * step
            if self._memory.take_in_turn(wanted, program):
                self.forget(who.circuit)
                return wanted
        self._waiting[who.circuit] = Waiting(who, least, program, shares)
        self._told.discard(who.circuit)
        return 0

    def forget(self, circuit: str) -> None:
        """It does not wait any more."""
        self._waiting.pop(circuit, None)
        self._told.discard(circuit)

    def next(self) -> str | None:
        """The circuit that waits longest, once, if there are slots for it."""
        if not self._waiting:
            return None
        first = self._first()
        if first is None or first.who.circuit in self._told or self._memory.free_in_turn(first.program) < first.least:
            return None
        self._told.add(first.who.circuit)
        return first.who.circuit

    def _first(self) -> Waiting | None:
        """Of those that wait for nothing but memory, the oldest."""
        wanted: set[str] = set()  # links that those before wait for
        for one in sorted(self._waiting.values(), key=_age):
            if wanted.isdisjoint(one.shares) and not (one.shares and self._crowded(one.shares)):
                return one
            wanted.update(one.shares)
        return None

    def _may_take(self, who: Applicant, shares: Mapping[str, float]) -> bool:
        """Whether nobody who comes first waits for the same."""
        if shares and self._crowded(shares):
            return False
        wanted: set[str] = set()
        for one in sorted(self._waiting.values(), key=_age) if self._waiting else ():
            if one.who >= who:
                break
            if wanted.isdisjoint(one.shares) and not (one.shares and self._crowded(one.shares)):
                return False
            wanted.update(one.shares)
        return wanted.isdisjoint(shares)


def _age(one: Waiting) -> Applicant:
    return one.who
