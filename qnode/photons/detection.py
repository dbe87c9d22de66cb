"""What the receiver sees of a train: clicks of two threshold detectors, gate by gate.

Photons are independent of each other given the pulse: each one makes a click in the right detector, in the wrong one,
or none. Light in which the photon number has no phase is all that sources here emit, so that the number of photons
decides everything (Lo, Ma & Chen 2005), and what is not drawn before it is asked for is exact all the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import erf, erfc, sqrt
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from qnode.errors import InvalidOperation
from qnode.photons.channel import best_transmission, steady_transmission, transmission
from qnode.photons.hardware import PS_PER_S, Channel, Detector, Encoding
from qnode.photons.light import Survival
from qnode.photons.sampling import Rng, bernoulli_places

CHUNK: Final = 2**20  # gates that are worked on at a time: what is drawn for them stays in the cache
N_BASES: Final = 3  # z, x, y
BASES: Final = {"z": 0, "x": 1, "y": 2}

ZERO: Final = 1  # which detectors clicked, as bits of a mask
ONE: Final = 2

Codes = npt.NDArray[np.uint8]
"""One byte a pulse: the bit, the basis (z 0, x 1, y 2) times 2, the class of intensity times 8."""


class Clicks(NamedTuple):
    """Gates in which something clicked, ascending; which detectors did (ZERO, ONE, or both); the basis there."""

    gates: npt.NDArray[np.int64]
    masks: npt.NDArray[np.uint8]
    bases: npt.NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.gates)

    def where(self, kept: npt.NDArray[Any]) -> Clicks:
        return Clicks(self.gates[kept], self.masks[kept], self.bases[kept])


class Analyser(NamedTuple):
    """A receiver's optics: for each basis, which share of the photons makes a click, and which of those a wrong one."""

    transmission: tuple[float, float, float]
    error: tuple[float, float, float]


def analyser(encoding: Encoding, detector: Detector, misalignment: float) -> Analyser:
    """From physical parameters to shares of photons.

    In time bins, z is read from the time of a click: one that jitter moves into the other bin's window is an error. x
    and y need an interferometer whose arms differ by the separation of the bins: half of the photons come out in its
    outer slots, where nothing interferes (Marand & Townsend, Opt. Lett. 20, 1695), and jitter moves some of these into
    the middle one, where they are noise.
    """
    efficiency = detector.efficiency
    if encoding.model == "polarisation":
        seen = efficiency * window_share(detector)
        return Analyser((seen,) * 3, (misalignment,) * 3)
    right, wrong = _in_bins(encoding, detector)
    in_z = right + wrong
    z_error = (misalignment * right + (1.0 - misalignment) * wrong) / in_z if in_z else 0.0
    flip = (1.0 - encoding.visibility) / 2.0
    flip = flip + misalignment - 2.0 * flip * misalignment
    in_x = (right + wrong) / 2.0  # half are in the middle slot, a quarter in each outer one
    x_error = (right * flip + wrong / 2.0) / (right + wrong) if in_z else 0.0
    seen = efficiency * encoding.interferometer * in_x
    return Analyser((efficiency * in_z, seen, seen), (z_error, x_error, x_error))


def gated(detector: Detector, encoding: Encoding, period_ps: int) -> Detector:
    """As a detector is used in a train: a window ends where that of the next pulse, or of the next bin, begins.

    Raises:
        InvalidOperation: If pulses are so close to each other that bins overlap.
    """
    widest = period_ps
    if encoding.model == "time_bin":
        widest = encoding.separation_ps
        if period_ps < 2 * widest:
            raise InvalidOperation(
                detail=f"pulses {period_ps} ps apart overlap: each has two time bins, {widest} ps from one to the other"
            )
    return detector._replace(window_ps=min(detector.window_ps or widest, widest))


def window_share(detector: Detector) -> float:
    """Share of clicks that jitter leaves in their window."""
    if not detector.window_ps or not detector.jitter_ps:
        return 1.0
    return erf(detector.window_ps / (2.0 * sqrt(2.0) * detector.jitter_ps))


def _in_bins(encoding: Encoding, detector: Detector) -> tuple[float, float]:
    """Shares of clicks in the window of their own bin, and in that of the one neighbour which is read."""
    sigma, apart = detector.jitter_ps, float(encoding.separation_ps)
    if not sigma:
        return 1.0, 0.0
    half = (min(detector.window_ps, apart) if detector.window_ps else apart) / 2.0
    scale = sigma * sqrt(2.0)
    return erf(half / scale), (erfc((apart - half) / scale) - erfc((apart + half) / scale)) / 2.0


class Thresholds(NamedTuple):
    """Cumulative probabilities: only detector 0 clicks; only one does; any does."""

    only_zero: npt.NDArray[np.float64]
    only_one: npt.NDArray[np.float64]
    any: npt.NDArray[np.float64]


def click_probabilities(
    survival: Survival,
    prepared: npt.NDArray[Any],
    classes: npt.NDArray[Any],
    bases: npt.NDArray[Any],
    passes: npt.NDArray[np.float64] | float,
    optics: Analyser,
    dark: float,
) -> Thresholds:
    """What two threshold detectors do; all arrays are broadcast against each other.

    Args:
        prepared: bit + 2 * basis of the pulse.
        classes: What `survival` knows a pulse by.
        bases: Of the receiver.
        passes: The transmission from the source, or wherever the pulse is, to the receiver.
        dark: Of a click without a photon, in one detector.
    """
    q = np.asarray(optics.transmission)[bases] * passes
    wrong = np.where(prepared >> 1 == bases, np.asarray(optics.error)[bases], 0.5)
    q_one = q * np.where(prepared & 1, 1.0 - wrong, wrong)
    none = (1.0 - dark) ** 2 * survival(classes, q)
    not_zero = (1.0 - dark) * survival(classes, q - q_one)
    not_one = (1.0 - dark) * survival(classes, q_one)
    only_zero = not_one - none
    return Thresholds(only_zero, only_zero + (not_zero - none), 1.0 - none)


class Gates(NamedTuple):
    """When the gates of a train are, at the receiver: network time of the first in ns, and the period in ps."""

    first_ns: int
    period_ps: int

    def seconds(self, gates: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        found: npt.NDArray[np.float64] = self.first_ns / 1e9 + gates * (self.period_ps / PS_PER_S)
        return found


def detect(
    codes: Codes,
    classes: npt.NDArray[np.uint8] | None,
    survival: Survival,
    bases: Codes | Sequence[float],
    gates: Gates,
    channel: Channel,
    optics: Analyser,
    dark: float,
    rng: Rng,
) -> Clicks:
    """The clicks of a train, before dead time and afterpulses.

    Args:
        codes: One for each pulse.
        classes: What `survival` knows the pulses by; None: the classes of their codes.
        bases: Of the receiver, one for each gate; or the probabilities with which it chooses z, x and y by itself.
    """
    n = len(codes)
    n_classes = (int(codes.max(initial=0)) >> 3 if classes is None else int(classes.max(initial=0))) + 1
    given, choice = (bases, ()) if isinstance(bases, np.ndarray) else (None, bases)
    used = np.flatnonzero(choice) if given is None else np.flatnonzero(np.bincount(given, minlength=N_BASES))
    grid = np.arange(n_classes)[:, None, None], np.arange(6)[None, :, None], np.arange(N_BASES)[None, None, :]

    def table(passes: float) -> Thresholds:
        level, prepared, chosen = grid
        return click_probabilities(survival, prepared, level, chosen, passes, optics, dark)

    passes = steady_transmission(channel)
    steady = None if passes is None else table(passes)
    shape = n_classes, 6, N_BASES
    flat = None if steady is None else Thresholds(*(np.broadcast_to(one, shape).ravel() for one in steady))
    found: list[Clicks] = []
    for start in range(0, n, CHUNK):
        end = min(start + CHUNK, n)
        if steady is None:
            span = gates.seconds(np.array([start, end]))
            best = table(best_transmission(channel, *span))
        else:
            best = steady
        most = float(best.any[..., used].max(initial=0.0))
        places = bernoulli_places(end - start, most, rng) + start
        u = rng.random(len(places)) * most
        code = codes[places]
        level = code >> 3 if classes is None else classes[places]
        chosen = draw_bases(choice, len(places), rng) if given is None else given[places]
        prepared = code & 7
        if flat is not None:
            cell = (level.astype(np.int32) * 6 + prepared) * N_BASES + chosen
            only_zero, only_one, some = (one[cell] for one in flat)
        else:
            there = transmission(channel, gates.seconds(places))
            only_zero, only_one, some = click_probabilities(survival, prepared, level, chosen, there, optics, dark)
        hit = np.flatnonzero(u < some)
        u = u[hit]
        masks = np.full(len(hit), ZERO | ONE, np.uint8)
        masks[u < only_one[hit]] = ONE
        masks[u < only_zero[hit]] = ZERO
        found.append(Clicks(places[hit], masks, chosen[hit]))
    if not found:
        return Clicks(np.empty(0, np.int64), np.empty(0, np.uint8), np.empty(0, np.uint8))
    return Clicks(*(np.concatenate(parts) for parts in zip(*found, strict=True)))


def draw_bases(choice: Sequence[float], n: int, rng: Rng) -> Codes:
    """n bases with these probabilities of z, x and y."""
    return np.searchsorted(np.cumsum(choice)[:-1], rng.random(n), side="right").astype(np.uint8)


def outcomes_of(masks: npt.NDArray[np.uint8], rng: Rng) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
    """The bit of each click, and which were double clicks: these get a fair coin (Luetkenhaus, PRA 59, 3301)."""
    double: npt.NDArray[np.bool_] = masks == ZERO | ONE
    outcomes = (masks >> 1).astype(np.uint8)
    outcomes[double] = rng.integers(0, 2, int(double.sum()), dtype=np.uint8)
    return outcomes, double


def offsets(n: int, detector: Detector, rng: Rng) -> npt.NDArray[np.int16] | None:
    """By how much clicks are off the time of their pulse, in units of the resolution (ps if there is none).

    Normal, inside the window. None if the times are exact.
    """
    if not detector.jitter_ps:
        return None
    unit = max(1, detector.resolution_ps)
    sigma, half = detector.jitter_ps, detector.window_ps / 2.0 or np.inf
    off = np.empty(n)
    left = np.arange(n)
    while len(left):
        if half < 2.0 * sigma:  # most normal numbers would lie outside: even ones, kept by their density
            drawn = rng.uniform(-half, half, len(left))
            kept = rng.random(len(left)) < np.exp(-0.5 * (drawn / sigma) ** 2)
        else:
            drawn = rng.normal(0.0, sigma, len(left))
            kept = np.abs(drawn) <= half
        off[left[kept]] = drawn[kept]
        left = left[~kept]
    found: npt.NDArray[np.int16] = np.clip(np.rint(off / unit), -(2**15) + 1, 2**15 - 1).astype(np.int16)
    return found
