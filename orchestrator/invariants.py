"""What holds in every run, whatever went wrong in it: checked on its event log, line by line. Pure.

An invariant here needs nothing but the log, and what the configuration says of memories and delays; states are not
looked at. What the log cannot tell is given the benefit of the doubt, so that a violation is one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Final, NamedTuple

from orchestrator.oracle.events import Event
from qnode.ids import life_of
from qnode.wire.stack import STACK

ENDED: Final = "every request ends once, with as many pairs as it tells"
TWICE: Final = "no pair is delivered twice"
HALF: Final = "no pair is half-delivered"
CHAIN: Final = "the halves of a pair are the ends of one chain of swapped link pairs"
SLOTS: Final = "no node holds more qubits than it has slots"
AFTER: Final = "no qubit is used after its end, before it is there, or from elsewhere"
LEAK: Final = "what the stacks hold at the end is somebody's"
MESSAGES: Final = "messages arrive once, where they were sent, and no earlier than light"
LIVES: Final = "a lost node does nothing, and begins again as its next life"

INVARIANTS: Final = (ENDED, TWICE, HALF, CHAIN, SLOTS, AFTER, LEAK, MESSAGES, LIVES)

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


class Violation(NamedTuple):
    """An invariant that does not hold: at which line of the log that shows, the last for what shows only at the end."""

    line: int
    invariant: str
    what: str


class Facts(NamedTuple):
    """What the configuration says.

    Attributes:
        slots: Of each node's memory.
        delay_ns: Of a classical message between two nodes; None if none gets there.
        ordered: Whether lines stand in the order in which things happened: on the virtual clock.
    """

    slots: Mapping[str, int]
    delay_ns: Callable[[str, str], int | None]
    ordered: bool = True


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
        self.delivered = 0
        self.ended = ""
        self.state = _STATES[event.event]


class _Delivered(NamedTuple):
    line: int
    request: Request
    qubit: str


Note = Callable[[str, str], None]


class Lives:
    """Which life each node is in."""

    def __init__(self, note: Note) -> None:
        self.of: Counter[str] = Counter()
        self.gone: set[str] = set()
        self._note = note

    def see(self, event: Event) -> None:
        node = event.node
        if event.event == "node_lost":
            if node in self.gone or event.n != self.of[node]:
                self._note(LIVES, f"{node} is lost in life {event.n}, though it is in {self.of[node]}")
            self.gone.add(node)
        elif event.event == "node_restarted":
            if node not in self.gone or event.n != self.of[node] + 1:
                self._note(LIVES, f"{node} begins life {event.n} after {self.of[node]}")
            self.gone.discard(node)
            self.of[node] = event.n
        elif node in self.gone and event.event not in ("fault", "hold", "release"):
            self._note(LIVES, f"{node} is lost, and does something: {event.event}")


class Messages:
    """Classical messages."""

    def __init__(self, note: Note, facts: Facts) -> None:
        self.sent = 0
        self._note = note
        self._facts = facts
        self._under_way: dict[str, tuple[str, str, int, int]] = {}  # from, to, when, and how often it may still arrive
        self._early: list[Event] = []
        self.over: set[str] = set()

    @property
    def under_way(self) -> bool:
        """Whether some message has not arrived."""
        return any(times > 0 for _, _, _, times in self._under_way.values())

    def see(self, event: Event) -> None:
        match event.event:
            case "send":
                self.sent += 1
                if event.message in self._under_way:
                    self._note(MESSAGES, f"{event.message} is sent twice")
                self._under_way[event.message] = (event.node, event.peer, event.t, 1)
            case "drop" | "duplicate" if event.message in self._under_way:
                sender, receiver, t, times = self._under_way[event.message]
                more = -1 if event.event == "drop" else 1
                self._under_way[event.message] = (sender, receiver, t, times + more)
            case "receive" if self._facts.ordered:
                self._receive(event)
            case "receive":
                self._early.append(event)

    def _receive(self, event: Event) -> None:
        found = self._under_way.get(event.message)
        if found is None:
            self._note(MESSAGES, f"{event.message} arrives, and was not sent")
            return
        sender, receiver, sent_ns, times = found
        if (sender, receiver) != (event.peer, event.node):
            self._note(MESSAGES, f"{event.message} from {sender} to {receiver} arrives at {event.node}")
        if times < 1:
            self._note(MESSAGES, f"{event.message} arrives once more, or was lost")
        delay_ns = self._facts.delay_ns(sender, receiver)
        if self._facts.ordered and (delay_ns is None or event.t < sent_ns + delay_ns):
            self._note(MESSAGES, f"{event.message} arrives {event.t - sent_ns} ns after it was sent, not {delay_ns} ns")
        self._under_way[event.message] = (sender, receiver, sent_ns, times - 1)

    def end(self) -> None:
        for event in self._early:
            self._receive(event)


HELD: Final = "held"
COMING: Final = "on its way"
MEASURED: Final = "measured"  # and gone, unless it was kept: that shows when it is used again

_USES: Final = frozenset({"gate", "measure", "reset", "move", "mark", "adopt", "discard", "expire", "send_qubit"})
_GONE: Final = {"discard": "discarded", "expire": "expired", "measure": MEASURED}


class Qubits:
    """Where each qubit is, and how it ended."""

    def __init__(self, note: Note, facts: Facts, lives: Lives) -> None:
        self.pairs = 0
        self.links: dict[str, tuple[str, str]] = {}  # the two halves of each link pair
        self.other: dict[str, str] = {}
        self._note = note
        self._facts = facts
        self._lives = lives
        self._where: dict[str, tuple[str, str]] = {}  # its node, and what it is there, or how it ended
        self._held: Counter[str] = Counter()
        self._fuzzy: set[str] = set()  # nodes that do more than they log
        self._circuits: dict[tuple[str, int, int], str] = {}  # of requests of stacks
        self.of_stacks: dict[str, str] = {}  # halves that they hold, and for which circuit

    def see(self, event: Event) -> None:
        node = event.node
        match event.event:
            case "create":
                for qubit in event.qubits:
                    if qubit in self._where:
                        self._note(AFTER, f"{qubit} is created once more")
                    self._arrives(node, qubit)
            case "generate" if len(event.qubits) == 2:
                one, other = event.qubits
                self.pairs += 1
                self.other[one], self.other[other] = other, one
                self._where[one], self._where[other] = (node, COMING), (event.peer, COMING)
            case "request" if event.program == STACK:
                self._circuits[node, self._lives.of[node], event.request] = event.channel
            case "deliver" | "receive_qubit":
                self._came(event)
            case "withdraw" | "node_lost" | "lost":
                for qubit in event.qubits:
                    self._ends(qubit, event.event)
                if event.event == "node_lost":
                    for qubit in [qubit for qubit, (at, _) in self._where.items() if at == node]:
                        self._ends(qubit, "lost with its node")
            case "omitted":
                self._fuzzy.add(node)
            case "network_deliver":
                for qubit in event.qubits:
                    self._use(node, qubit, event.event)
                    self.of_stacks.pop(qubit, None)
            case kind if kind in _USES:
                for qubit in event.qubits:
                    self._use(node, qubit, kind)
                    if kind == "send_qubit":
                        self._ends(qubit, COMING)
                        self._where[qubit] = (event.peer, COMING)
                    elif kind in _GONE:
                        self._ends(qubit, _GONE[kind])

    def _came(self, event: Event) -> None:
        for qubit in event.qubits:
            at, state = self._where.get(qubit, ("", "unknown"))
            if event.event == "deliver" and state != COMING and self._facts.ordered and at:
                self._note(TWICE, f"{qubit} is delivered, and is {state} at {at}")
            elif (at, state) != (event.node, COMING) and self._facts.ordered:
                self._note(AFTER, f"{qubit} arrives at {event.node}, and is {state} at {at or 'no node'}")
            self._arrives(event.node, qubit)
            if event.program == STACK:
                circuit = self._circuits.get((event.node, self._lives.of[event.node], event.request), "")
                self.of_stacks[qubit] = circuit

    def _arrives(self, node: str, qubit: str) -> None:
        if self._where.get(qubit) == (node, HELD):
            return
        self._where[qubit] = (node, HELD)
        self._held[node] += 1
        slots = self._facts.slots.get(node)
        if slots is not None and self._held[node] > slots and node not in self._fuzzy:
            self._note(SLOTS, f"{node} holds {self._held[node]} qubits in {slots} slots")

    def _use(self, node: str, qubit: str, what: str) -> None:
        at, state = self._where.get(qubit, ("", "unknown"))
        if not at and node in self._fuzzy:
            self._arrives(node, qubit)
        elif at == node and state == MEASURED:
            self._arrives(node, qubit)  # it was kept
        elif (at, state) != (node, HELD):
            self._note(AFTER, f"{what} of {qubit} at {node}, and it is {state} at {at or 'no node'}")

    def _ends(self, qubit: str, how: str) -> None:
        at, state = self._where.get(qubit, ("", "unknown"))
        if state == HELD:
            self._held[at] -= 1
        self._where[qubit] = (at, how)
        if how != MEASURED:
            self.of_stacks.pop(qubit, None)

    def end(self) -> Iterator[tuple[str, str, str]]:
        """The halves that stacks still hold: node, half and circuit."""
        for qubit, circuit in self.of_stacks.items():
            at, state = self._where[qubit]
            if state == HELD:
                yield at, qubit, circuit

    @property
    def held(self) -> int:
        return sum(self._held.values())


class Requests:
    """End-to-end requests, and what was delivered for them."""

    def __init__(self, note: Note, lives: Lives, qubits: Qubits) -> None:
        self.asked: dict[Request, _Asked] = {}
        self.pairs: dict[str, dict[str, _Delivered]] = {}  # by end-to-end pair and node
        self._note = note
        self._lives = lives
        self._qubits = qubits
        self._joined: dict[str, str] = {}  # halves that were measured together
        self._of_circuits: dict[tuple[str, str], Request] = {}  # by circuit and node

    def see(self, line: int, event: Event) -> None:
        kind = event.event
        if kind == "swap":
            self._swap(event)
        elif kind == "node_lost":
            for one, open_ in self.asked.items():
                if one.node == event.node and not open_.ended:
                    open_.ended = "lost"
        elif kind.startswith("network_"):
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
                if kind == "network_accepted":
                    self._of_circuits[event.name, event.node] = request

    def _end_of(self, event: Event, request: Request, asked: _Asked) -> None:
        if asked.ended:
            self._note(ENDED, f"{request}: it is {_ENDS[event.event]}, and was {asked.ended}")
        asked.ended = _ENDS[event.event]

    def _deliver(self, line: int, event: Event, request: Request, asked: _Asked) -> None:
        asked.delivered += 1
        if asked.delivered > asked.n:
            self._note(ENDED, f"{request}: {asked.delivered} pairs are delivered, of {asked.n}")
        self._of_circuits[event.pair.rpartition(".")[0], event.node] = request
        ends = self.pairs.setdefault(event.pair, {})
        if event.node in ends:
            self._note(TWICE, f"{event.pair} is delivered to {event.node} a second time")
            return
        qubit = event.qubits[0] if event.qubits else ""
        ends[event.node] = _Delivered(line, request, qubit)
        if len(ends) == 2:
            one, other = ends.values()
            if self.end_of(one.qubit) != other.qubit:
                self._note(CHAIN, f"{event.pair}: {one.qubit} leads to {self.end_of(one.qubit)}, not to {other.qubit}")

    def _swap(self, event: Event) -> None:
        if len(event.qubits) == 2:
            one, other = event.qubits
            for qubit in event.qubits:
                if qubit in self._joined:
                    self._note(CHAIN, f"{qubit} is swapped a second time")
            self._joined[one], self._joined[other] = other, one

    def end_of(self, qubit: str) -> str:
        """Where one comes to, from pair to pair."""
        end = self._qubits.other.get(qubit, "nowhere")
        for _ in range(len(self._joined) + 1):
            if end not in self._joined:
                return end
            end = self._qubits.other.get(self._joined[end], "nowhere")
        return "itself"

    def end(self) -> None:
        for request, asked in self.asked.items():
            if asked.ended == "served" and asked.delivered != asked.n:
                self._note(ENDED, f"{request}: it is served with {asked.delivered} pairs, of {asked.n}")
        for pair, ends in self.pairs.items():
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

    def is_open(self, circuit: str) -> bool:
        """Whether one of its ends has a request that has not ended, with the other."""
        one, _, other = circuit.rpartition("#")[0].partition(">")
        ends = {one.partition("!")[0], other}
        return any(not asked.ended and {request.node, asked.peer} == ends for request, asked in self.asked.items())


class Checker:
    """All of them. `see` each line of a log in order, then `end`.

    Attributes:
        violations: What does not hold.
        torn: The log stops before the end of the run.
    """

    def __init__(self, facts: Facts) -> None:
        self.violations: list[Violation] = []
        self.events = 0
        self.torn = True
        self.lives = Lives(self._note)
        self.messages = Messages(self._note, facts)
        self.qubits = Qubits(self._note, facts, self.lives)
        self.requests = Requests(self._note, self.lives, self.qubits)
        self._last: Counter[str] = Counter()  # when something last reached a node
        self._now_ns = 0

    def _note(self, invariant: str, what: str) -> None:
        self.violations.append(Violation(self.events, invariant, what))

    def see(self, event: Event) -> None:
        self.events += 1
        self._now_ns = max(self._now_ns, event.t)
        self.lives.see(event)
        self.messages.see(event)
        self.qubits.see(event)
        self.requests.see(self.events, event)
        if event.event in ("receive", "deliver", "measure"):
            self._last[event.node] = event.t
        if event.event == "run_ended":
            self.torn = False

    def end(self) -> None:
        """All lines have been seen."""
        self.messages.end()
        self.requests.end()
        for node, qubit, circuit in self.qubits.end():
            late = self._last[node] == self._now_ns or self.messages.under_way or self.torn
            if not late and not self.requests.is_open(circuit):
                self._note(LEAK, f"{node} keeps {qubit} for {circuit or 'no circuit'}, which is over")

    def open(self) -> dict[Request, str]:
        """The requests that have not ended, and why not."""
        return {one: asked.state for one, asked in self.requests.asked.items() if not asked.ended}

    def endings(self) -> Counter[str]:
        """How many requests ended how."""
        return Counter(asked.ended for asked in self.requests.asked.values() if asked.ended)
