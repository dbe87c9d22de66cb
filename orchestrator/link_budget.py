"""What a link should do: rate, fidelity and key fraction of its pairs, from formulas. Pure.

The state of a pair is followed in expectation: from its birth to its delivery, each half in the memory that it arrives
in; then the correction at one end; then, if it is stored for longer, in the same memories. What both ends measure of it
has the errors of their rotations and readouts besides.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, sqrt
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from qnode.quantum import correlators
from qnode.quantum.bell import PHI_PLUS
from qnode.quantum.bell_pairs import effects
from qnode.quantum.channels import error_channels
from qnode.quantum.correlators import Floats
from qnode.quantum.hardware import Hardware, Slots
from qnode.quantum.key_fraction import bb84_fraction, error_rates, six_state_fraction_of
from qnode.quantum.pair_source import PairSource

NS_PER_S: Final = 1e9


class Worth(NamedTuple):
    """What pairs are worth.

    Attributes:
        fidelity: (1 + XX - YY + ZZ)/4, to Phi+.
        errors: Error rates in X, Y and Z.
        bb84, six_state: Secret bits for each pair, in the limit of many, with the key in Z.
    """

    fidelity: float
    errors: tuple[float, float, float]
    bb84: float
    six_state: float


def worth(xx: float, yy: float, zz: float) -> Worth:
    """Of pairs with these correlators, whether they are the true ones or were measured."""
    errors = error_rates((xx, yy, zz))
    return Worth((1 + xx - yy + zz) / 4, errors, bb84_fraction(errors[2], errors[0]), six_state_fraction_of(errors))


class Budget:
    """A source of pairs and what stands at its ends a and b.

    Args:
        source: How its pairs come about.
        ends: What both ends are made of.
        corrects: Which end (0 or 1) turns what was heralded to Phi+.
    """

    def __init__(self, source: PairSource, ends: tuple[Hardware, Hardware], corrects: int = 1) -> None:
        self.source = source
        self.ends = ends
        self._delivered = _delivered(source, ends, corrects)

    @property
    def ages_ns(self) -> tuple[int, int]:
        """How long each half has existed when it is delivered."""
        return _ages(self.source)

    @property
    def attempts_hz(self) -> float:
        """Attempts in a second, one after another; infinite if they take no time."""
        return NS_PER_S / self.source.attempt_ns if self.source.attempt_ns else inf

    @property
    def rate_hz(self) -> float:
        """Pairs in a second if they are asked for one after another; infinite if they take no time."""
        return self.attempts_hz * self.source.success_probability

    def delivered(self) -> Worth:
        """Of a pair whose halves have just been delivered."""
        return worth(*np.diagonal(self._delivered)[1:].tolist())

    def measured(self) -> Worth:
        """The same as whoever measures each half at once sees it."""
        first, second = (effects(end) for end in self.ends)
        joint = correlators.probabilities(self._delivered, first, second)  # basis, outcome, outcome
        return worth(*(joint[:, 0, 0] + joint[:, 1, 1] - joint[:, 0, 1] - joint[:, 1, 0]).tolist())

    def stored_for(self, seconds: npt.ArrayLike) -> Floats:
        """Fidelity after both halves have been stored for so much longer; the same shape."""
        stored_ns = np.asarray(seconds, np.float64) * NS_PER_S
        return correlators.fidelity(_aged(self._delivered, self.ends, (stored_ns, stored_ns)))


class Trial(NamedTuple):
    """What a run made of a link.

    Attributes:
        pairs: How many it made.
        rate_hz, rate_error: Pairs in a second, and its standard error, from the times between them.
        measured: From the outcomes.
        fidelity_error: Standard error of the fidelity.
    """

    pairs: int
    rate_hz: float
    rate_error: float
    measured: Worth
    fidelity_error: float


Halves = tuple[Sequence[int], Sequence[float]]
"""One end's outcomes in X, Y, Z, X, ..., and when each half was there, in seconds."""


def tried(a: Halves, b: Halves) -> Trial:
    """From what both ends of a link tell of at least three pairs, made one after another from time 0 on."""
    agree = 1 - 2 * (np.asarray(a[0]) ^ np.asarray(b[0]))
    means = [float(agree[nth::3].mean()) for nth in range(3)]
    spread = sum((1 - mean**2) / len(agree[nth::3]) for nth, mean in enumerate(means))
    there = np.maximum(a[1], b[1])
    apart = np.diff(there, prepend=0.0)
    rate = 1 / float(apart.mean()) if there[-1] > 0 else inf
    error = float(apart.std(ddof=1)) / sqrt(len(apart)) * rate**2 if there[-1] > 0 else 0.0
    return Trial(len(agree), rate, error, worth(*means), sqrt(spread) / 4)


def arrival(hardware: Hardware) -> Slots:
    """Where a half of a pair arrives."""
    return hardware.communication if hardware.communication.size else hardware.memory


def _ages(source: PairSource) -> tuple[int, int]:
    (born_a, born_b), (delivered_a, delivered_b) = source.born_ns, source.delivered_ns
    return delivered_a - born_a, delivered_b - born_b


def _delivered(source: PairSource, ends: tuple[Hardware, Hardware], corrects: int) -> Floats:
    """Correlators of a corrected pair when both ends have it, the mean over what is heralded, shape (4, 4)."""
    ages = _ages(source)
    found = np.zeros((4, 4)) if source.heralds else _aged(correlators.of_bell_state(PHI_PLUS), ends, ages)
    for probability, frame, rho in source.heralds:
        born = correlators.from_density_matrix(np.frombuffer(rho, np.complex128).reshape(4, 4))
        state = correlators.correct(_aged(born, ends, ages), frame)
        if frame != PHI_PLUS:
            state = _after_gate(state, ends, corrects)
        found += probability / source.success_probability * state
    return found


def _aged(state: Floats, ends: tuple[Hardware, Hardware], ages_ns: npt.ArrayLike) -> Floats:
    first, second = (
        correlators.relaxation(age, arrival(end).t1_ns, arrival(end).t2_ns)
        for age, end in zip(np.asarray(ages_ns, np.float64), ends, strict=True)
    )
    return correlators.on_second(correlators.on_first(state, first), second)


def _after_gate(state: Floats, ends: tuple[Hardware, Hardware], at: int) -> Floats:
    """What the gate of the correction costs at one end: time, and its error."""
    ages = [0, 0]
    ages[at] = ends[at].single.duration_ns
    state = _aged(state, ends, ages)
    for channel, _ in error_channels(ends[at].single.error, 1):
        transfer = correlators.from_kraus(channel.kraus)
        state = correlators.on_second(state, transfer) if at else correlators.on_first(state, transfer)
    return state
