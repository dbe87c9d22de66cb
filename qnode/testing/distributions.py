"""Whole distributions: a sample against probabilities, two samples, and what one side may not learn of the other.

Each outcome is tested by itself, and the false alarm is shared out among them (union bound), so that a failure names
the outcome that is wrong. Nothing is approximate: Chernoff's bound against given probabilities; between two samples the
hypergeometric distribution, which is exact once it is given how often an outcome came in both together.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping
from itertools import combinations
from math import fsum, log, sqrt
from operator import index
from typing import Any

from qnode.testing.statistics import (
    FALSE_ALARM,
    POWER,
    caught,
    check_false_alarm,
    promise,
    refutation,
    relative_entropy,
)
from qnode.testing.tails import hypergeometric_at_most

Sample = Mapping[Any, int] | Iterable[Hashable]
"""Outcomes one by one, or how often each came."""

Counts = Counter[Any]


def counted(sample: Sample) -> Counts:
    """How often each outcome came, at least one in all."""
    try:
        counts = Counter({key: index(n) for key, n in sample.items()} if isinstance(sample, Mapping) else sample)
    except TypeError as error:
        raise ValueError(
            f"a sample is a mapping from outcomes to whole numbers, or hashable outcomes one by one: {error}"
        ) from None
    if min(counts.values(), default=0) < 0 or not counts.total():
        raise ValueError("a sample has at least one outcome, and none that came less than 0 times")
    return +counts  # without those that never came: they would only cost power


def assert_same_distribution(
    one: Sample,
    other: Sample | None = None,
    *,
    probabilities: Mapping[Any, float] | None = None,
    false_alarm: float = FALSE_ALARM,
) -> None:
    """Independent outcomes come from a distribution: that of another independent sample, or a given one.

    A correct program fails here with probability at most false_alarm. Against probabilities, each of k outcomes is
    tested as `assert_frequency` does with false_alarm / k (k = 1 if there are two, for one tells the other), and
    caught outside `detectable` of that. Two samples are caught with probability 0.99 if any outcome's probabilities
    differ by `detectable_difference`.

    Args:
        one: A sample: a mapping from outcomes to counts, or the outcomes one by one.
        other: Another such sample.
        probabilities: Or the probability of each outcome; others never happen.
        false_alarm: The probability with which a correct program may fail.
    """
    __tracebackhide__ = True
    check_false_alarm(false_alarm)
    if (other is None) == (probabilities is None):
        raise ValueError("a sample is compared with either another sample or probabilities")
    if other is not None:
        sentence = apart(counted(one), counted(other), false_alarm)
    else:
        sentence = unlike(counted(one), probabilities or {}, false_alarm)
    if sentence:
        raise AssertionError(f"{sentence} {promise(false_alarm)}")


def _tests(outcomes: int) -> int:
    """How many tests it takes: of two outcomes, one says all about the other."""
    return 1 if outcomes == 2 else outcomes


def unlike(counts: Counts, probabilities: Mapping[Any, float], false_alarm: float) -> str | None:
    """Why the counts do not fit the probabilities, by the outcome that fits least; None if all fit."""
    if any(not p >= 0 for p in probabilities.values()) or not abs(fsum(probabilities.values()) - 1) <= 1e-9:
        raise ValueError(f"probabilities are not negative and their sum is 1, unlike those of {dict(probabilities)}")
    trials, possible = counts.total(), {outcome: min(p, 1.0) for outcome, p in probabilities.items() if p > 0}

    def surprise(outcome: Hashable) -> float:
        return relative_entropy(counts[outcome] / trials, possible.get(outcome, 0.0))

    worst = max([*(outcome for outcome in counts if outcome not in possible), *possible], key=surprise)
    share = false_alarm / _tests(len(possible))
    sentence = refutation(counts[worst], trials, possible.get(worst, 0.0), share)
    return sentence and f"of outcome {worst}, {sentence}"


def apart(one: Counts, other: Counts, false_alarm: float) -> str | None:
    """Why two samples are not of one distribution, by the outcome that differs most; None if they may be."""
    draws, total = one.total(), one.total() + other.total()
    outcomes = list(dict.fromkeys([*one, *other]))
    share = false_alarm / _tests(len(outcomes))

    def chance(outcome: Hashable) -> float:
        return _two_sided(one[outcome], draws, one[outcome] + other[outcome], total)

    worst = min(outcomes, key=chance)
    if chance(worst) > share:
        return None
    together = one[worst] + other[worst]
    middle = draws * together // total
    lowest = bisect_left(range(middle), True, key=lambda n: _two_sided(n, draws, together, total) > share)
    beyond = bisect_left(
        range(middle + 1, draws + 1), True, key=lambda n: _two_sided(n, draws, together, total) <= share
    )
    difference = detectable_difference(draws, total - draws, len(outcomes), false_alarm=false_alarm)
    return (
        f"outcome {worst} came in {one[worst]} of {draws} and {other[worst]} of {total - draws} trials; of these"
        f" {together}, {lowest} to {middle + beyond} are accepted among the first {draws};"
        f" {_what_is_caught(difference)}"
    )


def _two_sided(hits: int, draws: int, marked: int, total: int) -> float:
    """Twice the smaller tail: at most x with probability at most x, for every x."""
    at_most = hypergeometric_at_most(hits, draws, marked, total)
    at_least = hypergeometric_at_most(draws - hits, draws, total - marked, total)
    return 2 * min(at_most, at_least)


def detectable_difference(
    one: int, other: int, outcomes: int = 2, *, power: float = POWER, false_alarm: float = FALSE_ALARM
) -> float:
    """The difference of an outcome's two probabilities that two samples of these sizes show.

    They fail `assert_same_distribution` with probability at least `power`; above 1 nothing is sure to. Proved for any
    probabilities, and more than it takes for those near 0 or 1: frequencies that are accepted differ by less than the
    first term (for the tail is below Serfling's bound, 1974, corollary 1.1), and they are closer to each other than
    the probabilities by more than the second with probability 1 - power at most (Hoeffding 1963, theorem 2).

    At 10,000 trials each and two outcomes: 0.0677.
    """
    if one < 1 or other < 1 or outcomes < 1 or not 0 < power < 1:
        raise ValueError(f"no samples to compare: {one} and {other} trials, {outcomes} outcomes, power {power}")
    check_false_alarm(false_alarm)
    half = (1 / one + 1 / other) / 2
    accepted = half * (1 + 1 / max(one, other)) * log(2 * _tests(outcomes) / false_alarm)
    return sqrt(accepted) + sqrt(half * log(1 / (1 - power)))


def _what_is_caught(difference: float) -> str:
    if difference > 1:
        return "so few trials catch no difference reliably"
    return caught(f"a true difference of {difference:.6g}")


def assert_no_signalling(
    samples: Mapping[Any, Sample], *, joint: bool = False, false_alarm: float = FALSE_ALARM
) -> None:  # fmt: skip
    """What one side sees does not depend on the setting that the other side chose.

    All pairs of settings are compared as `assert_same_distribution` compares two samples, with an equal share of
    false_alarm each: a correct program fails here with probability at most false_alarm in all, and what it catches is
    `detectable_difference` at that share. Settings must be chosen without looking at outcomes.

    Args:
        samples: From each setting of the other side to the outcomes of this side. The own setting is always the same.
        joint: Or from (first side's setting, second side's setting) to outcomes (of the first, of the second): both
            sides are tested, each at every setting of its own.
        false_alarm: The probability with which a correct program may fail.
    """
    __tracebackhide__ = True
    check_false_alarm(false_alarm)
    groups = list(_marginals(samples)) if joint else [("this side", {key: counted(samples[key]) for key in samples})]
    pairs = [(who, group, *settings) for who, group in groups for settings in combinations(group, 2)]
    if not pairs:
        raise ValueError("signalling is seen by comparing settings of one side: give outcomes for at least two")
    for who, group, one, other in pairs:
        if sentence := apart(group[one], group[other], false_alarm / len(pairs)):
            raise AssertionError(
                f"{who} sees whether the other's setting is {one!r} or {other!r}: {sentence} {promise(false_alarm)}"
            )


def _marginals(samples: Mapping[Any, Sample]) -> Iterator[tuple[str, dict[Any, Counts]]]:
    """Each side at each of its own settings: how often each of its outcomes came, by the other's setting."""
    counts = {settings: counted(sample) for settings, sample in samples.items()}
    keys = [*counts, *(outcome for sample in counts.values() for outcome in sample)]
    if any(not isinstance(key, tuple) or len(key) != 2 for key in keys):
        raise ValueError("joint samples lead from pairs of settings to pairs of outcomes: {('x', 'z'): [(0, 1), ...]}")
    for side, name in enumerate(("the first side", "the second side")):
        for own in dict.fromkeys(settings[side] for settings in counts):
            group: dict[Any, Counts] = {}
            for settings, sample in counts.items():
                if settings[side] == own:
                    marginal = group[settings[1 - side]] = Counter()
                    for pair, n in sample.items():
                        marginal[pair[side]] += n
            yield f"{name} at its own setting {own!r}", group
