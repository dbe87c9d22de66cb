"""A network of routing machines alone: messages are a list, and whoever tests says in which order they arrive."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from heapq import heappop, heappush
from itertools import count
from random import Random
from typing import Generic, TypeVar

from orchestrator.delays import AlongLinks
from qnode.ids import NodeName
from qnode.stack.discovery import Discovery
from qnode.stack.routing import LinkStates
from qnode.stack.ways import Routes
from qnode.wire.stack import Announce, Found, LinkFacts, NodeFacts, Seek, encode_talk

Edges = Mapping[tuple[str, str], int]
"""The links of a network, by their ends, each with its delay in ns."""

FACTS = NodeFacts(slots=4, t1_ns=float("inf"), t2_ns=float("inf"))


def link(peer: str, delay_ns: int = 1, **more: object) -> LinkFacts:
    return LinkFacts(peer, delay_ns, 10, 0.5, 10, **more)  # type: ignore[arg-type]


def neighbours(edges: Edges, name: str) -> dict[str, int]:
    ends = ((one, other, delay) for (a, b), delay in edges.items() for one, other in ((a, b), (b, a)))
    return {other: delay for one, other, delay in ends if one == name}


def nodes_of(edges: Edges) -> list[str]:
    return sorted({name for ends in edges for name in ends})


def part_of(edges: Iterable[tuple[str, str]], name: str, without: Iterable[str] = ()) -> set[str]:
    """The nodes that one can come to."""
    usable = [ends for ends in edges if not set(ends) & set(without)]
    part, size = {name}, 0
    while size < len(part):
        size = len(part)
        part |= {node for ends in usable if part & set(ends) for node in ends}
    return part


def chain(n: int) -> Edges:
    return {(f"n{i:04}", f"n{i + 1:04}"): 1000 for i in range(n - 1)}


def grid(side: int) -> Edges:
    across = {(f"n{x:02}{y:02}", f"n{x + 1:02}{y:02}"): 1000 for x in range(side - 1) for y in range(side)}
    return across | {(f"n{x:02}{y:02}", f"n{x:02}{y + 1:02}"): 1000 for x in range(side) for y in range(side - 1)}


def random_graph(n: int, extra: int, seed: int, longest: int = 1000) -> Edges:
    """A random tree, and `extra` links more (but for those that are there already)."""
    random = Random(seed)
    ends = {(f"n{random.randrange(i):04}", f"n{i:04}") for i in range(1, n)}
    ends |= {(f"n{a:04}", f"n{b:04}") for a, b in (sorted(random.sample(range(n), 2)) for _ in range(extra))}
    return {pair: random.randint(1, longest) for pair in sorted(ends)}


class Timed:
    """Every message takes as long as light along the links; counts them, the states in them, and their bytes."""

    def __init__(self, edges: Edges, hold_ns: int | None = None) -> None:
        self.links = {
            name: tuple(link(peer, delay) for peer, delay in neighbours(edges, name).items())
            for name in nodes_of(edges)
        }
        self.states = {name: LinkStates(name, 0, FACTS, links, hold_ns=hold_ns) for name, links in self.links.items()}
        self.discoveries = {name: Discovery(name, 0, FACTS, links) for name, links in self.links.items()}
        self.delays = AlongLinks((NodeName(a), NodeName(b), delay) for (a, b), delay in edges.items())
        self.messages = self.told = self.bytes = self.now_ns = 0
        self._order = count()
        self._events: list[tuple[int, int, str, Callable[[], object]]] = []

    def at(self, when_ns: int, name: str, act: Callable[[], object]) -> None:
        heappush(self._events, (when_ns, next(self._order), name, act))

    def send(self, sender: str, letters: Iterable[tuple[str, object]]) -> None:
        for peer, message in letters:
            self.messages += 1
            self.told += len(getattr(message, "states", ()))
            self.bytes += len(encode_talk(message))
            delay_ns = self.delays.delay_ns(NodeName(sender), NodeName(peer))
            assert delay_ns is not None
            self.at(self.now_ns + delay_ns, peer, lambda peer=peer, message=message: self._hear(peer, sender, message))  # type: ignore[misc]

    def run(self) -> None:
        """Until nothing is to come; what is heard at the same instant is passed on at once."""
        while self._events:
            self.now_ns = self._events[0][0]
            touched: dict[str, None] = {}
            while self._events and self._events[0][0] == self.now_ns:
                _, _, name, act = heappop(self._events)
                act()
                touched[name] = None
            for name in touched:
                self._flush(name)

    def _hear(self, name: str, sender: str, message: object) -> None:
        if isinstance(message, Announce):
            self.states[name].heard(sender, message)
        else:
            self.discoveries[name].heard(sender, message)  # type: ignore[arg-type]

    def _flush(self, name: str) -> None:
        states = self.states[name]
        self.send(name, states.take(self.now_ns))
        self.send(name, self.discoveries[name].take(self.now_ns))
        if states.due_ns is not None:
            self.at(states.due_ns, name, lambda: None)


R = TypeVar("R", bound=Routes)
Routing = Callable[[str, int, NodeFacts, tuple[LinkFacts, ...]], R]


class Loose(Generic[R]):
    """Messages and news of nodes arrive in any order; nodes are lost and return.

    Args:
        routing: Makes the machine of one life of a node.
        facts: Of nodes that are not like all others.
        links: Those of each node; all alike, if left out.
    """

    def __init__(
        self,
        edges: Edges,
        random: Random,
        routing: Routing[R],
        facts: Mapping[str, NodeFacts] | None = None,
        links: Mapping[str, tuple[LinkFacts, ...]] | None = None,
    ) -> None:
        self.edges = edges
        self.random = random
        self.routing = routing
        self.facts = {name: FACTS for name in nodes_of(edges)} | dict(facts or {})
        self.links = links or {name: tuple(link(peer) for peer in neighbours(edges, name)) for name in self.facts}
        self.broken: set[tuple[str, str]] = set()
        self.lives = dict.fromkeys(nodes_of(edges), 0)
        self.means = {(one, other): 0 for one in self.lives for other in self.lives}  # whom one means by another
        self.here: dict[str, R] = {}
        # receiver, the life that is meant, sender
        self.under_way: list[tuple[str, int, str, Announce | Seek | Found]] = []
        self.untold: dict[str, list[tuple[bool, str, int]]] = {name: [] for name in self.lives}  # back?, node, life
        self.sent = 0
        for name in self.lives:
            self._begin(name)

    def _begin(self, name: str) -> None:
        self.here[name] = self.routing(name, self.lives[name], self.facts[name], self.links[name])
        for a, b in self.broken:
            if name in (a, b):
                self.here[name].link_down(b if name == a else a)

    def lose(self, name: str) -> None:
        del self.here[name]
        self.under_way = [one for one in self.under_way if one[0] != name]
        self.untold[name] = []
        for other in self.here:
            self.untold[other].append((False, name, self.lives[name]))

    def bring_back(self, name: str) -> None:
        self.lives[name] += 1
        self._begin(name)
        for other in self.lives:
            self.means[name, other] = self.lives[other]
            if other not in self.here:
                self.here[name].node_lost(other, self.lives[other])
            elif other != name:
                self.untold[other].append((True, name, self.lives[name]))

    def toggle(self, ends: tuple[str, str]) -> None:
        down = ends not in self.broken
        self.broken ^= {ends}
        for one, other in (ends, ends[::-1]):
            if one in self.here:
                (self.here[one].link_down if down else self.here[one].link_up)(other)

    def step(self) -> bool:
        """Something happens, whatever; False if nothing is left to."""
        for name, states in self.here.items():
            if states.due_ns is not None and self.random.random() < 0.5:
                self.say(name)
        silent = [name for name, states in self.here.items() if states.due_ns is not None]
        told = [name for name, news in self.untold.items() if news]
        choices = [*range(len(self.under_way)), *told, *silent]
        if not choices:
            return False
        choice = self.random.choice(choices)
        if isinstance(choice, int):
            receiver, life, sender, message = self.under_way.pop(choice)
            if receiver in self.here and self.lives[receiver] == life:
                self.here[receiver].heard(sender, message)
        elif choice in told:
            back, node, life = self.untold[choice].pop(0)
            if back:
                self.means[choice, node] = life
            (self.here[choice].node_back if back else self.here[choice].node_lost)(node, life)
        else:
            self.say(choice)
        return True

    def say(self, name: str) -> None:
        for peer, message in self.here[name].take(0):
            self.sent += 1
            self.under_way.append((peer, self.means[name, peer], name, message))

    def truth(self, name: str) -> set[tuple[str, int, frozenset[str]]]:
        """What a node's part of the network is like: its nodes, their lives, and their links that are not broken."""
        part = part_of(self.edges, name, without=self.lives.keys() - self.here.keys())
        broken = self.broken | {ends[::-1] for ends in self.broken}
        return {
            (node, self.lives[node], frozenset(p for p in neighbours(self.edges, node) if (node, p) not in broken))
            for node in part
        }
