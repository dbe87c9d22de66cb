"""Trains of pulses as a program has them: what it sent, what it detected, and what it holds as one who sits on a link.

Bits, bases and clicks are arrays with one entry for each pulse or for each click; bases are 0, 1, 2 for z, x, y.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt

from qnode.api.services import NodeServices, PulseRequest, came, hand_over
from qnode.core.mailbox import Letter
from qnode.errors import InvalidOperation
from qnode.ids import NodeName
from qnode.photons.hardware import PS_PER_S
from qnode.photons.packing import (
    DOUBLE,
    MOST_PULSES,
    OUTCOME,
    array_of,
    bases_of,
    codes_of,
    unpack_clicks,
)
from qnode.photons.sampling import draw_classes
from qnode.wire.items import Clicked, Emitted, Tampered, Tapped
from qnode.wire.operations import ReceivePulses, SendPulses, Tamper

if TYPE_CHECKING:
    from qnode.api.node import Node

Bits = npt.NDArray[np.uint8]
Times = npt.NDArray[np.float64]
Bases = str | npt.ArrayLike | Mapping[str, float] | None
T = TypeVar("T", Emitted, Clicked, Tampered)


@dataclass(frozen=True)
class SentPulses:
    """A train that has left.

    Attributes:
        n: How many pulses.
        start: When the first one left, in seconds of network time.
        period: From pulse to pulse, in seconds.
    """

    n: int
    start: float
    period: float

    @property
    def times(self) -> Times:
        """When each pulse left, shape (n,)."""
        return self.start + self.period * np.arange(self.n, dtype=np.float64)


@dataclass(frozen=True)
class Detections:
    """Clicks, in the order of their time; m of them.

    Attributes:
        n: How many gates there were.
        indices: The gate of each click, from 0, shape (m,).
        outcomes: The bit of each click, shape (m,).
        bases: The basis of the detectors in the gate of each click, shape (m,).
        double: Where both detectors clicked; the outcome is a fair coin there. Shape (m,).
        start: When the first gate was, in seconds of network time; clicked or not.
        period: From gate to gate, in seconds.
    """

    n: int
    indices: npt.NDArray[np.int64]
    outcomes: Bits
    bases: Bits
    double: npt.NDArray[np.bool_]
    start: float
    period: float
    _offsets: npt.NDArray[np.int16]
    _unit: float

    def __len__(self) -> int:
        return len(self.indices)

    @cached_property
    def times(self) -> Times:
        """When each click was, in seconds of network time, as well as the detectors can tell. Shape (m,)."""
        off = self._offsets * self._unit if len(self._offsets) else 0.0
        found: Times = self.start + self.period * self.indices + off
        return found


class TappedTrain:
    """A train in the hands of who sits on its link. What is done to it is done at once, for all pulses together.

    `where` is a boolean array that says which pulses are meant; without it, all of them.

    Attributes:
        sender, receiver: The ends of the link.
        n: How many pulses it has.
        start: When the first of them came by, in seconds of network time.
        period: From pulse to pulse, in seconds.
    """

    def __init__(self, node: Node, tapped: Tapped) -> None:
        self._light = Light(node, tapped.light, tapped.n)
        self._node = node
        self.sender = NodeName(tapped.sender)
        self.receiver = NodeName(tapped.receiver)
        self.n = tapped.n
        self.start = tapped.first_ns / 1e9
        self.period = tapped.period_ps / PS_PER_S

    def __repr__(self) -> str:
        return f"<TappedTrain of {self.n} pulses from {self.sender} to {self.receiver}>"

    async def count(self) -> Bits:
        """How many photons each pulse has, shape (n,); neither number nor polarisation is disturbed by asking."""
        return np.frombuffer((await self._light.do("count")).data, np.uint8)

    async def measure(self, bases: str | npt.ArrayLike, where: npt.ArrayLike | None = None) -> Detections:
        """Measure pulses with perfect detectors; their photons are gone. `bases` as for receiving."""
        return await self._light.measure(bases, where, self.start, self.period)

    async def split(self, share: float) -> Light:
        """Take this share of the light out of all pulses, by a beam splitter, and keep it."""
        if not 0.0 <= share <= 1.0:
            raise InvalidOperation(detail=f"a beam splitter takes a share from 0 to 1 of the light, not {share!r}")
        return self._light.of(await self._light.do("split", value=float(share)))

    async def take(self, photons: int = 1, where: npt.ArrayLike | None = None) -> Light:
        """Take so many photons out of each pulse, or as many as it has, and keep them."""
        if photons < 0:
            raise InvalidOperation(detail=f"{photons!r} photons cannot be taken")
        return self._light.of(await self._light.do("take", value=float(photons), where=where))

    async def block(self, where: npt.ArrayLike | None = None) -> None:
        """Let these pulses go on empty."""
        await self._light.do("block", where=where)

    async def replace(
        self,
        bits: npt.ArrayLike,
        bases: str | npt.ArrayLike,
        where: npt.ArrayLike | None = None,
        photons: npt.ArrayLike = 1,
    ) -> None:
        """Send pulses of one's own instead, prepared like this, each with so many `photons`, 0 to 255."""
        codes = codes_of(array_of(bits, "bits", self.n, 2), bases, 0)
        numbers = array_of(photons, "photons", self.n, 256)
        await self._light.do("replace", where=where, codes=codes.tobytes(), numbers=numbers.tobytes())

    async def forward(self, *, lossless: bool = False) -> None:
        """Let the train go on to its receiver; `lossless`: over a better channel than the link's own.

        Pulses keep their times, unless that has become impossible; afterwards the train is out of these hands.
        """
        self._node._services.forwarded(self._light.name)
        await self._light.do("forward", value=float(lossless))


class Light:
    """Photons that were kept, of some pulses or all; they keep for ever."""

    def __init__(self, node: Node, name: str, n: int) -> None:
        self._node = node
        self.name = name
        self.n = n

    async def measure(
        self, bases: str | npt.ArrayLike, where: npt.ArrayLike | None = None, start: float = 0.0, period: float = 0.0
    ) -> Detections:
        """Measure pulses with perfect detectors; their photons are gone. Indices are those of the train's pulses."""
        codes = bases_of(bases, "bases", self.n).tobytes()
        found = await self.do("measure", where=where, codes=codes)
        return _detections(self.n, found.sparse, found.data, b"", start, period, 0.0)

    async def drop(self) -> None:
        """Keep it no longer."""
        await self.do("drop")

    def of(self, kept: Tampered) -> Light:
        return Light(self._node, kept.light, self.n)

    async def do(
        self,
        action: str,
        *,
        value: float = 0.0,
        where: npt.ArrayLike | None = None,
        codes: bytes = b"",
        numbers: bytes = b"",
    ) -> Tampered:
        node = self._node
        node._here(action)
        packed = b"" if where is None else np.packbits(array_of(where, "where", self.n, 2)).tobytes()
        request = node._machine.next_request()
        node._machine.outbox.append(Tamper(request, self.name, action, value, packed, codes, numbers))
        return await _answer(node, request, Tampered, None)


async def send_pulses(
    node: Node, peer: str, bits: npt.ArrayLike, bases: Any, intensities: npt.ArrayLike, rate: float | None, tag: str
) -> SentPulses:
    """As Node.send_pulses."""
    node._services.require(peer, node.program)
    codes = codes_of(bits, bases, intensities)
    _check_n(len(codes))
    request = node._machine.next_request()
    node._machine.outbox.append(SendPulses(request, node.program, peer, tag, _period_ps(rate), codes.tobytes()))
    sent = await _answer(node, request, Emitted, NodeName(peer))
    return SentPulses(len(codes), sent.start_ns / 1e9, sent.period_ps / PS_PER_S)


async def send_entangled(node: Node, peer: str, n: int, bases: Bases, rate: float | None, tag: str) -> Detections:
    """As Node.send_entangled."""
    node._services.require(peer, node.program)
    _check_n(n)
    if bases is None or isinstance(bases, Mapping):
        chosen = draw_classes(n, _choice(bases or {"z": 0.5, "x": 0.5}), node.rng)
    else:
        chosen = bases_of(bases, "bases", n)
    codes = np.left_shift(chosen, 1).astype(np.uint8).tobytes()
    request = node._machine.next_request()
    op = SendPulses(request, node.program, peer, tag, _period_ps(rate), codes, entangled=True)
    node._machine.outbox.append(op)
    return _seen(await _answer(node, request, Clicked, NodeName(peer)))


async def receive_pulses(node: Node, peer: str, bases: Bases, tag: str) -> Detections:
    """As Node.receive_pulses."""
    node._services.require(peer, node.program)
    given, choice = b"", (0.5, 0.5, 0.0)
    if isinstance(bases, str):
        letter = int(bases_of(bases, "bases", 1)[0])
        choice = tuple(float(one == letter) for one in range(3))  # type: ignore[assignment]
    elif isinstance(bases, Mapping):
        choice = _choice(bases)
    elif bases is not None:
        array = bases_of(bases, "bases", None)
        _check_n(len(array))
        given = array.tobytes()
    request = node._machine.next_request()
    node._machine.outbox.append(ReceivePulses(request, node.program, peer, tag, given, choice))
    return _seen(await _answer(node, request, Clicked, NodeName(peer)))


async def tap(node: Node, sender: str, receiver: str) -> TappedTrain:
    """As Node.tap."""
    services = node._services
    address = (sender, receiver)
    train = services.taps.take(address)
    if train is None:
        services.require(sender, node.program)
        future: asyncio.Future[Letter[Tapped]] = asyncio.Future(loop=node._loop)
        services.taps.wait(address, future)
        waiting = node._machine.next_request()
        services.pulses[waiting] = PulseRequest(node.program, NodeName(sender), future)  # told if the sender is lost
        try:
            train = await future
        except asyncio.CancelledError:
            services.taps.forget(address, future)
            if came(future):
                hand_over(partial(services.taps.put_back, address, future.result()), future.result())
            raise
        finally:
            services.pulses.pop(waiting, None)
    return TappedTrain(node, train.value)


async def _answer(node: Node, request: int, kind: type[T], peer: NodeName | None) -> T:
    services: NodeServices = node._services
    future: asyncio.Future[Any] = asyncio.Future(loop=node._loop)
    services.pulses[request] = PulseRequest(node.program, peer, future)
    try:
        answer = await future
    except asyncio.CancelledError:
        if services.pulses.pop(request, None) is not None and peer is not None:
            node._machine.withdraw(request)
        raise
    assert isinstance(answer, kind)  # the oracle answers each operation by one kind of item
    return answer


def _period_ps(rate: float | None) -> int:
    if rate is None:
        return 0
    if not (1e-3 <= rate <= PS_PER_S):
        raise InvalidOperation(detail=f"rate must be pulses a second, from 1e-3 to 1e12; got {rate!r}")
    return round(PS_PER_S / rate)


def _seen(clicked: Clicked) -> Detections:
    period, unit = clicked.period_ps / PS_PER_S, clicked.unit_ps / PS_PER_S
    start = clicked.first_ns / 1e9
    return _detections(clicked.n, clicked.sparse, clicked.marks, clicked.offsets, start, period, unit)


def _check_n(n: int) -> None:
    if not 1 <= n <= MOST_PULSES:
        raise InvalidOperation(detail=f"a train has 1 to {MOST_PULSES} pulses, not {n}: use several trains")


def _choice(bases: Mapping[str, float]) -> tuple[float, float, float]:
    unknown = [name for name in bases if name not in ("z", "x", "y")]
    choice = bases.get("z", 0.0), bases.get("x", 0.0), bases.get("y", 0.0)
    if unknown or min(choice) < 0.0 or abs(sum(choice) - 1.0) > 1e-9:
        raise InvalidOperation(
            detail=f"bases as a mapping give the probabilities of z, x and y, which sum to 1; got {dict(bases)!r}"
        )
    return choice


def _detections(
    n: int, sparse: bool, marks: bytes, offsets: bytes, start: float, period: float, unit: float
) -> Detections:
    indices, mark = unpack_clicks(sparse, marks)
    return Detections(
        n=n,
        indices=indices,
        outcomes=(mark & OUTCOME).astype(np.uint8),
        bases=(mark >> 1 & 3).astype(np.uint8),
        double=(mark & DOUBLE) > 0,
        start=start,
        period=period,
        _offsets=np.frombuffer(offsets, np.int16),
        _unit=unit,
    )
