"""The sequential tests keep their promises: errors and mean lengths are computed exactly, over all ways they can go."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from math import inf
from typing import NamedTuple

import pytest

from qnode.testing import Sequential, sequential_frequency

QUESTIONS = ((0.5, 0.7), (0.3, 0.1), (0.0, 0.1), (1.0, 0.9), (0.5, 1.0), (0.2, 0.0), (0.02, 0.08))
ERRORS = ((0.05, 0.1), (0.001, 0.01), (0.4, 0.3))


class Ending(NamedTuple):
    """How a test ends at a true probability."""

    refuted: float
    passed: float
    trials: float


def decision(trials: int, hits: int, p0: float, p1: float, errors: tuple[float, float]) -> float | None:
    """What a test says that is so far, if it was open before its last trial."""
    test = Sequential(p0, p1, false_alarm=errors[0], miss=errors[1])
    outcome = min(hits, 1)  # the last one: any that there was
    test.trials, test.hits = trials - 1, hits - outcome
    test.feed(outcome)
    return test.verdict


def ending(p0: float, p1: float, errors: tuple[float, float], true: float) -> Ending:
    """Exactly: the probabilities of all numbers of hits at which it is open, trial after trial, until it hardly is."""
    is_open, refuted, passed, mean = {0: 1.0}, 0.0, 0.0, 0.0
    for trials in range(1, 5000):
        mean += sum(is_open.values())
        after: dict[int, float] = {}
        for hits, chance in is_open.items():
            after[hits] = after.get(hits, 0.0) + chance * (1 - true)
            after[hits + 1] = after.get(hits + 1, 0.0) + chance * true
        is_open = {}
        for hits, chance in after.items():
            match decision(trials, hits, p0, p1, errors) if chance else p0:
                case None:
                    is_open[hits] = chance
                case verdict if verdict == p1:
                    refuted += chance
                case _:
                    passed += chance
        if sum(is_open.values()) < 1e-12:
            return Ending(refuted, passed, mean)
    raise AssertionError("it goes on and on")


@pytest.mark.parametrize("errors", ERRORS)
@pytest.mark.parametrize(("p0", "p1"), QUESTIONS)
def test_both_errors_are_as_stated_and_it_takes_no_longer_than_told(
    p0: float, p1: float, errors: tuple[float, float]
) -> None:
    correct, wrong = ending(p0, p1, errors, p0), ending(p0, p1, errors, p1)
    assert correct.refuted <= errors[0]
    assert wrong.passed <= errors[1]
    told = Sequential(p0, p1, false_alarm=errors[0], miss=errors[1]).expected_trials
    assert correct.trials <= told[0] * (1 + 1e-9)
    assert wrong.trials <= told[1] * (1 + 1e-9)
    if errors == (0.001, 0.01):  # where errors are rare, what is told is nearly what it takes
        assert correct.trials >= 0.7 * told[0]


@pytest.mark.parametrize(("p0", "p1", "beyond_p0", "beyond_p1"), [(0.5, 0.7, 0.4, 0.8), (0.3, 0.1, 0.5, 0.05)])
def test_beyond_both_probabilities_errors_are_rarer_still(
    p0: float, p1: float, beyond_p0: float, beyond_p1: float
) -> None:
    errors = (0.05, 0.1)
    assert ending(p0, p1, errors, beyond_p0).refuted <= ending(p0, p1, errors, p0).refuted
    assert ending(p0, p1, errors, beyond_p1).passed <= ending(p0, p1, errors, p1).passed


def test_it_stops_as_soon_as_the_case_is_clear_and_counts_no_further() -> None:
    """No error in 459 trials refutes one in a hundred: 0.99^459 < 0.01 <= 0.99^458."""
    test = Sequential(0.0, 0.01)
    decided = [test.feed(False) for _ in range(500)]
    assert decided.index(True) + 1 == test.trials == 459
    assert (test.verdict, test.hits, test.decided) == (0.0, 0, True)
    test.feed(True)
    assert (test.verdict, test.trials) == (0.0, 459)
    test.assert_p0()


def test_one_outcome_that_never_happens_decides() -> None:
    test = Sequential(0.0, 0.01)
    assert not test.feed(0)
    assert test.feed(1)
    expected = r"^1 of the first 2 trials are 0\.5, which is 1e\+09 times likelier at p = 0\.01 than at p = 0, or more;"
    with pytest.raises(AssertionError, match=expected):
        test.assert_p0()
    assert Sequential(0.0, 0.01).expected_trials[1] == 100


def test_a_failure_says_all_that_is_promised() -> None:
    test = Sequential(0.5, 0.4, false_alarm=1e-3, miss=0.05)
    while not test.feed(0):
        pass
    expected = (
        r"^0 of the first 38 trials are 0, which is 1e\+03 times likelier at p = 0\.4 than at p = 0\.5, or more; a true"
        r" p of at most 0\.4 is caught with probability 0\.95 \(a correct program fails here with probability 0\.001"
        r" at most\)$"
    )
    with pytest.raises(AssertionError, match=expected):
        test.assert_p0()


def test_an_open_case_asks_for_more() -> None:
    test = Sequential(0.5, 0.6)
    test.feed(1)
    with pytest.raises(
        ValueError, match=r"^1 of 1 trials do not decide between p = 0\.5 and 0\.6: feed more; .* 2\d\d on av"
    ):
        test.assert_p0()


@pytest.mark.parametrize(
    ("p0", "p1", "false_alarm", "miss"),
    [
        (0.5, 0.5, 0.1, 0.1), (-0.1, 0.5, 0.1, 0.1), (0.5, 1.1, 0.1, 0.1), (0.5, 0.6, 0.0, 0.1), (0.5, 0.6, 0.1, 1.0),
        (float("nan"), 0.6, 0.1, 0.1),
    ],
)  # fmt: skip
def test_what_is_no_question_is_refused(p0: float, p1: float, false_alarm: float, miss: float) -> None:
    with pytest.raises(ValueError, match="no question"):
        Sequential(p0, p1, false_alarm=false_alarm, miss=miss)


def test_what_is_no_outcome_is_refused() -> None:
    with pytest.raises(ValueError, match="2 is neither"):
        Sequential(0.5, 0.6).feed(2)


# --- two-sided -------------------------------------------------------------------------------------------------------


def test_both_sides_together_keep_both_promises() -> None:
    """Every sequence of 14 outcomes: those that fail at p, and those that pass at p - margin and at p + margin."""
    p, margin, false_alarm, miss = 0.5, 0.4, 0.3, 0.2
    failed, passed = [], []
    for outcomes in product((0, 1), repeat=14):
        try:
            sequential_frequency(outcomes, p, margin, false_alarm=false_alarm, miss=miss)
            passed.append(sum(outcomes))
        except AssertionError:
            failed.append(sum(outcomes))
        except ValueError:
            continue
    assert len(failed) > 10
    assert len(passed) > 10
    assert len(failed) / 2**14 <= false_alarm
    for true in (p - margin, p + margin):
        assert sum(true**hits * (1 - true) ** (14 - hits) for hits in passed) <= miss


def test_no_more_outcomes_are_drawn_than_it_takes() -> None:
    drawn = 0

    def alternating() -> Iterator[int]:
        nonlocal drawn
        while True:
            drawn += 1
            yield drawn % 2

    assert sequential_frequency(alternating(), 0.5, 0.1) == drawn < 500


@pytest.mark.parametrize(("outcome", "side"), [(1, "at least 0.6"), (0, "at most 0.4")])
def test_either_side_is_caught(outcome: int, side: str) -> None:
    """Each with half of the false alarm."""
    with pytest.raises(AssertionError, match=rf"2e\+09 times likelier .* a true p of {side} is .* 1e-09 at most\)$"):
        sequential_frequency([outcome] * 1000, 0.5, 0.1)


@pytest.mark.parametrize("p", [0.0, 1.0])
def test_what_is_certain_has_one_side(p: float) -> None:
    assert sequential_frequency([int(p)] * 1000, p, 0.01) == 459
    with pytest.raises(AssertionError, match=r"1e\+09 times"):
        sequential_frequency([1 - int(p)], p, 0.01)


def test_outcomes_that_end_too_early_are_refused() -> None:
    with pytest.raises(ValueError, match="feed more"):
        sequential_frequency([0, 1] * 5, 0.5, 0.1)
    with pytest.raises(ValueError, match="0 of 0 trials"):
        sequential_frequency([], 0.5, 0.1)


@pytest.mark.parametrize(("p", "margin"), [(0.5, 0.0), (0.5, -0.1), (0.5, 0.6), (0.5, inf), (float("nan"), 0.1)])
def test_a_margin_without_a_probability_is_refused(p: float, margin: float) -> None:
    with pytest.raises(ValueError, match="no question"):
        sequential_frequency([0, 1], p, margin)
