"""What another node's stack may say: who speaks of a circuit takes part in it, at the place that what it says is for.

A message that passes is worth no more than its sender's word; it only cannot make this node stumble, or speak for
others. What nobody can check is said in docs/security.md.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from math import inf, isfinite
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
    Missing,
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

MOST_HOPS: Final = 100_000
MOST_PAIRS: Final = 1_000_000_000
MOST_STEPS: Final = 64

RouteOf = Callable[[str], "tuple[str, ...] | None"]
"""The route of a circuit that this node takes part in, or keeps a place in its queue for."""


def check(talk: Talk, sender: NodeName, me: NodeName, neighbours: Collection[str], route_of: RouteOf) -> None:
    """Raises MalformedMessage for what the sender must not say."""
    match talk:
        case Setup():
            _check_setup(talk, sender, me, neighbours)
        case Missing() | Parity() if _are_ends(talk.circuit, sender, me, route_of):
            _require(isinstance(talk, Parity) or talk.number >= 0, sender, "a number that is none")
        case Track() | Expire() | Joined() | Missing() | Parity():
            _check_beside(talk.circuit, sender, me, route_of)
            _require(not isinstance(talk, Missing), sender, "what the requester is to say")
            if isinstance(talk, Track):
                _require(0 <= talk.frame <= 3 and _is_vector(talk.vector), sender, "a track of no frame or vector")
        case Granted() | Busy():
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
        case Close() | Down() | Free():
            route = route_of(talk.circuit)
            _require(route is None or sender in route, sender, "something of a circuit that it takes no part in")
        case Wanted():
            _require(_is_possible(talk.terms, sender, me), sender, "terms that nobody can meet")
            good = 1 <= talk.n <= MOST_PAIRS and 0.0 <= talk.min_fidelity <= 1.0 and talk.at_ns >= 0
            good = good and abs(talk.priority) <= MOST_URGENT
            _require(good, sender, "a request that nobody can have")
        case Announce() | Seek() | Found():
            _require(sender in neighbours, sender, "something of routes, and is no neighbour")
        case Void() | Refused():
            pass  # of requests of its own, or with itself: others are not found under its name


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
    schemes = (*setup.schemes, setup.ends)
    _require(all(0 <= one.steps <= MOST_STEPS for one in schemes), sender, "a scheme that nobody has memory for")
    _require(0 <= setup.n <= MOST_PAIRS and setup.window >= 1, sender, "a circuit of nothing")
    _require(abs(setup.priority) <= MOST_URGENT, sender, "a circuit of no priority")


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
        _require(sender in (route[place - 1 : place] + route[place + 1 : place + 2]), sender, "the word of others")


def _is_vector(vector: Vector) -> bool:
    return all(isfinite(one) for one in vector)


def _require(good: bool, sender: NodeName, what: str) -> None:
    if not good:
        raise MalformedMessage(detail=f"the stack of {sender} sent {what}")
