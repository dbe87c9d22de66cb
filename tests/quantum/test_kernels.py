"""The kernels on state vectors and the dense reference itself, against definitions written out again."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qnode.quantum.bell import BELL_STATES, PHI_PLUS, BellState, Pauli
from qnode.quantum.dense import DenseRegister, embedded, tensor
from qnode.quantum.gates import GATES, Matrix
from qnode.quantum.kernels import BROADCAST_LIMIT, apply_matrix, embed, halves, rows_and_columns
from tests.quantum.worlds import PAULIS, pauli_matrix, qubits, random_unitary

A, B, C = qubits("a", "b", "c")


def random_state(n_qubits: int, seed: int) -> Matrix:
    rng = np.random.default_rng(seed)
    state = rng.normal(size=2**n_qubits) + 1j * rng.normal(size=2**n_qubits)
    return np.asarray(state / np.linalg.norm(state), np.complex128)


def targets_of(n_qubits: int, most: int) -> list[tuple[int, ...]]:
    return [targets for count in range(1, most + 1) for targets in permutations(range(n_qubits), count)]


# --- the reference ---------------------------------------------------------------------------------------------------


def by_bits(matrix: Matrix, targets: tuple[int, ...], n_qubits: int) -> Matrix:
    """Entry by entry: <r|U|c> where the targets' bits differ as the matrix says and all others are equal."""
    whole = np.zeros((2**n_qubits, 2**n_qubits), np.complex128)
    strings = list(product((0, 1), repeat=n_qubits))
    for (row, r), (column, c) in product(enumerate(strings), repeat=2):
        if all(r[k] == c[k] for k in range(n_qubits) if k not in targets):
            index = [int("".join(str(bits[target]) for target in targets), 2) for bits in (r, c)]
            whole[row, column] = matrix[index[0], index[1]]
    return whole


@pytest.mark.parametrize("targets", targets_of(3, 3), ids=str)
def test_the_reference_embeds_an_operator_entry_by_entry(targets: tuple[int, ...]) -> None:
    matrix = random_unitary(len(targets), 7)
    np.testing.assert_array_equal(embedded(matrix, targets, 3), by_bits(matrix, targets, 3))


def test_the_reference_embeds_products_of_paulis_as_kronecker_products() -> None:
    for letters in product("IXYZ", repeat=3):
        whole = np.eye(8, dtype=np.complex128)
        for site, letter in enumerate(letters):
            whole = embedded(PAULIS[letter], (site,), 3) @ whole
        np.testing.assert_array_equal(whole, pauli_matrix("".join(letters)))


@pytest.mark.parametrize("bell", BELL_STATES, ids=lambda bell: bell.name)
@pytest.mark.parametrize("pauli", list(Pauli))
def test_the_reference_measures_as_the_correlators_say(bell: BellState, pauli: Pauli) -> None:
    for draw in (0.3, 0.8):
        register = DenseRegister()
        register.create_pair(A, B, bell)
        assert register.probability(A, 0, pauli) == pytest.approx(0.5, abs=1e-14)
        first = register.measure(A, draw, pauli, keep=True)
        assert first == (draw >= 0.5)
        assert register.qubits() == (A, B)
        second = register.measure(B, 0.5, pauli)
        assert (1 - 2 * first) * (1 - 2 * second) == bell.correlators[list(Pauli).index(pauli)]
        assert register.qubits() == (A,)
        assert register.probability(A, first, pauli) == pytest.approx(1, abs=1e-14)


def test_the_reference_traces_out_in_any_order() -> None:
    register = DenseRegister()
    kets = {name: random_state(1, seed) for seed, name in enumerate((A, B, C))}
    parts = {name: np.outer(ket, ket.conj()) for name, ket in kets.items()}
    register.names, register.rho = [A, B, C], tensor(*parts.values())
    for count in range(4):
        for order in permutations((A, B, C), count):
            expected = tensor(*(parts[name] for name in order))
            np.testing.assert_allclose(register.reduced_state(order), expected, atol=1e-15)
    register.trace_out(B)
    np.testing.assert_allclose(register.rho, tensor(parts[A], parts[C]), atol=1e-15)


def test_the_reference_loses_half_of_a_pair_exactly_or_sampled() -> None:
    exact, sampled = DenseRegister(), DenseRegister()
    for register in (exact, sampled):
        register.create_pair(A, B, PHI_PLUS)
    exact.trace_out(A)
    sampled.discard(A, 0.7)
    np.testing.assert_allclose(exact.rho, np.eye(2) / 2, atol=1e-15)
    np.testing.assert_allclose(sampled.rho, np.diag([0, 1]), atol=1e-15)
    sampled.reset(B, 0.1)
    np.testing.assert_allclose(sampled.rho, np.diag([1, 0]), atol=1e-15)


def test_the_reference_never_finds_what_is_impossible() -> None:
    register = DenseRegister()
    register.create(A)
    assert register.measure(A, 1 - 2**-53, keep=True) == 0
    register.apply("x", (A,))
    assert register.measure(A, 0.0, keep=True) == 1


# --- the kernels -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_qubits", range(1, 6))
def test_a_matrix_acts_on_its_targets_in_their_order(n_qubits: int) -> None:
    state = random_state(n_qubits, n_qubits)
    for targets in targets_of(n_qubits, min(3, n_qubits)):
        matrix = random_unitary(len(targets), 1)
        expected = embedded(matrix, targets, n_qubits) @ state
        np.testing.assert_allclose(apply_matrix(state, n_qubits, matrix, targets), expected, atol=1e-14)
        np.testing.assert_allclose(embed(matrix, n_qubits, targets), embedded(matrix, targets, n_qubits), atol=1e-15)


@pytest.mark.parametrize("name", ["x", "z", "h", "s", "cnot", "cz", "swap"])
@pytest.mark.parametrize("n_qubits", [3, 9])
def test_zeros_and_ones_of_a_matrix_are_no_special_case(name: str, n_qubits: int) -> None:
    """At 9 qubits a vector is longer than `BROADCAST_LIMIT`, and another path is taken."""
    assert 2**3 <= BROADCAST_LIMIT < 2**9
    state, matrix = random_state(n_qubits, 3), GATES[name].unitary()
    for targets in targets_of(n_qubits, 2):
        if len(targets) == GATES[name].n_qubits and set(targets) <= {0, 1, n_qubits - 1}:
            expected = np.moveaxis(
                np.tensordot(
                    matrix.reshape((2,) * (2 * len(targets))),
                    state.reshape((2,) * n_qubits),
                    (range(len(targets), 2 * len(targets)), targets),
                ),
                range(len(targets)),
                targets,
            ).reshape(-1)
            np.testing.assert_allclose(apply_matrix(state, n_qubits, matrix, targets), expected, atol=1e-14)


def test_a_row_of_zeros_gives_zero() -> None:
    state = random_state(3, 0)
    lowered = apply_matrix(state, 3, np.kron([[0, 1], [0, 0]], np.eye(2)).astype(np.complex128), (2, 0))
    np.testing.assert_allclose(lowered.reshape(2, 2, 2)[:, :, 1], 0)
    np.testing.assert_allclose(lowered.reshape(2, 2, 2)[:, :, 0], state.reshape(2, 2, 2)[:, :, 1])


@given(n_qubits=st.integers(1, 12), seed=st.integers(0, 2**32), data=st.data())
def test_halves_are_the_amplitudes_with_a_bit_of_0_and_of_1(n_qubits: int, seed: int, data: st.DataObject) -> None:
    state, target = random_state(n_qubits, seed), data.draw(st.integers(0, n_qubits - 1))
    bit = np.arange(2**n_qubits) >> (n_qubits - 1 - target) & 1
    np.testing.assert_array_equal(halves(state, n_qubits, target), [state[bit == 0], state[bit == 1]])


@pytest.mark.parametrize("targets", targets_of(4, 3), ids=str)
def test_rows_are_the_targets_and_columns_the_rest(targets: tuple[int, ...]) -> None:
    state = random_state(4, 11)
    rows = rows_and_columns(state, 4, targets)
    register = DenseRegister()
    register.names = list(qubits("0", "1", "2", "3"))
    register.rho = np.outer(state, state.conj())
    reduced = register.reduced_state(qubits(*map(str, targets)))
    np.testing.assert_allclose(rows @ rows.conj().T, reduced, atol=1e-14)


def test_amplitudes_are_never_changed_in_place() -> None:
    for n_qubits in (1, 3, 9):
        state = random_state(n_qubits, 1)
        before = state.copy()
        state.setflags(write=False)
        for target in range(n_qubits):
            apply_matrix(state, n_qubits, PAULIS["Y"], (target,))
            halves(state, n_qubits, target)
        np.testing.assert_array_equal(state, before)
