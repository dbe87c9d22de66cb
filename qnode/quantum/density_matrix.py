"""Formalism `density_matrix`: exact mixed states of at most 10 qubits; losses are partial traces, nothing is sampled
but the outcomes of measurements.

Its bytes: the matrix, row by row, as little-endian complex128, qubit 0 leftmost.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Final, Self

import numpy as np

from qnode.errors import MalformedMessage
from qnode.ids import QubitId
from qnode.quantum.channels import Channel
from qnode.quantum.component import NORM, Component, drawn
from qnode.quantum.gates import Matrix
from qnode.quantum.kernels import Targets, apply_matrix
from qnode.quantum.operations import FIXED, Operation

MAX_QUBITS: Final = 10
"""The largest component: a matrix of 16 MiB."""

PRODUCT: Final = 1e-12
"""How far, entry by entry, a state may be from a product and still be split."""


class DensityMatrix(Component):
    """A mixed state. `rho` has shape (2**n, 2**n) and is replaced, never changed."""

    __slots__ = ("rho",)
    formalism: ClassVar[str] = "density_matrix"

    def __init__(self, places: dict[QubitId, int], rho: Matrix) -> None:
        self.places = places
        self.rho = rho

    def apply(self, operation: Operation, targets: Targets) -> None:
        """rho -> U rho U^dagger; rows and columns are a state of 2n qubits, so it is two products."""
        n_qubits, shape = len(self.places), self.rho.shape
        columns = tuple([target + n_qubits for target in targets])
        half = apply_matrix(self.rho.reshape(-1), 2 * n_qubits, operation.matrix, targets)
        self.rho = apply_matrix(half, 2 * n_qubits, operation.matrix.conj(), columns).reshape(shape)

    def unravel(self, channel: Channel, targets: Targets, draw: float) -> None:
        """All ways at once; the draw is not needed."""
        n_qubits, shape = len(self.places), self.rho.shape
        both = (*targets, *[target + n_qubits for target in targets])
        self.rho = apply_matrix(self.rho.reshape(-1), 2 * n_qubits, channel.superoperator, both).reshape(shape)

    def take(self, qubit: QubitId, draw: float) -> tuple[int, Component]:
        blocks = self._blocks(self.places[qubit])
        weights = [float(np.trace(block).real) for block in blocks]
        outcome = drawn(draw, weights[1] / (weights[0] + weights[1]))
        return outcome, self._without(qubit, blocks[outcome] / weights[outcome])

    def trace_out(self, qubit: QubitId, draw: float) -> Component:
        """The partial trace; the draw is not needed."""
        zero, one = self._blocks(self.places[qubit])
        return self._without(qubit, zero + one)

    def absorb(self, other: Component) -> Component:
        assert isinstance(other, DensityMatrix)
        size = len(self.places)
        self.rho = np.kron(self.rho, other.rho).astype(np.complex128, copy=False)
        for qubit, index in other.places.items():
            self.places[qubit] = size + index
        return self

    def factors(self) -> list[Component]:
        """Single qubits that are in a product with the rest, and the rest."""
        rest = self.copy()
        found: list[Component] = []
        for qubit in self.places:
            if len(rest.places) == 1:
                break
            target = rest.places[qubit]
            alone = DensityMatrix({qubit: 0}, rest.reduced((target,)))
            others = rest.reduced(tuple([index for index in rest.places.values() if index != target]))
            product = np.multiply.outer(alone.rho, others).transpose(0, 2, 1, 3).reshape(rest.rho.shape)
            if np.abs(product - rest._first(target)).max() < PRODUCT:
                found.append(alone)
                rest._without(qubit, others)
        return [*found, rest]

    def reduced(self, targets: Targets) -> Matrix:
        n_qubits = len(self.places)
        traced = [index for index in range(n_qubits) if index not in targets]
        tensor = self.rho.reshape((2,) * (2 * n_qubits))
        order = [*targets, *traced]
        tensor = tensor.transpose(order + [index + n_qubits for index in order])
        kept, gone = 1 << len(targets), 1 << len(traced)
        reduced: Matrix = np.einsum("ikjk->ij", tensor.reshape(kept, gone, kept, gone))
        return reduced

    def expectation(self, paulis: Mapping[int, str]) -> float:
        turned, n_qubits = self.rho.reshape(-1), len(self.places)
        for index, letter in paulis.items():
            turned = apply_matrix(turned, 2 * n_qubits, FIXED[letter].matrix, (index,))
        return float(np.trace(turned.reshape(self.rho.shape)).real)

    def copy(self) -> Self:
        return type(self)(dict(self.places), self.rho)

    def dump(self) -> bytes:
        trace = np.trace(self.rho).real
        exact = self.rho if abs(trace - 1.0) < 1e-12 else self.rho / trace
        return exact.astype("<c16", copy=False).tobytes()

    def check(self) -> None:
        n_qubits = len(self.places)
        assert list(self.places.values()) == list(range(n_qubits))
        assert n_qubits <= MAX_QUBITS
        assert self.rho.shape == (1 << n_qubits, 1 << n_qubits)
        assert _flaw(self.rho) is None

    def _blocks(self, target: int) -> tuple[Matrix, Matrix]:
        """The blocks <0|rho|0> and <1|rho|1> of one qubit, each a matrix of the others, not normalised."""
        side = len(self.rho) // 2
        split = self.rho.reshape(1 << target, 2, -1, 1 << target, 2, side >> target)
        return split[:, 0, :, :, 0, :].reshape(side, side), split[:, 1, :, :, 1, :].reshape(side, side)

    def _first(self, target: int) -> Matrix:
        """The whole matrix with one qubit moved to the front."""
        return self.reduced((target, *[index for index in range(len(self.places)) if index != target]))

    def _without(self, qubit: QubitId, rho: Matrix) -> DensityMatrix:
        self.rho = rho
        self.close_gap(self.places.pop(qubit))
        return self


def _flaw(rho: Matrix) -> str | None:
    """Why this is no density matrix, or None."""
    if not np.isfinite(rho).all():
        return "it has entries that are no numbers"
    if not abs(np.trace(rho) - 1.0) <= NORM:
        return "its trace is not 1"
    if not np.abs(rho - rho.conj().T).max() <= NORM:
        return "it is not Hermitian"
    if not np.linalg.eigvalsh(rho).min() >= -NORM:
        return "it has a negative eigenvalue"
    return None


def load(qubits: Sequence[QubitId], data: bytes) -> DensityMatrix:
    """The component that `dump` described.

    Raises:
        MalformedMessage: If the bytes are no density matrix of so many qubits.
    """
    if len(qubits) > MAX_QUBITS or len(data) != 16 << (2 * len(qubits)):
        raise MalformedMessage(detail=f"{len(data)} bytes are no density matrix of {len(qubits)} qubits")
    side = 1 << len(qubits)
    rho = np.frombuffer(data, "<c16").astype(np.complex128, copy=False).reshape(side, side)
    with np.errstate(all="ignore"):  # numbers too large to add are refused below
        flaw = _flaw(rho)
    if flaw is not None:
        raise MalformedMessage(detail=f"not a density matrix: {flaw}")
    return DensityMatrix({qubit: index for index, qubit in enumerate(qubits)}, rho)
