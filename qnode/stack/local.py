"""What all parts of a network layer work with: the node itself, its time, and which of the others are there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from msgspec.structs import replace

from qnode.ids import NodeName
from qnode.stack.effects import Effect, Tell
from qnode.wire.operations import Told
from qnode.wire.stack import LinkFacts, NodeFacts, StackSpec, Talk, Vector


class Local:
    """A node, as it knows itself and its surroundings.

    Attributes:
        now_ns: Kept by whoever tells the layer what happens.
        out: What is to be done, in order.
        key: Of what this node draws for circuits.
        links: Of this node, by the neighbour.
        lost: Nodes that are gone: they need not be told anything.
        lives: Of nodes that were lost: the next.
        down: Neighbours to whom the link makes nothing.
    """

    def __init__(
        self, name: NodeName, life: int, spec: StackSpec, facts: NodeFacts, links: Iterable[LinkFacts], key: bytes
    ) -> None:
        self.name: Final = name
        self.life: Final = life
        self.spec: Final = spec
        self.facts: Final = facts
        self.key: Final = key
        self._links = {link.peer: link for link in links}
        self.links: Final[Mapping[str, LinkFacts]] = self._links
        self.now_ns = 0
        self.out: Final[list[Effect]] = []
        self.lost: set[NodeName] = set()
        self.lives: dict[NodeName, int] = {}
        self.down: set[NodeName] = set()

    def measured(self, peer: str, vector: Vector) -> None:
        """Pairs of an own link are like that."""
        self._links[peer] = replace(self._links[peer], vector=vector)

    def tell(self, node: str, talk: Talk) -> None:
        self.out.append(Tell(NodeName(node), talk))

    def log(
        self, event: str, program: str, request: int, *, peer: str = "", n: int = 0, name: str = "", detail: str = ""
    ) -> None:
        self.out.append(Told(event, program, request, "", peer, n, name, detail))
