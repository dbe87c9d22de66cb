"""What is to be expected of a pair, from what nodes and links tell of themselves: four numbers, and plain arithmetic.

A vector has the probabilities of the four Bell states in the order Phi+, Psi+, Phi-, Psi-, after all corrections that
are owed. This is `qnode.quantum.bell_diagonal` for one pair at a time: it runs for every pair at every node, where an
array of NumPy takes longer to make than the numbers to be worked out. Nothing here is looked up in a state.
"""

from __future__ import annotations

from math import expm1, inf
from typing import Final

from qnode.wire.stack import LinkFacts, NodeFacts, Vector

PERFECT: Final[Vector] = (1.0, 0.0, 0.0, 0.0)

METHODS: Final = ("dejmps", "bbpssw")


def fidelity(vector: Vector) -> float:
    """To Phi+."""
    return vector[0]


def twirled(vector: Vector) -> Vector:
    """The Werner pair of the same fidelity."""
    rest = (1.0 - vector[0]) / 3.0
    return vector[0], rest, rest, rest


def convolved(one: Vector, other: Vector) -> Vector:
    """The frame is the sum (XOR) of two independent ones."""
    if other == PERFECT:
        return one
    a, b, c, d = one
    e, f, g, h = other
    return (
        a * e + b * f + c * g + d * h,
        a * f + b * e + c * h + d * g,
        a * g + b * h + c * e + d * f,
        a * h + b * g + c * f + d * e,
    )


# ---------------------------------------------------------------- memories


def stored(vector: Vector, t_ns: float, t1_ns: float, t2_ns: float) -> Vector:
    """One half in a memory for a time; relaxation as the mixture of Paulis that it is once it has been twirled.

    That is exact on average over the four Bell states that a source or a Bell measurement may have left, each as likely
    as the others: a reset to |0> leaves one sign or the other in <ZZ> with the frame that is owed. (PHYSICS.md,
    section 3: Phi and Psi lose differently, by gA gB, and their mean is this.)
    """
    if t_ns <= 0.0 or t1_ns == inf == t2_ns:
        return vector
    return decayed(vector, -expm1(-t_ns / t1_ns), -expm1(-t_ns / t2_ns))


def decayed(vector: Vector, z_lost: float, xy_lost: float) -> Vector:
    """One half has lost so much of <ZZ>, and so much of <XX> and <YY>: 1 - exp(-t/T1) and 1 - exp(-t/T2)."""
    flip = z_lost / 4.0
    phase = max(0.0, xy_lost / 2.0 - flip)
    return convolved(vector, (1.0 - flip - flip - phase, flip, phase, flip))


def both_stored(vector: Vector, t_ns: float, mine: NodeFacts, theirs: NodeFacts) -> Vector:
    """Both halves, for the same time."""
    return stored(stored(vector, t_ns, mine.t1_ns, mine.t2_ns), t_ns, theirs.t1_ns, theirs.t2_ns)


def depolarised(vector: Vector, q: float) -> Vector:
    """A Pauli that is not the identity on one half with total probability q."""
    return convolved(vector, (1.0 - q, q / 3.0, q / 3.0, q / 3.0)) if q else vector


def link_pair(facts: LinkFacts, mine: NodeFacts, theirs: NodeFacts) -> Vector:
    """A pair of a link when both ends may use it."""
    mine_ns, theirs_ns = facts.aged_ns
    aged = stored(facts.vector, mine_ns, mine.t1_ns, mine.t2_ns)
    return stored(aged, theirs_ns, theirs.t1_ns, theirs.t2_ns)


# ---------------------------------------------------------------- swapping, distilling


def swapped(left: Vector, right: Vector, mixing: float = 0.0, flip: float = 0.0, single: float = 0.0) -> Vector:
    """What a repeater makes of two pairs, corrected by the outcome that it read: `bell_diagonal.swap`.

    Args:
        mixing, flip, single: Of the repeater, as `NodeFacts` has them.
    """
    joined = convolved(left, right)
    if single:
        turned = single * 2.0 / 3.0
        joined = convolved(joined, (1.0 - turned, 0.0, turned, 0.0))
    if flip:
        good = 1.0 - flip
        joined = convolved(joined, (good * good, good * flip, flip * good, flip * flip))
    if mixing:
        kept, quarter = 1.0 - mixing, mixing / 4.0
        a, b, c, d = joined
        joined = (kept * a + quarter, kept * b + quarter, kept * c + quarter, kept * d + quarter)
    return joined


def step_errors(mine: NodeFacts, theirs: NodeFacts) -> tuple[float, float]:
    """Of a distillation step of two nodes: that either CNOT mixes its qubits, and that their parity is read wrongly."""
    mixing = mine.mixing + theirs.mixing - mine.mixing * theirs.mixing
    return mixing, mine.flip + theirs.flip - 2.0 * mine.flip * theirs.flip


_TURNS: Final = {"dejmps": 1.0, "bbpssw": 25 / 12}
"""Gates of one qubit on each half before the CNOT; for "bbpssw" the mean of the twelve of `circuits.TWIRL`."""


def turned(vector: Vector, method: str, mine: NodeFacts, theirs: NodeFacts) -> Vector:
    """What the gates of one qubit in a step do to either of its pairs because they err."""
    turns = _TURNS[method]
    return depolarised(depolarised(vector, min(1.0, turns * mine.single)), min(1.0, turns * theirs.single))


def distilled(
    control: Vector, target: Vector, method: str = "dejmps", mixing: float = 0.0, flip: float = 0.0
) -> tuple[float, Vector]:
    """One step: the probability that the control pair is kept, and what is to be expected of it then.

    Args:
        method: "dejmps", or "bbpssw", which makes Werner pairs of both before.
        mixing, flip: Of the two ends together, see `step_errors`.
    Source: PHYSICS.md, section 7; `bell_diagonal.dejmps` and `bilateral_cnot`, where both ends err alike.
    """
    if method == "dejmps":
        a, b, d, c = control
        e, f, h, g = target
    else:
        a, b, c, d = twirled(control)
        e, f, g, h = twirled(target)
    good, bad, lost = (1.0 - mixing) * (1.0 - flip), (1.0 - mixing) * flip, mixing / 8.0
    w = good * (a * e + c * g) + bad * (a * f + c * h) + lost
    x = good * (b * f + d * h) + bad * (b * e + d * g) + lost
    y = good * (a * g + c * e) + bad * (a * h + c * f) + lost
    z = good * (b * h + d * f) + bad * (b * g + d * e) + lost
    chance = w + x + y + z
    if not chance:
        return 0.0, control
    return chance, (w / chance, x / chance, y / chance, z / chance)
