"""Ways through a network that is too large for all to know all of it: sought when one is needed.

A node that seeks asks its neighbours. Whoever is asked for the first time passes the question on to its other
neighbours, and tells the node that seeks, directly, what it would announce: itself and its links. As long as somebody
who has answered names another who has not, and is not lost, that one's answer is on its way: for it was asked by the
one who names it, or will be when it returns. So in the end the seeking node knows its part of the network as it would
from announcements, and the same routes, rates and fidelities come of that.

In a network of N nodes and E links a search takes 2E messages at most: over N - 1 links the question comes to somebody
for the first time, who answers; over the others it may go both ways. What was found holds, for the targets that it was
for, until the node hears of something that has changed or finds a way broken: what becomes of links far away, nobody
tells it.
Sources: flooding as in OSPF, RFC 2328, section 13; routes on demand as in DSR, RFC 4728.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterable, Sequence

from qnode.stack.recent import remember
from qnode.stack.routes import Avoided, RouteTable
from qnode.stack.routing import OwnLinks
from qnode.wire.stack import Announce, Found, LinkFacts, LinkState, NodeFacts, Seek, Vector


class _Search:
    """What the node that seeks has been told, until all have answered.

    Attributes:
        seek: What all are asked.
        states: Of those that have answered, and of the node itself.
        waits_for: Nodes that those name, and that have neither answered nor are lost.
        doubted: Whether it may never be over.
    """

    def __init__(self, seek: Seek) -> None:
        self.seek = seek
        self.doubted = False
        self.states: dict[str, LinkState] = {}
        self.waits_for: set[str] = set()

    def learn(self, state: LinkState, gone: Collection[str]) -> None:
        known = self.states.get(state.node)
        if known is not None and known.life > state.life:
            return
        self.states[state.node] = state
        self.waits_for.discard(state.node)
        self.waits_for.update(self._named((state,), gone))

    def reconsider(self, gone: Collection[str]) -> None:
        """Others are lost than before: nobody need have been asked whom only lost nodes have named."""
        self.waits_for = self._named(self.states.values(), gone)

    def _named(self, states: Iterable[LinkState], gone: Collection[str]) -> set[str]:
        named = {link.peer for state in states for link in state.links}
        return {node for node in named if node not in self.states and node not in gone}


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
        self._search: _Search | None = None
        self._seeking: set[str] = set()  # targets, until it is over
        self._sought: set[str] = set()  # targets for which it is, and nothing has changed
        self._found: dict[str, LinkState] = {}
        self._table = RouteTable({})  # of these
        self._lives: dict[str, int] = {}  # what comes of an earlier life of a node is void
        self._heard: OrderedDict[str, Seek] = OrderedDict()  # the newest of each other node that seeks
        self._letters: list[tuple[str, Seek | Found]] = []

    # ------------------------------------------------------------ own searches

    def need(self, target: str) -> None:
        """A route to that node is needed: it is sought, unless it is known or being sought.

        What was sought in vain is sought again: links far away may have been mended.
        """
        if target in self._sought and self._table.leads(self._name, target, self._metric):
            return
        self.forget(target)
        self._seeking.add(target)
        if self._search is None or self._search.doubted:
            self._begin()

    def doubt(self, target: str) -> None:
        """A way there was waited for in vain, for messages may be lost: whoever needs one begins another search."""
        if target in self._seeking and self._search is not None:
            self._search.doubted = True

    def route(self, target: str, *, avoid: Collection[Avoided] = ()) -> tuple[str, ...] | None:
        """The best way there, both ends among it; None: the search is not over. Raises NoRoute if there is none."""
        if target not in self._sought:
            return None
        return self._table.route(self._name, target, self._metric, avoid=avoid)

    def forget(self, target: str) -> None:
        """What was found of a target is no good any more: a way turned out to be broken, say."""
        self._sought.discard(target)

    def check(self, route: Sequence[str]) -> None:
        """Whether somebody's own route can be gone. Raises NoRoute, with the place where it cannot."""
        self._table.check(route)

    def facts_along(self, route: Sequence[str]) -> tuple[tuple[NodeFacts, ...], tuple[LinkFacts, ...]]:
        """What the nodes of a route that was found tell of themselves, and of their links to the next."""
        return self._table.facts_along(route)

    # ------------------------------------------------------------ what happens

    def heard(self, sender: str, told: Announce | Seek | Found) -> bool:
        """A neighbour passes on who seeks, or a node answers. Whether a search of this node is over."""
        match told:
            case Seek():
                self._asked(sender, told)
            case Found():
                return self._answered(told)
            case Announce():
                pass  # nobody announces anything where routes are sought
        return False

    def link_down(self, peer: str) -> None:
        """An own link makes no pairs any more. Messages still pass, so answers come."""
        if self._links.down(peer):
            self._changed()

    def link_up(self, peer: str) -> None:
        """An own link that was down makes pairs again: there may be better ways, or ways at all."""
        if self._links.mended(peer):
            if self._search is not None:
                self._letters.append((peer, self._search.seek))
            self._changed()

    def measured(self, peer: str, vector: Vector) -> None:
        """Pairs of an own link have been measured, and that is what they are like."""
        if self._links.measured(peer, vector):
            self._changed()

    def node_lost(self, node: str, life: int) -> None:
        """That life of a node is over: it answers nothing any more, and nothing leads over it."""
        self._lives[node] = max(life + 1, self._lives.get(node, 0))
        self._links.gone.add(node)
        if node in self._found:
            self._sought.clear()
        if node in self._heard and self._heard[node].life <= life:
            del self._heard[node]
        if self._search is not None:
            known = self._search.states.get(node)
            if known is not None and known.life <= life:
                del self._search.states[node]
            self._search.reconsider(self._links.gone)
            self._look()

    def node_back(self, node: str, life: int) -> None:
        """A node that was lost has begun a new life, in which it has heard of no search. There may be better ways."""
        self._lives[node] = max(life, self._lives.get(node, 0))
        self._links.gone.discard(node)
        self._sought.clear()
        if node in self._heard:  # of its new life, before this was known
            self._answer(self._heard[node])
        if node in self._links.reached():
            self._letters += [(node, seek) for seek in self._heard.values() if seek.source != node]
        if self._search is not None:
            if node in self._links.reached():
                self._letters.append((node, self._search.seek))
            self._search.reconsider(self._links.gone)

    # ------------------------------------------------------------ what to say

    @property
    def due_ns(self) -> int | None:
        """When there is something to be sent, or None: `take` then. A time that is past means now."""
        return 0 if self._letters else None

    def take(self, now_ns: int) -> list[tuple[str, Seek | Found]]:
        """What is to be sent now, and to whom."""
        letters, self._letters = self._letters, []
        return [(peer, letter) for peer, letter in letters if peer not in self._links.gone]

    # ------------------------------------------------------------ inside

    def _begin(self) -> None:
        self._number += 1
        seek = Seek(self._name, self._life, self._number)
        self._search = _Search(seek)
        self._letters += [(peer, seek) for peer in self._links.whole()]
        self._search.learn(self._state(), self._links.gone)
        self._look()

    def _asked(self, sender: str, seek: Seek) -> None:
        known = self._heard.get(seek.source)
        is_new = known is None or (seek.life, seek.number) > (known.life, known.number)
        if is_new and seek.source != self._name and seek.life >= self._lives.get(seek.source, 0):
            self._heard.pop(seek.source, None)  # so that it is the newest
            remember(self._heard, seek.source, seek)
            self._letters += [(peer, seek) for peer in self._links.whole() if peer not in (sender, seek.source)]
            self._answer(seek)

    def _answer(self, seek: Seek) -> None:
        self._letters.append((seek.source, Found(seek.life, seek.number, self._state())))

    def _answered(self, told: Found) -> bool:
        search, state = self._search, told.state
        if search is None or (told.life, told.number) != (self._life, search.seek.number):
            return False  # of a search that is over, or was given up
        if state.life < self._lives.get(state.node, 0):
            return False
        search.learn(state, self._links.gone)
        return self._look()

    def _changed(self) -> None:
        """This node's own links are not what they were."""
        self._sought.clear()
        if self._search is not None:
            self._search.learn(self._state(), self._links.gone)

    def _look(self) -> bool:
        """Whether the search is over: all have answered."""
        if self._search is None or self._search.waits_for:
            return False
        self._found, self._search = self._search.states, None
        self._table = RouteTable(self._found)
        self._sought |= self._seeking
        self._seeking.clear()
        return True

    def _state(self) -> LinkState:
        return LinkState(self._name, self._life, 0, self._facts, self._links.up())
