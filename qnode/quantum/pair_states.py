"""A state of two qubits as a source makes it: a mixture, taken apart into states that a sampled formalism can hold.

Which pure states a mixture consists of is a matter of choice (Nielsen & Chuang, theorem 2.6): Bell states if they do,
else Bell states and product states, all of which are stabilizer states, and eigenvectors only where nothing simpler is.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from qnode.errors import ConfigError
from qnode.quantum.bell import BELL_STATES
from qnode.quantum.gates import Matrix
from qnode.quantum.small_states import EIGENSTATES, PAIRS, SmallState

EXACT: Final = 1e-12
"""What is smaller, entry by entry, is a rounding error."""

PHYSICAL: Final = 1e-9
"""How far a matrix that is given may be from a density matrix."""


class Piece(NamedTuple):
    """A pure state with its probability: a stabilizer state, or amplitudes of shape (4,)."""

    probability: float
    stabilizer: SmallState | None
    amplitudes: Matrix


class PairState:
    """A state of two qubits.

    Attributes:
        rho: Shape (4, 4), the first qubit leftmost.
        bell_diagonal: The probabilities of the Bell states, shape (4,), in the order of `BELL_STATES`; None if it is no
            mixture of them.
        pieces: Pure states that make it, the likeliest first.
    """

    def __init__(self, rho: Matrix) -> None:
        self.rho = rho
        self.rho.setflags(write=False)
        self.bell_diagonal = _bell_diagonal(rho)
        found = [piece for piece in _pieces(rho, self.bell_diagonal) if piece.probability > EXACT]
        self.pieces = tuple(sorted(found, key=lambda piece: -piece.probability))

    def drawn(self, draw: float) -> Piece:
        """The piece that a draw in [0, 1) selects."""
        for piece in self.pieces:
            if draw < piece.probability:
                return piece
            draw -= piece.probability
        return self.pieces[0]


@lru_cache(maxsize=256)
def pair_state(data: bytes) -> PairState:
    """The state of a density matrix as complex128 bytes, row by row. Raises ConfigError if it is none."""
    if len(data) != 256:
        raise ConfigError(place="pair state", detail=f"a state of two qubits has 256 bytes, not {len(data)}")
    rho = np.frombuffer(data, np.complex128).reshape(4, 4)
    if not np.isfinite(rho).all() or abs(np.trace(rho) - 1) > PHYSICAL or np.abs(rho - rho.conj().T).max() > PHYSICAL:
        raise ConfigError(place="pair state", detail="a density matrix is Hermitian and has trace 1")
    if np.linalg.eigvalsh(rho).min() < -PHYSICAL:
        raise ConfigError(place="pair state", detail="a density matrix has no negative eigenvalue")
    return PairState((rho + rho.conj().T) / 2)


def _bell_diagonal(rho: Matrix) -> npt.NDArray[np.float64] | None:
    basis = np.array([bell.ket() for bell in BELL_STATES])
    in_bell = basis.conj() @ rho @ basis.T
    weights = np.diag(in_bell).real
    if np.abs(in_bell - np.diag(np.diag(in_bell))).max() >= EXACT:
        return None
    return np.asarray(np.maximum(weights, 0) / np.maximum(weights, 0).sum())


def _pieces(rho: Matrix, bell_diagonal: npt.NDArray[np.float64] | None) -> Iterator[Piece]:
    if bell_diagonal is not None:
        for bell, weight in zip(BELL_STATES, bell_diagonal.tolist(), strict=True):
            yield Piece(weight, PAIRS[bell], bell.ket())
    elif (found := _x_state(rho)) is not None:
        yield from found
    else:
        weights, vectors = np.linalg.eigh(rho)
        for weight, vector in zip(weights.tolist(), vectors.T, strict=True):
            yield Piece(weight, None, np.ascontiguousarray(vector))


def _x_state(rho: Matrix) -> list[Piece] | None:
    """Bell states for real coherences between |00> and |11> and between |01> and |10>, and products for the rest."""
    rest = np.diag(rho).real.copy()
    others = rho - np.diag(np.diag(rho))
    pieces = []
    for low, high, x in ((0, 3, 0), (1, 2, 1)):
        coherence = rho[low, high]
        others[low, high] = others[high, low] = 0
        size = abs(coherence.real)
        rest[low] -= size
        rest[high] -= size
        bell = BELL_STATES[x + 2 * (coherence.real < 0)]
        pieces.append(Piece(2 * float(size), PAIRS[bell], bell.ket()))
        if abs(coherence.imag) > EXACT:
            return None
    if np.abs(others).max() > EXACT or rest.min() < -EXACT:
        return None
    for index, weight in enumerate(rest.tolist()):
        product = EIGENSTATES["z", index >> 1].times(EIGENSTATES["z", index & 1])
        pieces.append(Piece(weight, product, np.eye(4, dtype=np.complex128)[index]))
    return pieces
