"""Chains against brute force: density matrices that are swapped, and waits that are enumerated."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from itertools import product
from typing import Final

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qnode.quantum import chains
from qnode.quantum.bell import BELL_STATES, PHI_PLUS, BellState
from qnode.quantum.fidelity import fidelity
from qnode.quantum.gates import Matrix
from qnode.quantum.sources import werner_state

X: Final = np.array(((0, 1), (1, 0)), np.complex128)
Z: Final = np.diag((1, -1)).astype(np.complex128)


def pauli(bell: BellState) -> Matrix:
    """What corrects a Bell state, on one qubit: X first."""
    return np.asarray(np.linalg.matrix_power(Z, bell.z) @ np.linalg.matrix_power(X, bell.x))


def swapped(left: Matrix, right: Matrix, mixing: float, flip: float) -> Matrix:
    """Project on each Bell state, read each of its bits rightly or wrongly, and correct by what was read."""
    found = np.zeros((4, 4), np.complex128)
    four = np.kron(left, right).reshape((2,) * 8)
    for outcome, read in product(BELL_STATES, repeat=2):
        wrong = outcome ^ read
        chance = np.prod([flip if bit else 1 - flip for bit in wrong])
        ket = outcome.ket().reshape(2, 2)
        pure = np.einsum("abcdefgh,bc,fg->adeh", four, ket.conj(), ket).reshape(4, 4)
        lost = np.einsum("abcdebch->adeh", four).reshape(4, 4) / 4  # the qubits are fully mixed: any outcome
        corrected = np.kron(np.eye(2), pauli(read))
        found += chance * corrected @ ((1 - mixing) * pure + mixing * lost) @ corrected.conj().T
    return found


@pytest.mark.parametrize(
    ("fidelities", "mixing", "flip"),
    [
        ((0.9,), 0.1, 0.1),
        ((0.95, 0.8), 0.0, 0.0),
        ((0.95, 0.8), 0.05, 0.02),
        ((0.99, 0.9, 0.8), 0.02, 0.1),
        ((0.97,) * 5, 0.01, 0.03),
    ],
)
def test_swapping_leaves_the_fidelity_that_density_matrices_have(
    fidelities: Sequence[float], mixing: float, flip: float
) -> None:
    ends = reduce(lambda left, right: swapped(left, right, mixing, flip), map(werner_state, fidelities))
    assert np.trace(ends) == pytest.approx(1)
    assert chains.swapped_fidelity(fidelities, mixing=mixing, flip=flip) == pytest.approx(
        fidelity(ends, PHI_PLUS.ket()), abs=1e-12
    )


@given(st.lists(st.floats(0.25, 1), min_size=2, max_size=2), st.floats(0, 1), st.floats(0, 0.5))
def test_one_swap_is_the_formula_of_duer_briegel_cirac_and_zoller(
    fidelities: list[float], mixing: float, flip: float
) -> None:
    s = (1 - mixing) * (4 * (1 - flip) ** 2 - 1) / 3
    w = (4 * fidelities[0] - 1) / 3 * (4 * fidelities[1] - 1) / 3
    assert chains.swapped_fidelity(fidelities, mixing=mixing, flip=flip) == pytest.approx(
        (1 + 3 * s * w) / 4, abs=1e-12
    )


@pytest.mark.parametrize("n", [1, 2, 3, 10])
def test_without_errors_it_is_the_power_of_the_werner_parameter(n: int) -> None:
    assert chains.swapped_fidelity([0.95] * n) == pytest.approx((1 + 3 * ((4 * 0.95 - 1) / 3) ** n) / 4, abs=1e-12)


# --- E[max] ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("p", "n"), [(0.5, 1), (0.5, 2), (0.05, 2), (0.3, 7), (0.05, 60), (0.9, 1000), (1.0, 5)])
def test_all_links_have_a_pair_after_the_mean_of_the_greatest_wait(p: float, n: int) -> None:
    """Sum of k P(max = k), term by term from the distribution function."""
    k = np.arange(0, 4000)
    below = (1 - (1 - p) ** k) ** n
    assert chains.mean_attempts_of_all(p, n) == pytest.approx((k[1:] * np.diff(below)).sum(), rel=1e-10)


def test_sixty_links_at_one_in_twenty() -> None:
    """The alternating sum over binomial coefficients gives 71.9 here, which is not even near."""
    assert chains.mean_attempts_of_all(0.05, 60) == pytest.approx(91.7, abs=0.05)


@pytest.mark.parametrize("n", [3, 4, 60, 1000])
def test_the_integral_takes_over_without_a_step(n: int) -> None:
    """Just above 1/1000 it is a sum, just below an integral; between them it falls by the change of p."""
    above, below = chains.mean_attempts_of_all(1e-3, n), chains.mean_attempts_of_all(1e-3 * (1 - 1e-12), n)
    assert above == pytest.approx(below, rel=1e-11)


def test_rare_successes_cost_nothing() -> None:
    assert chains.mean_attempts_of_all(1e-9, 3) == pytest.approx((1 + 1 / 2 + 1 / 3) * 1e9, rel=1e-8)


# --- two links, one waiting for the other ----------------------------------------------------------------------------


@pytest.mark.parametrize(("p", "x"), [(0.5, 0.9), (0.1, 0.99), (0.3, 0.0), (1.0, 0.5)])
def test_what_the_earlier_pair_keeps_is_the_sum_over_all_waits(p: float, x: float) -> None:
    k = np.arange(1, 1500)
    waits = p * (1 - p) ** (k - 1.0)
    apart = np.abs(k[:, None] - k[None, :])
    assert chains.mean_decay(p, x) == pytest.approx((np.outer(waits, waits) * x**apart).sum(), abs=1e-10)


@pytest.mark.parametrize(("p", "x", "cutoff"), [(0.3, 0.9, 4), (0.1, 0.95, 1), (0.5, 0.8, 2), (0.05, 0.99, 30)])
def test_a_cutoff_is_what_following_every_history_gives(p: float, x: float, cutoff: int) -> None:
    """The chance of each age of the waiting pair (0: none waits) is followed from attempt to attempt."""
    waiting = np.zeros(cutoff + 1)
    waiting[0] = 1.0
    attempts = kept = decay = 0.0
    for nth in range(1, 40_000):
        both = np.zeros(cutoff + 1)
        both[0] = waiting[0] * p * p
        both[1:] = waiting[1:] * p  # the other link succeeds, after `age` attempts of waiting
        after = np.zeros(cutoff + 1)
        after[0] = waiting[0] * (1 - p) ** 2
        after[1] = waiting[0] * 2 * p * (1 - p)
        after[2:] = waiting[1:-1] * (1 - p)
        after[0] += waiting[-1] * (1 - p)  # discarded after the attempt in which it reached the cut-off
        attempts += nth * both.sum()
        kept += both.sum()
        decay += (both * x ** np.arange(cutoff + 1)).sum()
        waiting = after
        if waiting.sum() < 1e-16:
            break
    assert kept == pytest.approx(1, abs=1e-12)
    assert chains.mean_attempts_with_cutoff(p, cutoff) == pytest.approx(attempts, rel=1e-10)
    assert chains.mean_decay_with_cutoff(p, x, cutoff) == pytest.approx(decay, abs=1e-10)


def test_a_cutoff_that_never_strikes_is_none() -> None:
    assert chains.mean_attempts_with_cutoff(0.2, 1000) == pytest.approx(chains.mean_attempts_of_all(0.2, 2), rel=1e-12)
    assert chains.mean_decay_with_cutoff(0.2, 0.9, 1000) == pytest.approx(chains.mean_decay(0.2, 0.9), abs=1e-12)
