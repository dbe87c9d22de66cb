"""Key fractions: against the entropies of the states themselves, and where they are known to vanish."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from qnode.quantum import key_fraction
from qnode.quantum.bell import BELL_STATES
from qnode.quantum.key_fraction import bb84_fraction, binary_entropy, six_state_fraction, six_state_fraction_of

Floats = NDArray[np.float64]

weights = st.lists(st.floats(0.001, 1), min_size=4, max_size=4).map(lambda w: np.array(w) / sum(w))


def entropy(rho: Floats) -> float:
    values = np.linalg.eigvalsh(rho)
    values = values[values > 1e-15]
    return float(-(values * np.log2(values)).sum())


@given(weights)
def test_six_state_is_one_minus_what_an_eavesdropper_and_the_errors_leave(four: Floats) -> None:
    """S(rho) is what an eavesdropper holds who has the purification: 1 - S(rho) bits are left of a pair."""
    rho = sum(w * np.outer(b.ket(), b.ket()) for w, b in zip(four, BELL_STATES, strict=True))
    xx, yy, zz = (sum(w * b.correlators[axis] for w, b in zip(four, BELL_STATES, strict=True)) for axis in range(3))
    rates = key_fraction.error_rates((xx, yy, zz))
    assert six_state_fraction_of(rates) == pytest.approx(max(0, 1 - entropy(rho)), abs=1e-10)


@given(st.floats(0, 0.66))
def test_with_equal_rates_both_forms_agree(q: float) -> None:
    assert six_state_fraction_of((q, q, q)) == pytest.approx(six_state_fraction(q), abs=1e-10)
    assert six_state_fraction(q) >= bb84_fraction(q) - 1e-12


@pytest.mark.parametrize(("fraction", "limit"), [(bb84_fraction, 0.11003), (six_state_fraction, 0.12619)])
def test_keys_vanish_at_the_known_error_rates(fraction: object, limit: float) -> None:
    assert callable(fraction)
    assert fraction(0) == 1
    assert 0 < fraction(limit - 1e-4) < 1e-3
    assert fraction(limit + 1e-4) == 0
    assert fraction(0.9) >= 0


def test_error_correction_and_the_other_basis_cost_what_they_cost() -> None:
    assert bb84_fraction(0.02, 0.05, efficiency=1.2) == pytest.approx(
        1 - 1.2 * binary_entropy(0.02) - binary_entropy(0.05)
    )
    assert six_state_fraction(0.02, efficiency=1.2) == pytest.approx(
        six_state_fraction(0.02) - 0.2 * binary_entropy(0.02)
    )
    assert six_state_fraction_of((0.02,) * 3, efficiency=1.2) == pytest.approx(six_state_fraction(0.02, efficiency=1.2))


def test_every_bell_state_has_error_rates_of_zero_or_one() -> None:
    assert [key_fraction.error_rates(tuple(map(float, b.correlators))) for b in BELL_STATES] == [  # type: ignore[arg-type]
        (0, 0, 0),
        (0, 1, 1),
        (1, 1, 0),
        (1, 0, 1),
    ]
