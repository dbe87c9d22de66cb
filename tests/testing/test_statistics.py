"""The statistical assertions keep their promise: the false alarm is computed exactly, over all possible outcomes."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import combinations, product
from math import comb, inf, log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qnode.testing import (
    accepted_interval,
    assert_frequency,
    assert_independent,
    detectable,
    detectable_dependence,
    relative_entropy,
)
from qnode.testing.statistics import accepts
from tests.testing.exact import binomial, holds

PROBABILITIES = (0.0, 1e-6, 0.01, 0.146447, 0.25, 0.5, 2 / 3, 0.853553, 0.999, 1.0)
ALARMS = (0.5, 0.1, 1e-3, 1e-9)


def passes(hits: int, trials: int, p: float, false_alarm: float) -> bool:
    return holds(assert_frequency, hits, trials, p, false_alarm=false_alarm)


@pytest.mark.parametrize(("p", "false_alarm"), list(product(PROBABILITIES, ALARMS)))
def test_a_correct_program_fails_no_more_often_than_stated(p: float, false_alarm: float) -> None:
    """The sum over the binomial of everything that is rejected, for every number of trials up to 30, and some more."""
    for trials in (*range(1, 31), 45, 60, 200):
        alarms = sum(binomial(k, trials, p) for k in range(trials + 1) if not accepts(k, trials, p, false_alarm))
        assert alarms <= false_alarm


@pytest.mark.parametrize(("p", "false_alarm"), list(product(PROBABILITIES, ALARMS)))
def test_what_is_accepted_is_the_interval_that_is_told(p: float, false_alarm: float) -> None:
    for trials in (1, 2, 10, 61):
        low, high = accepted_interval(trials, p, false_alarm)
        assert 0 <= low <= p <= high <= 1
        for hits in range(trials + 1):
            assert passes(hits, trials, p, false_alarm) == (low - 1e-12 <= hits / trials <= high + 1e-12)


def test_the_documented_example_is_right() -> None:
    """10,000 trials of a fair coin: 0.4673 to 0.5327; a true 0.55 passes in 3 runs of 10,000, 0.57 hardly ever."""
    low, high = accepted_interval(10_000, 0.5)
    assert (round(low, 4), round(high, 4)) == (0.4673, 0.5327)
    passes = {
        true: sum(binomial(k, 10_000, true) for k in range(round(low * 10_000), round(high * 10_000) + 1))
        for true in (0.5, 0.55, 0.57)
    }
    assert passes[0.5] > 1 - 1e-9
    assert 2.5e-4 < passes[0.55] < 3.5e-4
    assert passes[0.57] < 1e-12


@pytest.mark.parametrize("p", [0.0, 1.0])
def test_what_is_certain_must_always_happen(p: float) -> None:
    assert_frequency(round(1000 * p), 1000, p)
    with pytest.raises(AssertionError, match=r"of 1000 trials .* accepts"):
        assert_frequency(round(998 * p) + 1, 1000, p)


def test_a_failure_says_what_would_have_been_accepted() -> None:
    expected = (
        r"^6000 of 10000 trials are 0\.6, but p = 0\.5 accepts 0\.4672\d* to 0\.5327\d*; a true p of at most 0\.4556\d*"
        r" or at least 0\.5443\d* is caught with probability 0\.99 \(.*probability 1e-09 at most\)$"
    )
    with pytest.raises(AssertionError, match=expected):
        assert_frequency(6000, 10_000, 0.5)


@pytest.mark.parametrize(
    ("hits", "trials", "p", "false_alarm"),
    [
        (-1, 10, 0.5, 1e-9), (11, 10, 0.5, 1e-9), (0, 0, 0.5, 1e-9), (5, 10, -0.1, 1e-9), (5, 10, 1.1, 1e-9),
        (5, 10, float("nan"), 1e-9), (5, 10, 0.5, 0.0), (5, 10, 0.5, 1.0),
    ],
)  # fmt: skip
def test_what_is_no_frequency_is_refused(hits: int, trials: int, p: float, false_alarm: float) -> None:
    with pytest.raises(ValueError, match="no frequency"):
        assert_frequency(hits, trials, p, false_alarm=false_alarm)


@given(q=st.floats(0, 1), p=st.floats(0, 1))
def test_relative_entropy_is_zero_for_equals_only_and_bounded_below(q: float, p: float) -> None:
    """Pinsker's inequality: at least 2 (q - p)^2."""
    value = relative_entropy(q, p)
    assert value >= 2 * (q - p) ** 2 - 1e-12
    assert relative_entropy(p, p) == 0
    assert relative_entropy(1 - (1 - q), 1 - (1 - p)) == pytest.approx(relative_entropy(1 - q, 1 - p), abs=1e-9)


def test_relative_entropy_has_its_known_values() -> None:
    assert relative_entropy(1.0, 0.5) == pytest.approx(log(2))
    assert relative_entropy(0.0, 0.25) == pytest.approx(log(4 / 3))
    assert relative_entropy(0.5, 0.25) == pytest.approx(0.5 * log(4 / 3))
    assert relative_entropy(0.1, 0.0) == inf
    assert relative_entropy(0.9, 1.0) == inf


# --- power -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("p", "false_alarm"), list(product(PROBABILITIES, ALARMS)))
@pytest.mark.parametrize("power", [0.5, 0.99])
def test_what_is_detectable_fails_as_often_as_stated_and_a_little_less_does_not(
    p: float, false_alarm: float, power: float
) -> None:
    """Exactly, by the sum over the tail of the binomial that lies outside what is accepted."""
    for trials in (1, 2, 7, 40):
        low, high = detectable(trials, p, power=power, false_alarm=false_alarm)
        rejected = [k for k in range(trials + 1) if not accepts(k, trials, p, false_alarm)]
        below, above = [k for k in rejected if k < trials * p], [k for k in rejected if k > trials * p]
        assert (low == -inf) == (not below)
        assert (high == inf) == (not above)
        for true, nearer, side in ((low, low + 1e-6, below), (high, high - 1e-6, above)):
            if side:
                assert sum(binomial(k, trials, true) for k in side) >= power * (1 - 1e-9)
                assert sum(binomial(k, trials, nearer) for k in side) < power


def test_the_documented_power_is_right() -> None:
    """10,000 trials of a fair coin catch 0.4557 and 0.5443."""
    assert [round(true, 4) for true in detectable(10_000, 0.5)] == [0.4557, 0.5443]


def test_so_few_trials_that_nothing_is_caught_are_said_to_be() -> None:
    assert detectable(20, 0.5) == (-inf, inf)
    with pytest.raises(AssertionError, match=r"accepts 0 to 0; a true p of at least 0\.99 is caught"):
        assert_frequency(1, 1, 0.0)


def test_counts_of_numpy_are_counts() -> None:
    bits = np.array([0, 1, 1] * 30)
    trials = (bits >= 0).sum()
    assert_frequency(bits.sum(), trials, 2 / 3)
    with pytest.raises(AssertionError, match=r"^60 of 90 trials are 0\.666667, but p = 0\.1 accepts"):
        assert_frequency(bits.sum(), trials, np.float64(0.1))


@pytest.mark.parametrize("power", [0.0, 1.0, float("nan")])
def test_power_is_a_probability(power: float) -> None:
    with pytest.raises(ValueError, match="power is a probability"):
        detectable(10, 0.5, power=power)


@pytest.mark.parametrize("function", [accepted_interval, detectable])
@pytest.mark.parametrize(("trials", "p"), [(0, 0.5), (10, 1.5)])
def test_no_trials_or_no_probability_are_refused_by_the_helpers_too(
    function: Callable[[int, float], object], trials: int, p: float
) -> None:
    with pytest.raises(ValueError, match="no frequency"):
        function(trials, p)


# --- independence ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("false_alarm", [0.5, 0.1, 0.01])
@pytest.mark.parametrize("trials", [2, 4, 8, 12])
def test_independent_bits_are_rejected_no_more_often_than_stated(trials: int, false_alarm: float) -> None:
    """All orders of the second sequence, for every number of ones in both: given these they are equally likely."""
    for marked, ones in product(range(1, trials), repeat=2):
        one = (1,) * marked + (0,) * (trials - marked)
        alarms = sum(
            not holds(assert_independent, one, [int(k in chosen) for k in range(trials)], false_alarm=false_alarm)
            for chosen in combinations(range(trials), ones)
        )
        assert alarms <= false_alarm * comb(trials, ones)


def test_a_copy_and_a_mirror_image_are_not_independent() -> None:
    rng = random.Random(5)
    bits = [rng.getrandbits(1) for _ in range(200)]
    with pytest.raises(AssertionError, match=r"of \d+ positions where the first is 1, the second is 1 in \d+, 1; "):
        assert_independent(bits, bits)
    with pytest.raises(AssertionError, match="the second is 1 in 0, 0; "):
        assert_independent(bits, [1 - bit for bit in bits])
    assert_independent(bits, [rng.getrandbits(1) for _ in range(200)])


def test_biased_but_independent_coins_pass() -> None:
    rng = random.Random(6)
    assert_independent(*([int(rng.random() < p) for _ in range(2000)] for p in (0.05, 0.9)))
    assert_independent([1, 0], [1, 0])


@pytest.mark.parametrize(
    ("one", "other", "which"),
    [
        ([0] * 10, [0, 1] * 5, "first sequence is 10 times 0"),
        ([1] * 10, [0, 1] * 5, "first sequence is 10 times 1"),
        ([1, 0], [1, 1], "second sequence is 2 times 1"),
        ([1, 0], [0, 0], "second sequence is 2 times 0"),
        ([1], [0], "first sequence is 1 times 1"),
    ],
)
def test_bits_of_one_kind_are_refused_for_they_would_test_nothing(one: list[int], other: list[int], which: str) -> None:
    with pytest.raises(ValueError, match=f"nothing can be said about independence: the {which}, and it takes zeros"):
        assert_independent(one, other)


@pytest.mark.parametrize(("marked", "others"), [(60, 60), (40, 100), (100, 60)])
def test_a_detectable_dependence_is_caught_as_often_as_stated(marked: int, others: int) -> None:
    """Every number of ones where the first bit is 1, and where it is 0."""
    difference = detectable_dependence(marked + others, marked, false_alarm=0.05)
    assert difference < 0.8
    one = [1] * marked + [0] * others
    rejected = [
        (both, rest)
        for both, rest in product(range(marked + 1), range(others + 1))
        if 0 < both + rest < marked + others
        and not holds(
            assert_independent,
            one,
            [1] * both + [0] * (marked - both) + [1] * rest + [0] * (others - rest),
            false_alarm=0.05,
        )
    ]
    for p in (0.0, 0.1, (1 - difference) / 2, 1 - difference):
        for high, low in ((p + difference, p), (p, p + difference)):
            power = sum(binomial(both, marked, high) * binomial(rest, others, low) for both, rest in rejected)
            assert power >= 0.99


def test_the_documented_dependence_is_right_and_said_by_a_failure() -> None:
    """10,000 trials, 5,000 of them marked: 0.123."""
    assert round(detectable_dependence(10_000, 5_000), 3) == 0.123
    with pytest.raises(AssertionError, match=r"truly differs by 0\.388657 between .* caught with probability 0\.99 \("):
        assert_independent([0, 1] * 500, [0, 1] * 500)
    with pytest.raises(AssertionError, match="so few bits catch no dependence reliably"):
        assert_independent([0, 1] * 40, [0, 1] * 40)


@pytest.mark.parametrize(("trials", "marked"), [(0, 0), (10, 0), (10, 10), (10, 11)])
def test_the_dependence_of_no_bits_is_refused(trials: int, marked: int) -> None:
    with pytest.raises(ValueError, match="no bits to compare"):
        detectable_dependence(trials, marked)


@pytest.mark.parametrize(("one", "other"), [([], []), ([0], [0, 1]), ([2], [1]), ([0, 1], [0, -1])])
def test_what_are_no_sequences_of_bits_is_refused(one: list[int], other: list[int]) -> None:
    with pytest.raises(ValueError, match="two sequences of bits"):
        assert_independent(one, other)
