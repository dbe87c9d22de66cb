"""Which unitaries are Clifford, exactly: the bridge between matrices and Stim's tableaus.

Every column of a Clifford unitary is a stabilizer state: up to one global phase, its entries are 0, 1, i, -1 or -i
times one power of 1/sqrt(2) (Dehaene & De Moor 2003, theorem 3). So we round to that form first and demand that
rounding moved no entry by more than 1e-12; only then is Stim asked, with a matrix that has no error left.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import log2
from typing import Final

import numpy as np
import stim

from qnode.quantum.gates import Matrix

EXACT: Final = 1e-12
"""How far a unitary may be from a Clifford one, entry by entry, and still be it."""


class Clifford:
    """A Clifford operation on a few qubits; one- and two-qubit ones exist once each, so identity is equality."""

    __slots__ = ("n_qubits", "tableau")
    _known: Final[dict[str, Clifford]] = {}

    def __init__(self, tableau: stim.Tableau) -> None:
        self.tableau = tableau
        self.n_qubits = len(tableau)

    @classmethod
    def of(cls, tableau: stim.Tableau) -> Clifford:
        """The one object for this tableau (24 exist on one qubit, 11520 on two; larger ones are not kept)."""
        if len(tableau) > 2:
            return cls(tableau)
        return cls._known.setdefault(str(tableau), cls(tableau))


def from_images(images: Mapping[str, str]) -> stim.Tableau:
    """The tableau that maps Paulis as a row of `GATES` says, e.g. {"X": "+Z", "Z": "+X"}."""
    n_qubits = len(next(iter(images)))
    sites = [["I"] * k + ["{}"] + ["I"] * (n_qubits - k - 1) for k in range(n_qubits)]
    xs, zs = (
        [stim.PauliString(images["".join(site).format(letter)]) for site in sites] for letter in ("X", "Z")
    )  # fmt: skip
    return stim.Tableau.from_conjugated_generators(xs=xs, zs=zs)


def from_unitary(unitary: Matrix) -> stim.Tableau | None:
    """The tableau of a unitary matrix, or None if it is not Clifford within `EXACT`.

    Args:
        unitary: Shape (2**n, 2**n), qubit 0 leftmost; known to be unitary.
    """
    corner = unitary.item(0)
    weight = corner.real**2 + corner.imag**2
    if weight > EXACT and abs(log2(weight) - round(log2(weight))) > 1e-9:
        return None  # most rotations end here, without any array arithmetic
    exact = rounded(unitary)
    if exact is None:
        return None
    try:
        return stim.Tableau.from_unitary_matrix(exact, endian="big")
    except ValueError:
        return None


def rounded(amplitudes: Matrix) -> Matrix | None:
    """The amplitudes with entries exactly 0, +-1 or +-i times one scale, the first not zero being positive.

    Args:
        amplitudes: A unitary matrix, or a normalised state vector; only a global phase is changed.
    Returns:
        None if some entry is further than `EXACT` from that form.
    """
    column = amplitudes if amplitudes.ndim == 1 else amplitudes[:, 0]
    modulus = np.abs(column)
    first = int(np.argmax(modulus > modulus.max() / 2))
    halvings = round(-2 * log2(float(modulus[first])))
    scale = 2.0 ** (-halvings / 2)
    turned = amplitudes * (np.conj(column[first]) / modulus[first])
    digits = np.round(turned / scale)
    off_axis = bool(np.any((digits.real != 0) & (digits.imag != 0)))
    if off_axis or float(np.max(np.abs(turned - digits * scale))) > EXACT:
        return None
    return np.asarray(digits * scale, np.complex128)


def state_vector(tableau: stim.Tableau) -> Matrix:
    """The state that a tableau makes of |0...0>, shape (2**n,), to double precision (Stim's own is single)."""
    coarse = np.asarray(tableau.to_state_vector(endian="big"), np.complex128)
    size = np.abs(coarse)
    first = int(np.argmax(size > size.max() / 2))
    digits = np.round(coarse / coarse[first])
    return np.asarray(digits / np.sqrt(np.count_nonzero(digits)), np.complex128)
