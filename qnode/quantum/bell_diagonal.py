"""Mixtures of the four Bell states, as arrays of four probabilities: chains and distillation, in expectation.

A vector has shape (..., 4), in the order of `BELL_STATES`: Phi+, Psi+, Phi-, Psi-, that is index 2 z + x, so that
adding frames is the XOR of indices. Arrays of many parameters are worked on at once and broadcast; nothing draws.
"Second half" or first makes no difference: a Pauli on either is the same up to a phase.
Sources: Bennett et al. 1996 (PRL 76, 722); Deutsch et al. 1996 (PRL 77, 2818); Duer, Briegel, Cirac & Zoller 1999
(PRA 59, 169).
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from qnode.quantum.bell import BELL_STATES, PHI_PLUS, BellState
from qnode.quantum.gates import Matrix

Floats = npt.NDArray[np.float64]

_XOR: Final = np.arange(4)[:, None] ^ np.arange(4)
_KETS: Final = np.array([bell.ket() for bell in BELL_STATES])


def werner(fidelity: npt.ArrayLike, bell: BellState = PHI_PLUS) -> Floats:
    """A Bell state with this probability, each other one with a third of the rest (Werner 1989, up to local gates)."""
    best = np.asarray(fidelity, np.float64)[..., None]
    vectors = np.repeat((1 - best) / 3, 4, axis=-1)
    vectors[..., index(bell)] = best[..., 0]
    return vectors


def index(bell: BellState) -> int:
    """Where a Bell state stands in a vector."""
    return 2 * bell.z + bell.x


def twirled(vectors: npt.ArrayLike) -> Floats:
    """The Werner states of the same fidelity to Phi+."""
    return werner(np.asarray(vectors, np.float64)[..., 0])


def from_density_matrix(rho: npt.ArrayLike) -> Floats:
    """The diagonal in the Bell basis of states of shape (..., 4, 4): all that is left after random bilateral Paulis."""
    return np.asarray(np.einsum("ki,...ij,kj->...k", _KETS.conj(), np.asarray(rho), _KETS).real)


def to_density_matrix(vectors: npt.ArrayLike) -> Matrix:
    """Shape (..., 4, 4)."""
    return np.asarray(np.einsum("...k,ki,kj->...ij", np.asarray(vectors), _KETS, _KETS.conj()), np.complex128)


# --- noise ----------------------------------------------------------------------------------------------------------


def convolve(one: npt.ArrayLike, other: npt.ArrayLike) -> Floats:
    """The XOR convolution: the frame is the sum of two independent ones."""
    return np.asarray(
        np.einsum("...i,...ik->...k", np.asarray(one, np.float64), np.asarray(other, np.float64)[..., _XOR])
    )


def pauli(vectors: npt.ArrayLike, px: npt.ArrayLike, py: npt.ArrayLike, pz: npt.ArrayLike) -> Floats:
    """X, Y and Z on one half with these probabilities."""
    x, y, z = np.broadcast_arrays(*(np.asarray(p, np.float64) for p in (px, py, pz)))
    return convolve(vectors, np.stack((1 - x - y - z, x, z, y), axis=-1))


def depolarise(vectors: npt.ArrayLike, q: npt.ArrayLike) -> Floats:
    """A Pauli that is not the identity on one half with total probability q."""
    third = np.asarray(q, np.float64) / 3
    return pauli(vectors, third, third, third)


def dephase(vectors: npt.ArrayLike, p: npt.ArrayLike) -> Floats:
    """Z on one half with probability p."""
    return pauli(vectors, 0.0, 0.0, p)


def store(vectors: npt.ArrayLike, t_ns: npt.ArrayLike, t2_ns: npt.ArrayLike) -> Floats:
    """One half in a memory that only dephases (T1 infinite): Z with probability (1 - exp(-t/T2))/2."""
    return dephase(vectors, -np.expm1(-np.asarray(t_ns, np.float64) / np.asarray(t2_ns)) / 2)


# --- swapping -------------------------------------------------------------------------------------------------------


def swap(
    left: npt.ArrayLike,
    right: npt.ArrayLike,
    mixing: npt.ArrayLike = 0.0,
    flip: npt.ArrayLike = 0.0,
    single: npt.ArrayLike = 0.0,
) -> Floats:
    """What a repeater makes of two pairs, corrected by the outcome that it read.

    Args:
        mixing: Both measured qubits are replaced by I/4 with this probability after the two-qubit gate.
        flip: Probability that one of the two bits is read wrongly, each by itself. Of a readout with different p01 and
            p10 it is their mean: outcomes of these pairs are even.
        single: Probability of a Pauli, X, Y or Z alike, behind the Hadamard gate. X and Y turn the bit over that is
            read then, the one of the phase.
    """
    wrong, lost, gate = np.broadcast_arrays(*(np.asarray(p, np.float64) for p in (flip, mixing, single)))
    good, turned = 1 - wrong, gate * 2 / 3
    phase = good * (1 - turned) + wrong * turned, wrong * (1 - turned) + good * turned
    read = np.stack((good * phase[0], wrong * phase[0], good * phase[1], wrong * phase[1]), axis=-1)
    lost = lost[..., None]
    return (1 - lost) * convolve(convolve(left, right), read) + lost / 4


# --- distillation ---------------------------------------------------------------------------------------------------


def bilateral_cnot(
    control: npt.ArrayLike, target: npt.ArrayLike, mixing: npt.ArrayLike = 0.0, flip: npt.ArrayLike = 0.0
) -> tuple[Floats, Floats]:
    """CNOT from one pair to another at both ends, measure the other in Z, keep the first on equal outcomes.

    Args:
        mixing: At each end, both qubits are replaced by I/4 with this probability after the gate.
        flip: Probability that an outcome is read wrongly.
    Returns:
        The probability to keep, shape (...), and the control pair's vectors then, shape (..., 4):
        l'(z, x) = sum over z1 of l1(z1, x) l2(z + z1, x).
    """
    first = np.asarray(control, np.float64)
    second = np.asarray(target, np.float64)
    z_flipped = second[..., [2, 3, 0, 1]]
    odd = second[..., [1, 0, 3, 2]]  # the same sums for the pairs that show unequal outcomes
    odd_z_flipped = second[..., [3, 2, 1, 0]]
    wrong = np.asarray(2 * np.asarray(flip, np.float64) * (1 - np.asarray(flip)))[..., None]
    intact = np.asarray((1 - np.asarray(mixing, np.float64)) ** 2)[..., None]
    shown = (1 - wrong) * _sums(first, second, z_flipped) + wrong * _sums(first, odd, odd_z_flipped)
    kept = intact * shown + (1 - intact) / 8
    chance = np.asarray(kept.sum(axis=-1))
    return chance, kept / chance[..., None]


def _sums(first: Floats, second: Floats, z_flipped: Floats) -> Floats:
    """l1(0, x) l2(z, x) + l1(1, x) l2(1 - z, x), in the order of z and x."""
    phase_kept, phase_flipped = first[..., [0, 1, 0, 1]], first[..., [2, 3, 2, 3]]
    return phase_kept * second + phase_flipped * z_flipped


def bbpssw(fidelity: npt.ArrayLike, mixing: npt.ArrayLike = 0.0, flip: npt.ArrayLike = 0.0) -> tuple[Floats, Floats]:
    """`bilateral_cnot` of two Werner pairs of this fidelity: the probability to keep, and the fidelity then.

    Twirled afterwards it is a Werner pair again. Without errors N = F^2 + 2F(1-F)/3 + 5((1-F)/3)^2 and
    F' = (F^2 + ((1-F)/3)^2)/N (Bennett et al. 1996).
    """
    pair = werner(fidelity)
    chance, vectors = bilateral_cnot(pair, pair, mixing, flip)
    return chance, vectors[..., 0]


def dejmps(
    first: npt.ArrayLike, second: npt.ArrayLike, mixing: npt.ArrayLike = 0.0, flip: npt.ArrayLike = 0.0
) -> tuple[Floats, Floats]:
    """`bilateral_cnot` after Rx(pi/2) at one end and Rx(-pi/2) at the other, which exchanges Phi- and Psi-.

    Returns:
        The probability to keep, and the vectors then (Deutsch et al. 1996).
    """
    one, other = (np.asarray(pair, np.float64)[..., [0, 1, 3, 2]] for pair in (first, second))
    return bilateral_cnot(one, other, mixing, flip)
