"""The dense reference: one density matrix over all qubits, every operator written out by Kronecker products.

It is obviously right and slow, shares nothing with the fast formalisms but the table of gates, and is kept for ever:
every fast path is compared with it. Up to 8 qubits or so. It is one component that never splits, so it has nothing to
export or adopt.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product

import numpy as np

from qnode.ids import QubitId
from qnode.quantum.bell import PHI_PLUS, BellState, Pauli
from qnode.quantum.gates import GATES, Matrix

_SQRT_HALF = np.sqrt(0.5)
_EIGENSTATES = {
    "x": ([_SQRT_HALF, _SQRT_HALF], [_SQRT_HALF, -_SQRT_HALF]),
    "y": ([_SQRT_HALF, 1j * _SQRT_HALF], [_SQRT_HALF, -1j * _SQRT_HALF]),
    "z": ([1, 0], [0, 1]),
}


def tensor(*factors: Matrix) -> Matrix:
    """Their tensor product, the first leftmost; without any, the number 1."""
    whole = np.ones((1, 1), np.complex128)
    for factor in factors:
        whole = np.kron(whole, factor).astype(np.complex128, copy=False)
    return whole


def embedded(matrix: Matrix, targets: Sequence[int], n_qubits: int) -> Matrix:
    """An operator on some qubits as an operator on all: sum over a, b of M_ab |a><b| on the targets, 1 elsewhere.

    Args:
        matrix: Shape (2**m, 2**m), m = len(targets); the first target is its leftmost factor.
        targets: Distinct indices below n_qubits.
    Returns:
        Shape (2**n_qubits, 2**n_qubits), qubit 0 leftmost.
    """
    whole = np.zeros((2**n_qubits, 2**n_qubits), np.complex128)
    patterns = list(product((0, 1), repeat=len(targets)))
    for row, row_bits in enumerate(patterns):
        for column, column_bits in enumerate(patterns):
            if matrix[row, column] == 0:
                continue
            factors = [np.eye(2, dtype=np.complex128) for _ in range(n_qubits)]
            for target, row_bit, column_bit in zip(targets, row_bits, column_bits, strict=True):
                factors[target] = np.zeros((2, 2), np.complex128)
                factors[target][row_bit, column_bit] = 1
            whole += matrix[row, column] * tensor(*factors)
    return whole


class DenseRegister:
    """The same methods as `Register`, for tests; `rho` has shape (2**n, 2**n), factors in the order of `names`."""

    def __init__(self) -> None:
        self.names: list[QubitId] = []
        self.rho: Matrix = np.ones((1, 1), np.complex128)

    def create(self, qubit: QubitId) -> None:
        """A new qubit in |0>, as the last factor."""
        self.rho = tensor(self.rho, np.array([[1, 0], [0, 0]], np.complex128))
        self.names.append(qubit)

    def create_pair(self, first: QubitId, second: QubitId, bell: BellState = PHI_PLUS) -> None:
        """Two new qubits in a Bell state, as the last two factors."""
        ket = bell.ket()
        self.rho = tensor(self.rho, np.outer(ket, ket.conj()))
        self.names += [first, second]

    def apply(self, gate: str, qubits: Sequence[QubitId], params: Sequence[float] = ()) -> None:
        """rho -> U rho U^dagger."""
        self.apply_unitary(GATES[gate].unitary(*params), qubits)

    def apply_unitary(self, matrix: Matrix, qubits: Sequence[QubitId]) -> None:
        """rho -> U rho U^dagger."""
        whole = embedded(matrix, [self.names.index(qubit) for qubit in qubits], len(self.names))
        self.rho = whole @ self.rho @ whole.conj().T

    def projector(self, qubit: QubitId, outcome: int, basis: str = "z") -> Matrix:
        """|e><e| on one qubit, e the eigenstate of a Pauli, as an operator on all."""
        ket = np.array(_EIGENSTATES[basis][outcome], np.complex128)
        return embedded(np.outer(ket, ket.conj()), [self.names.index(qubit)], len(self.names))

    def probability(self, qubit: QubitId, outcome: int, basis: str = "z") -> float:
        """tr(P rho) (Nielsen & Chuang, equation 2.92)."""
        return float(np.trace(self.projector(qubit, outcome, basis) @ self.rho).real)

    def measure(self, qubit: QubitId, draw: float, basis: str = "z", keep: bool = False) -> int:
        """Project onto the outcome that the draw selects; then trace the qubit out unless kept."""
        p_zero, p_one = self.probability(qubit, 0, basis), self.probability(qubit, 1, basis)
        outcome = 0 if draw < p_zero else 1
        if (p_zero, p_one)[outcome] < 1e-12:
            outcome = 1 - outcome
        self.project(qubit, outcome, basis)
        if not keep:
            self.trace_out(qubit)
        return outcome

    def project(self, qubit: QubitId, outcome: int, basis: str = "z") -> None:
        """P rho P / tr(P rho): the state after this outcome was found elsewhere (Nielsen & Chuang, section 2.2.5)."""
        projector = self.projector(qubit, outcome, basis)
        self.rho = projector @ self.rho @ projector / self.probability(qubit, outcome, basis)

    def trace_out(self, qubit: QubitId) -> None:
        """The sum of <b| rho |b> over both values of the qubit (Nielsen & Chuang, section 2.4.3)."""
        self.rho = self.reduced_state([name for name in self.names if name != qubit])
        self.names.remove(qubit)

    def discard(self, qubit: QubitId, draw: float) -> None:
        """Measure and forget, as a sampled formalism loses a qubit."""
        self.measure(qubit, draw)

    def reset(self, qubit: QubitId, draw: float) -> None:
        """Lose the qubit and put |0> in its place."""
        self.discard(qubit, draw)
        self.create(qubit)

    def qubits(self) -> tuple[QubitId, ...]:
        """All qubits that are here."""
        return tuple(self.names)

    def pauli_expectation(self, paulis: Mapping[QubitId, Pauli]) -> float:
        """tr(P rho), P the product of a Pauli on each named qubit."""
        turned = self.rho
        for qubit, pauli in paulis.items():
            turned = embedded(GATES[pauli].unitary(), [self.names.index(qubit)], len(self.names)) @ turned
        return float(np.trace(turned).real)

    def reduced_state(self, qubits: Sequence[QubitId]) -> Matrix:
        """The density matrix of some qubits in this order, entry by entry from the definition."""
        others = [name for name in self.names if name not in qubits]
        reduced = np.zeros((2 ** len(qubits), 2 ** len(qubits)), np.complex128)
        for traced in product((0, 1), repeat=len(others)):
            chosen = [
                self._position(dict(zip([*qubits, *others], [*bits, *traced], strict=True)))
                for bits in product((0, 1), repeat=len(qubits))
            ]
            reduced += self.rho[np.ix_(chosen, chosen)]
        return reduced

    def _position(self, bits: dict[QubitId, int]) -> int:
        return int("".join(["0", *(str(bits[name]) for name in self.names)]), 2)
