"""Batches of pairs that both ends measure at birth: requests that meet, when their pairs are there, and outcomes.

Nothing here is done pair by pair, whatever their number. A batch takes as long as its attempts do, and as others' turns
between them; the outcomes of an end reach it together, when the last of them would.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, Protocol

import numpy as np

from orchestrator.oracle.counts import Counts
from orchestrator.oracle.generation import Generation
from orchestrator.oracle.ledger import Ledger
from orchestrator.oracle.limits import Usage
from orchestrator.oracle.losses import Lives
from orchestrator.oracle.matching import Demand, Key, Matching
from orchestrator.oracle.refusals import refuse
from orchestrator.oracle.stints import Run
from orchestrator.oracle.timekeeper import Delivery, Timekeeper
from qnode.core.coins import derive_key, generator
from qnode.errors import MalformedMessage, NotANeighbour, RequestMismatch
from qnode.ids import NodeName
from qnode.quantum.bell_pairs import BASES, Batch, Bits, last_attempt
from qnode.quantum.pair_source import PairSource
from qnode.wire.bits import pack_outcomes, unpack_bases
from qnode.wire.items import DirectOutcomes
from qnode.wire.messages import NEVER_NS
from qnode.wire.operations import FixBases, MeasureDirectly

MOST_DIRECT: Final = 10_000_000
"""Pairs of one request: a node that lies about n must not fill the oracle's memory."""


class Links(Protocol):
    """What there is between two nodes."""

    def quantum_ns(self, one: NodeName, other: NodeName) -> int | None:
        """How long light takes between two neighbours; None if there is no link."""

    def source(self, one: NodeName, other: NodeName) -> tuple[PairSource, bool]:
        """Of pairs between two neighbours, and whether `one` is its end b."""


class Place:
    """One end of a batch: which end of the source it is, and its request.

    Attributes:
        run: The batch's attempts.
        after_ns: How long after the beginning of the last attempt this end's outcomes may reach it.
        last_ns: When that attempt begins; NEVER_NS: that is not known.
        item: What this end is told, once its bases are known.
        ones: How many of its outcomes are 1.
        delivery: Of the item.
    """

    __slots__ = ("after_ns", "batch", "delivery", "demand", "end", "item", "last_ns", "ones", "run")

    def __init__(self, batch: Batch, run: Run, end: int, demand: Demand, after_ns: int) -> None:
        self.batch = batch
        self.run = run
        self.end = end
        self.demand = demand
        self.after_ns = after_ns
        self.last_ns = NEVER_NS
        self.item: DirectOutcomes | None = None
        self.ones = 0
        self.delivery: Delivery | None = None

    def answer(self, bases: Bits) -> None:
        """Its bases are these."""
        outcomes = self.batch.answer(self.end, bases)
        self.item = DirectOutcomes(self.demand.wanted.request, pack_outcomes(outcomes))
        self.ones = int(outcomes.sum())


class Bulk:
    """All requests of the network for outcomes of pairs that are measured at birth.

    Args:
        key: Of the random streams; each batch has its own.
        lives: Who is there.
    """

    def __init__(
        self,
        links: Links,
        ledger: Ledger,
        generation: Generation,
        time: Timekeeper,
        counts: Counts,
        *,
        key: bytes,
        usage: Usage,
        log: Callable[..., object],
        lives: Lives,
    ) -> None:
        self._links = links
        self._ledger = ledger
        self._generation = generation
        self._time = time
        self._counts = counts
        self._key = key
        self._log = log
        self._lives = lives
        self._matching = Matching(usage, lives.tagged)
        self._bases: dict[Key, Bits | None] = {}  # of those whose pairs have not begun
        self._places: dict[Key, Place] = {}
        self._batches: dict[tuple[NodeName, NodeName], int] = {}

    def ask(self, node: NodeName, op: MeasureDirectly) -> None:
        """A request. If the peer's was waiting for it, the pairs are made."""
        wanted = op.wanted
        peer = NodeName(wanted.peer)
        if self._links.quantum_ns(node, peer) is None:
            raise NotANeighbour(node=node, peer=peer, neighbours="as configured")
        if not 1 <= wanted.n <= MOST_DIRECT:
            raise MalformedMessage(detail=f"{node} asked for {wanted.n} pairs at once; 1 to {MOST_DIRECT} are possible")
        self._lives.require(node, peer)
        bases = _bases(op, wanted.n)
        met = self._matching.ask(node, wanted)
        self._bases[node, wanted.request] = bases
        self._log(
            "request", node, program=wanted.program, request=wanted.request, n=wanted.n, peer=peer, channel=wanted.tag
        )
        if met is None:
            return
        first, second = met
        if first.wanted.n == second.wanted.n:
            self._begin(first, second)
        else:
            self._mismatch(first, second)
            self._mismatch(second, first)

    def fix(self, node: NodeName, op: FixBases) -> None:
        """The bases of a request that came without. One that is over has no use for them."""
        key = (node, op.request)
        demand = self._matching.find(key)
        if demand is None:
            return
        bases = _bases(op, demand.wanted.n)
        place = self._places.get(key)
        if place is None:
            self._bases[key] = bases
        elif place.item is None and bases is not None:
            place.answer(bases)
            self._schedule(place)

    def withdraw(self, node: NodeName, request: int) -> None:
        """A request is void; whatever was measured stays measured, at the other end, too."""
        key = (node, request)
        self._matching.withdraw(key)
        self._bases.pop(key, None)
        place = self._places.pop(key, None)
        if place is None or place.last_ns <= self._time.now_ns:
            return
        self._call_off(place)
        if all(other.run is not place.run for other in self._places.values()):
            self._generation.give_up(place.run)

    def delivered(self, node: NodeName, request: int, at_ns: int) -> bool:
        """Outcomes reach their node. False if it does not want them any more."""
        place = self._places.pop((node, request), None)
        if place is None:
            return False
        self._generation.told(place.run, place.last_ns)
        wanted = place.demand.wanted
        self._matching.withdraw((node, request))
        self._log(
            "measure_directly",
            node,
            t=at_ns,
            program=wanted.program,
            request=request,
            n=wanted.n,
            peer=wanted.peer,
            channel=wanted.tag,
            detail=f"{place.ones} of {wanted.n} outcomes are 1",
        )
        return True

    def asked_by(self, node: NodeName) -> int:
        """How many open requests a node has."""
        return len(self._matching.of(node))

    def lose(self, node: NodeName) -> None:
        """A node is gone: its requests are void, and so is what the other end has of a batch that is not complete."""
        for demand in self._matching.of(node):
            place = self._places.get(demand.key)
            if place is not None and place.last_ns > self._time.now_ns:
                for key in [key for key, other in self._places.items() if other.run is place.run]:
                    self._call_off(self._places.pop(key))
            self._places.pop(demand.key, None)
            self._bases.pop(demand.key, None)
            self._matching.withdraw(demand.key)

    def forsake(self, node: NodeName, peer: NodeName) -> None:
        """A node has learnt that its peer is lost: what it has asked for with it is void."""
        for demand in self._matching.of(node, peer):
            self._matching.withdraw(demand.key)
            self._bases.pop(demand.key, None)
            self._places.pop(demand.key, None)

    def _begin(self, first: Demand, second: Demand) -> None:
        """Make the pairs of two requests that met; the later one makes up for what is heralded."""
        source, turned = self._links.source(first.node, second.node)
        n = first.wanted.n
        ends = (second, first) if turned else (first, second)
        names = (ends[0].node, ends[1].node)
        self._counts.pairs += n
        nth = self._batches[names] = self._batches.get(names, -1) + 1

        def stream(what: str) -> Any:
            return generator(derive_key(self._key, "measure directly", *names, nth, what))

        hardware = (self._ledger.labs[names[0]].hardware, self._ledger.labs[names[1]].hardware)
        batch = Batch(source, n, hardware, 0 if turned else 1, (stream("classes"), stream("end a"), stream("end b")))
        places: list[Place] = []
        run = Run(first, second, last_attempt(source, n, stream("attempts")), partial(self._planned, places))
        for end, demand in sorted(enumerate(ends), key=lambda one: one[1] is second):
            measured_ns = source.born_ns[end] + hardware[end].measure.duration_ns
            place = Place(batch, run, end, demand, max(source.delivered_ns[end], measured_ns))
            places.append(place)
            self._places[demand.key] = place
        for place in places:
            bases = self._bases.pop(place.demand.key)
            if bases is not None:
                place.answer(bases)
        self._generation.run(run)

    def _planned(self, places: Sequence[Place], last_ns: int | None) -> None:
        """The last attempt of a batch begins then; None: others come first, and when it will is not known yet."""
        for place in places:
            place.last_ns = NEVER_NS if last_ns is None else last_ns
            self._call_off(place)
            if self._places.get(place.demand.key) is place:
                self._schedule(place)

    def _schedule(self, place: Place) -> None:
        """The outcomes reach their end, once they are there."""
        if place.item is not None and place.last_ns < NEVER_NS:
            at_ns = max(place.last_ns + place.after_ns, self._time.now_ns)
            place.delivery = self._time.schedule(at_ns, place.demand.node, place.item)

    def _call_off(self, place: Place) -> None:
        if place.delivery is not None:
            self._time.call_off((place.delivery,))
            place.delivery = None

    def _mismatch(self, mine: Demand, other: Demand) -> None:
        self._matching.withdraw(mine.key)
        self._bases.pop(mine.key, None)
        error = RequestMismatch(node=mine.node, peer=other.node, wanted=mine.wanted.n, offered=other.wanted.n)
        refuse(self._time, self._log, mine, other.node, error)


def _bases(op: MeasureDirectly | FixBases, n: int) -> Bits | None:
    """The bases of n pairs, shape (n,), or (1,) for one basis for all; None if they are to come."""
    if op.basis:
        if op.basis not in tuple(BASES):
            raise MalformedMessage(detail=f"{op.basis!r} is no basis; there are: {', '.join(BASES)}")
        return np.array((BASES.index(op.basis),), np.uint8)
    if not op.bases:
        return None
    bases = unpack_bases(op.bases, n)
    if bases.max() >= len(BASES):
        raise MalformedMessage(detail=f"a basis is below {len(BASES)}, not {bases.max()}")
    return bases
