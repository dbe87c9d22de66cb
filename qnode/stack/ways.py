"""What a network layer asks of whoever knows the ways through the network: `LinkStates` or `Discovery`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from qnode.stack.routes import Avoided
from qnode.wire.stack import Announce, Found, LinkFacts, NodeFacts, Seek, Vector


class Ways(Protocol):
    """What is known of the ways through a network."""

    def route(self, target: str, *, avoid: Collection[Avoided] = ()) -> tuple[str, ...] | None:
        """The best route from here; None if it is not known yet. Raises NoRoute if there is none."""

    def check(self, route: Sequence[str]) -> None:
        """Whether somebody's own route can be gone. Raises NoRoute, with the place where it cannot."""

    def facts_along(self, route: Sequence[str]) -> tuple[tuple[NodeFacts, ...], tuple[LinkFacts, ...]]:
        """What the nodes of a route that was given tell of themselves, and of their links to the next."""


class Routes(Ways, Protocol):
    """And how more comes to be known of them."""

    @property
    def due_ns(self) -> int | None:
        """When there is something to be sent, or None: `take` then. A time that is past means now."""

    def take(self, now_ns: int) -> Sequence[tuple[str, Announce | Seek | Found]]:
        """What is to be sent now, and to which neighbours."""

    def need(self, target: str) -> None:
        """A route to that node is needed."""

    def doubt(self, target: str) -> None:
        """A route there was waited for in vain: what would have told of it may be lost."""

    def forget(self, target: str) -> None:
        """A way there turned out to be broken."""

    def heard(self, sender: str, told: Announce | Seek | Found) -> bool:
        """Another node has announced, asked or answered something. Whether ways may be others now."""

    def link_down(self, peer: str) -> None:
        """An own link makes no pairs any more."""

    def link_up(self, peer: str) -> None:
        """An own link that was down makes pairs again."""

    def measured(self, peer: str, vector: Vector) -> None:
        """Pairs of an own link are like that, whatever the configuration says."""

    def node_lost(self, node: str, life: int) -> None:
        """That life of a node is over."""

    def node_back(self, node: str, life: int) -> None:
        """A node that was lost has begun a new life."""
