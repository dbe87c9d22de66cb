"""What becomes of link pairs: which are joined, and which are made one better. Pure."""

from __future__ import annotations

from typing import NamedTuple

from orchestrator.oracle.events import Event
from orchestrator.verification.facts import CHAIN, DISTILLED, Note
from orchestrator.verification.qubits import Qubits


class _Step(NamedTuple):
    """Of a distillation, at one end."""

    line: int
    control: str
    outcome: str


class Chains:
    """Swaps and distillations."""

    def __init__(self, note: Note, qubits: Qubits) -> None:
        self._note = note
        self._other = qubits.other
        self._joined: dict[str, str] = {}  # halves that were measured together
        self._taken: dict[str, _Step] = {}  # by the half that was measured for the other's sake
        self._lost: set[str] = set()  # what a distillation has spoilt

    def see(self, line: int, event: Event) -> None:
        match event.event:
            case "swap" if len(event.qubits) == 2:
                one, other = event.qubits
                for qubit in event.qubits:
                    self._goes_on(event, qubit)
                    if qubit in self._joined:
                        self._note(CHAIN, f"{qubit} is swapped a second time")
                self._joined[one], self._joined[other] = other, one
            case "distil" if len(event.qubits) == 2:
                control, target = event.qubits
                for qubit in event.qubits:
                    self._goes_on(event, qubit)
                self._taken[target] = _Step(line, control, event.detail)
                if event.detail != "kept":
                    self._lost.add(control)
            case "network_deliver" | "network_measure":
                for qubit in event.qubits:
                    self._goes_on(event, qubit)

    def _goes_on(self, event: Event, qubit: str) -> None:
        if qubit in self._taken or qubit in self._lost:
            how = "measured in a distillation" if qubit in self._taken else "lost by a distillation"
            self._note(DISTILLED, f"{event.event} of {qubit} at {event.node}, which was {how}")

    def end_of(self, qubit: str) -> str:
        """Where one comes to, from pair to pair."""
        end = self._other.get(qubit, "nowhere")
        for _ in range(len(self._joined) + 1):
            if end not in self._joined:
                return end
            end = self._other.get(self._joined[end], "nowhere")
        return "itself"

    def end(self) -> None:
        """All lines have been seen: both ends have done the same."""
        for target, (_, control, outcome) in self._taken.items():
            far = self._taken.get(self.end_of(target))
            if far is None:
                continue  # the other end was lost, or has not heard yet
            if far.outcome != outcome and target < self.end_of(target):
                self._note(DISTILLED, f"{target} and {self.end_of(target)} say {outcome} and {far.outcome}")
            if control not in self._joined and far.control not in self._joined and self.end_of(control) != far.control:
                self._note(DISTILLED, f"{control} and {far.control}, of one distillation, are not of one pair")
