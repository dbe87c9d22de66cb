"""Who may use this node's memory for a circuit: all its slots at once, or none; who asked first, first.

A node that has too few slots says so and remembers the circuit; nobody who asked later gets slots before it. Nobody
holds slots while waiting for others', so circuits never wait for each other in a ring, and the oldest request of all
goes on wherever it is. Priorities are head starts: a request counts as so much older than it is. So those of a higher
priority overtake others, and still nobody waits for ever: in the end each is the oldest.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from qnode.wire.stack import Setup, StackSpec


class Slots(Protocol):
    """The memory slots where pairs arrive."""

    slots: int
    free: int

    def most(self, program: str) -> int:
        """How many slots a program can ever have as long as others keep theirs."""

    def free_for(self, program: str) -> int:
        """How many slots a program could take now; nobody's, if it is ""."""

    def take_in_turn(self, n: int, program: str = "") -> bool:
        """n slots, unless somebody waits already or there are too few."""


class Applicant(NamedTuple):
    """A circuit, by age: when its request was made, less its head start, and its name. The same at all its nodes."""

    since_ns: int
    circuit: str


def applicant(setup: Setup, spec: StackSpec) -> Applicant:
    return Applicant(setup.since_ns - setup.priority * spec.head_start_ns, setup.circuit)


class Admission:
    """The circuits that wait for this node's memory."""

    def __init__(self, memory: Slots) -> None:
        self._memory = memory
        self._waiting: dict[str, tuple[Applicant, int, str]] = {}  # by circuit: slots that it needs at least, for whom
        self._told: set[str] = set()

    def admit(self, who: Applicant, least: int, most: int, step: int, program: str = "") -> int:
        """Take slots for a circuit: the most that there are, `least` and multiples of `step` more; 0: it waits."""
        if not any(other < who for other, *_ in self._waiting.values()):
            fitting = min(most, self._memory.free_for(program))
            wanted = least + max(0, fitting - least) // step * step
            if self._memory.take_in_turn(wanted, program):
                self.forget(who.circuit)
                return wanted
        self._waiting[who.circuit] = who, least, program
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
        who, least, program = min(self._waiting.values())
        if who.circuit in self._told or self._memory.free_for(program) < least:
            return None
        self._told.add(who.circuit)
        return who.circuit
