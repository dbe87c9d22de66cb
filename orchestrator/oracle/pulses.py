"""Trains of pulses at the oracle: senders give how they were prepared, receivers their bases, and get clicks only.

How a pulse was prepared stays here: neither the receiver nor who sits on the link is told anything of it that no
measurement gives. Each train has random streams of its own, by its name and by what is done to it, so that nothing
depends on what arrived first.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Container, Mapping
from typing import Any, Final, NamedTuple

import numpy as np

from orchestrator.oracle.limits import Usage
from orchestrator.oracle.losses import Lives
from orchestrator.oracle.timekeeper import Delivery, Timekeeper
from qnode.core.coins import derive_key, generator
from qnode.errors import InvalidOperation, MalformedMessage, NoPhotons, NotANeighbour
from qnode.ids import NodeName
from qnode.photons import pulses as light
from qnode.photons.blind import Recovery, settle
from qnode.photons.detection import (
    BASES,
    Analyser,
    Clicks,
    Codes,
    Gates,
    analyser,
    detect,
    draw_bases,
    gated,
    offsets,
    outcomes_of,
)
from qnode.photons.hardware import Channel, Detector, PhotonLink
from qnode.photons.light import Survival, of_numbers, of_source
from qnode.photons.packing import CLICKED, DOUBLE, MOST_PULSES, codes_from, pack_clicks
from qnode.photons.pairs import detect_pairs
from qnode.photons.pulses import Pulses
from qnode.photons.sampling import Rng
from qnode.wire.items import Clicked, Emitted, Failed, Tampered, Tapped
from qnode.wire.messages import NEVER_NS, fields_of
from qnode.wire.operations import ReceivePulses, SendPulses, Tamper

_DARK: Final = Channel(coupling=0.0)  # a link that is broken

_Key = tuple[NodeName, int]
_Talk = tuple[NodeName, NodeName, str, str]
_Log = Callable[..., None]


class _Waiting(NamedTuple):
    node: NodeName
    op: SendPulses | ReceivePulses

    @property
    def n(self) -> int:
        return len(self.op.codes if isinstance(self.op, SendPulses) else self.op.bases)


class _Train(NamedTuple):
    """A train under way; times are those at its sender."""

    name: str
    sender: NodeName
    receiver: NodeName
    wanted: ReceivePulses
    start_ns: int
    period_ps: int
    codes: Codes

    @property
    def lasts_ns(self) -> int:
        return -(-len(self.codes) * self.period_ps // 1000)


class _Held(NamedTuple):
    """Light in somebody's hands: a train that is to be forwarded, or what was kept of it (`train` None)."""

    owner: NodeName
    train: _Train | None
    pulses: Pulses


class _Receiver:
    """Two detectors, and what their last clicks have left behind: from train to train, in picoseconds."""

    def __init__(self) -> None:
        self._free_ps = 0
        self._end_ps = 0  # of the last train; from there on are counted:
        self._pending_ps = np.empty(0, np.int64)  # afterpulses to come,
        self._pending_masks = np.empty(0, np.uint8)  # each with its detector's bit

    def told(self, detector: Detector, train: _Train, found: Clicks, first_ns: int, rng: Rng) -> Clicks:
        """What is left after dead time, with afterpulses among it."""
        period_ps = train.period_ps
        if not detector.dead_ps and not detector.afterpulse:
            return found
        first_ps = first_ns * 1000
        since_ps = first_ps - self._end_ps
        due = self._pending_ps >= since_ps
        pending = -(-(self._pending_ps[due] - since_ps) // period_ps) if due.any() else self._pending_ps[due]
        blind = max(0, -(-detector.dead_ps // period_ps) - 1)
        gates, masks, left = settle(
            found.gates,
            found.masks,
            len(train.codes),
            blind,
            detector.afterpulse,
            detector.afterpulse_ps / period_ps,
            Recovery(
                max(0, -(-(self._free_ps - first_ps) // period_ps)),
                pending,
                self._pending_masks[due],
            ),
            rng,
        )
        self._free_ps = first_ps + left.free_gate * period_ps
        self._end_ps = first_ps + len(train.codes) * period_ps
        self._pending_ps = (left.pending_gates - len(train.codes)) * period_ps
        self._pending_masks = left.pending_masks
        if train.wanted.bases:
            bases = np.frombuffer(train.wanted.bases, np.uint8)[gates]
        else:  # an afterpulse sits in a gate in which perhaps nothing else clicked: its basis is drawn like any other
            bases = draw_bases(train.wanted.choice, len(gates), rng)
            at = np.searchsorted(found.gates, gates)
            same = found.gates[np.minimum(at, len(found) - 1)] == gates if len(found) else np.zeros(len(gates), bool)
            bases[same] = found.bases[at[same]]
        return Clicks(gates, masks, bases)


class _Link:
    """One direction of a link with photons: what is in between, and what source and detectors are busy with."""

    def __init__(self, hardware: PhotonLink, delay_ns: int) -> None:
        self.hardware = hardware
        self.delay_ns = delay_ns
        self._receivers: dict[int, tuple[Detector, Analyser]] = {}
        self.survival: Survival = of_source(hardware.source)
        self.source_free_ns = 0
        self.trains = 0
        self.at_sender = _Receiver()
        self.at_receiver = _Receiver()

    def receiver(self, period_ps: int) -> tuple[Detector, Analyser]:
        """Detectors and optics as they are used for pulses so far apart. Raises InvalidOperation if they cannot be."""
        found = self._receivers.get(period_ps)
        if found is None:
            hardware = self.hardware
            detector = gated(hardware.detector, hardware.encoding, period_ps)
            found = detector, analyser(hardware.encoding, detector, hardware.misalignment)
            self._receivers = {period_ps: found}  # hardly any link has trains of several rates
        return found


class PulseTrains:
    """All trains of a run.

    Args:
        links: The links that have photons, by both names of the ends.
        delay_ns: How long light takes between two neighbours; None if they are none.
        key: The root of the random streams.
        log: Adds a line to the event log.
        usage: What each node may have: pulses that wait for the other end, or that are kept, take memory.
        lives: Who is there.
        broken: Links that carry nothing for now, by their ends, sorted.
    """

    def __init__(
        self,
        links: Mapping[tuple[NodeName, NodeName], PhotonLink],
        delay_ns: Callable[[NodeName, NodeName], int | None],
        time: Timekeeper,
        key: bytes,
        log: _Log,
        usage: Usage,
        lives: Lives,
        broken: Container[tuple[NodeName, NodeName]],
    ) -> None:
        self._usage = usage
        self._lives = lives
        self._broken = broken
        self._hardware = links
        self._delay_ns = delay_ns
        self._time = time
        self._key = key
        self._log = log
        self._links: dict[tuple[NodeName, NodeName], _Link] = {}
        self._sending: dict[_Talk, deque[_Waiting]] = {}
        self._receiving: dict[_Talk, deque[_Waiting]] = {}
        self._open: set[_Key] = set()
        self._open_of: Counter[NodeName] = Counter()
        self._pulses_of: Counter[NodeName] = Counter()
        self._held: dict[str, _Held] = {}
        self._done_to: dict[str, int] = {}

    # ------------------------------------------------------------ who meets whom

    def send(self, node: NodeName, op: SendPulses) -> None:
        """The n-th train meets the n-th readiness to receive of the other end, per program name and tag."""
        peer = NodeName(op.peer)
        link = self._link(node, peer)
        hardware = link.hardware
        codes = codes_from(op.codes)
        if not 1 <= len(codes) <= MOST_PULSES:
            raise InvalidOperation(detail=f"a train has 1 to {MOST_PULSES} pulses, not {len(codes)}: send several")
        if op.entangled != (hardware.source.model == "entangled"):
            call = "send_pulses()" if op.entangled else "send_entangled()"
            raise InvalidOperation(
                detail=f"the source between {node} and {peer} is {hardware.source.model}: use {call}"
            )
        classes = 1 if hardware.source.model != "weak_coherent" else len(hardware.source.intensities)
        if int(codes.max()) >> 3 >= classes:
            raise InvalidOperation(
                detail=f"the source of {node} has {classes} intensities, from 0 to {classes - 1}; a pulse of the train"
                f" has number {int(codes.max()) >> 3}"
            )
        if op.period_ps < 0 or not (op.period_ps or hardware.source.period_ps):
            raise InvalidOperation(
                detail="a train needs a rate: give one to send_pulses(), or to the link's source in the configuration"
            )
        link.receiver(op.period_ps or hardware.source.period_ps)
        self._ask(node, op, self._sending, (node, peer, op.program, self._lives.tagged(node, peer, op.tag)))

    def receive(self, node: NodeName, op: ReceivePulses) -> None:
        peer = NodeName(op.peer)
        self._link(peer, node)
        if op.bases:
            _array(op.bases, min(len(op.bases), MOST_PULSES), len(BASES))
        if not op.bases and (
            len(op.choice) != len(BASES) or not min(op.choice) >= 0 or not abs(sum(op.choice) - 1) < 1e-9
        ):
            raise MalformedMessage(detail=f"{node} chooses bases with {op.choice}, which are no three probabilities")
        self._ask(node, op, self._receiving, (peer, node, op.program, self._lives.tagged(node, peer, op.tag)))

    def withdraw(self, node: NodeName, request: int) -> bool:
        """Nobody waits for it any more. False if it is none of these; a train that has left is still detected."""
        if (node, request) not in self._open:
            return False
        self._close(node, request)
        for waiting in (self._sending, self._receiving):
            for queue in waiting.values():
                for one in [one for one in queue if (one.node, one.op.request) == (node, request)]:
                    queue.remove(one)
                    self._pulses_of[node] -= one.n
        return True

    def forsake(self, node: NodeName, peer: NodeName | None = None) -> None:
        """A node is gone (its peer is None), or has learnt that a peer is: what it has asked for is void."""
        asked = [one for queues in (self._sending, self._receiving) for queue in queues.values() for one in queue]
        for one in asked:
            if one.node == node and peer in (None, one.op.peer):
                self.withdraw(node, one.op.request)
        if peer is None:
            self._open = {key for key in self._open if key[0] != node}
            self._open_of.pop(node, None)

    def lose(self, node: NodeName) -> None:
        """A node is gone, and its source with it; a tap that nobody attends to lets everything pass."""
        self.forsake(node)
        for receiver in dict.fromkeys(receiver for sender, receiver in self._links if sender == node):
            self._time.call_off([one for one in self._time.deliveries_to(receiver) if self._stopped(node, one)])
        for name, held in list(self._held.items()):
            if held.owner == node and held.train is not None:
                self._forward(name, held.train, held.pulses, lossless=False)
            elif held.owner == node:
                del self._held[name]
                self._pulses_of[node] -= len(held.pulses.codes)

    def _stopped(self, sender: NodeName, delivery: Delivery) -> bool:
        """Whether clicks are those of a train of which a sender that is gone now has not sent all."""
        clicked = delivery.item
        if not isinstance(clicked, Clicked) or clicked.peer != sender:
            return False
        left_ns = clicked.first_ns - self._link(sender, delivery.node).delay_ns
        return self._time.now_ns < left_ns - (-clicked.n * clicked.period_ps // 1000)

    def delivered(self, node: NodeName, request: int) -> bool:
        """The answer to a request is there. False if nobody waits for it any more."""
        if (node, request) not in self._open:
            return False
        self._close(node, request)
        return True

    def _close(self, node: NodeName, request: int) -> None:
        if (node, request) in self._open:
            self._open.discard((node, request))
            self._open_of[node] -= 1

    def _ask(
        self, node: NodeName, op: SendPulses | ReceivePulses, mine: dict[_Talk, deque[_Waiting]], talk: _Talk
    ) -> None:
        if (node, op.request) in self._open:
            raise MalformedMessage(detail=f"{node} used request number {op.request} twice")
        self._lives.require(node, NodeName(op.peer))
        waiting = _Waiting(node, op)
        self._usage.check(node, "requests", self._open_of[node] + 1)
        self._usage.check(node, "pulses", self._pulses_of[node] + waiting.n)
        self._open.add((node, op.request))
        self._open_of[node] += 1
        self._pulses_of[node] += waiting.n
        mine.setdefault(talk, deque()).append(waiting)
        sending, receiving = self._sending.get(talk), self._receiving.get(talk)
        if sending and receiving:
            sent, wanted = sending.popleft(), receiving.popleft()
            for one in (sent, wanted):
                self._pulses_of[one.node] -= one.n
            self._meet(sent.node, sent.op, wanted.op)  # type: ignore[arg-type]  # each queue has one kind

    def _link(self, sender: NodeName, receiver: NodeName) -> _Link:
        found = self._links.get((sender, receiver))
        if found is None:
            delay_ns = self._delay_ns(sender, receiver)
            if delay_ns is None:
                raise NotANeighbour(node=sender, peer=receiver, neighbours="as configured")
            hardware = self._hardware.get((sender, receiver)) or self._hardware.get((receiver, sender))
            if hardware is None:
                raise NoPhotons(node=sender, peer=receiver)
            found = self._links[sender, receiver] = _Link(hardware, delay_ns)
        return found

    # ------------------------------------------------------------ a train

    def _meet(self, sender: NodeName, sent: SendPulses, wanted: ReceivePulses) -> None:
        receiver = NodeName(sent.peer)
        codes = codes_from(sent.codes)
        if wanted.bases and len(wanted.bases) != len(codes):
            detail = f"{sender} sends {len(codes)} pulses to {receiver}, which has bases for {len(wanted.bases)}"
            self._fail(sender, sent.request, receiver, wanted.request, InvalidOperation(detail=detail))
            return
        link = self._link(sender, receiver)
        start_ns = max(self._time.now_ns, link.source_free_ns)
        name = f"{sender}>{receiver}#{link.trains}"
        period_ps = sent.period_ps or link.hardware.source.period_ps
        train = _Train(name, sender, receiver, wanted, start_ns, period_ps, codes)
        if start_ns + train.lasts_ns + link.delay_ns >= NEVER_NS:
            error = InvalidOperation(detail=f"a train of {len(codes)} pulses, {period_ps} ps apart, would never end")
            self._fail(sender, sent.request, receiver, wanted.request, error)
            return
        link.trains += 1
        link.source_free_ns = start_ns + train.lasts_ns
        self._log(
            "send_pulses",
            sender,
            t=start_ns,
            program=sent.program,
            request=sent.request,
            n=len(codes),
            peer=receiver,
            channel=sent.tag,
            name=name,
        )
        if sent.entangled:
            self._detect_both(link, train, sent)
            return
        self._time.schedule(link.source_free_ns, sender, Emitted(sent.request, start_ns, period_ps))
        if link.hardware.tap and link.hardware.tap not in self._lives.gone:
            self._to_tap(link, train)
        else:
            self._detect(link, train, train.codes, None, link.survival, self._channel(link, train))

    def _channel(self, link: _Link, train: _Train) -> Channel:
        ends = (train.sender, train.receiver)
        return _DARK if (min(ends), max(ends)) in self._broken else link.hardware.channel

    def _fail(self, sender: NodeName, sent: int, receiver: NodeName, wanted: int, error: InvalidOperation) -> None:
        for node, request, peer in ((sender, sent, receiver), (receiver, wanted, sender)):
            self._close(node, request)
            self._time.schedule(self._time.now_ns, node, Failed(None, request, error.code, fields_of(error)))
            self._log("request_failed", node, request=request, peer=peer, name=error.code, detail=str(error))

    def _stream(self, train: str, *what: str | int) -> Rng:
        return generator(derive_key(self._key, "pulses", train, *what))

    def _detect(
        self,
        link: _Link,
        train: _Train,
        codes: Codes,
        numbers: light.Numbers | None,
        survival: Survival,
        channel: Channel,
        not_before_ns: int = 0,
    ) -> None:
        """What the receiver sees of a train; it is told when the last gate is over, or when light could be there."""
        rng = self._stream(train.name, "detect")
        first_ns = train.start_ns + link.delay_ns
        detector, optics = link.receiver(train.period_ps)
        gates, dark = Gates(first_ns, train.period_ps), detector.dark_clicks
        found = detect(codes, numbers, survival, _bases(train.wanted), gates, channel, optics, dark, rng)
        self._tell(link, train, found, link.at_receiver, first_ns, rng, not_before_ns)

    def _detect_both(self, link: _Link, train: _Train, sent: SendPulses) -> None:
        """The same for a source of entangled photons, and what its own end sees."""
        rng = self._stream(train.name, "detect")
        hardware, first_ns = link.hardware, train.start_ns + link.delay_ns
        detector, optics = link.receiver(train.period_ps)
        here, there = detect_pairs(
            (train.codes >> 1 & 3).astype(np.uint8),
            _bases(train.wanted),
            hardware.source.intensities[0],
            Gates(first_ns, train.period_ps),
            self._channel(link, train),
            optics,
            detector.dark_clicks,
            rng,
        )
        bases = (train.codes >> 1 & 3).astype(np.uint8).tobytes()
        own = ReceivePulses(sent.request, sent.program, train.receiver, sent.tag, bases, ())
        mirrored = train._replace(sender=train.receiver, receiver=train.sender, wanted=own)
        self._tell(link, mirrored, here, link.at_sender, train.start_ns, rng)
        self._tell(link, train, there, link.at_receiver, first_ns, rng)

    def _tell(
        self,
        link: _Link,
        train: _Train,
        found: Clicks,
        receiver: _Receiver,
        first_ns: int,
        rng: Rng,
        not_before_ns: int = 0,
    ) -> None:
        detector, period_ps, n = link.receiver(train.period_ps)[0], train.period_ps, len(train.codes)
        at_ns = max(first_ns + train.lasts_ns, not_before_ns)
        found = receiver.told(detector, train, found, first_ns, rng)
        outcomes, double = outcomes_of(found.masks, rng)
        marks = CLICKED | outcomes | found.bases << 1 | double * np.uint8(DOUBLE)
        off = offsets(len(found), detector, rng)
        sparse, packed = pack_clicks(found.gates, marks.astype(np.uint8), n)
        clicked = Clicked(
            train.wanted.request,
            train.sender,
            n,
            first_ns,
            period_ps,
            sparse,
            packed,
            b"" if off is None else off.tobytes(),
            max(1, detector.resolution_ps),
        )
        self._time.schedule(at_ns, train.receiver, clicked)
        self._log(
            "receive_pulses",
            train.receiver,
            t=max(at_ns, self._time.now_ns),
            program=train.wanted.program,
            request=train.wanted.request,
            n=len(found),
            peer=train.sender,
            channel=train.wanted.tag,
            name=train.name,
        )

    # ------------------------------------------------------------ who sits on a link

    def _to_tap(self, link: _Link, train: _Train) -> None:
        hardware = link.hardware
        before = self._share_before_tap(link, train)
        rng = self._stream(train.name, "emit")
        pulses = light.emitted(train.codes, hardware.source, self._channel(link, train).coupling, rng)
        way = hardware.channel.part(before)
        if way.varies or way.loss_db:
            first_ns = train.start_ns + round(link.delay_ns * before)
            pulses = light.after(pulses, way, Gates(first_ns, train.period_ps), rng)
        tap = NodeName(hardware.tap)
        self._held[train.name] = _Held(tap, train, pulses)
        self._pulses_of[train.sender] += len(train.codes)
        first_ns = train.start_ns + round(link.delay_ns * before)
        tapped = Tapped(train.name, train.sender, train.receiver, len(train.codes), first_ns, train.period_ps)
        self._time.schedule(first_ns + train.lasts_ns, tap, tapped)

    def _share_before_tap(self, link: _Link, train: _Train) -> float:
        at = link.hardware.tap_at
        return at if train.sender == link.hardware.first else 1.0 - at

    def tamper(self, node: NodeName, op: Tamper) -> None:
        """What the node on the link does. It is told what it counted or saw, or the name of the light that it kept."""
        held = self._held.get(op.light)
        if held is None or held.owner != node:
            raise InvalidOperation(
                detail=f"{node} has no light {op.light!r} in its hands: it was forwarded, measured, or never there"
            )
        nth = self._done_to.get(op.light, 0)
        answer = self._do(node, op, held, nth)
        self._done_to[op.light] = nth + 1
        self._time.schedule(self._time.now_ns, node, answer)
        self._log("tap", node, request=op.request, n=len(held.pulses.codes), gate=op.action, name=op.light)

    def _do(self, node: NodeName, op: Tamper, held: _Held, nth: int) -> Tampered:
        pulses, n = held.pulses, len(held.pulses.codes)
        rng = self._stream(op.light, "tap", nth)
        where = _where(op.where, n)
        match op.action:
            case "count":
                return Tampered(op.request, data=light.counted(pulses).tobytes())
            case "measure":
                bases = _array(op.codes, n, len(BASES))
                found = light.measure(pulses, bases, where, rng)
                outcomes, double = outcomes_of(found.masks, rng)
                marks = CLICKED | outcomes | found.bases << 1 | double * np.uint8(DOUBLE)
                sparse, packed = pack_clicks(found.gates, marks.astype(np.uint8), n)
                return Tampered(op.request, sparse=sparse, data=packed)
            case "split" if 0.0 <= op.value <= 1.0:
                self._usage.check(node, "pulses", self._pulses_of[node] + n)
                return Tampered(op.request, self._keep(node, op.light, nth, light.split(pulses, op.value, rng)))
            case "take" if op.value >= 0.0:
                self._usage.check(node, "pulses", self._pulses_of[node] + n)
                kept = light.take(pulses, int(min(op.value, 255.0)), where)
                return Tampered(op.request, self._keep(node, op.light, nth, kept))
            case "block":
                light.block(pulses, where)
                return Tampered(op.request)
            case "replace":
                codes, numbers = _array(op.codes, n, 6), _array(op.numbers, n, 256)
                light.replace(pulses, codes, numbers, where)
                return Tampered(op.request)
            case "forward" if held.train is not None:
                self._forward(op.light, held.train, pulses, lossless=bool(op.value))
                return Tampered(op.request)
            case "drop" if held.train is None:
                del self._held[op.light]
                self._pulses_of[node] -= len(pulses.codes)
                return Tampered(op.request)
        raise InvalidOperation(detail=f"{node} cannot do {op.action!r} with {op.value} to {op.light}")

    def _keep(self, node: NodeName, of: str, nth: int, pulses: Pulses) -> str:
        self._pulses_of[node] += len(pulses.codes)
        name = f"{of}/{nth}"
        self._held[name] = _Held(node, None, pulses)
        return name

    def _forward(self, name: str, train: _Train, pulses: Pulses, *, lossless: bool) -> None:
        link = self._link(train.sender, train.receiver)
        rest = 1.0 - self._share_before_tap(link, train)
        channel = Channel() if lossless else link.hardware.channel.part(rest)
        if self._channel(link, train) is _DARK:
            channel = _DARK
        del self._held[name]
        self._pulses_of[train.sender] -= len(pulses.codes)
        not_before_ns = self._time.now_ns + round(link.delay_ns * rest)
        self._detect(link, train, pulses.codes, pulses.numbers, of_numbers, channel, not_before_ns)


def _bases(wanted: ReceivePulses) -> Any:
    """Of each gate, or the probabilities that they are drawn with."""
    return np.frombuffer(wanted.bases, np.uint8) if wanted.bases else wanted.choice


def _where(packed: bytes, n: int) -> light.Mask:
    if not packed:
        return np.ones(n, np.bool_)
    bits = np.frombuffer(packed, np.uint8)
    if len(bits) != -(-n // 8):
        raise MalformedMessage(detail=f"{len(bits)} bytes do not say which of {n} pulses are meant")
    return np.unpackbits(bits, count=n).astype(np.bool_)


def _array(data: bytes, n: int, limit: int) -> Codes:
    found = np.frombuffer(data, np.uint8)
    if len(found) != n or (n and int(found.max()) >= limit):
        raise MalformedMessage(detail=f"{len(data)} bytes are not one below {limit} for each of {n} pulses")
    return found
