"""A repeater's part of a circuit: it joins link pairs of its two sides, and helps both ends to follow them.

A repeater joins a pair of the one side with one of the other and remembers which; it need not know which end-to-end
pair they become. That is what tracks find out: an end that gets a half sends one along the circuit, which waits at each
repeater until the pair that it names has been joined, takes up the frame, and goes on about the pair that it was joined
with.
"""

from __future__ import annotations

from typing import NamedTuple

from qnode.ids import NodeName, PairId
from qnode.stack.circuits import LEFT, RIGHT, Circuit, Here, Side
from qnode.stack.effects import Freed, Half, Swap, WakeAt
from qnode.stack.expectation import convolved, swapped
from qnode.wire.operations import Told
from qnode.wire.stack import Expire, Joined, Setup, Track, Vector


class Join(NamedTuple):
    """Two pairs that were joined, seen from one of them: the other, on which side, the outcome, what it cost, what is
    to be expected of the right one, and when both ends can know of it."""

    other: PairId
    side: int
    frame: int
    noise: Vector
    link: Vector
    known_ns: int


class Repeater(Circuit):
    """The part of a node between the ends.

    Attributes:
        paused: For how many slots it waits until it makes pairs again; 0: it does.
    """

    def __init__(self, setup: Setup, here: Here) -> None:
        super().__init__(setup, here)
        self.paused = 0
        self._joins: dict[PairId, Join] = {}
        self._passed: set[PairId] = set()  # of joined pairs: those whose track from that side has come through
        self._swapping: dict[PairId, tuple[Half, Half]] = {}  # under both names
        self._reach: dict[PairId, int] = {}  # of halves in nested swaps
        self._need = nested_ends(self.place, len(setup.route) - 1)

    @property
    def remembers(self) -> int:
        return super().remembers + len(self._reach)

    # ------------------------------------------------------------ memory

    @property
    def may_pause(self) -> bool:
        """Whether it passes here whenever it likes."""
        return self.open and self.booking is None and not self.paused and not self.spare

    def pause(self) -> None:
        """Make no pairs, and give slots back; those of pairs that are under way once these have come."""
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

    def _slots(self) -> int:
        return self.window

    def _fill(self) -> None:
        if self.paused:
            self._give_way()
        else:
            super()._fill()

    def _room(self, side: Side) -> tuple[int, int, int]:
        return side.asked + len(side.held) + len(self._swapping) // 2, side.slots, self.goal

    # ------------------------------------------------------------ swaps

    def _use(self, at: int, side: Side, half: Half) -> None:
        if self.paused:
            self._give_up(at, half)
            self._fill()
            return
        side.held[half.pair] = half
        if self._spec.cutoff_ns is not None:
            self._out.append(WakeAt(self.id, half.pair, half.at_ns + self._spec.cutoff_ns))
        self._try_swaps()

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

    def swapped(self, left: PairId, right: PairId, frame: int, now_ns: int, took_ns: int = 0) -> None:
        """The Bell measurement of two halves has this outcome; reading it took so long."""
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
        self._out.append(Told("swap", pair=f"{left} {right}", name=self.id, qubits=(halves[0].qubit, halves[1].qubit)))
        waited, also = (self._stored(at, half, now_ns - took_ns) for at, half in enumerate(halves))
        noise = swapped(waited, also, self._facts.mixing, self._facts.flip, self._facts.single)
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

    def _forget(self, side: Side, half: Half) -> None:
        self._reach.pop(half.pair, None)
        super()._forget(side, half)

    # ------------------------------------------------------------ messages of neighbours on the route

    def _take_track(self, track: Track, now_ns: int) -> None:
        pair = PairId(track.pair)
        if pair in self._joins:
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

    def expired(self, sender: NodeName, pair: PairId) -> None:
        join = self._joins.pop(pair, None) if self.open else None
        if join is None:
            super().expired(sender, pair)
            return
        del self._joins[join.other]
        self._end_of_join(self._side_of(sender), pair)
        self._end_of_join(join.side, join.other)
        self._tell(join.side, Expire(self.id, join.other))
        self._fill()

    def _is_awaited(self, side: Side, pair: PairId) -> bool:
        return pair in self._swapping or super()._is_awaited(side, pair)

    def reaches(self, pair: PairId, place: int) -> None:
        """Nested swaps: a half that is here is joined to a node further away."""
        join = self._joins.get(pair)
        if join is not None:
            self._tell(join.side, Joined(self.id, join.other, place))
        elif pair not in self._over:
            if abs(place - self.place) > abs(self._reach.get(pair, self.place) - self.place):  # else it comes late
                self._reach[pair] = place
            self._try_swaps()

    def _let_go(self) -> int:
        self._swapping.clear()
        return self.reserved


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
