"""How much secret key a pair is worth, in the limit of many: bits for each pair measured in the basis of the key.

One-way error correction and privacy amplification. A fraction below 0 means that there is no key, and is returned as 0.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import log2


def binary_entropy(p: float) -> float:
    """h(p) = -p log2 p - (1-p) log2(1-p)."""
    return _entropy((p, 1 - p))


def error_rates(correlators: tuple[float, float, float]) -> tuple[float, float, float]:
    """Of pairs that should be Phi+, from (<XX>, <YY>, <ZZ>): in X and Z outcomes that differ, in Y those that agree."""
    xx, yy, zz = correlators
    return (1 - xx) / 2, (1 + yy) / 2, (1 - zz) / 2


def bb84_fraction(qber: float, phase_qber: float | None = None, *, efficiency: float = 1.0) -> float:
    """1 - f h(Q) - h(Q_X) of BB84 and BBM92 (Shor & Preskill, PRL 85 441, 2000).

    Args:
        qber: Error rate Q in the basis of the key.
        phase_qber: Error rate in the other basis; left out: the same.
        efficiency: What error correction costs, f times the Shannon limit; at least 1.
    """
    other = qber if phase_qber is None else phase_qber
    return max(0.0, 1 - efficiency * binary_entropy(qber) - binary_entropy(other))


def six_state_fraction(qber: float, *, efficiency: float = 1.0) -> float:
    """Of the six-state protocol with the same error rate in all three bases: 0 from 12.6 % on.

    1 - f h(Q) - Q - (1-Q) h((1 - 3Q/2)/(1-Q)) (Lo, Quant. Inf. Comput. 1 81, 2001).
    """
    if qber >= 2 / 3:
        return 0.0
    given = qber + (1 - qber) * binary_entropy((1 - 1.5 * qber) / (1 - qber))
    return max(0.0, 1 - efficiency * binary_entropy(qber) - given)


def six_state_fraction_of(rates: tuple[float, float, float], *, efficiency: float = 1.0) -> float:
    """The same with different error rates (Q_X, Q_Y, Q_Z), the key in basis Z.

    1 - f h(Q_Z) - (H(l) - h(Q_Z)), H(l) the entropy of the Bell-diagonal state with these rates (Renner, Gisin & Kraus,
    PRA 72 012332, 2005).
    """
    x, y, z = rates
    weights = (1 - (x + y + z) / 2, (x + y - z) / 2, (y + z - x) / 2, (x + z - y) / 2)
    measured = binary_entropy(z)
    return max(0.0, 1 - efficiency * measured - (_entropy(weights) - measured))


def _entropy(probabilities: Iterable[float]) -> float:
    """In bits; what is 0 but for rounding, or for the statistics of measured rates, counts as 0."""
    return -sum(p * log2(p) for p in probabilities if p > 0)
