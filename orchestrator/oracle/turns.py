"""Whose turn it is at a link that makes one pair after the other.

Of the pairs that wait, those of the highest priority come first, however long others have waited, and even if another
is being made; within one priority, all requests get one pair each in turn. To the network stacks a request is a
circuit, which may have asked for several pairs, each by itself: they have one turn together, so that no circuit gets
more by asking for more at once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from orchestrator.oracle.matching import Demand, Key
from qnode.wire.stack import STACK

Sharer = tuple[str, str] | Key
"""Who takes turns: the circuit of a stack, or a request of a program."""


class Job:
    """Two requests that met, for as long as pairs of theirs are to be made."""

    __slots__ = ("first", "left", "second")

    def __init__(self, first: Demand, second: Demand) -> None:
        self.first = first
        self.second = second
        self.left = first.left

    @property
    def priority(self) -> int:
        """What the one end wants more urgently, is urgent."""
        return max(self.first.wanted.priority, self.second.wanted.priority)

    @property
    def sharer(self) -> Sharer:
        wanted = self.first.wanted
        return (wanted.program, wanted.tag) if wanted.program == STACK else self.first.key


class Turns:
    """The jobs that wait for a link, in the order of their turns.

    Who has its turn keeps its place until that is over, and goes behind all that have come meanwhile.
    """

    __slots__ = ("_levels", "_turn")

    def __init__(self) -> None:
        self._levels: dict[int, dict[Sharer, deque[Job]]] = {}  # by priority; whose turn is next, is first
        self._turn: tuple[int, Sharer] | None = None

    def add(self, job: Job) -> None:
        """Behind all that wait with its priority, unless it shares a turn with one of them."""
        self._levels.setdefault(job.priority, {}).setdefault(job.sharer, deque()).append(job)

    def put_first(self, job: Job) -> None:
        """It has had its turn, and nothing came of it, whether it waits for the next one already or not."""
        level = self._levels.get(job.priority, {})
        jobs = level.pop(job.sharer, deque())
        if job in jobs:
            jobs.remove(job)
        jobs.appendleft(job)
        if self._turn == (job.priority, job.sharer):
            self._turn = None
        self._levels[job.priority] = {job.sharer: jobs, **level}

    def next(self) -> Job | None:
        """Whose turn it is."""
        return next(iter(self), None)

    def take(self) -> Job:
        """The same; its turn begins. There must be one."""
        self.over()
        priority = max(self._levels)
        sharer, jobs = next(iter(self._levels[priority].items()))
        self._turn = priority, sharer
        return jobs.popleft()

    def over(self) -> None:
        """So is the turn of who has it, if anybody has."""
        if self._turn is None:
            return
        (priority, sharer), self._turn = self._turn, None
        level = self._levels.get(priority, {})
        jobs = level.pop(sharer, None)
        if jobs:
            level[sharer] = jobs
        elif jobs is not None and not level:
            del self._levels[priority]

    def never_began(self) -> None:
        """The turn of who has it did not: its place is what it was."""
        if self._turn is None:
            return
        (priority, sharer), self._turn = self._turn, None
        level = self._levels.get(priority, {})
        if sharer in level and not level[sharer]:
            del level[sharer]
            if not level:
                del self._levels[priority]

    def remove(self, job: Job) -> None:
        level = self._levels[job.priority]
        jobs = level[job.sharer]
        jobs.remove(job)
        if not jobs and self._turn != (job.priority, job.sharer):
            del level[job.sharer]
            if not level:
                del self._levels[job.priority]

    def of(self, priority: int) -> list[Job]:
        """Those of one priority that wait, in their order."""
        return [job for jobs in self._levels.get(priority, {}).values() for job in jobs]

    def clear(self) -> list[Job]:
        """None waits any more. Returns those that did."""
        jobs = list(self)
        self._levels.clear()
        self._turn = None
        return jobs

    def __iter__(self) -> Iterator[Job]:
        """Whose turn is next, first; those that share turns, one after the other."""
        for _, level in sorted(self._levels.items(), reverse=True):
            for jobs in level.values():
                yield from jobs

    def __bool__(self) -> bool:
        return self.next() is not None
