"""Waiting times against their exact distribution: evenly spaced draws, so that nothing is sampled."""

from __future__ import annotations

import tracemalloc
from math import log1p
from typing import Final

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qnode.quantum.waiting import attempts, attempts_many, attempts_varying

N: Final = 100_003
EVENLY: Final = (np.arange(N) + 0.5) / N


def between_attempts(u: float, p: float) -> bool:
    """Whether a draw lies so near the border between two waits that either is right."""
    exact = log1p(-u) / log1p(-p) if p < 1 else 0.5
    return abs(exact - round(exact)) < 1e-9 * max(1, exact)


@pytest.mark.parametrize("p", [1.0, 0.9, 0.5, 0.3, 0.05, 1e-3])
def test_of_evenly_spaced_draws_each_wait_gets_its_share(p: float) -> None:
    """P(K <= k) = 1 - (1-p)**k: the number of draws below it is off by at most one."""
    waits = attempts_many(EVENLY, p)
    assert waits.min() == 1
    k = np.arange(1, int(waits.max()) + 1)
    counted = np.searchsorted(np.sort(waits), k, side="right")
    assert np.abs(counted - N * (1 - (1 - p) ** k)).max() <= 1


@pytest.mark.parametrize("p", [0.5, 0.1, 1e-6, 1e-12])
def test_the_mean_is_one_over_p(p: float) -> None:
    """The mean of evenly spaced quantiles; what is left of the tail beyond the last draw is taken into account."""
    rare = np.log1p(-EVENLY) / np.log1p(-p)
    mean = attempts_many(EVENLY, p).mean()
    assert mean == pytest.approx(1 / p, rel=1e-4)
    assert np.abs(attempts_many(EVENLY, p) - 1 - rare).max() <= 1 + 1e-6 * rare.max()


@given(st.floats(0, 1, exclude_max=True), st.floats(1e-15, 1))
def test_one_draw_is_as_many_draws(u: float, p: float) -> None:
    if not between_attempts(u, p):
        assert attempts(u, p) == attempts_many(np.array([u]), p)[0] >= 1


def test_the_least_and_the_greatest_draw_have_a_wait() -> None:
    last = 1 - 2.0**-53
    assert attempts(0.0, 1e-6) == 1
    assert attempts(last, 1e-6) == pytest.approx(36.7e6, rel=1e-2)
    assert attempts(last, 1.0) == 1


def test_a_rare_success_costs_what_a_common_one_costs() -> None:
    """It is computed and not looked for: no memory for attempts, and a wait of 10**12 comes at once."""
    tracemalloc.start()
    assert attempts(0.5, 1e-12) == pytest.approx(0.693e12, rel=1e-3)
    assert attempts_varying(0.5, [0.0, 1e-12, 1.0], [10**12, 10**15, 1]) == pytest.approx(1.693e12, rel=1e-3)
    assert tracemalloc.get_traced_memory()[1] < 100_000
    tracemalloc.stop()


# --- a probability that changes --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("p", "repeats"),
    [
        ([0.1, 0.0, 0.5, 0.02, 0.3], [3, 2, 1, 10, 4]),
        ([0.2, 1.0, 0.5], [2, 1, 5]),
        ([0.0, 0.25], [5, 7]),
        ([0.3, 0.6], [0, 3]),
    ],
)
def test_with_a_varying_probability_each_wait_gets_its_share(p: list[float], repeats: list[int]) -> None:
    each = np.repeat(p, repeats)
    still_open = np.cumprod(1 - each)
    expected = N * -np.diff(still_open, prepend=1.0)
    found = [attempts_varying(u, p, repeats) for u in EVENLY[::7]]
    counted = np.array([found.count(k) for k in range(1, len(each) + 1)])
    assert np.abs(counted - expected / 7).max() <= 1 + 1e-9
    assert abs(found.count(None) - N * still_open[-1] / 7) <= 1 + 1e-9


@given(st.floats(0, 0.999), st.floats(1e-6, 0.9), st.lists(st.integers(1, 1000), min_size=1, max_size=5))
def test_a_probability_that_does_not_vary_is_the_geometric_wait(u: float, p: float, repeats: list[int]) -> None:
    if not between_attempts(u, p):
        expected = attempts(u, p)
        found = attempts_varying(u, [p] * len(repeats), repeats)
        assert found == (expected if expected <= sum(repeats) else None)
