"""The oracle without its sockets: reports in, grants out.

Everything that nodes want done is executed here, in the order (time, round, node name, sequence). On the virtual
clock a round is complete when every node that was granted it has reported; on the real clock each report is executed
as it arrives.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple, Protocol

from orchestrator.oracle.events import Event, rounded
from orchestrator.oracle.ledger import Ledger
from orchestrator.oracle.matching import Demand, Matching
from orchestrator.oracle.timekeeper import Delivery, Standstill, Timekeeper
from qnode.errors import MalformedMessage, NotANeighbour, QnodeError, RequestMismatch
from qnode.ids import NodeName, QubitId
from qnode.quantum.register import ComponentState, Register
from qnode.wire.messages import (
    NOT_REPRODUCIBLE,
    NOT_RESUMABLE,
    OUTSIDE,
    Adopt,
    Apply,
    ApplyUnitary,
    Arrived,
    Discard,
    Ended,
    Entangle,
    Executed,
    Failed,
    Grant,
    Item,
    Local,
    Mark,
    Measure,
    Message,
    Note,
    Op,
    Outcomes,
    Paired,
    Report,
    Reset,
    Send,
    Transfer,
    Wake,
    Withdraw,
)


class Delays(Protocol):
    """How long things take between two nodes, in nanoseconds."""

    def quantum_ns(self, one: NodeName, other: NodeName) -> int | None:
        """Of the link between two neighbours; None if there is none."""

    def classical_ns(self, one: NodeName, other: NodeName) -> int | None:
        """Of a classical message; None if none can get there."""


class Observer(Protocol):
    """Who may look at a state; the core never does."""

    def at_mark(self, label: str, node: NodeName, qubit: QubitId, register: Register) -> None: ...


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


class Counts:
    """What the summary tells."""

    def __init__(self) -> None:
        self.steps = 0
        self.reports = 0
        self.operations = 0
        self.messages = 0
        self.pairs = 0
        self.transfers = 0
        self.refused = 0


class OracleCore:
    """The state of a run at the oracle.

    Args:
        programs: The names of each node's programs that keep the run alive.
        until_ns: A normal end of network time, or None.
        emit: Takes the events, or None if nobody wants them.
        realtime: True on the real clock: what is scheduled is handed out at once, with its time on it.
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
    ) -> None:
        self.ledger = ledger
        self.matching = Matching()
        self.time = Timekeeper(programs, tick_ns=tick_ns, until_ns=until_ns)
        self.counts = Counts()
        self.results: list[ProgramResult] = []
        self.noted: dict[tuple[NodeName, str], bytes] = {}
        self.outcome: Outcome | None = None
        self.reproducible = True
        self.resumable = True
        self._delays = delays
        self._unfinished = {(node, program) for node, names in programs.items() for program in names}
        self._emit = emit
        self._observer = observer
        self._realtime = realtime
        self._steps: dict[NodeName, int] = dict.fromkeys(programs, 0)
        self._round: dict[NodeName, Report] = {}
        self._granted: dict[NodeName, Grant] = {}
        self._execute: dict[type, Callable[[NodeName, int, Op], None]] = {  # type: ignore[type-arg]
            Entangle: self._entangle,
            Withdraw: self._withdraw,
            Adopt: self._adopt,
            Apply: self._apply,
            ApplyUnitary: self._apply_unitary,
            Measure: self._measure,
            Reset: self._reset,
            Discard: self._discard,
            Transfer: self._transfer,
            Send: self._send,
            Mark: self._mark,
            Note: self._note,
            Executed: self._executed,
            Local: self._local,
        }  # type: ignore[dict-item]

    # ------------------------------------------------------------ reports in

    def first_grants(self) -> dict[NodeName, Grant]:
        """Everybody runs at time 0."""
        self._granted = {node: Grant(node, 0, 0, ()) for node in sorted(self._steps)}
        return self._granted

    def check(self, report: Report) -> Grant | None:
        """Is it the next of its node? None if so; a report that came before gets its grant again.

        Raises MalformedMessage if it is neither.
        """
        node = NodeName(report.node)
        last = self._steps[node]
        if report.step > last if self._realtime else report.step == last + 1 and node in self.time.awaited:
            return None
        if report.step == last and last:
            granted = self._granted.get(node)
            if granted is not None and granted.step == last:
                return granted
            return Grant(report.node, -1, 0, ())  # known, and its grant is still to come: nothing to answer
        raise MalformedMessage(detail=f"{node} reported step {report.step}; expected {last + 1}")

    def report(self, report: Report) -> bool:
        """Take a report that `check` let pass. True if the round is complete."""
        node = NodeName(report.node)
        self._steps[node] = report.step
        self._round[node] = report
        self.time.reported(node, report.timer_ns, report.background_ns, outside=bool(report.flags & OUTSIDE))
        return not self.time.awaited

    def wake(self, wake: Wake) -> None:
        self.time.wake(NodeName(wake.node))

    def round_reports(self) -> list[Report]:
        """The reports of this round in execution order."""
        return [self._round[node] for node in sorted(self._round)]

    # ------------------------------------------------------------ a round

    def execute(self) -> None:
        """Execute a complete round: all operations, node by node, in order."""
        self.counts.steps += 1
        for report in self.round_reports():
            self.counts.reports += 1
            if report.ops:
                self._operations(NodeName(report.node), report.ops)
            if report.flags & (NOT_REPRODUCIBLE | NOT_RESUMABLE):
                self.reproducible = self.reproducible and not report.flags & NOT_REPRODUCIBLE
                self.resumable = self.resumable and not report.flags & NOT_RESUMABLE
            for ended in report.ended:
                self._end(NodeName(report.node), ended)
        self._round.clear()
        if self.outcome is None and not self._unfinished:
            self.outcome = Outcome("done", self.time.now_ns)

    def grants(self) -> dict[NodeName, Grant]:
        """Go on to the next round or instant; who runs then. Empty if the run is over or waits for the outside."""
        while self.outcome is None:
            active = self.time.advance()
            if isinstance(active, Standstill):
                self._stand_still(active)
                break
            now_ns, steps = self.time.now_ns, self._steps
            self._granted = {
                node: Grant(node, steps[node], now_ns, self._items(deliveries)) for node, deliveries in active.items()
            }
            return self._granted
        return {}

    def take_scheduled(self) -> list[Delivery]:
        """On the real clock: what has been scheduled since the last call, with its times."""
        return self.time.take_all()

    def _items(self, deliveries: list[Delivery]) -> tuple[Item, ...]:
        if not deliveries:
            return ()
        items = []
        for delivery in deliveries:
            if self.deliver(delivery):
                items.append(delivery.item)
        return tuple(items)

    def deliver(self, delivery: Delivery) -> bool:
        """Something reaches its node. False if it was withdrawn meanwhile."""
        node, item = delivery.node, delivery.item
        match item:
            case Paired():
                if not self.matching.delivered((node, item.request), QubitId(item.qubit)):
                    return False
                if self._emit:
                    self._event("deliver", node, qubits=(item.qubit,), pair=item.pair, request=item.request)
            case Message():
                if self._emit:
                    self._event(
                        "receive", node, program=item.program, peer=item.peer, channel=item.channel, pair=item.about, bytes=len(item.payload)
                    )
            case Arrived():
                if self._emit:
                    self._event("receive_qubit", node, program=item.program, peer=item.peer, qubits=(item.qubit,))
            case _:
                pass
        return True

    def _stand_still(self, why: Standstill) -> None:
        if why is Standstill.OUTSIDE:
            return
        how = {Standstill.UNTIL: "until"}.get(why, why.name.lower())
        self.outcome = Outcome(how, self.time.now_ns, tuple(self.time.last_active()))

    def _end(self, node: NodeName, ended: Ended) -> None:
        self._unfinished.discard((node, ended.program))
        self.results.append(ProgramResult(node, ended.program, ended, self.time.now_ns))
        if ended.failed:
            self.outcome = self.outcome or Outcome("failed", self.time.now_ns, (node,))
            detail = ended.traceback.strip().rpartition("\n")[2]
            self._event("program_failed", node, program=ended.program, detail=detail)
        else:
            self._event("program_returned", node, program=ended.program, bytes=len(ended.result))

    # ------------------------------------------------------------ operations

    def _operations(self, node: NodeName, ops: tuple[Op, ...]) -> None:
        execute = self._execute
        self.counts.operations += len(ops)
        for index, op in enumerate(ops):
            try:
                execute[type(op)](node, index, op)
            except QnodeError as error:
                self._refuse(node, index, op, error)

    def _refuse(self, node: NodeName, index: int, op: Op, error: QnodeError) -> None:
        self.counts.refused += 1
        request = op.request if isinstance(op, Entangle | Measure) else None
        self.time.schedule(self.time.now_ns, node, Failed(index, request, error.code, error.fields))
        self._event("refused", node, name=error.code, detail=str(error), request=request or 0)

    def _entangle(self, node: NodeName, index: int, op: Entangle) -> None:
        if self._delays.quantum_ns(node, NodeName(op.peer)) is None:
            raise NotANeighbour(node=node, peer=op.peer, neighbours="see the configuration")
        self._event("request", node, program=op.program, peer=op.peer, request=op.request, channel=op.tag)
        met = self.matching.ask(node, op)
        if met is None:
            return
        first, second = met
        if first.wanted.n != second.wanted.n:
            for mine, other in ((first, second), (second, first)):
                self.matching.refuse(mine)
                mismatch = RequestMismatch(node=mine.node, peer=other.node, wanted=mine.wanted.n, offered=other.wanted.n)
                failed = Failed(None, mine.wanted.request, mismatch.code, mismatch.fields)
                self.time.schedule(self.time.now_ns, mine.node, failed)
            return
        self._generate(first, second)

    def _generate(self, first: Demand, second: Demand) -> None:
        """Make the pairs of a matched request. A perfect source needs the light's time over the link, and no luck."""
        delay_ns = self._delays.quantum_ns(first.node, second.node) or 0
        at_ns = self.time.now_ns + delay_ns
        for _ in range(first.wanted.n):
            pair, mine, theirs = self.ledger.create_pair(first.node, second.node)
            self.counts.pairs += 1
            first.under_way.append(mine)
            second.under_way.append(theirs)
            if self._emit:
                self._event("generate", first.node, peer=second.node, pair=pair, qubits=(mine, theirs))
            self.time.schedule(at_ns, first.node, Paired(first.wanted.request, pair, mine))
            self.time.schedule(at_ns, second.node, Paired(second.wanted.request, pair, theirs))

    def _withdraw(self, node: NodeName, index: int, op: Withdraw) -> None:
        under_way = self.matching.withdraw((node, op.request))
        self.ledger.discard(node, under_way)
        self._event("withdraw", node, request=op.request, qubits=tuple(under_way))

    def _adopt(self, node: NodeName, index: int, op: Adopt) -> None:
        self.ledger.adopt(node, ComponentState(op.qubits, op.formalism, op.data))  # type: ignore[arg-type]
        if self._emit:
            self._event("adopt", node, qubits=op.qubits, name=op.formalism)

    def _apply(self, node: NodeName, index: int, op: Apply) -> None:
        self.ledger.apply(node, op.gate, op.qubits, op.params)  # type: ignore[arg-type]
        if self._emit:
            self._event("gate", node, t=op.start_ns, qubits=op.qubits, gate=op.gate, params=rounded(op.params))

    def _apply_unitary(self, node: NodeName, index: int, op: ApplyUnitary) -> None:
        self.ledger.apply_unitary(node, op.unitary, op.qubits)  # type: ignore[arg-type]
        self._event("gate", node, t=op.start_ns, qubits=op.qubits, gate="unitary")

    def _measure(self, node: NodeName, index: int, op: Measure) -> None:
        outcomes = self.ledger.measure(node, op.qubits, op.basis, keep=op.keep)  # type: ignore[arg-type]
        self.time.schedule(op.end_ns, node, Outcomes(op.request, outcomes))
        if self._emit:
            self._event("measure", node, t=op.start_ns, qubits=op.qubits, gate=op.basis, outcomes=outcomes, request=op.request)

    def _reset(self, node: NodeName, index: int, op: Reset) -> None:
        self.ledger.reset(node, QubitId(op.qubit))
        self._event("reset", node, t=op.start_ns, qubits=(op.qubit,))

    def _discard(self, node: NodeName, index: int, op: Discard) -> None:
        self.ledger.discard(node, op.qubits)  # type: ignore[arg-type]
        self._event("discard", node, t=op.start_ns, qubits=op.qubits)

    def _transfer(self, node: NodeName, index: int, op: Transfer) -> None:
        peer = NodeName(op.peer)
        delay_ns = self._delays.quantum_ns(node, peer)
        if delay_ns is None:
            raise NotANeighbour(node=node, peer=peer, neighbours="see the configuration")
        self.ledger.transfer(node, QubitId(op.qubit), peer)
        self.counts.transfers += 1
        self._event("send_qubit", node, t=op.start_ns, program=op.program, peer=peer, qubits=(op.qubit,))
        self.time.schedule(op.start_ns + delay_ns, peer, Arrived(node, op.program, op.qubit))

    def _send(self, node: NodeName, index: int, op: Send) -> None:
        peer = NodeName(op.peer)
        delay_ns = self._delays.classical_ns(node, peer)
        if delay_ns is None:
            raise NotANeighbour(node=node, peer=peer, neighbours="none on any path")
        self.counts.messages += 1
        if self._emit:
            self._event(
                "send", node, program=op.program, peer=op.peer, channel=op.channel, pair=op.about, bytes=len(op.payload)
            )
        if not self._realtime:
            message = Message(node, op.program, op.peer_program, op.channel, op.about, op.payload, op.digest)
            self.time.schedule(self.time.now_ns + delay_ns, peer, message)

    def _mark(self, node: NodeName, index: int, op: Mark) -> None:
        self._event("mark", node, program=op.program, name=op.label, qubits=(op.qubit,))
        if self._observer is None:
            return
        qubit = QubitId(op.qubit)
        if op.state is None:
            if self.ledger.owner.get(qubit) == node:
                self._observer.at_mark(op.label, node, qubit, self.ledger.register)
            return
        copy = Register()
        copy.adopt(ComponentState(op.state.qubits, op.state.formalism, op.state.data))  # type: ignore[arg-type]
        if qubit in copy:
            self._observer.at_mark(op.label, node, qubit, copy)

    def _note(self, node: NodeName, index: int, op: Note) -> None:
        self.noted[node, op.name] = op.value
        self._event("note", node, program=op.program, name=op.name, bytes=len(op.value))

    def _executed(self, node: NodeName, index: int, op: Executed) -> None:
        self._event("executed", node, bytes=len(op.result))

    def _local(self, node: NodeName, index: int, op: Local) -> None:
        if self._emit:
            self._event(
                op.event, node, t=op.start_ns, qubits=op.qubits, gate=op.gate, params=rounded(op.params), outcomes=op.outcomes, local=True
            )

    # ------------------------------------------------------------ events

    def end(self, how: str) -> None:
        """The run is over for a reason that the core cannot see."""
        self.outcome = self.outcome or Outcome(how, self.time.now_ns)

    def log_run(self, event: str, **fields: str) -> None:
        """A line about the run as a whole."""
        self._event(event, NodeName(""), **fields)

    def _event(self, event: str, node: NodeName, *, t: int | None = None, **fields: object) -> None:
        if self._emit is not None:
            now_ns = self.time.now_ns
            self._emit(Event(now_ns if t is None else t, self.time.round, node, event, **fields))  # type: ignore[arg-type]

