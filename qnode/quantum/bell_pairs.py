"""Formalism `bell_pairs`: many pairs of one source that both ends measure at birth, as arrays of outcomes.

All pairs that were heralded in the same way are a class with the same correlators, so a pair is one number, its class,
and measuring n of them is a few looks into small tables. Outcomes are as from Phi+ (in the basis Y they are opposite):
what the herald announced is made up for in the outcomes of one end, classically (Z flips by x, X by z, Y by both).

Whichever end answers first is sampled from its marginal, the other one from what is left then; neither needs to know
the other's basis, and the joint outcomes are those of the pairs.
"""

from __future__ import annotations

from math import inf, isfinite
from typing import Final

import numpy as np
import numpy.typing as npt

from qnode.errors import InvalidOperation
from qnode.quantum import correlators
from qnode.quantum.bell import PHI_PLUS
from qnode.quantum.channels import error_channels
from qnode.quantum.component import IMPOSSIBLE
from qnode.quantum.correlators import AXES, Floats
from qnode.quantum.hardware import ErrorModel, Hardware
from qnode.quantum.pair_source import PairSource

Bits = npt.NDArray[np.uint8]
"""Outcomes, or bases as indices into `BASES`; shape (n,), or (1,) for the same basis n times."""

BASES: Final = "xyz"

_AT_ONCE: Final = 1 << 18
"""So many draws stay in the cache of a core, and ten million pairs need not take half a gigabyte."""

_MOST_ATTEMPTS: Final = 2**62


def effects(hardware: Hardware) -> Floats:
    """What a node's measurements in X, Y and Z are, errors of basis rotation and readout included, shape (3, 2, 4).

    As `NoisyRegister.measure` does it: in X and Y the error of a gate, then the error of a measurement, then the ideal
    measurement, then the readout.
    """
    ideal = correlators.effects([AXES[basis] for basis in BASES], hardware.p01, hardware.p10)
    measured = correlators.after(ideal, _transfer(hardware.measure.error))
    measured[:2] = correlators.after(measured[:2], _transfer(hardware.single.error))
    return measured


def _transfer(error: ErrorModel) -> Floats:
    transfer = np.eye(4)
    for channel, _ in error_channels(error, 1):
        transfer = correlators.from_kraus(channel.kraus) @ transfer
    return transfer


class Batch:
    """n pairs of a source that are measured at birth. Each end answers once, in either order.

    Args:
        hardware: Of the source's ends a and b.
        corrects: Which end (0 or 1) makes up in its outcomes for what was heralded.
        streams: Randomness for the classes of the pairs, for end a and for end b.
    """

    def __init__(
        self,
        source: PairSource,
        n: int,
        hardware: tuple[Hardware, Hardware],
        corrects: int,
        streams: tuple[np.random.Generator, np.random.Generator, np.random.Generator],
    ) -> None:
        self.n = n
        self._streams = streams[1:]
        self._t = _correlators_of(source)
        self._effects = [
            _with_frames(effects(hardware[end]), source, owed=end == corrects) for end in (0, 1)
        ]  # each of shape (classes, bases, outcomes, 4)
        self._classes = _drawn_classes(source, n, streams[0])
        self._answered: tuple[int, Bits, Bits] | None = None

    def answer(self, end: int, bases: Bits) -> Bits:
        """Measure all halves of an end (0: a, 1: b) in these bases; the outcomes, shape (n,).

        Raises:
            InvalidOperation: If there are other than n bases (or one for all), or one is no index into `BASES`.
        """
        if bases.shape not in ((self.n,), (1,)) or bases.max() >= len(BASES):
            raise InvalidOperation(detail=f"{self.n} pairs are measured in as many bases 0, 1, 2 (x, y, z), or in one")
        known: tuple[Bits, ...] = () if self._answered is None else self._answered[1:]
        outcomes = self._draw(end, self.chances(end), (self._classes, *known, bases))
        self._answered = self._answered or (end, bases, outcomes)
        return outcomes

    def chances(self, end: int) -> Floats:
        """What the next answer is drawn from: P(1), shape (classes, bases) if it is the first.

        If it is the second, shape (classes, the other end's bases, the other end's outcomes, bases).
        """
        if self._answered is None:
            p_one = correlators.marginal(self._seen_from(end), self._effects[end])[..., 1].copy()
        else:
            other = self._answered[0]
            left = correlators.conditional(self._seen_from(other), self._effects[other])
            p_one = np.einsum("cnok,cmk->cnom", left, self._effects[end][..., 1, :])
        p_one[p_one < IMPOSSIBLE], p_one[p_one > 1 - IMPOSSIBLE] = 0.0, 1.0
        return p_one

    def _seen_from(self, end: int) -> Floats:
        """The correlators of every class with this end first, shape (classes, 1, 4, 4)."""
        return (correlators.swapped_ends(self._t) if end else self._t)[:, None]

    def _draw(self, end: int, p_one: Floats, pairs: tuple[Bits, ...]) -> Bits:
        p_zero = 1.0 - p_one
        outcomes = np.empty(self.n, np.uint8)
        for start in range(0, self.n, _AT_ONCE):
            part = outcomes[start : start + _AT_ONCE]
            here = tuple([each if len(each) == 1 else each[start : start + _AT_ONCE] for each in pairs])
            np.greater_equal(self._streams[end].random(len(part)), p_zero[here], out=part.view(np.bool_))
        return outcomes


def _correlators_of(source: PairSource) -> Floats:
    if not source.heralds:
        return correlators.of_bell_state(PHI_PLUS)[None]
    rho = np.array([np.frombuffer(herald.rho, np.complex128).reshape(4, 4) for herald in source.heralds])
    return correlators.from_density_matrix(rho)


def _with_frames(measurements: Floats, source: PairSource, *, owed: bool) -> Floats:
    """The effects of what is told, for each class: shape (classes, bases, outcomes, 4)."""
    frames = [herald.frame for herald in source.heralds] or [PHI_PLUS]
    told = np.repeat(measurements[None], len(frames), axis=0)
    if owed:
        for nth, (z, x) in enumerate(frames):
            for basis, flipped in zip(BASES, (z, z ^ x, x), strict=True):
                if flipped:
                    at = BASES.index(basis)
                    told[nth, at] = measurements[at, ::-1]
    return told


def _drawn_classes(source: PairSource, n: int, stream: np.random.Generator) -> Bits:
    if len(source.heralds) < 2:
        return np.zeros(1, np.uint8)
    edges = np.cumsum([herald.probability for herald in source.heralds])
    classes = np.empty(n, np.uint8)
    for start in range(0, n, _AT_ONCE):
        part = classes[start : start + _AT_ONCE]
        part[:] = np.searchsorted(edges[:-1], stream.random(len(part)) * edges[-1], side="right")
    return classes


def last_attempt(source: PairSource, n: int, stream: np.random.Generator) -> float:
    """Which attempt brings the last of n pairs, counted from 0; infinite if that is beyond all times.

    One after the other, failures before the n-th success are negative binomial. Where all n are tried for at once, it
    is the largest of n geometric variables: P(at most k) = (1 - (1-p)^(k+1))^n, inverted at a uniform number.
    Source: Devroye 1986, chapter X.
    """
    p = source.success_probability
    if p >= 1.0:
        return n - 1 if source.sequential else 0
    if p <= 0.0 or n / p > _MOST_ATTEMPTS:
        return inf
    if source.sequential:
        return n - 1 + int(stream.negative_binomial(n, p))
    u = 1.0 - stream.random()
    attempt = np.log(-np.expm1(np.log(u) / n)) / np.log1p(-p)
    return int(attempt) if isfinite(attempt) and attempt < _MOST_ATTEMPTS else inf
