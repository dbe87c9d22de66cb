"""Which life each node is in, and which lives of others each node knows of.

A node that is lost and begins again is somebody new: whatever was meant for its earlier life vanishes. So all that a
node does concerns the lives of others that it knows of, and it learns of a loss, and of a new life, no sooner than a
message could tell it.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from qnode.errors import PeerLost
from qnode.ids import NodeName


class Loss(msgspec.Struct, array_like=True, frozen=True):
    """A node whose process is gone, why, and whether it begins again."""

    node: str
    reason: str
    fresh: bool


class Lives:
    """The lives of all nodes of a run.

    Attributes:
        current: Which life each node is in, or was in last.
        gone: Why a node is not there; without those that are.
    """

    def __init__(self, incarnations: Mapping[NodeName, int]) -> None:
        self.current: dict[NodeName, int] = dict(incarnations)
        self.gone: dict[NodeName, str] = {}
        self._any = False
        self._first = dict(incarnations)
        self._known: dict[tuple[NodeName, NodeName], int] = {}
        self._told: dict[tuple[NodeName, NodeName], str] = {}

    def lose(self, node: NodeName, reason: str) -> None:
        """A node is gone, and with it all that it knew."""
        self._any = True
        self.gone[node] = reason
        for kept in (self._known, self._told):
            for key in [key for key in kept if key[0] == node]:
                del kept[key]

    def begin(self, node: NodeName) -> int:
        """The next life of a node that was gone. It knows who is there now; its number."""
        del self.gone[node]
        self.current[node] += 1
        for peer, life in self.current.items():
            if peer != node and life != self._first[peer]:
                self._known[node, peer] = life
        return self.current[node]

    def told(self, node: NodeName, peer: NodeName, reason: str) -> None:
        """A node learns that another is lost."""
        self._told[node, peer] = reason

    def knows(self, node: NodeName, peer: NodeName, life: int) -> None:
        """A node learns that another, which was lost, has begun this life."""
        self._known[node, peer] = life
        self._told.pop((node, peer), None)

    def reaches(self, node: NodeName, peer: NodeName) -> bool:
        """Whether who a node means when it names another is there."""
        if not self._any:
            return True
        return peer not in self.gone and self._life(node, peer) == self.current.get(peer, 0)

    def require(self, node: NodeName, peer: NodeName) -> None:
        """Raises PeerLost if a node has been told that another is lost, and of no new life of it."""
        if self._told and (node, peer) in self._told:
            raise PeerLost(peer=peer, reason=self._told[node, peer])

    def tagged(self, node: NodeName, peer: NodeName, tag: str) -> str:
        """A tag that only those share who mean each other's present life."""
        if not self._any:
            return tag
        mine, theirs = self.current.get(node, 0), self._life(node, peer)
        lives = (mine, theirs) if node < peer else (theirs, mine)
        return tag if lives == (0, 0) else f"{tag}\0{lives[0]}.{lives[1]}"

    def _life(self, node: NodeName, peer: NodeName) -> int:
        return self._known.get((node, peer), self._first.get(peer, 0))
