"""Matrices on state vectors: the arithmetic that `state_vector` and `density_matrix` share.

Amplitudes have shape (2**n,), qubit 0 leftmost, and are never changed in place: each function returns a new array.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import lru_cache
from math import prod
from typing import Final

import numpy as np
from numpy.typing import NDArray

from qnode.quantum.gates import Matrix

Targets = tuple[int, ...]

BROADCAST_LIMIT: Final = 256
"""Up to this many amplitudes NumPy's stacked product is quicker than four sums over halves."""


def apply_matrix(amplitudes: Matrix, n_qubits: int, matrix: Matrix, targets: Targets) -> Matrix:
    """Apply a matrix to some qubits.

    Args:
        amplitudes: Shape (2**n_qubits,).
        matrix: Shape (2**m, 2**m), m = len(targets); it need not be unitary.
        targets: Distinct indices below n_qubits; their order is the matrix's order.
    Returns:
        New amplitudes, shape (2**n_qubits,).
    """
    if len(targets) == 1:
        left, right = 1 << targets[0], 1 << (n_qubits - targets[0] - 1)
        if left == 1:
            return matrix.dot(amplitudes.reshape(2, right)).reshape(-1)  # type: ignore[no-any-return]
        if right == 1:
            return amplitudes.reshape(left, 2).dot(matrix.T).reshape(-1)  # type: ignore[no-any-return]
        if left * right <= BROADCAST_LIMIT:
            return np.matmul(matrix, amplitudes.reshape(left, 2, right)).reshape(-1)  # type: ignore[no-any-return]
    return _by_faces(amplitudes, n_qubits, matrix, targets)


def _by_faces(amplitudes: Matrix, n_qubits: int, matrix: Matrix, targets: Targets) -> Matrix:
    """Row by row: a face is what is left when the targets have fixed bits. Zeros of the matrix cost nothing."""
    shape, faces = _faces(n_qubits, targets)
    tensor = amplitudes.reshape(shape)
    result = np.empty_like(tensor)
    for face, row in zip(faces, matrix.tolist(), strict=True):
        terms = [(entry, other) for entry, other in zip(row, faces, strict=True) if entry]
        result[face] = (
            0 if not terms else tensor[terms[0][1]] if terms[0][0] == 1 else terms[0][0] * tensor[terms[0][1]]
        )
        for entry, other in terms[1:]:
            result[face] += entry * tensor[other]
    return result.reshape(-1)


@lru_cache(maxsize=4096)
def _faces(n_qubits: int, targets: Targets) -> tuple[tuple[int, ...], list[tuple[int | slice, ...]]]:
    """A shape whose odd axes are the targets, and for each bit pattern of the targets the index of its face."""
    ordered = sorted(targets)
    edges = [-1, *ordered, n_qubits]
    gaps = [1 << (high - low - 1) for low, high in itertools.pairwise(edges)]
    shape = [size for gap in gaps[:-1] for size in (gap, 2)] + gaps[-1:]
    axis = [2 * ordered.index(target) + 1 for target in targets]
    faces = []
    for pattern in range(1 << len(targets)):
        face: list[int | slice] = [slice(None)] * len(shape)
        for nth, where in enumerate(axis):
            face[where] = pattern >> (len(targets) - 1 - nth) & 1
        faces.append(tuple(face))
    return tuple(shape), faces


def embed(matrix: Matrix, n_qubits: int, targets: Targets) -> Matrix:
    """The matrix on all n qubits, shape (2**n, 2**n): the identity with `matrix` applied to its rows."""
    size = 1 << n_qubits
    identity = np.eye(size, dtype=np.complex128).reshape(-1)
    return apply_matrix(identity, 2 * n_qubits, matrix, targets).reshape(size, size)


def halves(amplitudes: Matrix, n_qubits: int, target: int) -> Matrix:
    """The amplitudes where the target is 0 and where it is 1, as the two rows of an array of shape (2, 2**(n-1))."""
    if n_qubits <= 10:
        return amplitudes[_half_indices(n_qubits, target)]
    split = amplitudes.reshape(1 << target, 2, -1)
    return split.transpose(1, 0, 2).reshape(2, -1)


@lru_cache(maxsize=128)
def few_halves(n_qubits: int, target: int) -> tuple[list[int], list[int]]:
    """The indices of the amplitudes where the target is 0, and of those where it is 1."""
    zero, one = _half_indices(n_qubits, target).tolist()
    return zero, one


@lru_cache(maxsize=128)
def _half_indices(n_qubits: int, target: int) -> NDArray[np.intp]:
    indices = np.arange(1 << n_qubits, dtype=np.intp).reshape(1 << target, 2, -1)
    return np.ascontiguousarray(indices.transpose(1, 0, 2).reshape(2, -1))


def rows_and_columns(amplitudes: Matrix, n_qubits: int, targets: Sequence[int]) -> Matrix:
    """The amplitudes as a matrix, shape (2**m, 2**(n-m)): rows are the targets in their order, columns the rest."""
    rest = [axis for axis in range(n_qubits) if axis not in targets]
    tensor = amplitudes.reshape((2,) * n_qubits)
    return tensor.transpose([*targets, *rest]).reshape(prod([2] * len(targets)), -1)
