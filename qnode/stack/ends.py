"""An end's part of a circuit: which of its halves is entangled with which of the other end's, and in which frame.

An end that gets a half sends a track along the circuit, which goes on from pair to pair as repeaters have joined them.
An end whose half is named by the other end's track has a whole pair.

Ends that distil need many whole pairs for one: links make pairs until the circuit is closed. The far end corrects each
half when it is whole, and both distil by the numbers that the requester gives; where one is lost, it says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from heapq import heappop, heappush
from typing import Final

from qnode.core.coins import Coins, derive_key
from qnode.ids import NodeName, PairId
from qnode.stack.circuits import LEFT, RIGHT, Circuit, Here, Side
from qnode.stack.effects import Correct, Half, Read, Tell, Whole
from qnode.stack.expectation import PERFECT, convolved, depolarised, stored
from qnode.stack.makers import Improver
from qnode.wire.stack import Missing, Setup, Track, Vector

UNKNOWN: Final = (0.25, 0.25, 0.25, 0.25)
"""What is to be expected of a pair of which nobody says anything."""
AT_ONCE: Final = "at once"
BY_NUMBER: Final = "by number"


class End(Circuit):
    """The part of the requester, at place 0, or of the other end.

    Attributes:
        far_facts: Of the other end.
        reads: How its halves are read, if they are: "at once", or "by number" as they get to be known.
        indices: Of which of its request's pairs each number is, if halves are read.
        done: Whole pairs, as the other end knows them.
        expected: Of these, what is, and for when.
        improver: Who makes better pairs of whole ones, if they are not good enough.
    """

    def __init__(self, setup: Setup, here: Here) -> None:
        super().__init__(setup, here)
        self.far_facts = setup.facts
        self.reads = ""
        self.done: dict[int, tuple[str, int]] = {}
        self.expected: dict[int, tuple[Vector, int]] = {}
        self.improver: Improver | None = None
        self._numbers: dict[PairId, int] = {}  # at the requester
        self._numbered = 0
        self._unused: list[int] = []  # numbers of pairs that were lost, if halves are read: a heap
        self._reading: set[PairId] = set()  # halves that are being measured: their slots are taken
        self._read: set[PairId] = set()  # halves that are or were, of pairs that may still become whole
        self._here = 0  # slots that are taken, if halves are read
        self._most = 0  # of whole pairs that are still distilled, with those that are to become whole
        self.indices: Sequence[int] = range(self.n)
        if setup.ends.steps:
            self._distil_whole(setup)

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
    def far(self) -> NodeName:
        """The other end of the circuit."""
        return NodeName(self.route[0 if self.place else -1])

    # ------------------------------------------------------------ memory

    def begin(self, window: int) -> None:
        if self.improver is not None:
            self._most += window - 1
            self.improver.want(self.n)
        super().begin(window)

    def make_room(self) -> None:
        """One more half may be here."""
        self.reserved += 1
        for side in self._sides:
            if side is not None:
                side.slots += 1
        self._fill()

    def _slots(self) -> int:
        return self.reserved - self.spare

    def _room(self, side: Side) -> tuple[int, int, int]:
        here = side.asked + len(side.held)
        if self.improver is not None:
            # Numbers come in order, so that the other end must have room for all that are under way.
            slots = self._most if self.whole < side.slots else 0
            return here + self.improver.slots, slots, self.improver.asked
        if self.reads:
            return side.asked + self._here, side.slots, self.goal
        return here + self.whole, side.slots, self.goal  # the slots of whole ones have gone to a program

    # ------------------------------------------------------------ distillation

    def lacks(self, number: int) -> None:
        """No whole pair has this number."""
        if self.improver is not None:
            self.improver.missing(number)
            self._fill_again()

    def _improver_with(self, peer: NodeName) -> Improver | None:
        if self.improver is not None and peer == self.far:
            return self.improver
        return super()._improver_with(peer)

    def _is_good(self, number: int, half: Half) -> None:
        """Here is a half of a whole pair that is as good as it was to become."""
        self.done[number] = "", 0  # the other end knows
        self._is_whole(number, half, 0, half.vector or PERFECT)
        if self.whole == self.n:
            self.close()

    # ------------------------------------------------------------ halves that come

    def _good(self, at: int, number: int, half: Half) -> None:
        if self.reads:
            self._here += 1
        super()._good(at, number, half)

    def _use(self, at: int, side: Side, half: Half) -> None:
        pair = half.pair
        side.held[pair] = half
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

    def _forget(self, side: Side, half: Half) -> None:
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
        super()._forget(side, half)

    # ------------------------------------------------------------ whole pairs

    def _take_track(self, track: Track, now_ns: int) -> None:
        if self.place and not self._can_be(track.number):
            return
        self._tracks[PairId(track.pair)] = track
        self._match(PairId(track.pair), now_ns)

    def _match(self, pair: PairId, now_ns: int) -> None:
        """Is this pair whole?"""
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

    # ------------------------------------------------------------ the end

    def break_off(self) -> None:
        """The circuit is broken. What waits here is kept until the other end has told what is whole."""
        super().break_off()
        if self.improver is not None:
            self.improver.part()

    def settle(
        self, pairs: Mapping[int, tuple[str, int]], expected: Mapping[int, tuple[Vector, int]], now_ns: int
    ) -> None:
        """The circuit is broken: these pairs are whole, as the other end knows; nothing else will be.

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

    def _let_go(self) -> int:
        if self.improver is not None:
            self.improver.close()
        free = self.reserved - len(self._reading)  # the others are given back one by one
        self._reading.clear()
        return free
