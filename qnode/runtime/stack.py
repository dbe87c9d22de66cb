"""The shell of a network stack: carries out what its state machines want, and tells them what came of it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from msgspec.structs import replace

from qnode.api.qubit import Qubit
from qnode.api.services import NodeServices
from qnode.core.coins import Coins, derive_key
from qnode.core.memory import HeldQubit
from qnode.errors import MalformedMessage, QnodeError, from_wire
from qnode.ids import NodeName, PairId, QubitId
from qnode.quantum.bell import BELL_STATES
from qnode.quantum.circuits import BELL_MEASUREMENT, bell_outcome
from qnode.quantum.hardware import ErrorModel, Hardware
from qnode.stack.effects import (
    Closed,
    Drop,
    Effect,
    Freed,
    Half,
    Log,
    Make,
    Refuse,
    Serve,
    Swap,
    Tell,
    Unmake,
    WakeAt,
    Whole,
)
from qnode.stack.network import NetworkLayer
from qnode.stack.routing import LinkStates
from qnode.wire.items import Paired
from qnode.wire.operations import Told
from qnode.wire.plan import NodeSpec
from qnode.wire.stack import STACK, NodeFacts, decode_talk, encode_talk

log = logging.getLogger("qnode")

_CORRECTIONS: Final = {1: "x", 2: "z", 3: "y"}  # by frame, 2 z + x


class EndToEnd:
    """A program's request: its halves so far, and who waits for them."""

    __slots__ = ("future", "halves", "make", "number", "peer", "program")

    def __init__(
        self,
        number: int,
        program: str,
        peer: NodeName,
        future: asyncio.Future[list[Qubit]],
        make: Callable[[QubitId, PairId | None], Qubit],
    ) -> None:
        self.number = number
        self.program = program
        self.peer = peer
        self.future = future
        self.make = make
        self.halves: list[tuple[tuple[int, int], PairId, HeldQubit, float]] = []


class NetworkStack:
    """The stack of one node."""

    def __init__(self, node: NodeSpec, services: NodeServices) -> None:
        self._services = services
        self._machine = services.machine
        facts, spec = facts_of(node.hardware), node.stack
        if spec.cutoff_ns is None:
            spec = replace(spec, cutoff_ns=self._machine.cutoff_ns(self._machine.arrival))
        self.layer = NetworkLayer(
            self._machine.name,
            node.incarnation,
            spec,
            facts,
            node.links,
            self._machine.arrivals,
            LinkStates(self._machine.name, node.incarnation, facts, node.links),
        )
        self._coins = Coins(derive_key(node.key, "stack", node.incarnation))
        self._swap_success = spec.swap_success
        self._requests: dict[int, EndToEnd] = {}
        self._asked: dict[int, tuple[str, NodeName]] = {}  # pairs of links that have not come, by request
        self._held: dict[QubitId, HeldQubit] = {}
        self._busy = False
        services.on_release = self._slots_freed

    # ------------------------------------------------------------ programs

    def entangle(
        self,
        program: str,
        peer: NodeName,
        tag: str,
        n: int,
        min_fidelity: float,
        make: Callable[[QubitId, PairId | None], Qubit],
    ) -> tuple[int, asyncio.Future[list[Qubit]]]:
        """Ask for pairs with any node."""
        future: asyncio.Future[list[Qubit]] = asyncio.Future(loop=self._services.loop)
        self.layer.now_ns = self._machine.now_ns
        number = self.layer.ask(program, peer, tag, n, min_fidelity)
        self._requests[number] = EndToEnd(number, program, peer, future, make)
        self._carry_out()
        return number, future

    def withdraw(self, number: int) -> None:
        """Nobody waits for a request any more."""
        self.layer.withdraw(number)
        self._carry_out()
        self._forget(number)

    def _forget(self, number: int) -> EndToEnd | None:
        request = self._requests.pop(number, None)
        if request is not None:
            self._services.discard([held for _, _, held, _ in request.halves if not held.fate], None)
        return request

    # ------------------------------------------------------------ what comes

    def heard(self, sender: str, payload: bytes) -> None:
        """A message of another node's stack."""
        try:
            talk = decode_talk(payload)
        except MalformedMessage as error:
            log.warning("from %s: %s", sender, error)
            return
        self.layer.now_ns = self._machine.now_ns
        self.layer.heard(NodeName(sender), talk)
        self._carry_out()

    def paired(self, item: Paired) -> bool:
        """A half of a link pair, if it is one of ours."""
        asked = self._asked.pop(item.request, None)
        if asked is None:
            return False
        circuit, peer = asked
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
        if not self.layer.came(circuit, peer, half):
            self._discard(half)
        self._carry_out()
        return True

    def lose(self, lost: Mapping[str, str]) -> list[tuple[str, str]]:
        """Nodes are gone, and why. Which programs wait for one of them, and are told."""
        told = [(request.program, str(request.peer)) for request in self._requests.values() if request.peer in lost]
        self.layer.now_ns = self._machine.now_ns
        for node, reason in lost.items():
            self.layer.lost(NodeName(node), reason)
        self._carry_out()
        return told

    def back(self, node: str, life: int) -> None:
        """A node that was lost has begun again."""
        self.layer.back(NodeName(node), life)
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
        self._busy = True
        try:
            while self.layer.out:
                effects, self.layer.out[:] = list(self.layer.out), []
                for effect in effects:
                    self._do(effect)
                self.layer.slots_freed()
        finally:
            self._busy = False

    def _do(self, effect: Effect) -> None:
        machine = self._machine
        match effect:
            case Tell():
                machine.send(STACK, effect.peer, STACK, "", "", encode_talk(effect.talk))
            case Make():
                request = machine.entangle(STACK, effect.peer, effect.circuit, 1, 0.0)
                self._asked[request] = (effect.circuit, effect.peer)
            case Unmake():
                gone = [number for number, asked in self._asked.items() if asked == (effect.circuit, effect.peer)]
                for number in gone:
                    del self._asked[number]
                    machine.withdraw(number)
            case Swap():
                self._swap(effect)
            case Drop():
                self._discard(effect.half)
            case Whole():
                self._whole(effect)
            case WakeAt():
                self._services.clock.call_in_background_ns(effect.at_ns, self._cut_off, effect.circuit, effect.pair)
            case Closed() | Freed():
                self._services.release(effect.slots, machine.arrival)
            case Log():
                machine.outbox.append(
                    Told(
                        effect.event,
                        effect.program,
                        effect.request,
                        effect.pair,
                        effect.peer,
                        effect.n,
                        effect.name,
                        effect.detail,
                        effect.qubits,
                    )
                )
            case Serve():
                self._serve(effect.request)
            case Refuse():
                request_of = self._forget(effect.request)
                if request_of is not None and not request_of.future.done():
                    request_of.future.set_exception(from_wire(effect.code, effect.fields))

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
        self.layer.swapped(swap.circuit, swap.left.pair, swap.right.pair, frame)
        self._carry_out()

    def _cut_off(self, circuit: str, pair: PairId) -> None:
        self.layer.now_ns = self._machine.now_ns
        self.layer.cut_off(circuit, pair)
        self._carry_out()

    def _whole(self, whole: Whole) -> None:
        held = self._held.pop(whole.half.qubit)
        request = self._requests.get(whole.request)
        if request is None:
            self._services.discard((held,), None)
            return
        if whole.frame:
            self._machine.apply(_CORRECTIONS[whole.frame], (held,), (), _HERE)
        nth = int(whole.circuit.rpartition("#")[2])
        pair = PairId(f"{whole.circuit}.{whole.number}")
        request.halves.append(((nth, whole.number), pair, held, whole.vector[0]))

    def _serve(self, number: int) -> None:
        request = self._requests.pop(number)
        ready_ns = max(held.busy_ns for _, _, held, _ in request.halves)
        if ready_ns > self._machine.now_ns:
            self._services.clock.call_at_ns(ready_ns, self._deliver, request)
        else:
            self._deliver(request)

    def _deliver(self, request: EndToEnd) -> None:
        if request.future.done():
            self._services.discard([held for _, _, held, _ in request.halves if not held.fate], None)
            return
        halves = []
        for _, pair, held, fidelity in sorted(request.halves, key=lambda one: one[0]):
            half = request.make(held.id, pair)
            half.busy_ns, half.kind, half.error = held.busy_ns, held.kind, held.error
            half.fidelity = fidelity
            self._machine.outbox.append(
                Told("network_deliver", request.program, request.number, pair, request.peer, qubits=(half.id,))
            )
            if self._machine.has_cutoffs:
                self._services.keep_cutoff(half)
            halves.append(half)
        request.future.set_result(halves)


def facts_of(hardware: Hardware) -> NodeFacts:
    """What a node tells of itself."""
    slots = hardware.communication if hardware.communication.size else hardware.memory
    return NodeFacts(
        slots.size,
        slots.t1_ns,
        slots.t2_ns,
        min(1.0, total_of(hardware.two.error) * 16 / 15),
        (hardware.p01 + hardware.p10) / 2,
        hardware.two.duration_ns + hardware.single.duration_ns + hardware.measure.duration_ns,
        total_of(hardware.single.error),
    )


def total_of(error: ErrorModel) -> float:
    """Of all Paulis that are not the identity; what a Kraus operator does besides is not told to others."""
    return 1.0 - (1.0 - error.depolarise) * (1.0 - sum(error.paulis))


def _here() -> None:
    """The line that stacks issue operations at, for errors of theirs."""


_HERE: Final = (_here.__code__, _here.__code__.co_firstlineno)
