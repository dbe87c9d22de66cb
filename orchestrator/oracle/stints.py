"""Attempts for batches of pairs that are measured at birth: so many in all, which need not be made in one piece.

A batch shares its link as any other request does: it has turns, each of as many attempts as a pair of it takes on
average. Where only batches want a link, their turns are never gone through one by one: when each will be done, and how
far each has come at a time, follows from their numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

from orchestrator.oracle.matching import Demand
from orchestrator.oracle.turns import Job
from qnode.quantum.noisy import Stretch
from qnode.quantum.waiting import MOST
from qnode.wire.messages import NEVER_NS


class _Phase(NamedTuple):
    """From when one batch is done until the next is: who takes turns, in which order, and who is done at its end."""

    begin: int
    end: int
    order: tuple[int, ...]
    over: int

    def done(self, made: int, turns: Sequence[int]) -> list[int]:
        """How many attempts each batch has made in this phase, when `made` have been made in all."""
        laps, rest = divmod(made - self.begin, sum(turns[nth] for nth in self.order))
        found = [0] * len(turns)
        for nth in self.order:
            found[nth] = laps * turns[nth] + min(max(rest, 0), turns[nth])
            rest -= turns[nth]
        return found


def _phases(left: Sequence[int], turns: Sequence[int]) -> Iterator[_Phase]:
    now, order = 0, tuple(nth for nth, one in enumerate(left) if one)
    while order:
        lap, before, ends = sum(turns[nth] for nth in order), 0, {}
        for nth in order:
            laps = (left[nth] - 1) // turns[nth]
            ends[now + laps * lap + before + left[nth] - laps * turns[nth]] = nth
            before += turns[nth]
        phase = _Phase(now, min(ends), order, ends[min(ends)])
        yield phase
        now, first = phase.end, order.index(phase.over)
        left = [one - done for one, done in zip(left, phase.done(now, turns), strict=True)]
        order = order[first + 1 :] + order[:first]


def ends_of(left: Sequence[int], turns: Sequence[int]) -> list[int]:
    """Batches take turns, in order: after how many attempts of all each has made those that are left to it.

    Args:
        left: Attempts that each still has to make.
        turns: How many of them are one turn.
    """
    found = [0] * len(left)
    for phase in _phases(left, turns):
        found[phase.over] = phase.end
    return found


def end_of_turn(left: Sequence[int], turns: Sequence[int], made: int) -> tuple[int, int | None]:
    """After how many attempts the turn ends to which the last one of `made` belongs, and whose it is; or (0, None)."""
    for phase in _phases(left, turns):
        if made <= phase.begin:
            break
        if made <= phase.end:
            lap = sum(turns[nth] for nth in phase.order)
            end = phase.begin + (made - phase.begin - 1) // lap * lap
            for nth in phase.order:
                end += turns[nth]
                if end >= made:
                    return min(end, phase.end), nth
    return 0, None


def standing(left: Sequence[int], turns: Sequence[int], made: int) -> tuple[list[int], list[int]]:
    """How many attempts each has made when `made` are; and those that are not done, whose turn is next first."""
    done = [0] * len(left)
    order: tuple[int, ...] = ()
    for phase in _phases(left, turns):
        order = phase.order
        now = phase.done(min(made, phase.end), turns)
        done = [one + more for one, more in zip(done, now, strict=True)]
        if made < phase.end:
            rest = (made - phase.begin) % sum(turns[nth] for nth in order)
            while rest >= turns[order[0]]:
                rest -= turns[order[0]]
                order = order[1:] + order[:1]
            break
        order = ()
    return done, list(order)


class Run(Job):
    """The attempts of a batch.

    Attributes:
        left: Attempts that are still to be made, and that no stint is to make.
        turn: How many of them are one turn.
        planned: Told when the last attempt begins, as soon as that is known; None: it is not known any more.
        known: An end has been told its outcomes: nothing of it is put off any more.
    """

    __slots__ = ("known", "planned", "turn")

    def __init__(self, first: Demand, second: Demand, last: float, planned: Callable[[int | None], object]) -> None:
        """`last`: the number of the attempt that brings the last pair, from 0."""
        super().__init__(first, second)
        self.left = MOST if last >= MOST else int(last) + 1
        self.turn = -(-self.left // first.wanted.n)
        self.planned = planned
        self.known = False


class Stint:
    """A stretch of a link's time that is given to batches: to one for a turn, or to some until all are done.

    Attributes:
        whole: Whether all are done after it.
        last: Whose turn ends it, if they are not.
        stretches: Of the attempts that it makes, where they disturb somebody.
    """

    __slots__ = (
        "_amounts",
        "_every_ns",
        "_turns",
        "attempts",
        "begun_ns",
        "last",
        "priority",
        "runs",
        "stretches",
        "whole",
    )

    def __init__(self, runs: Sequence[Run], begun_ns: int, every_ns: int, *, whole: bool) -> None:
        self.runs: Final = tuple(runs)
        self.priority: Final = runs[0].priority
        self.begun_ns: Final = begun_ns
        self.whole = whole
        self.last = None if whole else runs[0]
        self.stretches: list[Stretch] = []
        self._every_ns: Final = every_ns
        self._turns: Final = [run.turn for run in runs]
        self._amounts: Final = [run.left if whole else min(run.left, run.turn) for run in runs]
        self.attempts = sum(self._amounts)
        for run, amount, end in zip(runs, self._amounts, ends_of(self._amounts, self._turns), strict=True):
            run.left -= amount
            if not run.left:
                run.planned(min(begun_ns + (end - 1) * every_ns, NEVER_NS))

    @property
    def end_ns(self) -> int:
        return min(self.begun_ns + self.attempts * self._every_ns, NEVER_NS)

    def lasts(self, now_ns: int) -> bool:
        """Whether some of its attempts are not made yet, or one is under way."""
        return self.attempts > 0 and now_ns < self.end_ns

    def stop(self, now_ns: int, *, in_turn: bool = False) -> list[Run]:
        """Make no more attempts; those whose turns are still to come, the next first.

        Attempts have no memory: nothing is lost by that but the one that is under way.

        Args:
            in_turn: Whether the turn that has begun is brought to its end before.
        """
        since_ns, every_ns = max(0, now_ns - self.begun_ns), self._every_ns
        if in_turn:
            begun = -(-since_ns // every_ns) if every_ns else self.attempts
            made, nth = end_of_turn(self._amounts, self._turns, min(begun, self.attempts))
            self.whole, self.last = False, None if nth is None else self.runs[nth]
        else:
            made = min(since_ns // every_ns if every_ns else self.attempts, self.attempts)
        if made == self.attempts:
            return []
        for stretch in self.stretches:
            stretch.n = min(stretch.n, made) if in_turn else stretch.begun(now_ns)
        done, order = standing(self._amounts, self._turns, made)
        order = [nth for nth in order if not self.runs[nth].known]
        for nth in order:
            run = self.runs[nth]
            if not run.left:
                run.planned(None)
            run.left += self._amounts[nth] - done[nth]
            self._amounts[nth] = done[nth]
        self.attempts = made
        return [self.runs[nth] for nth in order]
