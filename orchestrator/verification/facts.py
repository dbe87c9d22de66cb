"""What holds in every run, by name, and what is known of one besides its log."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

ENDED: Final = "every request ends once, with as many pairs as it tells"
TWICE: Final = "no pair is delivered twice"
HALF: Final = "no pair is half-delivered"
CHAIN: Final = "the halves of a pair are the ends of one chain of swapped link pairs"
SLOTS: Final = "no node holds more qubits than it has slots"
AFTER: Final = "no qubit is used after its end, before it is there, or from elsewhere"
LEAK: Final = "what the stacks hold at the end is somebody's"
RESERVED: Final = "a circuit gives back the slots that it has taken, and no more"
DISTILLED: Final = "both ends of a distillation see the same, and use no pair that it took"
FRAME: Final = "a half is corrected once, as both ends know"
MESSAGES: Final = "messages arrive once, where they were sent, and no earlier than light"
LIVES: Final = "a lost node does nothing, and begins again as its next life"

INVARIANTS: Final = (ENDED, TWICE, HALF, CHAIN, SLOTS, AFTER, LEAK, RESERVED, DISTILLED, FRAME, MESSAGES, LIVES)


NOTHING: Final[Mapping[str, int]] = {}


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
        busy_ns: What a node takes at most for an operation that a stack does with its qubits; 0 if not given.
        ordered: Whether lines stand in the order in which things happened: on the virtual clock.
    """

    slots: Mapping[str, int]
    delay_ns: Callable[[str, str], int | None]
    busy_ns: Mapping[str, int] = NOTHING
    ordered: bool = True


Note = Callable[[str, str], None]
"""Told of an invariant that does not hold, and of what shows it."""
