"""The network layer of one node: requests of its programs, met by those of others, served over circuits.

Requests of two nodes meet in order, for each program and tag. One of the two decides which meet, so that they never
disagree, whatever is withdrawn meanwhile: the other tells it what it wants, and hears of it when it has met. Who asked
earlier is the requester: it picks the route and sets the circuit up, node by node. Where memories are short, it waits
until it is told that there are enough, and tries again.
"""

from __future__ import annotations

from bisect import insort
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Final, Literal

from msgspec.structs import replace

from qnode.core.coins import derive_key
from qnode.errors import (
    FidelityUnreachable,
    MalformedMessage,
    NoRoute,
    OutOfMemory,
    PeerLost,
    QnodeError,
    RateUnreachable,
    RequestMismatch,
    RequestOver,
    WindowTaken,
    from_wire,
)
from qnode.ids import NodeName, PairId, life_of
from qnode.stack.admission import Admission, Slots, applicant
from qnode.stack.checking import check
from qnode.stack.circuits import AT_ONCE, BY_NUMBER, Circuit
from qnode.stack.effects import Effect, Freed, Half, Log, Refuse, SetAside, Tell
from qnode.stack.planning import Plan, Unreachable, plan
from qnode.stack.promises import crowded
from qnode.stack.recent import remember
from qnode.stack.terms import agreed, as_they_come, capacity_hz, mismatch, shares, short_of, way, window_for
from qnode.stack.wants import Want
from qnode.stack.ways import Routes
from qnode.stack.windows import book
from qnode.wire.items import Back, LinkDown, LinkUp, Lost
from qnode.wire.stack import (
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
    Missing,
    NodeFacts,
    Parity,
    Refused,
    Seek,
    Settle,
    Setup,
    StackSpec,
    Talk,
    Terms,
    Track,
    Vector,
    Void,
    Wanted,
)

OF_A_LIFE: Final = 1_000_000
"""Each life of a node numbers its requests from others on: what comes late of an earlier one names none of the next."""

ANY: Final = Terms()

Pairs = dict[int, tuple[str, int]]
Expected = dict[int, tuple[Vector, int]]
Talks = tuple[NodeName, str, str, str]  # peer, program, tag, kind


class Meeting:
    """Requests that have met none, of this node's program and of a peer's of the same name, per tag, oldest first.

    It is kept by the one of the two nodes that decides.
    """

    __slots__ = ("mine", "talks", "theirs")

    def __init__(self, talks: Talks) -> None:
        self.talks = talks
        self.mine: list[Want] = []
        self.theirs: list[Wanted] = []


class NetworkLayer:
    """Events in, effects out; `out` is emptied by whoever carries them out.

    Args:
        memory: The slots where pairs arrive; taken here, given back by the shell.
    """

    def __init__(
        self,
        name: NodeName,
        life: int,
        spec: StackSpec,
        facts: NodeFacts,
        links: Iterable[LinkFacts],
        memory: Slots,
        routes: Routes,
    ) -> None:
        self.name = name
        self.now_ns = 0
        self.out: list[Effect] = []
        self.key = b""  # of what this node draws for circuits
        self.circuits: dict[str, Circuit] = {}
        self.wants: dict[int, Want] = {}
        self._life = life
        self._spec = spec
        self._facts = facts
        self._links = {link.peer: link for link in links}
        self._memory = memory
        self._routes = routes
        self._admission = Admission(memory, self._crowded)
        self._paused = False  # whether any circuit here may be
        self._promises = False  # whether any circuit here was ever promised a rate
        self.meetings: dict[Talks, Meeting] = {}
        self._numbered = life * OF_A_LIFE
        self._attempts = 0
        self._circuits_of: dict[str, Want] = {}
        self._opened: dict[NodeName, int] = {}
        self._setups: dict[str, Setup] = {}  # that wait, by circuit, at their requester
        self._finished: OrderedDict[str, tuple[Pairs, Expected]] = OrderedDict()
        # Circuits, and the end that has closed them: its `Close` may have overtaken their `Setup`.
        self._closed_early: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._tried: OrderedDict[tuple[str, str], int] = OrderedDict()  # circuits, by whom, and the last attempt
        self._heard_of: OrderedDict[tuple[NodeName, int, int, int], None] = OrderedDict()  # requests of others
        self._lost: set[NodeName] = set()
        self._lives: dict[NodeName, int] = {}  # of nodes that were lost: the next
        self._down: set[NodeName] = set()  # neighbours to whom the link makes nothing

    # ------------------------------------------------------------ what programs ask for

    def ask(
        self,
        program: str,
        peer: NodeName,
        tag: str,
        n: int,
        min_fidelity: float,
        at_once: int,
        *,
        priority: int = 0,
        kind: str = "keep",
        by_number: bool = False,
        terms: Terms = ANY,
    ) -> int:
        """A program wants n pairs with a peer, and has room for so many at once. Returns the request's number.

        With kind "measure" it wants the outcomes of its halves, and needs no room; `by_number` if these are not all
        measured in the same basis.
        """
        self._numbered += 1
        spare = self._memory.most(program) - (at_once if kind == "keep" else 1)
        wanted = Wanted(self._numbered, program, tag, n, min_fidelity, self.now_ns, kind, 0, priority, terms, spare)
        want = self.wants[wanted.number] = Want(peer, wanted, at_once)
        want.by_number = by_number
        self.out.append(Log("network_request", program, wanted.number, peer=peer, n=n, name=tag))
        self._routes.need(peer)
        if self._decides(peer):
            meeting = self._meeting(peer, wanted)
            meeting.mine.append(want)
            self._meet(peer, meeting)
        else:
            self.out.append(Tell(peer, wanted))
        if wanted.number in self.wants and want.state == "asked":
            self._check_way(want)
        return wanted.number

    def withdraw(self, number: int, why: str = "withdrawn") -> None:
        """A program has given up, or its time is over; a request that is over is over."""
        want = self.wants.get(number)
        if want is not None:
            self.out.append(Log(f"network_{why}", want.asked.program, number, peer=want.peer, n=want.asked.n))
            if want.state in ("asked", "routing"):
                self._routes.doubt(want.peer)
            self._end(want)

    def _end(self, want: Want, *, served: bool = False) -> None:
        """A request is over; the peer is told, unless both were served."""
        number, peer, theirs = want.asked.number, want.peer, want.theirs
        del self.wants[number]
        self._leave(want)
        if served or peer in self._lost:
            return
        if not self._decides(peer):
            self.out.append(Tell(peer, Void(number)))
            return
        meeting = self._meeting(peer, want.asked)
        if theirs is None:
            if want in meeting.mine:
                meeting.mine.remove(want)
            self._forget_empty(meeting)
            return
        self.out.append(Tell(peer, Void(number, theirs.number)))
        if 0 < theirs.terms.to_ns <= self.now_ns:
            return  # it is over at the same time
        insort(meeting.theirs, theirs, key=lambda one: one.number)
        self._meet(peer, meeting)

    def _decides(self, peer: NodeName) -> bool:
        return self.name < peer

    def _meeting(self, peer: NodeName, wanted: Wanted) -> Meeting:
        talks = (peer, wanted.program, wanted.tag, wanted.kind)
        meeting = self.meetings.get(talks)
        if meeting is None:
            meeting = self.meetings[talks] = Meeting(talks)
        return meeting

    def _forget_empty(self, meeting: Meeting) -> None:
        if not meeting.mine and not meeting.theirs and self.meetings.get(meeting.talks) is meeting:
            del self.meetings[meeting.talks]

    def _meet(self, peer: NodeName, meeting: Meeting) -> None:
        """Whichever requests can."""
        while meeting.mine and meeting.theirs:
            want, theirs = meeting.mine.pop(0), meeting.theirs.pop(0)
            mine, want.theirs = want.asked, theirs
            if mine.n != theirs.n:
                other = RequestMismatch(node=peer, peer=self.name, wanted=theirs.n, offered=mine.n)
                want.theirs = None
                self.out.append(Tell(peer, Refused(theirs.number, other.code, other.fields)))
                self._refuse(want, RequestMismatch(node=self.name, peer=peer, wanted=mine.n, offered=theirs.n))
            elif (differs := mismatch(self.name, peer, mine.terms, theirs.terms)) is not None:
                seen = mismatch(peer, self.name, theirs.terms, mine.terms) or differs
                want.theirs = None
                self.out.append(Tell(peer, Refused(theirs.number, seen.code, seen.fields)))
                self._refuse(want, differs)
            elif (mine.at_ns, self.name) < (theirs.at_ns, peer):
                self._set_up(want)
            else:
                self.out.append(Tell(peer, replace(mine, met=theirs.number)))
        self._forget_empty(meeting)

    def _part(self, want: Want) -> None:
        """What a request had met is over: it waits for another, unless some of its pairs are in use."""
        had = want.whole + (self.circuits[want.circuit].whole if want.circuit in self.circuits else 0)
        self._leave(want)
        want.theirs = None
        want.state = "asked"
        if had:
            over = RequestOver(peer=want.peer, state="withdrawn there", delivered=had, wanted=want.asked.n)
            self._refuse(want, over)
        elif self._decides(want.peer):
            meeting = self._meeting(want.peer, want.asked)
            insort(meeting.mine, want, key=lambda one: one.asked.number)
            self._meet(want.peer, meeting)
        else:
            self._wake_early(want)

    def _wake_early(self, want: Want) -> None:
        """At the far end: a circuit that came before this request was ready for it may try again."""
        for setup in self._setups.values():
            if setup.route[-1] == self.name and setup.far_number == want.asked.number:
                self.out.append(Tell(NodeName(setup.route[0]), Free(setup.circuit)))

    def _refuse(self, want: Want, error: QnodeError) -> None:
        number = want.asked.number
        self.out.append(Log("network_refused", want.asked.program, number, name=error.code, detail=str(error)))
        self.out.append(Refuse(number, error.code, error.fields))
        self._end(want)

    def _refuse_both(self, want: Want, error: QnodeError) -> None:
        assert want.theirs is not None
        self.out.append(Tell(want.peer, Refused(want.theirs.number, error.code, error.fields)))
        want.theirs = None  # it is over, and meets nothing else
        self._refuse(want, error)

    def _refused(self, sender: NodeName, want: Want, error: QnodeError) -> None:
        """By the peer, where it is over, too; or at the requester by a node on the way."""
        if sender == want.peer:
            want.theirs = None
            self._refuse(want, error)
        elif not want.circuit or want.route[0] != self.name or sender not in want.route:
            return  # it is no matter of the sender's, or not any more
        elif isinstance(error, WindowTaken | OutOfMemory) and sender not in want.avoid and not self._given_way(want):
            want.avoid[sender] = error
            self._leave(want)
            self._set_up(want)
        elif want.theirs is not None:
            self._refuse_both(want, error)

    def _given_way(self, want: Want) -> bool:
        return bool(want.asked.terms.route or (want.theirs is not None and want.theirs.terms.route))

    # ------------------------------------------------------------ circuits, at their requester

    def _set_up(self, want: Want) -> None:
        peer = want.peer
        want.freed = False
        if want.state != "routing":  # else what was sought in vain would be sought for ever
            self._routes.need(peer)
        assert want.theirs is not None
        terms = agreed(want.asked.terms, want.theirs.terms)
        try:
            gone = self._lost.intersection(terms.route)
            if gone:
                raise NoRoute(source=self.name, target=peer, reason=f"node {min(gone)} on the given route is gone")
            route = self._way(want, terms)
            if route is None:
                want.state = "routing"
                self._routes.need(peer)  # which may have been forgotten since
                route = self._way(want, terms)  # where nobody is left to be asked, all is known at once
        except QnodeError as error:
            self._refuse_both(want, next(iter(want.avoid.values()), error))
            return
        if route is None:
            return
        if want.route != route:
            self._leave(want)
            want.route = route
        if not want.circuit:
            opened = self._opened.get(peer, 0)
            self._opened[peer] = opened + 1
            want.circuit = f"{life_of(self.name, self._life)}>{peer}#{opened}"
            want.circuits += 1
            self._circuits_of[want.circuit] = want
        mine, theirs = want.asked, want.theirs
        n = mine.n - want.whole
        self._attempts += 1
        setup = Setup(
            want.circuit, route, mine.number, theirs.number, n, min(n, self._spec.window), want.since_ns, self._facts,
            kind=mine.kind, priority=max(mine.priority, theirs.priority), from_ns=terms.from_ns, to_ns=terms.to_ns,
            attempt=self._attempts,
        )  # fmt: skip
        wanted = max(mine.min_fidelity, theirs.min_fidelity)
        chosen: Plan | None = None
        if wanted:
            nodes, links = self._routes.facts_along(route)
            found = self._planned(nodes, links, wanted, want)
            if isinstance(found, Unreachable):
                best = f"{found.reachable:.4f}"
                self._refuse_both(
                    want, FidelityUnreachable(node=self.name, peer=peer, wanted=f"{wanted:g}", reachable=best)
                )
                return
            chosen = found
            if found.distils:
                key = derive_key(self.key, want.circuit)
                setup = replace(setup, schemes=found.links, nodes=nodes, key=key)
                if found.ends.steps:
                    delays = tuple([link.delay_ns for link in links])
                    setup = replace(setup, ends=found.ends, delays_ns=delays, window=self._spec.window)
        if terms.rate:
            promised = self._promised(setup, terms.rate, chosen)
            if isinstance(promised, RateUnreachable):
                self._refuse_both(want, promised)
                return
            setup = promised
        taken = self._take_part(setup, want)
        if isinstance(taken, QnodeError):
            self._refuse_both(want, taken)
        elif taken:
            self.circuits[setup.circuit].request = mine.number
            want.state = "setting up"
            window = self.circuits[setup.circuit].window
            self.out.append(Tell(NodeName(route[1]), replace(setup, window=window)))
        elif want.asked.number in self.wants:
            self._queue(want, self.name)

    def _way(self, want: Want, terms: Terms) -> tuple[str, ...] | None:
        """The route that a request is to take, or None if it is not known. Raises NoRoute."""
        route = way(self._routes, self.name, want.peer, terms, self._spec, avoid=want.avoid)
        if route is not None and not self._lost.isdisjoint(route):  # it was found before that was known
            self._routes.forget(want.peer)
            return None
        return route

    def _planned(
        self, nodes: tuple[NodeFacts, ...], links: tuple[LinkFacts, ...], wanted: float, want: Want
    ) -> Plan | Unreachable:
        """How much is to be distilled, and where, with what memory the ends have besides that for finished pairs."""
        assert want.theirs is not None
        mine, theirs = (
            replace(node, slots=asked.spare + 1) for node, asked in ((nodes[0], want.asked), (nodes[-1], want.theirs))
        )
        return plan((mine, *nodes[1:-1], theirs), links, wanted, self._spec, at_ends=want.asked.kind == "keep")

    def _promised(self, setup: Setup, rate: float, chosen: Plan | None) -> Setup | RateUnreachable:
        """With what each link is to make for pairs at a rate, and as many under way as that takes."""
        nodes, links = self._routes.facts_along(setup.route)
        rates = shares(rate, chosen or as_they_come(nodes, links, self._spec), nodes, links, self._spec)
        short = short_of(rates, links)
        if short is not None:
            least = rate * capacity_hz(links[short]) / rates[short]
            link = "~".join(setup.route[short : short + 2])
            return RateUnreachable(
                node=self.name, peer=setup.route[-1], wanted=f"{rate:g}", link=link, reachable=f"{least:.4g}"
            )
        window = setup.window if setup.schemes else max(setup.window, window_for(rate, nodes, links, self._spec))
        return replace(setup, rates=rates, window=window if setup.ends.steps else min(window, setup.n))

    def _crowded(self, wanted: Mapping[str, float]) -> list[str]:
        """The neighbours to whom the link has no room for a circuit of such shares beside those that there are."""
        return crowded(wanted, self._links, self.circuits.values()) if self._promises else []

    def _queue(self, want: Want, at: str) -> None:
        want.state, want.waits_for = "queued", at
        want.waits += 1
        self.out.append(Log("network_queued", want.asked.program, want.asked.number, peer=at, name=want.circuit))

    @property
    def routes_due_ns(self) -> int | None:
        """When `tell_routes` is to be called."""
        return self._routes.due_ns

    def tell_routes(self) -> None:
        """Tell the neighbours what is new of the network, all of it at once."""
        self.out += [Tell(NodeName(peer), talk) for peer, talk in self._routes.take(self.now_ns)]

    def routes_changed(self) -> None:
        """More is known of the network: those who wait for a route look again."""
        for want in list(self.wants.values()):
            if want.asked.number not in self.wants:  # it has ended with another
                continue
            if want.state == "routing":
                self._set_up(want)
            elif want.state == "asked":
                self._check_way(want)

    def _check_way(self, want: Want) -> None:
        """Where no way leads, nobody need wait for the peer, who may never hear of it."""
        try:
            self._routes.route(want.peer)
        except NoRoute as error:
            self._refuse(want, error)

    def _take_part(self, setup: Setup, want: Want | None) -> bool | QnodeError:
        """Take slots for a circuit, and know it; `want` is what it serves here. False if there are none now."""
        circuit = Circuit(setup, self.name, self._spec, self._facts, self._links, self.out)
        who = applicant(setup, self._spec)
        if setup.rates:
            self._promises = True
        if want is None:
            least, most, step = 2 + circuit.spare, 2 * setup.window + circuit.spare, 2
        else:
            least = most = min(setup.n, want.at_once) + circuit.spare
            step = 1
            circuit.program = want.asked.program
            circuit.tally = want.tally
            if want.asked.kind == "measure":
                least, most = 1 + circuit.spare, setup.window + circuit.spare
                circuit.reads = BY_NUMBER if want.by_number else AT_ONCE
                circuit.indices = circuit.indices if want.missing is None else want.missing
            elif circuit.improver is not None:
                most += setup.window - 1
        if setup.to_ns:
            circuit.program = circuit.program or setup.circuit
            booked = book(
                self._memory, setup, self.name, self.now_ns, circuit.program, least=least, most=most, step=step
            )
            if isinstance(booked, WindowTaken):
                return booked
            circuit.booking, taken = booked, booked.n
        elif least > self._memory.most(circuit.program):  # it would wait for ever
            return self._too_small(least, circuit.program)
        else:
            taken = self._admission.admit(who, least, most, step, circuit.program, circuit.shares)
        if want is None:
            circuit.window = (taken - circuit.spare) // 2
        else:
            room = taken - circuit.spare  # no more than an end can match: others would wait for ever
            if circuit.improver is not None:
                room = taken - least + 1
                circuit.spare += max(0, taken - least)
            circuit.window = min(setup.window, room)
        if taken:
            circuit.reserved = 0 if circuit.booking is not None else taken
            self.circuits[setup.circuit] = circuit
            self._log_slots(circuit, circuit.reserved, want)
        return bool(taken)

    def _log_slots(self, circuit: Circuit, n: int, want: Want | None) -> None:
        """That it has taken some; at an end, with the request that they are for."""
        if n:
            number = 0 if want is None else want.asked.number
            self.out.append(Log("network_slots", circuit.program, number, n=n, name=circuit.id))

    def _too_small(self, wanted: int, program: str) -> OutOfMemory:
        memory = self._memory
        kept = memory.slots - memory.most(program)
        held = f" ({kept} are programs' own)" if kept else ""
        return OutOfMemory(node=self.name, wanted=wanted, free=memory.free, slots=memory.slots, held=held)

    def _leave(self, want: Want) -> None:
        """Whatever knows the circuit of a request may forget it; no other will have its name."""
        if not want.circuit:
            return
        del self._circuits_of[want.circuit]
        circuit = self.circuits.pop(want.circuit, None)
        if circuit is not None:
            circuit.close()
        self._admission.forget(want.circuit)
        know = want.waits_at if circuit is None else want.waits_at.union(circuit.route)
        for node in sorted(know - self._lost - {self.name}):
            self.out.append(Tell(NodeName(node), Close(want.circuit)))
        want.waits_at.clear()
        want.circuit = ""

    # ------------------------------------------------------------ messages of other stacks

    def heard(self, sender: NodeName, talk: Talk) -> None:
        """A message has come; those about what is over are ordinary.

        Raises MalformedMessage, and does nothing, if the sender must not send it.
        """
        check(talk, sender, self.name, self._links, self._route_of, self._peer_of)
        match talk:
            case Track():
                circuit = self.circuits.get(talk.circuit)
                if circuit is not None:
                    circuit.tracked(talk, self.now_ns)
                    self._look_after(circuit)
            case Expire():
                circuit = self.circuits.get(talk.circuit)
                if circuit is not None:
                    circuit.expired(sender, PairId(talk.pair))
            case Joined():
                circuit = self.circuits.get(talk.circuit)
                if circuit is not None:
                    circuit.reaches(PairId(talk.pair), talk.place)
            case Parity():
                circuit = self.circuits.get(talk.circuit)
                if circuit is not None:
                    circuit.parity(sender, talk)
                    self._look_after(circuit)
            case Missing():
                circuit = self.circuits.get(talk.circuit)
                if circuit is not None and not circuit.is_repeater:
                    circuit.lacks(talk.number)
                    self._look_after(circuit)
            case Wanted():
                self._wanted(sender, talk)
            case Void():
                self._void(sender, talk)
            case Refused():
                want = self.wants.get(talk.number)
                if want is not None and talk.circuit in ("", want.circuit):
                    self._refused(sender, want, from_wire(talk.code, talk.fields))
            case Setup():
                self._asked_to_take_part(sender, talk)
            case Granted():
                self._granted(talk)
            case Busy():
                self._busy(talk)
            case Free():
                want = self._circuits_of.get(talk.circuit)
                if want is None:
                    self.out.append(Tell(sender, Close(talk.circuit)))
                elif want.state == "queued":
                    self._set_up(want)
                else:
                    want.freed = True
            case Close():
                self._closed(talk.circuit, sender)
            case Down():
                circuit, want = self.circuits.get(talk.circuit), self._circuits_of.get(talk.circuit)
                if circuit is not None and not circuit.is_repeater:
                    self._break(circuit, talk.reason)
                elif circuit is None and want is not None:  # all others have given it up before it began
                    self._routes.forget(want.peer)
                    self._set_up(want)
            case Settle():
                self._settle(sender, talk)
            case Announce() | Seek() | Found():
                self._routes.heard(sender, talk)
                self.routes_changed()

    def _route_of(self, circuit: str) -> tuple[str, ...] | None:
        known = self.circuits.get(circuit) or self._setups.get(circuit) or self._circuits_of.get(circuit)
        return None if known is None else known.route

    def _peer_of(self, number: int) -> NodeName | None:
        want = self.wants.get(number)
        return None if want is None else want.peer

    def _wanted(self, sender: NodeName, wanted: Wanted) -> None:
        before = (sender, wanted.number, wanted.at_ns, wanted.met)
        if before in self._heard_of:
            return
        if self._decides(sender):
            remember(self._heard_of, before, None)
            meeting = self._meeting(sender, wanted)
            meeting.theirs.append(wanted)
            self._meet(sender, meeting)
            return
        want = self.wants.get(wanted.met)
        if want is None or want.state != "asked" or want.theirs is not None:
            return
        mine = want.asked
        alike = (mine.program, mine.tag, mine.kind, mine.n) == (wanted.program, wanted.tag, wanted.kind, wanted.n)
        if not alike or mismatch(self.name, sender, mine.terms, wanted.terms) is not None:
            raise MalformedMessage(detail=f"the stack of {sender} sent that requests have met which are not alike")
        remember(self._heard_of, before, None)
        want.theirs = wanted
        self._set_up(want)

    def _void(self, sender: NodeName, void: Void) -> None:
        if not self._decides(sender):
            want = self.wants.get(void.met)
            if want is None:  # it was served here, or withdrawn: the other end does not know
                self.out.append(Tell(sender, Void(void.met)))
            elif want.theirs is None or want.theirs.number == void.number:
                self._part(want)
            return
        for (peer, *_), meeting in list(self.meetings.items()):
            if peer == sender:
                meeting.theirs[:] = [one for one in meeting.theirs if one.number != void.number]
                self._forget_empty(meeting)
        for want in list(self.wants.values()):
            if want.peer == sender and want.theirs is not None and want.theirs.number == void.number:
                self._part(want)

    def _asked_to_take_part(self, sender: NodeName, setup: Setup) -> None:
        requester, at = NodeName(setup.route[0]), setup.route.index(self.name)
        if setup.circuit in self.circuits or setup.attempt <= self._tried.get((setup.circuit, sender), -1):
            return  # it has come before
        remember(self._tried, (setup.circuit, sender), setup.attempt)
        is_end = at == len(setup.route) - 1
        want = self.wants.get(setup.far_number) if is_end else None
        met = want is not None and want.theirs is not None and want.theirs.number == setup.number
        unknown = want is None or (not met and self._decides(requester))
        if self._is_over(requester, setup) or (is_end and unknown):
            self.out.append(Tell(sender, Busy(setup.circuit, "", setup.attempt)))  # it is over: that is on its way
            return
        if want is not None and (want.circuit or not (met or want.theirs is None)):
            self._setups[setup.circuit] = setup  # that something else is over, is on its way
            self.out.append(Tell(sender, Busy(setup.circuit, self.name, setup.attempt)))
            return
        slow = self._too_slow(setup, at)
        if slow is not None:
            self.out.append(Tell(requester, Refused(setup.number, slow.code, slow.fields, setup.circuit)))
            return
        if not is_end:
            ahead = NodeName(setup.route[at + 1])
            broken = f"the link of {self.name} and {ahead} is broken" if ahead in self._down else ""
            broken = f"node {ahead} is gone" if ahead in self._lost else broken
            if broken:
                self.out.append(Tell(sender, Busy(setup.circuit, "", setup.attempt)))
                self.out.append(Tell(requester, Down(setup.circuit, broken)))
                return
        taken = self._take_part(setup, want)
        if isinstance(taken, QnodeError):
            self.out.append(Tell(requester, Refused(setup.number, taken.code, taken.fields, setup.circuit)))
            if want is not None:
                want.theirs = None
                self._refuse(want, taken)
            return
        if not taken:
            self._setups[setup.circuit] = setup
            self.out.append(Tell(sender, Busy(setup.circuit, self.name, setup.attempt)))
            return
        self._setups.pop(setup.circuit, None)
        circuit = self.circuits[setup.circuit]
        if want is None:
            self.out.append(Tell(NodeName(setup.route[at + 1]), replace(setup, window=circuit.window)))
            return
        want.circuit, want.route = setup.circuit, setup.route
        want.state = "reserved" if setup.to_ns else "running"
        if not met:
            want.theirs = replace(want.asked, number=setup.number)
        want.circuits += 1
        circuit.request = want.asked.number
        self._circuits_of[setup.circuit] = want
        self.out.append(Tell(sender, Granted(setup.circuit, circuit.window, self._facts)))
        self._begin(circuit, circuit.window)

    def _too_slow(self, setup: Setup, at: int) -> RateUnreachable | None:
        """An own link never makes as much as is to be promised: what its requester knows of it is not so."""
        for rate, beside in zip(setup.rates[at - 1 : at + 1], (at - 1, at + 1), strict=False):
            most = capacity_hz(self._links[setup.route[beside]])
            if rate > most * (1 + 1e-9):
                link = f"{self.name}~{setup.route[beside]}"
                ends = {"node": setup.route[0], "peer": setup.route[-1]}
                return RateUnreachable(**ends, wanted=f"{rate:g}", link=link, reachable=f"{most:.4g}")
        return None

    def _is_over(self, requester: NodeName, setup: Setup) -> bool:
        """Whether a circuit that is to be set up has been closed, or was that of an earlier life of its requester."""
        life = int(setup.circuit.partition(">")[0].partition("!")[2] or 0)
        closed = any((setup.circuit, end) in self._closed_early for end in (requester, setup.route[-1]))
        return closed or life < self._lives.get(requester, 0)

    def _granted(self, granted: Granted) -> None:
        circuit = self.circuits.get(granted.circuit)
        if circuit is None or circuit.granted or circuit.settling:
            return
        if granted.window > circuit.window:
            raise MalformedMessage(
                detail=f"a window of {granted.window} is granted for {circuit.id}, more than was asked"
            )
        if circuit.booking is None and (circuit.is_repeater or circuit.reads):
            sides = 1 + circuit.is_repeater
            spare = circuit.reserved - sides * granted.window - circuit.spare
            if spare:
                circuit.reserved -= spare
                self.out.append(Freed(circuit.id, spare, circuit.program))
        if circuit.place:
            self.out.append(Tell(NodeName(circuit.route[circuit.place - 1]), granted))
        else:
            circuit.far_facts = granted.facts
            want = self._circuits_of[granted.circuit]
            want.state = "running" if circuit.booking is None else "reserved"
            want.waits_at.clear()
            self._log_way("network_accepted" if circuit.booking is None else "network_reserved", want, circuit)
        self._begin(circuit, granted.window)

    def _log_way(self, event: str, want: Want, circuit: Circuit) -> None:
        way, asked = " ".join(circuit.route), want.asked
        self.out.append(Log(event, asked.program, asked.number, "", circuit.far, circuit.n, circuit.id, way))

    def _begin(self, circuit: Circuit, window: int) -> None:
        """Everybody takes part: make pairs, now or when its time has come."""
        circuit.granted = True
        if circuit.booking is None:
            circuit.begin(window)
        else:
            circuit.window = window
            self.out.append(SetAside(circuit.id, circuit.booking))

    def make_way(self, name: str) -> None:
        """The time of a circuit has come, and others have its slots: those that pass here give way, the youngest first.

        They go on as soon as there is memory. What programs hold is theirs, and so is what pairs are distilled in.
        """
        circuit = self.circuits.get(name)
        if circuit is None or circuit.booking is None:
            return
        missing = circuit.booking.n - self._memory.free
        passing = [one for one in self.circuits.values() if one.may_pause]
        for other in sorted(passing, key=_age, reverse=True):
            if missing <= 0:
                break
            missing -= other.reserved
            other.pause()
            self._paused = True

    def slots_are_here(self, name: str) -> None:
        """The time of a circuit has come, and the slots are set aside that were booked for it."""
        circuit = self.circuits.get(name)
        if circuit is None or circuit.booking is None or circuit.settling:
            return
        circuit.reserved = sum(self._memory.take(circuit.program) for _ in range(circuit.booking.n))
        want = self._circuits_of.get(name)
        self._log_slots(circuit, circuit.reserved, want)
        if want is not None:
            want.state = "running"
            if not circuit.place:
                self._log_way("network_accepted", want, circuit)
        circuit.begin(circuit.window)

    def time_is_over(self, name: str) -> None:
        """So is that of a circuit: its ends, which know it by themselves, get nothing more."""
        circuit = self.circuits.get(name)
        if circuit is not None and circuit.is_repeater:
            self._closed(name, self.name)

    def _busy(self, busy: Busy) -> None:
        circuit = self.circuits.get(busy.circuit)
        if circuit is None or circuit.settling or circuit.granted or busy.attempt != circuit.attempt:
            return
        del self.circuits[busy.circuit]
        circuit.close()
        if circuit.place:
            self.out.append(Tell(NodeName(circuit.route[circuit.place - 1]), busy))
            return
        want = self._circuits_of.get(busy.circuit)
        if want is None or not busy.node:
            return
        want.waits_at.add(busy.node)
        if want.freed:
            self._set_up(want)
        else:
            self._queue(want, busy.node)

    def slots_freed(self) -> None:
        """Memory has been given back: who waits longest may have it."""
        if self._paused:
            self._go_on()
        circuit = None if self._paused else self._admission.next()
        if circuit is None:
            self._make_room()
            return
        want = self._circuits_of.get(circuit)
        if want is not None:
            self._set_up(want)
            return
        setup = self._setups[circuit]
        self.out.append(Tell(NodeName(setup.route[0]), Free(circuit)))

    def _go_on(self) -> None:
        """Circuits that have given way come before all others, the oldest first: their ends keep slots meanwhile."""
        paused = sorted((one for one in self.circuits.values() if one.paused), key=_age)
        for circuit in paused:
            missing = circuit.paused - circuit.reserved
            if not self._memory.take_in_turn(missing):
                return
            self._log_slots(circuit, missing, None)
            circuit.go_on()
        self._paused = False

    def _closed(self, name: str, by: NodeName) -> None:
        circuit = self.circuits.pop(name, None)
        if circuit is not None:
            circuit.close()
            want = self._circuits_of.get(name)
            if want is not None:
                want.whole += circuit.whole
            return
        self._forget_setup(name)
        remember(self._closed_early, (name, by), None)

    def _forget_setup(self, name: str) -> None:
        setup = self._setups.pop(name, None)
        if setup is not None:
            self._admission.forget(name)

    # ------------------------------------------------------------ what breaks

    def happened(self, what: LinkDown | LinkUp | Lost | Back) -> None:
        """Something has become of an own link, or of another node."""
        peer = NodeName(what.peer)
        match what:
            case LinkDown():
                self._down.add(peer)
                self._routes.link_down(peer)
                self._link_down(peer)
            case LinkUp():
                self._down.discard(peer)
                self._routes.link_up(peer)
            case Lost():
                self._lives[peer] = what.incarnation + 1
                self._routes.node_lost(peer, what.incarnation)
                self._node_lost(peer, what.reason)
            case Back():
                self._lost.discard(peer)
                self._routes.node_back(peer, what.incarnation)
        self.routes_changed()

    def measured(self, peer: NodeName, vector: Vector) -> None:
        """Pairs of an own link have been measured: circuits and routes reckon with that from now on."""
        self._links[peer] = replace(self._links[peer], vector=vector)
        self._routes.measured(peer, vector)
        self.routes_changed()

    def forsake(self, node: NodeName, reason: str) -> None:
        """Another node is gone: requests with it end."""
        self._lost.add(node)  # it need not be told anything
        for want in [want for want in self.wants.values() if want.peer == node]:
            self._refuse(want, PeerLost(peer=node, reason=reason))
        for talks in [talks for talks in self.meetings if talks[0] == node]:
            del self.meetings[talks]

    def _node_lost(self, node: NodeName, reason: str) -> None:
        self.forsake(node, reason)
        for setup in [setup for setup in self._setups.values() if node in setup.route]:
            self._forget_setup(setup.circuit)
        for circuit in [circuit for circuit in self.circuits.values() if node in circuit.route]:
            if circuit.is_repeater:
                self._give_up(circuit, f"node {node} is gone: {reason}")
            elif circuit.far == node:
                self._closed(circuit.id, self.name)
            else:
                self._break(circuit, f"node {node} is gone: {reason}")
        for want in [want for want in self.wants.values() if want.state == "queued" and node in want.route]:
            self._set_up(want)

    def _link_down(self, peer: NodeName) -> None:
        reason = f"the link of {self.name} and {peer} is broken"
        for circuit in [circuit for circuit in self.circuits.values() if circuit.uses(peer)]:
            if circuit.is_repeater:
                self._give_up(circuit, reason)
            else:
                self._break(circuit, reason)

    def _give_up(self, circuit: Circuit, reason: str) -> None:
        """At a repeater: it is broken. The ends are told, for they may have heard of that before it was set up."""
        for end in (circuit.route[0], circuit.route[-1]):
            if end not in self._lost:
                self.out.append(Tell(NodeName(end), Down(circuit.id, reason)))
        self._closed(circuit.id, self.name)

    def _break(self, circuit: Circuit, reason: str) -> None:
        """At an end: nothing more comes of a circuit; the ends tell each other what is whole."""
        if circuit.settling:
            return
        want = self._circuits_of.get(circuit.id)
        if want is not None:
            asked = want.asked
            want.state = "settling"
            self.out.append(Log("network_broken", asked.program, asked.number, name=circuit.id, detail=reason))
        circuit.break_off()
        circuit.settling = True
        if not circuit.place:
            self._routes.forget(circuit.far)
        self.out.append(Tell(circuit.far, Settle(circuit.id, circuit.done, expected=circuit.expected)))
        if not circuit.place:
            for node in circuit.route[1:-1]:
                if node not in self._lost:
                    self.out.append(Tell(NodeName(node), Close(circuit.id)))

    def _settle(self, sender: NodeName, settle: Settle) -> None:
        circuit = self.circuits.get(settle.circuit)
        if circuit is None:
            if not settle.answer:
                whole, expected = self._finished.get(settle.circuit, ({}, {}))
                self._closed(settle.circuit, sender)  # in case that it is still to be set up here
                self.out.append(Tell(sender, Settle(settle.circuit, whole, True, expected)))
            return
        self._break(circuit, f"{sender} has found it broken")
        del self.circuits[circuit.id]
        circuit.settle(settle.pairs, settle.expected, self.now_ns)
        want = self._circuits_of.pop(circuit.id, None)
        if want is None:
            return
        self._remember(circuit)
        want.whole += circuit.whole
        want.missing = circuit.missing() if circuit.reads else None
        want.circuit = ""
        if want.whole == want.asked.n:
            self._serve(want)
        elif circuit.place:
            want.state = "asked"
            self._wake_early(want)
        else:
            self._set_up(want)

    def _make_room(self) -> None:
        """Ends that had no room for all their pairs have some again.

        They do not wait for older requests that wait for memory here: these may wait for theirs elsewhere, too.
        """
        for name, want in self._circuits_of.items():
            circuit = self.circuits.get(name)
            while circuit is not None and circuit.open and want.at_once < want.asked.n:
                enough = min(want.at_once, circuit.n - circuit.whole) + circuit.spare
                if circuit.reserved >= enough or not self._memory.take_in_turn(1, circuit.program):
                    break
                self._log_slots(circuit, 1, want)
                circuit.make_room()

    # ------------------------------------------------------------ pairs

    def came(self, circuit: str, peer: NodeName, half: Half, number: int = 0) -> bool:
        """A link has delivered a half. False if nobody wants it any more."""
        found = self.circuits.get(circuit)
        if found is None or not found.open:
            return False
        found.came(peer, half, number)
        self._look_after(found)
        return True

    def link_refused(self, circuit: str, error: QnodeError) -> None:
        """A link makes nothing for a circuit, nor would it for the next: its request is refused."""
        found, want = self.circuits.get(circuit), self._circuits_of.get(circuit)
        if found is not None and found.is_repeater:
            self.out.append(Tell(NodeName(found.route[0]), Refused(found.number, error.code, error.fields, circuit)))
        elif want is not None:
            self._refuse_both(want, error)

    def swapped(self, circuit: str, left: PairId, right: PairId, frame: int | None) -> None:
        """The outcome of a Bell measurement; None: it has failed."""
        found = self.circuits.get(circuit)
        if found is not None:
            if frame is None:
                found.swap_failed(left, right)
            else:
                found.swapped(left, right, frame, self.now_ns)
            self._look_after(found)

    def read(self, circuit: str, pair: PairId) -> bool:
        """A half has been measured. Whether its slot is still the circuit's: else it is free."""
        found = self.circuits.get(circuit)
        if found is not None:
            found.read(pair)
        return found is not None

    def distilled(self, circuit: str, peer: NodeName, step: int, bit: Literal[0, 1] | None) -> None:
        """What was measured in a step of a distillation; None: nothing."""
        found = self.circuits.get(circuit)
        if found is not None:
            found.distilled(peer, step, bit)
            self._look_after(found)

    def cut_off(self, circuit: str, pair: PairId) -> None:
        """A half has waited for as long as it may."""
        found = self.circuits.get(circuit)
        if found is not None:
            found.cut_off(pair, self.now_ns)

    def _look_after(self, circuit: Circuit) -> None:
        """Something has become whole, perhaps the last."""
        if circuit.open or circuit.whole < circuit.n or not circuit.n:
            return
        if circuit.improver is not None and not circuit.place:  # repeaters do not know when it is enough
            for node in sorted({*circuit.route[1:-1]} - self._lost):
                self.out.append(Tell(NodeName(node), Close(circuit.id)))
        self.circuits.pop(circuit.id, None)
        want = self._circuits_of.pop(circuit.id, None)
        if want is None:
            return
        self._remember(circuit)
        want.circuit = ""
        self._serve(want)

    def _remember(self, circuit: Circuit) -> None:
        remember(self._finished, circuit.id, (circuit.done, circuit.expected))

    def _serve(self, want: Want) -> None:
        number = want.asked.number
        self.out.append(Log("network_served", want.asked.program, number, peer=want.peer, n=want.asked.n))
        self._end(want, served=True)


def _age(circuit: Circuit) -> tuple[int, str]:
    return circuit.since_ns, circuit.id
