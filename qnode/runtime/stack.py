"""The shell of a network stack: carries out what its state machines want, and tells them what came of it."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeVar

from msgspec.structs import replace

from qnode.api.qubit import Qubit
from qnode.api.requests import REFUSED, Progress, Request
from qnode.api.services import NodeServices, Turn
from qnode.core.coins import Coins, derive_key
from qnode.core.memory import HeldQubit
from qnode.errors import MalformedMessage, QnodeError, from_wire
from qnode.ids import NodeName, PairId, QubitId
from qnode.quantum.bell import BELL_STATES
from qnode.quantum.circuits import BELL_MEASUREMENT, bell_outcome
from qnode.quantum.hardware import Hardware
from qnode.stack.discovery import Discovery
from qnode.stack.effects import (
    Closed,
    Correct,
    Distil,
    Drop,
    Effect,
    Freed,
    GiveBack,
    Half,
    Make,
    Read,
    Refuse,
    SetAside,
    Swap,
    Tell,
    Unmake,
    WakeAt,
    Whole,
)
from qnode.stack.network import NetworkLayer
from qnode.stack.routing import LinkStates
from qnode.stack.tomography import estimated_vector
from qnode.stack.wants import Want
from qnode.wire.items import Back, LinkDown, LinkUp, Lost, Paired
from qnode.wire.operations import Told
from qnode.wire.plan import NodeSpec
from qnode.wire.stack import STACK, NodeFacts, Terms, decode_talk, encode_talk

if TYPE_CHECKING:
    from qnode.api.node import Node

log = logging.getLogger("qnode")

_CORRECTIONS: Final = {1: "x", 2: "z", 3: "y"}  # by frame, 2 z + x
_FLIPPED_BY: Final = {"x": (2, 3), "y": (1, 2), "z": (1, 3)}  # outcomes, by which frames

T = TypeVar("T", Qubit, int)


class EndToEnd(NamedTuple):
    """A program's request, and who makes a handle of a half for it."""

    request: Request[Qubit]
    make: Callable[[QubitId, PairId | None], Qubit]


class Outcomes(NamedTuple):
    """A program's request for outcomes, and in which basis each of its halves is measured."""

    request: Request[int]
    bases: Sequence[str]


class Reading:
    """A half that is measured: what came out, and which pair it was one of; None as long as that is not known."""

    __slots__ = ("basis", "bit", "whole")

    def __init__(self, basis: str) -> None:
        self.basis = basis
        self.bit: int | None = None
        self.whole: Whole | None = None


class NetworkStack:
    """The stack of one node."""

    def __init__(self, node: NodeSpec, services: NodeServices) -> None:
        self._services = services
        self._machine = services.machine
        facts, spec = facts_of(node.hardware), node.stack
        cutoffs = [spec.cutoff_ns, self._machine.cutoff_ns(self._machine.arrival)]
        spec = replace(spec, cutoff_ns=min((one for one in cutoffs if one is not None), default=None))
        routing = LinkStates if spec.flood else Discovery
        self.layer = NetworkLayer(
            self._machine.name,
            node.incarnation,
            spec,
            facts,
            node.links,
            self._machine.arrivals,
            routing(self._machine.name, node.incarnation, facts, node.links, spec.metric),
            derive_key(node.key, "circuits", node.incarnation),
        )
        self._coins = Coins(derive_key(node.key, "stack", node.incarnation))
        self._swap_success = spec.swap_success
        self._requests: dict[int, EndToEnd | Outcomes] = {}
        self._served: dict[int, Told] = {}  # of those whose pairs are whole: to be told once the program has them
        self._readings: dict[PairId, Reading] = {}
        self._asked: dict[int, tuple[str, NodeName, int]] = {}  # pairs of links that have not come, by request
        self._held: dict[QubitId, HeldQubit] = {}
        self._measuring: Counter[str] = Counter()  # slots of halves whose measurement is under way, by circuit
        self._late: dict[str, str] = {}  # circuits that were over before these were: whose slots they are
        self._turns: dict[str, Turn] = {}  # of circuits whose slots were booked
        self._busy = False
        self._telling = False
        # Looked up by type, for this is a hot path.
        self._does: Final[dict[type[Effect], Callable[[Any], None]]] = {
            Tell: self._tell,
            Make: self._make,
            Unmake: self._unmake,
            Swap: self._swap,
            Distil: self._distil,
            Correct: self._correct,
            Read: self._read,
            Drop: self._drop,
            Whole: self._whole,
            WakeAt: self._wake_at,
            Closed: self._closed,
            Freed: self._freed,
            SetAside: self._set_aside,
            GiveBack: self._give_booking_back,
            Told: self._log,
            Refuse: self._refuse,
        }
        services.on_release = self._slots_freed
        services.on_network = self._happened
        for item in services.network.values():
            self.layer.happened(item)

    # ------------------------------------------------------------ programs

    def request(
        self,
        node: Node,
        peer: NodeName,
        n: int,
        *,
        at_once: int,
        min_fidelity: float,
        tag: str,
        priority: int,
        terms: Terms,
    ) -> Request[Qubit]:
        """Ask for pairs with any node."""
        self.layer.now_ns = self._machine.now_ns
        number = self.layer.ask(node.program, peer, tag, n, min_fidelity, at_once, priority=priority, terms=terms)
        request = self._request(node, peer, tag, n, number, self._give_back)
        self._requests[number] = EndToEnd(request, node.hold_remote)
        self._carry_out()
        return request

    def measure_directly(
        self, node: Node, peer: NodeName, bases: Sequence[str], tag: str, priority: int
    ) -> Request[int]:
        """Ask for outcomes of halves of pairs with any node, a basis for each."""
        self.layer.now_ns = self._machine.now_ns
        n, by_number = len(bases), any(basis != bases[0] for basis in bases)
        number = self.layer.ask(
            node.program, peer, tag, n, 0.0, n, kind="measure", by_number=by_number, priority=priority
        )
        request = self._request(node, peer, tag, n, number, _forget)
        self._requests[number] = Outcomes(request, bases)
        self._carry_out()
        return request

    def _request(
        self, node: Node, peer: NodeName, tag: str, n: int, number: int, discard: Callable[[list[T]], None]
    ) -> Request[T]:
        return Request(
            self._services.loop,
            node.program,
            peer,
            n,
            tag,
            self._machine.now_ns,
            partial(_progress, self.layer.wants.get(number)),  # it may have been refused at once
            partial(self._withdraw, number),
            discard,
        )

    def _withdraw(self, number: int, why: str) -> None:
        self._requests.pop(number, None)
        self.layer.now_ns = self._machine.now_ns
        self.layer.withdraw(number, why)
        self._lose_served(number, why)
        self._carry_out()

    def _lose_served(self, number: int, why: str) -> None:
        """All pairs of a request were whole, and its program gives it up before its last half is corrected or read."""
        served = self._served.pop(number, None)
        if served is not None:
            self._machine.outbox.append(replace(served, event=f"network_{why}"))

    def finish(self, program: str) -> None:
        """A program is over: what it has asked for is withdrawn."""
        for request, _ in [one for one in self._requests.values() if one.request.program == program]:
            request.cancel()

    def _give_back(self, halves: list[Qubit]) -> None:
        self._services.discard([half for half in halves if not half.fate], None)

    def link_measured(self, peer: NodeName, xx: float, yy: float, zz: float) -> float:
        """Correlators of an own link. Returns the fidelity that is announced."""
        vector = estimated_vector(xx, yy, zz)
        self.layer.now_ns = self._machine.now_ns
        self.layer.measured(peer, vector)
        self._carry_out()
        return vector[0]

    # ------------------------------------------------------------ what comes

    def heard(self, sender: str, payload: bytes) -> None:
        """A message of another node's stack."""
        try:
            talk = decode_talk(payload)
        except MalformedMessage as error:
            log.warning("from %s: %s", sender, error)
            return
        self.layer.now_ns = self._machine.now_ns
        try:
            self.layer.heard(NodeName(sender), talk)
        except MalformedMessage as error:
            log.warning("from %s: %s", sender, error)
        except Exception:  # this node's programs are not to end by what another one says
            log.exception("what %s says cannot be followed: %s", sender, type(talk).__name__)
        self._carry_out()

    def paired(self, item: Paired) -> bool:
        """A half of a link pair, if it is one of ours."""
        asked = self._asked.pop(item.request, None)
        if asked is None:
            return False
        circuit, peer, number = asked
        machine = self._machine
        self.layer.now_ns = now_ns = machine.now_ns
        held = HeldQubit(
            QubitId(item.qubit),
            machine.name,
            STACK,
            PairId(item.pair),
            local=False,
            busy_ns=now_ns,
            kind=machine.arrival,
        )
        machine.held[held.id] = held
        self._held[held.id] = held
        half = Half(PairId(item.pair), held.id, now_ns)
        if not self.layer.came(circuit, peer, half, number):
            self._discard(half)
        self._carry_out()
        return True

    def failed(self, request: int, error: QnodeError) -> None:
        """There will be no half of a link pair, if it is one of ours."""
        asked = self._asked.pop(request, None)
        if asked is not None:
            self.layer.now_ns = self._machine.now_ns
            self.layer.link_refused(asked[0], error)
            self._carry_out()

    def lose(self, lost: Mapping[str, str]) -> list[tuple[str, str]]:
        """Nodes are gone, and why. Which programs wait for one of them, and are told."""
        asked = [one.request for one in self._requests.values()]
        told = [(request.program, str(request.peer)) for request in asked if request.peer in lost]
        self.layer.now_ns = self._machine.now_ns
        for node, reason in lost.items():
            self.layer.forsake(NodeName(node), reason)
        self._carry_out()
        return told

    def _happened(self, item: LinkDown | LinkUp | Lost | Back) -> None:
        self.layer.now_ns = self._machine.now_ns
        self.layer.happened(item)
        self._carry_out()

    def _slots_freed(self) -> None:
        if not self._busy:
            self.layer.now_ns = self._machine.now_ns
            self.layer.slots_freed()
            self._carry_out()

    # ------------------------------------------------------------ what is to be done

    def _carry_out(self) -> None:
        if self._busy:
            return
        self._busy, do = True, self._does
        try:
            self.layer.slots_freed()
            while self.layer.out:
                effects, self.layer.out[:] = list(self.layer.out), []
                for effect in effects:
                    do[type(effect)](effect)
                self.layer.slots_freed()
        finally:
            self._busy = False
        due_ns = self.layer.routes_due_ns
        if due_ns is not None and not self._telling:
            self._telling = True  # once all that has come at this instant is known
            self._services.clock.call_at_ns(max(due_ns, self._machine.now_ns), self._tell_routes)

    def _tell_routes(self) -> None:
        self._telling = False
        self.layer.now_ns = self._machine.now_ns
        self.layer.tell_routes()
        self._carry_out()

    def _log(self, told: Told) -> None:
        if told.event == "network_served" and told.request in self._requests:
            self._served[told.request] = told
        else:
            self._machine.outbox.append(told)

    def _has_all(self, number: int) -> None:
        """A program has all that a request was for."""
        del self._requests[number]
        served = self._served.pop(number, None)  # else its last pair has just become whole, and that is still to come
        if served is not None:
            self._machine.outbox.append(served)

    def _tell(self, effect: Tell) -> None:
        if effect.peer in self._services.names:  # who seeks, or whose circuit it is, others have said
            self._machine.send(STACK, effect.peer, STACK, "", "", encode_talk(effect.talk))

    def _make(self, effect: Make) -> None:
        circuit = self.layer.circuits.get(effect.circuit)
        priority = circuit.priority if circuit is not None else 0
        request = self._machine.entangle(STACK, effect.peer, effect.circuit, 1, 0.0, priority)
        self._asked[request] = (effect.circuit, effect.peer, effect.number)

    def _unmake(self, effect: Unmake) -> None:
        gone = [number for number, asked in self._asked.items() if asked[:2] == (effect.circuit, effect.peer)]
        for number in gone:
            del self._asked[number]
            self._machine.withdraw(number)

    def _correct(self, effect: Correct) -> None:
        self._machine.apply(_CORRECTIONS[effect.frame], (self._held[effect.half.qubit],), (), _HERE)

    def _drop(self, effect: Drop) -> None:
        if self._readings.pop(effect.half.pair, None) is None:
            self._discard(effect.half)

    def _wake_at(self, effect: WakeAt) -> None:
        self._services.clock.call_in_background_ns(effect.at_ns, self._cut_off, effect.circuit, effect.pair)

    def _closed(self, effect: Closed) -> None:
        late = self._measuring[effect.circuit]
        if late:
            self._late[effect.circuit] = effect.program
        self._release(effect.circuit, effect.slots - late, effect.program)

    def _freed(self, effect: Freed) -> None:
        self._release(effect.circuit, effect.slots, effect.program)

    def _give_booking_back(self, effect: GiveBack) -> None:
        turn = self._turns.pop(effect.circuit, None)
        was_set_aside = turn is not None and turn.served
        if turn is not None and not was_set_aside:
            self._services.serve(self._machine.arrivals.forget(turn))
        self._services.serve(self._machine.arrivals.give_up(effect.booking, was_set_aside=was_set_aside))

    def _refuse(self, effect: Refuse) -> None:
        asked = self._requests.pop(effect.request, None)
        if asked is not None:
            asked.request.end(REFUSED, from_wire(effect.code, effect.fields))

    def _release(self, circuit: str, n: int, program: str) -> None:
        """Slots that were taken for a circuit are free."""
        self._log_freed(circuit, n, program)
        self._services.release(n, self._machine.arrival, program)

    def _log_freed(self, circuit: str, n: int, program: str) -> None:
        if n:
            self._machine.outbox.append(Told("network_slots", program, n=-n, name=circuit))

    def _set_aside(self, effect: SetAside) -> None:
        booking, clock = effect.booking, self._services.clock
        turn = self._turns[effect.circuit] = Turn(asyncio.Future(loop=self._services.loop), booking.who, NodeName(""))
        turn.future.add_done_callback(partial(self._slots_are_here, effect.circuit))
        clock.call_in_background_ns(booking.from_ns, self._stand_in_line, effect, turn)
        clock.call_in_background_ns(booking.to_ns, self._time_is_over, effect.circuit)

    def _stand_in_line(self, effect: SetAside, turn: Turn) -> None:
        if self._turns.get(effect.circuit) is turn:
            self._services.serve(self._machine.arrivals.wait_for_booked(turn, effect.booking))
            if not turn.served:
                self.layer.now_ns = self._machine.now_ns
                self.layer.make_way(effect.circuit)
                self._carry_out()

    def _slots_are_here(self, circuit: str, future: asyncio.Future[None]) -> None:
        if not future.cancelled():
            self.layer.now_ns = self._machine.now_ns
            self.layer.slots_are_here(circuit)
            self._carry_out()

    def _time_is_over(self, circuit: str) -> None:
        self.layer.now_ns = self._machine.now_ns
        self.layer.time_is_over(circuit)
        self._carry_out()

    def _discard(self, half: Half) -> None:
        held = self._held.pop(half.qubit)
        self._machine.discard((held,), None)

    def _swap(self, swap: Swap) -> None:
        machine = self._machine
        halves = (self._held.pop(swap.left.qubit), self._held.pop(swap.right.qubit))
        for gate, operands in BELL_MEASUREMENT:
            machine.apply(gate, tuple(halves[nth] for nth in operands), (), _HERE)
        measured = machine.measure(halves, "z", keep=False, where=_HERE)
        assert measured.request is not None
        future: asyncio.Future[tuple[int, ...]] = asyncio.Future(loop=self._services.loop)
        self._services.outcomes[measured.request] = future
        self._measuring[swap.circuit] += 2
        future.add_done_callback(partial(self._swapped, swap))

    def _swapped(self, swap: Swap, future: asyncio.Future[tuple[int, ...]]) -> None:
        if future.cancelled():
            return
        self.layer.now_ns = self._machine.now_ns
        error = future.exception()
        frame = None
        if error is None:
            coin = f"swap {swap.left.pair} {swap.right.pair}"
            if self._swap_success >= 1.0 or self._coins(coin) < self._swap_success:
                frame = BELL_STATES.index(bell_outcome(*future.result()))
        elif isinstance(error, QnodeError):
            self._services.raised(error)
        self._measured(swap.circuit, 2)
        took_ns = self._machine.hardware.measure.duration_ns
        self.layer.swapped(swap.circuit, swap.left.pair, swap.right.pair, frame, took_ns)
        self._carry_out()

    def _distil(self, step: Distil) -> None:
        machine = self._machine
        halves = (self._held[step.control.qubit], self._held.pop(step.target.qubit))
        for gate, operands in step.gates:
            machine.apply(gate, tuple(halves[nth] for nth in operands), (), _HERE)
        measured = machine.measure(halves[1:], "z", keep=False, where=_HERE)
        assert measured.request is not None
        future: asyncio.Future[tuple[int, ...]] = asyncio.Future(loop=self._services.loop)
        self._services.outcomes[measured.request] = future
        self._measuring[step.circuit] += 1
        future.add_done_callback(partial(self._distilled, step))

    def _distilled(self, step: Distil, future: asyncio.Future[tuple[int, ...]]) -> None:
        if future.cancelled():
            return
        self.layer.now_ns = self._machine.now_ns
        error = future.exception()
        bit: Literal[0, 1] | None = None
        if error is None:
            bit = 1 if future.result()[0] else 0
        elif isinstance(error, QnodeError):
            self._services.raised(error)
        self._measured(step.circuit, 1)
        self.layer.distilled(step.circuit, step.peer, step.step, bit)
        self._carry_out()

    def _measured(self, circuit: str, slots: int) -> None:
        """Halves have left these slots, which are free if their circuit is over."""
        self._measuring[circuit] -= slots
        if circuit in self._late:
            self._release(circuit, slots, self._late[circuit])
        if not self._measuring[circuit]:
            del self._measuring[circuit]
            self._late.pop(circuit, None)

    def _cut_off(self, circuit: str, pair: PairId) -> None:
        self.layer.now_ns = self._machine.now_ns
        self.layer.cut_off(circuit, pair)
        self._carry_out()

    def _read(self, read: Read) -> None:
        machine = self._machine
        asked = self._requests.get(read.request)
        basis = asked.bases[max(read.nth, 0)] if isinstance(asked, Outcomes) else "z"  # or nobody wants it any more
        reading = self._readings[read.half.pair] = Reading(basis)
        measured = machine.measure((self._held.pop(read.half.qubit),), basis, keep=False, where=_HERE)
        assert measured.request is not None
        future: asyncio.Future[tuple[int, ...]] = asyncio.Future(loop=self._services.loop)
        self._services.outcomes[measured.request] = future
        future.add_done_callback(partial(self._was_read, read, reading))

    def _was_read(self, read: Read, reading: Reading, future: asyncio.Future[tuple[int, ...]]) -> None:
        if future.cancelled():
            return
        self.layer.now_ns = self._machine.now_ns
        error = future.exception()
        if error is None:
            reading.bit = future.result()[0]
        elif isinstance(error, QnodeError):
            self._services.raised(error)
            asked = self._requests.pop(read.request, None)
            if asked is not None:
                asked.request.end(REFUSED, error)
                self.layer.withdraw(read.request)
                self._lose_served(read.request, "withdrawn")
        if not self.layer.read(read.circuit, read.half.pair):
            self._release(read.circuit, 1, read.program)
        self._tell_outcome(reading)
        self._carry_out()

    def _tell_outcome(self, reading: Reading) -> None:
        """If it is known of which pair, and that this is whole."""
        whole, bit = reading.whole, reading.bit
        asked = None if whole is None else self._requests.get(whole.request)
        if whole is None or bit is None or not isinstance(asked, Outcomes):
            return
        request, machine = asked.request, self._machine
        pair = PairId(f"{whole.circuit}.{whole.number}")
        machine.outbox.append(
            Told("network_measure", request.program, whole.request, pair, request.peer, qubits=(whole.half.qubit,))
        )
        request.put((0, whole.nth), bit ^ (whole.frame in _FLIPPED_BY[reading.basis]), machine.now_ns)
        if request.delivered == request.n:
            self._has_all(whole.request)

    def _whole(self, whole: Whole) -> None:
        reading = self._readings.pop(whole.half.pair, None)
        if reading is not None:
            reading.whole = whole
            self._tell_outcome(reading)
            return
        held = self._held.pop(whole.half.qubit)
        held.program = whole.program
        if whole.frame:
            self._machine.apply(_CORRECTIONS[whole.frame], (held,), (), _HERE)
            pair = f"{whole.circuit}.{whole.number}"
            self._machine.outbox.append(
                Told("network_correct", whole.program, whole.request, pair, n=whole.frame, qubits=(held.id,))
            )
        if held.busy_ns > self._machine.now_ns:
            self._services.clock.call_at_ns(held.busy_ns, self._deliver, whole, held)
        else:
            self._deliver(whole, held)

    def _deliver(self, whole: Whole, held: HeldQubit) -> None:
        """A half is corrected: its program may have it, if it was not over meanwhile."""
        if held.fate:  # with its program, whose slot it is free from
            self._log_freed(whole.circuit, 1, whole.program)
            return
        asked = self._requests.get(whole.request)
        if not isinstance(asked, EndToEnd):
            self._log_freed(whole.circuit, 1, whole.program)
            self._services.discard((held,), None)
            return
        request, machine = asked.request, self._machine
        pair = PairId(f"{whole.circuit}.{whole.number}")
        half = asked.make(held.id, pair)
        half.kind, half.error, half.fidelity = held.kind, held.error, whole.vector[0]
        half.peer, half.tag = request.peer, request.tag
        machine.outbox.append(
            Told("network_deliver", request.program, whole.request, pair, request.peer, whole.owed, qubits=(half.id,))
        )
        if machine.has_cutoffs:
            self._services.keep_cutoff(half)
        request.put((int(whole.circuit.rpartition("#")[2]), whole.number), half, machine.now_ns)
        if request.delivered == request.n:
            self._has_all(whole.request)


def _progress(want: Want | None) -> Progress | None:
    if want is None:
        return None
    tally = want.tally
    return Progress(
        want.state,
        want.asked.n,
        0,
        want.route,
        want.waits_for,
        want.circuits,
        waits=want.waits,
        tried=tally.tried,
        lost=tally.lost,
    )


def facts_of(hardware: Hardware) -> NodeFacts:
    """What a node tells of itself."""
    slots = hardware.communication if hardware.communication.size else hardware.memory
    return NodeFacts(
        slots.size,
        slots.t1_ns,
        slots.t2_ns,
        min(1.0, hardware.two.error.total * 16 / 15),
        (hardware.p01 + hardware.p10) / 2,
        hardware.two.duration_ns + hardware.single.duration_ns + hardware.measure.duration_ns,
        hardware.single.error.total,
    )


def _forget(outcomes: list[int]) -> None:
    """Nobody wants them."""


def _here() -> None:
    """The line that stacks issue operations at, for errors of theirs."""


_HERE: Final = (_here.__code__, _here.__code__.co_firstlineno)
