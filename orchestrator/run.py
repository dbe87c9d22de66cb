"""A run that is over: results, what the observer saw, the event log."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from orchestrator.oracle.events import Event, decode_events
from orchestrator.oracle.spec import Observed, Summary, events_path
from qnode.errors import Deadlock, Livelock, ProgramFailed, RunFailed, Stall
from qnode.runtime.logs import format_time
from qnode.wire.payload import unpack


class Run:
    """What came of a run. `run["alice"]` is what alice's program returned.

    Attributes:
        summary: Everything that the oracle told at the end.
        seed: The seed that repeats it.
        folder: Where record and event log are.
        wall_s: Wall time from start to end.
    """

    def __init__(self, name: str, summary: Summary, *, seed: int, folder: Path, wall_s: float) -> None:
        self.name = name
        self.summary = summary
        self.seed = seed
        self.folder = folder
        self.wall_s = wall_s

    def __getitem__(self, node: str) -> Any:
        """What a node's program returned: of its only one, or of the one called main; `"alice.keys"` names another."""
        name, _, program = node.partition(".")
        programs = self.results.get(name)
        if programs is None:
            raise KeyError(
                f"no program of node {name!r} returned; there are results of: {', '.join(self.results) or 'none'}"
            )
        if program:
            return programs[program]
        return programs["main"] if "main" in programs or len(programs) != 1 else next(iter(programs.values()))

    @cached_property
    def results(self) -> Mapping[str, Mapping[str, Any]]:
        """What programs returned, by node and program."""
        results: dict[str, dict[str, Any]] = {}
        for result in self.summary.results:
            results.setdefault(result.node, {})[result.program] = unpack(result.packed)
        return results

    @cached_property
    def notes(self) -> Mapping[str, Mapping[str, Any]]:
        """What programs recorded with node.record, by node and name."""
        notes: dict[str, dict[str, Any]] = {}
        for node, name, packed in self.summary.notes:
            notes.setdefault(node, {})[name] = unpack(packed)
        return notes

    @property
    def observed(self) -> tuple[Observed, ...]:
        """What the observer evaluated at marks."""
        return self.summary.observed

    @property
    def events_bytes(self) -> bytes:
        """The event log as it was written: JSON Lines."""
        return events_path(self.folder).read_bytes()

    @property
    def events(self) -> list[Event]:
        """The event log."""
        return decode_events(self.events_bytes)

    def raise_failure(self) -> None:
        """Raise what went wrong: ProgramFailed, Deadlock, Livelock or Stall. A run that ended well raises nothing."""
        failure = failure_of(self.summary)
        if failure is not None:
            raise failure


def failure_of(summary: Summary) -> RunFailed | None:
    """The error that a summary tells of, or None."""
    at = format_time(summary.at_ns)
    match summary.how:
        case "failed":
            first = summary.failures[0]
            return ProgramFailed(program=first.program, node=first.node, time=at, traceback=first.traceback.rstrip())
        case "deadlock":
            return Deadlock(time=at, waits=_waits(summary))
        case "stall":
            return Stall(time=at, instants=1000, waits=_waits(summary))
        case "livelock":
            return Livelock(time=at, rounds=100_000, nodes=", ".join(summary.nodes))
    return None


def _waits(summary: Summary) -> str:
    if not summary.waits:
        return "No program was waiting for anything."
    lines = "".join(f"\n  {one.node} {one.program} waits for {one.what} at {one.where}" for one in summary.waits)
    return f"Waiting were:{lines}"
