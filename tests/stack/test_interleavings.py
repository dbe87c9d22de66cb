"""A circuit in every order in which things can happen to it: all are tried, and states that were seen are not again."""

from __future__ import annotations

import pickle
from collections import deque
from math import inf
from typing import Final

import pytest

from qnode.ids import NodeName, PairId, QubitId
from qnode.stack.circuits import Circuit, Here
from qnode.stack.effects import Closed, Drop, Effect, Half, Make, Swap, Tell, Whole
from qnode.stack.ends import End
from qnode.stack.repeaters import Repeater, nested_ends
from qnode.wire.operations import Told
from qnode.wire.stack import Expire, Joined, LinkFacts, NodeFacts, Setup, StackSpec, Track

FACTS: Final = NodeFacts(16, inf, inf)
SWAPS: Final = ("asap", "sequential", "nested")


class Line:
    """The nodes of one circuit, and all that is under way between them."""

    def __init__(self, nodes: int, n: int, swap: str, failures: int) -> None:
        names = [f"n{place}" for place in range(nodes)]
        self.outs: list[list[Effect]] = [[] for _ in names]
        self.circuits: list[Circuit] = []
        for place, name in enumerate(names):
            peers = [peer for peer in (place - 1, place + 1) if 0 <= peer < nodes]
            links = {names[peer]: LinkFacts(names[peer], 1, 0, 1.0, 1) for peer in peers}
            setup = Setup("n0>far#0", tuple(names), 1, 1, n, n, 0, FACTS)
            part = Repeater if 0 < place < nodes - 1 else End
            circuit: Circuit = part(setup, Here(NodeName(name), StackSpec(swap), FACTS, links, self.outs[place]))
            circuit.reserved = 2 * n if part is Repeater else n
            self.circuits.append(circuit)
        self.failures = failures  # Bell measurements that may still fail
        self.asked: dict[tuple[int, int], int] = {}  # by node and neighbour
        self.letters: dict[tuple[int, int], deque[Track | Expire | Joined]] = {}
        self.coming: dict[tuple[int, int], deque[str]] = {}  # halves, in the order of the link
        self.swaps: list[tuple[int, Swap]] = []
        self.made: dict[tuple[int, int], int] = {}
        self.frame: dict[str, int] = {}  # of each half that is left, with its other end
        self.other: dict[str, str] = {}
        self.whole: dict[int, dict[int, str]] = {}  # by number and end
        for one in self.circuits:
            one.begin(n)
        self.absorb()

    def absorb(self) -> None:
        for place, out in enumerate(self.outs):
            for effect in out:
                self.do(place, effect)
            out.clear()
        for (one, other), n in list(self.asked.items()):
            if one < other and min(n, self.asked.get((other, one), 0)):
                nth = self.made[one, other] = self.made.get((one, other), 0) + 1
                pair = f"n{one}~n{other}#{nth}"
                halves = f"{pair}@{one}", f"{pair}@{other}"
                self.other.update(zip(halves, halves[::-1], strict=True))
                self.frame |= dict.fromkeys(halves, 0)
                for ends in ((one, other), (other, one)):
                    self.asked[ends] -= 1
                    self.coming.setdefault(ends, deque()).append(pair)
                self.absorb()

    def do(self, place: int, effect: Effect) -> None:
        match effect:
            case Make():
                ends = (place, int(effect.peer[1:]))
                self.asked[ends] = self.asked.get(ends, 0) + 1
            case Tell():
                assert isinstance(effect.talk, Track | Expire | Joined)
                self.letters.setdefault((place, int(effect.peer[1:])), deque()).append(effect.talk)
            case Swap():
                self.swaps.append((place, effect))
            case Whole():
                half = str(effect.half.qubit)
                self.frame[half] ^= effect.frame
                self.frame[self.other[half]] = self.frame[half]
                ends_of = self.whole.setdefault(effect.number, {})
                assert place not in ends_of
                ends_of[place] = half
            case Drop():
                self.lose(str(effect.half.qubit))
            case Closed() | Told():
                pass
            case other:
                raise AssertionError(other)

    def lose(self, half: str) -> None:
        other = self.other.pop(half, "")
        if other:
            self.other[other] = ""

    # ------------------------------------------------------------ what can happen next

    def choices(self) -> list[tuple[str, tuple[int, int]]]:
        found = [("letter", ends) for ends, letters in self.letters.items() if letters]
        found += [("half", ends) for ends, halves in self.coming.items() if halves]
        for nth in range(len(self.swaps)):
            found += [("swap", (nth, 1)), *([("swap", (nth, 0))] if self.failures else [])]
        return found

    def happen(self, what: str, which: tuple[int, int]) -> None:
        if what == "letter":
            talk = self.letters[which].popleft()
            circuit, pair = self.circuits[which[1]], PairId(talk.pair)
            match talk:
                case Track():
                    circuit.tracked(talk, 0)
                case Expire():
                    circuit.expired(NodeName(f"n{which[0]}"), pair)
                case Joined() if isinstance(circuit, Repeater):
                    circuit.reaches(pair, talk.place)
        elif what == "half":
            place, peer = which
            pair = PairId(self.coming[which].popleft())
            half = Half(pair, QubitId(f"{pair}@{place}"), 0)
            if self.circuits[place].open:
                self.circuits[place].came(NodeName(f"n{peer}"), half)
            else:
                self.lose(half.qubit)
        else:
            nth, works = which
            place, swap = self.swaps.pop(nth)
            self.join(place, swap, works=bool(works))
        self.absorb()

    def join(self, place: int, swap: Swap, *, works: bool) -> None:
        left, right = str(swap.left.qubit), str(swap.right.qubit)
        frame = 1 + (place + int(left.partition("#")[2].partition("@")[0])) % 3
        ends = self.other.pop(left), self.other.pop(right)
        for end, other in (ends, ends[::-1]):
            if end:
                self.other[end] = other
                self.frame[end] = self.frame[left] ^ self.frame[right] ^ frame
        repeater = self.circuits[place]
        assert isinstance(repeater, Repeater)
        if works:
            repeater.swapped(swap.left.pair, swap.right.pair, frame, 0)
        else:
            self.failures -= 1
            repeater.swap_failed(swap.left.pair, swap.right.pair)

    def check(self, n: int) -> None:
        """Nothing can happen any more: all pairs are whole, at both ends, and Phi+."""
        assert len(self.whole) == n
        for ends in self.whole.values():
            one, other = ends[0], ends[len(self.circuits) - 1]
            assert self.other[one] == other
            assert self.other[other] == one
            assert self.frame[one] == self.frame[other] == 0
        for circuit in self.circuits:
            assert not circuit.open
            assert not circuit.reserved
            assert circuit.whole == n


def ends_of(line: Line, n: int) -> int:
    """Try all orders. Returns in how many states nothing can happen any more."""
    start = pickle.dumps(line)
    seen, ahead, ends = {start}, [start], 0
    while ahead:
        state = ahead.pop()
        choices = pickle.loads(state).choices()
        if not choices:
            pickle.loads(state).check(n)
            ends += 1
        for what, which in choices:
            copy = pickle.loads(state)
            copy.happen(what, which)
            then = pickle.dumps(copy)
            if then not in seen:
                seen.add(then)
                ahead.append(then)
    return ends


@pytest.mark.parametrize("swap", SWAPS)
@pytest.mark.parametrize(("nodes", "n", "failures"), [(2, 2, 0), (3, 1, 0), (4, 1, 0)])
def test_all_pairs_become_whole_in_whatever_order_things_happen(nodes: int, n: int, failures: int, swap: str) -> None:
    assert ends_of(Line(nodes, n, swap, failures), n)


@pytest.mark.slow
@pytest.mark.parametrize("swap", SWAPS)
@pytest.mark.parametrize(("nodes", "n", "failures"), [(3, 1, 1), (3, 2, 0)])
def test_more_of_them(nodes: int, n: int, failures: int, swap: str) -> None:
    assert ends_of(Line(nodes, n, swap, failures), n)


def test_nested_swaps_halve_every_segment() -> None:
    for links in range(1, 65):
        segments = {(0, links)}  # that are to be made, from both ends on
        for place in range(1, links):
            left, right = nested_ends(place, links)
            assert left < place < right
            assert abs((place - left) - (right - place)) <= 1
            segments |= {(left, place), (place, right)}
            assert nested_ends(place, links) == (left, right)
        made = {nested_ends(place, links): place for place in range(1, links)}
        assert len(made) == links - 1  # each repeater makes another segment
        assert segments == made.keys() | {(place, place + 1) for place in range(links)}
