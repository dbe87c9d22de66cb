"""Two samples, a sample and its probabilities, settings: what is promised is counted over every outcome there is."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Mapping
from itertools import product
from math import prod
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qnode.testing import (
    assert_frequency,
    assert_no_signalling,
    assert_same_distribution,
    detectable,
    detectable_difference,
)
from tests.testing.exact import binomial, holds, multinomial, splits

ALARMS = (0.5, 0.1, 0.01)
DISTRIBUTIONS = ((0.5, 0.5), (0.9, 0.1), (0.2, 0.3, 0.5), (0.98, 0.01, 0.01), (0.25, 0.25, 0.25, 0.25))


def sample(counts: tuple[int, ...]) -> dict[int, int]:
    """Outcome k came counts[k] times."""
    return dict(enumerate(counts))


# --- a sample and probabilities --------------------------------------------------------------------------------------


@pytest.mark.parametrize("false_alarm", ALARMS)
@pytest.mark.parametrize("probabilities", DISTRIBUTIONS)
def test_a_right_sample_is_rejected_no_more_often_than_stated(
    probabilities: tuple[float, ...], false_alarm: float
) -> None:
    for trials in (1, 2, 5, 9):
        alarms = sum(
            multinomial(counts, probabilities)
            for counts in splits(trials, len(probabilities))
            if not holds(
                assert_same_distribution,
                sample(counts),
                probabilities=dict(enumerate(probabilities)),
                false_alarm=false_alarm,
            )
        )
        assert alarms <= false_alarm


@pytest.mark.parametrize("false_alarm", ALARMS)
def test_two_outcomes_are_tested_as_one_frequency(false_alarm: float) -> None:
    for hits, p in product(range(21), (0.1, 0.5)):
        assert holds(
            assert_same_distribution, {"a": hits, "b": 20 - hits}, probabilities={"a": p, "b": 1 - p},
            false_alarm=false_alarm,
        ) == holds(assert_frequency, hits, 20, p, false_alarm=false_alarm)  # fmt: skip


def test_a_wrong_probability_is_caught_as_often_as_stated() -> None:
    """Of three outcomes the first is tested at a third of the false alarm."""
    trials, probabilities = 30, {0: 0.2, 1: 0.3, 2: 0.5}
    _, high = detectable(trials, 0.2, false_alarm=0.05 / 3)
    rejected = sum(
        multinomial(counts, (high, (1 - high) / 2, (1 - high) / 2))
        for counts in splits(trials, 3)
        if not holds(assert_same_distribution, sample(counts), probabilities=probabilities, false_alarm=0.05)
    )
    assert high < 0.7
    assert rejected >= 0.99


def test_what_never_happens_is_rejected_at_once_and_named() -> None:
    with pytest.raises(AssertionError, match=r"^of outcome \(0, 1\), 1 of 1000 trials are 0\.001, but p = 0 accepts"):
        assert_same_distribution({(0, 0): 999, (0, 1): 1}, probabilities={(0, 0): 1.0})
    with pytest.raises(AssertionError, match="of outcome c, 1 of 3 "):
        assert_same_distribution("abc", probabilities={"a": 0.5, "b": 0.5, "c": 0.0})


def test_the_outcome_that_fits_least_is_named_with_all_that_is_promised() -> None:
    expected = (
        r"^of outcome 2, 400 of 1000 trials are 0\.4, but p = 0\.2 accepts 0\.1\d* to 0\.2\d*; a true p of at most"
        r" 0\.\d* or at least 0\.28\d* is caught with probability 0\.99 \(.*probability 0\.001 at most\)$"
    )
    with pytest.raises(AssertionError, match=expected):
        assert_same_distribution(
            {0: 350, 1: 250, 2: 400}, probabilities={0: 0.5, 1: 0.3, 2: 0.2}, false_alarm=1e-3
        )  # fmt: skip


# --- two samples -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("false_alarm", ALARMS)
@pytest.mark.parametrize("probabilities", DISTRIBUTIONS[:4])
@pytest.mark.parametrize("sizes", [(1, 1), (4, 4), (6, 3), (2, 7)])
def test_two_samples_of_one_distribution_are_rejected_no_more_often_than_stated(
    sizes: tuple[int, int], probabilities: tuple[float, ...], false_alarm: float
) -> None:
    alarms = sum(
        multinomial(one, probabilities) * multinomial(other, probabilities)
        for one, other in product(*(splits(size, len(probabilities)) for size in sizes))
        if not holds(assert_same_distribution, sample(one), sample(other), false_alarm=false_alarm)
    )
    assert alarms <= false_alarm * (1 + 1e-9)


@pytest.mark.parametrize("sizes", [(60, 60), (40, 100), (100, 40)])
def test_a_detectable_difference_is_caught_as_often_as_stated(sizes: tuple[int, int]) -> None:
    difference = detectable_difference(*sizes, false_alarm=0.05)
    rejected = [
        (one, other)
        for one, other in product(*(range(size + 1) for size in sizes))
        if not holds(
            assert_same_distribution, {1: one, 0: sizes[0] - one}, {1: other, 0: sizes[1] - other}, false_alarm=0.05
        )
    ]
    assert difference < 0.6
    for p in (0.0, 0.1, (1 - difference) / 2, 1 - difference):
        for pair in ((p, p + difference), (p + difference, p)):
            power = sum(
                prod(binomial(hits, size, true) for hits, size, true in zip(both, sizes, pair, strict=True))
                for both in rejected
            )
            assert power >= 0.99


def test_the_documented_difference_is_right() -> None:
    """10,000 trials each, two outcomes: 0.0677."""
    assert round(detectable_difference(10_000, 10_000), 4) == 0.0677
    assert detectable_difference(10_000, 10_000, 3) > 0.0677
    assert detectable_difference(10_000, 1_000) == detectable_difference(1_000, 10_000) > 0.0677


def test_a_failure_of_two_samples_says_all_that_is_promised() -> None:
    expected = (
        r"^outcome 1 came in 620 of 1000 and 480 of 1000 trials; of these 1100, 48\d to 61\d are accepted among the"
        r" first 1000; a true difference of 0\.21\d* is caught with probability 0\.99 \(.*probability 1e-09 at most\)$"
    )
    with pytest.raises(AssertionError, match=expected):
        assert_same_distribution({1: 620, 0: 380}, {1: 480, 0: 520})
    with pytest.raises(AssertionError, match="so few trials catch no difference reliably"):
        assert_same_distribution([0] * 20, [1] * 20)


@given(st.integers(5, 40), st.integers(5, 40), st.data())
def test_the_interval_that_is_told_is_the_one_that_is_accepted(draws: int, others: int, data: st.DataObject) -> None:
    together = data.draw(st.integers(1, draws + others - 1))
    possible = range(max(0, together - others), min(draws, together) + 1)
    accepted, told = set(), set()
    for n in possible:
        try:
            assert_same_distribution(
                {1: n, 0: draws - n}, {1: together - n, 0: others - together + n}, false_alarm=0.1
            )  # fmt: skip
            accepted.add(n)
        except AssertionError as error:
            outcome, low, high = map(int, re.findall(r"^outcome (\d) .*, (\d+) to (\d+) are accepted", str(error))[0])
            told.add((low, high) if outcome else (draws - high, draws - low))
    if told:
        ((low, high),) = told
        assert accepted == set(range(low, high + 1)) & set(possible)


@given(st.lists(st.integers(0, 2), min_size=1, max_size=60), st.lists(st.integers(0, 2), min_size=1, max_size=60))
def test_neither_order_nor_form_nor_side_of_samples_matters(one: list[int], other: list[int]) -> None:
    verdicts = {
        holds(assert_same_distribution, *samples, false_alarm=0.3)
        for samples in (
            (one, other),
            (other, one),
            (Counter(one), sorted(other)),
            (iter(one), {**Counter(other), 7: 0}),
        )
    }
    assert len(verdicts) == 1
    assert_same_distribution(one, one, false_alarm=0.9)


@pytest.mark.parametrize(
    ("one", "other", "options", "sentence"),
    [
        ([0], None, {}, "either another sample or probabilities"),
        ([0], [1], {"probabilities": {0: 1.0}}, "either another sample or probabilities"),
        ([], [1], {}, "at least one outcome"),
        ({0: 0}, [1], {}, "at least one outcome"),
        ({0: -1, 1: 2}, [1], {}, "less than 0 times"),
        ({0: 0.5, 1: 0.5}, [1], {}, "whole numbers"),
        ([[0, 1]], [1], {}, "hashable outcomes"),
        ([0], [1], {"false_alarm": 0.0}, "between 0 and 1"),
        ([0], None, {"probabilities": {}}, "their sum is 1"),
        ([0], None, {"probabilities": {0: 0.5, 1: 0.6}}, "their sum is 1"),
        ([0], None, {"probabilities": {0: 1.5, 1: -0.5}}, "not negative"),
        ([0], None, {"probabilities": {0: float("nan")}}, "not negative"),
    ],
)
def test_what_cannot_be_compared_is_refused(one: Any, other: Any, options: Mapping[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        assert_same_distribution(one, other, **options)


@pytest.mark.parametrize("arguments", [(0, 1), (1, 0), (1, 1, 0)])
def test_a_difference_of_no_samples_is_refused(arguments: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="no samples to compare"):
        detectable_difference(*arguments)


# --- signalling ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("false_alarm", [0.9, 0.5, 0.1])
@pytest.mark.parametrize("p", [0.5, 0.8])
def test_one_side_that_learns_nothing_is_rejected_no_more_often_than_stated(p: float, false_alarm: float) -> None:
    """Three settings, every number of hits at each."""
    alarms = sum(
        prod(binomial(k, 5, p) for k in hits)
        for hits in product(range(6), repeat=3)
        if not holds(
            assert_no_signalling,
            {setting: {1: k, 0: 5 - k} for setting, k in zip("xyz", hits, strict=True)},
            false_alarm=false_alarm,
        )
    )
    assert alarms <= false_alarm


@pytest.mark.parametrize("false_alarm", [0.9, 0.5])
def test_both_sides_share_one_false_alarm(false_alarm: float) -> None:
    """Two settings a side, outcomes that are equal bits: each of four comparisons is of four tosses with four."""
    settings = list(product("xz", repeat=2))
    rejected = [
        hits
        for hits in product(range(5), repeat=4)
        if not holds(
            assert_no_signalling,
            {s: {(1, 1): k, (0, 0): 4 - k} for s, k in zip(settings, hits, strict=True)},
            joint=True,
            false_alarm=false_alarm,
        )
    ]
    assert rejected
    assert sum(prod(binomial(k, 4, 0.5) for k in hits) for hits in rejected) <= false_alarm


def test_the_strongest_correlations_without_signals_pass() -> None:
    """The box of Popescu and Rohrlich (1994): a XOR b = x AND y."""
    rng = random.Random(1)
    box = {(x, y): [(a, a ^ (x & y)) for a in (rng.getrandbits(1) for _ in range(500))] for x in (0, 1) for y in (0, 1)}
    assert_no_signalling(box, joint=True)


def test_a_signal_is_caught_and_its_settings_are_named() -> None:
    rng = random.Random(2)
    told = {(x, y): [(rng.getrandbits(1), int(x == "z")) for _ in range(200)] for x in "xz" for y in "uv"}
    expected = (
        r"^the second side at its own setting 'u' sees whether the other's setting is 'x' or 'z': outcome \d came in"
        r" .* of 200 and .* of 200 trials; .* is caught with probability 0\.99 \(.*probability 1e-09 at most\)$"
    )
    with pytest.raises(AssertionError, match=expected):
        assert_no_signalling(told, joint=True)
    with pytest.raises(AssertionError, match=r"^the first side at its own setting 'v' sees .* 'x' or 'z'"):
        assert_no_signalling(
            {(y, x): [(b, a) for a, b in outcomes] for (x, y), outcomes in told.items() if y == "v"}, joint=True
        )
    with pytest.raises(AssertionError, match=r"^this side sees whether the other's setting is 'x' or 'z'"):
        assert_no_signalling({"x": [0, 1] * 100, "y": [0, 1] * 100, "z": [0] * 199 + [1]})


@pytest.mark.parametrize(
    ("samples", "options", "sentence"),
    [
        ({}, {}, "at least two"),
        ({"x": [0]}, {}, "at least two"),
        ({("x", "z"): [(0, 1)], ("z", "x"): [(0, 1)]}, {"joint": True}, "at least two"),
        ({"x": [(0, 1)], "z": [(0, 1)]}, {"joint": True}, "pairs of settings"),
        ({("x", "z"): [0], ("x", "x"): [0]}, {"joint": True}, "pairs of outcomes"),
        ({"x": [0], "z": []}, {}, "at least one outcome"),
        ({"x": [0], "z": [0]}, {"false_alarm": 1.0}, "between 0 and 1"),
    ],
)
def test_settings_that_cannot_be_compared_are_refused(
    samples: Mapping[Any, Any], options: Mapping[str, Any], sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        assert_no_signalling(samples, **options)
