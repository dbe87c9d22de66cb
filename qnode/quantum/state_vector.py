"""Formalism `state_vector`: 2**n amplitudes, any unitary; measurements and losses are sampled.

Its bytes: the amplitudes as little-endian complex128, qubit 0 leftmost.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import sqrt
from typing import ClassVar, Final, Self

import numpy as np

from qnode.errors import MalformedMessage
from qnode.ids import QubitId
from qnode.quantum.channels import Channel
from qnode.quantum.component import IMPOSSIBLE, NORM, Component, drawn
from qnode.quantum.gates import Matrix
from qnode.quantum.kernels import Targets, apply_matrix, few_halves, halves, rows_and_columns
from qnode.quantum.operations import EMBED_LIMIT, FIXED, Operation

FEW: Final = 3
"""Up to so many qubits a measurement adds up Python's own numbers."""

PRODUCT: Final = 1e-11
"""How far a state may be from a product, in amplitude, and still be split."""

_vdot = np.vdot


class StateVector(Component):
    """A pure state. `amplitudes` has shape (2**n,) and is replaced, never changed."""

    __slots__ = ("amplitudes",)
    formalism: ClassVar[str] = "state_vector"

    def __init__(self, places: dict[QubitId, int], amplitudes: Matrix) -> None:
        self.places = places
        self.amplitudes = amplitudes

    def apply(self, operation: Operation, targets: Targets) -> None:
        n_qubits = len(self.places)
        if n_qubits == 1:
            self.amplitudes = operation.matrix.dot(self.amplitudes)
            return
        if n_qubits <= EMBED_LIMIT:
            embedded = operation.embedded(n_qubits, targets)
            if embedded is not None:
                self.amplitudes = embedded.dot(self.amplitudes)
                return
        self.amplitudes = apply_matrix(self.amplitudes, n_qubits, operation.matrix, targets)

    def unravel(self, channel: Channel, targets: Targets, draw: float) -> None:
        """K_k with probability |K_k psi|^2, in the order in which they are listed."""
        n_qubits = len(self.places)
        chosen, weight = self.amplitudes, 1.0
        for operator in channel.kraus:
            image = apply_matrix(self.amplitudes, n_qubits, operator, targets)
            p = _vdot(image, image).real.item()
            if p < IMPOSSIBLE:
                continue
            chosen, weight = image, p
            if draw < p:
                break
            draw -= p
        self.amplitudes = chosen * (1.0 / sqrt(weight))

    def take(self, qubit: QubitId, draw: float) -> tuple[int, Component]:
        n_qubits = len(self.places)
        target = self.places.pop(qubit)
        if n_qubits == 1:
            zero, one = self.amplitudes.tolist()
            weight = one.real * one.real + one.imag * one.imag
            total = weight + zero.real * zero.real + zero.imag * zero.imag
            return drawn(draw, weight / total), self
        if n_qubits <= FEW:
            outcome, self.amplitudes = _taken(self.amplitudes.tolist(), few_halves(n_qubits, target), draw)
        else:
            rows = halves(self.amplitudes, n_qubits, target)
            weights = _vdot(rows[0], rows[0]).real.item(), _vdot(rows[1], rows[1]).real.item()
            outcome = drawn(draw, weights[1] / (weights[0] + weights[1]))
            self.amplitudes = rows[outcome] * (1.0 / sqrt(weights[outcome]))
        if target < n_qubits - 1:
            self.close_gap(target)
        return outcome, self

    def absorb(self, other: Component) -> Component:
        assert isinstance(other, StateVector)
        size = len(self.places)
        self.amplitudes = self.amplitudes.reshape(-1, 1).dot(other.amplitudes.reshape(1, -1)).reshape(-1)
        for qubit, index in other.places.items():
            self.places[qubit] = size + index
        return self

    def factors(self) -> list[Component]:
        """Single qubits that are in a product with the rest, and the rest."""
        rest = StateVector(dict(self.places), self.amplitudes)
        found: list[Component] = []
        for qubit in self.places:
            n_qubits, target = len(rest.places), rest.places[qubit]
            if n_qubits == 1:
                break
            split = _split(halves(rest.amplitudes, n_qubits, target))
            if split is not None:
                found.append(StateVector({qubit: 0}, split[0]))
                rest.amplitudes = split[1]
                del rest.places[qubit]
                rest.close_gap(target)
        return [*found, rest]

    def reduced(self, targets: Targets) -> Matrix:
        rows = rows_and_columns(self.amplitudes, len(self.places), targets)
        return rows @ rows.conj().T

    def expectation(self, paulis: Mapping[int, str]) -> float:
        turned, n_qubits = self.amplitudes, len(self.places)
        for index, letter in paulis.items():
            turned = apply_matrix(turned, n_qubits, FIXED[letter].matrix, (index,))
        return float(_vdot(self.amplitudes, turned).real)

    def copy(self) -> Self:
        return type(self)(dict(self.places), self.amplitudes)

    def dump(self) -> bytes:
        norm = sqrt(_vdot(self.amplitudes, self.amplitudes).real)
        exact = self.amplitudes if abs(norm - 1.0) < 1e-12 else self.amplitudes / norm
        return exact.astype("<c16", copy=False).tobytes()

    def check(self) -> None:
        n_qubits = len(self.places)
        assert list(self.places.values()) == list(range(n_qubits))
        assert self.amplitudes.shape == (1 << n_qubits,)
        assert abs(np.linalg.norm(self.amplitudes) - 1) < NORM


def _taken(amplitudes: list[complex], halves: tuple[list[int], list[int]], draw: float) -> tuple[int, Matrix]:
    """The outcome of a measurement and what is left, for so few amplitudes that calls of NumPy would cost more."""
    weights = []
    for half in halves:
        weight = 0.0
        for index in half:
            one = amplitudes[index]
            weight += one.real * one.real + one.imag * one.imag
        weights.append(weight)
    outcome = drawn(draw, weights[1] / (weights[0] + weights[1]))
    scale = 1.0 / sqrt(weights[outcome])
    return outcome, np.array([amplitudes[index] * scale for index in halves[outcome]])


def _split(rows: Matrix) -> tuple[Matrix, Matrix] | None:
    """The state of one qubit and of the others, if their joint state (its two halves as rows) is their product."""
    weights = np.einsum("ij,ij->i", rows.conj(), rows).real
    larger = int(weights[1] > weights[0])
    rest = rows[larger] / sqrt(weights[larger])
    ratios = rows @ rest.conj()
    if float(np.linalg.norm(rows - np.outer(ratios, rest))) > PRODUCT:
        return None
    return ratios / np.linalg.norm(ratios), rest


def load(qubits: Sequence[QubitId], data: bytes) -> StateVector:
    """The component that `dump` described.

    Raises:
        MalformedMessage: If the bytes are no normalised state of so many qubits.
    """
    if len(qubits) > 40 or len(data) != 16 << len(qubits):
        raise MalformedMessage(detail=f"{len(data)} bytes are no state vector of {len(qubits)} qubits")
    amplitudes = np.frombuffer(data, "<c16").astype(np.complex128, copy=False)
    norm = _vdot(amplitudes, amplitudes).real.item()
    if not abs(norm - 1.0) <= NORM:  # also if it is not a number
        raise MalformedMessage(detail=f"a state vector has squared norm 1, not {norm:.6g}")
    return StateVector({qubit: index for index, qubit in enumerate(qubits)}, amplitudes)
