"""Who may use this node's memory for a circuit: all its slots at once, or none; who asked first, first.

A node that has too few slots says so and remembers the circuit; nobody who asked later gets slots before it. Nobody
holds slots while waiting for others', so circuits never wait for each other in a ring, and the oldest request of all
goes on wherever it is.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol


class Slots(Protocol):
    """The memory slots where pairs arrive."""

    slots: int
    free: int

    def free_for(self, program: str) -> int:
        """How many slots a program could take now; nobody's, if it is ""."""

    def take_in_turn(self, n: int, program: str = "") -> bool:
        """n slots, unless somebody waits already or there are too few."""


class Applicant(NamedTuple):
    """A circuit, by age: when its request was made, and its name."""

    since_ns: int
    circuit: str


class Admission:
    """The circuits that wait for this node's memory."""

    def __init__(self, memory: Slots) -> None:
        self._memory = memory
        self._waiting: dict[Applicant, tuple[int, str]] = {}  # the slots that it needs at least, and for whom
        self._told: set[Applicant] = set()

    def admit(self, who: Applicant, least: int, most: int, step: int, program: str = "") -> int:
        """Take slots for a circuit: the most that there are, `least` and multiples of `step` more; 0: it waits."""
        older = [other for other in self._waiting if other < who]
        if not older:
            fitting = min(most, self._memory.free_for(program))
            wanted = least + max(0, fitting - least) // step * step
            if self._memory.take_in_turn(wanted, program):
                self.forget(who)
                return wanted
        self._waiting[who] = (least, program)
        self._told.discard(who)
        return 0

    def forget(self, who: Applicant) -> None:
        """It does not wait any more."""
        self._waiting.pop(who, None)
        self._told.discard(who)

    def next(self) -> str | None:
        """The circuit that waits longest, once, if there are slots for it."""
        if not self._waiting:
            return None
        who = min(self._waiting)
        least, program = self._waiting[who]
        if who in self._told or self._memory.free_for(program) < least:
            return None
        self._told.add(who)
        return who.circuit
