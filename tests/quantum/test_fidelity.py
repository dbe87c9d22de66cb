"""Fidelity and trace distance against formulas that are computed another way, and to all digits."""

from __future__ import annotations

from typing import Final

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator import config
from qnode.quantum.bell import BELL_STATES, PHI_PLUS
from qnode.quantum.dense import tensor
from qnode.quantum.fidelity import (
    NAMED_STATES,
    ZERO,
    density_matrix,
    fidelity,
    is_density_matrix,
    named_state,
    partial_trace,
    trace_distance,
)
from qnode.quantum.gates import Matrix
from qnode.quantum.register import CLIFFORD_ONLY, FORMALISMS, Register
from tests.quantum.worlds import PAULIS, pauli_matrix, qubits, random_unitary

A, B = qubits("a", "b")
seeds = st.integers(0, 2**32)


def random_mixed(n_qubits: int, rank: int, seed: int) -> Matrix:
    """A density matrix of this rank, with eigenvalues of about equal size."""
    size = 2**n_qubits
    weights = np.random.default_rng(seed).uniform(0.5, 1, size=rank)
    columns = random_unitary(n_qubits, seed)[:, :rank]
    assert rank <= size
    return np.asarray((columns * (weights / weights.sum())) @ columns.conj().T, np.complex128)


# --- named states ----------------------------------------------------------------------------------------------------


def test_the_cardinal_states_are_eigenstates_of_the_paulis() -> None:
    for letter, plus, minus in (("X", "+", "-"), ("Y", "i", "-i"), ("Z", "0", "1")):
        for name, eigenvalue in ((plus, 1), (minus, -1)):
            ket = named_state(name)
            np.testing.assert_allclose(PAULIS[letter] @ ket, eigenvalue * ket, atol=1e-15)
            assert np.linalg.norm(ket) == pytest.approx(1, abs=1e-15)


def test_bell_states_go_by_their_names_in_any_case() -> None:
    for bell in BELL_STATES:
        for name in (bell.name, bell.name.lower(), bell.name.upper()):
            np.testing.assert_array_equal(named_state(name), bell.ket())


def test_a_configuration_can_name_these_states_and_no_others() -> None:
    """The names stand in two places."""
    assert sorted(config.NAMED_STATES) == sorted(NAMED_STATES)


def test_a_named_state_is_a_fresh_copy() -> None:
    named_state("0")[0] = 5
    assert named_state("0").tolist() == [1, 0]
    with pytest.raises(KeyError):
        named_state("+i")


# --- fidelity --------------------------------------------------------------------------------------------------------


@given(n_qubits=st.integers(1, 3), seed=seeds)
def test_the_fidelity_of_kets_is_the_squared_overlap_in_every_form(n_qubits: int, seed: int) -> None:
    one, other = random_unitary(n_qubits, seed)[:, 0], random_unitary(n_qubits, seed + 1)[:, 0]
    expected = abs(np.sum(one.conj() * other)) ** 2
    for left in (one, density_matrix(one)):
        for right in (other, density_matrix(other)):
            assert fidelity(left, right) == pytest.approx(expected, abs=1e-13)


@given(n_qubits=st.integers(1, 3), seed=seeds)
def test_equal_states_have_fidelity_1_to_all_digits(n_qubits: int, seed: int) -> None:
    for rank in range(1, 2**n_qubits + 1):
        rho = random_mixed(n_qubits, rank, seed)
        assert fidelity(rho, rho) == pytest.approx(1, abs=1e-13)
        assert fidelity(rho, rho.copy() + 1e-16) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("formalism", FORMALISMS)
def test_a_state_that_gates_have_turned_round_has_fidelity_1_to_itself(formalism: str) -> None:
    """The roots of rounding errors must not show: 1e-17 in an eigenvalue is 3e-9 in its root."""
    register = Register(formalism)
    register.create(A)
    if formalism not in CLIFFORD_ONLY:
        register.apply("u", (A,), (0.7, 1.9, 0.0))
    before = register.reduced_state((A,))
    for gate in ("h", "s", "sx", "y", "y", "sxdg", "sdg", "h") * 20:
        register.apply(gate, (A,))
    after = register.reduced_state((A,))
    assert fidelity(after, before) == pytest.approx(1, abs=1e-12)
    assert trace_distance(after, before) < 1e-12


@given(seed=seeds)
def test_one_qubit_has_the_closed_formula(seed: int) -> None:
    """F = tr(rho sigma) + 2 sqrt(det rho det sigma) (Jozsa 1994, for 2 x 2)."""
    rng = np.random.default_rng(seed)
    rho, sigma = (_bloch(rng) for _ in range(2))
    expected = np.trace(rho @ sigma).real + 2 * np.sqrt(np.linalg.det(rho).real * np.linalg.det(sigma).real)
    assert fidelity(rho, sigma) == pytest.approx(expected, abs=1e-12)


def _bloch(rng: np.random.Generator) -> Matrix:
    vector = rng.normal(size=3)
    vector *= rng.uniform(0, 0.99) / np.linalg.norm(vector)
    parts = [PAULIS["I"], *(r * PAULIS[letter] for r, letter in zip(vector, "XYZ", strict=True))]
    return np.asarray(sum(parts) / 2, np.complex128)


@given(n_qubits=st.integers(1, 3), seed=seeds, data=st.data())
def test_fidelity_is_symmetric_unitarily_invariant_and_a_probability(
    n_qubits: int, seed: int, data: st.DataObject
) -> None:
    rho, sigma = (random_mixed(n_qubits, data.draw(st.integers(1, 2**n_qubits)), seed + k) for k in range(2))
    unitary = random_unitary(n_qubits, seed + 2)
    value = fidelity(rho, sigma)
    assert -1e-12 <= value <= 1 + 1e-12
    assert fidelity(sigma, rho) == pytest.approx(value, abs=1e-11)
    assert fidelity(unitary @ rho @ unitary.conj().T, unitary @ sigma @ unitary.conj().T) == pytest.approx(
        value, abs=1e-10
    )
    distance = trace_distance(rho, sigma)  # Fuchs and van de Graaf 1999
    assert 1 - np.sqrt(max(value, 0)) <= distance + 1e-10
    assert distance <= np.sqrt(max(1 - value, 0)) + 1e-6


@given(p=st.lists(st.floats(0.01, 1), min_size=4, max_size=4), q=st.lists(st.floats(0.01, 1), min_size=4, max_size=4))
def test_commuting_states_have_the_classical_fidelity(p: list[float], q: list[float]) -> None:
    ps, qs = np.array(p) / sum(p), np.array(q) / sum(q)
    unitary = random_unitary(2, 9)
    rho, sigma = (unitary @ np.diag(weights) @ unitary.conj().T for weights in (ps, qs))
    assert fidelity(rho, sigma) == pytest.approx(np.sqrt(ps * qs).sum() ** 2, abs=1e-12)
    assert trace_distance(rho, sigma) == pytest.approx(np.abs(ps - qs).sum() / 2, abs=1e-12)


@pytest.mark.parametrize("w", [0.0, 0.1, 1 / 3, 0.9, 1.0])
def test_a_werner_state_has_fidelity_one_quarter_of_1_and_3w(w: float) -> None:
    werner = w * density_matrix(PHI_PLUS.ket()) + (1 - w) * np.eye(4) / 4
    assert fidelity(werner, PHI_PLUS.ket()) == pytest.approx((1 + 3 * w) / 4, abs=1e-14)
    assert fidelity(PHI_PLUS.ket(), werner) == pytest.approx((1 + 3 * w) / 4, abs=1e-14)
    assert fidelity(werner, density_matrix(PHI_PLUS.ket())) == pytest.approx((1 + 3 * w) / 4, abs=1e-12)


@pytest.mark.parametrize("small", [1e-9, 1e-11, 3 * ZERO])
def test_a_small_eigenvalue_that_is_no_rounding_error_counts(small: float) -> None:
    rho, sigma = np.diag([1 - small, small]).astype(np.complex128), np.diag([0.5, 0.5]).astype(np.complex128)
    expected = (np.sqrt((1 - small) / 2) + np.sqrt(small / 2)) ** 2
    assert fidelity(rho, sigma) == pytest.approx(expected, abs=1e-12)


def test_orthogonal_states_have_nothing_in_common() -> None:
    for one, other in (("0", "1"), ("+", "-"), ("i", "-i")):
        for state in (named_state(one), density_matrix(named_state(one))):
            for target in (named_state(other), density_matrix(named_state(other))):
                assert fidelity(state, target) == pytest.approx(0, abs=1e-14)
                assert trace_distance(state, target) == pytest.approx(1, abs=1e-14)


# --- parts and checks ------------------------------------------------------------------------------------------------


def test_the_partial_trace_of_a_product_is_a_factor_in_the_order_asked_for() -> None:
    parts = [random_mixed(1, 2, seed) for seed in range(3)]
    rho = tensor(*parts)
    np.testing.assert_allclose(partial_trace(rho, (1,)), parts[1], atol=1e-15)
    np.testing.assert_allclose(partial_trace(rho, (2, 0)), tensor(parts[2], parts[0]), atol=1e-15)
    np.testing.assert_allclose(partial_trace(rho, (0, 1, 2)), rho, atol=1e-15)
    np.testing.assert_allclose(partial_trace(rho, ()), [[1]], atol=1e-15)


@given(seed=seeds)
def test_the_partial_trace_keeps_what_can_be_measured_there(seed: int) -> None:
    rho = random_mixed(3, 4, seed)
    kept = partial_trace(rho, (2, 0))
    for letters in ("XY", "ZI", "IY", "ZX"):
        whole = pauli_matrix(letters[1] + "I" + letters[0])
        assert np.trace(kept @ pauli_matrix(letters)).real == pytest.approx(np.trace(rho @ whole).real, abs=1e-13)


NO_DENSITY_MATRICES: Final = {
    "a vector": np.array([1, 0]),
    "not square": np.array([[1, 0]]),
    "not a number": np.array([[np.nan, 0], [0, 1]]),
    "trace 2": np.eye(2),
    "skewed": np.array([[0.5, 0.1], [0.2, 0.5]]),
    "negative": np.diag([1.1, -0.1]),
}  # fmt: skip


@pytest.mark.parametrize("matrix", NO_DENSITY_MATRICES.values(), ids=NO_DENSITY_MATRICES.keys())
def test_what_is_no_density_matrix_is_recognised(matrix: Matrix) -> None:
    assert not is_density_matrix(matrix.astype(np.complex128))


@given(n_qubits=st.integers(1, 3), seed=seeds)
def test_a_density_matrix_is_recognised(n_qubits: int, seed: int) -> None:
    assert is_density_matrix(random_mixed(n_qubits, 2, seed))
    assert is_density_matrix(density_matrix(random_unitary(n_qubits, seed)[:, 0]))
