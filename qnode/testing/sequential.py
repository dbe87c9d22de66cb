"""Tests that look after every trial and stop as soon as the case is clear, with the same promise about errors."""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil, inf, log

from qnode.testing.statistics import FALSE_ALARM, promise, relative_entropy

MISS = 0.01
"""The probability with which a program that is wrong by as much as was asked about may pass."""


class Sequential:
    """Wald's sequential probability ratio test: is a probability p0, or p1? Feed it outcomes until it has decided.

    It adds up the evidence (the logarithm of the likelihood ratio) and stops when that is so large that p0 is refuted,
    or p1. With the bounds log(1 / false_alarm) and log(1 / miss) both errors are as stated, exactly and at any time
    (Ville's inequality); a true probability beyond p0, seen from p1, is no more likely to fail than p0, and one beyond
    p1 no more likely to pass. In between it takes longest. Outcomes that come after the decision are not counted.

    Attributes:
        hits, trials: What was fed until the decision.
        verdict: The probability that was left standing, p0 or p1; None as long as it is open.

    Source: Wald 1945, Sequential Tests of Statistical Hypotheses, section 3 (Annals of Mathematical Statistics 16).
    """

    def __init__(self, p0: float, p1: float, *, false_alarm: float = FALSE_ALARM, miss: float = MISS) -> None:
        """The question.

        Args:
            p0: The probability of a hit in a correct program; 0 and 1 may be.
            p1: The nearest probability that must not pass.
            false_alarm: The probability with which p0 may fail.
            miss: The probability with which p1 may pass.
        """
        if not (0 <= p0 <= 1 and 0 <= p1 <= 1 and p0 != p1 and 0 < false_alarm < 1 and 0 < miss < 1):
            raise ValueError(
                f"no question: two different probabilities p0 = {p0}, p1 = {p1},"
                f" and two errors between 0 and 1, false alarm {false_alarm}, miss {miss}"
            )
        self.p0, self.p1, self.false_alarm, self.miss = p0, p1, false_alarm, miss
        self.hits = self.trials = 0
        self.verdict: float | None = None

    @property
    def decided(self) -> bool:
        """Whether outcomes no longer matter."""
        return self.verdict is not None

    @property
    def expected_trials(self) -> tuple[float, float]:
        """How many trials it takes on average, at most: of a correct program, and of one with probability p1.

        Wald's identity, with the last step's overshoot counted in full.
        """
        correct = _expected_trials(self.p0, self.p1, log(1 / self.miss))
        return correct, _expected_trials(self.p1, self.p0, log(1 / self.false_alarm))

    def feed(self, outcome: bool | int) -> bool:
        """Count one trial, a hit (1) or not (0), and say whether that decided the case."""
        if outcome not in (0, 1):
            raise ValueError(f"an outcome is a hit, 1, or none, 0, and {outcome!r} is neither")
        if not self.decided:
            self.trials += 1
            self.hits += int(outcome)
            evidence = _times(self.hits, _evidence(self.p1, self.p0)) + _times(
                self.trials - self.hits, _evidence(1 - self.p1, 1 - self.p0)
            )
            if evidence >= log(1 / self.false_alarm):
                self.verdict = self.p1
            elif evidence <= log(self.miss):
                self.verdict = self.p0
        return self.decided

    def assert_p0(self) -> None:
        """Fail if p0 was refuted.

        Raises:
            ValueError: If too few outcomes were fed to decide.
        """
        __tracebackhide__ = True
        if not self.decided:
            raise self.undecided()
        if self.verdict == self.p1:
            raise AssertionError(f"{self.refutation()} {promise(self.false_alarm)}")

    def undecided(self) -> ValueError:
        """The error that asks for more outcomes."""
        return ValueError(
            f"{self.hits} of {self.trials} trials do not decide between p = {self.p0:.6g} and {self.p1:.6g}: feed more;"
            f" if p = {self.p0:.6g} it takes {ceil(self.expected_trials[0])} on average, or fewer"
        )

    def refutation(self) -> str:
        """The sentence about what was seen and what would be noticed, where p0 was refuted."""
        side = "at least" if self.p1 > self.p0 else "at most"
        return (
            f"{self.hits} of the first {self.trials} trials are {self.hits / self.trials:.6g}, which is"
            f" {1 / self.false_alarm:.3g} times likelier at p = {self.p1:.6g} than at p = {self.p0:.6g}, or more;"
            f" a true p of {side} {self.p1:.6g} is caught with probability {1 - self.miss:.6g}"
        )


def _evidence(p: float, q: float) -> float:
    """What an event says for the one that gives it probability p, against the one that gives it q, in nats."""
    if p <= 0:
        return -inf
    return inf if q <= 0 else log(p / q)


def _times(count: int, evidence: float) -> float:
    return count * evidence if count else 0.0


def _expected_trials(p: float, q: float, nats: float) -> float:
    """An upper bound for the mean number of trials at a true p until there is so much evidence against q."""
    drift = relative_entropy(p, q)
    if drift == inf:  # one outcome is enough, that which q never has
        return 1 / p if q <= 0 else 1 / (1 - p)
    return (nats + max(_evidence(p, q), _evidence(1 - p, 1 - q))) / drift


def sequential_frequency(
    outcomes: Iterable[bool | int], p: float, margin: float, *, false_alarm: float = FALSE_ALARM, miss: float = MISS
) -> int:
    """`assert_frequency` that draws outcomes only until the case is clear.

    Two tests run side by side, of p against p - margin and against p + margin, with half of false_alarm each
    (`Sequential`): the first that refutes p fails; when both have refuted the margin, p passes. On average a correct
    program takes no more trials than the sum of both tests' `expected_trials[0]`.

    Args:
        outcomes: Independent trials, hits (1) or not (0); a generator is asked for no more than it takes.
        p: The probability of a hit in a correct program.
        margin: A true probability that is off by this much or more must not pass; beyond 0 and 1 there are none.
        false_alarm: The probability with which a correct program may fail.
        miss: The probability with which one that is off by the margin may pass.

    Returns:
        How many trials it took.

    Raises:
        ValueError: If the outcomes end before the case is clear.
    """
    __tracebackhide__ = True
    others = [other for other in (p - margin, p + margin) if 0 <= other <= 1]
    if not (margin > 0 and others):
        raise ValueError(
            f"no question: p - margin or p + margin is a probability, unlike {p} with a margin of {margin}"
        )
    tests = [Sequential(p, other, false_alarm=false_alarm / len(others), miss=miss) for other in others]
    for n, outcome in enumerate(outcomes, start=1):
        for test in tests:
            if test.feed(outcome) and test.verdict != p:
                raise AssertionError(f"{test.refutation()} {promise(false_alarm)}")
        if all(test.decided for test in tests):
            return n
    raise next(test for test in tests if not test.decided).undecided()
