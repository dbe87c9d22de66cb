"""Rare things in long arrays: drawing only what happens, exactly.

The cost of a draw is paid for each thing that happens and not for each one that might have: a train of 10^7 pulses of
which one in a hundred makes a click costs 10^5 draws. Nothing is approximated: probabilities are those of 53-bit
uniform numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log1p
from typing import Any

import numpy as np
import numpy.typing as npt

Rng = np.random.Generator
Places = npt.NDArray[np.int64]


def bernoulli_places(n: int, p: float, rng: Rng) -> Places:
    """Which of n independent trials succeed, each with probability p; ascending.

    The gap to the next success is geometric: 1 + floor(E / -ln(1-p)) with E exponential (Devroye 1986, X.2).
    """
    if n <= 0 or p <= 0.0:
        return np.empty(0, np.int64)
    if p >= 1.0:
        return np.arange(n, dtype=np.int64)
    rate = -log1p(-p)
    found: list[Places] = []
    last = -1
    while last < n - 1:
        expected = (n - 1 - last) * p
        gaps = rng.standard_exponential(int(expected + 4.0 * expected**0.5) + 16)
        gaps /= rate
        np.minimum(gaps, n, out=gaps)  # a gap that leads out of the array leads no further; sums stay small
        places = gaps.astype(np.int64)
        places += 1
        places[0] += last
        np.cumsum(places, out=places)
        found.append(places)
        last = int(places[-1])
    places = found[0] if len(found) == 1 else np.concatenate(found)
    return places[: np.searchsorted(places, n)]


def draw_classes(n: int, probabilities: Sequence[float], rng: Rng) -> npt.NDArray[np.uint8]:
    """n independent classes 0, 1, ... with these probabilities, as uint8; exact to 2**-53.

    16 random bits decide, by a table, unless a limit between two classes lies in their cell: those few are drawn
    again inside the cell.

    Raises:
        ValueError: If the probabilities do not sum to 1, or there are more than 255.
    """
    limits = np.cumsum(np.asarray(probabilities, np.float64))
    if not 0 < len(limits) < 256 or min(probabilities) < 0 or abs(limits[-1] - 1.0) > 1e-9:
        raise ValueError(f"probabilities of 1 to 255 classes sum to 1; got {list(probabilities)}")
    limits[-1] = 1.0
    if len(limits) == 1:
        return np.zeros(n, np.uint8)
    cells = rng.integers(0, 2**16, n, dtype=np.uint16)
    edges = np.arange(2**16 + 1) / 2**16
    table = np.searchsorted(limits, edges[:-1], side="right").astype(np.uint8)
    unclear = table != np.searchsorted(limits, edges[1:], side="left")
    found = table[cells]
    if unclear.any():
        again = np.flatnonzero(unclear[cells])
        exact = (cells[again] + rng.random(len(again))) / 2**16
        found[again] = np.minimum(np.searchsorted(limits, exact, side="right"), len(limits) - 1)
    return found


def draw_bits(n: int, rng: Rng) -> npt.NDArray[np.uint8]:
    """n fair bits, as uint8 0 and 1."""
    raw: Any = np.frombuffer(rng.bytes((n + 7) // 8), np.uint8)
    return np.unpackbits(raw, count=n)
