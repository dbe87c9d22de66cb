"""Which way through a network is shortest: by hops, by time, or by the fidelity that it leaves.

Costs add up along a way, so Dijkstra's algorithm finds the best one:

* "hops": 1 a link.
* "time": what a link needs for a pair, made_ns + attempt_ns (1/success - 1), its delay, and the Bell measurements. The
  links of a circuit make their pairs at the same time, so this sum is an upper bound of what it takes, exact if they do
  it one after the other (2/p attempts for two). The exact mean of the longest wait does not add up, and its best way
  need not have best parts (Caleffi, IEEE Access 5 22299 (2017)); this sum orders routes well in simulations (Van Meter
  et al., Networking Science 3 82 (2013)).
* "fidelity": -ln of the Werner parameter w of a link and of the factor s of a swap: F = (1 + 3 s**(n-1) prod w)/4,
  exact for Werner pairs (Duer, Briegel, Cirac & Zoller, PRA 59 169 (1999)). Pairs are taken as old as they are when
  they may be used; how long they wait for others after that is left out.

Of ways of the same cost the one with fewer hops is taken, and of these the first in the order of names.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from heapq import heappop, heappush
from itertools import pairwise
from math import exp, inf, log
from typing import Final

from qnode.errors import NoRoute
from qnode.stack.expectation import PERFECT, swapped
from qnode.wire.stack import LinkFacts, LinkState, NodeFacts

METRICS: Final = ("hops", "time", "fidelity")
_LEAST: Final = 1e-12  # a Werner parameter below is no use, but its logarithm exists
_NAMED: Final = 12

Avoided = str | tuple[str, str]
"""A node, or the ends of a link in any order."""
Cost = tuple[float, int]
"""Of a way: in its metric, and in hops."""


class RouteTable:
    """The ways through a network whose nodes announce this; made anew when they announce something else.

    A link is used only if both of its ends announce it.
    """

    def __init__(self, states: Mapping[str, LinkState]) -> None:
        self._nodes = {name: state.facts for name, state in states.items()}
        announced = {name: {link.peer: link for link in state.links} for name, state in states.items()}
        self._links = {
            name: {peer: links[peer] for peer in sorted(links) if name in announced.get(peer, ())}
            for name, links in announced.items()
        }
        self._costs: dict[str, dict[str, dict[str, float]]] = {}
        self._trees: dict[tuple[str, str, frozenset[Avoided]], dict[str, Cost]] = {}
        self._ways: dict[tuple[str, str, str, frozenset[Avoided]], tuple[str, ...]] = {}  # that were asked for

    def facts_along(self, route: Sequence[str]) -> tuple[tuple[NodeFacts, ...], tuple[LinkFacts, ...]]:
        """What the nodes of a route tell of themselves, and of their links to the next."""
        links = tuple(self._links[one][other] for one, other in pairwise(route))
        return tuple(self._nodes[name] for name in route), links

    def route(
        self, source: str, target: str, metric: str = "hops", *, avoid: Collection[Avoided] = ()
    ) -> tuple[str, ...]:
        """The names of the nodes on the best way, both ends among them.

        Args:
            avoid: Nodes, and links by their ends, that it does without.
        Raises:
            NoRoute: If there is none.
        """
        key = (source, target, metric, frozenset(avoid))
        if key in self._ways:
            return self._ways[key]
        tree = self._tree(target, metric, key[-1]) if target in self._links else {}
        if source not in tree:
            raise NoRoute(source=source, target=target, reason=self._why_not(source, target, avoid))
        costs, way = self._of(metric), [source]
        while way[-1] != target:  # each step has fewer hops before it than the one before
            node = way[-1]
            way.append(
                next(
                    peer
                    for peer in self._links[node]
                    if peer in tree
                    and not _avoided(node, peer, avoid)
                    and _onwards(costs[node][peer], self._through(peer, metric), tree[peer]) == tree[node]
                )
            )
        found = self._ways[key] = tuple(way)
        return found

    def leads(self, source: str, target: str, metric: str = "hops") -> bool:
        """Whether there is any way."""
        return target in self._links and source in self._tree(target, metric, frozenset())

    def check(self, route: Sequence[str]) -> None:
        """Whether somebody's own route can be gone. Raises NoRoute, with the place where it cannot."""
        reason = ""
        if len(route) < 2:
            reason = "a route has two ends at least"
        for name in route:
            if route.count(name) > 1:
                reason = reason or f"the route {_listed(route)} comes to {name} more than once"
        for node, peer in pairwise(route):
            if peer not in self._links.get(node, ()):
                reason = reason or f"the route {_listed(route)} has no link from {node} to {peer}: {self._known(node)}"
        if reason:
            ends = (route[0], route[-1]) if route else ("", "")
            raise NoRoute(source=ends[0], target=ends[1], reason=reason)

    def _tree(self, target: str, metric: str, avoid: frozenset[Avoided]) -> dict[str, Cost]:
        """What it costs to come to the target, from wherever one can (Dijkstra 1959, from the target outwards)."""
        key = (target, metric, avoid)
        if key in self._trees:
            return self._trees[key]
        costs, done = self._of(metric), dict[str, Cost]()
        best: dict[str, Cost] = {target: (0.0, 0)}
        queue: list[tuple[Cost, str]] = [((0.0, 0), target)]
        while queue:
            cost, node = heappop(queue)
            if node in done:
                continue
            done[node] = cost
            through = self._through(node, metric)
            for peer in self._links[node]:
                if peer in done or (avoid and _avoided(node, peer, avoid)):
                    continue
                onwards = _onwards(costs[peer][node], through, cost)
                if onwards < best.get(peer, (inf, 0)):
                    best[peer] = onwards
                    heappush(queue, (onwards, peer))
        self._trees[key] = done
        return done

    def _of(self, metric: str) -> dict[str, dict[str, float]]:
        """What each link costs, from each of its ends."""
        if metric not in self._costs:
            self._costs[metric] = {
                node: {peer: self._cost(node, link, metric) for peer, link in links.items()}
                for node, links in self._links.items()
            }
        return self._costs[metric]

    def _cost(self, node: str, link: LinkFacts, metric: str) -> float:
        if metric == "hops":
            return 1.0
        if metric == "time":
            return link_ns(link)
        return -log(max(werner_parameter(link, self._nodes[node], self._nodes[link.peer]), _LEAST))

    def _through(self, node: str, metric: str) -> float:
        """What it costs to pass a node. At the target too, where it is the same for all ways; not at the source."""
        if metric == "hops":
            return 0.0
        facts = self._nodes[node]
        return float(facts.swap_ns) if metric == "time" else -log(max(swap_factor(facts), _LEAST))

    def _why_not(self, source: str, target: str, avoid: Collection[Avoided]) -> str:
        if len(self._links) < 2:
            return f"nobody that {source} can ask knows a way"
        for node in (source, target):
            if node not in self._links:
                return f"nothing is known of {node}; known are: {_named(sorted(self._links))}"
        without = f" without {_named('~'.join(_ends(one)) for one in avoid)}" if avoid else ""
        reached = self._tree(source, "hops", frozenset(avoid)).keys() - {source}
        return f"{source} reaches{without} only: {_named(sorted(reached))}"

    def _known(self, node: str) -> str:
        if node not in self._links:
            return f"nothing is known of {node}"
        return f"its neighbours are: {_named(self._links[node])}"


def link_ns(link: LinkFacts) -> float:
    """How long it takes on average until both ends have a pair of a link and one has told the other."""
    return link.made_ns + link.attempt_ns * (1 / link.success - 1) + link.delay_ns


def werner_parameter(link: LinkFacts, here: NodeFacts, there: NodeFacts) -> float:
    """w = (4F - 1)/3 of the pairs of a link when they may be used, each half as old as it is then.

    Correlators XX and YY of a stored half decay with T2, ZZ with T1 (that relaxation also ends in |00> is left out).
    """
    phi, psi, phi_minus, psi_minus = link.vector
    mine, theirs = link.aged_ns
    e2 = exp(-mine / here.t2_ns - theirs / there.t2_ns)
    e1 = exp(-mine / here.t1_ns - theirs / there.t1_ns)
    # XX - YY is 2 (Phi+ - Phi-), ZZ is Phi+ + Phi- - Psi+ - Psi-; 4F - 1 is their sum
    return (2 * e2 * (phi - phi_minus) + e1 * (phi + phi_minus - psi - psi_minus)) / 3


def swap_factor(node: NodeFacts) -> float:
    """What a Bell measurement there leaves of w: (4F - 1)/3 of what it makes of two perfect pairs.

    By its mixing l and readout flip eps alone, this is (1-l)(4(1-eps)**2 - 1)/3.
    """
    return (4 * swapped(PERFECT, PERFECT, node.mixing, node.flip, node.single)[0] - 1) / 3


def _onwards(link: float, through: float, rest: Cost) -> Cost:
    return (link + through + rest[0], rest[1] + 1)


def _avoided(node: str, peer: str, avoid: Collection[Avoided]) -> bool:
    return node in avoid or peer in avoid or (node, peer) in avoid or (peer, node) in avoid


def _ends(avoided: Avoided) -> tuple[str, ...]:
    return (avoided,) if isinstance(avoided, str) else avoided


def _named(names: Iterable[str]) -> str:
    """Some of them, for a sentence."""
    given = list(names)
    more = f" and {len(given) - _NAMED} more" if len(given) > _NAMED else ""
    return (", ".join(given[:_NAMED]) or "nobody") + more


def _listed(route: Sequence[str]) -> str:
    return "-".join(route) if len(route) <= _NAMED else f"from {route[0]} to {route[-1]}"
