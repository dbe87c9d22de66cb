"""Pauli correlators do what density matrices do: noise of a half, measuring, swapping, distilling, to 1e-10."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import product
from math import exp, inf, sqrt
from typing import Any, Final

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qnode.quantum import bell_diagonal
from qnode.quantum import correlators as pauli
from qnode.quantum.bell import BELL_STATES, PHI_PLUS, BellState
from qnode.quantum.channels import relaxation
from qnode.quantum.correlators import Floats
from qnode.quantum.dense import tensor
from qnode.quantum.fidelity import fidelity
from qnode.quantum.gates import GATES, Matrix
from tests.physics.circuits import BITS, ONE, distil, gate, memory, random_rho, swap, through
from tests.quantum.worlds import random_unitary

AGREE: Final = 1e-10
seeds = st.integers(0, 2**32)
chances = st.floats(0, 1)
few = settings(max_examples=15)


def same(t: Floats, rho: Matrix) -> None:
    np.testing.assert_allclose(pauli.to_density_matrix(t), rho, rtol=0, atol=AGREE)


def axis(seed: int) -> Floats:
    vector = np.random.default_rng(seed).normal(size=3)
    return np.asarray(vector / np.linalg.norm(vector))


def projector(along: Floats, outcome: int) -> Matrix:
    spin = sum(component * GATES[name].unitary() for component, name in zip(along, "xyz", strict=True))
    return np.asarray((ONE + (1 - 2 * outcome) * spin) / 2, np.complex128)


# --- to and from matrices --------------------------------------------------------------------------------------------


@few
@given(seed=seeds)
def test_correlators_are_the_means_of_products_of_paulis_and_say_all_of_a_state(seed: int) -> None:
    rho = np.array([[random_rho(seed + 3 * row + column) for column in range(3)] for row in range(2)])
    t = pauli.from_density_matrix(rho)
    letters = (ONE, *(GATES[name].unitary() for name in "xyz"))
    for (a, first), (b, second) in product(enumerate(letters), repeat=2):
        assert t[1, 2, a, b] == pytest.approx(np.trace(rho[1, 2] @ tensor(first, second)).real, abs=AGREE)
    np.testing.assert_allclose(pauli.to_density_matrix(t), rho, rtol=0, atol=AGREE)


@pytest.mark.parametrize("bell", BELL_STATES, ids=lambda bell: bell.name)
def test_bell_states_are_diagonal(bell: BellState) -> None:
    same(pauli.of_bell_state(bell), np.outer(bell.ket(), bell.ket().conj()))
    assert pauli.fidelity(pauli.of_bell_state(bell), bell) == 1
    same(pauli.correct(pauli.of_bell_state(bell), bell), np.outer(PHI_PLUS.ket(), PHI_PLUS.ket().conj()))


@few
@given(seed=seeds)
def test_fidelity_and_mixtures_of_bell_states_are_those_of_the_matrices(seed: int) -> None:
    rho = random_rho(seed)
    for bell in BELL_STATES:
        assert pauli.fidelity(pauli.from_density_matrix(rho), bell) == pytest.approx(
            fidelity(rho, bell.ket()), abs=AGREE
        )
    vectors = np.random.default_rng(seed).dirichlet(np.ones(4), 5)
    np.testing.assert_allclose(
        pauli.to_density_matrix(pauli.from_bell_diagonal(vectors)),
        bell_diagonal.to_density_matrix(vectors),
        rtol=0,
        atol=AGREE,
    )


# --- noise of a half -------------------------------------------------------------------------------------------------

NOISE: Final[dict[str, tuple[Callable[[], Floats], list[Matrix]]]] = {
    "a unitary": (lambda: pauli.from_unitary(random_unitary(1, 5)), [random_unitary(1, 5)]),
    **{
        f"gate {name}": (partial(pauli.from_unitary, one.unitary()), [one.unitary()])
        for name, one in GATES.items() if one.n_qubits == 1 and not one.n_params
    },
    "Kraus operators": (lambda: pauli.from_kraus(memory(0.37, 1, 0.8)), memory(0.37, 1, 0.8)),
    "Paulis": (
        lambda: pauli.pauli(0.1, 0.2, 0.05),
        [sqrt(p) * m for p, m in zip((0.65, 0.1, 0.2, 0.05), (ONE, *(GATES[n].unitary() for n in "xyz")), strict=True)],
    ),
    "depolarising": (
        lambda: pauli.depolarising(0.3),
        [sqrt(p) * m for p, m in zip((0.7, 0.1, 0.1, 0.1), (ONE, *(GATES[n].unitary() for n in "xyz")), strict=True)],
    ),
    "dephasing": (lambda: pauli.dephasing(0.2), [sqrt(0.8) * ONE, sqrt(0.2) * GATES["z"].unitary()]),
    "relaxation, t2 < t1": (lambda: pauli.relaxation(0.37, 1.0, 0.8), memory(0.37, 1, 0.8)),
    "relaxation, t1 < t2": (lambda: pauli.relaxation(0.37, 1.0, 1.7), memory(0.37, 1, 1.7)),
    "relaxation, t2 = 2 t1": (lambda: pauli.relaxation(0.37, 1.0, 2.0), memory(0.37, 1, 2.0)),
    "relaxation without t1": (lambda: pauli.relaxation(0.37, inf, 0.8), memory(0.37, 1e30, 0.8)),
    "relaxation without either": (lambda: pauli.relaxation(0.37, inf, inf), [ONE]),
}  # fmt: skip


@pytest.mark.parametrize(("transfer", "kraus"), NOISE.values(), ids=NOISE.keys())
def test_noise_of_either_half_is_that_of_its_kraus_operators(
    transfer: Callable[[], Floats], kraus: list[Matrix]
) -> None:
    rho = np.array([random_rho(seed) for seed in range(3)])
    t, noise = pauli.from_density_matrix(rho), transfer()
    for nth in range(3):
        same(pauli.on_first(t, noise)[nth], through(rho[nth], kraus, 0))
        same(pauli.on_second(t, noise)[nth], through(rho[nth], kraus, 1))


@few
@given(t=st.floats(0, 3), part=chances, t1=st.floats(0.1, 10), ratio=st.floats(0.1, 2))
def test_storage_in_two_parts_is_storage_and_as_the_engine_has_it(
    t: float, part: float, t1: float, ratio: float
) -> None:
    whole = pauli.relaxation(t, t1, ratio * t1)
    parts = pauli.relaxation(part * t, t1, ratio * t1) @ pauli.relaxation((1 - part) * t, t1, ratio * t1)
    np.testing.assert_allclose(parts, whole, rtol=0, atol=AGREE)
    engine = relaxation(exp(-t / t1), exp(-t / (ratio * t1)))
    np.testing.assert_allclose(pauli.from_kraus(engine.kraus), whole, rtol=0, atol=AGREE)


@pytest.mark.parametrize("bell", BELL_STATES, ids=lambda bell: bell.name)
def test_storage_of_one_and_of_both_halves_has_the_closed_forms(bell: BellState) -> None:
    """Phi: (1 + gA gB + e1A e1B + 2 e2A e2B)/4, Psi: without 1 + gA gB, and e1A + e1B; one half: (1 + e1 + 2 e2)/4."""
    t = np.linspace(0, 3, 40)
    e1a, e2a, e1b, e2b = np.exp(-t / 1.0), np.exp(-t / 0.8), np.exp(-2 * t / 1.5), np.exp(-2 * t / 2.5)
    first, second = pauli.relaxation(t, 1.0, 0.8), pauli.relaxation(2 * t, 1.5, 2.5)
    one = pauli.on_first(pauli.of_bell_state(bell), first)
    np.testing.assert_allclose(pauli.fidelity(one, bell), (1 + e1a + 2 * e2a) / 4, rtol=0, atol=AGREE)
    both = pauli.fidelity(pauli.on_second(one, second), bell)
    if bell.x:
        expected = (e1a + e1b + 2 * e2a * e2b) / 4
    else:
        expected = (1 + (1 - e1a) * (1 - e1b) + e1a * e1b + 2 * e2a * e2b) / 4
    np.testing.assert_allclose(both, expected, rtol=0, atol=AGREE)


# --- measuring -------------------------------------------------------------------------------------------------------


@few
@given(seed=seeds, p01=chances, p10=chances)
def test_joint_outcomes_along_any_axes_are_those_of_projectors_and_of_the_readout(
    seed: int, p01: float, p10: float
) -> None:
    rho, m, n = random_rho(seed), axis(seed), axis(seed + 1)
    true = np.array(
        [[np.trace(rho @ tensor(projector(m, a), projector(n, b))).real for b in BITS] for a in BITS]
    )  # fmt: skip
    t = pauli.from_density_matrix(rho)
    np.testing.assert_allclose(pauli.probabilities(t, pauli.effects(m), pauli.effects(n)), true, rtol=0, atol=AGREE)
    read = np.array(((1 - p10, p01), (p10, 1 - p01)))
    found = pauli.probabilities(t, pauli.effects(m, p01, p10), pauli.effects(n))
    np.testing.assert_allclose(found, read @ true, rtol=0, atol=AGREE)


@few
@given(seed=seeds)
def test_the_textbook_formula_of_joint_outcomes(seed: int) -> None:
    """(1 + (-1)^a t_m0 + (-1)^b t_0n + (-1)^(a+b) t_mn)/4."""
    t, m, n = pauli.from_density_matrix(random_rho(seed)), axis(seed), axis(seed + 1)
    found = pauli.probabilities(t, pauli.effects(m), pauli.effects(n))
    for a, b in product(BITS, repeat=2):
        alone = (-1) ** a * m @ t[1:, 0] + (-1) ** b * n @ t[0, 1:]
        assert found[a, b] == pytest.approx((1 + alone + (-1) ** (a + b) * m @ t[1:, 1:] @ n) / 4, abs=AGREE)


@few
@given(seed=seeds, p01=chances, p10=chances)
def test_the_first_answer_is_a_marginal_and_the_second_makes_it_joint(seed: int, p01: float, p10: float) -> None:
    """No signalling, too: nothing of the second half's measurement enters the first answer's probabilities."""
    t = pauli.from_density_matrix(np.array([random_rho(seed), random_rho(seed + 1)]))
    first, second = pauli.effects(axis(seed), p01, p10), pauli.effects(axis(seed + 1), p10, p01)
    joint = pauli.probabilities(t, first, second)
    answered = pauli.marginal(t, first)
    np.testing.assert_allclose(answered, joint.sum(axis=-1), rtol=0, atol=AGREE)
    left = pauli.conditional(t, first)
    np.testing.assert_allclose(
        answered[..., None] * (left @ np.swapaxes(second, -1, -2)), joint, rtol=0, atol=AGREE
    )  # fmt: skip
    other = pauli.probabilities(pauli.swapped_ends(t), second, first)
    np.testing.assert_allclose(np.swapaxes(other, -1, -2), joint, rtol=0, atol=AGREE)


def test_after_an_impossible_outcome_nothing_is_known() -> None:
    both_zero = pauli.from_density_matrix(np.diag((1.0, 0, 0, 0)))
    left = pauli.conditional(both_zero, pauli.effects((0, 0, 1)))
    np.testing.assert_allclose(left, [[1, 0, 0, 1], [1, 0, 0, 0]], rtol=0, atol=AGREE)


@few
@given(seed=seeds)
def test_noise_before_a_measurement_can_be_put_into_its_effects(seed: int) -> None:
    t, noise = pauli.from_density_matrix(random_rho(seed)), pauli.relaxation(0.4, 1.0, 1.3)
    first, second = pauli.effects(axis(seed)), pauli.effects(axis(seed + 1))
    expected = pauli.probabilities(pauli.on_first(t, noise), first, second)
    found = pauli.probabilities(t, pauli.after(first, noise), second)
    np.testing.assert_allclose(found, expected, rtol=0, atol=AGREE)


@pytest.mark.parametrize("f", [0.25, 0.6, 0.78, 1.0])
def test_chsh_of_a_werner_pair_is_2_sqrt_2_w(f: float) -> None:
    t = pauli.from_bell_diagonal(bell_diagonal.werner(f))
    a = pauli.effects([(0, 0, 1), (1, 0, 0)])
    b = pauli.effects([(sqrt(0.5), 0, sqrt(0.5)), (-sqrt(0.5), 0, sqrt(0.5))])
    joint = pauli.probabilities(t, a[:, None], b[None])
    mean = joint[..., 0, 0] + joint[..., 1, 1] - joint[..., 0, 1] - joint[..., 1, 0]
    assert mean[0, 0] + mean[0, 1] + mean[1, 0] - mean[1, 1] == pytest.approx(2 * sqrt(2) * (4 * f - 1) / 3, abs=AGREE)


# --- swapping and distilling -----------------------------------------------------------------------------------------


@few
@given(seed=seeds, mixing=chances, flip=chances)
def test_swapping_is_that_of_the_circuit_for_every_outcome(seed: int, mixing: float, flip: float) -> None:
    left, right = random_rho(seed), random_rho(seed + 1)
    t, u = pauli.from_density_matrix(left), pauli.from_density_matrix(right)
    delivered: Any = 0
    for bell in BELL_STATES:
        expected = swap(left, right, bell, mixing, flip)
        chance, ends = pauli.swap(t, u, pauli.bell_effect(bell, mixing, flip))
        assert chance == pytest.approx(np.trace(expected).real, abs=AGREE)
        same(chance * ends, expected)
        for name in bell.correction:
            expected = gate(expected, name, 1)
        delivered = delivered + expected
    same(pauli.swap_corrected(t, u, mixing, flip), delivered)


@pytest.mark.parametrize("turned", [False, True], ids=["BBPSSW", "DEJMPS"])
@few
@given(seed=seeds, mixing=chances, flip=chances)
def test_distilling_is_that_of_the_circuit(turned: bool, seed: int, mixing: float, flip: float) -> None:
    first, second = random_rho(seed), random_rho(seed + 1)
    expected = distil(first, second, turned=turned, mixing=mixing, flip=flip)
    step = pauli.dejmps if turned else pauli.bilateral_cnot
    chance, kept = step(pauli.from_density_matrix(first), pauli.from_density_matrix(second), mixing, flip)
    assert chance == pytest.approx(np.trace(expected).real, abs=AGREE)
    same(chance * kept, expected)


def test_arrays_of_pairs_are_worked_on_as_one_by_one() -> None:
    t = pauli.from_density_matrix(np.array([random_rho(seed) for seed in range(6)])).reshape(2, 3, 4, 4)
    one = pauli.from_density_matrix(random_rho(9))
    chance, kept = pauli.dejmps(t, one, 0.1, 0.02)
    alone = pauli.dejmps(t[1, 2], one, 0.1, 0.02)
    assert chance[1, 2] == pytest.approx(alone[0], abs=AGREE)
    np.testing.assert_allclose(kept[1, 2], alone[1], rtol=0, atol=AGREE)
    swapped = pauli.swap_corrected(t, one, 0.1, 0.02)
    np.testing.assert_allclose(swapped[1, 2], pauli.swap_corrected(t[1, 2], one, 0.1, 0.02), rtol=0, atol=AGREE)
