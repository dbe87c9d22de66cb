"""Executing what nodes want done: each operation once, in order, against the ledger."""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite
from typing import TYPE_CHECKING, Any, Final, Protocol

from orchestrator.oracle.bulk import Bulk
from orchestrator.oracle.counts import Counts
from orchestrator.oracle.events import LOCAL_KINDS, STACK_KINDS, Event, rounded
from orchestrator.oracle.generation import Generation
from orchestrator.oracle.ledger import Ledger
from orchestrator.oracle.limits import Usage
from orchestrator.oracle.losses import Lives
from orchestrator.oracle.matching import Demand, Matching
from orchestrator.oracle.refusals import refuse
from orchestrator.oracle.timekeeper import Delivery, Timekeeper
from qnode.errors import (
    FidelityUnreachable,
    MalformedMessage,
    NoPhotons,
    NotANeighbour,
    QnodeError,
    RequestMismatch,
    StateError,
    UnknownQubit,
)
from qnode.ids import NodeName, QubitId, maker_of, message_id, other_half
from qnode.quantum.noisy import NoisyRegister, SeenAt
from qnode.quantum.pair_source import PairSource
from qnode.quantum.register import CLIFFORD_ONLY, ComponentState, Register
from qnode.wire.items import (
    Arrived,
    Back,
    Clicked,
    DirectOutcomes,
    Emitted,
    Expired,
    Failed,
    Lost,
    Message,
    Outcomes,
    Paired,
)
from qnode.wire.messages import NEVER_NS, Meddle, fields_of
from qnode.wire.operations import (
    Adopt,
    Apply,
    ApplyUnitary,
    Discard,
    Entangle,
    Executed,
    Expire,
    FixBases,
    Local,
    Mark,
    Measure,
    MeasureDirectly,
    Move,
    Note,
    Op,
    Receive,
    ReceivePulses,
    Reset,
    Send,
    SendPulses,
    Tamper,
    Told,
    Transfer,
    Withdraw,
)

ROUNDING: Final = 1e-9  # of a fidelity
if TYPE_CHECKING:
    from orchestrator.oracle.pulses import PulseTrains

DIGEST_BYTES: Final = 32
MOST_PAIRS: Final = 100_000  # of one request: a node that lies about n must not fill the oracle's memory


class Delays(Protocol):
    """What links do: how long things take between two nodes, in nanoseconds, and what becomes of them."""

    def quantum_ns(self, one: NodeName, other: NodeName) -> int | None:
        """Of the link between two neighbours; None if there is none."""

    def classical_ns(self, one: NodeName, other: NodeName) -> int | None:
        """Of a classical message; None if none can get there."""

    def source(self, one: NodeName, other: NodeName) -> tuple[PairSource, bool]:
        """Of pairs between two neighbours, and whether `one` is its end b."""

    def transmission(self, one: NodeName, other: NodeName) -> float:
        """The probability that a qubit which is sent over the link between two neighbours arrives."""


class Weather(Protocol):
    """What a script does to classical messages."""

    def fates(self, node: NodeName, peer: NodeName, message: str, delay_ns: int) -> list[tuple[str, int | None]]:
        """What becomes of a message and of its copies: an event of the log, or none, and how late it is; None: lost."""


class Observer(Protocol):
    """Who may look at a state; the oracle itself never does."""

    def at_mark(self, label: str, node: NodeName, qubit: QubitId, states: SeenAt) -> None:
        """A program allowed a look at a qubit, which is among these states."""

    def swapped(self, one: QubitId, other: QubitId) -> None:
        """A repeater has joined the pairs of two halves."""

    def owes(self, half: QubitId, frame: int) -> None:
        """A program has its half of a pair whose other end corrects this frame, 2 z + x, sooner or later."""

    def corrected(self, half: QubitId) -> None:
        """A far end has corrected its half."""


class Operations:
    """One method an operation. What goes wrong is told to the node that asked, and to nobody else.

    Attributes:
        unheard: How many refused operations each node has not said to have learnt of.
        noted: What programs recorded, packed, by node and name.
        weather: What becomes of classical messages, where a script has a say in it.
        counts: How much of what was done.

    Args:
        key: Of the randomness of arrays.
        lives: Who is there.
    """

    def __init__(
        self,
        ledger: Ledger,
        delays: Delays,
        time: Timekeeper,
        lives: Lives,
        *,
        emit: Callable[[Event], None] | None,
        observer: Observer | None,
        realtime: bool,
        key: bytes = b"",
        usage: Usage | None = None,
    ) -> None:
        self.ledger = ledger
        self._lives = lives
        self.usage = usage or Usage({})
        self.matching = Matching(self.usage, lives.tagged)
        self.counts = Counts()
        self.generation = Generation(ledger, delays, self.matching, time, counts=self.counts, emit=emit)
        self.unheard: dict[NodeName, int] = {}
        self.noted: dict[tuple[NodeName, str], bytes] = {}
        self.bulk = Bulk(
            delays,
            ledger,
            self.generation,
            time,
            self.counts,
            key=key,
            usage=self.usage,
            log=self.log,
            lives=lives,
        )
        self.weather: Weather | None = None
        self._meddled: list[Meddle] = []
        self._delays = delays
        self._time = time
        self._emit = emit
        self._observer = observer
        self._realtime = realtime
        self._execute: dict[type, Callable[[NodeName, Any], None]] = {
            Entangle: self._entangle,
            Withdraw: self._withdraw,
            MeasureDirectly: self.bulk.ask,
            FixBases: self.bulk.fix,
            Adopt: self._adopt,
            Apply: self._apply,
            ApplyUnitary: self._apply_unitary,
            Measure: self._measure,
            Reset: self._reset,
            Discard: self._discard,
            Transfer: self._transfer,
            Move: self._move,
            Expire: self._expire,
            Send: self._send,
            Receive: self._receive,
            Mark: self._mark,
            Note: self._note,
            Executed: self._executed,
            Local: self._local,
            Told: self._told,
        }
        self._execute |= dict.fromkeys((SendPulses, ReceivePulses, Tamper), self._no_photons)
        self._pulses: PulseTrains | None = None

    def carry(self, pulses: PulseTrains) -> None:
        """Trains of pulses are executed there."""
        self._pulses = pulses
        self._execute |= {SendPulses: pulses.send, ReceivePulses: pulses.receive, Tamper: pulses.tamper}

    # ------------------------------------------------------------ nodes that are gone, and links

    def lose(self, node: NodeName) -> tuple[QubitId, ...]:
        """A node is gone, and all that it has asked for; what it has sent is under way. Which qubits are gone too."""
        self.generation.lose(node)
        self.bulk.lose(node)
        if self._pulses:
            self._pulses.lose(node)
        for demand in self.matching.of(node):
            self.matching.withdraw(demand.key)
        self.unheard.pop(node, None)
        return self.ledger.lose(node)

    def cut_link(self, ends: tuple[NodeName, NodeName]) -> None:
        """A quantum link makes no pairs and carries nothing until it is mended."""
        self.generation.cut(ends)

    def mend_link(self, ends: tuple[NodeName, NodeName]) -> None:
        """A quantum link that was broken goes on."""
        self.generation.mend(ends)

    def _learn(self, node: NodeName, lost: Lost) -> None:
        """A node is told that a peer is gone: what it has asked for with it is void."""
        peer = NodeName(lost.peer)
        self._lives.told(node, peer, lost.reason)
        self.bulk.forsake(node, peer)
        if self._pulses:
            self._pulses.forsake(node, peer)
        for demand in self.matching.of(node, peer):
            self.matching.withdraw(demand.key)
            self._discard_under_way(demand)

    def _discard_under_way(self, demand: Demand) -> tuple[QubitId, ...]:
        gone, demand.under_way = tuple(demand.under_way), []
        self.ledger.trace_out(gone)
        return gone

    def execute(self, node: NodeName, ops: tuple[Op, ...], step: int = 0, first: int = 0) -> None:
        """Operations of one report, from its `first` on, in order; one that is refused does not keep the others."""
        execute = self._execute
        self.counts.operations += len(ops)
        may_be_done = first + self.usage.operations(node, len(ops), self._time.now_ns)
        for index, op in enumerate(ops, first):
            try:
                if index >= may_be_done:
                    self._too_many(node, op)
                execute[type(op)](node, op)
            except QnodeError as error:
                self._refuse(node, step, index, op, error)

    def _too_many(self, node: NodeName, op: Op) -> None:
        most = self.usage.of(node).operations
        self.usage.check(node, "operations", most + 1, getattr(op, "program", ""))

    def meddle(self, with_next: Meddle) -> None:
        """Lose or delay the next message that it describes."""
        self._meddled.append(with_next)

    def heard(self, node: NodeName, n: int) -> None:
        """A node has learnt of n of its operations that were refused."""
        left = self.unheard.get(node, 0) - max(0, n)
        if left > 0:
            self.unheard[node] = left
        else:
            self.unheard.pop(node, None)

    def deliver(self, delivery: Delivery) -> bool:
        """Something reaches its node. False if it was withdrawn meanwhile."""
        at_ns, _, node, item = delivery
        match item:
            case Paired():
                if self.generation.making:
                    self.generation.delivered(QubitId(item.qubit))
                demand = self.matching.delivered((node, item.request), QubitId(item.qubit))
                if demand is None:
                    return False
                self.ledger.delivered(QubitId(item.qubit))
                if self._emit:
                    wanted, qubits = demand.wanted, (item.qubit,)
                    self._emit(
                        Event(
                            at_ns,
                            self._time.round,
                            node,
                            "deliver",
                            program=wanted.program,
                            qubits=qubits,
                            pair=item.pair,
                            request=item.request,
                            peer=wanted.peer,
                        )
                    )
            case Lost():
                self._learn(node, item)
            case Back():
                self._lives.knows(node, NodeName(item.peer), item.incarnation)
            case DirectOutcomes():
                return self.bulk.delivered(node, item.request, at_ns)
            case Emitted() | Clicked() if self._pulses:
                return self._pulses.delivered(node, item.request)
            case Message():
                self.usage.arrived(item.peer, item.size)
                if self._emit:
                    self._log_message("receive", at_ns, node, item)
            case Arrived():
                self.ledger.arrive(QubitId(item.qubit), at_ns)
                self.log("receive_qubit", node, t=at_ns, program=item.program, peer=item.peer, qubits=(item.qubit,))
        return True

    def log(self, event: str, node: NodeName, *, t: int | None = None, **fields: Any) -> None:
        """Add a line to the event log, if there is one. What happens often makes its event itself: that is faster."""
        if self._emit:
            self._emit(Event(self._time.now_ns if t is None else t, self._time.round, node, event, **fields))

    def _log_message(self, event: str, at_ns: int, node: NodeName, item: Send | Receive | Message) -> None:
        peer = item.peer
        sender, receiver = (peer, node) if event == "receive" else (node, peer)
        self._emit(  # type: ignore[misc]  # whoever calls has looked whether there is a log
            Event(
                at_ns,
                self._time.round,
                node,
                event,
                program=item.program,
                pair=item.about,
                peer=peer,
                message=message_id(sender, receiver, item.number),
                channel=item.channel,
                bytes=item.size,
            )
        )

    def _check_times(self, node: NodeName, start_ns: int, end_ns: int | None = None) -> None:
        """Raises MalformedMessage for times that an operation of this report cannot have."""
        earliest_ns = 0 if self._realtime else self._time.now_ns  # on the real clock a report is under way for a while
        last_ns = start_ns if end_ns is None else end_ns
        if not earliest_ns <= start_ns <= last_ns < NEVER_NS:
            raise MalformedMessage(
                detail=f"{node} timed an operation from {start_ns} to {last_ns} ns;"
                f" {earliest_ns} to {NEVER_NS - 1} are possible"
            )

    def _refuse(self, node: NodeName, step: int, index: int, op: Op, error: QnodeError) -> None:
        self.counts.refused += 1
        self.unheard[node] = self.unheard.get(node, 0) + 1
        asked = Entangle | Measure | MeasureDirectly | FixBases | SendPulses | ReceivePulses | Tamper
        request = op.request if isinstance(op, asked) else None
        self._time.schedule(self._time.now_ns, node, Failed(index, request, error.code, fields_of(error), step))
        self.log("refused", node, name=error.code, detail=str(error), request=request or 0)

    # ------------------------------------------------------------ pairs

    def _entangle(self, node: NodeName, op: Entangle) -> None:
        if self._delays.quantum_ns(node, NodeName(op.peer)) is None:
            raise NotANeighbour(node=node, peer=op.peer, neighbours="as configured")
        if not 1 <= op.n <= MOST_PAIRS:
            raise MalformedMessage(detail=f"{node} asked for {op.n} pairs at once; 1 to {MOST_PAIRS} are possible")
        if not 0.0 <= op.min_fidelity <= 1.0:  # one that is no number would take the other end's wish away, too
            raise MalformedMessage(detail=f"{node} asked for pairs of fidelity {op.min_fidelity}; 0 to 1 are possible")
        self.usage.check(node, "qubits", self.ledger.held[node] + op.n)
        self.matching.check_new((node, op.request))
        self._lives.require(node, NodeName(op.peer))
        if self._emit:
            self._emit(
                Event(
                    self._time.now_ns,
                    self._time.round,
                    node,
                    "request",
                    program=op.program,
                    request=op.request,
                    n=op.n,
                    peer=op.peer,
                    channel=op.tag,
                )
            )
        met = self.matching.ask(node, op)
        if met is not None:
            self._serve(*met)

    def _serve(self, first: Demand, second: Demand) -> None:
        """Two requests have met: make their pairs, or refuse both."""
        refused = self._refusal(first, second)
        if refused is None:
            self.generation.serve(first, second)
            return
        other_refused = self._refusal(second, first)  # before anything is done about the first
        assert other_refused is not None
        for mine, other, error in ((first, second, refused), (second, first, other_refused)):
            self.matching.refuse(mine)
            refuse(self._time, self.log, mine, other.node, error)

    def _refusal(self, mine: Demand, other: Demand) -> QnodeError | None:
        """Why two requests that met cannot be served, as one of their nodes is told."""
        if mine.left != other.left:
            return RequestMismatch(node=mine.node, peer=other.node, wanted=mine.left, offered=other.left)
        if self.ledger.register.formalism in CLIFFORD_ONLY:
            try:
                self.generation.check_holds(mine, other)
            except StateError as error:
                return error
        wanted = max(mine.wanted.min_fidelity, other.wanted.min_fidelity)
        if wanted and (reachable := self.generation.reachable(mine, other)) < wanted - ROUNDING:
            return FidelityUnreachable(
                node=mine.node, peer=other.node, wanted=f"{wanted:g}", reachable=f"{reachable:.4f}"
            )
        return None

    def _withdraw(self, node: NodeName, op: Withdraw) -> None:
        if self._pulses and self._pulses.withdraw(node, op.request):
            self.log("withdraw", node, request=op.request)
            return
        self.bulk.withdraw(node, op.request)
        demand = self.matching.withdraw((node, op.request))
        met = None if demand is None else self.generation.withdraw(demand)
        gone = () if demand is None else self._discard_under_way(demand)
        self.log("withdraw", node, request=op.request, qubits=gone)
        if met is not None:
            self._serve(*met)

    # ------------------------------------------------------------ qubits

    def _adopt(self, node: NodeName, op: Adopt) -> None:
        self.usage.check(node, "component", len(op.qubits))
        self.usage.check(node, "qubits", self.ledger.held[node] + len(op.qubits))
        self.ledger.adopt(node, _component(op), op.clocks)
        if self._emit:
            time = self._time
            self._emit(Event(time.now_ns, time.round, node, "adopt", qubits=op.qubits, name=op.formalism))

    def _apply(self, node: NodeName, op: Apply) -> None:
        self._check_times(node, op.start_ns)
        self.ledger.apply(node, op.gate, op.qubits, op.params, op.start_ns)  # type: ignore[arg-type]
        if self._emit:
            params = rounded(op.params)
            self._emit(
                Event(op.start_ns, self._time.round, node, "gate", qubits=op.qubits, gate=op.gate, params=params)
            )

    def _apply_unitary(self, node: NodeName, op: ApplyUnitary) -> None:
        self._check_times(node, op.start_ns)
        self.ledger.apply_unitary(node, op.unitary, op.qubits, op.start_ns)  # type: ignore[arg-type]
        self.log("gate", node, t=op.start_ns, qubits=op.qubits, gate="unitary")

    def _measure(self, node: NodeName, op: Measure) -> None:
        self._check_times(node, op.start_ns, op.end_ns)
        outcomes = self.ledger.measure(node, op.qubits, op.basis, op.start_ns, keep=op.keep)  # type: ignore[arg-type]
        self._time.schedule(op.end_ns, node, Outcomes(op.request, outcomes))
        if self._emit:
            self._emit(
                Event(
                    op.start_ns,
                    self._time.round,
                    node,
                    "measure",
                    qubits=op.qubits,
                    request=op.request,
                    gate=op.basis,
                    outcomes=outcomes,
                )
            )

    def _reset(self, node: NodeName, op: Reset) -> None:
        self._check_times(node, op.start_ns)
        self.ledger.reset(node, QubitId(op.qubit), op.start_ns)
        self.log("reset", node, t=op.start_ns, qubits=(op.qubit,))

    def _discard(self, node: NodeName, op: Discard) -> None:
        self._check_times(node, op.start_ns)
        self.ledger.discard(node, op.qubits)  # type: ignore[arg-type]
        self.log("discard", node, t=op.start_ns, qubits=op.qubits)

    def _transfer(self, node: NodeName, op: Transfer) -> None:
        self._check_times(node, op.start_ns)
        peer = NodeName(op.peer)
        delay_ns = self._delays.quantum_ns(node, peer)
        if delay_ns is None:
            raise NotANeighbour(node=node, peer=peer, neighbours="as configured")
        ends, why = (node, peer) if node < peer else (peer, node), "absorbed on the link"
        transmission = self._delays.transmission(node, peer)
        if ends in self.generation.broken:
            transmission, why = 0.0, "the link is broken"
        elif not self._lives.reaches(node, peer):
            transmission, why = 0.0, f"{peer} is gone"
        arrives = self.ledger.transfer(node, QubitId(op.qubit), peer, op.start_ns, transmission)
        self.counts.transfers += 1
        self.log("send_qubit", node, t=op.start_ns, program=op.program, peer=peer, qubits=(op.qubit,))
        if not arrives:
            self.counts.absorbed += 1
            self.log("lost", node, t=op.start_ns, peer=peer, qubits=(op.qubit,), detail=why)
            return
        self._time.schedule(op.start_ns + delay_ns, peer, Arrived(node, op.program, op.qubit))

    def _move(self, node: NodeName, op: Move) -> None:
        self._check_times(node, op.start_ns)
        self.ledger.move(node, QubitId(op.qubit), op.kind, op.start_ns)
        self.log("move", node, t=op.start_ns, qubits=(op.qubit,))

    def _expire(self, node: NodeName, op: Expire) -> None:
        self._check_times(node, op.start_ns)
        qubit = QubitId(op.qubit)
        self.ledger.discard(node, (qubit,))
        self.log("expire", node, t=op.start_ns, qubits=(qubit,))
        other = other_half(qubit)
        if other is None:
            return
        pair, peer, half = other
        delay_ns = self._delays.classical_ns(node, peer)
        if delay_ns is not None:
            self._time.schedule(op.start_ns + delay_ns, peer, Expired(pair, half))

    def _no_photons(self, node: NodeName, op: SendPulses | ReceivePulses | Tamper) -> None:
        """Where no link carries light."""
        peer = "anybody" if isinstance(op, Tamper) else op.peer
        if peer != "anybody" and self._delays.quantum_ns(node, NodeName(peer)) is None:
            raise NotANeighbour(node=node, peer=peer, neighbours="as configured")
        raise NoPhotons(node=node, peer=peer)

    # ------------------------------------------------------------ the rest

    def _send(self, node: NodeName, op: Send) -> None:
        peer = NodeName(op.peer)
        delay_ns = self._delays.classical_ns(node, peer)
        if delay_ns is None:
            raise NotANeighbour(node=node, peer=peer, neighbours="none on any path")
        now_ns = self._time.now_ns
        if self._realtime:
            self._check_times(node, op.sent_ns)
        elif op.size != len(op.payload) if not op.digest else op.payload or len(op.digest) != DIGEST_BYTES:
            raise MalformedMessage(
                detail=f"{node} sent a message of {op.size} bytes with {len(op.payload)} and a digest of"
                f" {len(op.digest)} bytes"
            )
        if not self._realtime:
            self.usage.check_message(node, op.size, op.program)
        self.counts.messages += 1
        if self._realtime:  # it has gone from node to node
            if self._emit:
                self._log_message("send", op.sent_ns, node, op)
            return
        if self._emit:
            self._log_message("send", now_ns, node, op)
        if self._meddled and (meddled := self._meddles(node, op)) is not None:
            extra_ns = meddled.delay_ns
            if self._emit:
                self._log_message("drop" if extra_ns is None else "delay", now_ns, node, op)
            if extra_ns is None:
                return
            delay_ns += extra_ns
        if not self._lives.reaches(node, peer):
            return  # as far as it knows it has been sent
        message = Message(
            node, op.program, op.peer_program, op.channel, op.about, op.payload, op.digest, op.size, op.number
        )
        if self.weather is None:
            self.usage.sent(node, op.size)
            self._time.schedule(now_ns + delay_ns, peer, message)
            return
        for what, late_ns in self.weather.fates(node, peer, message_id(node, peer, op.number), delay_ns):
            if what and self._emit:
                self._log_message(what, now_ns, node, op)
            if late_ns is not None:
                self.usage.sent(node, op.size)
                self._time.schedule(now_ns + delay_ns + late_ns, peer, message)

    def _receive(self, node: NodeName, op: Receive) -> None:
        if not self._realtime:
            raise MalformedMessage(detail=f"{node} told of a message; on the virtual clock they come from the oracle")
        self._check_times(node, op.at_ns)
        if self._emit:
            self._log_message("receive", op.at_ns, node, op)

    def _meddles(self, node: NodeName, op: Send) -> Meddle | None:
        """What somebody wants to happen to this message, once."""
        for one in self._meddled:
            if (one.source, one.target, one.channel) == (node, op.peer, op.channel):
                self._meddled.remove(one)
                return one
        return None

    def _mark(self, node: NodeName, op: Mark) -> None:
        qubit, states = QubitId(op.qubit), self._shown(node, op)
        self.log("mark", node, program=op.program, name=op.label, qubits=(qubit,))
        if self._observer is not None and states is not None:
            self._observer.at_mark(op.label, node, qubit, states)

    def _shown(self, node: NodeName, op: Mark) -> SeenAt | None:
        """Where the observer may look for a marked qubit; None for one that its node computes and does not show."""
        qubit, ledger = QubitId(op.qubit), self.ledger
        if op.state is None:
            if qubit not in ledger.owner and maker_of(qubit) == node:
                return None
            ledger.check(node, (qubit,))
            return ledger.noisy.seen_at(self._time.now_ns)
        self.usage.check(node, "component", len(op.state.qubits))
        ledger.check_own(node, (qubit, *op.state.qubits))
        run = ledger.register
        copy = NoisyRegister(Register(run.formalism, run.max_state_vector_qubits), _no_coins)
        ledger.check_clocks(node, op.state.qubits, op.state.clocks)
        copy.adopt(ledger.labs[node], _component(op.state), op.state.clocks)
        if qubit not in copy.register:
            raise UnknownQubit(caller=node, qubit=qubit)
        return copy.seen_at(self._time.now_ns)

    def _note(self, node: NodeName, op: Note) -> None:
        self.usage.note(node, len(self.noted.get((node, op.name), b"")), len(op.value), op.program)
        self.noted[node, op.name] = op.value
        self.log("note", node, program=op.program, name=op.name, bytes=len(op.value))

    def _executed(self, node: NodeName, op: Executed) -> None:
        self.log("executed", node, bytes=len(op.result))

    def _local(self, node: NodeName, op: Local) -> None:
        self._check_times(node, op.start_ns)
        event, gate, params, detail = op.event, op.gate, op.params, ""
        if event not in LOCAL_KINDS or not all(map(isfinite, params)):
            raise MalformedMessage(detail=f"{node} told of {event!r} with {params}, which no node can have done alone")
        if event == "lost":  # it has come from elsewhere
            self.ledger.check(node, op.qubits)  # type: ignore[arg-type]
            gate, detail = "", gate
        else:
            self.ledger.check_own(node, op.qubits)
        if self._emit:
            self._emit(
                Event(
                    op.start_ns,
                    self._time.round,
                    node,
                    event,
                    qubits=op.qubits,
                    gate=gate,
                    params=rounded(params),
                    outcomes=op.outcomes,
                    detail=detail,
                    local=True,
                )
            )

    def _told(self, node: NodeName, op: Told) -> None:
        if op.event not in STACK_KINDS:
            raise MalformedMessage(detail=f"{node} told of {op.event!r}, which no stack does")
        for qubit in op.qubits:
            if qubit.rpartition("@")[2] != node:
                raise MalformedMessage(detail=f"{node} told of {qubit!r}, which was never a half of a pair there")
        if op.event == "swap" and self._observer is not None and len(op.qubits) == 2:
            self._observer.swapped(QubitId(op.qubits[0]), QubitId(op.qubits[1]))
        if self._observer is not None and len(op.qubits) == 1 and 0 <= op.n <= 3:
            if op.event == "network_deliver" and op.n:
                self._observer.owes(QubitId(op.qubits[0]), op.n)
            elif op.event == "network_correct":
                self._observer.corrected(QubitId(op.qubits[0]))
        if self._emit:
            fields = {name: value for name in op.__struct_fields__ if (value := getattr(op, name))}
            self._emit(Event(self._time.now_ns, self._time.round, node, **fields))


def _no_coins(name: str, nth: int) -> float:
    raise AssertionError(f"an observer draws nothing, not even {name} {nth}")


def _component(op: Adopt) -> ComponentState:
    return ComponentState(op.qubits, op.formalism, op.data)  # type: ignore[arg-type]
