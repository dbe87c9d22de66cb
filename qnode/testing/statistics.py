"""Statistical assertions that say how often they are wrong, and about what.

A test of frequencies fails a correct program sometimes; here with a probability that is stated and proved (Chernoff's
bound holds for every number of trials, small ones too; no normal approximation). With a fixed seed it either always
passes or never, so the false alarm matters once: when the seed or the program changes.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from math import ceil, floor, inf, log, sqrt

from qnode.testing.tails import binomial_at_most, last_inside

FALSE_ALARM = 1e-9
POWER = 0.99
"""The probability with which what a message calls caught is caught."""


def check_false_alarm(false_alarm: float) -> None:
    """Raises ValueError for what is no such probability."""
    if not 0 < false_alarm < 1:
        raise ValueError(f"a false alarm has a probability between 0 and 1, and {false_alarm} is not")


def relative_entropy(q: float, p: float) -> float:
    """D(q || p) of two coins in nats; infinite where q needs an outcome that p never has.

    Source: Cover & Thomas, section 2.3.
    """
    return _term(q, p) + _term(1 - q, 1 - p)


def _term(q: float, p: float) -> float:
    if q <= 0:
        return 0.0
    return inf if p <= 0 else q * log(q / p)


def accepts(hits: int, trials: int, p: float, false_alarm: float) -> bool:
    """Whether so many hits fit p (Chernoff's bound, two-sided)."""
    return trials * relative_entropy(hits / trials, p) <= log(2 / false_alarm)


def accepted_interval(trials: int, p: float, false_alarm: float = FALSE_ALARM) -> tuple[float, float]:
    """The relative frequencies (lowest, highest) that `assert_frequency` accepts.

    At 10_000 trials of a fair coin: 0.4673 to 0.5327. A true 0.55 is accepted in 3 runs of 10_000, 0.57 hardly ever.
    """
    _check(0, trials, p, false_alarm)
    bound = log(2 / false_alarm) / trials
    return _edge(p, 0.0, bound), _edge(p, 1.0, bound)


def _edge(p: float, end: float, bound: float) -> float:
    """The frequency between p and an end of [0, 1] where the relative entropy reaches the bound."""
    if relative_entropy(end, p) <= bound:
        return end
    return last_inside(p, end, lambda q: relative_entropy(q, p) <= bound)[0]


def detectable(trials: int, p: float, *, power: float = POWER, false_alarm: float = FALSE_ALARM) -> tuple[float, float]:
    """What `assert_frequency` catches: the true probabilities at most the first and at least the second number.

    Each of them fails with probability at least `power` (exact, by the tail of the binomial distribution). A side on
    which nothing is caught, for too few trials, is -inf or inf.

    At 10_000 trials of a fair coin: 0.4557 and 0.5443.
    """
    _check(0, trials, p, false_alarm)
    if not 0 < power < 1:
        raise ValueError(f"power is a probability between 0 and 1, and {power} is not")
    lowest = bisect_left(range(floor(trials * p) + 1), True, key=lambda hits: accepts(hits, trials, p, false_alarm))
    above = range(ceil(trials * p), trials + 1)
    beyond = bisect_left(above, True, key=lambda hits: not accepts(hits, trials, p, false_alarm))
    highest = above.start + beyond - 1
    return 1 - _rarely_within(trials - lowest, trials, 1 - power), _rarely_within(highest, trials, 1 - power)


def _rarely_within(hits: int, trials: int, miss: float) -> float:
    """The least probability with which at most so many hits happen in no more than a share `miss` of runs."""
    if hits >= trials:
        return inf
    return last_inside(hits / trials, 1.0, lambda q: binomial_at_most(hits, trials, q) > miss)[1]


def assert_frequency(hits: int, trials: int, p: float, *, false_alarm: float = FALSE_ALARM) -> None:
    """Hits of independent trials are as frequent as probability p says.

    A correct program fails here with probability at most false_alarm (Chernoff's bound, two-sided). A wrong one fails
    with probability at least 0.99 if its true probability is outside `detectable`: choose `trials` by looking at it.
    It does not see dependence between trials: `assert_independent` does.

    Args:
        hits: How often it happened.
        trials: How often it could have.
        p: Its probability in [0, 1]; 0 and 1 accept only what is certain.
        false_alarm: The probability with which a correct program may fail.
    """
    __tracebackhide__ = True
    _check(hits, trials, p, false_alarm)
    if sentence := refutation(hits, trials, p, false_alarm):
        raise AssertionError(f"{sentence} {promise(false_alarm)}")


def _check(hits: int, trials: int, p: float, false_alarm: float) -> None:
    if not (0 <= hits <= trials and trials > 0 and 0 <= p <= 1 and 0 < false_alarm < 1):
        raise ValueError(f"no frequency: {hits} hits of {trials} at p = {p}, false alarm {false_alarm}")


def refutation(hits: int, trials: int, p: float, false_alarm: float) -> str | None:
    """Why so many hits do not fit p, and what would be noticed; None if they fit."""
    if accepts(hits, trials, p, false_alarm):
        return None
    low, high = accepted_interval(trials, p, false_alarm)
    return (
        f"{hits} of {trials} trials are {hits / trials:.6g}, but p = {p:.6g} accepts {low:.6g} to {high:.6g};"
        f" {_what_is_caught(*detectable(trials, p, false_alarm=false_alarm))}"
    )


def _what_is_caught(low: float, high: float) -> str:
    sides = [f"{side} {edge:.6g}" for side, edge in (("at most", low), ("at least", high)) if 0 <= edge <= 1]
    return caught("a true p of " + " or ".join(sides)) if sides else "so few trials catch no true p reliably"


def caught(what: str) -> str:
    """The sentence about power."""
    return f"{what} is caught with probability {POWER}"


def promise(false_alarm: float) -> str:
    """The sentence about false alarms."""
    return f"(a correct program fails here with probability {false_alarm:.3g} at most)"


def assert_independent(one: Sequence[int], other: Sequence[int], *, false_alarm: float = FALSE_ALARM) -> None:
    """Two sequences of bits, the n-th of each belonging together, agree as often as independent ones would.

    What `one` shows is taken as given, and so is how many ones `other` has: for independent pairs every order of
    `other` is then equally likely, and agreement in the positions where `one` is 1 is drawing without replacement,
    for which the same Chernoff bound holds (Hoeffding 1963, section 6). It catches with probability 0.99 that bits of
    `other` are 1 with two probabilities, where `one` is 1 and where it is 0, which are `detectable_dependence` apart:
    copies of each other, mirror images, and weaker correlations. Two biased but independent coins pass. It does not
    see dependence that leaves single agreements alone, such as each bit repeating the other's previous one: compare
    shifted sequences for that.

    Args:
        one: Bits, 0 or 1.
        other: As many bits.
        false_alarm: The probability with which a correct program may fail.

    Raises:
        ValueError: A sequence is all zeros or all ones, as few bits may be by chance: any other agrees with it as often
            as an independent one would, and nothing would be tested.
    """
    __tracebackhide__ = True
    trials, marked, ones = len(one), sum(one), sum(other)
    if trials != len(other) or not trials or {*one, *other} - {0, 1}:
        raise ValueError("two sequences of bits of one length, at least one bit each")
    for which, hits in (("first", marked), ("second", ones)):
        if hits in (0, trials):
            raise ValueError(
                f"nothing can be said about independence: the {which} sequence is {trials} times {hits // trials}, and"
                " it takes zeros and ones in both"
            )
    both = sum(a & b for a, b in zip(one, other, strict=True))
    p = ones / trials
    if accepts(both, marked, p, false_alarm):
        return
    low, high = accepted_interval(marked, p, false_alarm)
    raise AssertionError(
        f"of {marked} positions where the first is 1, the second is 1 in {both}, {both / marked:.6g}; independent of"
        f" each other, p = {p:.6g} accepts {low:.6g} to {high:.6g};"
        f" {_what_dependence_is_caught(detectable_dependence(trials, marked, false_alarm=false_alarm))}"
        f" {promise(false_alarm)}"
    )


def detectable_dependence(
    trials: int, marked: int, *, power: float = POWER, false_alarm: float = FALSE_ALARM
) -> float:  # fmt: skip
    """What `assert_independent` catches of so many pairs of bits, the first of which is 1 in `marked`.

    It is the difference of two probabilities: that the second bit is 1 where the first is 1, and where it is 0. Pairs
    that differ by so much fail with probability at least `power`; above 1 nothing is sure to. Proved for any
    probabilities, and more than it takes for those near 0 or 1: rates that are accepted differ by less than the first
    term (by Pinsker's inequality), and they are closer to each other than the probabilities by more than the second
    with probability 1 - power at most (Hoeffding 1963, theorem 2).

    At 10_000 trials of which 5_000 are marked: 0.123.
    """
    if not 0 < marked < trials or not 0 < power < 1 or not 0 < false_alarm < 1:
        raise ValueError(
            f"no bits to compare: {marked} ones of {trials} bits, power {power}, false alarm {false_alarm}"
        )  # fmt: skip
    others = trials - marked
    accepted = trials / others * sqrt(log(2 / false_alarm) / (2 * marked))
    return accepted + sqrt((1 / marked + 1 / others) / 2 * log(1 / (1 - power)))


def _what_dependence_is_caught(difference: float) -> str:
    if difference > 1:
        return "so few bits catch no dependence reliably"
    return caught(f"a rate of ones that truly differs by {difference:.6g} between positions where the first is 1 and 0")
