"""A run once more, from its record alone: the same core executes the same reports, and no node is there.

Grants are a pure function of reports. So a replay ends with the results, the notes and the event log of the run; if it
does not follow the record (which was changed, or was written by another version), it names the first round that shows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import msgspec

from orchestrator.inspect import MarkObserver
from orchestrator.oracle.core import OracleCore, Outcome, ProgramResult
from orchestrator.oracle.counts import Counts
from orchestrator.oracle.events import Event
from orchestrator.oracle.losses import Loss
from orchestrator.oracle.network import build_core, run_event
from orchestrator.oracle.operations import Observer
from orchestrator.oracle.record import NOTHING_GRANTED, Changed, GrantDigest, Round, read_record
from orchestrator.oracle.spec import Observed, OracleSpec, decode_oracle
from qnode.errors import MalformedMessage
from qnode.ids import NodeName
from qnode.wire.messages import Grant, Part, Report, Wake, decode_to_oracle, encode
from qnode.wire.unreadable import UNREADABLE


class Divergence(NamedTuple):
    """Where a record does not follow from itself: the round (from 0), the node ("" for all), and a sentence."""

    round: int
    node: str
    what: str

    def __str__(self) -> str:
        return f"round {self.round}{', node ' if self.node else ''}{self.node}: {self.what}"


@dataclass(frozen=True)
class Replay:
    """What a record tells.

    Attributes:
        spec: The run, without its secrets.
        rounds: How many rounds were executed.
        outcome: How the run ended; None if the record ends before it did.
        results, notes, counts, reproducible, resumable: As the run's summary has them.
        observed: What the run's `observe:` saw; empty if another observer was given.
        divergence: What does not follow from the rounds before it, and was not executed; None if all does.
    """

    spec: OracleSpec
    rounds: int
    outcome: Outcome | None
    results: tuple[ProgramResult, ...]
    notes: Mapping[tuple[NodeName, str], bytes]
    counts: Counts
    observed: tuple[Observed, ...]
    reproducible: bool
    resumable: bool
    divergence: Divergence | None


def replay(path: Path, *, emit: Callable[[Event], None] | None = None, observer: Observer | None = None) -> Replay:
    """Execute a record.

    Args:
        emit: Takes the events of the event log, in its order.
        observer: Looks at the marks instead of the run's own observer.
    Raises:
        MalformedMessage: If the file is no record, or is damaged; with the offset.
    """
    description, rounds = read_record(path)
    try:
        spec = decode_oracle(description)
    except UNREADABLE as error:
        raise MalformedMessage(detail=f"{path} describes no run: {error}") from None
    own = MarkObserver(spec.observe)
    core = build_core(spec, emit, observer or own)
    again = Again(spec, core)
    divergence = again.execute(rounds)
    return Replay(
        spec=spec,
        rounds=again.rounds,
        outcome=core.outcome,
        results=tuple(core.results),
        notes=core.operations.noted,
        counts=core.counts,
        observed=own.evaluate(),
        reproducible=core.reproducible and not again.realtime,
        resumable=core.resumable and not again.realtime,
        divergence=divergence,
    )


class _Diverged(Exception):
    """Inside this module: the record does not follow from here on."""

    def __init__(self, node: str, what: str) -> None:
        super().__init__(node, what)
        self.node = node
        self.what = what


class Followed(NamedTuple):
    """One round: who was granted what, and which frames are the answer; None where the record ends."""

    number: int
    granted: Mapping[NodeName, Grant]
    answers: tuple[Part | Report, ...]
    recorded: Round | None


class Again:
    """The oracle's loop with the record in the place of the sockets.

    Attributes:
        rounds: How many were executed.
        over: Whether the run was ended within the last of them, or before it.
        farewells: What nodes said when the run was over, encoded.
        commands: By which the run was changed.
        divergence: What does not follow from the rounds before it, and ended it; None if all does.
    """

    def __init__(self, spec: OracleSpec, core: OracleCore) -> None:
        self.rounds = 0
        self.divergence: Divergence | None = None
        self.realtime = spec.clock == "real"
        self._granted: Mapping[NodeName, Grant] = {}
        self.over = False
        self.farewells: tuple[msgspec.Raw, ...] = ()
        self.commands: set[bytes] = set()
        self._number = 0
        self._spec = spec
        self._core = core
        self._digest = GrantDigest()

    def execute(self, rounds: Iterable[Round]) -> Divergence | None:
        """All of them."""
        for _ in self.follow(rounds):
            pass
        return self.divergence

    def follow(self, rounds: Iterable[Round]) -> Iterator[Followed]:
        """One after the other, each when it has been executed; last, what was granted and is not answered."""
        core = self._core
        yield from self.catch_up(rounds)
        if self.divergence is not None:
            return
        if not self.realtime and not core.time.awaited and not self.over:
            self._scatter(core.grants())  # what the last round led to: perhaps the end
        if core.outcome is not None:
            run_event(core, self._spec, ended=core.outcome.how)
        if self._granted:
            yield Followed(self._number, self._granted, (), None)

    def catch_up(self, rounds: Iterable[Round]) -> Iterator[Followed]:
        """One after the other, each when it has been executed; not what the last one leads to."""
        run_event(self._core, self._spec)
        begun = False
        for recorded in rounds:
            try:
                if recorded.is_change:
                    self._change(recorded.changes)
                    continue
                if recorded.over and recorded.losses:
                    if begun:
                        raise _Diverged("", "nodes were lost before the run began, and it had begun")
                    begun = self.over = True
                    self._core.lose_early(self._known(recorded.losses))
                    continue
                if not begun:  # what was changed before the first round was changed before anybody ran
                    begun = True
                    if not recorded.over or recorded.granted != NOTHING_GRANTED:
                        self._scatter(self._core.first_grants())
                if recorded.farewells:
                    self.farewells = recorded.farewells
                    continue
                answers = self._round(recorded)
            except _Diverged as diverged:
                self.divergence = Divergence(self._number, diverged.node, diverged.what)
                return
            yield Followed(self._number, self._granted, answers, recorded)
            self._number += 1
            self.rounds += not recorded.over
            self.over = recorded.over
            answered = {answer.node for answer in answers if isinstance(answer, Report)}
            self._granted = {node: grant for node, grant in self._granted.items() if node not in answered}
        if not begun:
            self._scatter(self._core.first_grants())

    def _round(self, recorded: Round) -> tuple[Part | Report, ...]:
        core = self._core
        self._change(recorded.changes)
        between = not recorded.reports and recorded.granted == NOTHING_GRANTED and bool(recorded.losses)
        nothing_more = between or (recorded.over and recorded.granted == NOTHING_GRANTED)
        if self.realtime:
            core.keep_appointments(recorded.now_ns)
            core.time.go_to(recorded.now_ns)
        elif not core.time.awaited and not nothing_more:
            self._wake(recorded.woken)
            self._scatter(core.grants())
        if core.outcome is not None and not self.realtime:  # there, reports that came with the last are executed too
            raise _Diverged("", f"the run was over ({core.outcome.how}), and this round follows")
        if recorded.now_ns != core.time.now_ns:
            raise _Diverged("", f"executed at {recorded.now_ns} ns, but it is {core.time.now_ns} ns")
        frames = tuple([self._report(frame) for frame in recorded.reports])
        reports = [frame for frame in frames if isinstance(frame, Report)]
        if not self.realtime and not recorded.over:
            self._check_senders([report.node for report in reports], {loss.node for loss in recorded.losses})
        if recorded.woken != core.time.last_woken:
            raise _Diverged("", f"woken were {recorded.woken}, but it should be {core.time.last_woken}")
        if not nothing_more and recorded.granted != self._digest.take():
            raise _Diverged("", "what was granted before it is not what follows from the rounds before")
        for frame in frames:
            self._take(frame)
        for loss in self._known(recorded.losses):
            core.losing(loss)
        if recorded.over:
            return frames
        core.execute()
        if self.realtime:
            self._vouch(core.scheduled_grants())
            until_ns = self._spec.until_ns
            if not reports and until_ns is not None and core.time.now_ns >= until_ns:
                core.end("until")
        return frames

    def _known(self, losses: Iterable[Loss]) -> Iterator[Loss]:
        for loss in losses:
            if loss.node not in self._spec.programs:
                raise _Diverged(loss.node, "lost, and there is no such node")
            yield loss

    def _change(self, changes: tuple[Changed, ...]) -> None:
        for one in changes:
            self.commands.add(one.by)
            try:
                self._core.steer(one.change, one.at_ns)
            except MalformedMessage as error:
                raise _Diverged("", str(error)) from None

    def _wake(self, woken: tuple[str, ...]) -> None:
        for node in woken:
            if node not in self._spec.programs:
                raise _Diverged(node, "woken, and there is no such node")
            self._core.wake(Wake(node, self._core.lives.current[NodeName(node)]))

    def _scatter(self, grants: Mapping[NodeName, Grant]) -> None:
        self._granted = dict(grants)  # the core takes out whom it loses
        self._vouch(grants.values())

    def _vouch(self, grants: Iterable[Grant]) -> None:
        for grant in grants:
            self._digest.add(encode(grant))

    def _report(self, frame: msgspec.Raw) -> Part | Report:
        try:
            report = decode_to_oracle(bytes(frame))
        except MalformedMessage as error:
            raise _Diverged("", str(error)) from None
        if not isinstance(report, Part | Report):
            raise _Diverged("", f"{type(report).__name__} stands where a report should")
        if report.node not in self._spec.programs:
            raise _Diverged(report.node, "reported, and there is no such node")
        if report.incarnation != self._core.lives.current[NodeName(report.node)]:
            raise _Diverged(report.node, f"reported as incarnation {report.incarnation}, which it is not in")
        return report

    def _check_senders(self, senders: list[str], lost: set[str]) -> None:
        expected = sorted(self._core.time.awaited - (lost - set(senders)))
        for node in senders:
            if node not in expected:
                raise _Diverged(node, "reported, and was not granted this round")
        for node in expected:
            if node not in senders:
                raise _Diverged(node, "was granted this round, and its report is missing")
        if senders != expected:
            raise _Diverged("", f"executed in the order {', '.join(senders)}, not {', '.join(expected)}")

    def _take(self, report: Part | Report) -> None:
        core = self._core
        try:
            known = not core.check_part(report) if isinstance(report, Part) else core.check(report) is not None
        except MalformedMessage as error:
            raise _Diverged(report.node, str(error)) from None
        if known:
            raise _Diverged(report.node, f"step {report.step} was reported before")
        if isinstance(report, Part):
            core.part(report)
        else:
            core.report(report)
