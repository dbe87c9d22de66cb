"""Ways through a network that is too large for all to know all of it: sought when one is needed.

A node that seeks a target asks its neighbours. Whoever is asked for the first time asks its other neighbours, and once
it has heard of all of them, answers the one that asked it, with what it was told of ways to the target and its own
links. A question that comes later from another neighbour is that one's answer, for it asks by itself. So a search takes
two messages for each link whose ends both think it whole, and it always ends: with the links of several ways to the
target, at most one for each neighbour of it, among which the metric decides, or with none.
Sources: the echo algorithm, Chang, IEEE Trans. Softw. Eng. 8 391 (1982); routes on demand as in DSR, RFC 4728.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Final

from qnode.errors import MalformedMessage
from qnode.stack.checking import is_state
from qnode.stack.routes import Avoided, RouteTable
from qnode.stack.routing import OwnLinks
from qnode.wire.stack import (
    Announce,
    Found,
    LinkFacts,
    LinkState,
    NodeFacts,
    Seek,
    Vector,
    decode_state,
    encode_state,
)

Key = tuple[str, int, int]
"""Of a search: who seeks, in which life, and the how-manieth of it."""


REMEMBERED: Final = 4096
"""Searches that are over, of which a node still knows that they were."""


class _Search:
    """What a node knows of a search, until it has answered."""

    def __init__(self, asked_by: str, target: str, asked: Iterable[str]) -> None:
        self.asked_by = asked_by
        self.target = target
        self.waits_for = set(asked)
        self.found: dict[bytes, None] = {}  # in order, and each once


class Discovery:
    """The searches of one node, and its part in those of others. It is driven as LinkStates are.

    Args:
        metric: What routes are short in.
    """

    def __init__(
        self, name: str, life: int, facts: NodeFacts, links: tuple[LinkFacts, ...], metric: str = "hops"
    ) -> None:
        self._name = name
        self._life = life
        self._facts = facts
        self._links = OwnLinks(links)
        self._metric = metric
        self._number = 0
        self._searches: dict[Key, _Search | None] = {}  # None: it is over for this node
        self._over: deque[Key] = deque()  # such, the oldest first
        self._seeking: set[str] = set()
        self._known: dict[str, RouteTable] = {}
        self._on: dict[str, set[str]] = {}  # the nodes in it
        self._letters: list[tuple[str, Seek | Found]] = []

    # ------------------------------------------------------------ own searches

    def need(self, target: str) -> None:
        """A route to that node is needed: it is sought, unless it is known or being sought.

        What was sought in vain is sought again: links far away may have been mended.
        """
        if target not in self._on.get(target, ()) and target not in self._seeking:
            self.forget(target)
            self._seeking.add(target)
            self._number += 1
            self._begin((self._name, self._life, self._number), target, asked_by="")

    def doubt(self, target: str) -> None:
        """A way there was waited for in vain, for messages may be lost: whoever needs one begins another search."""
        self._seeking.discard(target)

    def route(self, target: str, *, avoid: Collection[Avoided] = ()) -> tuple[str, ...] | None:
        """The best of the ways that were found; None: the search is not over. Raises NoRoute if there is none."""
        known = self._known.get(target)
        return None if known is None else known.route(self._name, target, self._metric, avoid=avoid)

    def forget(self, target: str) -> None:
        """What was found of a target is no good any more: a way turned out to be broken, say."""
        self._known.pop(target, None)
        self._on.pop(target, None)

    # ------------------------------------------------------------ what happens

    def heard(self, sender: str, told: Announce | Seek | Found) -> None:
        """A neighbour asks, or answers."""
        if isinstance(told, Announce):
            return  # nobody announces anything where routes are sought
        key = (told.source, told.life, told.number)
        search = self._searches.get(key)
        if search is not None and sender in search.waits_for:
            self._answered(key, search, sender, told.states if isinstance(told, Found) else ())
        elif isinstance(told, Found) or (search is not None and sender == search.asked_by):
            return  # nobody waits for it any more; or it asks twice
        elif told.target == self._name:
            self._letters.append((sender, Found(*key, (self._encoded(),))))
        elif key in self._searches or sender not in self._links.whole():
            self._letters.append((sender, Found(*key, ())))
        else:
            self._begin(key, told.target, sender)

    def link_down(self, peer: str) -> None:
        """An own link makes no pairs any more. Messages still pass, so answers come."""
        if self._links.down(peer):
            self._forget_ways_over(self._name)

    def link_up(self, peer: str) -> None:
        """An own link that was down makes pairs again: there may be better ways, or ways at all."""
        if self._links.mended(peer):
            self._forget_ways_over(self._name)

    def measured(self, peer: str, vector: Vector) -> None:
        """Pairs of an own link have been measured, and that is what they are like."""
        if self._links.measured(peer, vector):
            self._forget_ways_over(self._name)

    def node_lost(self, node: str, life: int) -> None:
        """That life of a node is over: it answers nothing any more, and nothing leads over it."""
        self._links.gone.add(node)
        self._forget_ways_over(node)
        for key, search in list(self._searches.items()):
            if key[0] == node and key[1] <= life:
                if search is not None:
                    self._over_is(key)
            elif search is not None and node in search.waits_for:
                self._answered(key, search, node, ())

    def node_back(self, node: str, life: int) -> None:
        """A node that was lost has begun a new life."""
        self._links.gone.discard(node)

    def check(self, route: Sequence[str]) -> None:
        """Whether somebody's own route is among those that were found. Raises NoRoute, with the place if it is not."""
        self._known[route[-1]].check(route)

    def facts_along(self, route: Sequence[str]) -> tuple[tuple[NodeFacts, ...], tuple[LinkFacts, ...]]:
        """What the nodes of a route that was found tell of themselves, and of their links to the next."""
        return self._known[route[-1]].facts_along(route)

    # ------------------------------------------------------------ what to say

    @property
    def due_ns(self) -> int | None:
        """When there is something to be sent, or None: `take` then. A time that is past means now."""
        return 0 if self._letters else None

    def take(self, now_ns: int) -> list[tuple[str, Seek | Found]]:
        """What is to be sent now, and to which neighbours."""
        letters, self._letters = self._letters, []
        return [(peer, letter) for peer, letter in letters if peer not in self._links.gone]

    # ------------------------------------------------------------ inside

    def _begin(self, key: Key, target: str, asked_by: str) -> None:
        asked = [peer for peer in self._links.whole() if peer != asked_by]
        search = self._searches[key] = _Search(asked_by, target, asked)
        self._letters += [(peer, Seek(*key, target)) for peer in asked]
        if not asked:
            self._answer(key, search)

    def _answered(self, key: Key, search: _Search, sender: str, states: Iterable[bytes]) -> None:
        search.waits_for.discard(sender)
        search.found.update(dict.fromkeys(states))
        if not search.waits_for:
            self._answer(key, search)

    def _answer(self, key: Key, search: _Search) -> None:
        """All have answered."""
        self._over_is(key)
        if search.asked_by:
            states = (self._encoded(), *search.found) if search.found else ()
            self._letters.append((search.asked_by, Found(*key, states)))
            return
        known = {state.node: state for state in _readable(search.found)} | {self._name: self._state()}
        self._seeking.discard(search.target)
        self._known[search.target] = RouteTable(known)
        self._on[search.target] = set(known)

    def _over_is(self, key: Key) -> None:
        """What comes about a search that is over is answered without looking for ways, for as long as that is known."""
        self._searches[key] = None
        self._over.append(key)
        if len(self._over) > REMEMBERED:
            self._searches.pop(self._over.popleft(), None)

    def _state(self) -> LinkState:
        return LinkState(self._name, self._life, 0, self._facts, self._links.up())

    def _encoded(self) -> bytes:
        return encode_state(self._state())

    def _forget_ways_over(self, node: str) -> None:
        for target in [target for target, on in self._on.items() if node in on]:
            self.forget(target)


def _readable(states: Iterable[bytes]) -> Iterator[LinkState]:
    for state in states:
        try:
            told = decode_state(state)
        except MalformedMessage:
            continue  # whoever says so lies, and no way leads over it
        if is_state(told):
            yield told
