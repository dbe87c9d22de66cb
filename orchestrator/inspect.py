"""The observer's view: the only place, besides tests, that looks at a quantum state.

It works on copies and draws nothing from the run's randomness, so a watched run is the same run as an unwatched one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from orchestrator.oracle.spec import Observed
from qnode.ids import NodeName, QubitId
from qnode.quantum.fidelity import fidelity, named_state
from qnode.quantum.register import Register

Matrix = npt.NDArray[np.complex128]

_PHI_PLUS: Final = ""


@dataclass(frozen=True, slots=True)
class Sight:
    """What was seen at one mark: the qubit's reduced state, or None where nobody asked for it."""

    node: NodeName
    qubit: QubitId
    state: Matrix
    pair_fidelity: float | None


class MarkObserver:
    """Keeps reduced states at marks, and compares them when the run is over.

    Args:
        observe: Labels, each with its targets: a named state, another label, or "" for Phi+ of the qubit's pair.
    """

    def __init__(self, observe: Mapping[str, tuple[str, ...]]) -> None:
        self._observe = observe
        self._labels = set(observe) | {target for targets in observe.values() for target in targets}
        self._seen: dict[str, list[Sight]] = {}

    @property
    def labels(self) -> frozenset[str]:
        """The marks at which it looks."""
        return frozenset(self._labels - {_PHI_PLUS})

    def at_mark(self, label: str, node: NodeName, qubit: QubitId, register: Register) -> None:
        """Look at a marked qubit. The register is read and not changed."""
        if label not in self._labels:
            return
        pair = _fidelity_of_pair(qubit, register) if _PHI_PLUS in self._observe.get(label, ()) else None
        self._seen.setdefault(label, []).append(Sight(node, qubit, register.reduced_state((qubit,)), pair))

    def evaluate(self) -> tuple[Observed, ...]:
        """All that was asked for; the n-th mark of a label is compared with the n-th of its target."""
        return tuple(
            Observed(label, nth, sight.node, sight.qubit, _quantity(target), self._value(sight, nth, target))
            for label, targets in self._observe.items()
            for nth, sight in enumerate(self._seen.get(label, ()))
            for target in targets
        )

    def _value(self, sight: Sight, nth: int, target: str) -> float | None:
        if target == _PHI_PLUS:
            return sight.pair_fidelity
        others = self._seen.get(target)
        if target in self._labels and others is not None:
            return fidelity(sight.state, others[nth].state) if nth < len(others) else None
        ket = named_state(target) if target in _NAMED else None
        return fidelity(sight.state, ket) if ket is not None and ket.size == 2 else None


def _quantity(target: str) -> str:
    return f"fidelity to {target}" if target else "fidelity"


def _fidelity_of_pair(qubit: QubitId, register: Register) -> float | None:
    """Of a half: the fidelity to Phi+ with its partner, if both halves are still there."""
    pair, at, end = qubit.rpartition("@")
    if not at:
        return None
    one, _, other = pair.partition("#")[0].partition("~")
    partner = QubitId(f"{pair}@{other if end == one else one}")
    if partner not in register:
        return None
    return fidelity(register.reduced_state((qubit, partner)), named_state("phi+"))


_NAMED: Final = frozenset(("0", "1", "+", "-", "i", "-i", "phi+", "phi-", "psi+", "psi-"))
