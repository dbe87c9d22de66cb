"""End-to-end requests, and what became of them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from orchestrator.oracle.events import Event
from orchestrator.verification.chains import Chains
from orchestrator.verification.facts import CHAIN, ENDED, FRAME, HALF, TWICE, Note
from orchestrator.verification.messages import Lives
from qnode.ids import life_of

_ENDS: Final = {
    "network_served": "served",
    "network_refused": "refused",
    "network_withdrawn": "withdrawn",
    "network_expired": "expired",
}
_STATES: Final = {
    "network_request": "not met by the peer's, or not set up yet",
    "network_queued": "waits for memory",
    "network_reserved": "has memory reserved for its time",
    "network_accepted": "is being served",
    "network_broken": "its circuit is broken",
}


class Request(NamedTuple):
    """An end-to-end request: of which life of which node, and its number."""

    node: str
    life: int
    number: int

    def __str__(self) -> str:
        return f"{life_of(self.node, self.life)}, request {self.number}"


class _Asked:
    """What the log tells of a request."""

    def __init__(self, event: Event) -> None:
        self.peer, self.n, self.tag = event.peer, event.n, event.name
        self.program = event.program
        self.delivered = 0
        self.owing = 0  # halves that are corrected, and may not be there yet
        self.circuit = ""  # that serves it, and whether that is broken
        self.broken = False
        self.ended = ""
        self.state = _STATES[event.event]


class _Delivered(NamedTuple):
    line: int
    request: Request
    qubit: str
    owed: int  # what the other end corrects
    measured: bool


class Requests:
    """End-to-end requests, and what was delivered for them."""

    def __init__(self, note: Note, lives: Lives, chains: Chains, *, ordered: bool = True) -> None:
        self.asked: dict[Request, _Asked] = {}
        self.pairs: dict[str, dict[str, _Delivered]] = {}  # by end-to-end pair and node
        self._note = note
        self._lives = lives
        self._chains = chains
        self._ordered = ordered
        self._of_circuits: dict[tuple[str, str], Request] = {}  # by circuit and node
        self._over: dict[str, set[Request]] = {}  # by circuit
        self._routes: dict[str, tuple[str, ...]] = {}  # of circuits
        self._corrected: dict[tuple[str, str], int] = {}  # by what, by pair and node

    def see(self, line: int, event: Event) -> None:
        kind = event.event
        if kind == "node_lost":
            for one, open_ in self.asked.items():
                if one.node == event.node and not open_.ended:
                    open_.ended = "lost"
        elif kind.startswith("network_") and event.request:
            request = Request(event.node, self._lives.of[event.node], event.request)
            if kind == "network_request":
                if request in self.asked:
                    self._note(ENDED, f"{request}: it is made twice")
                self.asked[request] = _Asked(event)
                return
            asked = self.asked.get(request)
            if asked is None:
                self._note(ENDED, f"{request}: {kind}, and it was never made")
            elif kind in ("network_deliver", "network_measure"):
                self._deliver(line, event, request, asked)
            elif kind in _ENDS:
                self._end_of(event, request, asked)
            elif kind in _STATES:
                asked.state = " ".join(
                    filter(None, (_STATES[kind], f"at {event.peer}" if kind == "network_queued" else ""))
                )
                if kind in ("network_accepted", "network_reserved", "network_queued"):
                    self._goes_over(event.name, request, asked)
                if kind in ("network_accepted", "network_reserved"):
                    self._routes[event.name] = tuple(event.detail.split())
                asked.broken = kind == "network_broken"
            elif kind == "network_slots":
                self._goes_over(event.name, request, asked)
            elif kind == "network_correct":
                self._correct(event)
                asked.owing += 1

    def _goes_over(self, circuit: str, request: Request, asked: _Asked) -> None:
        if circuit:
            self._of_circuits[circuit, request.node] = request
            self._over.setdefault(circuit, set()).add(request)
            asked.circuit, asked.broken = circuit, False

    def route(self, circuit: str) -> tuple[str, ...]:
        """The nodes of a circuit, or its ends if that is all that is known."""
        one, _, other = circuit.rpartition("#")[0].partition(">")
        return self._routes.get(circuit, (one.partition("!")[0], other))

    def _correct(self, event: Event) -> None:
        at = event.pair, event.node
        if at in self._corrected:
            self._note(FRAME, f"{event.pair} is corrected at {event.node} a second time")
        self._corrected[at] = event.n

    def _end_of(self, event: Event, request: Request, asked: _Asked) -> None:
        if asked.ended:
            self._note(ENDED, f"{request}: it is {_ENDS[event.event]}, and was {asked.ended}")
        asked.ended = _ENDS[event.event]

    def _deliver(self, line: int, event: Event, request: Request, asked: _Asked) -> None:
        asked.delivered += 1
        asked.owing -= (event.pair, event.node) in self._corrected
        if asked.delivered > asked.n:
            self._note(ENDED, f"{request}: {asked.delivered} pairs are delivered, of {asked.n}")
        self._of_circuits[event.pair.rpartition(".")[0], event.node] = request
        ends = self.pairs.setdefault(event.pair, {})
        if event.node in ends:
            self._note(TWICE, f"{event.pair} is delivered to {event.node} a second time")
            return
        qubit = event.qubits[0] if event.qubits else ""
        ends[event.node] = _Delivered(line, request, qubit, event.n, event.event == "network_measure")
        if self._ordered:
            self._follow(event.pair, ends)

    def _follow(self, pair: str, ends: Mapping[str, _Delivered]) -> None:
        """From one half of a pair to the other, once both are delivered."""
        if len(ends) == 2:
            one, other = ends.values()
            end = self._chains.end_of(one.qubit)
            if end != other.qubit:
                self._note(CHAIN, f"{pair}: {one.qubit} leads to {end}, not to {other.qubit}")

    def end(self, how: str) -> None:
        """The run is over, and how; "" if the log does not say."""
        if how and not self._ordered:  # a repeater may be heard of later than the ends that heard of it
            for pair, ends in self.pairs.items():
                self._follow(pair, ends)
        for request, asked in self.asked.items():
            most = asked.delivered + (asked.owing if how != "done" else 0)
            if asked.ended == "served" and not asked.delivered <= asked.n <= most:
                self._note(ENDED, f"{request}: it is served with {asked.delivered} pairs, of {asked.n}")
            if how == "done" and not asked.ended:
                self._note(ENDED, f"{request}: the run has ended by itself, and it is open: {asked.state}")
        for pair, ends in self.pairs.items():
            if len(ends) == 2 and not any(end.measured for end in ends.values()):
                owed = sum(end.owed for end in ends.values())
                done = sum(self._corrected.get((pair, node), 0) for node in ends)
                if owed != done:
                    self._note(FRAME, f"{pair} is corrected by {done}, and one end was told of {owed}")
            if len(ends) == 1:
                ((node, delivered),) = ends.items()
                far = self.asked[delivered.request].peer
                if not self._may_lack(pair, node, far):
                    self._note(HALF, f"{pair} is delivered to {node} only, and {far} was served")

    def _may_lack(self, pair: str, node: str, far: str) -> bool:
        """Whether the far end has given up, is lost, or was still to be served when the run ended."""
        if far in self._lives.gone:
            return True
        its = self._of_circuits.get((pair.rpartition(".")[0], far))
        theirs = [its] if its else [one for one, asked in self.asked.items() if (one.node, asked.peer) == (far, node)]
        return any(self.asked[one].ended != "served" for one in theirs)

    def is_open(self, circuit: str, node: str) -> bool:
        """Whether a request that has not ended goes over a circuit now; one that is broken does so at its ends only."""
        return any(
            not asked.ended and asked.circuit == circuit and (not asked.broken or request.node == node)
            for request in self._over.get(circuit, ())
            for asked in [self.asked[request]]
        )
