"""The memory slots that circuits have taken. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from orchestrator.oracle.events import Event
from orchestrator.verification.facts import RESERVED, SLOTS, Facts, Note


class Reserved:
    """How many slots of each node each circuit has; that of a half that was delivered is its program's."""

    def __init__(self, note: Note, facts: Facts) -> None:
        self._note = note
        self._facts = facts
        self._of: dict[str, Counter[str]] = {}  # by node and circuit

    def see(self, event: Event) -> None:
        match event.event:
            case "network_slots":
                self._more(event.node, event.name, event.n)
            case "network_deliver":
                self._more(event.node, event.pair.rpartition(".")[0], -1)
            case "node_lost":
                self._of.pop(event.node, None)

    def _more(self, node: str, circuit: str, n: int) -> None:
        taken = self._of.setdefault(node, Counter())
        taken[circuit] += n
        if taken[circuit] < 0:
            self._note(RESERVED, f"{node} has got {-taken[circuit]} more of {circuit} than it has taken")
        slots = self._facts.slots.get(node)
        if slots is not None and n > 0 and taken.total() > slots:
            self._note(SLOTS, f"{taken.total()} of {slots} slots are taken at {node}")
        if not taken[circuit]:
            del taken[circuit]

    def end(self) -> Iterator[tuple[str, str, int]]:
        """What has not been given back: node, circuit, and how many."""
        for node, taken in self._of.items():
            for circuit, n in taken.items():
                yield node, circuit, n
