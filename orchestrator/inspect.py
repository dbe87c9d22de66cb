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
from qnode.quantum.gates import GATES

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
        self._owed: dict[QubitId, int] = {}  # what the other end of a half's pair is still to correct
        self._corrected: set[QubitId] = set()

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

    def owes(self, half: QubitId, frame: int) -> None:
        """A program has its half of a pair whose other end corrects this frame, sooner or later."""
        other = self._partners.get(half)
        if other is not None and other not in self._corrected:
            self._owed[half] = frame

    def corrected(self, half: QubitId) -> None:
        """A far end has corrected its half."""
        self._corrected.add(half)
        self._owed.pop(self._partners.get(half, half), None)

    def _state_of_pair(self, qubit: QubitId, states: States) -> Matrix | None:
        """Of a half: the joint state with its partner, if both halves are still there.

        As it is for programs: a correction that the partner's node still owes counts as made, for that is what its
        program will get.
        """
        other = self._partners.get(qubit) or partner_of(qubit)
        if other is None or other not in states:
            return None
        rho, owed = states.reduced_state((qubit, other)), self._owed.get(qubit)
        if owed is None:
            return rho
        for gate in BELL_STATES[owed].correction:
            unitary = np.kron(np.eye(2), GATES[gate].unitary())
            rho = np.asarray(unitary @ rho @ unitary.conj().T)
        return rho

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
