"""How close states are to each other. For the observer and for tests: a node cannot compute any of this."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.complex128]

_S: Final = 0.5**0.5
_NAMED: Final[dict[str, list[complex]]] = {
    "0": [1, 0],
    "1": [0, 1],
    "+": [_S, _S],
    "-": [_S, -_S],
    "i": [_S, 1j * _S],
    "-i": [_S, -1j * _S],
    "phi+": [_S, 0, 0, _S],
    "phi-": [_S, 0, 0, -_S],
    "psi+": [0, _S, _S, 0],
    "psi-": [0, _S, -_S, 0],
}


def named_state(name: str) -> Matrix:
    """The state vector of a named state of one qubit or of a Bell state. Raises KeyError for any other name."""
    return np.array(_NAMED[name], dtype=np.complex128)


def fidelity(rho: Matrix, target: Matrix) -> float:
    """The squared fidelity of a state to a target.

    Args:
        rho: Density matrix, shape (d, d).
        target: State vector of shape (d,), then <target|rho|target>; or density matrix, then Uhlmann's, squared.
    Source: Nielsen & Chuang, section 9.2.2, squared.
    """
    if target.ndim == 1:
        return float(np.real(target.conj() @ rho @ target))
    root = _square_root(rho)
    values = np.linalg.eigvalsh(root @ target @ root)
    return float(np.sum(np.sqrt(np.clip(values, 0, None))) ** 2)


def trace_distance(rho: Matrix, sigma: Matrix) -> float:
    """Half the sum of the absolute eigenvalues of rho - sigma. Source: Nielsen & Chuang, section 9.2.1."""
    return float(np.sum(np.abs(np.linalg.eigvalsh(rho - sigma))) / 2)


def partial_trace(rho: Matrix, keep: tuple[int, ...]) -> Matrix:
    """The reduced state of the qubits to keep, in that order; rho has shape (2**n, 2**n), qubit 0 leftmost."""
    n = rho.shape[0].bit_length() - 1
    gone = [qubit for qubit in range(n) if qubit not in keep]
    order = [*keep, *gone]
    tensor = rho.reshape([2] * (2 * n)).transpose([*order, *(n + qubit for qubit in order)])
    kept, lost = 2 ** len(keep), 2 ** len(gone)
    reduced: Matrix = np.einsum("iaja->ij", tensor.reshape(kept, lost, kept, lost))
    return reduced


def _square_root(rho: Matrix) -> Matrix:
    values, vectors = np.linalg.eigh(rho)
    root: Matrix = (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.conj().T
    return root
