"""A run that is over: results, what the observer saw, the event log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from orchestrator.config import Config
from orchestrator.exits import exit_code_of
from orchestrator.failures import KILLED, TOO_EARLY
from orchestrator.oracle.events import Event, decode_events
from orchestrator.oracle.spec import Observed, Summary, events_path, record_path
from orchestrator.plain import plain
from orchestrator.requested import Requested, of_network, requested
from orchestrator.telemetry.orders import Outcome, read_outcome
from orchestrator.topology import Network, describe
from qnode.errors import Deadlock, Interrupted, Livelock, ProcessLost, ProgramFailed, QnodeError, RunFailed, Stall
from qnode.ids import QubitId
from qnode.runtime.logs import format_time
from qnode.wire.payload import unpack

if TYPE_CHECKING:  # the quantum part, which only those need who look at states
    import numpy.typing as npt

    from orchestrator.view import Marks, Matrix


@dataclass(frozen=True)
class Source:
    """What a cluster runs, wherever it came from.

    Attributes:
        config: The configuration; that of a run has a seed.
        base: The folder that program paths are relative to.
        path: More folders that programs may be in and import from.
        files: Programs that are in no file yet: the text of each by its name; it is written into the run's folder.
    """

    config: Config
    base: Path
    path: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.config.name

    @property
    def seed(self) -> int:
        if self.config.seed is None:
            raise AssertionError("a run has a seed, drawn or given")
        return self.config.seed

    @cached_property
    def network(self) -> Network:
        """What the configuration means. Raises ConfigError."""
        return describe(self.config, self.base, self.seed)


class Run:
    """What came of a run. `run["alice"]` is what alice's program returned.

    Attributes:
        source: What was run.
        summary: Everything that the oracle told at the end; of a run that was cut short, what is known of it.
        folder: Where it is saved, record and event log too.
        started: When, by this machine's clock.
        wall_s: Wall time from start to end.
        failure: What went wrong, or None.
    """

    def __init__(
        self,
        source: Source,
        summary: Summary,
        *,
        folder: Path,
        started: datetime,
        wall_s: float,
        failure: QnodeError | None = None,
    ) -> None:
        self.source = source
        self.summary = summary
        self.folder = folder
        self.started = started
        self.wall_s = wall_s
        self.failure = failure_of(summary) if failure is None else failure

    @property
    def id(self) -> str:
        """What commands call it: the name of its folder."""
        return self.folder.name

    @property
    def name(self) -> str:
        return self.source.name

    @property
    def seed(self) -> int:
        """The seed that repeats it."""
        return self.source.seed

    @property
    def network(self) -> Network:
        """What was run: nodes, links and programs, every name written out."""
        return self.source.network

    @property
    def exit_code(self) -> int:
        """What the command line returns for it."""
        return exit_code_of(self.failure)

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
    def counts(self) -> Mapping[str, int]:
        """How much of what was done: steps, reports, operations, messages, pairs, transfers, absorbed, refused."""
        return self.summary.counts

    @cached_property
    def marks(self) -> Marks:
        """What could be seen where programs said `node.mark(label, qubit)`, from the run's record.

        Qubits of a state of more than 8 that its node computed alone are there only if the configuration observes them.
        """
        from orchestrator.oracle.replay import replay  # lazy: only whoever looks needs the oracle
        from orchestrator.view import Marks  # lazy: as above

        marks = Marks()
        replay(record_path(self.folder), observer=marks)
        return marks

    def reduced_state(self, mark: str, nth: int = 0) -> Matrix:
        """The density matrix of the nth qubit marked so, shape (2, 2). Raises InvalidOperation if there is none."""
        return self.marks.of(mark, nth).state

    def fidelity(self, mark: str, to: str | npt.ArrayLike, nth: int = 0) -> float:
        """Of the nth qubit marked so to what the nth of another mark was, or to any state.

        Args:
            to: Another mark, a named state (0 1 + - i -i), a ket or a density matrix.
        Raises:
            InvalidOperation: If there is no such mark or state.
        """
        from orchestrator.view import fidelity_to  # lazy: as above

        state = self.reduced_state(mark, nth)
        if isinstance(to, str) and any(one.label == to for one in self.marks.seen):
            return fidelity_to(state, self.reduced_state(to, nth))
        return fidelity_to(state, to)

    def entangled_with(self, mark: str, nth: int = 0) -> frozenset[QubitId]:
        """The qubits that shared an entangled state with the nth qubit marked so, when it was marked."""
        return self.marks.of(mark, nth).entangled_with

    @property
    def events_bytes(self) -> bytes:
        """The event log as it was written: JSON Lines."""
        return events_path(self.folder).read_bytes()

    @property
    def events(self) -> list[Event]:
        """The event log."""
        return decode_events(self.events_bytes)

    @cached_property
    def requests(self) -> list[Requested]:
        """What programs asked the network for, and what came of it; each end's request is one. From the event log."""
        return requested(of_network(self.events_bytes))

    @cached_property
    def telemetry(self) -> Outcome | None:
        """What became of the events that were to be published; None if none were, or nobody could say.

        Raises ConfigError if what was kept of that is damaged.
        """
        return read_outcome(self.folder)

    def _repr_html_(self) -> str:
        from orchestrator import html  # lazy: only notebooks need it

        return html.of_run(self)

    def __repr__(self) -> str:
        return (
            f"<run {self.id}: {self.summary.how}, seed {self.seed}, results of {', '.join(self.results) or 'nobody'}>"
        )

    def raise_failure(self) -> None:
        """Raise what went wrong, such as ProgramFailed or Deadlock. A run that ended well raises nothing."""
        __tracebackhide__ = True  # of a failed test the reader wants the test's line
        if self.failure is not None:
            raise self.failure

    def as_data(self) -> dict[str, Any]:
        """Everything that a table of the run shows, as JSON has it."""
        summary = self.summary
        return {
            "id": self.id,
            "name": self.name,
            "seed": self.seed,
            "started": self.started.isoformat(),
            "ended": summary.how,
            "error": None if self.failure is None else str(self.failure),
            "exit_code": self.exit_code,
            "network_time_ns": summary.at_ns,
            "wall_s": round(self.wall_s, 6),
            "results": plain(self.results),
            "peer_lost": {f"{node}.{program}": peer for node, program, peer in summary.peer_lost},
            "records": plain(self.notes),
            "observed": [
                {"mark": one.label, "nth": one.nth, "node": one.node, "quantity": one.quantity, "value": one.value}
                for one in self.observed
            ],
            "counts": summary.counts,
            "telemetry": None if self.telemetry is None else msgspec.structs.asdict(self.telemetry),
            "reproducible": summary.reproducible,
            "lateness_ns": summary.lateness_ns,
            "clock_bound_ns": summary.clock_bound_ns,
            "folder": str(self.folder),
        }


def failure_of(summary: Summary) -> RunFailed | None:
    """The error that a summary tells of, or None."""
    at = format_time(summary.at_ns)
    match summary.how:
        case "failed" if summary.failures:
            first = summary.failures[0]
            return ProgramFailed(program=first.program, node=first.node, time=at, traceback=first.traceback.rstrip())
        case "deadlock":
            return Deadlock(time=at, waits=_waits(summary))
        case "stall":
            return Stall(time=at, instants=1000, waits=_waits(summary))
        case "livelock":
            return Livelock(time=at, rounds=100_000, nodes=", ".join(summary.nodes))
        case "interrupted":
            return Interrupted(time=at)
        case "lost" if summary.gone:
            lost = {node: why.removeprefix(TOO_EARLY) for node, why in summary.gone.items() if why != KILLED}
            reasons = "; ".join(dict.fromkeys(lost.values()))
            return ProcessLost(nodes=tuple(lost), name=name_of(tuple(lost)), reason=reasons)
    return None


def name_of(nodes: tuple[str, ...]) -> str:
    """What a process with these nodes is called."""
    return f"node{'s' if len(nodes) > 1 else ''} {', '.join(nodes)}" if nodes else "the oracle"


def _waits(summary: Summary) -> str:
    if not summary.waits:
        return "No program was waiting for anything."
    lines = "".join(f"\n  {one.node} {one.program} waits for {one.what} at {one.where}" for one in summary.waits)
    return f"Waiting were:{lines}"
