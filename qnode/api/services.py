"""What the programs of one node share: its machine, its mail, and the futures that wait for the oracle's answers."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

from qnode.api.qubit import Qubit
from qnode.core.machine import NodeMachine
from qnode.core.mailbox import Letter, Mailbox
from qnode.core.memory import NO_FREE_SLOT, HeldQubit, Where
from qnode.errors import LimitExceeded, MalformedMessage, PeerLost, QnodeError
from qnode.ids import NodeName, PairId, QubitId
from qnode.wire.bits import Bits, unpack_outcomes
from qnode.wire.items import (
    Arrived,
    Back,
    Clicked,
    DirectOutcomes,
    Emitted,
    Expired,
    Failed,
    Item,
    LinkDown,
    LinkUp,
    Lost,
    Message,
    Newcomer,
    Outcomes,
    Paired,
    Started,
    Stopped,
    Tampered,
    Tapped,
)
from qnode.wire.messages import error_of
from qnode.wire.operations import Tamper
from qnode.wire.stack import STACK, Terms

if TYPE_CHECKING:
    from qnode.api.node import Node
    from qnode.api.requests import Request
    from qnode.api.reservations import Reservation

log = logging.getLogger("qnode")

T = TypeVar("T")
Change = Lost | Back | LinkDown | LinkUp
"""What becomes of the network around a node."""


class Turn:
    """Waiting for memory slots, in a queue with others: which program does, and with whom it wants to entangle.

    Attributes:
        served: Whether the slots have been taken for it, even if nobody waits any more.
    """

    __slots__ = ("future", "peer", "program", "served")

    def __init__(self, future: asyncio.Future[None], program: str, peer: NodeName) -> None:
        self.future = future
        self.program = program
        self.peer = peer
        self.served = False


class Loop(Protocol):
    """What the services need of the node's loop."""

    now_ns: int

    def running_program(self) -> str: ...

    def call_at_ns(self, when_ns: int, callback: Callable[..., object], *args: Any) -> object: ...

    def call_in_background_ns(self, when_ns: int, callback: Callable[..., object], *args: Any) -> object: ...


class Stack(Protocol):
    """What programs and the driver need of a node's network stack."""

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

    def link_measured(self, peer: NodeName, xx: float, yy: float, zz: float) -> float:
        """Correlators of an own link. Returns the fidelity that is announced."""

    def measure_directly(
        self, node: Node, peer: NodeName, bases: Sequence[str], tag: str, priority: int
    ) -> Request[int]:
        """Ask for outcomes of halves of pairs with any node, a basis for each."""

    def heard(self, sender: str, payload: bytes) -> None:
        """A message of another node's stack."""

    def paired(self, item: Paired) -> bool:
        """A half of a link pair, if it is one of the stack's."""

    def failed(self, request: int, error: QnodeError) -> None:
        """There will be no half of a link pair, if it is the stack that has asked for it."""

    def finish(self, program: str) -> None:
        """A program is over: what it has asked for is withdrawn."""

    def lose(self, lost: Mapping[str, str]) -> list[tuple[str, str]]:
        """Nodes are gone, and why. Which programs wait for one of them, and are told."""


class PairRequest:
    """A request for pairs that is being served: the halves that have come, and who waits for all of them."""

    __slots__ = ("future", "halves", "make", "n", "peer", "program", "tag")

    def __init__(
        self,
        program: str,
        peer: NodeName,
        tag: str,
        n: int,
        future: asyncio.Future[list[Qubit]],
        make: Callable[[QubitId, PairId | None], Qubit],
    ) -> None:
        self.program = program
        self.peer = peer
        self.tag = tag
        self.n = n
        self.future = future
        self.make = make
        self.halves: list[Qubit] = []


class DirectRequest(NamedTuple):
    """A request for outcomes of n pairs that are measured at birth, and who waits for them."""

    program: str
    peer: NodeName
    n: int
    future: asyncio.Future[Bits]


class PulseRequest(NamedTuple):
    """A train that is sent, received or tampered with: which program waits for the answer, and with whom it talks."""

    program: str
    peer: NodeName | None
    future: asyncio.Future[Any]


class NodeServices:
    """One node, as its programs share it. `accept` is called by the driver with what a grant brings.

    Attributes:
        lost: Other nodes that are gone, and why.
        told: The programs that have been told of one that is, each by the first.
        heard: How many refused operations it has learnt of since the last report.
        reservations: Of memory slots, by program.
        on_started, on_stopped: Told which program the network wants started or stopped.
        on_unheard: Told the program of a refused operation, and the error, if nothing can raise it there any more.
    """

    def __init__(
        self, machine: NodeMachine[Turn], loop: asyncio.AbstractEventLoop, clock: Loop, names: Container[str]
    ) -> None:
        self.machine = machine
        self.loop = loop
        self.clock = clock
        self.names = names
        self.outcomes: dict[int, asyncio.Future[tuple[int, ...]]] = {}
        self.pairs: dict[int, PairRequest] = {}
        self.direct: dict[int, DirectRequest] = {}
        self.letters: Mailbox[bytes, asyncio.Future[Letter[bytes]]] = Mailbox()
        self.arrivals: Mailbox[Qubit, asyncio.Future[Letter[Qubit]]] = Mailbox()
        self.pulses: dict[int, PulseRequest] = {}
        self.taps: Mailbox[Tapped, asyncio.Future[Letter[Tapped]]] = Mailbox()
        self._tapped: set[str] = set()  # trains in the hands of this node
        self._expired: set[str] = set()  # halves to come whose partners have been given up
        self.programs: dict[str, Callable[[QubitId, PairId | None], Qubit]] = {}
        self.returned: set[str] = set()
        self.reservations: dict[str, list[Reservation]] = {}
        self.begun: Counter[str] = Counter()  # how often a program of a name has been started
        self.on_started: Callable[[Newcomer], object] = lambda program: None
        self.on_stopped: Callable[[str], object] = lambda program: None
        self.lost_qubits: Counter[str] = Counter()  # by reason
        self.lost: dict[str, str] = {}  # nodes that are gone, and why
        self.network: dict[
            tuple[str, str], Change
        ] = {}  # the last of each link and node, for a stack that begins later
        self.on_network: Callable[[Change], object] | None = None
        self.told: dict[str, str] = {}  # which programs have been told that a node is gone: the first
        self.heard = 0
        self.on_unheard: Callable[[str, QnodeError], object] = lambda program, error: None
        self._unheard: list[tuple[str, QnodeError]] = []
        self._cutoffs = machine.has_cutoffs
        self.on_release: Callable[[], None] | None = None
        self.open_stack: Callable[[], Stack] | None = None
        self._stack: Stack | None = None

    def finish(self, program: str) -> None:
        """A program is over: its stack withdraws what it has asked for."""
        if self._stack is not None:
            self._stack.finish(program)

    @property
    def stack(self) -> Stack:
        """The network stack of this node, which begins to work when somebody needs it."""
        if self._stack is None:
            assert self.open_stack is not None
            self._stack = self.open_stack()
        return self._stack

    # ------------------------------------------------------------ what a grant brings

    def accept(self, items: Iterable[Item], payload_of: Callable[[bytes], bytes]) -> None:
        """Hand out results and deliveries, in order. `payload_of` finds a payload that came by itself."""
        for item in items:
            match item:
                case Message():
                    try:
                        payload = payload_of(item.digest) if item.digest else item.payload
                    except MalformedMessage as error:  # its sender lies, and has sent nothing
                        log.warning("a message from %s is lost: %s", item.peer, error)
                        continue
                    if item.program == STACK:
                        self.stack.heard(item.peer, payload)
                        continue
                    address = (item.program, item.peer, item.peer_program, item.channel, item.about)
                    letter = self.letters.number(payload)
                    hand_over(partial(self.letters.put, address, letter), letter)
                case Outcomes():
                    future = self.outcomes.pop(item.request, None)
                    if future is not None and not future.done():
                        future.set_result(item.outcomes)
                case DirectOutcomes():
                    direct = self.direct.pop(item.request, None)
                    if direct is not None and not direct.future.done():
                        direct.future.set_result(unpack_outcomes(item.outcomes, direct.n))
                case Paired():
                    self._paired(item)
                case Arrived():
                    self._arrived(item)
                case Expired():
                    # Our half may still be to come, as one that is corrected is: then some request waits.
                    if not self.machine.other_expired(PairId(item.pair), QubitId(item.qubit)) and self.pairs:
                        self._expired.add(item.qubit)
                case Failed():
                    self._failed(item)
                case Lost():
                    self.lost[item.peer] = item.reason
                    self.lose({item.peer: item.reason})
                    self._network_changed("node", item)
                case Started():
                    self.on_started(item.program)
                case Stopped():
                    self.on_stopped(item.program)
                case Back():
                    self.lost.pop(item.peer, None)
                    self._network_changed("node", item)
                case LinkDown() | LinkUp():
                    self._network_changed("link", item)
                case Emitted() | Clicked() | Tampered():
                    asked = self.pulses.pop(item.request, None)
                    if asked is not None and not asked.future.done():
                        asked.future.set_result(item)
                case Tapped():
                    self._tapped.add(item.light)
                    train = self.taps.number(item)
                    hand_over(partial(self.taps.put, (item.sender, item.receiver), train), train)
                    self.forward_all()

    def _network_changed(self, of: str, item: Change) -> None:
        self.network[of, item.peer] = item
        if self.on_network is not None:
            self.on_network(item)

    def _paired(self, item: Paired) -> None:
        request = self.pairs.get(item.request)
        if request is None:
            if self._stack is not None and self._stack.paired(item):
                return
            # On the real clock it may have been on its way already when the oracle heard that the request is void.
            self.machine.lose(QubitId(item.qubit), "its request was withdrawn")
            return
        half = request.make(QubitId(item.qubit), PairId(item.pair))
        half.fidelity, half.peer, half.tag = item.fidelity, request.peer, request.tag
        if item.qubit in self._expired:
            self._expired.discard(item.qubit)
            self.machine.other_expired(PairId(item.pair), half.id)
        request.halves.append(half)
        if self._cutoffs:
            self.keep_cutoff(half)
        if len(request.halves) == request.n:
            del self.pairs[item.request]
            if not self.pairs:
                self._expired.clear()
            if not request.future.done():
                request.future.set_result(request.halves)

    def _arrived(self, item: Arrived) -> None:
        make = self.programs.get(item.program)
        reason = ""
        if make is None:
            reason = "no program of that name"
        elif item.program in self.returned and not self.arrivals.awaited((item.program, item.peer)):
            reason = "its program has returned"
        elif not self.machine.arrivals.take(item.program):
            reason = NO_FREE_SLOT
        if make is None or reason:
            self.machine.lose(QubitId(item.qubit), reason)
            self.lost_qubits[reason] += 1
            return
        arrival = self.arrivals.number(make(QubitId(item.qubit), None))
        hand_over(partial(self.arrivals.put, (item.program, item.peer), arrival), arrival)

    def forward_all(self) -> None:
        """If no program is left that could decide what becomes of trains on a tapped link, they go on as they are."""
        if self._tapped and self.programs.keys() <= self.returned:
            for light in sorted(self._tapped):
                self.machine.outbox.append(Tamper(self.machine.next_request(), light, "forward"))
            self._tapped.clear()

    def forwarded(self, light: str) -> None:
        """A program has let a train go on."""
        self._tapped.discard(light)

    def _failed(self, item: Failed) -> None:
        error = error_of(item)
        outcomes = request = direct = None
        if item.request is not None:
            direct = self.direct.pop(item.request, None)
            outcomes = self.outcomes.pop(item.request, None)
            request = self.pairs.pop(item.request, None)
            pulses = self.pulses.pop(item.request, None)
            if pulses is not None and not pulses.future.done():
                pulses.future.set_exception(error)
            if request is None and self._stack is not None:
                self._stack.failed(item.request, error)
        awaited = outcomes is not None and not outcomes.done()
        if item.op is not None:
            self.heard += 1
            qubits = self.machine.refused(item.step, item.op, error)
            log.warning("%s (%s)", error, "; ".join(getattr(error, "__notes__", ())))
            if qubits:
                self._remember(qubits, error, awaited=awaited)
            elif isinstance(error, LimitExceeded) and error.fields["program"]:  # of what nobody awaits: a message, say
                self.on_unheard(str(error.fields["program"]), error)
        if awaited and outcomes is not None:
            outcomes.set_exception(error)
            outcomes.exception()  # it is remembered until it is raised: asyncio need not complain that it never was
        if direct is not None and not direct.future.done():
            direct.future.set_exception(error)
        if request is not None:
            self.release(request.n - len(request.halves), self.machine.arrival, request.program)
            self.discard([half for half in request.halves if not half.fate], None)
            if not request.future.done():
                request.future.set_exception(error)

    def _remember(self, qubits: tuple[HeldQubit, ...], error: QnodeError, *, awaited: bool) -> None:
        """An issued operation was refused: whoever awaits one of its qubits next is told, or else its program fails."""
        program = qubits[0].program
        fresh = awaited
        for qubit in qubits if not awaited else ():
            if qubit.error is None:  # what went wrong first is what is told; it stands for what follows from it
                qubit.error = error
                fresh = True
        # A qubit that was measured may have its outcome awaited still; on others that are gone nothing can be awaited.
        if program in self.returned or all(qubit.fate not in ("", "measured") for qubit in qubits):
            self.on_unheard(program, error)
        elif fresh:
            self._unheard.append((program, error))

    # ------------------------------------------------------------ nodes that are gone

    def lose(self, lost: Mapping[str, str]) -> dict[str, str]:
        """Nodes are gone, and why: PeerLost wherever programs wait for one of them.

        Returns:
            The programs that were told, and of which node first.
        """
        told: dict[str, str] = {}
        futures: list[tuple[asyncio.Future[Any], str, str]] = []
        memory = self.machine.arrivals
        turns = [turn for turn in memory.waiting if turn.peer in lost]
        served = memory.forget(*turns)  # all at once: none of them gets slots that another gives up
        futures += [(turn.future, turn.program, turn.peer) for turn in turns]
        asked: dict[int, PairRequest | DirectRequest | PulseRequest] = {**self.pairs, **self.direct, **self.pulses}
        for request, one in asked.items():
            if one.peer is not None and one.peer in lost:
                told.setdefault(one.program, one.peer)
                self._failed(Failed(None, request, PeerLost.__name__, {"peer": one.peer, "reason": lost[one.peer]}))
        for box in (self.letters, self.arrivals):
            readers = box.dismiss(lambda address: address[1] in lost)
            futures += [(reader, address[0], address[1]) for address, reader in readers]
        for program, peer in self._stack.lose(lost) if self._stack is not None else ():
            told.setdefault(program, peer)
        for future, program, peer in futures:
            if not future.done():
                told.setdefault(program, peer)
                future.set_exception(PeerLost(peer=peer, reason=lost[peer]))
        self.serve(served)
        self.told = {**told, **self.told}
        return told

    def require(self, peer: str, program: str) -> None:
        """Raises PeerLost for a node that is gone."""
        if peer in self.lost:
            self.told.setdefault(program, peer)
            raise PeerLost(peer=peer, reason=self.lost[peer])

    # ------------------------------------------------------------ slots

    def release(self, n: int, kind: int, program: str = "") -> None:
        """Free slots of a kind that a program had, and let those go on who waited for them."""
        self.serve(self.machine.memories[kind].release(n, program))

    def release_at(self, when_ns: int, n: int, kind: int, program: str = "") -> None:
        """Free slots of a kind once the operations on them are over."""
        if when_ns <= self.clock.now_ns:
            self.release(n, kind, program)
        else:
            self.clock.call_at_ns(when_ns, self.release, n, kind, program)

    def release_those_of(self, when_ns: int, qubits: Sequence[HeldQubit]) -> None:
        """Free the slots of a program's qubits that are gone, once the operations on them are over."""
        program = qubits[0].program
        if len(qubits) == 1:
            self.release_at(when_ns, 1, qubits[0].kind, program)
            return
        kinds = [qubit.kind for qubit in qubits]
        here = kinds.count(kinds[0])
        self.release_at(when_ns, here, kinds[0], program)
        if here < len(kinds):
            self.release_at(when_ns, len(kinds) - here, 1 - kinds[0], program)

    def let_go(self, program: str) -> None:
        """The slots that were a program's own are for everybody."""
        for memory in self.machine.memories:
            self.serve(memory.let_go(program))

    def give_up_slots(self, waiter: Turn, n: int) -> None:
        """A task that waited for slots was cancelled, with or without them."""
        if waiter.served:
            self.release(n, self.machine.arrival, waiter.program)
        else:
            self.serve(self.machine.arrivals.forget(waiter))

    def serve(self, turns: Iterable[Turn]) -> None:
        """It is their turn: slots have been taken for them. What is left may be enough for the network stack."""
        for waiter in turns:
            waiter.served = True
            if not waiter.future.done():
                waiter.future.set_result(None)
        if self.on_release is not None:
            self.on_release()

    def discard(self, qubits: Iterable[HeldQubit], where: Where | None) -> None:
        """Trace qubits out; each slot is free once what was issued on its qubit is over."""
        gone = list(qubits)
        for qubit, start_ns in zip(gone, self.machine.discard(gone, where), strict=True):
            self.release_at(start_ns, 1, qubit.kind, qubit.program)

    # ------------------------------------------------------------ cut-offs

    def keep_cutoff(self, half: Qubit) -> None:
        """See to it that a half is given up when it has been stored for as long as its slot allows."""
        cutoff_ns = self.machine.cutoff_ns(half.kind)
        if cutoff_ns is not None:  # no run goes on just because a half might still be given up
            self.clock.call_in_background_ns(half.arrived_ns + cutoff_ns, self._cut_off, half, half.kind)

    def _cut_off(self, half: Qubit, kind: int) -> None:
        if not half.fate and half.kind == kind:
            self.release_at(self.machine.expire(half), 1, kind, half.program)

    # ------------------------------------------------------------ errors of issued operations

    def raise_errors(self, qubits: Sequence[HeldQubit]) -> None:
        """Raise what went wrong with an operation that was issued on one of the qubits; once."""
        for qubit in qubits:
            error: QnodeError | None = qubit.error
            if error is not None:
                self.raised(*[one.error for one in qubits if one.error is not None])
                qubit.error = None
                raise error

    def raised(self, *errors: QnodeError) -> None:
        """Something was raised where its program can see it, and stands for all of these."""
        self._unheard = [one for one in self._unheard if one[1] not in errors]

    def raise_unheard(self, program: str) -> None:
        """A program is about to return: raise the first of its errors that was not raised yet."""
        for name, error in self._unheard:
            if name == program:
                raise error


def settle(future: asyncio.Future[None]) -> None:
    """What somebody waits for has happened; unless nobody does any more."""
    if not future.done():
        future.set_result(None)


def came(future: asyncio.Future[Any]) -> bool:
    """Whether what a future stands for is there: it was not cancelled, and did not fail."""
    return future.done() and not future.cancelled() and future.exception() is None


def hand_over(put: Callable[[], asyncio.Future[T] | None], value: T) -> None:
    """Deliver to the first reader that still waits; `put` names the next one, or keeps the value."""
    while (reader := put()) is not None:
        if not reader.done():
            reader.set_result(value)
            return
