"""stub"""

from __future__ import annotations

from qnode.ids import NodeName
from qnode.wire.stack import Announce, LinkFacts, LinkState, NodeFacts, Talk


class LinkStates:
    def __init__(self, name: NodeName, life: int, facts: NodeFacts, links: tuple[LinkFacts, ...]) -> None:
        self.name = name
        self.own = LinkState(name, life, 0, facts, links)
        self.known: dict[str, LinkState] = {}

    def wake(self) -> list[tuple[NodeName, Talk]]:
        if self.known:
            return []
        self.known[self.name] = self.own
        return [(NodeName(link.peer), Announce((self.own,))) for link in self.own.links]

    def heard(self, sender: NodeName, announce: Announce) -> list[tuple[NodeName, Talk]]:
        talks = self.wake()
        new = tuple(state for state in announce.states if state.node not in self.known)
        for state in new:
            self.known[state.node] = state
        if new:
            talks += [(NodeName(link.peer), Announce(new)) for link in self.own.links if link.peer != sender]
        return talks

    def node_lost(self, node: NodeName) -> list[tuple[NodeName, Talk]]:
        return []

    def node_back(self, node: NodeName, life: int) -> list[tuple[NodeName, Talk]]:
        return []

    def link_down(self, peer: NodeName) -> list[tuple[NodeName, Talk]]:
        return []

    def link_up(self, peer: NodeName) -> list[tuple[NodeName, Talk]]:
        return []

    def is_up(self, peer: NodeName) -> bool:
        return True

    def route(self, target: NodeName) -> tuple[NodeName, ...] | None:
        before: dict[str, str] = {self.name: ""}
        queue = [str(self.name)]
        for node in queue:
            state = self.known.get(node)
            if state is None:
                return None
            for link in state.links:
                if link.peer not in before:
                    before[link.peer] = node
                    queue.append(link.peer)
        way = [str(target)]
        while way[-1] != self.name:
            way.append(before[way[-1]])
        return tuple(NodeName(one) for one in reversed(way))
