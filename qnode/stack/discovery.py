"""Ways through a network that is too large for all to know all of it: sought when one is needed.

A node that seeks a target asks its neighbours; whoever is asked for the first time asks its other neighbours, and answers
the one that asked it once it has heard of all of them, with what it was told of ways to the target and its own links. A
question that comes later from another neighbour is that one's answer, for it asks by itself. So a search takes two
messages for each link whose ends both think it whole, and it always ends: with the links on several ways to the target,
at most one for each neighbour of it, among which the metric decides, or with none.
Sources: the echo algorithm, Chang, IEEE Trans. Softw. Eng. 8 391 (1982); routes on demand as in DSR, RFC 4728.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from qnode.stack.routes import RouteTable
from qnode.stack.routing import OwnLinks
from qnode.wire.stack import Found, LinkFacts, LinkState, NodeFacts, Seek, Vector

Key = tuple[str, int, int]
"""Of a search: who seeks, in which life, and the how-manieth of it."""
Letters = list[tuple[str, Seek | Found]]
"""What is to be sent, and to which neighbours."""


class _Search:
    """What a node knows of a search, until it has answered."""

    def __init__(self, asked_by: str, target: str, asked: Iterable[str]) -> None:
        self.asked_by = asked_by
        self.target = target
        self.waits_for = set(asked)
        self.found: dict[str, LinkState] = {}


class Discovery:
    """The searches of one node, and its part in those of others. Each method returns what is to be sent."""

    def __init__(self, name: str, life: int, facts: NodeFacts, links: tuple[LinkFacts, ...]) -> None:
        self._name = name
        self._life = life
        self._facts = facts
        self._links = OwnLinks(links)
        self._number = 0
        self._searches: dict[Key, _Search | None] = {}  # None: it is over for this node
        self._seeking: set[str] = set()
        self._known: dict[str, RouteTable] = {}
        self._on: dict[str, set[str]] = {}  # the nodes in it

    # ------------------------------------------------------------ own searches

    def seek(self, target: str) -> Letters:
        """Seek ways to a node, unless that is being done."""
        if self.seeking(target):
            return []
        self.forget(target)
        self._seeking.add(target)
        self._number += 1
        return self._begin((self._name, self._life, self._number), target, asked_by="")

    def seeking(self, target: str) -> bool:
        """Whether a search for it is not over."""
        return any(
            search is not None and search.target == target and not search.asked_by for search in self._searches.values()
        )

    def routes(self, target: str) -> RouteTable | None:
        """The ways to a node that were found last; None: it is to be sought. With none on it, its `route` says so."""
        return self._known.get(target)

    def forget(self, target: str) -> None:
        """What was found of a target is no good any more: a way turned out to be broken, say."""
        self._known.pop(target, None)
        self._on.pop(target, None)

    # ------------------------------------------------------------ what happens

    def heard(self, sender: str, told: Seek | Found) -> Letters:
        """A neighbour asks, or answers."""
        key = (told.source, told.life, told.number)
        search = self._searches.get(key)
        if search is not None and sender in search.waits_for:
            return self._answered(key, search, sender, told.states if isinstance(told, Found) else ())
        if isinstance(told, Found) or (search is not None and sender == search.asked_by):
            return []  # nobody waits for it any more; or it asks twice
        if told.target == self._name:
            return [(sender, Found(*key, (self._state(),)))]
        if key in self._searches or sender not in self._links.whole():
            return [(sender, Found(*key, ()))]
        return self._begin(key, told.target, sender)

    def link_down(self, peer: str) -> None:
        """An own link makes no pairs any more. Messages still pass, so answers come."""
        if self._links.down(peer):
            self._forget_ways_over(self._name)

    def link_up(self, peer: str) -> None:
        """An own link that was down makes pairs again: there may be better ways."""
        if self._links.mended(peer):
            self._forget_ways_over(self._name)

    def measured(self, peer: str, vector: Vector) -> None:
        """Pairs of an own link have been measured, and that is what they are like."""
        if self._links.measured(peer, vector):
            self._forget_ways_over(self._name)

    def node_lost(self, node: str, life: int) -> Letters:
        """That life of a node is over: it answers nothing any more, and nothing leads over it."""
        self._links.gone.add(node)
        self._forget_ways_over(node)
        letters: Letters = []
        for key, search in list(self._searches.items()):
            if key[0] == node and key[1] <= life:
                self._searches[key] = None
            elif search is not None and node in search.waits_for:
                letters += self._answered(key, search, node, ())
        return letters

    def node_back(self, node: str) -> None:
        """A node that was lost has begun a new life. What was sought in vain meanwhile, may be there now."""
        self._links.gone.discard(node)
        for target in [target for target, on in self._on.items() if not on]:
            self.forget(target)

    # ------------------------------------------------------------ inside

    def _begin(self, key: Key, target: str, asked_by: str) -> Letters:
        search = _Search(asked_by, target, [peer for peer in self._links.whole() if peer != asked_by])
        self._searches[key] = search
        letters: Letters = [(peer, Seek(*key, target)) for peer in self._links.whole() if peer != asked_by]
        return letters or self._answer(key, search)

    def _answered(self, key: Key, search: _Search, sender: str, states: Iterable[LinkState]) -> Letters:
        search.waits_for.discard(sender)
        search.found.update((state.node, state) for state in states)
        return [] if search.waits_for else self._answer(key, search)

    def _answer(self, key: Key, search: _Search) -> Letters:
        """All have answered."""
        self._searches[key] = None
        states = {self._name: self._state(), **search.found} if search.found else {}
        if search.asked_by:
            known = tuple(states.values())
            return [(search.asked_by, Found(*key, known))] if search.asked_by not in self._links.gone else []
        self._seeking.discard(search.target)
        self._known[search.target] = RouteTable(states or {self._name: self._state()})
        self._on[search.target] = set(states)
        return []

    def _state(self) -> LinkState:
        return LinkState(self._name, self._life, 0, self._facts, self._links.up())

    def _forget_ways_over(self, node: str) -> None:
        for target in [target for target, on in self._on.items() if node in on]:
            self.forget(target)
