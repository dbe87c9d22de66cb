"""How the nodes of a network come to know each other's links: each announces its own, and passes on what is new.

A node that is awake has sent each state it knows to each neighbour, but to whom it has it from; so, in the end, all
nodes of a connected part of the network know the same, whatever came first. A state goes over a link at most once each
way: a network of N nodes and E links needs at most 2E messages for a change, and N (2E - N + 1) to wake; fewer, since
all that a node learns while it holds back is one message.
Source: flooding as in OSPF, RFC 2328, section 13, with its pacing, and lives in the place of ages.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import msgspec

from qnode.stack.routes import Avoided, RouteTable
from qnode.wire.stack import Announce, Found, LinkFacts, LinkState, NodeFacts, Seek, Vector


class OwnLinks:
    """The links of one node as it would announce them: without those that are broken.

    Attributes:
        gone: Neighbours that are lost.
    """

    def __init__(self, links: Iterable[LinkFacts]) -> None:
        self._facts = {link.peer: link for link in links}
        self._broken: set[str] = set()
        self.gone: set[str] = set()

    def up(self) -> tuple[LinkFacts, ...]:
        """Those that make pairs."""
        return tuple(link for peer, link in self._facts.items() if peer not in self._broken)

    def reached(self) -> list[str]:
        """Neighbours that messages reach: a broken link keeps none back."""
        return [peer for peer in self._facts if peer not in self.gone]

    def whole(self) -> list[str]:
        """Neighbours that pairs can be had with."""
        return [peer for peer in self.reached() if peer not in self._broken]

    def down(self, peer: str) -> bool:
        """A link is broken. Whether that is news."""
        known = peer in self._broken or peer not in self._facts
        self._broken.add(peer)
        return not known

    def mended(self, peer: str) -> bool:
        """A link is whole again. Whether that is news."""
        known = peer not in self._broken
        self._broken.discard(peer)
        return not known

    def measured(self, peer: str, vector: Vector) -> bool:
        """Pairs of a link are like that. Whether that is news."""
        link = self._facts[peer]
        self._facts[peer] = msgspec.structs.replace(link, vector=vector)
        return link.vector != vector


class LinkStates:
    """What one node knows of all links, and what it has to tell its neighbours of them.

    Whoever drives it calls a method for all that happens at an instant, and then sends what `take` has, and again at
    `due_ns`. Asleep, it says nothing; the first need of a route, or the first announcement that comes, wakes it.

    Attributes:
        awake: Whether this node takes part.
        states: The newest state of each node that is known and not lost, by its name.
        version: Is another one whenever `states`, or who is lost, is.

    Args:
        life: Which life of the node this is.
        metric: What routes are short in.
        hold_ns: How long after it has told them something it holds further news back; as long as its longest link is,
            if left out, so that what comes from several sides goes on at once.
    """

    def __init__(
        self,
        name: str,
        life: int,
        facts: NodeFacts,
        links: tuple[LinkFacts, ...],
        metric: str = "hops",
        *,
        hold_ns: int | None = None,
    ) -> None:
        self.awake = False
        self.states: dict[str, LinkState] = {}
        self.version = 0
        self._name = name
        self._life = life
        self._number = 0
        self._facts = facts
        self._links = OwnLinks(links)
        self._metric = metric
        self._lives: dict[str, int] = {}  # what comes of an earlier life of a node is void
        self._news: dict[str, dict[str, LinkState]] = {}  # for each neighbour
        self._hold_ns = max((link.delay_ns for link in links), default=0) if hold_ns is None else hold_ns
        self._held_until_ns = 0
        self._asking: list[str] = []  # neighbours that are to tell all they know
        self._asked_version = -1  # when this node asked last
        self._table = RouteTable({})
        self._table_version = 0
        self._complete = False
        self._complete_version = 0

    # ------------------------------------------------------------ what happens

    def need(self, target: str) -> None:
        """A route to that node is needed."""
        self._wake()

    def doubt(self, target: str) -> None:
        """A way there was waited for in vain: if not all is known, news may be lost, and the neighbours are asked."""
        if self.awake and not self.complete:
            self._ask(self._links.reached())

    def _ask(self, peers: Iterable[str]) -> None:
        self._asking = list(peers)
        self._asked_version = self.version

    def _asked_by(self, sender: str) -> None:
        """It knows too little: it is told everything. Whoever knows too little, too, asks on, once for all it knows."""
        if sender in self._links.reached():
            self._news[sender] = {node: state for node, state in self.states.items() if node != sender}
        if not self.complete and self._asked_version != self.version:
            self._ask(peer for peer in self._links.reached() if peer != sender)

    def _wake(self) -> None:
        if not self.awake:
            self.awake = True
            self._learn(LinkState(self._name, self._life, self._number, self._facts, self._links.up()))

    def heard(self, sender: str, told: Announce | Seek | Found) -> bool:
        """A neighbour has announced something. Whether ways may be others now."""
        if not isinstance(told, Announce):
            return False  # nobody seeks where all is known
        version = self.version
        self._wake()
        if not told.states:
            self._asked_by(sender)
        has_it = sender not in self._lives  # else this may come from a life of it that is over, and the next knows less
        for state in told.states:
            known, age = self.states.get(state.node), (state.life, state.number)
            newer = known is None or age > (known.life, known.number)
            if newer and state.node != self._name and state.life >= self._lives.get(state.node, 0):
                self._learn(state, sender if has_it else "")
            about_to = self._news.get(sender, {}).get(state.node)
            if has_it and about_to is not None and (about_to.life, about_to.number) <= age:
                self._unsay(sender, state.node)
        return self.version != version

    def link_down(self, peer: str) -> None:
        """An own link makes no pairs any more. Messages still pass."""
        self._changed(self._links.down(peer))

    def link_up(self, peer: str) -> None:
        """An own link that was down makes pairs again."""
        self._changed(self._links.mended(peer))

    def measured(self, peer: str, vector: Vector) -> None:
        """Pairs of an own link have been measured, and that is what they are like, whatever the configuration says."""
        self._changed(self._links.measured(peer, vector))

    def node_lost(self, node: str, life: int) -> None:
        """That life of a node is over; everybody is told so. What it announced is void, and its links lead nowhere."""
        self._void(node, life + 1)
        self._links.gone.add(node)
        self.version += 1
        self._news.pop(node, None)

    def node_back(self, node: str, life: int) -> None:
        """A node that was lost has begun a new life. It knows nothing, so a neighbour tells it everything."""
        self._void(node, life)
        self._links.gone.discard(node)
        self.version += 1
        if self.awake and node in self._links.reached():
            self._news[node] = {other: state for other, state in self.states.items() if other != node}

    # ------------------------------------------------------------ what to say

    @property
    def due_ns(self) -> int | None:
        """When there is something to be sent, or None: `take` then. A time that is past means now."""
        if self._asking:
            return 0
        return self._held_until_ns if self._news else None

    def take(self, now_ns: int) -> list[tuple[str, Announce]]:
        """What is to be sent now, and to which neighbours: one message for each at most, and perhaps a question."""
        asked, self._asking = [(peer, Announce(())) for peer in self._asking], []
        if not self._news or now_ns < self._held_until_ns:
            return asked
        news, self._news = self._news, {}
        self._held_until_ns = now_ns + self._hold_ns
        return asked + [(peer, Announce(tuple(states.values()))) for peer, states in news.items()]

    # ------------------------------------------------------------ what is known

    @property
    def complete(self) -> bool:
        """Whether every node that one could come to is known: then nothing is to be waited for.

        As long as a known node names another that is not, and is not lost, that one's announcement is on its way.
        """
        if self._complete_version != self.version:
            self._complete, self._complete_version = self._is_complete(), self.version
        return self._complete

    def route(self, target: str, *, avoid: Collection[Avoided] = ()) -> tuple[str, ...] | None:
        """The best way there, both ends among it; None: not all is known yet. Raises NoRoute if there is none."""
        return self.routes().route(self._name, target, self._metric, avoid=avoid) if self.complete else None

    def routes(self) -> RouteTable:
        """The ways through the network as it is known now; the same table until something changes."""
        if self._table_version != self.version:
            self._table, self._table_version = RouteTable(self.states), self.version
        return self._table

    def check(self, route: Sequence[str]) -> None:
        """Whether somebody's own route can be gone. Raises NoRoute, with the place where it cannot."""
        self.routes().check(route)

    def facts_along(self, route: Sequence[str]) -> tuple[tuple[NodeFacts, ...], tuple[LinkFacts, ...]]:
        """What the nodes of a route tell of themselves, and of their links to the next."""
        return self.routes().facts_along(route)

    def forget(self, target: str) -> None:
        """A way there turned out to be broken: whoever broke it announces that, or is lost."""

    # ------------------------------------------------------------ inside

    def _is_complete(self) -> bool:
        """Of this node's own part of the network; what was known of others may be old."""
        found, ahead = {self._name}, [self._name]
        for node in ahead:
            if node not in self.states:
                return False
            named = {link.peer for link in self.states[node].links} - found - self._links.gone
            found |= named
            ahead += sorted(named)
        return True

    def _changed(self, news: bool) -> None:
        if news and self.awake:
            self._number += 1
            self._learn(LinkState(self._name, self._life, self._number, self._facts, self._links.up()))

    def _learn(self, state: LinkState, sender: str = "") -> None:
        self.states[state.node] = state
        self.version += 1
        for peer in self._links.reached():
            if peer not in (sender, state.node):
                self._news.setdefault(peer, {})[state.node] = state

    def _unsay(self, peer: str, node: str) -> None:
        self._news[peer].pop(node, None)
        if not self._news[peer]:
            del self._news[peer]

    def _void(self, node: str, life: int) -> None:
        self._lives[node] = max(life, self._lives.get(node, 0))
        known = self.states.get(node)
        if known is not None and known.life < self._lives[node]:
            del self.states[node]
            for peer in list(self._news):
                self._unsay(peer, node)
