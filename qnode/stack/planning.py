"""How much distillation a request needs: the cheapest way along a route that promises the fidelity that is wanted.

Every link may distil its pairs before they are swapped, and the ends what comes of that; both by any `Scheme` for which
there is memory. Links are improved where they are worst, step by step; at each of these stages everything that the ends
could do is reckoned out, and of all that is good enough the quickest is taken. What is promised is a mean over the
waits, from what nodes and links tell of themselves.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import accumulate, pairwise, product
from math import prod
from typing import Final, NamedTuple

import msgspec

from qnode.stack.expectation import both_stored, fidelity
from qnode.stack.supplies import Ends, Supply, improved, joined, of_link
from qnode.wire.stack import LinkFacts, NodeFacts, Scheme, StackSpec, Vector

MOST_ROUNDS: Final = 5
MOST_PUMPED: Final = 8
DIRECT: Final = Scheme()
SCHEMES: Final = (
    DIRECT,
    *(Scheme(steps) for steps in range(1, MOST_ROUNDS + 1)),
    *(Scheme(steps, pumping=True) for steps in range(2, MOST_PUMPED + 1)),  # once is a round
)
ROUNDING: Final = 1e-9
ALL_OF: Final = 150
"""So many mixtures of what links could do are all looked at."""
STAGES: Final = 16
"""Into how many parts the links of a long route are divided, to be improved together."""


class Plan(NamedTuple):
    """How a request is served.

    Attributes:
        links, ends: What is done to the pairs of each link, in the order of the route, and to those from end to end.
        vector: What is to be expected of a pair when both ends have it.
        time_ns: From one pair to the next, in the mean.
        raw: How many link pairs are made for one, on all links together.
        slots: What each node of the route needs at least.
    """

    links: tuple[Scheme, ...]
    ends: Scheme
    vector: Vector
    time_ns: float
    raw: float
    slots: tuple[int, ...]

    @property
    def fidelity(self) -> float:
        """To Phi+."""
        return fidelity(self.vector)

    @property
    def distils(self) -> bool:
        """Whether anything is to be done but to make pairs and to swap them."""
        return any(scheme.steps for scheme in (*self.links, self.ends))


class Unreachable(NamedTuple):
    """No plan is good enough; the fidelity of the best."""

    reachable: float


class _Option(NamedTuple):
    scheme: Scheme
    supply: Supply


def _good(option: _Option) -> float:
    return fidelity(option.supply.vector)


def plan(
    nodes: Sequence[NodeFacts],
    links: Sequence[LinkFacts],
    min_fidelity: float,
    spec: StackSpec,
    *,
    at_ends: bool = True,
) -> Plan | Unreachable:
    """The quickest way to pairs of this fidelity along a route.

    Args:
        nodes: All nodes of the route, requester first.
        links: From each of them to the next, as the first of the two knows it.
        at_ends: Whether the ends can distil what comes of the links.
    """
    route = _Route(tuple(nodes), tuple(links), spec)
    direct = route.planned([DIRECT] * len(links), DIRECT, route.whole(list(map(of_link, links, route.pairs))))
    wanted = min_fidelity - ROUNDING
    if direct.fidelity >= wanted or spec.distillation == "none":
        return direct if direct.fidelity >= wanted else Unreachable(direct.fidelity)
    reachable = direct.fidelity
    best: Plan | None = None
    options = [_options(msgspec.structs.replace(link, peer=""), *pair, spec.distillation) for link, pair in route.hops]
    for chosen in _mixtures(route, options):
        schemes = [option.scheme for option in chosen]
        if not route.has_room(schemes, DIRECT):
            continue
        supply = route.whole([option.supply for option in chosen])
        if best is not None and supply.mean_ns >= best.time_ns:
            continue
        for ends in SCHEMES if at_ends and len(links) > 1 and fidelity(supply.vector) > 0.5 else SCHEMES[:1]:
            if route.has_room(schemes, ends):
                better = improved(supply, ends, spec.distillation, (nodes[0], nodes[-1]), route.message_ns)
                reachable = max(reachable, fidelity(better.vector))
                if fidelity(better.vector) >= wanted and (best is None or better.mean_ns < best.time_ns):
                    best = route.planned(schemes, ends, better)
    return best or Unreachable(reachable)


@lru_cache(maxsize=256)
def _options(link: LinkFacts, one: NodeFacts, other: NodeFacts, method: str) -> tuple[_Option, ...]:
    """What can be made of a link's pairs, the quickest first; what is slower, no better and no smaller is left out."""
    raw = of_link(link, (one, other))
    supplies = [_Option(each, improved(raw, each, method, (one, other), link.delay_ns)) for each in SCHEMES]
    supplies.sort(key=lambda option: (option.supply.mean_ns, option.scheme.slots))
    kept: list[_Option] = []
    for option in supplies:
        if not any(_good(each) >= _good(option) and each.scheme.slots <= option.scheme.slots for each in kept):
            kept.append(option)
    return tuple(kept)


def _mixtures(route: _Route, options: Sequence[Sequence[_Option]]) -> Iterator[Sequence[_Option]]:
    """Which option each link takes: all there are on a short route, else those that look promising."""
    if prod(map(len, options)) <= ALL_OF:
        yield from product(*options)
    else:
        yield from _levelled(route, options)
        yield from _in_time(route, options)


def _levelled(route: _Route, options: Sequence[Sequence[_Option]]) -> Iterator[Sequence[_Option]]:
    """Improved from stage to stage where it is worst, as far as memories allow."""
    chosen = [each[0] for each in options]
    can = list(range(len(options)))
    together = max(1, len(options) // STAGES)
    while can:
        can.sort(key=lambda hop: _good(chosen[hop]))
        worst = _good(chosen[can[:together][-1]])
        stuck = set()
        for hop in [hop for hop in can if _good(chosen[hop]) <= worst]:
            room, now = route.room(chosen, hop), _good(chosen[hop])
            better = [option for option in options[hop] if option.scheme.slots <= room and _good(option) > now]
            if better:
                chosen[hop] = better[0]
            else:
                stuck.add(hop)
        can = [hop for hop in can if hop not in stuck]
        yield chosen


def _in_time(route: _Route, options: Sequence[Sequence[_Option]]) -> Iterator[Sequence[_Option]]:
    """Each link as good as it can be in a time, the worst first to take memories."""
    worst_first = sorted(range(len(options)), key=lambda hop: _good(options[hop][0]))
    times = sorted({option.supply.mean_ns for each in options for option in each})
    for time_ns in times[:: max(1, len(times) // (4 * STAGES))]:
        chosen = [each[0] for each in options]
        for hop in worst_first:
            room = route.room(chosen, hop)
            fitting = [each for each in options[hop] if each.supply.mean_ns <= time_ns and each.scheme.slots <= room]
            chosen[hop] = max(fitting, key=_good, default=chosen[hop])
        yield chosen


class _Route:
    """The nodes and links between two ends, and what they can do together."""

    def __init__(self, nodes: tuple[NodeFacts, ...], links: tuple[LinkFacts, ...], spec: StackSpec) -> None:
        self.nodes = nodes
        self.pairs: list[Ends] = list(pairwise(nodes))
        self.hops = list(zip(links, self.pairs, strict=True))
        self._spec = spec
        *to, whole = accumulate(link.delay_ns for link in links)
        self.message_ns = whole
        self._track_ns = 0.0  # from the last swap until both ends know
        if to:
            swap_ns = max(node.swap_ns for node in nodes[1:-1])
            self._track_ns = swap_ns + sum(max(left, whole - left) for left in to) / len(to)
        self._window = max(1, min(spec.window, *(node.slots // 2 for node in nodes[1:-1]))) if to else 1

    def whole(self, supplies: list[Supply]) -> Supply:
        """From end to end: all links at the same time, swaps, and what the ends are told of them."""
        chain = supplies[0]
        for hop, supply in enumerate(supplies[1:], 1):
            chain = joined(chain, supply, (self.nodes[0], self.nodes[hop], self.nodes[hop + 1]), self._spec)
        mean_ns = max((chain.mean_ns + self._track_ns) / self._window, *(supply.mean_ns for supply in supplies))
        vector = both_stored(chain.vector, self._track_ns, self.nodes[0], self.nodes[-1])
        return chain._replace(vector=vector, mean_ns=mean_ns)

    def slots(self, links: Sequence[Scheme], ends: Scheme) -> tuple[int, ...]:
        """That each node needs at least: for what its links make, and at the ends for what waits there."""
        needed = [scheme.slots for scheme in links]
        between = [left + right for left, right in pairwise(needed)]
        return (needed[0] + ends.slots - 1, *between, needed[-1] + ends.slots - 1)

    def room(self, chosen: Sequence[_Option], hop: int) -> int:
        """How many slots a link may take at each of its ends beside those that the links next to it take."""
        left, right = self.pairs[hop]
        before = chosen[hop - 1].scheme.slots if hop else 0
        behind = chosen[hop + 1].scheme.slots if hop + 1 < len(chosen) else 0
        return min(left.slots - before, right.slots - behind)

    def has_room(self, links: Sequence[Scheme], ends: Scheme) -> bool:
        """Whether all nodes have these."""
        return all(need <= node.slots for need, node in zip(self.slots(links, ends), self.nodes, strict=True))

    def planned(self, links: Sequence[Scheme], ends: Scheme, supply: Supply) -> Plan:
        """As a plan."""
        return Plan(tuple(links), ends, supply.vector, supply.mean_ns, supply.raw, self.slots(links, ends))
