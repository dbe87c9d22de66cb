"""How close two states are. Observers and tests only: no node computes with this.

Fidelity is the squared overlap; Nielsen & Chuang's (equation 9.53) is its square root.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType
from typing import Final

import numpy as np

from qnode.quantum.bell import BELL_STATES
from qnode.quantum.gates import Matrix

_R: Final = np.sqrt(0.5)

ZERO: Final = 1e-13
"""Eigenvalues of a density matrix below this are rounding errors of zero."""

NAMED_STATES: Final = MappingProxyType(
    {
        "0": (1, 0),
        "1": (0, 1),
        "+": (_R, _R),
        "-": (_R, -_R),
        "i": (_R, 1j * _R),
        "-i": (_R, -1j * _R),
    }
    | {bell.name.lower(): tuple(bell.ket().tolist()) for bell in BELL_STATES}
)
"""The states that a configuration can name: the six cardinal ones and "phi+", "psi+", "phi-", "psi-"."""


def named_state(name: str) -> Matrix:
    """The state vector of a name in `NAMED_STATES`, any case, shape (2,) or (4,).

    Raises:
        KeyError: If there is no such name.
    """
    return np.array(NAMED_STATES[name.lower()], np.complex128)


def fidelity(state: Matrix, target: Matrix) -> float:
    """Squared overlap of two states, each a ket of shape (2**n,) or a density matrix of shape (2**n, 2**n).

    For a pure target <target|rho|target>; for two density matrices (tr |sqrt(rho) sqrt(sigma)|)^2, Uhlmann 1976.
    """
    if target.ndim == 1:
        return _overlap(state, target)
    if state.ndim == 1:
        return _overlap(target, state)
    return float(np.linalg.norm(_factor(state).conj().T @ _factor(target), "nuc") ** 2)


def _overlap(state: Matrix, ket: Matrix) -> float:
    if state.ndim == 1:
        return float(abs(np.vdot(ket, state)) ** 2)
    return float(np.vdot(ket, state @ ket).real)


def _factor(rho: Matrix) -> Matrix:
    """A with A A^dagger = rho: sqrt(rho) up to a unitary on its right, which changes no singular value of a product.

    One column for each eigenvalue that is not zero: the square root of a rounding error would be half of all digits.
    """
    values, vectors = np.linalg.eigh(rho)
    kept = values > ZERO
    factor: Matrix = vectors[:, kept] * np.sqrt(values[kept])
    return factor


def density_matrix(state: Matrix) -> Matrix:
    """|psi><psi| of a ket; a density matrix is returned as it is."""
    return np.outer(state, state.conj()) if state.ndim == 1 else state


def trace_distance(one: Matrix, other: Matrix) -> float:
    """Half the sum of the absolute eigenvalues of the difference (Nielsen & Chuang, equation 9.11): 0 to 1."""
    difference = density_matrix(one) - density_matrix(other)
    return float(np.abs(np.linalg.eigvalsh(difference)).sum() / 2)


def partial_trace(rho: Matrix, keep: Sequence[int]) -> Matrix:
    """The density matrix of some qubits in this order.

    Args:
        rho: Shape (2**n, 2**n), qubit 0 leftmost.
        keep: Distinct indices below n.
    Returns:
        Shape (2**m, 2**m), m = len(keep).
    """
    n_qubits = len(rho).bit_length() - 1
    order = [*keep, *(index for index in range(n_qubits) if index not in keep)]
    tensor = rho.reshape((2,) * (2 * n_qubits)).transpose(order + [index + n_qubits for index in order])
    kept, gone = 1 << len(keep), 1 << (n_qubits - len(keep))
    traced: Matrix = np.einsum("ikjk->ij", tensor.reshape(kept, gone, kept, gone))
    return traced


def is_density_matrix(rho: Matrix, tolerance: float = 1e-9) -> bool:
    """Whether it is square, finite, Hermitian, of trace 1 and without negative eigenvalues, to a tolerance."""
    if rho.ndim != 2 or rho.shape[0] != rho.shape[1] or not np.isfinite(rho).all():
        return False
    hermitian = np.abs(rho - rho.conj().T).max() <= tolerance
    return bool(
        hermitian and abs(np.trace(rho) - 1) <= tolerance and np.linalg.eigvalsh(rho).min() >= -tolerance
    )  # fmt: skip
