"""The algebra of Bell states against state vectors: every case, signs included."""

from __future__ import annotations

from itertools import product
from math import sqrt
from typing import Final

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qnode.ids import QubitId
from qnode.quantum.bell import BELL_STATES, PHI_MINUS, PHI_PLUS, PSI_MINUS, PSI_PLUS, BellState, Pauli
from qnode.quantum.circuits import BELL_MEASUREMENT, BELL_PREPARATION, bell_outcome
from qnode.quantum.dense import DenseRegister
from qnode.quantum.fidelity import fidelity
from qnode.quantum.gates import Matrix
from qnode.quantum.register import CLIFFORD_ONLY, FORMALISMS, Register
from tests.quantum.worlds import PAULIS, pauli_matrix, qubits, random_unitary

A, B, C, D = qubits("a", "b", "c", "d")
KETS: Final = {
    # Nielsen & Chuang, equations 1.3.2 ff.: beta_xy = (|0,y> + (-1)^x |1,not y>)/sqrt(2); theirs is (x, y), ours (z, x)
    BellState(z, x): np.array([(1 - x), x, (-1) ** z * x, (-1) ** z * (1 - x)], np.complex128) / sqrt(2)
    for z, x in product((0, 1), repeat=2)
}
every_bell = pytest.mark.parametrize("bell", BELL_STATES, ids=lambda bell: bell.name)
every_formalism = pytest.mark.parametrize("formalism", FORMALISMS)


def power(letter: str, exponent: int) -> Matrix:
    return PAULIS[letter] if exponent else PAULIS["I"]


@every_bell
def test_a_bell_state_is_that_of_nielsen_and_chuang_sign_included(bell: BellState) -> None:
    np.testing.assert_allclose(bell.ket(), KETS[bell], atol=1e-15)


@every_bell
def test_a_bell_state_is_a_pauli_on_qubit_0_of_phi_plus(bell: BellState) -> None:
    pauli = power("Z", bell.z) @ power("X", bell.x)
    np.testing.assert_allclose(np.kron(pauli, np.eye(2)) @ PHI_PLUS.ket(), bell.ket(), atol=1e-15)


@every_bell
def test_the_same_pauli_on_qubit_1_differs_by_a_phase_only(bell: BellState) -> None:
    pauli = power("Z", bell.z) @ power("X", bell.x)
    assert abs(np.vdot(np.kron(np.eye(2), pauli) @ PHI_PLUS.ket(), bell.ket())) == pytest.approx(1, abs=1e-14)


def test_names_and_values() -> None:
    assert [bell.name for bell in (PHI_PLUS, PSI_PLUS, PHI_MINUS, PSI_MINUS)] == ["Phi+", "Psi+", "Phi-", "Psi-"]
    assert PHI_PLUS == (0, 0)
    assert PSI_PLUS == (0, 1)
    assert PHI_MINUS == (1, 0)
    assert PSI_MINUS == (1, 1)
    assert set(BELL_STATES) == set(KETS)


def test_bell_states_are_an_orthonormal_basis() -> None:
    kets = np.array([bell.ket() for bell in BELL_STATES])
    np.testing.assert_allclose(kets.conj() @ kets.T, np.eye(4), atol=1e-15)


@every_bell
def test_correlators_are_those_of_the_state(bell: BellState) -> None:
    table = {PHI_PLUS: (1, -1, 1), PSI_PLUS: (1, 1, -1), PHI_MINUS: (-1, 1, 1), PSI_MINUS: (-1, -1, -1)}
    means = [np.vdot(bell.ket(), pauli_matrix(letter * 2) @ bell.ket()).real for letter in "XYZ"]
    assert bell.correlators == table[bell]
    assert means == pytest.approx(table[bell], abs=1e-14)


@pytest.mark.parametrize(("one", "other", "third"), list(product(BELL_STATES, repeat=3)))
def test_frames_form_a_group_in_which_each_undoes_itself(one: BellState, other: BellState, third: BellState) -> None:
    assert one ^ other == other ^ one
    assert (one ^ other) ^ third == one ^ (other ^ third)
    assert one ^ PHI_PLUS == one
    assert one ^ one == PHI_PLUS
    assert isinstance(one ^ other, BellState)


def test_adding_tuples_still_joins_them() -> None:
    assert PSI_PLUS + PHI_MINUS == (0, 1, 1, 0)


@every_bell
@pytest.mark.parametrize("half", [0, 1])
def test_the_correction_on_either_half_gives_phi_plus(bell: BellState, half: int) -> None:
    register = DenseRegister()
    register.create_pair(A, B, bell)
    for gate in bell.correction:
        register.apply(gate, ((A, B)[half],))
    assert fidelity(register.rho, PHI_PLUS.ket()) == pytest.approx(1, abs=1e-14)


def test_the_correction_is_x_then_z() -> None:
    assert [bell.correction for bell in BELL_STATES] == [(), ("x",), ("z",), ("x", "z")]


def test_the_preparation_makes_phi_plus() -> None:
    register = DenseRegister()
    register.create(A)
    register.create(B)
    for gate, sites in BELL_PREPARATION:
        register.apply(gate, [(A, B)[site] for site in sites])
    np.testing.assert_allclose(register.rho, np.outer(PHI_PLUS.ket(), PHI_PLUS.ket()), atol=1e-15)


def measure_bell(register: Register, first: QubitId, second: QubitId, draws: tuple[float, float]) -> BellState:
    for gate, sites in BELL_MEASUREMENT:
        register.apply(gate, [(first, second)[site] for site in sites])
    return bell_outcome(register.measure(first, draws[0]), register.measure(second, draws[1]))


@every_formalism
@every_bell
@pytest.mark.parametrize("draw", [0.0, 0.5, 1 - 2**-53])
def test_a_bell_measurement_finds_the_state_that_is_there_whatever_the_draw(
    formalism: str, bell: BellState, draw: float
) -> None:
    register = Register(formalism)
    register.create_pair(A, B, bell)
    assert measure_bell(register, A, B, (draw, draw)) == bell
    assert len(register) == 0


@every_formalism
@every_bell
def test_a_register_makes_the_pair_that_was_asked_for(formalism: str, bell: BellState) -> None:
    register = Register(formalism)
    register.create_pair(A, B, bell)
    np.testing.assert_allclose(register.reduced_state((A, B)), np.outer(KETS[bell], KETS[bell].conj()), atol=1e-14)


@every_formalism
@pytest.mark.parametrize(("left", "right", "outcome"), list(product(BELL_STATES, repeat=3)))
def test_swapping_adds_the_frames(formalism: str, left: BellState, right: BellState, outcome: BellState) -> None:
    register = Register(formalism)
    register.create_pair(A, B, left)
    register.create_pair(C, D, right)
    found = measure_bell(register, B, C, (0.75 * outcome.z, 0.75 * outcome.x))  # every outcome has probability 1/4
    assert found == outcome
    assert fidelity(register.reduced_state((A, D)), (left ^ right ^ outcome).ket()) == pytest.approx(1, abs=1e-12)


@every_formalism
@pytest.mark.parametrize(("frame", "outcome"), list(product(BELL_STATES, repeat=2)))
def test_teleporting_over_a_pair_in_a_frame_is_corrected_by_both(
    formalism: str, frame: BellState, outcome: BellState
) -> None:
    register = Register(formalism)
    register.create(A)
    if formalism in CLIFFORD_ONLY:
        register.apply("h", (A,))
        register.apply("s", (A,))
    else:
        register.apply("u", (A,), (0.7, 1.9, 0.0))
    sent = register.reduced_state((A,))
    register.create_pair(B, C, frame)
    found = measure_bell(register, A, B, (0.75 * outcome.z, 0.75 * outcome.x))
    assert found == outcome
    for gate in (found ^ frame).correction:
        register.apply(gate, (C,))
    np.testing.assert_allclose(register.reduced_state((C,)), sent, atol=1e-12)


@pytest.mark.parametrize(("pauli", "frame"), list(product(Pauli, BELL_STATES)))
def test_outcomes_can_be_corrected_instead_of_the_qubit(pauli: Pauli, frame: BellState) -> None:
    """Flip an outcome in Z by x, in X by z, in Y by x ^ z: then a pair in any frame looks like Phi+."""
    flip = {Pauli.X: frame.z, Pauli.Y: frame.x ^ frame.z, Pauli.Z: frame.x}[pauli]
    opposite = pauli is Pauli.Y  # the Y outcomes of Phi+ differ
    for draw in (0.2, 0.7):
        register = Register()
        register.create_pair(A, B, frame)
        assert register.measure(A, draw, pauli) ^ register.measure(B, 0.4, pauli) ^ flip == opposite


@pytest.mark.parametrize("formalism", [name for name in FORMALISMS if name not in CLIFFORD_ONLY])
@given(seed=st.integers(0, 2**32))
def test_projecting_one_half_of_phi_plus_leaves_the_conjugate_on_the_other(formalism: str, seed: int) -> None:
    unitary = random_unitary(1, seed)
    psi = unitary[:, 0]
    register = Register(formalism)
    register.create_pair(A, B)
    register.apply_unitary(unitary.conj().T, (A,))  # outcome 0 now means that psi was found
    assert register.measure(A, 0.25) == 0
    np.testing.assert_allclose(register.reduced_state((B,)), np.outer(psi.conj(), psi), atol=1e-13)
