"""What a request asks for besides pairs: a way, a rate, a time. What both ends must agree on, and which way will do.

A rate is what every link of the way has to be able to make: end-to-end pairs a second, times the link pairs that each
of them takes, since swaps and distillation fail and pairs get too old. That is known once a way has been chosen, of
which each link makes rate/s^(k-1) at least, if k links are joined by swaps that succeed with probability s.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from math import ceil, inf

from msgspec.structs import replace

from qnode.errors import NoRoute, RateUnreachable, TermsMismatch
from qnode.ids import NodeName
from qnode.stack.planning import Plan, plan
from qnode.stack.routes import Avoided
from qnode.stack.supplies import improved, of_link
from qnode.stack.ways import Ways
from qnode.wire.stack import LinkFacts, NodeFacts, StackSpec, Terms

_ROUNDING = 1e-9


def mismatch(me: NodeName, peer: NodeName, mine: Terms, theirs: Terms) -> TermsMismatch | None:
    """Why my request and the peer's cannot meet, as I am told it."""
    if mine.route and theirs.route and mine.route != theirs.route[::-1]:
        wanted, offered = (f"over {'-'.join(one.route)}" for one in (mine, theirs))
        return TermsMismatch(node=me, peer=peer, wanted=wanted, offered=offered)
    if (mine.from_ns, mine.to_ns) != (theirs.from_ns, theirs.to_ns):
        return TermsMismatch(node=me, peer=peer, wanted=_window(mine), offered=_window(theirs))
    return None


def _window(terms: Terms) -> str:
    return f"from {terms.from_ns / 1e9:g} to {terms.to_ns / 1e9:g} s" if terms.to_ns else "at any time"


def agreed(mine: Terms, theirs: Terms) -> Terms:
    """Of two requests that have met, seen from the requester: the given way, and the higher rate."""
    return replace(mine, route=mine.route or theirs.route[::-1], rate=max(mine.rate, theirs.rate))


def way(
    ways: Ways, me: str, peer: str, terms: Terms, spec: StackSpec, *, avoid: Collection[Avoided] = ()
) -> tuple[str, ...] | None:
    """Which way a request goes; None: that is not known yet. Raises NoRoute and RateUnreachable."""
    found = ways.route(peer, avoid=avoid)
    if found is None:
        return None
    if terms.route:
        ways.check(terms.route)
        found = terms.route
    if not terms.rate:
        return found
    best, where, narrow = 0.0, "", set[Avoided](avoid)
    while True:
        _, links = ways.facts_along(found)
        kept = spec.swap_success ** (len(links) - 1)
        rates = [(capacity_hz(link) * kept, found[nth], link.peer) for nth, link in enumerate(links)]
        least, one, other = min(rates)
        if least * (1 + _ROUNDING) >= terms.rate:
            return found
        if least > best:
            best, where = least, f"{one}~{other}"
        narrow |= {(one, other) for rate, one, other in rates if rate <= best}
        try:
            onwards = None if terms.route else ways.route(peer, avoid=narrow)
        except NoRoute:
            onwards = None
        if onwards is None:  # nothing but links that make no more
            raise RateUnreachable(node=me, peer=peer, wanted=f"{terms.rate:g}", link=where, reachable=f"{best:.4g}")
        found = onwards


def capacity_hz(link: LinkFacts) -> float:
    """How many pairs a second a link makes in the mean; infinite if it makes any number at once."""
    return link.success * 1e9 / link.attempt_ns if link.attempt_ns else inf


def shares(
    rate: float, chosen: Plan, nodes: Sequence[NodeFacts], links: Sequence[LinkFacts], spec: StackSpec
) -> tuple[float, ...]:
    """How many pairs a second each link of a way is to make for end-to-end pairs of this rate, by that plan."""
    raw = []
    for nth, (link, scheme) in enumerate(zip(links, chosen.links, strict=True)):
        ends = (nodes[nth], nodes[nth + 1])
        raw.append(improved(of_link(link, ends), scheme, spec.distillation, ends, link.delay_ns).raw)
    return tuple(rate * chosen.raw * one / sum(raw) for one in raw)


def short_of(rates: Sequence[float], links: Sequence[LinkFacts]) -> int | None:
    """Which link, by its place on the way, can make the least of its share, if that is too little."""
    parts = [capacity_hz(link) / rate for rate, link in zip(rates, links, strict=True)]
    least = min(range(len(parts)), key=parts.__getitem__)
    return least if parts[least] * (1 + _ROUNDING) < 1.0 else None


def as_they_come(nodes: Sequence[NodeFacts], links: Sequence[LinkFacts], spec: StackSpec) -> Plan:
    """What happens on a way where nothing is distilled."""
    found = plan(nodes, links, 0.0, spec)
    assert isinstance(found, Plan)  # everything is good enough
    return found


def window_for(rate: float, nodes: Sequence[NodeFacts], links: Sequence[LinkFacts], spec: StackSpec) -> int:
    """How many pairs have to be under way at once for this rate, if each takes its mean time (Little's law)."""
    one_by_one = as_they_come(nodes, links, replace(spec, window=1))
    return max(1, ceil(rate * one_by_one.time_ns / 1e9 - _ROUNDING))
