"""The oracle without its sockets: reports in, grants out.

Everything that nodes want done is executed in the order (time, round, node name, sequence). On the virtual clock a
round is complete when every node that was granted it has reported; what comes first in that order is executed while
others still run. On the real clock each report is executed as it arrives.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from orchestrator.oracle.counts import Counts
from orchestrator.oracle.events import Event
from orchestrator.oracle.ledger import Ledger
from orchestrator.oracle.limits import Usage
from orchestrator.oracle.losses import Lives, Loss
from orchestrator.oracle.operations import Delays, Observer, Operations
from orchestrator.oracle.timekeeper import Delivery, Standstill, Timekeeper
from qnode.core.coins import derive_key
from qnode.errors import MalformedMessage
from qnode.ids import NodeName
from qnode.wire.faults import Fault
from qnode.wire.items import Back, Item, LinkDown, LinkUp, Lost, Message
from qnode.wire.messages import (
    NEVER_NS,
    NOT_REPRODUCIBLE,
    NOT_RESUMABLE,
    OUTSIDE,
    Change,
    Ended,
    Grant,
    Hold,
    Meddle,
    Part,
    Release,
    Report,
    StartProgram,
    StopProgram,
    Wake,
)

if TYPE_CHECKING:  # imported when there is one
    from orchestrator.oracle.faults import Faults, Watch
    from orchestrator.oracle.staging import Stage


_SHOWN_CHARS: Final = 200  # of a name that somebody made up


class ProgramResult(NamedTuple):
    """How one program ended, and when."""

    node: NodeName
    program: str
    ended: Ended
    at_ns: int


class Outcome(NamedTuple):
    """How the run ended: `how` is "done", "until", "failed", or the name of a Standstill."""

    how: str
    at_ns: int
    nodes: tuple[NodeName, ...] = ()


class OracleCore:
    """The state of a run at the oracle.

    Attributes:
        outcome: How the run ended; None as long as it goes on.
        standing: Why the last `grants` brought nobody to run, if the run is not over.
        lives: Which life each node is in, and who is not there.
        missing: Nodes that were lost without a script, and why; they will not come back.
        faults: What scripts do to the network.
        replaced: Nodes whose first process is not to be there any more, and the life of the next one, or -1.
        on_replace: Told of each that is added there.

    Args:
        programs: The names of each node's programs that keep the run alive.
        until_ns: A normal end of network time, or None.
        emit: Takes the events, or None if nobody wants them.
        realtime: True on the real clock: what is scheduled is handed out with its time on it.
        ahead_ns: How long before that, there. What is further off can still be called off.
        services: The names of each node's other programs.
        usage: What each node may have.
        key: Of the randomness of arrays.
        incarnations: Which life each node is in; 0 if it does not say.
        detection_ns: Network time until others learn of a loss, at least.
        restart_ns: Network time from the loss of a node to its next life.
        watch: Sees all events, for faults that wait for one.
    """

    def __init__(
        self,
        ledger: Ledger,
        delays: Delays,
        programs: Mapping[NodeName, Iterable[str]],
        *,
        tick_ns: int = 1,
        until_ns: int | None = None,
        emit: Callable[[Event], None] | None = None,
        observer: Observer | None = None,
        realtime: bool = False,
        ahead_ns: int = 0,
        services: Mapping[NodeName, Iterable[str]] = {},
        key: bytes = b"",
        usage: Usage | None = None,
        incarnations: Mapping[NodeName, int] = {},
        detection_ns: int = 0,
        restart_ns: int = 0,
        watch: Watch | None = None,
    ) -> None:
        self.time = Timekeeper(programs, tick_ns=tick_ns, until_ns=until_ns)
        self.lives = Lives({node: incarnations.get(node, 0) for node in programs})
        ledger.lives = self.lives.current
        self.operations = Operations(
            ledger,
            delays,
            self.time,
            self.lives,
            emit=emit,
            observer=observer,
            realtime=realtime,
            key=key,
            usage=usage,
        )
        self.faults: Faults | None = None
        self.missing: dict[NodeName, str] = {}
        self.replaced: dict[NodeName, int] = {}
        self.on_replace: Callable[[NodeName, int], object] = lambda node, life: None
        self.watch = watch
        self.delays = delays
        self._key = key
        self._until_ns = until_ns
        self._detection_ns = detection_ns
        self._restart_ns = restart_ns
        self._of_runs = {node: set(names) for node, names in programs.items()}  # which keep the run alive
        self._stage: Stage | None = None
        self._losing: dict[NodeName, Loss] = {}
        self._begun: list[NodeName] = []  # lives that have begun, for the real clock
        self.results: list[ProgramResult] = []
        self.outcome: Outcome | None = None
        self.standing: Standstill | None = None
        self.reproducible = True
        self.resumable = True
        self._unfinished = {(node, program) for node, names in programs.items() for program in names}
        self._programs = {node: {*names, *services.get(node, ())} for node, names in programs.items()}
        self._ended: set[tuple[NodeName, str]] = set()
        self._realtime = realtime
        self._ahead_ns = ahead_ns
        self._steps: dict[NodeName, int] = dict.fromkeys(programs, 0)
        self._round: dict[NodeName, Report] = {}
        self._parts: dict[NodeName, list[Part]] = {}
        self._turns: list[NodeName] = []
        self._turn = 0
        self._parts_executed = 0  # of the node whose turn it is
        self._ops_executed = 0
        self._failed: Outcome | None = None
        self._granted: dict[NodeName, Grant] = {}
        self._to_hold: dict[NodeName, int] = {}

    # ------------------------------------------------------------ reports in

    def first_grants(self) -> dict[NodeName, Grant]:
        """Everybody runs at time 0, but for those whom a script has dealt with by then."""
        while self.time.appointed_ns == 0 and not self._realtime:
            self.time.keep_appointment()
        self._granted = {node: Grant(node, 0, 0, ()) for node in sorted(self.time.awaited)}
        self._turns = list(self._granted)
        return self._granted or self.grants()

    def check_part(self, part: Part) -> bool:
        """Is it the next part of its node's next report? False if it came before.

        Raises MalformedMessage if it is neither.
        """
        node = NodeName(part.node)
        self._check_there(node)
        last = self._steps[node]
        if 0 < part.step <= last:
            return False
        came = len(self._parts.get(node, ()))
        if self._realtime or part.step != last + 1 or node not in self.time.awaited or not 0 <= part.number <= came:
            raise MalformedMessage(
                detail=f"{node} sent part {part.number} of step {part.step}; expected {came} of {last + 1}"
            )
        return part.number == came

    def check(self, report: Report) -> Grant | None:
        """Is it the next of its node? None if so; a report that came before gets its grant again.

        The grant of a step below 0 means that there is none to give again: the node has it, or will get it.

        Raises MalformedMessage if it is neither, or if it names times that network time never comes to, or the end of
        a program that the node does not run.
        """
        node = NodeName(report.node)
        self._check_there(node)
        for timer_ns in (report.timer_ns, report.background_ns):
            if timer_ns is not None and not 0 <= timer_ns < NEVER_NS:
                raise MalformedMessage(detail=f"{node} has a timer at {timer_ns} ns; 0 to {NEVER_NS - 1} are possible")
        last = self._steps[node]
        if report.step > last if self._realtime else report.step == last + 1 and node in self.time.awaited:
            came = len(self._parts.get(node, ()))
            if report.parts != came:
                raise MalformedMessage(detail=f"{node} sent {report.parts} parts of step {report.step}; {came} came")
            if report.ended:
                self._check_ended(node, report.ended)
            return None
        if report.step == last and last:
            granted = self._granted.get(node)
            if granted is not None and granted.step == last:
                return granted
        if 0 < report.step <= last:
            return Grant(report.node, -1, 0, ())
        raise MalformedMessage(detail=f"{node} reported step {report.step}; expected {last + 1}")

    def _check_ended(self, node: NodeName, ended: tuple[Ended, ...]) -> None:
        """What is refused to a program that has returned makes it fail after all; it returns once."""
        programs = self._programs[node]
        returned = [one.program for one in ended if not one.failed]
        for name in (one.program for one in ended):
            if name not in programs:
                raise MalformedMessage(
                    detail=f"{node} told of the end of {name[:_SHOWN_CHARS]!r}, which it does not run"
                )
        if len(set(returned)) < len(returned) or any((node, name) in self._ended for name in returned):
            raise MalformedMessage(detail=f"{node} told again of the end of one of {', '.join(sorted(set(returned)))}")
        if len(ended) > 2 * len(programs):
            raise MalformedMessage(detail=f"{node} told of {len(ended)} ends of {len(programs)} programs")

    def part(self, part: Part) -> None:
        """Take a part that `check_part` let pass; what can be executed of the round so far is."""
        self._parts.setdefault(NodeName(part.node), []).append(part)
        self._take_turns()

    def report(self, report: Report) -> bool:
        """Take a report that `check` let pass. True if the round is complete."""
        node = NodeName(report.node)
        self._steps[node] = report.step
        self._round[node] = report
        self.time.reported(node, report.timer_ns, report.background_ns, outside=bool(report.flags & OUTSIDE))
        if not self._realtime:
            self._take_turns()
        return not self.time.awaited

    def wake(self, wake: Wake) -> None:
        self._check_there(NodeName(wake.node))
        self.time.wake(NodeName(wake.node))

    def _check_there(self, node: NodeName) -> None:
        if node in self.lives.gone or node in self._losing:
            raise MalformedMessage(detail=f"{node} is gone; its life {self.lives.current[node]} is over")

    # ------------------------------------------------------------ nodes that are lost

    def losing(self, loss: Loss) -> bool:
        """A node's process is gone, wherever it was: this round is completed without it, and then it is lost.

        True if the round is complete.
        """
        node = NodeName(loss.node)
        if node not in self.lives.gone:
            self._losing.setdefault(node, loss)
            self.time.awaited.discard(node)
            if not self._realtime:
                self._take_turns()
        return not self.time.awaited

    def lose(self, node: NodeName, reason: str, *, fresh: bool, scripted: bool = True) -> None:
        """A node is gone, when nobody runs: its qubits are traced out, and nothing reaches it or comes of it any more.

        Args:
            reason: A sentence for its peers, without the name.
            fresh: It begins again, as its next incarnation.
            scripted: It is a part of the experiment. If it is none, the run does not end well unless it begins again.
        """
        time = self.time
        if node in self.lives.gone:
            return
        lost_life = self.lives.current[node]
        for _, _, _, item in time.deliveries_to(node):
            if isinstance(item, Message):
                self.operations.usage.arrived(item.peer, item.size)
        self.lives.lose(node, reason)
        time.lose(node)
        qubits = self.operations.lose(node)
        self._granted.pop(node, None)
        self._steps[node] = 0
        self._parts.pop(node, None)
        self._to_hold.pop(node, None)
        self.operations.log("node_lost", node, n=lost_life, qubits=qubits, detail=reason)
        self._unfinished = {one for one in self._unfinished if one[0] != node}
        back_ns = time.on_grid(time.now_ns + self._restart_ns) if fresh else NEVER_NS
        for peer in sorted(self.lives.current):
            if peer not in self.lives.gone:
                way_ns = self._way_ns(node, peer)
                known_ns = min(time.now_ns + max(self._detection_ns, way_ns), back_ns + way_ns)
                time.schedule(known_ns, peer, Lost(node, lost_life, reason))
        if fresh:
            time.appoint(back_ns, lambda: self._begin_again(node))
        elif not scripted:
            self.missing[node] = reason
        self.replaced[node] = lost_life + 1 if fresh else -1
        self.on_replace(node, self.replaced[node])
        self._unfinished |= {(node, program) for program in self._of_runs[node]} if fresh else set()
        self._end_if_done()

    def _begin_again(self, node: NodeName) -> None:
        """A node that was lost is there again, with nothing of what it had."""
        time = self.time
        life = self.lives.begin(node)
        time.begin(node)
        self._begun.append(node)
        self.results = [one for one in self.results if one.node != node]
        self._ended = {one for one in self._ended if one[0] != node}
        self.operations.log("node_restarted", node, n=life)
        if self._stage is not None:
            self._stage.begin_again(node)
        for peer in sorted(self.lives.current):
            if peer == node:
                continue
            if peer in self.lives.gone:
                time.schedule(time.now_ns, node, Lost(peer, self.lives.current[peer], self.lives.gone[peer]))
            else:
                time.schedule(time.now_ns + self._way_ns(node, peer), peer, Back(node, life))
        for ends in sorted(self.operations.generation.broken):
            if node in ends:
                time.schedule(time.now_ns, node, LinkDown(ends[ends[0] == node]))

    def tell_of_link(self, ends: tuple[NodeName, NodeName], *, whole: bool) -> None:
        """Both ends of a quantum link learn that it is broken, or whole again: late, but in that order."""
        known_ns = self.time.now_ns + max(self._detection_ns, self.delays.quantum_ns(*ends) or 0)
        for node, peer in (ends, ends[::-1]):
            self.time.schedule(known_ns, node, LinkUp(peer) if whole else LinkDown(peer))

    def _way_ns(self, one: NodeName, other: NodeName) -> int:
        """How long it takes until a node can know anything of another."""
        way_ns = self.delays.classical_ns(one, other)
        if way_ns is None:
            way_ns = self.delays.quantum_ns(one, other)
        return way_ns or 0

    # ------------------------------------------------------------ meddling

    def steer(self, change: Change, at_ns: int) -> None:
        """Change a run at a network time, when nobody runs. Raises MalformedMessage, InvalidOperation."""
        if isinstance(change, Fault):
            self.time.go_to(at_ns)
            self._faults().plan((change,), now=True)
            return
        if isinstance(change, StartProgram | StopProgram):
            self.stage.check(change)
            self.time.go_to(at_ns)
            self.stage.act(change)
            return
        names = (change.source, change.target) if isinstance(change, Meddle) else (change.node,)
        for name in names:
            if name not in self._steps:
                raise MalformedMessage(detail=f"there is no node {name!r}; there are: {', '.join(sorted(self._steps))}")
        if isinstance(change, Meddle) and change.delay_ns is not None and not 0 <= change.delay_ns < NEVER_NS:
            raise MalformedMessage(detail=f"a message can be delayed by 0 to {NEVER_NS - 1} ns, not {change.delay_ns}")
        self.time.go_to(at_ns)
        match change:
            case Hold():
                self._to_hold[NodeName(change.node)] = change.step
                if not self.time.awaited:
                    self._hold()
            case Release():
                self._to_hold.pop(NodeName(change.node), None)
                if change.node in self.time.held:
                    self.time.release(NodeName(change.node))
                    self.operations.log("release", NodeName(change.node))
            case Meddle():
                self.operations.meddle(change)

    def plan(self, faults: Iterable[Fault]) -> None:
        """Let faults happen, each at its time. Raises MalformedMessage if one cannot be."""
        self._faults().plan(faults)

    def _faults(self) -> Faults:
        if self.faults is None:
            from orchestrator.oracle.faults import Faults  # lazy: most runs have none

            self.faults = Faults(self, derive_key(self._key, "faults"))
        return self.faults

    # ------------------------------------------------------------ programs that come and go

    @property
    def stage(self) -> Stage:
        if self._stage is None:
            from orchestrator.oracle.staging import Stage  # lazy: in most runs nothing comes or goes

            self._stage = Stage(self)
        return self._stage

    def programs_of(self, node: NodeName) -> frozenset[str]:
        """The names of the programs that a node has, or has had."""
        return frozenset(self._programs[node])

    def runs(self, node: NodeName, program: str) -> bool:
        """Whether a program has begun, or is to begin, and has not ended."""
        return program in self._programs[node] and (node, program) not in self._ended

    def begin_program(self, node: NodeName, program: str, *, keeps_alive: bool) -> None:
        """A program that is over, or was not there, is to begin."""
        self._programs[node].add(program)
        self._ended.discard((node, program))
        if keeps_alive:
            self._of_runs[node].add(program)
            if self._may_run(node):
                self._unfinished.add((node, program))

    def end_program(self, node: NodeName, program: str) -> bool:
        """A program is to end. False if it has, or will with nobody telling it."""
        self._of_runs[node].discard(program)
        if node in self.lives.gone:
            self._unfinished.discard((node, program))
            self._end_if_done()
            return False
        return self.runs(node, program)

    def has_begun(self, node: NodeName) -> bool:
        """Whether a node has begun its programs, or does so next, told of nothing before. Not one that is paused."""
        return self._realtime or self._steps[node] > 0 or node in self.time.awaited

    def end_unbegun(self, node: NodeName, program: str) -> None:
        """A program is stopped before its node has run: it never begins, and its node never tells of its end."""
        self._end(node, Ended(program, b"", stopped=True))
        self._end_if_done()

    def _may_run(self, node: NodeName) -> bool:
        """Whether a node is there, or will be."""
        return node not in self.lives.gone or self.replaced.get(node, -1) >= 0

    def _hold(self) -> None:
        for node, step in list(self._to_hold.items()):
            if self._steps[node] >= step:
                del self._to_hold[node]
                self.time.hold(node)
                self.operations.log("hold", node)

    # ------------------------------------------------------------ a round

    def execute(self) -> None:
        """Execute what is left of a complete round: all operations, node by node, in order."""
        self.operations.counts.steps += 1
        if self._realtime:
            self._turns = sorted(self._round)
            self._take_turns()
        self._round.clear()
        self._parts.clear()
        self._turn = 0
        self.outcome = self.outcome or self._failed
        losses, self._losing = list(self._losing.values()), {}
        for loss in losses:
            self.lose(NodeName(loss.node), loss.reason, fresh=loss.fresh, scripted=False)
        self._end_if_done()
        if self._to_hold:
            self._hold()

    def _end_if_done(self) -> None:
        # A refused operation may be what makes a program fail, even one that has returned.
        if self.outcome is None and not self._unfinished and not self.operations.unheard:
            self.outcome = Outcome("lost" if self.missing else "done", self.time.now_ns)

    def executed(self) -> dict[NodeName, int]:
        """Of a round that is not complete: how many parts and reports of each node have been executed."""
        done = {node: len(self._parts.get(node, ())) + 1 for node in self._turns[: self._turn]}
        if self._turn < len(self._turns):
            done[self._turns[self._turn]] = self._parts_executed
        return done

    def _take_turns(self) -> None:
        """Execute what has come of this round, up to the first node of which more is to come."""
        execute = self.operations.execute
        while self._turn < len(self._turns):
            node = self._turns[self._turn]
            parts = self._parts.get(node, ())
            while self._parts_executed < len(parts):
                part = parts[self._parts_executed]
                execute(node, part.ops, part.step, self._ops_executed)
                self._parts_executed += 1
                self._ops_executed += len(part.ops)
            report = self._round.get(node)
            if report is not None:
                if report.ops:
                    execute(node, report.ops, report.step, self._ops_executed)
                self._conclude(node, report)
            elif node not in self._losing:
                return
            self._turn += 1
            self._parts_executed = self._ops_executed = 0

    def _conclude(self, node: NodeName, report: Report) -> None:
        """What a report tells besides its operations."""
        self.operations.counts.reports += 1
        if report.heard:
            self.operations.heard(node, report.heard)
        if report.flags & (NOT_REPRODUCIBLE | NOT_RESUMABLE):
            self.reproducible = self.reproducible and not report.flags & NOT_REPRODUCIBLE
            self.resumable = self.resumable and not report.flags & NOT_RESUMABLE
        for ended in report.ended:
            self._end(node, ended)

    def grants(self) -> dict[NodeName, Grant]:
        """Go on to the next round or instant; who runs then. Empty if the run is over or waits for the outside."""
        self.standing = None
        while self.outcome is None:
            active = self.time.advance()
            if active is Standstill.APPOINTED:
                self.time.keep_appointment()
                continue
            if isinstance(active, Standstill):
                self._stand_still(active)
                break
            now_ns, steps = self.time.now_ns, self._steps
            self._granted = {
                node: Grant(node, steps[node], now_ns, self._items(deliveries)) for node, deliveries in active.items()
            }
            self._turns = list(active)
            return self._granted
        return {}

    def keep_appointments_between_rounds(self) -> None:
        """On the virtual clock: do what is to be done before anybody runs next, and grant nothing yet."""
        while self.outcome is None and not self.time.awaited and self.time.comes_to_appointment:
            self.time.keep_appointment()

    def granted_to(self, node: NodeName) -> Grant | None:
        """What a node was granted when somebody was last; None if it was not."""
        return self._granted.get(node)

    def step_of(self, node: NodeName) -> int:
        """The number of a node's last report."""
        return self._steps[node]

    def keep_appointments(self, now_ns: int) -> None:
        """On the real clock: do what was to be done by now."""
        if self._until_ns is not None:
            now_ns = min(now_ns, self._until_ns)
        while self.time.appointed_ns is not None and self.time.appointed_ns <= now_ns:
            self.time.keep_appointment()

    @property
    def next_due_ns(self) -> int | None:
        """On the real clock: when there is something to do even if nobody reports; None: never."""
        appointed_ns, due_ns = self.time.appointed_ns, self.time.next_delivery_ns
        if due_ns is None:
            return appointed_ns
        due_ns = max(0, due_ns - self._ahead_ns)
        return due_ns if appointed_ns is None else min(due_ns, appointed_ns)

    def scheduled_grants(self) -> Iterator[Grant]:
        """On the real clock: what is due soon, with its times, and what its being delivered leads to."""
        begun, self._begun = self._begun, []
        for node in begun:
            self._granted[node] = Grant(node, 0, self.time.now_ns, ())
            yield self._granted[node]
        while deliveries := self.time.take_until(self.time.now_ns + self._ahead_ns):
            for delivery in deliveries:
                if self.operations.deliver(delivery):
                    yield Grant(delivery.node, 0, delivery.at_ns, (delivery.item,))

    def _items(self, deliveries: list[Delivery]) -> tuple[Item, ...]:
        if not deliveries:
            return ()
        deliver = self.operations.deliver
        return tuple([delivery.item for delivery in deliveries if deliver(delivery)])

    def _stand_still(self, why: Standstill) -> None:
        if why is Standstill.HELD and self.faults is not None and self.faults.paused.issuperset(self.time.held):
            why = Standstill.DEADLOCK  # nobody will release them
        if why in (Standstill.OUTSIDE, Standstill.PAUSED, Standstill.HELD):
            self.standing = why
            return
        how = "lost" if self.missing else why.name.lower()
        self.outcome = Outcome(how, self.time.now_ns, self.time.last_active)

    def _end(self, node: NodeName, ended: Ended) -> None:
        self._unfinished.discard((node, ended.program))
        self._ended.add((node, ended.program))
        self.results.append(ProgramResult(node, ended.program, ended, self.time.now_ns))
        if ended.stopped:
            left = f"left {ended.held} qubits and {ended.unread} unread messages"
            self.operations.log(
                "program_stopped", node, program=ended.program, n=ended.unread, bytes=len(ended.result), detail=left
            )
        elif ended.failed and ended.lost in self.missing:  # others go on, as well as they can
            self.operations.log("program_failed", node, program=ended.program, detail=ended.error)
        elif ended.failed:
            self._failed = self._failed or Outcome("failed", self.time.now_ns, (node,))  # others of this round go on
            self.operations.log("program_failed", node, program=ended.program, detail=ended.error)
        else:
            self.operations.log("program_returned", node, program=ended.program, bytes=len(ended.result))

    def lose_early(self, losses: Iterable[Loss]) -> None:
        """Processes are gone before the run has begun, and would hardly do better a second time: it is over."""
        for loss in losses:
            self.lose(NodeName(loss.node), loss.reason, fresh=False, scripted=False)
            self.end("lost")

    def end(self, how: str) -> None:
        """The run is over for a reason that the core cannot see."""
        self.outcome = self.outcome or Outcome(how, self.time.now_ns)

    def log_run(self, event: str, **fields: Any) -> None:
        """A line about the run as a whole."""
        self.operations.log(event, NodeName(""), **fields)

    @property
    def why_failed(self) -> dict[str, str]:
        """The nodes with a program that failed, and how: what others are told who wait for them."""
        failed = [one for one in reversed(self.results) if one.ended.failed]  # what was first is what is told
        return {one.node: f"its program {one.program} failed with {one.ended.error}" for one in failed}

    @property
    def counts(self) -> Counts:
        return self.operations.counts
