"""A circuit at one of its nodes: link pairs come, are swapped, and followed from both ends.

Each node on the way has a *side* for each of its two links in the circuit, and asks there for as many link pairs at a
time as it has slots for. A repeater joins a pair of the one side with one of the other and remembers which; it need not
know which end-to-end pair they become. That is what tracks find out: an end that gets a half sends one along the
circuit, which waits at each repeater until the pair that it names has been joined, takes up the frame, and goes on
about the pair that it was joined with. An end whose half is named by the other end's track has a whole pair.

A half that is given up (a cut-off, a Bell measurement that failed) takes with it all that it was joined to: its other
end is told, and passes that on outwards. Messages about pairs that are over are ordinary, and ignored.

Ends that distil need many whole pairs for one: links make pairs until the circuit is closed. The far end corrects each
half when it is whole, and both distil by the numbers that the requester gives; where one is lost, it says so.

Source: Kozlowski, Dahlberg & Wehner, Designing a quantum network protocol, CoNEXT 2020 (arXiv:2010.02575).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from functools import partial
from heapq import heappop, heappush
from typing import Final, Literal, NamedTuple

from qnode.core.coins import Coins, derive_key
from qnode.core.reservations import Booking
from qnode.ids import NodeName, PairId
from qnode.stack.effects import (
    Closed,
    Correct,
    Drop,
    Effect,
    Freed,
    GiveBack,
    Half,
    Log,
    Make,
    Read,
    Swap,
    Tell,
    Unmake,
    WakeAt,
    Whole,
)
from qnode.stack.expectation import PERFECT, convolved, depolarised, stored, swapped
from qnode.stack.makers import Improver, Maker
from qnode.wire.stack import Expire, Joined, LinkFacts, Missing, NodeFacts, Parity, Setup, StackSpec, Track, Vector

LEFT: Final = 0  # towards the requester
RIGHT: Final = 1
REMEMBERED: Final = 1024
"""Pairs that are over of which a node still knows that, in case that messages about them are on their way."""
UNKNOWN: Final = (0.25, 0.25, 0.25, 0.25)
"""What is to be expected of a pair of which nobody says anything."""
AT_ONCE: Final = "at once"
BY_NUMBER: Final = "by number"


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


class Join(NamedTuple):
    """Two pairs that were joined, seen from one of them: the other, on which side, the outcome, what it cost, what is
    to be expected of the right one, and when both ends can know of it."""

    other: PairId
    side: int
    frame: int
    noise: Vector
    link: Vector
    known_ns: int


class Tally:
    """At an end: how many link pairs have come for a request, and how many of them have lost their other end."""

    __slots__ = ("lost", "tried")

    def __init__(self) -> None:
        self.tried = 0
        self.lost = 0


class Circuit:
    """One node's part of a circuit. Every method appends what is to be done to `out`.

    Attributes:
        number: Of its request, as its requester counts.
        place: Of this node on the route; 0 is the requester.
        open: Whether pairs are being made.
        settling: At an end: it is broken, and the other end has been asked what is whole.
        program: Whose slots it has, at an end.
        request: Which request it serves, at an end.
        whole: How many end-to-end pairs are known to have been made.
        n: How many pairs are wanted; 0: until it is closed.
        goal: How many of them make it whole: all; 0, if the ends make theirs of as many as it takes.
        far_facts: At an end, of the other end.
        priority: The higher, the sooner its links make pairs for it.
        reads: At an end: how its halves are read, if they are: "at once", or "by number" as they get to be known.
        indices: At an end: of which of its request's pairs each number is, if halves are read.
        window: How many pairs may be under way on each link.
        spare: Slots for pairs that are still distilled.
        booking: Of its slots, if they are reserved for a time; they are taken when that has come.
        granted: Whether all nodes are known to take part.
        paused: At a repeater: for how many slots it waits until it makes pairs again; 0: it does.
        shares: Pairs a second that each of its links here is to make for it, by the neighbour, or 0; of those that make
            one after the other.
        improver: At an end: who makes better pairs of whole ones, if they are not good enough.

    Args:
        facts: Of this node.
        links: Of this node's links, by the neighbour.
    """

    def __init__(
        self,
        setup: Setup,
        name: NodeName,
        spec: StackSpec,
        facts: NodeFacts,
        links: Mapping[str, LinkFacts],
        out: list[Effect],
    ) -> None:
        self.id = setup.circuit
        self.number = setup.number
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
        self.paused = 0
        self.tally = Tally()
        self.request = 0
        self.program = ""
        self.whole = 0
        self.open = False
        self.settling = False
        self._out = out
        self._facts = facts
        self.far_facts = setup.facts
        self._spec = spec
        last = len(setup.route) - 1
        self._sides: list[Side | None] = [
            Side(NodeName(setup.route[self.place - 1])) if self.place else None,
            Side(NodeName(setup.route[self.place + 1])) if self.place < last else None,
        ]
        for at, side in enumerate(self._sides):
            if side is not None and links[side.peer].attempt_ns:
                self.shares[side.peer] = setup.rates[self.place - 1 + at] if setup.rates else 0.0
        right = self._sides[RIGHT]
        self._link = (
            links[right.peer].vector if right is not None else PERFECT
        )  # each link counts where it is the right
        self._aged_ns = [links[side.peer].aged_ns[0] if side is not None else 0 for side in self._sides]
        self._joins: dict[PairId, Join] = {}
        self._passed: set[PairId] = set()  # of joined pairs: those whose track from that side has come through
        self._swapping: dict[PairId, tuple[Half, Half]] = {}  # under both names
        self._doomed: set[PairId] = set()  # that have lost their other end before they are here, or measured
        self._over: OrderedDict[PairId, None] = OrderedDict()  # pairs, of late
        self._tracks: dict[PairId, Track] = {}  # that wait for the pair that they name
        self._reach: dict[PairId, int] = {}  # of halves in nested swaps
        self._numbers: dict[PairId, int] = {}  # at the requester
        self._numbered = 0
        self._unused: list[int] = []  # numbers of pairs that were lost, if halves are read: a heap
        self.priority = setup.priority
        self.reads = ""
        self.indices: Sequence[int] = range(self.n)
        self._reading: set[PairId] = set()  # halves that are being measured: their slots are taken
        self._read: set[PairId] = set()  # halves that are or were, of pairs that may still become whole
        self._here = 0  # slots that are taken, if halves are read
        self.done: dict[int, tuple[str, int]] = {}  # at an end: whole pairs, as the other end knows them
        self.expected: dict[int, tuple[Vector, int]] = {}  # of these, what is, and for when
        self._need = nested_ends(self.place, last) if self.is_repeater else (0, 0)
        self.spare = 0
        self.improver: Improver | None = None
        self._most = 0  # of whole pairs that are still distilled, with those that are to become whole
        self._to_ends_ns = max(sum(setup.delays_ns[: self.place]), sum(setup.delays_ns[self.place :]))
        if setup.schemes:
            self._distil(setup, links)
        if setup.ends.steps and not self.is_repeater:
            self._distil_whole(setup)

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

    def _distil_whole(self, setup: Setup) -> None:
        """Ends that make better pairs of whole ones."""
        self._most = setup.ends.slots
        self.spare += self._most - 1
        mine, theirs = setup.nodes[-1 if self.place else 0], setup.nodes[0 if self.place else -1]
        self.improver = Improver(
            self.id,
            self.far,
            setup.ends,
            self._out,
            self._is_good,
            method=self._spec.distillation,
            end=1 if self.place else 0,
            ends=(mine, theirs),
            delay_ns=self._to_ends_ns,
            coin=Coins(derive_key(setup.key, "ends")),
        )

    @property
    def is_repeater(self) -> bool:
        return 0 < self.place < len(self.route) - 1

    @property
    def far(self) -> NodeName:
        """The other end of the circuit, seen from an end."""
        return NodeName(self.route[0 if self.place else -1])

    @property
    def remembers(self) -> int:
        """How many messages it keeps that wait for something."""
        return len(self._tracks) + len(self._doomed) + len(self._reach)

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
                side.slots = window if self.is_repeater else self.reserved - self.spare
        if self.improver is not None:
            self._most += window - 1
            self.improver.want(self.n)
        self._fill()

    def make_room(self) -> None:
        """At an end: one more half may be here."""
        self.reserved += 1
        for side in self._sides:
            if side is not None:
                side.slots += 1
        self._fill()

    @property
    def may_pause(self) -> bool:
        """Whether it only passes here, and whenever it likes."""
        return self.is_repeater and self.open and self.booking is None and not self.paused and not self.spare

    def pause(self) -> None:
        """At a repeater: make no pairs, and give slots back; those of pairs that are under way once these have come."""
        self.paused = self.reserved
        for at, side in enumerate(self._sides):
            if side is not None:
                side.slots = 0
                for pair in list(side.held):
                    self._give_up(at, side.held.pop(pair))
        self._fill()

    def go_on(self) -> None:
        """Make pairs again: there are the slots for which it has waited, less those that it still had."""
        self.reserved, self.paused = self.paused, 0
        for side in self._sides:
            if side is not None:
                side.slots = self.window
        self._fill()

    def _give_way(self) -> None:
        used = len(self._swapping) + sum(side.asked + len(side.held) for side in self._sides if side is not None)
        if self.reserved > used:
            self._out.append(Freed(self.id, self.reserved - used, self.program))
            self.reserved = used

    def _fill(self) -> None:
        if self.paused:
            self._give_way()
            return
        for side in self._sides:
            if side is None:
                continue
            here, slots, goal = side.asked + len(side.held) + (len(self._swapping) // 2), side.slots, self.goal
            if self.improver is not None:
                here += self.improver.slots
                # Numbers come in order, so that the other end must have room for all that are under way.
                slots = self._most if self.whole < side.slots else 0
                goal = self.improver.asked
            elif self.reads:
                here = side.asked + self._here
            elif not self.is_repeater:
                here += self.whole  # its slot has gone to a program
            while here < slots and side.asked < self.window and (not goal or side.live < goal):
                side.asked += 1
                side.live += 1
                here += 1
                if side.maker is None:
                    self._out.append(Make(self.id, side.peer))
                else:
                    side.maker.want(1)

    def came(self, peer: NodeName, half: Half, number: int = 0) -> None:
        """A link has delivered a half, the one that was asked for with this number."""
        at = self._side_of(peer)
        side = self._sides[at]
        assert side is not None
        if side.maker is None:
            self._good(at, number, half)
        else:
            side.maker.came(number, half)

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

    def lacks(self, number: int) -> None:
        """No whole pair has this number."""
        if self.improver is not None:
            self.improver.missing(number)
            self._fill_again()

    def _improver_with(self, peer: NodeName) -> Improver | None:
        if self.improver is not None and peer == self.far:
            return self.improver
        side = self._sides[self._side_of(peer)]
        return None if side is None else side.maker

    def _fill_again(self) -> None:
        if self.open:
            self._fill()

    def _is_good(self, number: int, half: Half) -> None:
        """At an end: here is a half of a whole pair that is as good as it was to become."""
        self.done[number] = "", 0  # the other end knows
        self._is_whole(number, half, 0, half.vector or PERFECT)
        if self.whole == self.n:
            self.close()

    # ------------------------------------------------------------ pairs that are to be joined

    def _good(self, at: int, _: int, half: Half) -> None:
        """Here is a half of a pair that is to be used as it is."""
        side = self._sides[at]
        assert side is not None
        side.asked -= 1
        self.tally.tried += 1
        if self.reads:
            self._here += 1
        pair = half.pair
        if pair in self._doomed:
            self._doomed.discard(pair)
            self._forget(side, half)
            self._fill()
            return
        if self.paused:
            self._give_up(at, half)
            self._fill()
            return
        side.held[pair] = half
        if self.is_repeater:
            if self._spec.cutoff_ns is not None:
                self._out.append(WakeAt(self.id, pair, half.at_ns + self._spec.cutoff_ns))
            self._try_swaps()
            return
        number = -1 if self.place else self._next_number(pair)
        if self.reads and (not self.place or self.reads == AT_ONCE):
            self._measure(half, number)
        vector = self._link if self.place else half.vector or self._link
        known_ns = half.at_ns + self._to_ends_ns
        self._tell(at, Track(self.id, pair, number, pair, 0, vector, half.at_ns - self._aged_ns[at], known_ns))
        self._match(pair, half.at_ns)
        self._fill()

    def _next_number(self, pair: PairId) -> int:
        if self._unused:
            number = heappop(self._unused)
        else:
            number = self._numbered
            self._numbered += 1
        self._numbers[pair] = number
        return number

    # ------------------------------------------------------------ halves that are read

    def _measure(self, half: Half, number: int) -> None:
        self._reading.add(half.pair)
        self._read.add(half.pair)
        nth = -1 if number < 0 else self.indices[number]
        self._out.append(Read(self.id, self.program, self.request, half, nth))

    def _can_be(self, number: int) -> bool:
        """Whether another pair may have that number, as somebody else says."""
        return not self.reads or (0 <= number < self.n and number not in self.done)

    def read(self, pair: PairId) -> None:
        """A half has been measured, and has left its slot."""
        self._reading.discard(pair)
        self._here -= 1
        if self.open:
            self._fill()

    def missing(self) -> list[int]:
        """Of a request whose halves are read: the indices of its pairs that are not whole."""
        return [index for number, index in enumerate(self.indices) if number not in self.done]

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
        self._reach.pop(half.pair, None)
        number = self._numbers.pop(half.pair, None)
        if number is not None and self.improver is not None:
            self._out.append(Tell(self.far, Missing(self.id, number)))
            self.improver.missing(number)
        if self.reads:
            if number is not None:
                heappush(self._unused, number)
            if half.pair in self._read:
                self._read.discard(half.pair)
            else:
                self._here -= 1
        self._out.append(Drop(self.id, half))

    # ------------------------------------------------------------ swaps

    def _try_swaps(self) -> None:
        left, right = self._sides
        assert left is not None
        assert right is not None
        while left.held and right.held:
            one = next((pair for pair in left.held if self._may_join(LEFT, pair)), None)
            other = next((pair for pair in right.held if self._may_join(RIGHT, pair)), None)
            if one is None or other is None:
                break
            halves = left.held.pop(one), right.held.pop(other)
            self._swapping[one] = self._swapping[other] = halves
            self._out.append(Swap(self.id, *halves))

    def _may_join(self, at: int, pair: PairId) -> bool:
        match self._spec.swap:
            case "sequential":
                return at == RIGHT or pair in self._tracks
            case "nested":
                return self._reach.get(pair, self.place + 2 * at - 1) == self._need[at]
        return True

    def swapped(self, left: PairId, right: PairId, frame: int, now_ns: int) -> None:
        """The Bell measurement of two halves has this outcome."""
        halves = self._swapping.pop(left, None)
        self._swapping.pop(right, None)
        if halves is None:  # the circuit is over
            return
        if left in self._doomed or right in self._doomed:
            for at, pair in enumerate((left, right)):
                if pair not in self._doomed:
                    self._tell(at, Expire(self.id, pair))
                self._end_of_join(at, pair)
            self._fill()
            return
        self._out.append(Log("swap", pair=f"{left} {right}", name=self.id, qubits=(halves[0].qubit, halves[1].qubit)))
        waited, also = (self._stored(at, half, now_ns) for at, half in enumerate(halves))
        noise = swapped(waited, also, self._facts.mixing, self._facts.flip)
        link = halves[RIGHT].vector or self._link
        known_ns = now_ns + self._to_ends_ns
        self._joins[left] = Join(right, RIGHT, frame, noise, link, known_ns)
        self._joins[right] = Join(left, LEFT, frame, noise, link, known_ns)
        if self._spec.swap == "nested":
            self._tell(LEFT, Joined(self.id, left, self._need[RIGHT]))
            self._tell(RIGHT, Joined(self.id, right, self._need[LEFT]))
        for pair in (left, right):
            track = self._tracks.pop(pair, None)
            if track is not None:
                self._pass_on(track)
        self._fill()

    def _stored(self, at: int, half: Half, now_ns: int) -> Vector:
        """What storing has done to a half that is here."""
        return stored(PERFECT, now_ns - half.at_ns + self._aged_ns[at], self._facts.t1_ns, self._facts.t2_ns)

    def swap_failed(self, left: PairId, right: PairId) -> None:
        """The Bell measurement has told nothing: both pairs are lost."""
        self._doomed.add(left)
        self._doomed.add(right)
        halves = self._swapping.get(left)
        for at, pair in enumerate((left, right)):
            if halves is not None:
                self._tell(at, Expire(self.id, pair))
        self.swapped(left, right, 0, 0)

    def _end_of_join(self, at: int, pair: PairId) -> None:
        side = self._sides[at]
        assert side is not None
        side.live -= 1
        self._is_over(pair)
        self._doomed.discard(pair)
        self._tracks.pop(pair, None)
        self._reach.pop(pair, None)
        self._passed.discard(pair)

    # ------------------------------------------------------------ messages of neighbours on the route

    def tracked(self, track: Track, now_ns: int) -> None:
        """A track has come this far."""
        pair = PairId(track.pair)
        if not self.open or pair in self._over:
            return
        if not self.is_repeater:
            if self.place and not self._can_be(track.number):
                return
            self._tracks[pair] = track
            self._match(pair, now_ns)
        elif pair in self._joins:
            self._pass_on(track)
        else:
            self._tracks[pair] = track
            if self._spec.swap == "sequential":
                self._try_swaps()

    def _pass_on(self, track: Track) -> None:
        pair = PairId(track.pair)
        join = self._joins[pair]
        self._tell(
            join.side,
            Track(
                track.circuit,
                join.other,
                track.number,
                track.origin,
                track.frame ^ join.frame,
                convolved(convolved(track.vector, join.noise), join.link),
                track.since_ns,
                max(track.known_ns, join.known_ns),
            ),
        )
        self._passed.add(pair)
        if join.other in self._passed:  # both ends know all of this pair that there is to know here
            for one in (pair, join.other):
                del self._joins[one]
                self._passed.discard(one)
                self._reach.pop(one, None)
                self._is_over(one)
            self.whole += 1
            if self.whole == self.goal:
                self.close()

    def _match(self, pair: PairId, now_ns: int) -> None:
        """At an end: is this pair whole?"""
        side = self._sides[LEFT if self.place else RIGHT]
        assert side is not None
        if pair not in side.held or pair not in self._tracks:
            return
        track, half = self._tracks.pop(pair), side.held.pop(pair)
        self._is_over(pair)
        number = track.number if self.place else self._numbers.pop(pair)
        if self.improver is not None:
            self._improve(self.improver, number, half, track)
            return
        self.done[number] = (track.origin, track.frame)
        vector = self._expected(track, half, now_ns)
        if not self.reads:
            self.expected[number] = vector, now_ns
        self._is_whole(number, half, track.frame, vector)
        if self.whole == self.n:
            self.close()

    def _improve(self, improver: Improver, number: int, half: Half, track: Track) -> None:
        """A whole pair is to become better. Of when both know of it, and what is expected then, they think alike."""
        if self.place and track.frame:
            self._out.append(Correct(half, track.frame))
        known_ns = max(track.known_ns, half.at_ns + self._to_ends_ns)
        improver.came(number, half._replace(at_ns=known_ns, vector=self._expected(track, half, known_ns)))
        self._fill()

    def _expected(self, track: Track, half: Half, now_ns: int) -> Vector:
        """Of a whole pair, then: both ends have stored their halves, and one has corrected its own."""
        far, at = self.far_facts, LEFT if self.place else RIGHT
        link = self._link if self.place else half.vector or self._link
        vector = convolved(convolved(track.vector, link), self._stored(at, half, now_ns))
        vector = stored(vector, now_ns - track.since_ns, far.t1_ns, far.t2_ns)
        return depolarised(vector, (self._facts if self.place else far).single) if track.frame else vector

    def _is_whole(self, number: int, half: Half, frame: int, vector: Vector) -> None:
        self.whole += 1
        nth = -1
        if self.reads:
            nth = self.indices[number]
            if half.pair not in self._read:
                self._measure(half, number)
            self._read.discard(half.pair)
        else:
            self.reserved -= 1
        mine, theirs = (frame, 0) if self.place else (0, frame)
        self._out.append(Whole(self.id, self.program, self.request, number, half, mine, vector, nth, theirs))

    def expired(self, sender: NodeName, pair: PairId) -> None:
        """A half that is, was or will be here has lost its other end."""
        at = self._side_of(sender)
        side = self._sides[at]
        if side is None or not self.open:
            return
        if pair in side.held:
            self._forget(side, side.held.pop(pair))
        elif pair in self._joins:
            join = self._joins.pop(pair)
            del self._joins[join.other]
            self._end_of_join(at, pair)
            self._end_of_join(join.side, join.other)
            self._tell(join.side, Expire(self.id, join.other))
        elif pair in self._swapping or (side.asked and pair not in self._over):
            self._doomed.add(pair)
        self._fill()

    def reaches(self, pair: PairId, place: int) -> None:
        """Nested swaps: a half that is here is joined to a node further away."""
        join = self._joins.get(pair)
        if join is not None:
            self._tell(join.side, Joined(self.id, join.other, place))
        elif self.is_repeater and pair not in self._over:
            if abs(place - self.place) > abs(self._reach.get(pair, self.place) - self.place):  # else it comes late
                self._reach[pair] = place
            self._try_swaps()

    # ------------------------------------------------------------ the end

    def break_off(self) -> None:
        """At an end: the circuit is broken. What waits here is kept until the other end has told what is whole."""
        self.open = False
        for side in self._sides:
            if side is not None and side.asked:
                self._out.append(Unmake(self.id, side.peer))
                side.asked = 0
            if side is not None and side.maker is not None:
                side.maker.close()
        if self.improver is not None:
            self.improver.part()

    def settle(
        self, pairs: Mapping[int, tuple[str, int]], expected: Mapping[int, tuple[Vector, int]], now_ns: int
    ) -> None:
        """At an end of a broken circuit: these pairs are whole, as the other end knows; nothing else will be.

        What it expected of them when it knew is for now, too, but for what both memories have done since.
        """
        side = self._sides[LEFT if self.place else RIGHT]
        assert side is not None
        if self.improver is not None:
            for number in sorted(pairs.keys() - self.done.keys()):
                self.improver.accept(number)
        for number, (pair, frame) in sorted(pairs.items()):
            half = side.held.pop(PairId(pair), None) if self._can_be(number) else None
            if half is not None:
                self.done[number] = (pair, frame)
                vector, at_ns = expected.get(number, (UNKNOWN, now_ns))
                for end in (self._facts, self.far_facts):
                    vector = stored(vector, max(0, now_ns - at_ns), end.t1_ns, end.t2_ns)
                self._is_whole(number, half, frame, vector)
        self.close()

    def close(self) -> None:
        """It is over here."""
        self.break_off()
        for side in self._sides:
            if side is not None:
                self._out.extend(Drop(self.id, half) for half in side.held.values())
                side.held.clear()
        if self.improver is not None:
            self.improver.close()
        self._swapping.clear()
        reserved = self.reserved - len(self._reading)  # these are given back one by one
        self._out.append(Closed(self.id, reserved, self.program))
        self.reserved = 0
        self._reading.clear()
        if self.booking is not None:
            self._out.append(GiveBack(self.id, self.booking))
            self.booking = None

    def _side_of(self, peer: NodeName) -> int:
        right = self._sides[RIGHT]
        return RIGHT if right is not None and right.peer == peer else LEFT

    def _tell(self, at: int, talk: Track | Expire | Joined) -> None:
        side = self._sides[at]
        assert side is not None
        self._out.append(Tell(side.peer, talk))


def nested_ends(place: int, last: int) -> tuple[int, int]:
    """Between which places of a route of `last` links the node at a place joins, if segments are halved (doubling)."""
    left, right = 0, last
    while True:
        middle = (left + right) // 2
        if place == middle:
            return left, right
        if place < middle:
            right = middle
        else:
            left = middle
