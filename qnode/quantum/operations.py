"""A gate with its parameters filled in, ready to be applied: its matrix, and its tableau if it is Clifford.

Programs repeat themselves, so what `resolve` makes is remembered: the second ry(0.3) costs a dictionary lookup.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import isfinite
from typing import Final

import numpy as np

from qnode.errors import InvalidOperation
from qnode.quantum.clifford import Clifford, from_images, from_unitary
from qnode.quantum.gates import GATES, Matrix, Params
from qnode.quantum.kernels import Targets, embed

EMBED_LIMIT: Final = 5
"""Up to this many qubits a fixed gate is kept as one matrix on all of them: a single product applies it."""

UNITARY: Final = 1e-10
"""How far U U^dagger may be from the identity, entry by entry."""


class Operation:
    """What a component is asked to do.

    Attributes:
        name: The gate's name, or "unitary".
        n_qubits: Number of operands.
        matrix: Shape (2**n_qubits, 2**n_qubits), qubit 0 leftmost.
        clifford: The same as a Clifford operation, exact to 1e-12; None if it is not one.
        stim: The method of Stim's simulator that does it at once; None if there is none.
    """

    __slots__ = ("_embedded", "clifford", "matrix", "n_qubits", "name", "stim")

    def __init__(self, name: str, matrix: Matrix, clifford: Clifford | None, stim: str | None, *, kept: bool) -> None:
        matrix.setflags(write=False)
        self.name = name
        self.n_qubits = len(matrix).bit_length() - 1
        self.matrix = matrix
        self.clifford = clifford
        self.stim = stim
        self._embedded: dict[tuple[int, Targets], Matrix] | None = {} if kept else None

    def embedded(self, n_qubits: int, targets: Targets) -> Matrix | None:
        """The matrix on all of n qubits, shape (2**n, 2**n); None if this operation is too rare to keep it."""
        known = self._embedded
        if known is None:
            return None
        found = known.get((n_qubits, targets))
        if found is None:
            found = known[n_qubits, targets] = embed(self.matrix, n_qubits, targets)
        return found


def _fixed(name: str) -> Operation:
    gate = GATES[name]
    matrix = gate.unitary()
    clifford = Clifford.of(from_images(gate.pauli_images)) if gate.pauli_images else None
    return Operation(name, matrix, clifford, gate.stim and gate.stim.lower(), kept=True)


FIXED: Final = {name: _fixed(name) for name, gate in GATES.items() if not gate.n_params}
"""The gates without parameters, resolved."""

ROTATE_TO_Z: Final = {"z": (), "x": (FIXED["h"],), "y": (FIXED["sdg"], FIXED["h"])}
"""What to apply before a measurement in the Z basis, so that it measures this Pauli (N&C, exercise 4.6 and table)."""


def resolve(name: str, params: Sequence[float] = ()) -> Operation:
    """The operation of a gate's name and parameters.

    Raises:
        InvalidOperation: If there is no such gate, or it takes other parameters.
    """
    try:
        return _rotation(name, tuple(params)) if params else FIXED[name]
    except KeyError:
        raise InvalidOperation(detail=_complaint(name, params)) from None
    except (TypeError, ValueError, OverflowError):  # a parameter that is no finite number
        raise InvalidOperation(detail=f"gate {name} cannot take the parameters {tuple(params)!r}") from None


def _complaint(name: str, params: Sequence[float]) -> str:
    gate = GATES.get(name)
    if gate is None:
        return f"{name!r} is no gate; there are: {', '.join(GATES)}"
    return f"gate {name} takes {gate.n_params} parameters, not {len(params)}"


@lru_cache(maxsize=4096)
def _rotation(name: str, params: Params) -> Operation:
    gate = GATES[name]
    if len(params) != gate.n_params:
        raise KeyError(name)
    if not all(map(isfinite, params)):
        raise ValueError(params)
    matrix = gate.unitary(*params)
    tableau = from_unitary(matrix)
    return Operation(name, matrix, Clifford.of(tableau) if tableau is not None else None, None, kept=False)


def from_matrix(matrix: Matrix) -> Operation:
    """The operation of an arbitrary unitary, checked.

    Args:
        matrix: Shape (2**m, 2**m), m >= 1; anything that NumPy can make such an array of.
    Raises:
        InvalidOperation: If it has another shape or is not unitary within 1e-10.
    """
    try:
        own = np.array(matrix, np.complex128, order="C")
    except (TypeError, ValueError):
        raise InvalidOperation(detail=f"a unitary must be a matrix of numbers, not {type(matrix).__name__}") from None
    size = own.shape[0] if own.ndim == 2 else 0
    if size < 2 or own.shape != (size, size) or size & (size - 1):
        raise InvalidOperation(detail=f"a unitary has shape (2**m, 2**m), not {own.shape}")
    with np.errstate(all="ignore"):  # what overflows is not unitary either
        error = np.abs(own @ own.conj().T - np.eye(size)).max()
    if not error <= UNITARY:
        raise InvalidOperation(detail=f"the matrix is not unitary: U U^dagger is off by {error:.2g}")
    tableau = from_unitary(own)
    return Operation("unitary", own, Clifford.of(tableau) if tableau is not None else None, None, kept=False)
