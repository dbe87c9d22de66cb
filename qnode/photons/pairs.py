"""A source of entangled photons: both ends detect, and everything follows from one closed form.

The source squeezes two pairs of modes, |Psi> ~ exp(tanh r (a0' b0' + a1' b1'))|0>, so that a pulse has l = sinh^2 r
pairs on average in each of them, multiple pairs included (Ma, Fung & Lo, PRA 76, 012307, section II). A single pair is
Phi+: outcomes are equal in z and x, and opposite in y.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from qnode.photons.channel import best_transmission, steady_transmission, transmission
from qnode.photons.detection import CHUNK, N_BASES, Analyser, Clicks, Codes, Gates, draw_bases
from qnode.photons.hardware import Channel
from qnode.photons.sampling import Rng, bernoulli_places

_SIDES: Final = np.arange(4)  # which of two detectors are asked about, or clicked: as bits of a mask


def silence(
    mean_pairs: float,
    one: npt.NDArray[np.float64],
    other: npt.NDArray[np.float64],
    overlap: npt.NDArray[np.float64],
) -> npt.NDArray[np.float64]:
    """Probability that no photon makes a click, where each does with a probability that depends on its polarisation.

    For a measurement of a and b photons with operators A, B (the latter conjugated) it is 1/det(1 + l(A + B - AB)).

    Args:
        mean_pairs: Of a pulse: 2 l.
        one, other: Eigenvalues of A and of B, shape (..., 2).
        overlap: Squared overlap of eigenvector 0 of A with that of B, shape (...).
    """
    pairs = mean_pairs / 2.0
    kept, left = 1.0 - one, 1.0 - other
    trace = overlap * (kept * left).sum(axis=-1) + (1.0 - overlap) * (kept * left[..., ::-1]).sum(axis=-1)
    both = kept.prod(axis=-1) * left.prod(axis=-1)
    found: npt.NDArray[np.float64] = 1.0 / (1.0 + pairs * (2.0 - trace) + pairs**2 * (1.0 - trace + both))
    return found


def patterns(
    mean_pairs: float,
    bases: npt.NDArray[Any],
    other_bases: npt.NDArray[Any],
    passes: npt.NDArray[np.float64] | float,
    optics: Analyser,
    dark: float,
) -> npt.NDArray[np.float64]:
    """Probability of each of 16 patterns of clicks, shape (..., 16): mask of the one end + 4 * mask of the other.

    Args:
        bases, other_bases: 0, 1, 2 for z, x, y; broadcast against each other and the next.
        passes: The transmission from the source to the other end; the one end is at the source.
        optics, dark: Of both ends' detectors.
    """
    seen, error = np.asarray(optics.transmission), np.asarray(optics.error)
    overlap = np.where(bases != other_bases, 0.5, np.where(bases == 2, 0.0, 1.0))
    one = _eigenvalues(seen[bases], error[bases])
    other = _eigenvalues(seen[other_bases] * passes, error[other_bases])
    quiet = np.empty((*np.broadcast_shapes(np.shape(overlap), np.shape(passes)), 16))
    for mine in _SIDES:
        for theirs in _SIDES:
            darkness = (1.0 - dark) ** (int(mine).bit_count() + int(theirs).bit_count())
            quiet[..., mine + 4 * theirs] = darkness * silence(mean_pairs, one[mine], other[theirs], overlap)
    found = np.zeros_like(quiet)
    for clicked in range(16):  # exactly these, by inclusion and exclusion over those of them that are quiet, too
        for more in range(16):
            if more & ~clicked == 0:
                found[..., clicked] += (-1) ** more.bit_count() * quiet[..., (15 ^ clicked) | more]
    return np.clip(found, 0.0, 1.0)


def _eigenvalues(seen: npt.NDArray[np.float64], error: npt.NDArray[np.float64]) -> list[npt.NDArray[np.float64]]:
    """For each set of detectors: the probabilities that a photon of either polarisation makes one of them click."""
    right, wrong = seen * (1.0 - error), seen * error
    zero, one = np.stack([right, wrong], axis=-1), np.stack([wrong, right], axis=-1)
    return [np.zeros_like(zero), zero, one, zero + one]


def detect_pairs(
    mine: Codes,
    bases: Codes | Sequence[float],
    mean_pairs: float,
    gates: Gates,
    channel: Channel,
    optics: Analyser,
    dark: float,
    rng: Rng,
) -> tuple[Clicks, Clicks]:
    """The clicks of a train at the source's end and at the other end, before dead time and afterpulses.

    Args:
        mine: The basis of each gate at the source's end.
        bases: At the other end: of each gate, or the probabilities with which it chooses.
    """
    given, choice = (bases, ()) if isinstance(bases, np.ndarray) else (None, bases)
    all_mine, all_other = np.arange(N_BASES)[:, None], np.arange(N_BASES)[None, :]

    def table(passes: float) -> npt.NDArray[np.float64]:
        return patterns(mean_pairs, all_mine, all_other, passes, optics, dark)

    passes = steady_transmission(channel)
    steady = None if passes is None else table(passes)
    found: list[tuple[npt.NDArray[Any], ...]] = []
    for start in range(0, len(mine), CHUNK):
        end = min(start + CHUNK, len(mine))
        span = gates.seconds(np.array([start, end]))
        best = table(best_transmission(channel, *span)) if steady is None else steady
        most = float(best[..., 1:].sum(axis=-1).max())
        places = bernoulli_places(end - start, most, rng) + start
        u = rng.random(len(places)) * most
        own = mine[places]
        theirs = draw_bases(choice, len(places), rng) if given is None else given[places]
        if steady is not None:
            chances = steady[own, theirs, 1:]
        else:
            there = transmission(channel, gates.seconds(places))
            chances = patterns(mean_pairs, own, theirs, there, optics, dark)[..., 1:]
        pattern = 1 + (u[:, None] >= np.cumsum(chances, axis=-1)).sum(axis=-1)
        hit = np.flatnonzero(pattern < 16)
        found.append((places[hit], pattern[hit].astype(np.uint8), own[hit], theirs[hit]))
    place, pattern, own, theirs = (np.concatenate(parts) for parts in zip(*found, strict=True))
    seen_here, seen_there = (pattern & 3).astype(np.uint8), (pattern >> 2).astype(np.uint8)
    return (
        Clicks(place, seen_here, own).where(seen_here > 0),
        Clicks(place, seen_there, theirs).where(seen_there > 0),
    )
