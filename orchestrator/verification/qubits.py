"""Where qubits are, and how they end. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

from orchestrator.oracle.events import Event
from orchestrator.verification.facts import AFTER, SLOTS, TWICE, Facts, Note
from orchestrator.verification.messages import Lives
from qnode.wire.stack import STACK

HELD: Final = "held"
COMING: Final = "on its way"
MEASURED: Final = "measured"  # and gone, unless it was kept: that shows when it is used again

_USES: Final = frozenset({"gate", "measure", "reset", "move", "mark", "adopt", "discard", "expire", "send_qubit"})
_GONE: Final = {"discard": "discarded", "expire": "expired", "measure": MEASURED}


class Qubits:
    """Where each qubit is, and how it ended."""

    def __init__(self, note: Note, facts: Facts, lives: Lives) -> None:
        self.pairs = 0
        self.other: dict[str, str] = {}  # half of each half of a link pair
        self._note = note
        self._facts = facts
        self._lives = lives
        self._where: dict[str, tuple[str, str]] = {}  # its node, and what it is there, or how it ended
        self._held: Counter[str] = Counter()
        self._landing: dict[str, tuple[int, int]] = {}  # when, and how many that may still find no place
        self._fuzzy: set[str] = set()  # nodes that do more than they log
        self._circuits: dict[tuple[str, int, int], str] = {}  # of requests of stacks
        self.of_stacks: dict[str, str] = {}  # halves that they hold, and for which circuit

    def see(self, event: Event) -> None:
        node = event.node
        if self._landing and node in self._landing and event.t > self._landing[node][0]:
            self._has_landed(node)
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
            case "lost" if event.local:
                when_ns, n = self._landing.get(node, (event.t, 0))  # it is discarded next
                self._landing[node] = when_ns, max(0, n - len(event.qubits))
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
            case "network_correct":
                for qubit in event.qubits:
                    self._use(node, qubit, event.event)
            case "network_measure":
                for qubit in event.qubits:
                    at, state = self._where.get(qubit, ("", "unknown"))
                    if (at, state) != (node, MEASURED):
                        self._note(AFTER, f"{node} has an outcome of {qubit}, which is {state} at {at or 'no node'}")
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
            self._landing[event.node] = event.t, self._landing.get(event.node, (0, 0))[1] + 1
            self._arrives(event.node, qubit)
            if event.program == STACK:
                circuit = self._circuits.get((event.node, self._lives.of[event.node], event.request), "")
                self.of_stacks[qubit] = circuit

    def _arrives(self, node: str, qubit: str) -> None:
        if self._where.get(qubit) == (node, HELD):
            return
        self._where[qubit] = (node, HELD)
        self._held[node] += 1
        self._count(node)

    def _has_landed(self, node: str) -> None:
        """What came to a node has found its place, or it has said that there is none."""
        if self._landing.pop(node)[1]:
            self._count(node)

    def _count(self, node: str) -> None:
        slots, held = self._facts.slots.get(node), self._held[node]
        if slots is not None and held - self._landing.get(node, (0, 0))[1] > slots and node not in self._fuzzy:
            self._note(SLOTS, f"{node} holds {held} qubits in {slots} slots")

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
        """The run is over. The halves that stacks still hold: node, half and circuit."""
        for node in list(self._landing):
            self._has_landed(node)
        for qubit, circuit in self.of_stacks.items():
            at, state = self._where[qubit]
            if state == HELD:
                yield at, qubit, circuit

    @property
    def held(self) -> int:
        return sum(self._held.values())
