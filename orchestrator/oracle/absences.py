"""How long nodes have had no connection. Pure: who looks says what the time is."""

from __future__ import annotations

from collections.abc import Callable, Iterable

LOOK_EVERY_S = 1.0


class Absences:
    """Nodes of other machines, of whose processes nobody here hears when they end.

    A cut alone says nothing: a network heals, a laptop is opened again. Gone is who has had no connection for as long
    as whoever started the oracle is patient.
    """

    def __init__(self, patience_s: float) -> None:
        self._patience_s = patience_s
        self._since: dict[str, float] = {}
        self._next_look = 0.0

    def overdue(self, nodes: Iterable[str], is_there: Callable[[str], bool], now: float) -> dict[str, str]:
        """Those who are gone, and how that is told; looks now and then only."""
        if now < self._next_look:
            return {}
        self._next_look = now + LOOK_EVERY_S
        for node in nodes:
            if is_there(node):
                self._since.pop(node, None)
            else:
                self._since.setdefault(node, now)
        found = [node for node, since in self._since.items() if now - since >= self._patience_s]
        for node in found:
            del self._since[node]
        return dict.fromkeys(found, f"no connection to it for {self._patience_s:g} s")
