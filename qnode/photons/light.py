"""How many photons are in a pulse: what is known of it decides with which probability it is survived.

Light enters a probability only through its survival: the probability that no photon of a pulse makes a click, if each
does with probability q. It is the generating function of the photon number at 1 - q (Mandel & Wolf, section 14.9).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from qnode.photons.hardware import Source
from qnode.photons.sampling import Rng, bernoulli_places

Survival = Callable[[npt.NDArray[Any], npt.NDArray[np.float64]], npt.NDArray[np.float64]]
"""From the class of each pulse and each q to the probability that none of its photons makes a click."""

_TAIL: Final = 1e-18  # of a photon number: it is never drawn


def of_source(source: Source) -> Survival:
    """Of pulses whose class is the intensity that the sender chose."""
    if source.model == "weak_coherent":
        means = np.asarray(source.intensities)
        return lambda classes, q: np.exp(-means[classes] * q)
    none, one, two = 1.0 - source.efficiency, source.efficiency - source.multiphoton, source.multiphoton
    return lambda classes, q: none + one * (1.0 - q) + two * (1.0 - q) ** 2 + 0.0 * classes


def of_numbers(numbers: npt.NDArray[Any], q: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Of pulses whose class is the number of photons itself."""
    found: npt.NDArray[np.float64] = (1.0 - q) ** numbers
    return found


def at_least(source: Source) -> npt.NDArray[np.float64]:
    """Row k: the probabilities of at least 1, 2, ... photons in a pulse of class k, as far as they can happen."""
    if source.model != "weak_coherent":
        return np.array([[source.efficiency, source.multiphoton]])
    means = np.asarray(source.intensities)
    term = np.exp(-means)
    terms = [term]
    while len(terms) < 2 or term.max() > _TAIL or len(terms) <= means.max():
        term = term * means / len(terms)
        terms.append(term)
    # summed from the end, so that a small probability is as exact as a large one
    tails = np.cumsum(np.array(terms[:0:-1]), axis=0)[::-1]
    return np.ascontiguousarray(tails.T)


def draw_numbers(classes: npt.NDArray[np.uint8], source: Source, rng: Rng) -> npt.NDArray[np.uint8]:
    """The number of photons in each pulse, as uint8, as they leave the source."""
    tails = at_least(source)
    if source.model != "weak_coherent":
        classes = np.zeros(len(classes), np.uint8)
    numbers = np.zeros(len(classes), np.uint8)
    most = float(tails[:, 0].max(initial=0.0))
    places = bernoulli_places(len(classes), most, rng)
    u = rng.random(len(places)) * most
    for n in range(tails.shape[1]):
        more = u < tails[classes[places], n]
        places, u = places[more], u[more]
        if not len(places):
            break
        numbers[places] = n + 1
    return numbers


def thin(numbers: npt.NDArray[np.uint8], share: float, rng: Rng) -> npt.NDArray[np.uint8]:
    """How many photons of each pulse pass where each one passes with this probability."""
    if share >= 1.0:
        return numbers.copy()
    passed = np.zeros_like(numbers)
    if share > 0.0:
        there = np.flatnonzero(numbers)
        passed[there] = rng.binomial(numbers[there], share)
    return passed
