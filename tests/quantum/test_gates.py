"""The table of gates: what a row says twice agrees, for every row."""

from __future__ import annotations

from cmath import exp
from itertools import product
from math import pi
from typing import Final

import numpy as np
import pytest
import stim
from hypothesis import given
from hypothesis import strategies as st

from qnode.errors import InvalidOperation
from qnode.quantum.clifford import from_images
from qnode.quantum.gates import GATES, Gate, Matrix
from qnode.quantum.operations import FIXED, from_matrix, resolve
from tests.quantum.worlds import PAULIS, is_clifford, pauli_matrix, random_unitary

ROWS: Final = list(GATES.values())
FIXED_ROWS: Final = [gate for gate in ROWS if not gate.n_params]
STIM_ROWS: Final = [gate for gate in ROWS if gate.stim]
angles = st.floats(-20, 20)

by_name = pytest.mark.parametrize("gate", ROWS, ids=lambda gate: gate.name)
fixed_by_name = pytest.mark.parametrize("gate", FIXED_ROWS, ids=lambda gate: gate.name)


def close(one: Matrix, other: Matrix, within: float = 1e-14) -> bool:
    return one.shape == other.shape and bool(np.abs(one - other).max() < within)


def same_up_to_phase(one: Matrix, other: Matrix) -> bool:
    overlap = complex(np.vdot(one, other)) / len(one)
    return abs(abs(overlap) - 1) < 1e-14 and close(one * overlap, other)


def unitary_of(gate: Gate, first: float = 0.3) -> Matrix:
    return gate.unitary(*[first + k for k in range(gate.n_params)])


# What the textbook says, written out again and differently: by exponentials and projectors.
R: Final = np.sqrt(0.5)
I2, X, Y, Z = (PAULIS[letter] for letter in "IXYZ")
P0, P1 = (I2 + Z) / 2, (I2 - Z) / 2
TEXTBOOK: Final = {
    "x": X, "y": Y, "z": Z, "h": R * (X + Z), "s": P0 + 1j * P1, "sdg": P0 - 1j * P1,
    "t": P0 + exp(1j * pi / 4) * P1, "tdg": P0 + exp(-1j * pi / 4) * P1,
    "sx": R * exp(1j * pi / 4) * (I2 - 1j * X), "sxdg": R * exp(-1j * pi / 4) * (I2 + 1j * X),
    "cnot": np.kron(P0, I2) + np.kron(P1, X), "cz": np.kron(P0, I2) + np.kron(P1, Z),
    "swap": (np.kron(I2, I2) + np.kron(X, X) + np.kron(Y, Y) + np.kron(Z, Z)) / 2,
}  # fmt: skip


def test_the_textbook_has_every_gate_without_parameters() -> None:
    assert set(TEXTBOOK) == {gate.name for gate in FIXED_ROWS}


@fixed_by_name
def test_a_gate_is_the_one_of_the_textbook(gate: Gate) -> None:
    assert close(gate.unitary(), TEXTBOOK[gate.name])


@by_name
def test_a_row_is_filed_under_its_name_and_has_the_shape_it_says(gate: Gate) -> None:
    assert GATES[gate.name] is gate
    assert unitary_of(gate).shape == (2**gate.n_qubits,) * 2
    assert gate.source


@by_name
@given(first=angles)
def test_every_gate_is_unitary(gate: Gate, first: float) -> None:
    unitary = unitary_of(gate, first)
    assert close(unitary @ unitary.conj().T, np.eye(len(unitary), dtype=np.complex128))


@by_name
@given(params=st.tuples(angles, angles, angles))
def test_the_inverse_undoes_the_gate_phase_included(gate: Gate, params: tuple[float, float, float]) -> None:
    own = params[: gate.n_params]
    inverse = GATES[gate.inverse]
    undone = inverse.unitary(*gate.inverse_params(own)) @ gate.unitary(*own)
    assert close(undone, np.eye(len(undone), dtype=np.complex128), 1e-13)
    assert inverse.inverse == gate.name


@fixed_by_name
def test_pauli_images_are_what_the_unitary_does_and_are_there_exactly_for_clifford_gates(gate: Gate) -> None:
    unitary = gate.unitary()
    assert (gate.pauli_images is not None) == is_clifford(unitary)
    generators = {"".join(letters) for letters in product("IXZ", repeat=gate.n_qubits)} - {"I" * gate.n_qubits}
    for letters, image in (gate.pauli_images or {}).items():
        conjugated = unitary @ pauli_matrix(letters) @ unitary.conj().T
        assert close(conjugated, (-1 if image[0] == "-" else 1) * pauli_matrix(image[1:]))
    if gate.pauli_images:
        assert set(gate.pauli_images) == {letters for letters in generators if letters.count("I") == gate.n_qubits - 1}


@pytest.mark.parametrize("gate", STIM_ROWS, ids=lambda gate: gate.name)
def test_the_name_in_stim_is_that_of_the_same_gate(gate: Gate) -> None:
    assert gate.stim is not None
    assert gate.pauli_images is not None
    known = stim.gate_data(gate.stim)
    assert known.is_unitary
    assert known.tableau == from_images(gate.pauli_images)
    # Stim's own matrices have qubit 0 rightmost and single precision; the generators above already fix the gate
    simulator = stim.TableauSimulator()
    simulator.set_num_qubits(gate.n_qubits)
    getattr(simulator, gate.stim.lower())(*range(gate.n_qubits))
    assert simulator.current_inverse_tableau().inverse() == known.tableau


def test_stim_knows_every_clifford_gate_of_the_table() -> None:
    assert [gate.name for gate in ROWS if gate.pauli_images] == [gate.name for gate in STIM_ROWS]


@given(theta=angles)
def test_rotations_are_exponentials(theta: float) -> None:
    c, s = np.cos(theta / 2), np.sin(theta / 2)
    for letter in "XYZ":
        assert close(GATES[f"r{letter.lower()}"].unitary(theta), c * I2 - 1j * s * PAULIS[letter])


@given(theta=angles, phi=angles, lam=angles)
def test_u_decomposes_into_rotations(theta: float, phi: float, lam: float) -> None:
    """U(theta, phi, lam) = e^(i (theta+phi+lam)/2) Rz(phi) Ry(theta) Rz(lam) (OpenQASM 3, built-in gates)."""
    rz, ry = GATES["rz"].unitary, GATES["ry"].unitary
    product_of_rotations = rz(phi) @ ry(theta) @ rz(lam)
    phase = exp(0.5j * (theta + phi + lam))
    assert close(GATES["u"].unitary(theta, phi, lam), phase * product_of_rotations, 1e-13)


DECOMPOSITIONS: Final = [
    ("x", "h z h"), ("z", "h x h"), ("y", "s x sdg"), ("z", "s s"), ("s", "t t"), ("x", "sx sx"),
    ("sx", "h s h"), ("sxdg", "h sdg h"), ("sdg", "s s s"), ("tdg", "t t t t t t t"), ("h", "s sx s"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "parts"), DECOMPOSITIONS)
def test_a_gate_is_the_product_of_others(name: str, parts: str) -> None:
    whole = np.eye(2, dtype=np.complex128)
    for part in parts.split():
        whole = GATES[part].unitary() @ whole
    assert same_up_to_phase(whole, GATES[name].unitary())


@pytest.mark.parametrize(
    ("name", "turn"), [("x", "rx"), ("y", "ry"), ("z", "rz")]
)  # fmt: skip
def test_a_pauli_is_half_a_turn(name: str, turn: str) -> None:
    assert close(1j * GATES[turn].unitary(pi), GATES[name].unitary(), 1e-15)


def test_two_qubit_gates_decompose() -> None:
    h_on_target = np.kron(I2, GATES["h"].unitary())
    cnot, cz, swap = (GATES[name].unitary() for name in ("cnot", "cz", "swap"))
    assert close(h_on_target @ cz @ h_on_target, cnot)
    assert close(cnot @ (swap @ cnot @ swap) @ cnot, swap)


def test_qubit_0_is_leftmost_and_the_control() -> None:
    ten = np.array([0, 0, 1, 0], np.complex128)  # |10>
    assert (GATES["cnot"].unitary() @ ten).tolist() == [0, 0, 0, 1]


def test_the_table_cannot_be_written_to() -> None:
    with pytest.raises(TypeError):
        GATES["x"] = GATES["y"]  # type: ignore[index]
    GATES["x"].unitary()[0, 0] = 5  # the caller's own copy
    assert close(GATES["x"].unitary(), X)
    with pytest.raises(ValueError, match="read-only"):
        FIXED["x"].matrix[0, 0] = 5


# --- what `resolve` and `from_matrix` refuse -------------------------------------------------------------------------

WRONG_CALLS: Final = [
    ("toffoli", (), r"'toffoli' is no gate; there are: x, y, .*swap"),
    ("toffoli", (0.1,), "'toffoli' is no gate"),
    ("rx", (), "gate rx takes 1 parameters, not 0"),
    ("x", (0.1,), "gate x takes 0 parameters, not 1"),
    ("u", (0.1, 0.2), "gate u takes 3 parameters, not 2"),
    ("rx", (float("nan"),), "gate rx cannot take"),
    ("rx", (float("inf"),), "gate rx cannot take"),
    ("rz", (10**400,), "gate rz cannot take"),
    ("ry", ("much",), "gate ry cannot take"),
    ("ry", (1j,), "gate ry cannot take"),
    ("ry", ([0.1],), "gate ry cannot take"),
]


@pytest.mark.parametrize(("name", "params", "complaint"), WRONG_CALLS)
def test_a_gate_that_makes_no_sense_is_refused(name: str, params: tuple[float, ...], complaint: str) -> None:
    with pytest.raises(InvalidOperation, match=complaint):
        resolve(name, params)


WRONG_MATRICES: Final = {
    "not square": (np.ones((2, 4)), r"has shape \(2\*\*m, 2\*\*m\), not \(2, 4\)"),
    "a vector": (np.ones(4), "has shape"),
    "no qubit": (np.ones((1, 1)), "has shape"),
    "not a power of 2": (np.eye(3), "has shape"),
    "empty": (np.zeros((0, 0)), "has shape"),
    "not unitary": (np.array([[1, 0], [0, 2]]), "off by 3"),
    "projector": (np.array([[1, 0], [0, 0]]), "off by 1"),
    "just off": (np.array([[1, 0], [0, 1 + 1e-10]]), "not unitary"),
    "not a number": (np.array([[np.nan, 0], [0, 1]]), "not unitary"),
    "infinite": (np.array([[np.inf, 0], [0, 1]]), "not unitary"),
    "too large": (np.array([[1e300, 0], [0, 1e300]]), "not unitary"),
    "text": ("cnot", "must be a matrix of numbers, not str"),
    "ragged": ([[1, 0], [0]], "must be a matrix of numbers, not list"),
}


@pytest.mark.parametrize(("matrix", "complaint"), WRONG_MATRICES.values(), ids=WRONG_MATRICES.keys())
def test_a_matrix_that_is_no_unitary_is_refused(matrix: Matrix, complaint: str) -> None:
    with pytest.raises(InvalidOperation, match=complaint):
        from_matrix(matrix)


def test_a_unitary_is_copied_and_may_come_as_lists() -> None:
    mine = random_unitary(2, 5)
    operation = from_matrix(mine)
    kept = mine.copy()
    mine[0, 0] = 7
    assert close(operation.matrix, kept)
    assert close(from_matrix(kept.tolist()).matrix, kept)
    assert close(from_matrix(kept.T).matrix, kept.T)  # not contiguous


def test_an_operation_asked_for_again_is_the_same_object() -> None:
    assert resolve("ry", (0.25,)) is resolve("ry", [0.25])
    assert resolve("h") is FIXED["h"]
