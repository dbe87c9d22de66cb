"""Clifford unitaries are recognised exactly: all of them, and nothing else."""

from __future__ import annotations

from itertools import product
from math import pi
from typing import Final

import numpy as np
import pytest
import stim
from hypothesis import given
from hypothesis import strategies as st

from qnode.quantum.clifford import Clifford, from_images, from_unitary, state_vector
from qnode.quantum.dense import tensor
from qnode.quantum.gates import GATES, Matrix
from qnode.quantum.operations import from_matrix, resolve
from tests.quantum.worlds import is_clifford, pauli_matrix, random_clifford, random_unitary

H, S, T = (GATES[name].unitary() for name in "hst")
CNOT: Final = GATES["cnot"].unitary()
PHASES: Final = [1, -1, 1j, np.exp(0.25j * pi), np.exp(1j)]


def images(unitary: Matrix) -> dict[str, str]:
    """P -> U P U^dagger for every generator, computed densely."""
    n_qubits = len(unitary).bit_length() - 1
    found = {}
    for site, letter in product(range(n_qubits), "XZ"):
        generator = "I" * site + letter + "I" * (n_qubits - site - 1)
        conjugated = unitary @ pauli_matrix(generator) @ unitary.conj().T
        for letters in map("".join, product("IXYZ", repeat=n_qubits)):
            overlap = np.vdot(pauli_matrix(letters), conjugated).real / 2**n_qubits
            if abs(overlap) > 0.9:
                found[generator] = ("+" if overlap > 0 else "-") + letters
    return found


def one_qubit_cliffords() -> dict[str, Matrix]:
    """All that H and S generate, by their images, up to global phase."""
    known: dict[str, Matrix] = {}
    fresh = [np.eye(2, dtype=np.complex128)]
    while fresh:
        unitary = fresh.pop()
        name = " ".join(images(unitary).values())
        if name not in known:
            known[name] = unitary
            fresh += [H @ unitary, S @ unitary]
    return known


ONE_QUBIT: Final = one_qubit_cliffords()


def test_there_are_24_on_one_qubit() -> None:
    assert len(ONE_QUBIT) == 24


@pytest.mark.parametrize("unitary", ONE_QUBIT.values(), ids=ONE_QUBIT.keys())
def test_each_of_the_24_is_recognised_with_any_phase(unitary: Matrix) -> None:
    for phase in PHASES:
        assert from_unitary(phase * unitary) == from_images(images(unitary))


@pytest.mark.parametrize("unitary", ONE_QUBIT.values(), ids=ONE_QUBIT.keys())
def test_none_of_the_24_is_recognised_after_a_t_gate(unitary: Matrix) -> None:
    assert from_unitary(T @ unitary) is None
    assert from_unitary(unitary @ T) is None


@pytest.mark.parametrize("left", ONE_QUBIT.values(), ids=ONE_QUBIT.keys())
def test_one_clifford_after_another_is_one_of_the_24(left: Matrix) -> None:
    """The group table: recognition of a product is the product of what is recognised, and the object is kept."""
    first = from_unitary(left)
    assert first is not None
    for right in ONE_QUBIT.values():
        second, both = from_unitary(right), from_unitary(right @ left)
        assert second is not None
        assert both == first.then(second)
        assert Clifford.of(both) is Clifford.of(first.then(second))


@given(n_qubits=st.integers(1, 3), seed=st.integers(0, 2**32))
def test_products_of_clifford_gates_are_recognised(n_qubits: int, seed: int) -> None:
    unitary = random_clifford(n_qubits, seed)
    tableau = from_unitary(unitary)
    assert tableau is not None
    assert tableau == from_images(images(unitary))


@given(n_qubits=st.integers(1, 3), seed=st.integers(0, 2**32))
def test_a_t_gate_anywhere_among_clifford_gates_is_noticed(n_qubits: int, seed: int) -> None:
    before, after = random_clifford(n_qubits, seed), random_clifford(n_qubits, seed + 1)
    unitary = after @ np.kron(T, np.eye(2 ** (n_qubits - 1))) @ before
    assert from_unitary(unitary) is None


@given(n_qubits=st.integers(1, 3), seed=st.integers(0, 2**32))
def test_a_random_unitary_is_not_clifford(n_qubits: int, seed: int) -> None:
    assert from_unitary(random_unitary(n_qubits, seed)) is None


# Entries of these are all 0, +-1, +-i times powers of 1/sqrt(2): it needs more than a look at the entries
LOOK_ALIKES: Final = {
    "controlled S": np.diag([1, 1, 1, 1j]),
    "controlled H": np.kron(np.diag([1, 0]), np.eye(2)) + np.kron(np.diag([0, 1]), H),
    "Toffoli": np.eye(8)[[0, 1, 2, 3, 4, 5, 7, 6]],
    "CCZ": np.diag([1, 1, 1, 1, 1, 1, 1, -1]),
    "Fredkin": np.eye(8)[[0, 1, 2, 3, 4, 6, 5, 7]],
    "square root of swap": np.array([[2, 0, 0, 0], [0, 1 + 1j, 1 - 1j, 0], [0, 1 - 1j, 1 + 1j, 0], [0, 0, 0, 2]]) / 2,
    "controlled cnot after H": np.eye(8)[[0, 1, 2, 3, 4, 5, 7, 6]] @ np.kron(np.kron(H, H), H),
    "Toffoli between Hs": np.kron(H, np.eye(4)) @ np.eye(8)[[0, 1, 2, 3, 4, 5, 7, 6]] @ np.kron(H, np.eye(4)),
}


@pytest.mark.parametrize("matrix", LOOK_ALIKES.values(), ids=LOOK_ALIKES.keys())
def test_what_only_looks_like_a_clifford_unitary_is_not(matrix: Matrix) -> None:
    unitary = np.asarray(matrix, np.complex128)
    assert not is_clifford(unitary)
    assert from_unitary(unitary) is None
    assert from_matrix(unitary).clifford is None


def test_every_diagonal_of_fourth_roots_and_every_permutation_of_two_qubits_is_judged_right() -> None:
    diagonals = [np.diag(entries).astype(np.complex128) for entries in product((1, -1, 1j, -1j), repeat=4)]
    permutations = [np.eye(4, dtype=np.complex128)[list(p)] for p in product(range(4), repeat=4) if len(set(p)) == 4]
    for unitary in [*diagonals, *permutations]:
        assert (from_unitary(unitary) is not None) == is_clifford(unitary)


@pytest.mark.parametrize("quarter", range(-8, 9))
@pytest.mark.parametrize("name", ["rx", "ry", "rz"])
def test_quarter_turns_are_clifford_and_eighth_turns_are_not(name: str, quarter: int) -> None:
    assert resolve(name, (quarter * pi / 2,)).clifford is not None
    assert resolve(name, (quarter * pi / 2 + pi / 4,)).clifford is None


@pytest.mark.parametrize("name", ["rx", "ry", "rz"])
@pytest.mark.parametrize("quarter", range(4))
def test_what_is_off_by_less_than_1e_12_is_exact_and_more_is_not(name: str, quarter: int) -> None:
    """The entries of a rotation move by at most its angle (half of it if neither is the phase reference)."""
    exact = resolve(name, (quarter * pi / 2,))
    assert exact.clifford is not None
    assert resolve(name, (quarter * pi / 2 + 0.9e-12,)).clifford is exact.clifford
    assert resolve(name, (quarter * pi / 2 - 0.9e-12,)).clifford is exact.clifford
    assert resolve(name, (quarter * pi / 2 + 4e-12,)).clifford is None
    assert resolve(name, (quarter * pi / 2 - 4e-12,)).clifford is None


@given(n_qubits=st.integers(1, 2), seed=st.integers(0, 2**32), exponent=st.integers(-11, -3))
def test_a_clifford_unitary_that_is_bent_is_refused(n_qubits: int, seed: int, exponent: int) -> None:
    bend = np.diag(np.exp(1j * 10.0**exponent * np.arange(2**n_qubits))).astype(np.complex128)
    assert from_unitary(random_clifford(n_qubits, seed) @ bend) is None


def test_clifford_operations_of_up_to_two_qubits_exist_once() -> None:
    assert resolve("rx", (pi,)).clifford is resolve("x").clifford
    assert from_matrix(CNOT * 1j).clifford is resolve("cnot").clifford
    large = from_matrix(tensor(CNOT, H)).clifford
    assert large is not None
    assert large.n_qubits == 3


@given(n_qubits=st.integers(1, 4), seed=st.integers(0, 2**32))
def test_the_state_vector_of_a_tableau_is_exact_to_double_precision(n_qubits: int, seed: int) -> None:
    unitary = random_clifford(n_qubits, seed)
    tableau = from_unitary(unitary)
    assert isinstance(tableau, stim.Tableau)
    vector = state_vector(tableau)
    assert abs(np.linalg.norm(vector) - 1) < 1e-15
    np.testing.assert_allclose(
        np.outer(vector, vector.conj()), np.outer(unitary[:, 0], unitary[:, 0].conj()), atol=1e-14
    )
