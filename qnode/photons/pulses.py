"""Pulses in the hands of somebody on the way: photons that can be counted, kept, measured, blocked and replaced.

Where nobody is on the way, the number of photons in a pulse is never drawn. A tap needs it. It is drawn once, when the
light leaves the source: all that is done here leaves photon numbers alone or takes photons away one by one, so that
drawing it first or last is the same. What a photon says of its bit comes out by measuring it, once, and not otherwise.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from qnode.photons.channel import transmission
from qnode.photons.detection import ONE, ZERO, Clicks, Codes, Gates
from qnode.photons.hardware import Channel, Source
from qnode.photons.light import draw_numbers, thin
from qnode.photons.sampling import Rng

Mask = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.uint8]


class Pulses(NamedTuple):
    """Light under way or kept: how each pulse was prepared (bit + 2 * basis) and how many photons it has."""

    codes: Codes
    numbers: Numbers

    def copy(self) -> Pulses:
        return Pulses(self.codes.copy(), self.numbers.copy())


def emitted(codes: Codes, source: Source, share: float, rng: Rng) -> Pulses:
    """What is left of a train after a stretch that lets this share of the photons pass."""
    classes = (codes >> 3).astype(np.uint8)
    return Pulses((codes & 7).astype(np.uint8), thin(draw_numbers(classes, source, rng), share, rng))


def after(pulses: Pulses, channel: Channel, gates: Gates, rng: Rng) -> Pulses:
    """What is left of a train at the end of a channel."""
    there = np.flatnonzero(pulses.numbers)
    left = np.zeros_like(pulses.numbers)
    left[there] = rng.binomial(pulses.numbers[there], transmission(channel, gates.seconds(there)))
    return Pulses(pulses.codes, left)


def counted(pulses: Pulses) -> Numbers:
    """The number of photons of each pulse, by a measurement that leaves everything else as it was.

    Source: quantum non-demolition in photon-number splitting, Luetkenhaus, PRA 61, 052304.
    """
    return pulses.numbers.copy()


def split(pulses: Pulses, share: float, rng: Rng) -> Pulses:
    """A beam splitter takes this share of the light; it is returned, and is missing from `pulses`."""
    taken = thin(pulses.numbers, share, rng)
    np.subtract(pulses.numbers, taken, out=pulses.numbers)
    return Pulses(pulses.codes.copy(), taken)


def take(pulses: Pulses, n: int, where: Mask) -> Pulses:
    """n photons of each of these pulses, or as many as it has; they are returned, and missing from `pulses`."""
    taken = np.where(where, np.minimum(pulses.numbers, n), 0).astype(np.uint8)
    np.subtract(pulses.numbers, taken, out=pulses.numbers)
    return Pulses(pulses.codes.copy(), taken)


def block(pulses: Pulses, where: Mask) -> None:
    pulses.numbers[where] = 0


def replace(pulses: Pulses, codes: Codes, numbers: Numbers, where: Mask) -> None:
    """Send one's own light instead, in these pulses."""
    np.copyto(pulses.codes, codes & 7, where=where)
    np.copyto(pulses.numbers, numbers, where=where)


def measure(pulses: Pulses, bases: Codes, where: Mask, rng: Rng) -> Clicks:
    """Measure these pulses with perfect detectors, one basis for each pulse of the train; their photons are gone."""
    gates = np.flatnonzero(where & (pulses.numbers > 0))
    code, basis, number = pulses.codes[gates], bases[gates], pulses.numbers[gates]
    ones = rng.binomial(number, np.where(code >> 1 == basis, (code & 1).astype(np.float64), 0.5))
    masks = (ZERO * (ones < number) + ONE * (ones > 0)).astype(np.uint8)
    pulses.numbers[where] = 0
    return Clicks(gates, masks, basis)
