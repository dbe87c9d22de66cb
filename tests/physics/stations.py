"""Heralding stations and pulses of pairs, computed by counting photons, independently of the formulas to compare with.

A state is a dictionary from (memories, occupation of each mode) to an amplitude. Photons are created one by one in
superpositions of modes; losses are modes that nobody looks at; two photons that are not quite alike are created in two
inner modes that the beam splitter treats alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from math import sqrt
from typing import Final

import numpy as np
from numpy.polynomial.hermite_e import hermegauss
from numpy.typing import NDArray

Occupation = tuple[int, ...]
Amplitudes = Mapping[Occupation, complex]
Rho = NDArray[np.complex128]

# Modes: detector C and D, each with two inner modes; what A lost; what B lost.
C1, C2, D1, D2, LOST_A, LOST_B = range(6)
VACUUM: Final[Amplitudes] = {(0,) * 6: 1.0}
CLICKED: Final = ((C1, C2), (D1, D2))


def created(state: Amplitudes, photon: Mapping[int, complex]) -> Amplitudes:
    """Apply the creation operator of a photon in a superposition of modes."""
    found: dict[Occupation, complex] = {}
    for occupation, amplitude in state.items():
        for mode, weight in photon.items():
            more = tuple(n + (index == mode) for index, n in enumerate(occupation))
            found[more] = found.get(more, 0) + amplitude * weight * sqrt(more[mode])
    return found


def photon_of_a(eta: float) -> Mapping[int, complex]:
    return {C1: sqrt(eta / 2), D1: sqrt(eta / 2), LOST_A: sqrt(1 - eta)}


def photon_of_b(eta: float, visibility: float, phase: float = 0.0) -> Mapping[int, complex]:
    turn = np.exp(1j * phase) * sqrt(eta / 2)
    alike, unlike = sqrt(visibility), sqrt(1 - visibility)
    return {
        C1: turn * alike,
        D1: -turn * alike,
        C2: turn * unlike,
        D2: -turn * unlike,
        LOST_B: sqrt(1 - eta),
    }


def one_click(occupation: Occupation, detector: int, dark: float) -> float:
    """Probability that this detector clicks and the other does not."""
    seen = [sum(occupation[mode] for mode in modes) for modes in CLICKED]
    silent = [(1 - dark) if n == 0 else 0.0 for n in seen]
    return (1 - silent[detector]) * silent[1 - detector]


def after_one_click(states: Sequence[Amplitudes], detector: int, dark: float) -> Rho:
    """The map that one click is, on the memories that emitted: G_ij = sum over occupations of P psi_i psi_j*.

    Args:
        states: Of the photons, for the memories in |00>, |01>, |10>, |11>.
    """
    found = np.zeros((4, 4), np.complex128)
    for (i, one), (j, other) in product(enumerate(states), repeat=2):
        for occupation in one.keys() & other.keys():
            weight = one_click(occupation, detector, dark)
            found[i, j] += weight * one[occupation] * np.conj(other[occupation])
    return found


def emitted(eta: tuple[float, float], visibility: float, phase: float) -> list[Amplitudes]:
    """The photons of memories in |00>, |01>, |10>, |11>: |1> emits."""
    a, b = photon_of_a(eta[0]), photon_of_b(eta[1], visibility, phase)
    return [VACUUM, created(VACUUM, b), created(VACUUM, a), created(created(VACUUM, a), b)]


def phases(sigma: float) -> Iterator[tuple[float, float]]:
    """Gaussian phases with their weights (Gauss-Hermite quadrature, exact for what matters here)."""
    nodes, weights = hermegauss(40) if sigma else (np.zeros(1), np.ones(1))
    yield from zip(sigma * nodes, weights / weights.sum(), strict=True)


def single_click(
    eta: tuple[float, float], bright: tuple[float, float], dark: float, visibility: float, sigma: float, detector: int
) -> Rho:
    """The memories after one click of this detector, of trace p."""
    memory = np.kron(*(np.array((sqrt(1 - a), sqrt(a))) for a in bright))
    prepared = np.outer(memory, memory)
    total = np.zeros((4, 4), np.complex128)
    for phase, weight in phases(sigma):
        total += weight * prepared * after_one_click(emitted(eta, visibility, phase), detector, dark)
    return total


def double_click(
    eta: tuple[float, float], dark: float, visibility: float, detectors: tuple[int, int], phase: float
) -> Rho:
    """The memories after one click in each round, with a flip of both in between; any phase of the ways drops out."""
    states = emitted(eta, visibility, phase)
    first, second = (after_one_click(states, detector, dark) for detector in detectors)
    flipped = second[::-1, ::-1]  # in the second round |0> emits
    return np.full((4, 4), 0.25) * first * flipped


def down_conversion(eta: tuple[float, float], mean_pairs: float, dark: float, most: int = 80) -> tuple[float, float]:
    """p that both ends click, and pE that they do so wrongly, pair number by pair number.

    n pairs come with (n+1) l**n/(1+l)**(n+2), and m of them in one polarisation and n - m in the other with 1/(n+1).
    """
    mode = mean_pairs / 2
    p = error = 0.0
    for n in range(most):
        chance = mode**n / (1 + mode) ** (n + 2)
        for m in range(n + 1):
            # What is right at one end is the detector of the photon's partner at the other.
            a, b = (_read(efficiency, m, n - m, dark) for efficiency in eta)
            p += chance * sum(a) * sum(b)
            error += chance * (a[0] * b[1] + a[1] * b[0])
    return p, error


def _read(eta: float, m: int, n: int, dark: float) -> tuple[float, float]:
    """Probabilities of reading 0 and 1 from m photons in one mode and n in the other; both clicks: a coin."""
    click = [1 - (1 - dark) * (1 - eta) ** photons for photons in (m, n)]
    both = click[0] * click[1] / 2
    return click[0] * (1 - click[1]) + both, click[1] * (1 - click[0]) + both
