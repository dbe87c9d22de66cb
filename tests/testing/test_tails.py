"""The tails are those of the definition, summed in whole numbers."""

from __future__ import annotations

from fractions import Fraction
from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qnode.testing.tails import binomial_at_most, hypergeometric_at_most

EXACT = 1e-12


@pytest.mark.parametrize(
    "p", [Fraction(0), Fraction(1, 1000), Fraction(1, 3), Fraction(1, 2), Fraction(9, 10), Fraction(1)]
)
def test_the_tail_of_a_binomial_is_the_sum_of_its_terms(p: Fraction) -> None:
    for trials in range(1, 16):
        total = Fraction(0)
        for hits in range(trials + 1):
            total += comb(trials, hits) * p**hits * (1 - p) ** (trials - hits)
            assert binomial_at_most(hits, trials, float(p)) == pytest.approx(float(total), rel=EXACT)
        assert binomial_at_most(-1, trials, float(p)) == 0


def test_the_tail_of_a_hypergeometric_is_the_share_of_all_draws() -> None:
    """Every number drawn and marked out of up to 9."""
    for total in range(1, 10):
        for draws in range(total + 1):
            for marked in range(total + 1):
                ways = 0
                for hits in range(-1, draws + 1):
                    ways += comb(marked, hits) * comb(total - marked, draws - hits) if hits >= 0 else 0
                    expected = ways / comb(total, draws)
                    assert hypergeometric_at_most(hits, draws, marked, total) == pytest.approx(expected, rel=EXACT)


@given(st.integers(1, 10**6), st.floats(0.001, 0.999), st.floats(-8, 8))
def test_far_tails_of_many_trials_stay_between_zero_and_one_and_add_up(trials: int, p: float, sigmas: float) -> None:
    hits = min(max(round(trials * p + sigmas * (trials * p * (1 - p)) ** 0.5), 0), trials - 1)
    at_most, more = binomial_at_most(hits, trials, p), binomial_at_most(trials - hits - 1, trials, 1 - p)
    assert 0 <= at_most <= 1
    assert at_most + more == pytest.approx(1, abs=1e-8)
    assert binomial_at_most(hits + 1, trials, p) >= at_most * (1 - 1e-8)


def test_far_tails_keep_their_digits() -> None:
    """2^-1000 and a hundred draws without replacement that all miss: not 1 minus something."""
    assert binomial_at_most(0, 1000, 0.5) == pytest.approx(2.0**-1000, rel=1e-9)
    assert hypergeometric_at_most(0, 100, 100, 200) == pytest.approx(1 / comb(200, 100), rel=1e-9)
