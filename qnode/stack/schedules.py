"""Which pairs are distilled with which: said by two nodes each for itself, and alike.

Pairs have numbers, and every number is heard of, as a pair or as lost. Nodes hear of pairs and of the ends of steps at
different times and in different orders, so both take them in the order of their numbers: what is decided then depends
on nothing but which steps kept their pair, which both ends know. A pair that is lost at one end still takes its place
here, and the step that it is in fails.

Sources: recurrence: Bennett et al., PRL 76 722 (1996); pumping: Duer, Briegel, Cirac & Zoller, PRA 59 169 (1999).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from qnode.ids import PairId
from qnode.wire.stack import Scheme, Vector


class Item:
    """A pair on its way to a better one.

    Attributes:
        vector, since_ns: What is to be expected of it, and the time that this is for; the same at both ends.
        gone: Whether this end has lost its half.
        step: The number of the target of the step that it is in.
    """

    __slots__ = ("gone", "number", "pair", "since_ns", "step", "vector")

    def __init__(self, number: int, pair: PairId, vector: Vector, since_ns: int, *, gone: bool = False) -> None:
        self.number = number
        self.pair = pair
        self.vector = vector
        self.since_ns = since_ns
        self.gone = gone
        self.step: int | None = None


class Begun(NamedTuple):
    """A step: at both ends, CNOT from the control pair to the target pair, which is measured. At `at_ns`, by the plan.

    `level` and `nth`: where it stands in the schedule.
    """

    control: Item
    target: Item
    at_ns: int
    level: int = 0
    nth: int = 0


Moved = tuple[list[Begun], list[Item]]
"""What is to be begun, and what is finished."""


class InOrder:
    """Takes things as they come and gives them in the order of their numbers; some are only holes.

    Attributes:
        next: The number that it waits for.
        present: How many things wait here that are no holes.
        clock_ns: The latest time of what has been given.
    """

    __slots__ = ("_early", "clock_ns", "next", "present")

    def __init__(self) -> None:
        self.next = 0
        self.present = 0
        self.clock_ns = 0
        self._early: dict[int, tuple[Item | None, int]] = {}

    def put(self, number: int, item: Item | None, at_ns: int) -> Iterator[Item]:
        self._early[number] = (item, at_ns)
        self.present += item is not None
        while self.next in self._early:
            found, known_ns = self._early.pop(self.next)
            self.next += 1
            self.clock_ns = max(self.clock_ns, known_ns)
            if found is not None:
                self.present -= 1
                yield found


class _Level:
    """Pairs that have come through as many rounds as others here."""

    __slots__ = ("begun", "coming", "order", "waiting")

    def __init__(self) -> None:
        self.order = InOrder()
        self.waiting: Item | None = None
        self.begun = 0  # steps between pairs of this level
        self.coming = 0  # steps whose pair will come here if it is kept


class Recurrence:
    """Round by round: pairs that have come equally far are joined two by two, in the order of their numbers."""

    def __init__(self, rounds: int) -> None:
        self._levels = [_Level() for _ in range(rounds + 1)]

    @property
    def next(self) -> int:
        """The first number that has not been heard of."""
        return self._levels[0].order.next

    def came(self, item: Item) -> Moved:
        """A pair, or one that is lost. Each number once."""
        return self._put(0, item.number, item, item.since_ns)

    def skipped(self, number: int) -> Moved:
        """Neither end will have a pair of that number."""
        return self._put(0, number, None, 0)

    def ended(self, step: Begun, *, kept: bool) -> Moved:
        """A step is over."""
        self._levels[step.level + 1].coming -= 1
        return self._put(step.level + 1, step.nth, step.control if kept else None, step.control.since_ns)

    def missing(self, wanted: int) -> int:
        """How many more pairs it takes until so many are finished, if all steps succeed."""
        for level in reversed(self._levels):
            here = level.order.present + level.coming + (level.waiting is not None)
            wanted = 2 * max(0, wanted - here)
        return wanted // 2

    def _put(self, depth: int, number: int, item: Item | None, at_ns: int) -> Moved:
        level = self._levels[depth]
        in_turn = level.order.put(number, item, at_ns)
        if depth == len(self._levels) - 1:
            return [], list(in_turn)
        begun: list[Begun] = []
        for target in in_turn:
            control, level.waiting = level.waiting, target
            if control is not None:
                level.waiting = None
                begun.append(Begun(control, target, level.order.clock_ns, depth, level.begun))
                level.begun += 1
                self._levels[depth + 1].coming += 1
        return begun, []


class Pumping:
    """One pair is the control pair of every step, until it has come through all of them or is lost."""

    def __init__(self, steps: int) -> None:
        self._steps = steps
        self._order = InOrder()
        self._fresh: deque[Item] = deque()
        self._pumped: Item | None = None
        self._done = 0
        self._busy = False

    @property
    def next(self) -> int:
        """The first number that has not been heard of."""
        return self._order.next

    def came(self, item: Item) -> Moved:
        """A pair, or one that is lost. Each number once."""
        self._fresh.extend(self._order.put(item.number, item, item.since_ns))
        return self._go_on(), []

    def skipped(self, number: int) -> Moved:
        """Neither end will have a pair of that number."""
        self._fresh.extend(self._order.put(number, None, 0))
        return self._go_on(), []

    def ended(self, step: Begun, *, kept: bool) -> Moved:
        """A step is over."""
        self._busy = False
        self._done += 1
        finished = [step.control] if kept and self._done == self._steps else []
        if finished or not kept:
            self._pumped = None
        return self._go_on(), finished

    def missing(self, wanted: int) -> int:
        """How many more pairs it takes until so many are finished, if all steps succeed."""
        taken = 0 if self._pumped is None else 1 + self._done + self._busy
        return max(0, wanted * (self._steps + 1) - taken - len(self._fresh) - self._order.present)

    def _go_on(self) -> list[Begun]:
        while self._fresh and not self._busy:
            item = self._fresh.popleft()
            if self._pumped is None:
                self._pumped, self._done = item, 0
            else:
                self._busy = True
                return [Begun(self._pumped, item, max(self._pumped.since_ns, item.since_ns))]
        return []


Schedule = Recurrence | Pumping


def schedule(scheme: Scheme) -> Schedule:
    """For a scheme; without steps, pairs are finished as they come, in the order of their numbers."""
    return Pumping(scheme.steps) if scheme.pumping and scheme.steps else Recurrence(scheme.steps)
