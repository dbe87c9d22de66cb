"""Formalism `bell_pairs`: many pairs at once, each as the 16 means t_ab = <sigma_a x sigma_b> of its two halves.

An array of correlators has shape (..., 4, 4), axes in the order I, X, Y, Z: whatever stands before the last two axes is
a number of pairs, or of classes of pairs, or of parameters. All noise of one half is one real 4x4 matrix, its *transfer
matrix* R_ab = tr(sigma_a E(sigma_b))/2, which multiplies from the left (first half) or, transposed, from the right
(second half): also relaxation, which no Bell-diagonal state survives. Nothing here draws.

A measurement is its *effects* e_0, e_1, two rows of shape (4,): P(a) = e_a . s for a qubit with the means
s = (1, <X>, <Y>, <Z>), and P(a, b) = e_a . t . f_b for a pair.
Source: Nielsen & Chuang, section 8.3 (the affine map of the Bloch sphere); Greenbaum 2015, arXiv:1509.02921 (transfer
matrices).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from qnode.quantum.bell import PHI_PLUS, BellState
from qnode.quantum.gates import Matrix, rx

Floats = npt.NDArray[np.float64]

PAULIS: Final[Matrix] = np.array(
    (((1, 0), (0, 1)), ((0, 1), (1, 0)), ((0, -1j), (1j, 0)), ((1, 0), (0, -1))), np.complex128
)
"""I, X, Y, Z."""

AXES: Final[dict[str, tuple[float, float, float]]] = {"x": (1, 0, 0), "y": (0, 1, 0), "z": (0, 0, 1)}
"""The Bloch vectors of the Paulis."""


# --- to and from matrices -------------------------------------------------------------------------------------------


def from_density_matrix(rho: npt.ArrayLike) -> Floats:
    """tr(rho sigma_a x sigma_b) of states of shape (..., 4, 4), first half leftmost."""
    halves = np.asarray(rho, np.complex128)
    halves = halves.reshape(*halves.shape[:-2], 2, 2, 2, 2)
    return np.ascontiguousarray(np.einsum("...ijkl,aki,blj->...ab", halves, PAULIS, PAULIS).real)


def to_density_matrix(t: npt.ArrayLike) -> Matrix:
    """The states of shape (..., 4, 4) with these correlators: a quarter of the sum of t_ab sigma_a x sigma_b."""
    correlators = np.asarray(t, np.float64)
    rho = np.einsum("...ab,aik,bjl->...ijkl", correlators, PAULIS, PAULIS) / 4
    return np.asarray(rho.reshape(*correlators.shape[:-2], 4, 4), np.complex128)


def of_bell_state(bell: BellState) -> Floats:
    """Shape (4, 4): diagonal, with the eigenvalues (<XX>, <YY>, <ZZ>) of `BellState.correlators`."""
    return np.diag(np.array((1, *bell.correlators), np.float64))


def from_bell_diagonal(vectors: npt.ArrayLike) -> Floats:
    """Of probabilities of the four Bell states, shape (..., 4), in the order of `BELL_STATES`."""
    return np.asarray(np.einsum("...k,kab->...ab", np.asarray(vectors, np.float64), _BELL))


def fidelity(t: npt.ArrayLike, target: BellState = PHI_PLUS) -> Floats:
    """<target| rho |target>: a quarter of the sum of t_ab over the target's own correlators."""
    return np.asarray(np.einsum("...ab,ab->...", np.asarray(t, np.float64), of_bell_state(target)) / 4)


_BELL: Final = np.array([of_bell_state(BellState(z, x)) for z in (0, 1) for x in (0, 1)])


# --- what happens to a half: transfer matrices, shape (..., 4, 4) ---------------------------------------------------


def on_first(t: npt.ArrayLike, transfer: npt.ArrayLike) -> Floats:
    """Send every first half through a channel."""
    return np.asarray(np.asarray(transfer) @ np.asarray(t))


def on_second(t: npt.ArrayLike, transfer: npt.ArrayLike) -> Floats:
    """Send every second half through a channel."""
    return np.asarray(np.asarray(t) @ np.swapaxes(transfer, -1, -2))


def from_unitary(unitary: npt.ArrayLike) -> Floats:
    """Of any gates of one qubit, shape (..., 2, 2): a rotation of the Bloch sphere."""
    matrix = np.asarray(unitary, np.complex128)
    return from_kraus([matrix])


def from_kraus(kraus: Sequence[npt.ArrayLike]) -> Floats:
    """Of Kraus operators of one qubit, each of shape (..., 2, 2), complete (Nielsen & Chuang, section 8.2.3)."""
    operators = np.asarray(kraus, np.complex128)
    images = np.einsum("k...ij,bjl,k...ml->...bim", operators, PAULIS, operators.conj())
    return np.ascontiguousarray(np.einsum("aij,...bji->...ab", PAULIS, images).real / 2)


def pauli(px: npt.ArrayLike, py: npt.ArrayLike, pz: npt.ArrayLike) -> Floats:
    """X, Y and Z with these probabilities: each mean shrinks by twice the chance of what anticommutes with it."""
    x, y, z = (np.asarray(p, np.float64) for p in (px, py, pz))
    return _diagonal(1 - 2 * (y + z), 1 - 2 * (x + z), 1 - 2 * (x + y))


def depolarising(q: npt.ArrayLike) -> Floats:
    """A Pauli that is not the identity with total probability q, each alike (Stim's DEPOLARIZE1)."""
    third = np.asarray(q, np.float64) / 3
    return pauli(third, third, third)


def dephasing(p: npt.ArrayLike) -> Floats:
    """Z with probability p."""
    return pauli(0.0, 0.0, p)


def relaxation(t_ns: npt.ArrayLike, t1_ns: npt.ArrayLike, t2_ns: npt.ArrayLike) -> Floats:
    """Storage for a time: X, Y shrink by exp(-t/T2), Z falls towards +1 (|0>) as exp(-t/T1).

    Infinite T1 or T2 is allowed; T2 <= 2 T1 is not checked here. Source: Nielsen & Chuang, equation 8.136 and
    section 8.3.5 (amplitude damping).
    """
    times = np.asarray(t_ns, np.float64)
    e1, e2 = np.exp(-times / np.asarray(t1_ns)), np.exp(-times / np.asarray(t2_ns))
    transfer = _diagonal(e2, e2, e1)
    transfer[..., 3, 0] = 1 - e1
    return transfer


def _diagonal(x: npt.ArrayLike, y: npt.ArrayLike, z: npt.ArrayLike) -> Floats:
    x, y, z = np.broadcast_arrays(x, y, z)
    transfer = np.zeros((*x.shape, 4, 4))
    for index, value in enumerate((1.0, x, y, z)):
        transfer[..., index, index] = value
    return transfer


# --- measuring: effects, shape (..., 2, 4) --------------------------------------------------------------------------


def effects(axis: npt.ArrayLike, p01: float = 0.0, p10: float = 0.0) -> Floats:
    """Of a measurement along Bloch vectors of shape (..., 3) with readout errors.

    Args:
        axis: Unit vectors; outcome 0 is the eigenvalue +1. `AXES` has those of the Paulis.
        p01: Probability to read 0 where the truth is 1.
        p10: Probability to read 1 where the truth is 0.
    """
    along = np.asarray(axis, np.float64)
    true = np.empty((*along.shape[:-1], 2, 4))
    true[..., 0] = 0.5
    true[..., 0, 1:], true[..., 1, 1:] = along / 2, -along / 2
    return np.array(((1 - p10, p01), (p10, 1 - p01))) @ true


def after(effect: npt.ArrayLike, transfer: npt.ArrayLike) -> Floats:
    """The effects of a measurement before which its qubit goes through a channel (Heisenberg picture)."""
    return np.asarray(np.asarray(effect) @ np.asarray(transfer))


def probabilities(t: npt.ArrayLike, first: npt.ArrayLike, second: npt.ArrayLike) -> Floats:
    """P(a, b), shape (..., 2, 2), of effects of both halves.

    Without errors (1 + (-1)^a t_m0 + (-1)^b t_0n + (-1)^(a+b) t_mn)/4 along m and n.
    """
    return np.asarray(np.asarray(first) @ np.asarray(t) @ np.swapaxes(second, -1, -2))


def marginal(t: npt.ArrayLike, first: npt.ArrayLike) -> Floats:
    """P(a), shape (..., 2), of the first half: whatever is done to the second one does not enter."""
    return np.asarray((np.asarray(first) @ np.asarray(t)[..., :, :1])[..., 0])


def conditional(t: npt.ArrayLike, first: npt.ArrayLike) -> Floats:
    """The means s = (1, <X>, <Y>, <Z>) of the second half after each outcome of the first, shape (..., 2, 4).

    P(b | a) is f_b . s_a. After an outcome that is impossible they are those of I/2.
    """
    joint = np.asarray(first) @ np.asarray(t)
    chance = joint[..., :1]
    possible = chance > 0
    mixed = np.array((1.0, 0.0, 0.0, 0.0))
    return np.where(possible, joint / np.where(possible, chance, 1.0), mixed)


def swapped_ends(t: npt.ArrayLike) -> Floats:
    """The same pairs, named from the other end."""
    return np.swapaxes(t, -1, -2)


# --- swapping and distilling, in expectation ------------------------------------------------------------------------


def bell_effect(outcome: BellState, mixing: float = 0.0, flip: float = 0.0) -> Floats:
    """The effect of reading this outcome of a Bell measurement, as correlators of its two qubits, shape (4, 4).

    Args:
        mixing: Both qubits are replaced by I/4 with this probability after the two-qubit gate.
        flip: Probability that one of the two bits is read wrongly, each by itself.
    """
    right = np.array((1 - flip, flip))
    read = sum(
        right[outcome.z ^ z] * right[outcome.x ^ x] * of_bell_state(BellState(z, x)) for z in (0, 1) for x in (0, 1)
    )
    effect = np.asarray(read, np.float64) * (1 - mixing)
    effect[0, 0] = 1.0
    return effect / 4


def swap(left: npt.ArrayLike, right: npt.ArrayLike, effect: npt.ArrayLike) -> tuple[Floats, Floats]:
    """A Bell measurement on the second half of `left` and the first half of `right`.

    Args:
        effect: Of the outcome that was found, from `bell_effect`.
    Returns:
        The probability of that outcome, and the correlators of the pair of the outer halves, uncorrected.
    """
    joint = np.asarray(left) @ np.asarray(effect) @ np.asarray(right)
    chance = joint[..., 0, 0]
    return chance, joint / chance[..., None, None]


def correct(t: npt.ArrayLike, bell: BellState) -> Floats:
    """Apply X^x, then Z^z, to every second half: what turns this Bell state into Phi+."""
    return np.asarray(t) * _signs(bell)


def _signs(bell: BellState) -> Floats:
    x, z = 1 - 2 * bell.z, 1 - 2 * bell.x
    return np.array((1.0, x, x * z, z))


def swap_corrected(left: npt.ArrayLike, right: npt.ArrayLike, mixing: float = 0.0, flip: float = 0.0) -> Floats:
    """The mean over the four outcomes of `swap`, each corrected by what was read: what a repeater delivers."""
    whole = np.zeros(np.broadcast_shapes(np.shape(left), np.shape(right)))
    for bell in (BellState(z, x) for z in (0, 1) for x in (0, 1)):
        chance, ends = swap(left, right, bell_effect(bell, mixing, flip))
        whole += chance[..., None, None] * correct(ends, bell)
    return whole


# CNOT^dagger (P x K) CNOT for P in I, X, Y, Z at the control and K = I or Z at the target, as (sign, P', K').
_CNOT_IMAGES: Final = {
    0: ((1, 0, 0), (1, 1, 1), (1, 2, 1), (1, 3, 0)),
    3: ((1, 3, 3), (-1, 2, 2), (1, 1, 2), (1, 0, 3)),
}


def bilateral_cnot(
    control: npt.ArrayLike, target: npt.ArrayLike, mixing: float = 0.0, flip: float = 0.0
) -> tuple[Floats, Floats]:
    """Distil: CNOT from one pair to another at both ends, measure the other in Z, keep the first on equal outcomes.

    Args:
        control, target: The pairs.
        mixing: At each end, both qubits are replaced by I/4 with this probability after the gate.
        flip: Probability that an outcome is read wrongly.
    Returns:
        The probability to keep, and the correlators of the control pair then (Bennett et al. 1996).
    """
    first, second = np.asarray(control, np.float64), np.asarray(target, np.float64)
    kept = np.zeros(np.broadcast_shapes(first.shape, second.shape))
    for parity, weight in ((0, 1.0), (3, (1 - 2 * flip) ** 2)):
        signs, controls, targets = (np.array(column) for column in zip(*_CNOT_IMAGES[parity], strict=True))
        survive = np.where(np.arange(4) + parity > 0, 1 - mixing, 1.0)  # all but I x I is lost in I/4
        scale = weight * np.multiply.outer(signs * survive, signs * survive) / 2
        kept += scale * first[..., controls[:, None], controls] * second[..., targets[:, None], targets]
    chance = kept[..., 0, 0].copy()
    return chance, kept / chance[..., None, None]


def dejmps(
    first: npt.ArrayLike, second: npt.ArrayLike, mixing: float = 0.0, flip: float = 0.0
) -> tuple[Floats, Floats]:
    """`bilateral_cnot` after Rx(pi/2) at the first end and Rx(-pi/2) at the second, of both pairs (Deutsch 1996)."""
    one, other = (on_second(on_first(pair, _QUARTER), _BACK) for pair in (first, second))
    return bilateral_cnot(one, other, mixing, flip)


_QUARTER: Final = from_unitary(rx(np.pi / 2))
_BACK: Final = from_unitary(rx(-np.pi / 2))
