"""What pairs of a link are like, from the outcomes of measuring both halves along the same axis, X, Y or Z.

The three correlators say all that there is to know of a mixture of Bell states, and of any state what is left of it
after random bilateral Paulis: F = (1 + XX - YY + ZZ)/4.
"""

from __future__ import annotations

from collections.abc import Sequence

from qnode.quantum.bell import BELL_STATES
from qnode.wire.stack import Vector


def correlator(mine: Sequence[int], theirs: Sequence[int]) -> float:
    """The mean of (-1)**(a + b) over outcomes a, b of both ends, such as XX of those along X. There must be some."""
    differ = sum(a != b for a, b in zip(mine, theirs, strict=True))
    return 1 - 2 * differ / len(mine)


def estimated_vector(xx: float, yy: float, zz: float) -> Vector:
    """The probabilities of the four Bell states that are nearest to measured correlators.

    Each is (1 + a XX + b YY + c ZZ)/4 with its eigenvalues a, b, c, and they add up to 1. Of few pairs one may come out
    negative: then the nearest point where none is, is the most probable of those that there can be (Smolin, Gambetta &
    Smith, PRL 108 070502 (2012); their algorithm).
    """
    raw = [(1 + a * xx + b * yy + c * zz) / 4 for a, b, c in (bell.correlators for bell in BELL_STATES)]
    order = sorted(range(4), key=raw.__getitem__)
    found, owed = list(raw), 0.0
    for nth, index in enumerate(order):  # the least first: if it is below 0, the others make up for it
        share = owed / (4 - nth)
        if raw[index] + share >= 0:
            for other in order[nth:]:
                found[other] = raw[other] + share
            break
        found[index] = 0.0
        owed += raw[index]
    phi, psi, phi_minus, psi_minus = found
    return phi, psi, phi_minus, psi_minus
