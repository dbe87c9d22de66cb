"""The requester's side of circuits: it picks a route, says what each node of it is to do, and sets the circuit up.

Where memories are short, it waits until it is told that there are enough, and tries again; where there are none in the
time that was booked, it goes another way.
"""

from __future__ import annotations

from msgspec.structs import replace

from qnode.core.coins import derive_key
from qnode.errors import FidelityUnreachable, NoRoute, OutOfMemory, QnodeError, RateUnreachable, WindowTaken
from qnode.ids import NodeName, life_of
from qnode.stack.local import Local
from qnode.stack.planning import Plan, Unreachable, plan
from qnode.stack.requests import Requests
from qnode.stack.table import CircuitTable
from qnode.stack.terms import agreed, as_they_come, capacity_hz, shares, short_of, way, window_for
from qnode.stack.wants import Want
from qnode.stack.ways import Routes
from qnode.wire.stack import LinkFacts, NodeFacts, Setup, Terms, Wanted


class Requester:
    """What a node does for those of its requests that have met another, and were first."""

    def __init__(self, local: Local, table: CircuitTable, requests: Requests, routes: Routes) -> None:
        self._local = local
        self._table = table
        self._requests = requests
        self._routes = routes
        self._attempts = 0
        self._opened: dict[NodeName, int] = {}  # circuits, by the far end

    def set_up(self, want: Want) -> None:
        """Try to set up a circuit for what is missing of a request, the one that it has or another."""
        want.freed = False
        if want.state != "routing":  # else what was sought in vain would be sought for ever
            self._routes.need(want.peer)
        assert want.theirs is not None
        mine, theirs = want.asked, want.theirs
        terms = agreed(mine.terms, theirs.terms)
        try:
            route = self._route(want, terms)
        except QnodeError as error:
            self._requests.refuse_both(want, next(iter(want.avoid.values()), error))
            return
        if route is None:
            return
        self._take_route(want, route)
        setup = self._setup(want, theirs, route, terms)
        if isinstance(setup, QnodeError):
            self._requests.refuse_both(want, setup)
            return
        joined = self._table.join(setup, want)
        if isinstance(joined, QnodeError):
            self._requests.refuse_both(want, joined)
        elif joined is not None:
            want.state = "setting up"
            self._local.tell(route[1], replace(setup, window=joined.window))
        else:
            self._queue(want, self._local.name)

    # ------------------------------------------------------------ the route

    def routes_changed(self) -> None:
        """More is known of the network: those who wait for a route look again."""
        wants = self._requests.wants
        for want in list(wants.values()):
            if want.asked.number not in wants:  # it has ended with another
                continue
            if want.state == "routing":
                self.set_up(want)
            elif want.state == "asked":
                self.check_way(want)

    def check_way(self, want: Want) -> None:
        """Where no way leads, nobody need wait for the peer, who may never hear of it."""
        try:
            self._routes.route(want.peer)
        except NoRoute as error:
            self._requests.refuse(want, error)

    def _route(self, want: Want, terms: Terms) -> tuple[str, ...] | None:
        """The route that a request is to take, or None if it has to wait for one. Raises NoRoute, RateUnreachable."""
        gone = self._local.lost.intersection(terms.route)
        if gone:
            reason = f"node {min(gone)} on the given route is gone"
            raise NoRoute(source=self._local.name, target=want.peer, reason=reason)
        route = self._known_route(want, terms)
        if route is None:
            want.state = "routing"
            self._routes.need(want.peer)  # which may have been forgotten since
            route = self._known_route(want, terms)  # where nobody is left to be asked, all is known at once
        return route

    def _known_route(self, want: Want, terms: Terms) -> tuple[str, ...] | None:
        local = self._local
        route = way(self._routes, local.name, want.peer, terms, local.spec, avoid=want.avoid)
        if route is not None and not local.lost.isdisjoint(route):  # it was found before that was known
            self._routes.forget(want.peer)
            return None
        return route

    def _take_route(self, want: Want, route: tuple[str, ...]) -> None:
        """A circuit goes one way for as long as it is: another is another circuit."""
        if want.route != route:
            self._table.leave(want)
            want.route = route
        if not want.circuit:
            opened = self._opened.get(want.peer, 0)
            self._opened[want.peer] = opened + 1
            self._table.assign(f"{life_of(self._local.name, self._local.life)}>{want.peer}#{opened}", want)

    # ------------------------------------------------------------ what each node is to do

    def _setup(self, want: Want, theirs: Wanted, route: tuple[str, ...], terms: Terms) -> Setup | QnodeError:
        mine, local = want.asked, self._local
        n = mine.n - want.whole
        self._attempts += 1
        setup = Setup(
            want.circuit, route, mine.number, theirs.number, n, min(n, local.spec.window), want.since_ns, local.facts,
            kind=mine.kind, priority=max(mine.priority, theirs.priority), from_ns=terms.from_ns, to_ns=terms.to_ns,
            attempt=self._attempts,
        )  # fmt: skip
        wanted = max(mine.min_fidelity, theirs.min_fidelity)
        if not wanted and not terms.rate:
            return setup
        nodes, links = self._routes.facts_along(route)
        chosen: Plan | None = None
        if wanted:
            found = self._plan(nodes, links, wanted, mine, theirs)
            if isinstance(found, Unreachable):
                best = f"{found.reachable:.4f}"
                return FidelityUnreachable(node=local.name, peer=want.peer, wanted=f"{wanted:g}", reachable=best)
            chosen = found
            if found.distils:
                key = derive_key(local.key, want.circuit)
                setup = replace(setup, schemes=found.links, nodes=nodes, key=key)
                if found.ends.steps:
                    delays = tuple([link.delay_ns for link in links])
                    setup = replace(setup, ends=found.ends, delays_ns=delays, window=local.spec.window)
        return self._promised(setup, terms.rate, chosen, nodes, links) if terms.rate else setup

    def _plan(
        self, nodes: tuple[NodeFacts, ...], links: tuple[LinkFacts, ...], wanted: float, mine: Wanted, theirs: Wanted
    ) -> Plan | Unreachable:
        """How much is to be distilled, and where, with what memory the ends have besides that for finished pairs."""
        first, last = (replace(node, slots=asked.spare + 1) for node, asked in ((nodes[0], mine), (nodes[-1], theirs)))
        return plan((first, *nodes[1:-1], last), links, wanted, self._local.spec, at_ends=mine.kind == "keep")

    def _promised(
        self,
        setup: Setup,
        rate: float,
        chosen: Plan | None,
        nodes: tuple[NodeFacts, ...],
        links: tuple[LinkFacts, ...],
    ) -> Setup | RateUnreachable:
        """With what each link is to make for pairs at a rate, and as many under way as that takes."""
        spec = self._local.spec
        rates = shares(rate, chosen or as_they_come(nodes, links, spec), nodes, links, spec)
        short = short_of(rates, links)
        if short is not None:
            least = rate * capacity_hz(links[short]) / rates[short]
            link = "~".join(setup.route[short : short + 2])
            return RateUnreachable(
                node=self._local.name, peer=setup.route[-1], wanted=f"{rate:g}", link=link, reachable=f"{least:.4g}"
            )
        window = setup.window if setup.schemes else max(setup.window, window_for(rate, nodes, links, spec))
        return replace(setup, rates=rates, window=window if setup.ends.steps else min(window, setup.n))

    # ------------------------------------------------------------ where it does not succeed at once

    def is_busy(self, want: Want, node: str) -> None:
        """A node on the way has no memory for its circuit now, and will say when it has: `Free`, perhaps already."""
        want.waits_at.add(node)
        if want.freed:
            self.set_up(want)
        else:
            self._queue(want, node)

    def is_free(self, want: Want) -> None:
        """There is memory for it now."""
        if want.state == "queued":
            self.set_up(want)
        else:
            want.freed = True

    def refused(self, sender: NodeName, want: Want, error: QnodeError) -> None:
        """By the peer, where it is over, too; or by a node on the way."""
        if sender == want.peer:
            self._requests.refuse_here(want, error)
        elif not want.circuit or want.route[0] != self._local.name or sender not in want.route:
            return  # it is no matter of the sender's, or not any more
        elif isinstance(error, WindowTaken | OutOfMemory) and sender not in want.avoid and not _given_way(want):
            want.avoid[sender] = error
            self._table.leave(want)
            self.set_up(want)
        elif want.theirs is not None:
            self._requests.refuse_both(want, error)

    def lost_way(self, want: Want) -> None:
        """Nodes on its way have given its circuit up before it began."""
        self._routes.forget(want.peer)
        self.set_up(want)

    def node_lost(self, node: NodeName) -> None:
        """Requests that wait for memory on a way over that node need not."""
        for want in [one for one in self._requests.wants.values() if one.state == "queued" and node in one.route]:
            self.set_up(want)

    def _queue(self, want: Want, at: str) -> None:
        want.state, want.waits_for = "queued", at
        want.waits += 1
        self._local.log("network_queued", want.asked.program, want.asked.number, peer=at, name=want.circuit)


def _given_way(want: Want) -> bool:
    return bool(want.asked.terms.route or (want.theirs is not None and want.theirs.terms.route))
