"""How many attempts it takes until one succeeds: drawn at once, whatever the probability of one attempt.

Nothing loops over attempts: a success probability of 1e-6 costs as much as one of 1/2.
"""

from __future__ import annotations

from math import floor, log1p
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

MOST: Final = 2**62


def attempts(u: float, p: float) -> int:
    """The number of the attempt that succeeds, geometric on 1, 2, ...: K = 1 + floor(ln(1-u)/ln(1-p)).

    The inverse of the distribution function 1 - (1-p)**K (Devroye, Non-Uniform Random Variate Generation, X.2): a
    larger u waits longer. A double of 53 bits reaches waits of 37/p attempts.

    Args:
        u: A uniform draw in [0, 1).
        p: Success probability of an attempt, in (0, 1].
    Returns:
        At most 2**62 + 1: longer than anything lasts.
    """
    return 1 if p >= 1 else 1 + floor(min(log1p(-u) / log1p(-p), MOST))


def attempts_many(u: NDArray[np.float64], p: float) -> NDArray[np.int64]:
    """The same for an array of draws, of the same shape."""
    if p >= 1:
        return np.ones(u.shape, np.int64)
    return 1 + np.floor(np.log1p(-u) / log1p(-p)).astype(np.int64)


def attempts_varying(u: float, p: ArrayLike, repeats: ArrayLike = 1) -> int | None:
    """The same where the probability changes in time: sum -ln(1 - p_i) until it passes -ln(1-u).

    Args:
        u: A uniform draw in [0, 1).
        p: Success probability in each step of time, in [0, 1], shape (m,).
        repeats: How many attempts each step has, shape (m,) or one for all. The cost is that of m.
    Returns:
        The number of the attempt that succeeds, from 1; None if it is none of them.
    """
    with np.errstate(divide="ignore"):  # ln 0 of a certain success
        hazards = -np.log1p(-np.asarray(p, np.float64))
    counts = np.broadcast_to(np.asarray(repeats, np.int64), hazards.shape)
    summed = np.cumsum(np.where(counts > 0, hazards, 0) * np.maximum(counts, 1))
    wanted = -log1p(-u)
    step = int(np.searchsorted(summed, wanted, side="right"))
    if step == len(summed):
        return None
    before = float(summed[step - 1]) if step else 0.0
    inside = min(int((wanted - before) // hazards[step]), int(counts[step]) - 1)  # rounding at the step's end
    return int(counts[:step].sum()) + 1 + inside
