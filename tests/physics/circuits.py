"""Swapping and distilling written out on dense 16 x 16 matrices: what the short formulas are compared with."""

from __future__ import annotations

from itertools import product
from math import exp, pi, sqrt
from typing import Final

import numpy as np

from qnode.quantum.bell import BellState
from qnode.quantum.dense import embedded, tensor
from qnode.quantum.fidelity import partial_trace
from qnode.quantum.gates import GATES, Matrix, rx

ONE: Final = np.eye(2, dtype=np.complex128)
BITS: Final = (0, 1)


def random_rho(seed: int, n_qubits: int = 2) -> Matrix:
    """A density matrix of full rank."""
    rng = np.random.default_rng(seed)
    size = 2**n_qubits
    factor = rng.normal(size=(size, size)) + 1j * rng.normal(size=(size, size))
    rho = factor @ factor.conj().T
    return np.asarray(rho / np.trace(rho), np.complex128)


def through(rho: Matrix, kraus: list[Matrix], *targets: int) -> Matrix:
    """sum K rho K^dagger, K on some of the qubits."""
    n_qubits = len(rho).bit_length() - 1
    whole = [embedded(operator, targets, n_qubits) for operator in kraus]
    return np.asarray(sum(operator @ rho @ operator.conj().T for operator in whole), np.complex128)


def gate(rho: Matrix, name: str, *targets: int) -> Matrix:
    return through(rho, [GATES[name].unitary()], *targets)


def mixed(rho: Matrix, probability: float, *targets: int) -> Matrix:
    """Some of four qubits are replaced by I/2**m with a probability."""
    paulis = [ONE, *(GATES[name].unitary() for name in "xyz")]
    strings = [tensor(*factors) for factors in product(paulis, repeat=len(targets))]
    lost = through(rho, [string / sqrt(len(strings)) for string in strings], *targets)
    return (1 - probability) * rho + probability * lost


def memory(t: float, t1: float, t2: float) -> list[Matrix]:
    """Amplitude damping, then dephasing: Kraus operators of storage (Nielsen & Chuang, sections 8.3.5 and 8.3.6)."""
    kept = exp(-t / t1)
    damping = [np.diag((1, sqrt(kept))), np.array(((0, sqrt(1 - kept)), (0, 0)))]
    p = (1 - exp(-t * (1 / t2 - 1 / (2 * t1)))) / 2
    dephasing = [sqrt(1 - p) * ONE, sqrt(p) * GATES["z"].unitary()]
    return [np.asarray(after @ before, np.complex128) for after in dephasing for before in damping]


def _reading(outcome: int, flip: float) -> Matrix:
    """The effect of reading an outcome in Z."""
    return np.diag((1 - flip, flip) if outcome == 0 else (flip, 1 - flip)).astype(np.complex128)


def swap(left: Matrix, right: Matrix, outcome: BellState, mixing: float = 0, flip: float = 0) -> Matrix:
    """Qubits A, B of one pair and C, D of another; Bell measurement of B and C. Unnormalised state of A and D."""
    rho = gate(tensor(left, right), "cnot", 1, 2)
    rho = gate(mixed(rho, mixing, 1, 2), "h", 1)
    read = tensor(ONE, _reading(outcome.z, flip), _reading(outcome.x, flip), ONE)
    return partial_trace(np.asarray(read @ rho), (0, 3))


def distil(first: Matrix, second: Matrix, *, turned: bool, mixing: float = 0, flip: float = 0) -> Matrix:
    """Pairs AB and CD, ends A, C and B, D: unnormalised state of A and B if C and D are read alike."""
    rho = tensor(first, second)
    if turned:
        for qubit, angle in enumerate((pi / 2, -pi / 2) * 2):
            rho = through(rho, [rx(angle)], qubit)
    for control, target in ((0, 2), (1, 3)):
        rho = mixed(gate(rho, "cnot", control, target), mixing, control, target)
    zeros, ones = (tensor(_reading(bit, flip), _reading(bit, flip)) for bit in BITS)
    return partial_trace(np.asarray(tensor(ONE, ONE, zeros + ones) @ rho), (0, 1))
