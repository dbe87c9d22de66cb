"""Tails of the two distributions of counts, term by term: exact but for rounding, in some sqrt(n) steps."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import exp, lgamma, log, log1p, nextafter

_EPSILON = nextafter(1.0, 2.0) - 1.0


def binomial_at_most(hits: int, trials: int, p: float) -> float:
    """P(K <= hits), K the number of hits in independent trials of probability p."""
    if hits < 0:
        return 0.0
    if hits >= trials or p <= 0:
        return 1.0
    if p >= 1:
        return 0.0
    if hits > trials * p:  # the other tail is the smaller one, and its terms fall from the first on
        return 1 - binomial_at_most(trials - hits - 1, trials, 1 - p)
    first = _log_choose(trials, hits) + hits * log(p) + (trials - hits) * log1p(-p)
    return _falling(first, (k / (trials - k + 1) * (1 - p) / p for k in range(hits, 0, -1)))


def hypergeometric_at_most(hits: int, draws: int, marked: int, total: int) -> float:
    """P(K <= hits), K the number of marked ones among `draws` out of `total`, without replacement."""
    least = max(0, draws + marked - total)
    if hits < least:
        return 0.0
    if hits >= min(draws, marked):
        return 1.0
    if hits * total > draws * marked:
        return 1 - hypergeometric_at_most(draws - hits - 1, draws, total - marked, total)
    first = _log_choose(marked, hits) + _log_choose(total - marked, draws - hits) - _log_choose(total, draws)
    spare = total - marked - draws
    return _falling(first, (k / (marked - k + 1) * (spare + k) / (draws - k + 1) for k in range(hits, least, -1)))


def _log_choose(n: int, k: int) -> float:
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)


def _falling(log_first: float, ratios: Iterable[float]) -> float:
    """The sum of terms that only fall: the first one, and the ratio of each to the one before."""
    term = total = exp(log_first)
    for ratio in ratios:
        term *= ratio
        total += term
        if term <= total * 1e-17:
            break
    return min(total, 1.0)


def last_inside(inside: float, outside: float, holds: Callable[[float], bool]) -> tuple[float, float]:
    """Two numbers as close as rounding allows: where it still holds and where it no longer does, by bisection."""
    while abs(outside - inside) > _EPSILON:
        middle = (inside + outside) / 2
        if middle in (inside, outside):
            break
        inside, outside = (middle, outside) if holds(middle) else (inside, middle)
    return inside, outside
