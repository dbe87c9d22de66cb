"""How long classical messages take between any two nodes, in integer nanoseconds. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from heapq import heappop, heappush
from typing import Protocol

from qnode.ids import NodeName


class ClassicalDelays(Protocol):
    """How long a classical message takes between any two nodes."""

    def delay_ns(self, a: NodeName, b: NodeName) -> int | None:
        """Nanoseconds, 0 from a node to itself, None if no message can get from the one to the other.

        None is no error before somebody sends: a network may be in parts, and its parts may never talk.
        """
        ...


class SameForAll:
    """One delay between any two nodes, linked or not."""

    def __init__(self, delay_ns: int) -> None:
        self._delay_ns = delay_ns

    def delay_ns(self, a: NodeName, b: NodeName) -> int | None:
        return 0 if a == b else self._delay_ns


class AlongLinks:
    """The shortest way along the links (Dijkstra 1959), sought from each sender as far as it has been asked about.

    So where neighbours talk with each other, a node's search stays with its neighbours, however large the network; and
    where all talk with one node, that one's goes through the whole network, and no other does.
    Integers only: the sum along a way does not depend on the order of summing, and both directions agree.
    """

    def __init__(self, links: Iterable[tuple[NodeName, NodeName, int]]) -> None:
        self._next: dict[NodeName, list[tuple[NodeName, int]]] = {}
        self._from: dict[NodeName, _Ways] = {}
        for a, b, delay_ns in links:
            self._next.setdefault(a, []).append((b, delay_ns))
            self._next.setdefault(b, []).append((a, delay_ns))

    def delay_ns(self, a: NodeName, b: NodeName) -> int | None:
        if a == b:
            return 0
        ways, target = self._from.get(a), b
        other = self._from.get(b)
        if other is not None and (ways is None or len(ways.found) < len(other.found)):
            ways, target = other, a  # which has come farther already
        if ways is None:
            ways = self._from[a] = _Ways(a)
        found = ways.found.get(target)
        return ways.to(target, self._next) if found is None and ways.ahead else found


class _Ways:
    """From one node: how far it is to those to which that is known, and what is ahead of them."""

    __slots__ = ("ahead", "found")

    def __init__(self, source: NodeName) -> None:
        self.found: dict[NodeName, int] = {}
        self.ahead: list[tuple[int, NodeName]] = [(0, source)]

    def to(self, target: NodeName, links: Mapping[NodeName, list[tuple[NodeName, int]]]) -> int | None:
        """Go on until the target is reached; None if it never is."""
        found, ahead = self.found, self.ahead
        while ahead:
            so_far, node = heappop(ahead)
            if node in found:
                continue
            found[node] = so_far
            for neighbour, delay_ns in links.get(node, ()):
                if neighbour not in found:
                    heappush(ahead, (so_far + delay_ns, neighbour))
            if node == target:
                return so_far
        return None


class FromMatrix:
    """Delays from a table, a row for each sender; a pair that is not in it cannot talk."""

    def __init__(self, table: Mapping[tuple[NodeName, NodeName], int]) -> None:
        self._table = dict(table)

    def delay_ns(self, a: NodeName, b: NodeName) -> int | None:
        return 0 if a == b else self._table.get((a, b))
