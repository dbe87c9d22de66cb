"""The observer's view: the only place, besides tests, that looks at a quantum state.

It works on copies and draws nothing from the run's randomness, so a watched run is the same run as an unwatched one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from orchestrator.oracle.spec import Observed
from qnode.ids import NodeName, QubitId, other_half
from qnode.quantum.bell import BELL_STATES
from qnode.quantum.fidelity import NAMED_STATES, fidelity, named_state

Matrix = npt.NDArray[np.complex128]

_PHI_PLUS: Final = ""
_OF_PAIRS: Final = frozenset({_PHI_PLUS, *(bell.name.lower() for bell in BELL_STATES)})


class States(Protocol):
    """Where an observer looks."""

    def __contains__(self, qubit: object) -> bool: ...

    def reduced_state(self, qubits: Sequence[QubitId]) -> Matrix:
        """The density matrix of some qubits, shape (2**m, 2**m), first qubit leftmost."""


@dataclass(frozen=True, slots=True)
class Sight:
    """What was seen at one mark.

    Attributes:
        state: The qubit's reduced state.
        pair: That of the qubit and its partner in a Bell pair; None if nobody asked, or if they are not both there.
    """

    node: NodeName
    qubit: QubitId
    state: Matrix
    pair: Matrix | None


class MarkObserver:
    """Keeps reduced states at marks, and compares them when the run is over.

    Args:
        observe: Labels, each with its targets: a named state (a Bell state is that of the qubit's pair), another label,
            or "" for Phi+.
    """

    def __init__(self, observe: Mapping[str, tuple[str, ...]]) -> None:
        self._observe = observe
        self._labels = set(observe) | {target for targets in observe.values() for target in targets}
        self._seen: dict[str, list[Sight]] = {}
        self._partners: dict[QubitId, QubitId] = {}  # of halves whose pairs have been joined to others

    @property
    def labels(self) -> frozenset[str]:
        """The marks at which it looks."""
        return frozenset(self._labels - {_PHI_PLUS})

    def at_mark(self, label: str, node: NodeName, qubit: QubitId, states: States) -> None:
        """Look at a marked qubit. The states are read and not changed."""
        if label not in self._labels:
            return
        asked = not _OF_PAIRS.isdisjoint(self._observe.get(label, ()))
        pair = self._state_of_pair(qubit, states) if asked else None
        self._seen.setdefault(label, []).append(Sight(node, qubit, states.reduced_state((qubit,)), pair))

    def swapped(self, one: QubitId, other: QubitId) -> None:
        """Two halves were measured in the Bell basis: their partners are partners now."""
        left, right = (self._partners.pop(half, None) or partner_of(half) for half in (one, other))
        if left is not None and right is not None:
            self._partners[left], self._partners[right] = right, left

    def _state_of_pair(self, qubit: QubitId, states: States) -> Matrix | None:
        """Of a half: the joint state with its partner, if both halves are still there."""
        other = self._partners.get(qubit) or partner_of(qubit)
        return states.reduced_state((qubit, other)) if other is not None and other in states else None

    def evaluate(self) -> tuple[Observed, ...]:
        """All that was asked for; the n-th mark of a label is compared with the n-th of its target."""
        return tuple(
            Observed(label, nth, sight.node, sight.qubit, _quantity(target), self._value(sight, nth, target))
            for label, targets in self._observe.items()
            for nth, sight in enumerate(self._seen.get(label, ()))
            for target in targets
        )

    def _value(self, sight: Sight, nth: int, target: str) -> float | None:
        others = self._seen.get(target)
        if target in self._labels and others is not None:
            return fidelity(sight.state, others[nth].state) if nth < len(others) else None
        name = target or "phi+"
        seen = sight.pair if name in _OF_PAIRS else sight.state
        return fidelity(seen, named_state(name)) if seen is not None and name in NAMED_STATES else None


def _quantity(target: str) -> str:
    return f"fidelity to {target}" if target else "fidelity"


def partner_of(half: QubitId) -> QubitId | None:
    """The other half of a pair as a link made it."""
    other = other_half(half)
    return None if other is None else other[2]
