"""Who may use this node's memory for a circuit: all its slots at once, or none; who asked first, first.

A node that has too few slots says so and remembers the circuit; nobody who asked later gets slots before it. Nobody
holds slots while waiting for others', so circuits never wait for each other in a ring, and the oldest request of all
goes on wherever it is. A program's own slots are nobody else's, so its circuits take them at once. Links that have
promised their rate to others are waited for in the same way, each by itself:
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

    def free_for(self, program: str) -> int:
        """How many slots a program could take now; nobody's, if it is ""."""

    def free_in_turn(self, program: str) -> int:
        """How many of them `take_in_turn` would take now."""

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
        free = self._free(who, program, shares)
        if free >= least:
            wanted = least + max(0, min(most, free) - least) // step * step
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
        """The circuit that waits longest, once, if there are slots for it; behind it, those that have their own."""
        if not self._waiting:
            return None
        before, links = False, set[str]()
        for one in sorted(self._waiting.values(), key=_age):
            if self._waits_for_memory(one, links):
                free = self._of_its_own(one.program) if before else self._memory.free_in_turn(one.program)
                if free >= one.least and one.who.circuit not in self._told:
                    self._told.add(one.who.circuit)
                    return one.who.circuit
                before = True
            links.update(one.shares)
        return None

    def _free(self, who: Applicant, program: str, shares: Mapping[str, float]) -> int:
        """How many slots a circuit may take now, after all who come first and wait for the same."""
        if shares and self._crowded(shares):
            return 0
        if not self._waiting:
            return self._memory.free_in_turn(program)
        before, links = False, set[str]()
        for one in sorted(self._waiting.values(), key=_age):
            if one.who >= who:
                break
            before = before or self._waits_for_memory(one, links)
            links.update(one.shares)
        if not links.isdisjoint(shares):
            return 0
        return self._of_its_own(program) if before else self._memory.free_in_turn(program)

    def _waits_for_memory(self, one: Waiting, links: Collection[str]) -> bool:
        """Whether it waits for nothing but that, and not for links either, which those before it wait for."""
        return not one.shares or (one.shares.keys().isdisjoint(links) and not self._crowded(one.shares))

    def _of_its_own(self, program: str) -> int:
        """How many slots a program could take now that are nobody else's."""
        return min(self._memory.free_for(program) - self._memory.free, self._memory.free_in_turn(program))


def _age(one: Waiting) -> Applicant:
    return one.who
