"""Runs whose processes are killed at places of their progress that a seed chooses, beside one that nobody disturbs."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from orchestrator import Cluster
from orchestrator.oracle.segments import is_there
from orchestrator.oracle.spec import events_path, record_path
from orchestrator.run import Run
from tests import tally

PROGRAMS: Final = Path(__file__).parent
ENDS_S: Final = 120.0
LOOK_S: Final = 0.0005  # between looks at how far a file has grown


def network(restart: str = "resume", n: int = 120, **changes: Any) -> dict[str, Any]:
    return {
        "version": 1,
        "name": "busy",
        "seed": 7,
        "failures": {"restart": restart, "restarts": 1000},
        "nodes": {
            "alice": {"qubits": 4, "program": "busy.py:alice", "args": {"n": n}},
            "bob": {"qubits": 4, "program": "busy.py:bob", "args": {"n": n}},
        },
        "links": {"ab": {"between": ["alice", "bob"], "length": "10 km"}},
        **changes,
    }


def cluster(runs: Path, restart: str = "resume", n: int = 120, **changes: Any) -> Cluster:
    return Cluster.from_dict(network(restart, n, **changes), base=PROGRAMS, runs=runs)


def size(folder: Path) -> int:
    """How far a record has grown, all its plain files together."""
    total = 0
    for path in folder.glob("record*"):
        with suppress(FileNotFoundError):
            total += path.stat().st_size
    return total


class Disturbed:
    """A run that is under way, to be disturbed when its record has grown so far.

    Attributes:
        seen: The ids of its processes, so far as they were looked at.
    """

    def __init__(self, net: Cluster, runs: Path, name: str, **options: Any) -> None:
        self.net = net
        self._folder = runs / name
        self._killed: set[int] = set()
        self.seen: set[int] = set()
        self.running = asyncio.ensure_future(net.run(name=name, check=False, timeout=ENDS_S, on_output=None, **options))

    async def reaches(self, bytes_of_record: int) -> bool:
        """False if the run is over first."""
        return await self.until(lambda: size(self._folder) >= bytes_of_record)

    async def begins_segment(self, number: int) -> bool:
        """The same, of a record that is in several files."""
        return await self.until(lambda: is_there(record_path(self._folder), number))

    async def until(self, is_so: Callable[[], bool]) -> bool:
        """False if the run is over first."""
        while not self.running.done():
            self.seen.update(self.net.pids.values())
            if is_so():
                return True
            await asyncio.sleep(LOOK_S)
        return False

    def kill(self, who: str, number: signal.Signals = signal.SIGKILL) -> bool:
        """False if it is not there (it was killed, and is being started)."""
        pid = self.net.pids.get(who)
        if pid is None or pid in self._killed:
            return False
        if number == signal.SIGKILL:
            self._killed.add(pid)
        with suppress(ProcessLookupError):
            os.kill(pid, number)
            if number != signal.SIGCONT:
                tally.count(
                    "SIGSTOP" if number == signal.SIGSTOP else f"SIGKILL {'oracle' if who == 'oracle' else 'node'}"
                )
            return True
        return False

    async def kill_the_next(self, who: str) -> bool:
        """Its next life, once that has begun; False if the run is over first."""
        async with asyncio.timeout(ENDS_S):
            while not self.kill(who):  # another process starts it
                if self.running.done():
                    return False
                await asyncio.sleep(LOOK_S)
        return True


async def killed(
    net: Cluster, runs: Path, name: str, draw: random.Random, victims: Sequence[str], whole: int, kills: int = 2
) -> tuple[Run, list[str]]:
    """A run of which some processes are killed, each at another place; who was."""
    disturbed, done = Disturbed(net, runs, name), []
    for place in sorted(draw.randrange(whole * 9 // 10) for _ in range(kills)):
        if not await disturbed.reaches(place):
            break
        victim = draw.choice(victims)
        if await disturbed.kill_the_next(victim):
            done.append(f"{victim} at {place}")
    return await disturbed.running, done


async def surely_killed(
    net: Cluster, runs: Path, name: str, draw: random.Random, victims: Sequence[str], whole: int
) -> tuple[Run, list[str]]:
    """As `killed`, again until something was: a run may be over before a busy machine looks at it."""
    for nth in range(20):
        run, done = await killed(net, runs, f"{name}-{nth}", draw, victims, whole)
        if done:
            return run, done
    raise AssertionError("twenty runs ended before anything of them could be killed")


def told(run: Run) -> Mapping[str, Any]:
    """What must be the same, however often something was killed."""
    assert run.folder is not None
    return {
        "failure": run.failure,
        "results": run.results,
        "notes": run.summary.notes,
        "counts": run.summary.counts,
        "at_ns": run.summary.at_ns,
        "flags": (run.summary.reproducible, run.summary.resumable),
        "used": (run.summary.used, run.summary.left_over, run.summary.unread),
        "events": events_path(run.folder).read_bytes(),
    }


def whole_of(run: Run) -> int:
    assert run.folder is not None
    return record_path(run.folder).stat().st_size
