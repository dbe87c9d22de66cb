"""What another node's stack may say: who speaks of a circuit takes part in it, at the place that what it says is for.

A message that passes is worth no more than its sender's word; it only cannot make this node stumble, or speak for
others. What nobody can check is said in docs/security.md.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from math import inf
from typing import Final

from qnode.errors import MalformedMessage
from qnode.ids import NodeName
from qnode.wire.stack import (
    MOST_URGENT,
    Announce,
    Busy,
    Close,
    Down,
    Expire,
    Found,
    Free,
    Granted,
    Joined,
    LinkFacts,
    LinkState,
    Missing,
    NodeFacts,
    Parity,
    Refused,
    Seek,
    Settle,
    Setup,
    Talk,
    Terms,
    Track,
    Vector,
    Void,
    Wanted,
)

_LEAST: Final = -1e-6  # of a probability, rounded
_MOST: Final = 1 + 1e-6
MOST_HOPS: Final = 100_000
MOST_PAIRS: Final = 1_000_000_000
MOST_STEPS: Final = 64
MOST_NS: Final = 10**18
"""No time that a node tells of itself is longer: thirty years."""

RouteOf = Callable[[str], "tuple[str, ...] | None"]
"""The route of a circuit that this node takes part in, or keeps a place in its queue for."""

PeerOf = Callable[[int], "NodeName | None"]
"""With whom the request of this node is that has this number."""


def check(
    talk: Talk, sender: NodeName, me: NodeName, neighbours: Collection[str], route_of: RouteOf, peer_of: PeerOf
) -> None:
    """Raises MalformedMessage for what the sender must not say."""
    match talk:
        case Setup():
            _check_setup(talk, sender, me, neighbours)
            if talk.route[-1] == me:
                _require(peer_of(talk.far_number) in (None, talk.route[0]), sender, "a circuit for others' requests")
        case Missing() | Parity() if _are_ends(talk.circuit, sender, me, route_of):
            _require(isinstance(talk, Parity) or talk.number >= 0, sender, "a number that is none")
        case Track() | Expire() | Joined() | Missing() | Parity():
            _check_beside(talk.circuit, sender, me, route_of)
            _require(not isinstance(talk, Missing), sender, "what the requester is to say")
            if isinstance(talk, Track):
                _require(0 <= talk.frame <= 3 and _is_vector(talk.vector), sender, "a track of no frame or vector")
                _require(max(abs(talk.since_ns), abs(talk.known_ns)) < 2**62, sender, "a track of no time")
        case Granted() | Busy():
            good = isinstance(talk, Busy) or (talk.window >= 1 and is_node(talk.facts))
            _require(good, sender, "a grant of nothing, or of a node that cannot be")
            route = route_of(talk.circuit)
            if route is not None:
                place = route.index(me)
                _require(place + 1 < len(route) and route[place + 1] == sender, sender, "the word of the next node")
        case Settle():
            route = route_of(talk.circuit)
            if route is not None:
                _require({sender, me} == {route[0], route[-1]}, sender, "what the other end is to say")
            frames = [frame for _, frame in talk.pairs.values()]
            _require(all(0 <= frame <= 3 for frame in frames), sender, "a frame that is none")
            vectors = [vector for vector, _ in talk.expected.values()]
            _require(all(_is_vector(vector) for vector in vectors), sender, "a vector that is none")
        case Close():
            route = route_of(talk.circuit)
            ends = route is None or sender in (route[0], route[-1])
            _require(ends, sender, "the end of a circuit of others")
        case Down() | Free():
            route = route_of(talk.circuit)
            _require(route is None or sender in route, sender, "something of a circuit that it takes no part in")
        case Wanted():
            _require(_is_possible(talk.terms, sender, me), sender, "terms that nobody can meet")
            good = 1 <= talk.n <= MOST_PAIRS and 0.0 <= talk.min_fidelity <= 1.0 and talk.at_ns >= 0
            good = good and abs(talk.priority) <= MOST_URGENT
            _require(good, sender, "a request that nobody can have")
            _require(peer_of(talk.met) in (None, sender), sender, "that it has met the request of others")
        case Announce() | Seek():
            _require(sender in neighbours, sender, "something of routes, and is no neighbour")
            if isinstance(talk, Announce):
                _require(all(map(_is_state, talk.states)), sender, "the state of a node that cannot be")
        case Found():
            _require(talk.state.node == sender, sender, "the state of another node as its own")
            _require(_is_state(talk.state), sender, "the state of a node that cannot be")
        case Void():
            _require(peer_of(talk.met) in (None, sender), sender, "the end of others' request")
        case Refused():
            pass  # a node on the way may; which that is, is for the request to know


def _check_setup(setup: Setup, sender: NodeName, me: NodeName, neighbours: Collection[str]) -> None:
    route = setup.route
    _require(2 <= len(set(route)) == len(route) <= MOST_HOPS and me in route[1:], sender, "a route that is none")
    place = route.index(me)
    _require(route[place - 1] == sender and sender in neighbours, sender, "a circuit for others")
    _require(place == len(route) - 1 or route[place + 1] in neighbours, sender, "a route over no link")
    requester, _, rest = setup.circuit.partition(">")
    _require(
        requester.partition("!")[0] == route[0] and rest.partition("#")[0] == route[-1],
        sender,
        "a circuit whose name is not that of its ends",
    )
    rates = not setup.rates or (len(setup.rates) == len(route) - 1 and all(0.0 <= rate < inf for rate in setup.rates))
    _require(rates and 0 <= setup.from_ns <= setup.to_ns, sender, "a circuit on terms that nobody can meet")
    hops = len(route) - 1
    distils = len(setup.schemes) == hops and len(setup.nodes) == hops + 1 and len(setup.delays_ns) in (0, hops)
    plain = not (setup.schemes or setup.ends.steps or setup.delays_ns)
    _require(plain or distils, sender, "a plan that does not fit its route")
    possible = plain or all(0 <= one.steps <= MOST_STEPS for one in (*setup.schemes, setup.ends))
    _require(possible, sender, "a scheme that nobody has memory for")
    _require(0 <= setup.n <= MOST_PAIRS and setup.window >= 1, sender, "a circuit of nothing")
    _require(abs(setup.priority) <= MOST_URGENT, sender, "a circuit of no priority")
    good = all(map(is_node, (setup.facts, *setup.nodes))) and all(map(_is_time, setup.delays_ns))
    _require(good, sender, "a circuit of nodes that cannot be")


def _is_possible(terms: Terms, sender: NodeName, me: NodeName) -> bool:
    route = terms.route
    ends = not route or (2 <= len(set(route)) == len(route) <= MOST_HOPS and (route[0], route[-1]) == (sender, me))
    return ends and 0.0 <= terms.rate < inf and 0 <= terms.from_ns <= terms.to_ns


def _are_ends(circuit: str, sender: NodeName, me: NodeName, route_of: RouteOf) -> bool:
    """Whether these two are requester and far end, which of them is which being open."""
    route = route_of(circuit)
    return route is None or {sender, me} == {route[0], route[-1]}


def _check_beside(circuit: str, sender: NodeName, me: NodeName, route_of: RouteOf) -> None:
    route = route_of(circuit)
    if route is not None:
        place = route.index(me)
        before = place and route[place - 1] == sender
        _require(before or sender in route[place + 1 : place + 2], sender, "the word of others")


def _is_state(state: LinkState) -> bool:
    """Whether a node and its links can be like that."""
    return is_node(state.facts) and all(map(_is_link, state.links))


def is_node(facts: NodeFacts) -> bool:
    """Whether a node can be like that."""
    stores = facts.t1_ns > 0.0 and facts.t2_ns > 0.0
    errors = 0.0 <= facts.mixing <= 1.0 and 0.0 <= facts.flip <= 1.0 and 0.0 <= facts.single <= 1.0
    return stores and errors and 0 <= facts.slots <= MOST_PAIRS and _is_time(facts.swap_ns)


def _is_link(link: LinkFacts) -> bool:
    times = all(map(_is_time, (link.delay_ns, link.attempt_ns, link.made_ns, *link.aged_ns)))
    return times and 0.0 < link.success <= 1.0 and _is_vector(link.vector)


def _is_time(ns: int) -> bool:
    return 0 <= ns <= MOST_NS


def _is_vector(vector: Vector) -> bool:
    phi_plus, psi_plus, phi_minus, psi_minus = vector
    return (
        _LEAST <= phi_plus <= _MOST
        and _LEAST <= psi_plus <= _MOST
        and _LEAST <= psi_minus <= _MOST
        and _LEAST <= phi_minus <= _MOST
    )


def _require(good: bool, sender: NodeName, what: str) -> None:
    if not good:
        raise MalformedMessage(detail=f"the stack of {sender} sent {what}")
