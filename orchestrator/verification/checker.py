"""Checks a log, line by line. Pure."""

from __future__ import annotations

from collections import Counter

from orchestrator.oracle.events import Event
from orchestrator.verification.chains import Chains
from orchestrator.verification.facts import LEAK, RESERVED, Facts, Violation
from orchestrator.verification.messages import Lives, Messages
from orchestrator.verification.qubits import Qubits
from orchestrator.verification.requests import Request, Requests
from orchestrator.verification.reserved import Reserved
from qnode.wire.stack import STACK


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
        self.chains = Chains(self._note, self.qubits)
        self.reserved = Reserved(self._note, facts)
        self.requests = Requests(self._note, self.lives, self.chains, ordered=facts.ordered)
        self._facts = facts
        self._how = ""
        self._last: dict[str, int] = {}  # when a node's stack last did something, or had something to do
        self._now_ns = 0

    def _note(self, invariant: str, what: str) -> None:
        self.violations.append(Violation(self.events, invariant, what))

    def see(self, event: Event) -> None:
        self.events += 1
        self._now_ns = max(self._now_ns, event.t)
        self.lives.see(event)
        self.messages.see(event)
        self.qubits.see(event)
        self.chains.see(self.events, event)
        self.reserved.see(event)
        self.requests.see(self.events, event)
        stack_does = event.program == STACK or event.event.startswith("network_")
        if stack_does or not self.qubits.of_stacks.keys().isdisjoint(event.qubits):
            self._last[event.node] = event.t
        if event.event == "run_ended":
            self.torn, self._how = False, event.name

    def end(self) -> None:
        """All lines have been seen."""
        self.messages.end()
        self.chains.end()
        self.requests.end(self._how)
        if self.torn:
            return
        talked_to = self.messages.talked_to()
        for node, qubit, circuit in self.qubits.end():
            if self._is_over(circuit, node, talked_to):
                self._note(LEAK, f"{node} keeps {qubit} for {circuit or 'no circuit'}, which is over")
        for node, circuit, n in self.reserved.end():
            if self._is_over(circuit, node, talked_to):
                self._note(RESERVED, f"{node} keeps {n} slots for {circuit}, which is over")

    def _is_over(self, circuit: str, node: str, talked_to: set[str]) -> bool:
        """Whether nothing is to come of a circuit at a node, and that has had the time to know."""
        if self._now_ns <= self._last.get(node, -1) + self._facts.busy_ns.get(node, 0):
            return False
        return talked_to.isdisjoint({node, *self.requests.route(circuit)}) and not self.requests.is_open(circuit, node)

    def open(self) -> dict[Request, str]:
        """The requests that have not ended, and why not."""
        return {one: asked.state for one, asked in self.requests.asked.items() if not asked.ended}

    def endings(self) -> Counter[str]:
        """How many requests ended how."""
        return Counter(asked.ended for asked in self.requests.asked.values() if asked.ended)
