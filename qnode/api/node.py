"""Node: what a program can do at its node."""

from __future__ import annotations

import asyncio
import logging
import math
import sys
from collections.abc import AsyncIterator, Awaitable, Coroutine, Mapping, MutableMapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from inspect import isawaitable
from numbers import Real
from operator import index
from threading import get_ident
from types import FrameType
from typing import TYPE_CHECKING, Any, Final, TypeVar, overload

import msgspec

from qnode.api.bases import LETTERS, packed_bases
from qnode.api.qubit import Qubit
from qnode.api.requests import EXPIRED, Request
from qnode.api.services import DirectRequest, NodeServices, PairRequest, Turn, came, hand_over, settle
from qnode.core.coins import derive_key, generator
from qnode.core.machine import Bases, Measured
from qnode.core.mailbox import Letter
from qnode.core.memory import Where
from qnode.core.reservations import ALWAYS_NS
from qnode.errors import (
    FidelityUnreachable,
    GenerationTimeout,
    InvalidOperation,
    NoSuchNode,
    QnodeError,
    WrongLoop,
)
from qnode.ids import NodeName, PairId, ProgramName, QubitId
from qnode.quantum.bell import Pauli
from qnode.wire.bits import unpack_bases
from qnode.wire.payload import pack, pack_result, unpack
from qnode.wire.stack import MOST_URGENT, Terms

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from qnode.api.pulses import Detections, SentPulses, TappedTrain
    from qnode.api.reservations import Reservation

T = TypeVar("T")
S = TypeVar("S", Qubit, int)

MOST_DIRECT: Final = 10_000_000  # pairs of one `measure_directly`: the oracle refuses more
ANY: Final = Terms()
KINDS: Final = ("memory", "communication")  # of slots, by their numbers
_BASES = {"x": "x", "y": "y", "z": "z", "X": "x", "Y": "y", "Z": "z"}


class Node:
    """A quantum node, as one of its programs sees it.

    Time is network time, in seconds, as in `await asyncio.sleep(1e-3)`. Everything here is called from coroutines of
    the program; a call from another thread or loop is a `WrongLoop`.

    Attributes:
        name: This node's name.
        program: The name of the program that this object was given to ("main" unless the configuration has several).
        log: A logger that knows node, program and network time; `log.info("...", pair=half.pair)` adds a field.
    """

    def __init__(self, services: NodeServices, program: ProgramName, key: bytes) -> None:
        self._services = services
        self._machine = services.machine
        self._loop = services.loop
        self._key = key
        self._rng: np.random.Generator | None = None
        self.name: NodeName = services.machine.name
        self.program = program
        self.log = _Logger(logging.getLogger("qnode.program"), {"program": program})
        services.programs[program] = self.hold_remote
        services.returned.discard(program)
        services.begun[program] += 1
        self._life = services.begun[program] - 1  # of this program at this node's
        self._running_program = services.clock.running_program

    def __repr__(self) -> str:
        return f"<Node {self.name}, program {self.program}>"

    # ------------------------------------------------------------ what the node is

    @property
    def neighbours(self) -> tuple[NodeName, ...]:
        """The nodes at the other ends of this node's links, sorted."""
        return tuple(sorted(self._machine.neighbours))

    @property
    def rng(self) -> np.random.Generator:
        """A NumPy random stream that belongs to this program of this node, and to the run's seed."""
        if self._rng is None:
            again = (self._life,) if self._life else ()  # what is started again is not dealt the same numbers
            self._rng = generator(derive_key(self._key, "rng", self._machine.incarnation, self.program, *again))
        return self._rng

    # ------------------------------------------------------------ qubits

    def qubit(self) -> Qubit:
        """A new qubit in |0>, in a free memory slot. Raises OutOfMemory if there is none."""
        self._here("qubit")
        frame = sys._getframe(1)
        machine = self._machine
        name, ready_ns = machine.next_id((frame.f_code, frame.f_lineno), self.program)
        qubit = Qubit(self, name, None, local=True, busy_ns=ready_ns, kind=machine.home, now_ns=machine.now_ns)
        machine.hold(qubit)
        return qubit

    def qubits(self, n: int) -> list[Qubit]:
        """n new qubits in |0>. Raises OutOfMemory, and takes none, if fewer are free."""
        if n > self._machine.memory.free_for(self.program):
            raise self._machine.out_of_memory(self._machine.home, n, self.program)
        return [self.qubit() for _ in range(n)]

    def reserve(
        self, n: int, *, slot: str | None = None, start: float | None = None, end: float | None = None
    ) -> Reservation:
        """Memory slots that are this program's own for a while: `async with node.reserve(2): ...`.

        Entering waits in turn for n free slots. Inside, the program takes of its own slots first; nobody else gets
        them. With `start`, slots are booked ahead, at the call: refused if others have them then, else they are its own
        from `start` to `end`, and entering waits until they are.

        Args:
            n: How many, besides those that the program holds already or has of its own.
            slot: "memory" or "communication"; left out: where new qubits are made.
            start: Network time in seconds, as `asyncio.get_running_loop().time()` has it; left out: now.
            end: Network time at which it is over at the latest; left out: it is over when the block is left.
        Raises:
            OutOfMemory: If they can never be had, or not for that time; it says who has them.
            InvalidOperation: If the times make no sense.
        """
        from qnode.api.reservations import Reservation  # lazy: few programs reserve

        self._here("reserve")
        machine = self._machine
        kind = machine.home if slot is None else _kind_of_slot(slot)
        wanted, now_ns = _whole(n), machine.now_ns
        if wanted < 1:
            raise InvalidOperation(detail=f"reserve() needs a whole number n >= 1; got {n}")
        start_ns = None if start is None else _instant("start", start)
        end_ns = ALWAYS_NS if end is None else _instant("end", end)
        if end_ns <= max(now_ns, start_ns or 0) or (start_ns is not None and start_ns < now_ns):
            raise InvalidOperation(
                detail=f"reserve() needs now <= start < end; it is {now_ns / 1e9} s, and start={start}, end={end}"
            )
        if wanted > machine.memories[kind].reservable:
            raise machine.out_of_memory(kind, wanted)  # its own free slots are none of those that it could reserve
        return Reservation(self._services, self.program, kind, wanted, start_ns, end_ns)

    @overload
    def measure(self, qubit: Qubit, /, *, basis: Pauli | str = ..., keep: bool = ...) -> Coroutine[Any, Any, int]: ...
    @overload
    def measure(
        self, one: Qubit, two: Qubit, /, *more: Qubit, basis: Pauli | str = ..., keep: bool = ...
    ) -> Coroutine[Any, Any, tuple[int, ...]]: ...
    def measure(self, *qubits: Qubit, basis: Pauli | str = Pauli.Z, keep: bool = False) -> Coroutine[Any, Any, Any]:
        """Measure qubits, all at the same time, and await the outcomes: 0 or 1; a tuple of them if there are several.

        Measured qubits leave their slots; with `keep` they stay, in the eigenstate that was found. They are measured at
        the call: a measurement that was cancelled, or whose outcome nobody awaits, has happened all the same.

        Raises:
            DeadQubit: If one of them was measured, sent away or discarded before.
            StateError: What went wrong with a gate that was issued on one of them.
        """
        measured, future = self._issue_measure(qubits, basis, keep, _caller(1))
        if len(qubits) == 1:
            return self._measure_one(qubits[0], measured, future)
        return self._measure(qubits, measured, future)

    def _issue_measure(
        self, qubits: tuple[Qubit, ...], basis: Pauli | str, keep: bool, where: Where
    ) -> tuple[Measured, asyncio.Future[tuple[int, ...]] | None]:
        """Measure now, at the call: what awaits the outcome may be a task that runs later, or never."""
        self._here("measure")
        if not qubits:
            raise InvalidOperation(detail="measure() needs at least one qubit")
        services = self._services
        if qubits[0].program != self.program:
            raise self._not_ours("measure", qubits[0])
        services.raise_errors(qubits)
        axis = _BASES.get(basis)
        if axis is None:
            raise InvalidOperation(detail=f"{basis!r} is no basis; use Pauli.X, Pauli.Y or Pauli.Z")
        measured = self._machine.measure(qubits, axis, keep=keep, where=where)
        if not keep:
            services.release_those_of(measured.end_ns, qubits)
        if measured.request is None:
            return measured, None
        future: asyncio.Future[tuple[int, ...]] = asyncio.Future(loop=self._loop)
        services.outcomes[measured.request] = future
        return measured, future

    async def _measure_one(
        self, qubit: Qubit, measured: Measured, future: asyncio.Future[tuple[int, ...]] | None
    ) -> int:
        if future is None and measured.end_ns <= self._machine.now_ns:
            return measured.outcomes[0]  # type: ignore[return-value]  # it was local
        return (await self._measure((qubit,), measured, future))[0]

    async def _measure(
        self, qubits: tuple[Qubit, ...], measured: Measured, future: asyncio.Future[tuple[int, ...]] | None
    ) -> tuple[int, ...]:
        if future is None:
            if measured.end_ns > self._machine.now_ns:
                await self._until(measured.end_ns)
            return measured.outcomes  # type: ignore[return-value]  # all were local: none is None
        services = self._services
        try:
            outcomes = await future
        except QnodeError as error:
            services.raised(error)
            raise
        services.raise_errors(qubits)
        if len(outcomes) == len(qubits):
            return outcomes
        remote = iter(outcomes)
        return tuple([next(remote) if outcome is None else outcome for outcome in measured.outcomes])

    async def _until(self, when_ns: int) -> None:
        done: asyncio.Future[None] = asyncio.Future(loop=self._loop)
        timer = self._services.clock.call_at_ns(when_ns, settle, done)
        try:
            await done
        finally:
            if isinstance(timer, asyncio.TimerHandle):
                timer.cancel()

    # ------------------------------------------------------------ entanglement

    def pairs(self, peer: str | None = None, *, tag: str | None = None) -> list[Qubit]:
        """The halves of pairs that this program holds, in the order in which they came.

        Args:
            peer: Only those that were asked for with this node.
            tag: Only those with this tag: that of their request, or what the program has put in its place.
        """
        self._here("pairs")
        return [
            half
            for half in self._machine.held.values()
            if isinstance(half, Qubit)
            and half.program == self.program
            and half.pair is not None
            and peer in (None, half.peer)
            and tag in (None, half.tag)
        ]

    @overload
    async def entangle(
        self,
        peer: str,
        *,
        min_fidelity: float = ...,
        tag: str = ...,
        priority: int = ...,
        rate: float | None = ...,
        route: Sequence[str] | None = ...,
        timeout: float | None = ...,
    ) -> Qubit: ...
    @overload
    async def entangle(
        self,
        peer: str,
        n: int,
        *,
        min_fidelity: float = ...,
        tag: str = ...,
        priority: int = ...,
        rate: float | None = ...,
        route: Sequence[str] | None = ...,
        timeout: float | None = ...,
    ) -> list[Qubit]: ...
    async def entangle(
        self,
        peer: str,
        n: int | None = None,
        *,
        min_fidelity: float = 0.0,
        tag: str = "",
        priority: int = 0,
        rate: float | None = None,
        route: Sequence[str] | None = None,
        timeout: float | None = None,
    ) -> Qubit | list[Qubit]:
        """Share Bell pairs with another node: one half of each, in the state Phi+; a list if n is given.

        The peer's program of the same name must ask for the same: its n-th `entangle` with us meets our n-th with it,
        per tag. Waits for free memory slots and for the peer. A cancelled request is withdrawn. Pairs with a node that
        is no neighbour are made by the network stacks of the nodes on a route between the two, by swapping; and better
        ones than links make, by distillation.

        Args:
            peer: Any other node's name.
            n: How many pairs; without it, one, and the half itself is returned.
            min_fidelity: The least fidelity that will do, 0 to 1; the stricter of both ends' wins.
            tag: Keeps several streams of pairs between the same two programs apart.
            priority: The higher comes first, -1000 to 1000; the higher of both ends' counts. A link that makes one pair
                after the other makes those of lower ones only while there is nothing else to make. For memory of
                others, a request has a head start of a second (`stack: {head_start: ...}`) for each.
            rate: How many pairs a second of network time it needs at least; the higher of both ends' counts. It begins
                once every link of its way has so much to spare, and these take no more on then than leaves it that: of
                its turn at each link, while it has something to make there. What memories, windows (`stack:`) and
                cut-offs let through may be less. With a neighbour, both ends have to give a rate or a route.
            route: The nodes to go over, from here to the peer with both; if both ends give one, the same.
            timeout: Seconds of network time after which the request is given up.
        Raises:
            RequestMismatch, NoRoute, FidelityUnreachable, RateUnreachable, GenerationTimeout, PeerLost.
            NoSuchNode: If there is no such other node.
        """
        self._here("entangle")
        _check_timeout(timeout)
        name, wanted = self._check_request(peer, n, min_fidelity, tag, priority)
        if wanted > self._machine.arrivals.most(self.program):
            raise self._machine.out_of_memory(self._machine.arrival, wanted, self.program)
        terms = self._terms(name, rate, route)
        if name not in self._machine.neighbours or terms != ANY:
            halves = await self._from_afar(name, wanted, min_fidelity, tag, priority, timeout, terms)
        else:
            asked = self._loop.time()
            try:
                halves = await self._from_neighbour(name, wanted, min_fidelity, tag, priority, timeout)
            except FidelityUnreachable:  # as both ends are told at the same time: their stacks can do more than a link
                left = None if timeout is None else max(0.0, timeout - (self._loop.time() - asked))
                halves = await self._from_afar(name, wanted, min_fidelity, tag, priority, left, terms)
        return halves if n is not None else halves[0]

    async def _from_neighbour(
        self, peer: NodeName, n: int, min_fidelity: float, tag: str, priority: int, timeout: float | None
    ) -> list[Qubit]:
        """As the link makes them."""
        if timeout is None:
            return await self._entangle(peer, n, min_fidelity, tag, priority)
        async with self._within(timeout, peer):
            return await self._entangle(peer, n, min_fidelity, tag, priority)

    async def _from_afar(
        self, peer: NodeName, n: int, min_fidelity: float, tag: str, priority: int, timeout: float | None, terms: Terms
    ) -> list[Qubit]:
        """By the network stacks."""
        return await self._in_time(self._request(peer, n, n, min_fidelity, tag, priority, terms), peer, timeout)

    async def _in_time(self, request: Request[S], peer: NodeName, timeout: float | None) -> list[S]:
        self._give_up_after(timeout, request)
        return await request.all(peer)

    def _give_up_after(self, timeout: float | None, request: Request[S]) -> None:
        if timeout is not None:
            request.timer = self._loop.call_later(timeout, request.give_up, EXPIRED)
            request.late = GenerationTimeout(node=self.name, peer=request.peer, timeout=str(timeout))

    async def _entangle(self, peer: NodeName, n: int, min_fidelity: float, tag: str, priority: int) -> list[Qubit]:
        services, machine = self._services, self._machine
        if services.lost:
            services.require(peer, self.program)
        if not machine.arrivals.take_in_turn(n, self.program):
            await self._wait_for_slots(n, peer)
        request = machine.entangle(self.program, peer, tag, n, min_fidelity, priority)
        future: asyncio.Future[list[Qubit]] = asyncio.Future(loop=self._loop)
        serving = services.pairs[request] = PairRequest(self.program, peer, tag, n, future, self.hold_remote)
        try:
            return await future
        except asyncio.CancelledError:
            if services.pairs.pop(request, None) is not None:
                machine.withdraw(request)
                services.release(n - len(serving.halves), machine.arrival, self.program)
            self._services.discard([half for half in serving.halves if not half.fate], _caller(1))
            raise

    def request(
        self,
        peer: str,
        n: int,
        *,
        at_once: int | None = None,
        min_fidelity: float = 0.0,
        tag: str = "",
        priority: int = 0,
        rate: float | None = None,
        route: Sequence[str] | None = None,
        window: tuple[float, float] | None = None,
        timeout: float | None = None,
    ) -> Request[Qubit]:
        """Ask for Bell pairs with any other node, and take them as they come, with `async for half in ...`.

        As `entangle`, but it returns at once: the request tells how far it is, and can be cancelled. The peer's program
        of the same name asks by `entangle` or `request` for the same number of pairs. Served by the network stacks, so
        with a neighbour too the peer has to use `request`.

        Args:
            at_once: For how many halves there is to be room here; without it, for all n. With fewer, further ones are
                made as memory slots become free: whoever iterates over many pairs measures them on the way.
            rate, route: As for `entangle`.
            window: From when to when, in seconds of network time, it is to have memory at all nodes of its way; both
                ends give the same. That is reserved at once, or the request is refused with what is in the way
                (`WindowTaken`): at its start the slots that come free are for it before all others. At its end
                what has not come is given up.
            timeout: Seconds of network time after which what has not come is given up; `async for` then ends.
        Raises:
            InvalidOperation, OutOfMemory.
        """
        self._here("request")
        _check_timeout(timeout)
        name, wanted = self._check_request(peer, n, min_fidelity, tag, priority)
        room = wanted if at_once is None else min(wanted, _whole(at_once))
        if room < 1:
            raise InvalidOperation(detail=f"request() needs room for a whole number at_once >= 1; got {at_once!r}")
        if window is not None and timeout is not None:
            raise InvalidOperation(detail="a window has an end, so that it needs no timeout; give one of them")
        terms = self._terms(name, rate, route, window)
        request = self._request(name, wanted, room, min_fidelity, tag, priority, terms)
        self._give_up_after(timeout, request)
        if terms.to_ns:
            request.timer = self._loop.call_at(terms.to_ns / 1e9, request.give_up, EXPIRED)
        return request

    def _terms(
        self,
        peer: NodeName,
        rate: float | None,
        route: Sequence[str] | None,
        window: tuple[float, float] | None = None,
    ) -> Terms:
        if rate is None and route is None and window is None:
            return ANY
        from qnode.api.terms import terms_of  # lazy: few programs set any

        return terms_of(self.name, peer, self._services.names, self._machine.now_ns, rate, route, window)

    def _request(
        self, peer: NodeName, n: int, at_once: int, min_fidelity: float, tag: str, priority: int, terms: Terms
    ) -> Request[Qubit]:
        services = self._services
        services.require(peer, self.program)
        if at_once > self._machine.arrivals.most(self.program):
            raise self._machine.out_of_memory(self._machine.arrival, at_once, self.program)
        return services.stack.request(
            self, peer, n, at_once=at_once, min_fidelity=min_fidelity, tag=tag, priority=priority, terms=terms
        )

    def _check_request(
        self, peer: str, n: int | None, min_fidelity: float, tag: str, priority: int
    ) -> tuple[NodeName, int]:
        """Raises InvalidOperation for what no request can have, and NoSuchNode for names of no other node."""
        if not _is_number(min_fidelity) or not 0.0 <= min_fidelity <= 1.0:
            raise InvalidOperation(detail=f"min_fidelity must lie in [0, 1]; got {min_fidelity!r}")
        wanted = 1 if n is None else _whole(n)
        name = self._other(peer)
        if wanted < 1:
            raise InvalidOperation(detail=f"a request needs a whole number n >= 1; got {n}")
        _check_priority(priority)
        if not isinstance(tag, str):
            raise _not_text("tag", tag)
        return name, wanted

    def _other(self, peer: str) -> NodeName:
        """Raises NoSuchNode for names of no other node."""
        name = NodeName(peer)
        if name == self.name or name not in self._services.names:
            neighbours = ", ".join(sorted(self._machine.neighbours)) or "none"
            raise NoSuchNode(node=self.name, peer=name, neighbours=neighbours)
        return name

    async def measure_directly(
        self,
        peer: str,
        n: int,
        *,
        basis: Pauli | str | None = None,
        bases: npt.ArrayLike | Awaitable[npt.ArrayLike] | None = None,
        tag: str = "",
        priority: int = 0,
        timeout: float | None = None,
    ) -> npt.NDArray[np.uint8]:
        """Share n Bell pairs with another node and measure our halves as they come to be; await all outcomes at once.

        Outcomes are as from Phi+: in Z and X both ends have the same, in Y opposite ones, but for the links' errors and
        those of our own gates and readout. The peer's program of the same name must ask for the same n: its m-th
        `measure_directly` with us meets our m-th with it, per tag.

        With a neighbour nothing is stored, and no memory slot is taken. With others a slot or a few are enough for any
        n: halves are measured as soon as they come, and outcomes corrected, or dropped, once it is known what became of
        their pairs. Only where bases differ, the end that asked later stores each half until it knows its number.

        Args:
            peer: Any other node's name.
            n: How many pairs, up to 10,000,000.
            basis: The basis of all measurements; Z without it.
            bases: Instead, a basis for each: letters x, y, z or numbers 0, 1, 2 for them, shape (n,). Or something that
                can be awaited for them, with a neighbour: the pairs are made meanwhile, and the peer need not wait.
            tag: Keeps several streams of pairs between the same two programs apart.
            priority: As that of `entangle`.
            timeout: Seconds of network time after which the request is given up.
        Returns:
            Outcomes 0 and 1, shape (n,).
        Raises:
            NoSuchNode: If there is no such other node.
            RequestMismatch, NoRoute, GenerationTimeout, PeerLost, RequestOver.
        """
        self._here("measure_directly")
        _check_timeout(timeout)
        name = self._other(peer)
        wanted = _whole(n)
        if not 1 <= wanted <= MOST_DIRECT:
            raise InvalidOperation(detail=f"measure_directly() needs a whole number n of 1 to {MOST_DIRECT}; got {n}")
        if not isinstance(tag, str):
            raise _not_text("tag", tag)
        _check_priority(priority)
        if bases is not None and basis is not None:
            raise InvalidOperation(detail="measure_directly() takes a basis for all pairs, or bases; not both")
        given = basis if bases is None else bases
        how = given if isawaitable(given) else packed_bases(Pauli.Z if given is None else given, wanted)
        if name not in self._machine.neighbours:
            return await self._measure_from_afar(name, wanted, how, tag, priority, timeout)
        if timeout is None:
            return await self._measure_directly(name, wanted, how, tag, priority)
        async with self._within(timeout, peer):
            return await self._measure_directly(name, wanted, how, tag, priority)

    async def _measure_directly(
        self, peer: NodeName, n: int, how: Bases | Awaitable[npt.ArrayLike], tag: str, priority: int
    ) -> npt.NDArray[np.uint8]:
        services, machine = self._services, self._machine
        services.require(peer, self.program)
        known = how if isinstance(how, tuple) else None
        request = machine.measure_directly(self.program, peer, tag, n, known, priority)
        future: asyncio.Future[npt.NDArray[np.uint8]] = asyncio.Future(loop=self._loop)
        services.direct[request] = DirectRequest(self.program, peer, n, future)
        try:
            if not isinstance(how, tuple):
                machine.fix_bases(request, packed_bases(await how, n))
            return await future
        finally:
            if services.direct.pop(request, None) is not None:  # nothing came: it is given up
                machine.withdraw(request)

    def link_measured(self, peer: str, *, xx: float, yy: float, zz: float) -> float:
        """Tell the network what pairs of a link are like, as measured; routes by fidelity are chosen by that.

        Each end tells what it has measured: routes count a link as the end knows it that they come to first. From here
        on this node announces the link so, whatever the configuration says, in this life of it.

        Args:
            peer: A neighbour's name.
            xx, yy, zz: The mean of (-1)**(a + b) over outcomes a, b of both ends along X, Y and Z; Phi+: 1, -1, 1.
        Returns:
            The fidelity to Phi+ that is announced: (1 + XX - YY + ZZ)/4, or of the nearest state that there can be.
        Raises:
            NotANeighbour.
            InvalidOperation: If a correlator is no number from -1 to 1.
        """
        self._here("link_measured")
        name = NodeName(peer)
        self._machine.check_neighbour(name)
        for what, value in (("xx", xx), ("yy", yy), ("zz", zz)):
            if not -1.0 <= value <= 1.0:
                raise InvalidOperation(detail=f"link_measured() needs correlators from -1 to 1; got {what}={value!r}")
        return self._services.stack.link_measured(name, float(xx), float(yy), float(zz))

    async def _measure_from_afar(
        self,
        peer: NodeName,
        n: int,
        how: Bases | Awaitable[npt.ArrayLike],
        tag: str,
        priority: int,
        timeout: float | None,
    ) -> npt.NDArray[np.uint8]:
        import numpy as np  # lazy: neighbours' outcomes come as arrays already

        if not isinstance(how, tuple):
            if isinstance(how, Coroutine):
                how.close()
            raise InvalidOperation(
                detail=f"{peer} is no neighbour of {self.name}: halves are measured as they come, so that"
                " measure_directly() needs their bases at the call"
            )
        services = self._services
        services.require(peer, self.program)
        basis, bases = how
        letters = [LETTERS[number] for number in unpack_bases(bases, n)] if bases else [basis] * n
        request = services.stack.measure_directly(self, peer, letters, tag, priority)
        return np.array(await self._in_time(request, peer, timeout), np.uint8)

    async def prepare(
        self,
        peer: str,
        phi: float,
        theta: float = math.pi / 2,
        *,
        tag: str = "",
        priority: int = 0,
        timeout: float | None = None,
    ) -> None:
        """Make cos(theta/2)|0> + exp(i phi) sin(theta/2)|1> at another node, without sending a qubit there.

        The peer's program of the same name gets it by `receive_prepared`: its m-th with us gets our m-th with it, per
        tag. On the equator, where theta is pi/2, it takes one Bell pair. Any other state comes out of every other pair
        only: others are used up, until it does. The peer learns nothing of the angles, but how many pairs it took.

        Args:
            peer: Any other node's name.
            phi, theta: The angles of the state on the Bloch sphere, in radians.
            tag, priority, timeout: As those of `entangle`, for all pairs together.
        Raises:
            What `entangle` does.
        """
        from qnode.api import preparing  # lazy: few programs do that

        self._here("prepare")
        angles = _angle("prepare", phi), _angle("prepare", theta)
        async with self._within(timeout, peer):
            await preparing.prepare(self, peer, *angles, tag, priority)

    async def receive_prepared(
        self, peer: str, *, tag: str = "", priority: int = 0, timeout: float | None = None
    ) -> Qubit:
        """A qubit in the state that the peer's program chooses by `prepare`; the arguments are those of `entangle`."""
        from qnode.api import preparing  # lazy: few programs do that

        self._here("receive_prepared")
        async with self._within(timeout, peer):
            return await preparing.receive(self, peer, tag, priority)

    @asynccontextmanager
    async def _within(self, timeout: float | None, peer: str) -> AsyncIterator[None]:
        """Raises GenerationTimeout once so many seconds are over."""
        _check_timeout(timeout)
        try:
            async with asyncio.timeout(timeout):
                yield
        except TimeoutError:
            raise GenerationTimeout(node=self.name, peer=peer, timeout=str(timeout)) from None

    async def _wait_for_slots(self, n: int, peer: NodeName) -> None:
        waiter = Turn(asyncio.Future(loop=self._loop), self.program, peer)
        self._machine.arrivals.wait(waiter, n, self.program)
        try:
            await waiter.future
        except asyncio.CancelledError:
            self._services.give_up_slots(waiter, n)
            raise

    def hold_remote(self, name: QubitId, pair: PairId | None) -> Qubit:
        """A handle of a qubit that has come to this program; called by whoever delivers it."""
        machine = self._machine
        now_ns = machine.now_ns
        qubit = Qubit(self, name, pair, local=False, busy_ns=now_ns, kind=machine.arrival, now_ns=now_ns)
        machine.hold(qubit)
        return qubit

    # ------------------------------------------------------------ qubits that travel

    def send_qubit(self, peer: str, qubit: Qubit) -> Coroutine[Any, Any, None]:
        """Send a qubit over the quantum link to a neighbour. It leaves at the call: the handle is dead from then on.

        If the neighbour has no free memory slot when it arrives, it is lost, and the run warns of it at its end.
        """
        self._here("send_qubit")
        if qubit.program != self.program:
            raise self._not_ours("send_qubit", qubit)
        self._services.raise_errors((qubit,))
        departs_ns = self._machine.transfer(qubit, NodeName(peer), _caller(1))
        self._services.release_at(departs_ns, 1, qubit.kind, self.program)
        return _nothing_to_wait_for()

    async def receive_qubit(self, peer: str) -> Qubit:
        """Await the next qubit that the peer's program of the same name sends.

        A qubit takes its slot when it arrives, awaited or not. Without a free one it is lost: nobody waits for it here.
        """
        self._here("receive_qubit")
        self._machine.check_neighbour(NodeName(peer))
        address = (self.program, peer)
        arrivals = self._services.arrivals
        arrival = arrivals.take(address)
        if arrival is not None:
            return arrival.value
        self._services.require(peer, self.program)
        future: asyncio.Future[Letter[Qubit]] = asyncio.Future(loop=self._loop)
        arrivals.wait(address, future)
        try:
            return (await future).value
        except asyncio.CancelledError:
            arrivals.forget(address, future)
            if came(future):
                hand_over(partial(arrivals.put_back, address, future.result()), future.result())
            raise

    # ------------------------------------------------------------ pulses

    async def send_pulses(
        self,
        peer: str,
        bits: npt.ArrayLike,
        *,
        bases: str | npt.ArrayLike,
        intensities: npt.ArrayLike = 0,
        rate: float | None = None,
        tag: str = "",
    ) -> SentPulses:
        """Send a train of light pulses over the link to a neighbour; done when the last one has left.

        The train leaves once the peer's program of the same name is ready to receive it, and after those before it: the
        n-th train meets the peer's n-th `receive_pulses` with us, per tag.

        Args:
            peer: A neighbour, over a link that has `photons:`.
            bits: 0 or 1 for each pulse, shape (n,).
            bases: 0, 1, 2 (z, x, y) for each pulse, or one letter for all.
            intensities: For each pulse, or for all, the number (from 0) of one of the source's configured intensities.
            rate: Pulses a second; left out: that of the source.
            tag: Keeps several streams of trains between the same two programs apart.
        Raises:
            NotANeighbour.
            InvalidOperation: If the arrays do not fit together, or the link has no photons.
        """
        from qnode.api import pulses  # lazy: few programs send light

        self._here("send_pulses")
        self._machine.check_neighbour(NodeName(peer))
        if not isinstance(tag, str):
            raise _not_text("tag", tag)
        return await pulses.send_pulses(self, peer, bits, bases, intensities, rate, tag)

    async def send_entangled(
        self,
        peer: str,
        n: int,
        *,
        bases: str | npt.ArrayLike | Mapping[str, float] | None = None,
        rate: float | None = None,
        tag: str = "",
    ) -> Detections:
        """Send one photon of each entangled pair to a neighbour and measure the other one; what was seen here.

        The peer's program calls `receive_pulses`. A pair is Phi+: outcomes of both ends are equal in z and x, and
        opposite in y. Times are those of this end.

        Args:
            peer: A neighbour, over a link whose `photons:` have a source of model `entangled`.
            n: How many pulses the source is driven by.
            bases, rate, tag: As for `receive_pulses` and `send_pulses`.
        Raises:
            NotANeighbour.
            InvalidOperation: If the link has no such source.
        """
        from qnode.api import pulses  # lazy: few programs send light

        self._here("send_entangled")
        self._machine.check_neighbour(NodeName(peer))
        if not isinstance(tag, str):
            raise _not_text("tag", tag)
        return await pulses.send_entangled(self, peer, _whole(n), bases, rate, tag)

    async def receive_pulses(
        self, peer: str, *, bases: str | npt.ArrayLike | Mapping[str, float] | None = None, tag: str = ""
    ) -> Detections:
        """Await the next train of light pulses of a neighbour, and what the detectors see of it.

        Args:
            peer: A neighbour, over a link that has `photons:`.
            bases: 0, 1, 2 (z, x, y) for each gate; or one letter for all; or probabilities with which the receiver
                chooses for each gate by itself, as in {"z": 0.9, "x": 0.1}. Left out: z or x, each with 1/2.
            tag: As the sender gave it.
        Raises:
            NotANeighbour.
            InvalidOperation: If there are not as many bases as pulses, or the link has no photons.
        """
        from qnode.api import pulses  # lazy: few programs receive light

        self._here("receive_pulses")
        self._machine.check_neighbour(NodeName(peer))
        if not isinstance(tag, str):
            raise _not_text("tag", tag)
        return await pulses.receive_pulses(self, peer, bases, tag)

    async def tap(self, sender: str, receiver: str) -> TappedTrain:
        """Await the next train on a link that this node taps; it goes on when `forward` is called.

        Only where the link's configuration says `tap:` with this node's name. Once all programs of this node have
        returned, trains pass as if it were not there.
        """
        from qnode.api import pulses  # lazy: few programs listen in

        self._here("tap")
        return await pulses.tap(self, sender, receiver)

    # ------------------------------------------------------------ classical messages

    async def send(
        self,
        peer: str,
        value: object,
        *,
        about: Qubit | PairId | None = None,
        channel: str = "",
        program: str | None = None,
    ) -> None:
        """Send a classical message; it arrives after the classical delay between the two nodes.

        Args:
            peer: Any node of the network.
            value: None, numbers, text, bytes, lists, tuples, dicts, complex numbers, NumPy arrays, nested.
            about: A half of a pair (or its pair id): ties the message to that pair.
            channel: A name of your choice that keeps different talk apart.
            program: The program at the peer that it is for; without it, the one of the same name.
        Raises:
            NotPackable: If the value cannot travel; it names the type.
        """
        self._here("send")
        name = NodeName(peer)
        if name not in self._services.names:
            raise InvalidOperation(detail=f"there is no node {peer!r} to send to")
        _check_address(channel, program)
        self._machine.send(self.program, name, program or self.program, channel, _pair_of(about), pack(value))

    @overload
    async def receive(
        self,
        peer: str,
        *,
        about: Qubit | PairId | None = ...,
        channel: str = ...,
        program: str | None = ...,
        type: None = ...,
    ) -> Any: ...
    @overload
    async def receive(
        self,
        peer: str,
        *,
        about: Qubit | PairId | None = ...,
        channel: str = ...,
        program: str | None = ...,
        type: type[T],
    ) -> T: ...
    async def receive(
        self,
        peer: str,
        *,
        about: Qubit | PairId | None = None,
        channel: str = "",
        program: str | None = None,
        type: type[T] | None = None,
    ) -> T | Any:
        """Await the next message of a peer on a channel, or about a pair; the arguments are those of `send`.

        With `type`, the message is checked and converted to it (`type=BellState` makes a BellState of two bits).

        Raises:
            InvalidOperation: If the message is not of the type; it says what came.
        """
        self._here("receive")
        name = NodeName(peer)
        if name not in self._services.names:
            raise InvalidOperation(detail=f"there is no node {peer!r} to receive from")
        _check_address(channel, program)
        address = (self.program, name, program or self.program, channel, _pair_of(about))
        letters = self._services.letters
        letter = letters.take(address)
        if letter is None:
            letter = await self._letter(address)
        value = unpack(letter.value)
        return value if type is None else _converted(value, type, peer)

    async def _letter(self, address: tuple[str, ...]) -> Letter[bytes]:
        letters = self._services.letters
        self._services.require(address[1], self.program)
        future: asyncio.Future[Letter[bytes]] = asyncio.Future(loop=self._loop)
        letters.wait(address, future)
        try:
            return await future
        except asyncio.CancelledError:
            letters.forget(address, future)
            if came(future):
                hand_over(partial(letters.put_back, address, future.result()), future.result())
            raise

    # ------------------------------------------------------------ for the observer, the table and the outside

    def mark(self, label: str, qubit: Qubit) -> None:
        """Let the observer look at a qubit here. The program learns nothing from it, and it takes no time.

        What it sees is the state after all that was issued on the qubit; of an operation that is under way, its end.
        """
        self._here("mark")
        if not isinstance(label, str):
            raise _not_text("label", label)
        if qubit.program != self.program:
            raise self._not_ours("mark", qubit)
        self._machine.mark(self.program, label, qubit, _caller(1))

    def record(self, **values: object) -> None:
        """Add columns to this node's row of the results. Raises NotPackable, and TooLarge from 32 MiB on."""
        self._here("record")
        for name, value in values.items():
            packed = pack_result(value, what=f"the record {name!r}", verb="record")
            self._machine.note(self.program, name, packed)

    def outside(self) -> AbstractAsyncContextManager[None]:
        """Hold the clock while the program talks to the world outside: `async with node.outside(): ...`."""
        self._here("outside")
        hold: AbstractAsyncContextManager[None] = self._loop.hold()  # type: ignore[attr-defined]
        return hold

    # ------------------------------------------------------------ what Qubit calls

    def _apply(self, gate: str, qubits: tuple[Qubit, ...], params: tuple[float, ...] = ()) -> None:
        self._here(gate)
        if params:
            params = tuple([_angle(gate, param) for param in params])
        frame = sys._getframe(2)
        self._machine.apply(gate, qubits, params, (frame.f_code, frame.f_lineno))

    def _apply_unitary(self, unitary: npt.ArrayLike, qubits: tuple[Qubit, ...]) -> None:
        self._here("apply")
        self._machine.apply_unitary(unitary, qubits, _caller(2))

    def _move(self, qubit: Qubit, slot: str, frame: FrameType) -> None:
        self._here("move")
        kind, old = _kind_of_slot(slot), qubit.kind
        if kind != old:
            free_ns = self._machine.move(qubit, kind, (frame.f_code, frame.f_lineno))
            self._services.release_at(free_ns, 1, old, self.program)
            if qubit.pair is not None:
                self._services.keep_cutoff(qubit)

    def _reset(self, qubit: Qubit) -> None:
        self._here("reset")
        self._machine.reset(qubit, _caller(2))

    def _discard(self, qubit: Qubit, frame: FrameType) -> None:
        self._here("discard")
        self._services.discard((qubit,), (frame.f_code, frame.f_lineno))

    def _here(self, call: str) -> None:
        # Not asyncio.get_running_loop(): that asks the kernel for the process id each time.
        if self._loop._thread_id != get_ident():  # type: ignore[attr-defined]  # None while it does not run
            raise WrongLoop(call=f"{call}()", node=self.name)
        running = self._running_program()
        if running and running != self.program:
            raise InvalidOperation(
                detail=f"{call}() of program {self.program} of node {self.name} was called by program {running};"
                " programs of a node share neither qubits nor requests, only messages"
            )

    def _not_ours(self, call: str, qubit: Qubit) -> InvalidOperation:
        return InvalidOperation(
            detail=f"{call}() of program {self.program} of node {self.name} was given qubit {qubit.id}, which program"
            f" {qubit.program} of node {qubit.node_name} holds; programs share no qubits"
        )

    def finish(self) -> int:
        """The program is over: what it still holds is discarded, and how many that is; its slots are for all again.

        Called by whoever ran it.
        """
        services, machine = self._services, self._machine
        services.finish(self.program)
        services.returned.add(self.program)
        mine = [qubit for qubit in machine.held.values() if qubit.program == self.program]
        services.discard(mine, _caller(1))
        services.arrivals.clear(lambda address: address[0] == self.program)
        for reservation in services.reservations.pop(self.program, []):
            reservation.end()
        services.let_go(self.program)
        services.forward_all()
        return len(mine)


class _Logger(logging.LoggerAdapter[logging.Logger]):
    """Takes node, pair, request and the like as keywords, and keeps them as fields of the log record."""

    def process(self, msg: str, kwargs: MutableMapping[str, Any]) -> tuple[str, MutableMapping[str, Any]]:
        fields = {key: kwargs.pop(key) for key in ("pair", "request", "qubit", "peer") if key in kwargs}
        kwargs["extra"] = {**(self.extra or {}), "fields": fields}
        return msg, kwargs


def _caller(depth: int) -> Where:
    frame = sys._getframe(depth + 1)
    return frame.f_code, frame.f_lineno


def _kind_of_slot(slot: str) -> int:
    if slot not in KINDS:
        raise InvalidOperation(detail=f"{slot!r} is no kind of slot; there are: {', '.join(KINDS)}")
    return KINDS.index(slot)


def _instant(what: str, seconds: float) -> int:
    try:
        return round(seconds * 1e9)
    except (TypeError, ValueError, OverflowError):
        raise InvalidOperation(detail=f"{what} is a network time in seconds; got {seconds!r}") from None


def _angle(gate: str, value: float) -> float:
    try:
        angle = float(value)
    except (TypeError, ValueError):
        angle = math.nan
    if not math.isfinite(angle):
        raise InvalidOperation(detail=f"{gate}() needs finite angles in radians; got {value!r}")
    return angle


def _whole(n: int) -> int:
    try:
        return index(n)
    except TypeError:
        return 0  # no number of pairs either


def _check_address(channel: str, program: str | None) -> None:
    if not isinstance(channel, str):
        raise _not_text("channel", channel)
    if program is not None and not isinstance(program, str):
        raise _not_text("program", program)


def _check_timeout(timeout: float | None) -> None:
    """Raises InvalidOperation for what is no time."""
    if timeout is not None and not (_is_number(timeout) and 0.0 <= timeout < math.inf):
        raise InvalidOperation(detail=f"a timeout is a number of seconds >= 0; got {timeout!r}")


def _check_priority(priority: int) -> None:
    """Raises InvalidOperation for what is none."""
    if type(priority) is not int or abs(priority) > MOST_URGENT:
        raise InvalidOperation(
            detail=f"a priority is a whole number from -{MOST_URGENT} to {MOST_URGENT}; got {priority!r}"
        )


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _not_text(what: str, value: object) -> InvalidOperation:
    return InvalidOperation(detail=f"a {what} is text; got {value!r}")


def _pair_of(about: Qubit | PairId | None) -> str:
    if about is None:
        return ""
    if isinstance(about, str):
        return about
    if about.pair is None:
        raise InvalidOperation(detail=f"qubit {about.id} is not a half of a pair, so no message can be about it")
    return about.pair


def _converted(value: object, wanted: type[T], peer: str) -> T:
    try:
        return msgspec.convert(value, wanted)
    except msgspec.ValidationError as error:
        asked: object = wanted  # such as `int | None`, which is no type and has no name
        name = asked.__name__ if isinstance(asked, type) else asked
        raise InvalidOperation(detail=f"a message of {peer} is not a {name}: {error}; it is {value!r}") from None


async def _nothing_to_wait_for() -> None:
    pass
