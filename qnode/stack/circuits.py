"""A circuit at one of its nodes: link pairs come, are used, and may be lost.

Each node on the way has a *side* for each of its two links in the circuit, and asks there for as many link pairs at a
time as it has slots for. What becomes of them differs: a repeater joins a pair of the one side with one of the other
(`repeaters.py`), an end finds out which of its halves is entangled with which of the other end's (`ends.py`).

A half that is given up (a cut-off, a Bell measurement that failed) takes with it all that it was joined to: its other
end is told, and passes that on outwards. Messages about pairs that are over are ordinary, and ignored.

Source: Kozlowski, Dahlberg & Wehner, Designing a quantum network protocol, CoNEXT 2020 (arXiv:2010.02575).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Mapping
from functools import partial
from typing import Final, Literal, NamedTuple

from qnode.core.coins import Coins, derive_key
from qnode.core.reservations import Booking
from qnode.ids import NodeName, PairId
from qnode.stack.effects import Closed, Drop, Effect, GiveBack, Half, Make, Tell, Unmake
from qnode.stack.expectation import PERFECT, stored
from qnode.stack.makers import Improver, Maker
from qnode.wire.stack import Expire, Joined, LinkFacts, NodeFacts, Parity, Setup, StackSpec, Track, Vector

LEFT: Final = 0  # towards the requester
RIGHT: Final = 1
REMEMBERED: Final = 1024
"""Pairs that are over of which a node still knows that, in case that messages about them are on their way."""


class Side:
    """A link of the circuit, as one of its ends sees it.

    Attributes:
        slots: How many halves of it may be here, or on their way here, at a time.
        asked: How many pairs the link has been asked for that have not come.
        held: Halves that wait to be joined; at an end of the circuit, for the other end's track.
        live: How many pairs have been asked for and may still become whole, or are.
        maker: Who makes better pairs of those of the link, if they are not good enough.
    """

    __slots__ = ("asked", "held", "live", "maker", "peer", "slots")

    def __init__(self, peer: NodeName) -> None:
        self.peer = peer
        self.slots = 0
        self.asked = 0
        self.live = 0
        self.held: dict[PairId, Half] = {}
        self.maker: Maker | None = None


class Tally:
    """At an end: how many link pairs have come for a request, and how many of them have lost their other end."""

    __slots__ = ("lost", "tried")

    def __init__(self) -> None:
        self.tried = 0
        self.lost = 0


class Here(NamedTuple):
    """What a circuit's part has of its node: facts, those of its links by the neighbour, and where effects go."""

    name: NodeName
    spec: StackSpec
    facts: NodeFacts
    links: Mapping[str, LinkFacts]
    out: list[Effect]


class Circuit(ABC):
    """One node's part of a circuit. Every method appends what is to be done to `out`.

    Attributes:
        number: Of its request, as its requester counts.
        place: Of this node on the route; 0 is the requester.
        attempt: The how-manieth time that it is set up.
        open: Whether pairs are being made.
        settling: At an end: it is broken, and the other end has been asked what is whole.
        program: Whose slots it has.
        request: Which request it serves, at an end.
        whole: How many end-to-end pairs are known to have been made.
        n: How many pairs are wanted; 0: until it is closed.
        goal: How many of them make it whole: all; 0, if the ends make theirs of as many as it takes.
        priority: The higher, the sooner its links make pairs for it.
        window: How many pairs may be under way on each link.
        spare: Slots for pairs that are still distilled.
        booking: Of its slots, if they are reserved for a time; they are taken when that has come.
        granted: Whether all nodes are known to take part.
        shares: Pairs a second that each of its links here is to make for it, by the neighbour, or 0; of those that make
            one after the other.
    """

    def __init__(self, setup: Setup, here: Here) -> None:
        name, spec, facts, links, out = here
        self.id = setup.circuit
        self.number = setup.number
        self.attempt = setup.attempt
        self.route = setup.route
        self.n = setup.n
        self.goal = 0 if setup.ends.steps else setup.n
        self.since_ns = setup.since_ns
        self.place = setup.route.index(name)
        self.window = setup.window
        self.reserved = 0
        self.shares: dict[str, float] = {}
        self.booking: Booking | None = None
        self.granted = False
        self.tally = Tally()
        self.request = 0
        self.program = ""
        self.whole = 0
        self.open = False
        self.settling = False
        self.priority = setup.priority
        self.spare = 0
        self._out = out
        self._facts = facts
        self._spec = spec
        last = len(setup.route) - 1
        self._sides: list[Side | None] = [
            Side(NodeName(setup.route[self.place - 1])) if self.place else None,
            Side(NodeName(setup.route[self.place + 1])) if self.place < last else None,
        ]
        for at, side in enumerate(self._sides):
            if side is not None and links[side.peer].attempt_ns:
                self.shares[side.peer] = setup.rates[self.place - 1 + at] if setup.rates else 0.0
        right = self._sides[RIGHT]  # each link counts where it is the right
        self._link = links[right.peer].vector if right is not None else PERFECT
        self._aged_ns = [links[side.peer].aged_ns[0] if side is not None else 0 for side in self._sides]
        self._doomed: set[PairId] = set()  # that have lost their other end before they are here, or measured
        self._over: OrderedDict[PairId, None] = OrderedDict()  # pairs, of late
        self._tracks: dict[PairId, Track] = {}  # that wait for the pair that they name
        self._to_ends_ns = max(sum(setup.delays_ns[: self.place]), sum(setup.delays_ns[self.place :]))
        if setup.schemes:
            self._distil(setup, links)

    def _distil(self, setup: Setup, links: Mapping[str, LinkFacts]) -> None:
        """Links that make better pairs of theirs before these are used."""
        for at, side in enumerate(self._sides):
            scheme = setup.schemes[self.place - 1 + at] if side is not None else None
            if side is None or scheme is None or not scheme.steps:
                continue
            self.spare += scheme.slots - 1
            self._aged_ns[at] = 0  # it is in the vector
            side.maker = Maker(
                self.id,
                scheme,
                self._out,
                partial(self._good, at),
                method=self._spec.distillation,
                end=LEFT if at == RIGHT else RIGHT,
                ends=(self._facts, setup.nodes[self.place - 1 + 2 * at]),
                link=links[side.peer],
                coin=Coins(derive_key(setup.key, "link", self.place + at)),
            )

    @property
    def remembers(self) -> int:
        """How many messages it keeps that wait for something."""
        return len(self._tracks) + len(self._doomed)

    def uses(self, peer: NodeName) -> bool:
        """Whether the link from here to a neighbour is a part of it."""
        return any(side is not None and side.peer == peer for side in self._sides)

    # ------------------------------------------------------------ pairs of the links

    def begin(self, window: int) -> None:
        """All nodes take part: ask the links for pairs."""
        self.open = True
        self.window = window
        for side in self._sides:
            if side is not None:
                side.slots = self._slots()
        self._fill()

    @abstractmethod
    def _slots(self) -> int:
        """How many halves of a link's pairs may be here, or on their way here."""

    def _fill(self) -> None:
        for side in self._sides:
            if side is None:
                continue
            here, slots, goal = self._room(side)
            while here < slots and side.asked < self.window and (not goal or side.live < goal):
                side.asked += 1
                side.live += 1
                here += 1
                if side.maker is None:
                    self._out.append(Make(self.id, side.peer))
                else:
                    side.maker.want(1)

    @abstractmethod
    def _room(self, side: Side) -> tuple[int, int, int]:
        """Of a side: how many of its slots are taken or promised, of how many, and the most pairs that may be live."""

    def came(self, peer: NodeName, half: Half, number: int = 0) -> None:
        """A link has delivered a half, the one that was asked for with this number."""
        at = self._side_of(peer)
        side = self._sides[at]
        assert side is not None
        if side.maker is None:
            self._good(at, number, half)
        else:
            side.maker.came(number, half)

    def _good(self, at: int, _: int, half: Half) -> None:
        """Here is a half of a pair that is to be used as it is."""
        side = self._sides[at]
        assert side is not None
        side.asked -= 1
        self.tally.tried += 1
        if half.pair in self._doomed:
            self._doomed.discard(half.pair)
            self._forget(side, half)
            self._fill()
            return
        self._use(at, side, half)

    @abstractmethod
    def _use(self, at: int, side: Side, half: Half) -> None:
        """Here is a half that is entangled with another one."""

    # ------------------------------------------------------------ distillation

    def distilled(self, peer: NodeName, step: int, bit: Literal[0, 1] | None) -> None:
        """What this end has measured in a step; None: nothing."""
        improver = self._improver_with(peer)
        if improver is not None:
            improver.measured(step, bit)
            self._fill_again()

    def parity(self, sender: NodeName, parity: Parity) -> None:
        """What the other end, or that of a link, has measured. Raises MalformedMessage."""
        improver = self._improver_with(sender)
        if improver is not None:
            improver.heard(parity)
            self._fill_again()

    def _improver_with(self, peer: NodeName) -> Improver | None:
        side = self._sides[self._side_of(peer)]
        return None if side is None else side.maker

    def _fill_again(self) -> None:
        if self.open:
            self._fill()

    # ------------------------------------------------------------ what is lost

    def cut_off(self, pair: PairId, now_ns: int) -> None:
        """A half has waited for as long as it may."""
        for at, side in enumerate(self._sides):
            if side is not None and pair in side.held:
                self._give_up(at, side.held.pop(pair))
                self._fill()
                return

    def _give_up(self, at: int, half: Half) -> None:
        side = self._sides[at]
        assert side is not None
        self._tell(at, Expire(self.id, half.pair))
        self._forget(side, half)

    def _is_over(self, pair: PairId) -> None:
        """Nothing that is still said of it matters."""
        self._over[pair] = None
        if len(self._over) > REMEMBERED:
            self._over.popitem(last=False)

    def _forget(self, side: Side, half: Half) -> None:
        side.live -= 1
        self.tally.lost += 1
        self._is_over(half.pair)
        self._tracks.pop(half.pair, None)
        self._out.append(Drop(self.id, half))

    def _stored(self, at: int, half: Half, now_ns: int) -> Vector:
        """What storing has done to a half that is here."""
        return stored(PERFECT, now_ns - half.at_ns + self._aged_ns[at], self._facts.t1_ns, self._facts.t2_ns)

    # ------------------------------------------------------------ messages of neighbours on the route

    def tracked(self, track: Track, now_ns: int) -> None:
        """A track has come this far."""
        if self.open and PairId(track.pair) not in self._over:
            self._take_track(track, now_ns)

    @abstractmethod
    def _take_track(self, track: Track, now_ns: int) -> None:
        """The same, while pairs are being made, about one that is not over."""

    def expired(self, sender: NodeName, pair: PairId) -> None:
        """A half that is, was or will be here has lost its other end."""
        side = self._sides[self._side_of(sender)]
        if side is None or not self.open:
            return
        if pair in side.held:
            self._forget(side, side.held.pop(pair))
        elif self._is_awaited(side, pair):
            self._doomed.add(pair)
        self._fill()

    def _is_awaited(self, side: Side, pair: PairId) -> bool:
        """Whether a half may still come to be here."""
        return side.asked > 0 and pair not in self._over

    # ------------------------------------------------------------ the end

    def break_off(self) -> None:
        """Make no more pairs. What waits here is kept."""
        self.open = False
        for side in self._sides:
            if side is not None and side.asked:
                self._out.append(Unmake(self.id, side.peer))
                side.asked = 0
            if side is not None and side.maker is not None:
                side.maker.close()

    def close(self) -> None:
        """It is over here."""
        self.break_off()
        for side in self._sides:
            if side is not None:
                self._out.extend(Drop(self.id, half) for half in side.held.values())
                side.held.clear()
        self._out.append(Closed(self.id, self._let_go(), self.program))
        self.reserved = 0
        if self.booking is not None:
            self._out.append(GiveBack(self.id, self.booking))
            self.booking = None

    @abstractmethod
    def _let_go(self) -> int:
        """Forget all else that is here. How many slots are free now."""

    def _side_of(self, peer: NodeName) -> int:
        right = self._sides[RIGHT]
        return RIGHT if right is not None and right.peer == peer else LEFT

    def _tell(self, at: int, talk: Track | Expire | Joined) -> None:
        side = self._sides[at]
        assert side is not None
        self._out.append(Tell(side.peer, talk))
