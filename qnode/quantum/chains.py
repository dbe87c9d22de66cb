"""Chains of links in closed form: the fidelity that swapping leaves, and how long it takes until all links have a pair.

Attempts of different links are synchronous here, and each takes one unit of time. F is the fidelity to Phi+ and
w = (4F - 1)/3 the Werner parameter.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, expm1, log, log1p, prod
from typing import Final

import numpy as np

_CLOSED_BELOW: Final = 1e-3  # below this p a sum over attempts is long, and its integral exact to 1e-12


# --- fidelity --------------------------------------------------------------------------------------------------------


def swapped_fidelity(fidelities: Sequence[float], *, mixing: float = 0.0, flip: float = 0.0) -> float:
    """Of the pair that is left when Werner pairs of these fidelities in a row are joined by n - 1 Bell measurements.

    F = (1 + w (1-l)**m (2 r**m + r**(2m)))/4 with m = n - 1, r = 1 - 2 flip, and w the product of the Werner
    parameters. For one swap, or with pairs twirled to Werner pairs after each, this is the formula of Duer, Briegel,
    Cirac & Zoller, PRA 59 169 (1999), eq. 14: (1 + 3 s**m w)/4, s = (1-l)(4(1-flip)**2 - 1)/3. Without a twirl the
    wrong corrections of several swaps may undo each other, which that formula leaves out.

    Args:
        fidelities: Of the links, in any order.
        mixing: Probability l that the two-qubit gate of a Bell measurement leaves its qubits fully mixed.
        flip: Probability that one of the two outcomes of a Bell measurement is read wrongly.
    """
    swaps = len(fidelities) - 1
    w = prod((4 * each - 1) / 3 for each in fidelities) * (1 - mixing) ** swaps
    one_bit = (1 - 2 * flip) ** swaps  # XX suffers from one of the outcomes, ZZ from the other, YY from both
    return (1 + w * (2 * one_bit + one_bit**2)) / 4


# --- how long --------------------------------------------------------------------------------------------------------


def mean_attempts_of_all(p: float, n: int) -> float:
    """Mean number of attempts until n links have each succeeded, all trying at once: E[max] of n geometric waits.

    The sum of 1 - (1 - (1-p)**t)**n over t = 0, 1, ...; every term is positive, so nothing cancels as it does in the
    alternating sum over binomial coefficients. For small p the sum is its integral, H_n/L with L = -ln(1-p) and H_n the
    n-th harmonic number, and 1/2 of its first term (Euler-Maclaurin; further terms are of order L**3).

    Args:
        p: Success probability of one attempt at one link, in (0, 1].
        n: Number of links.
    """
    if n == 1 or p == 1:
        return 1 / p
    if n == 2:
        return (3 - 2 * p) / (p * (2 - p))
    decay = -log1p(-p)
    if p < _CLOSED_BELOW:
        return float((1 / np.arange(1, n + 1)).sum()) / decay + 0.5
    t = np.arange(ceil((log(n) + 45) / decay))
    return float(-np.expm1(n * np.log1p(-np.exp(-decay * t[1:]))).sum()) + 1


def mean_decay(p: float, x: float) -> float:
    """Mean of x**|D|, with D the difference of two links' waits: what the earlier pair keeps of its w.

    Args:
        p: Success probability of one attempt, in (0, 1].
        x: What w is multiplied by in each attempt that a pair waits, such as exp(-T/T2) of one half that only dephases.
    Source: The geometric series p/(2-p) (1+qx)/(1-qx), q = 1 - p; see Brand, Coopmans & Elkouss, IEEE JSAC 38 619
    (2020), for more links.
    """
    q = 1 - p
    return p / (2 - p) * (1 + q * x) / (1 - q * x)


def mean_attempts_with_cutoff(p: float, cutoff: int) -> float:
    """Mean number of attempts until two links have a pair each, if one that has waited `cutoff` attempts is discarded.

    (1+s)/(p(p+s)), s = 2q(1 - q**m): renewal at each discard.
    """
    s = 2 * (1 - p) * _falls_within(p, cutoff)
    return (1 + s) / (p * (p + s))


def mean_decay_with_cutoff(p: float, x: float, cutoff: int) -> float:
    """Mean of x**|D| over the pairs that were kept, |D| <= cutoff."""
    q = 1 - p
    waited = 2 * q * x * (1 - (q * x) ** cutoff) / (1 - q * x)
    return (1 + waited) / (1 + 2 * q * _falls_within(p, cutoff) / p)


def _falls_within(p: float, attempts: int) -> float:
    """1 - (1-p)**attempts."""
    return 1.0 if p == 1 else -expm1(attempts * log1p(-p))
