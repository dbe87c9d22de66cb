"""Requests for pairs, and how the two ends find each other.

The n-th request of alice with bob meets bob's n-th with alice, for each program name and tag, and for each life of
either.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable

from orchestrator.oracle.limits import Usage
from qnode.errors import MalformedMessage
from qnode.ids import NodeName, QubitId
from qnode.wire.operations import Entangle

Key = tuple[NodeName, int]
_Talk = tuple[NodeName, NodeName, str, str]


class Demand:
    """One end's request, while it is not served: waiting for the peer's, or with its pairs under way.

    Attributes:
        tag: That of the request, and of the lives that it is between.
        left: How many of its pairs have not begun to be made.
    """

    __slots__ = ("key", "left", "node", "tag", "under_way", "wanted")

    def __init__(self, node: NodeName, wanted: Entangle, tag: str) -> None:
        self.node = node
        self.wanted = wanted
        self.tag = tag
        self.key: Key = (node, wanted.request)
        self.left = wanted.n
        self.under_way: list[QubitId] = []

    @property
    def ends(self) -> tuple[NodeName, NodeName]:
        """The two nodes, sorted."""
        one, other = self.node, NodeName(self.wanted.peer)
        return (one, other) if one < other else (other, one)


class Matching:
    """Open requests: those that wait for the other end, and those whose pairs are on their way.

    Args:
        usage: What each node may have.
        tagged: What a node's tag with a peer becomes where lives have ended.
    """

    def __init__(
        self, usage: Usage, tagged: Callable[[NodeName, NodeName, str], str] = lambda node, peer, tag: tag
    ) -> None:
        self._usage = usage
        self._open_of: Counter[NodeName] = Counter()
        self._tagged = tagged
        self._waiting: dict[_Talk, deque[Demand]] = {}
        self._open: dict[Key, Demand] = {}

    def check_new(self, key: Key) -> None:
        """Raises MalformedMessage if the node has an open request of that number, LimitExceeded if it has too many."""
        if key in self._open:
            raise MalformedMessage(detail=f"{key[0]} used request number {key[1]} twice")
        self._usage.check(key[0], "requests", self._open_of[key[0]] + 1)

    def ask(self, node: NodeName, wanted: Entangle) -> tuple[Demand, Demand] | None:
        """A new request. Returns (the earlier one, this one) if the peer's was waiting for it: the earlier requests.

        Raises as `check_new`.
        """
        mine = Demand(node, wanted, self._tagged(node, NodeName(wanted.peer), wanted.tag))
        self.check_new(mine.key)
        self._open[mine.key] = mine
        self._open_of[node] += 1
        other = self._meets(mine)
        if other is None:
            self._waiting.setdefault(_talk(mine), deque()).append(mine)
            return None
        return other, mine

    def again(self, mine: Demand) -> tuple[Demand, Demand] | None:
        """Its peer has given up what it met: it is the next to be met again, by a later request of the peer's."""
        other = self._meets(mine)
        if other is None:
            self._waiting.setdefault(_talk(mine), deque()).appendleft(mine)
            return None
        return mine, other

    def _meets(self, mine: Demand) -> Demand | None:
        peer, node, program, tag = NodeName(mine.wanted.peer), mine.node, mine.wanted.program, mine.tag
        theirs = self._waiting.get((peer, node, program, tag))
        if not theirs:
            return None
        other = theirs.popleft()
        if not theirs:
            del self._waiting[peer, node, program, tag]
        return other

    def delivered(self, key: Key, qubit: QubitId) -> Demand | None:
        """A half arrives for this request. None if it was withdrawn, even if another one has its number now."""
        demand = self._open.get(key)
        if demand is None or qubit not in demand.under_way:
            return None
        demand.under_way.remove(qubit)
        if not demand.under_way and not demand.left:
            del self._open[key]
            self._open_of[key[0]] -= 1
        return demand

    def withdraw(self, key: Key) -> Demand | None:
        """The request is void. Unknown ones are over already."""
        demand = self._open.pop(key, None)
        if demand is None:
            return None
        self._open_of[key[0]] -= 1
        talk = _talk(demand)
        waiting = self._waiting.get(talk)
        if waiting and demand in waiting:
            waiting.remove(demand)
            if not waiting:
                del self._waiting[talk]
        return demand

    def of(self, node: NodeName, peer: NodeName | None = None) -> list[Demand]:
        """The open requests of a node; those with one peer only, if that is given."""
        mine = (demand for demand in self._open.values() if demand.node == node)
        return [demand for demand in mine if peer is None or demand.wanted.peer == peer]

    def find(self, key: Key) -> Demand | None:
        """The request of this number, as long as it is open."""
        return self._open.get(key)

    def refuse(self, demand: Demand) -> None:
        """The request will not be served."""
        if self._open.pop(demand.key, None) is not None:
            self._open_of[demand.node] -= 1

    def __len__(self) -> int:
        return len(self._open)


def _talk(demand: Demand) -> _Talk:
    return demand.node, NodeName(demand.wanted.peer), demand.wanted.program, demand.tag
