"""What the tests of assertions count with: every outcome there is, and its exact probability."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import exp, factorial, lgamma, log, prod


def holds(assertion: Callable[..., object], *args: object, **options: object) -> bool:
    """Whether an assertion passes."""
    try:
        assertion(*args, **options)
    except AssertionError:
        return False
    return True


def binomial(hits: int, trials: int, p: float) -> float:
    """P(hits) of independent trials."""
    if p in (0.0, 1.0):
        return float(hits == trials * p)
    ways = lgamma(trials + 1) - lgamma(hits + 1) - lgamma(trials - hits + 1)
    return exp(ways + hits * log(p) + (trials - hits) * log(1 - p))


def splits(trials: int, outcomes: int) -> Iterator[tuple[int, ...]]:
    """All ways in which so many trials can have so many outcomes."""
    if outcomes == 1:
        yield (trials,)
        return
    for first in range(trials + 1):
        for rest in splits(trials - first, outcomes - 1):
            yield (first, *rest)


def multinomial(counts: Sequence[int], probabilities: Sequence[float]) -> float:
    """P(counts) of independent trials."""
    ways = factorial(sum(counts)) // prod(map(factorial, counts))
    return ways * prod(p**n for p, n in zip(probabilities, counts, strict=True))
