"""Assertions about frequencies that say how often they are wrong, and what they would notice."""

from __future__ import annotations

from math import inf, log


def relative_entropy(q: float, p: float) -> float:
    """Kullback-Leibler divergence of two coins, in nats: D(q || p); infinite if p rules out what q shows."""
    total = 0.0
    for shown, expected in ((q, p), (1 - q, 1 - p)):
        if shown > 0:
            total += shown * log(shown / expected) if expected > 0 else inf
    return total


def accepted_interval(trials: int, p: float, false_alarm: float = 1e-9) -> tuple[float, float]:
    """The frequencies that `assert_frequency` accepts, as an interval."""
    bound = log(2 / false_alarm) / trials

    def edge(outer: float) -> float:
        inner = p
        for _ in range(60):
            middle = (inner + outer) / 2
            if relative_entropy(middle, p) <= bound:
                inner = middle
            else:
                outer = middle
        return inner

    low = 0.0 if relative_entropy(0.0, p) <= bound else edge(0.0)
    high = 1.0 if relative_entropy(1.0, p) <= bound else edge(1.0)
    return low, high


def assert_frequency(hits: int, trials: int, p: float, *, false_alarm: float = 1e-9) -> None:
    """Assert that hits of trials are what a coin of probability p shows.

    A correct program fails here with probability at most false_alarm (Chernoff's bound, both sides). What it would
    catch: any true probability well outside `accepted_interval`; state that interval beside each use.

    Raises:
        AssertionError: With n, hits, p, the accepted interval and the false-alarm probability.
    """
    if not 0 <= hits <= trials or trials < 1:
        raise ValueError(f"{hits} hits of {trials} trials is not a frequency")
    if trials * relative_entropy(hits / trials, p) > log(2 / false_alarm):
        low, high = accepted_interval(trials, p, false_alarm)
        raise AssertionError(
            f"{hits} of {trials} is a frequency of {hits / trials:.4f}; at p = {p:.4f} everything from {low:.4f} to"
            f" {high:.4f} is accepted, with a false-alarm probability of {false_alarm:g}"
        )
