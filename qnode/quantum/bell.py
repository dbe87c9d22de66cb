"""The four Bell states and their algebra: two bits (z, x), added by XOR.

`BellState(z, x)` is Z^z X^x on qubit 0 of Phi+ = (|00> + |11>)/sqrt(2), qubit 0 leftmost. It is beta_zx of Nielsen &
Chuang (section 1.3.6), signs included. The same two bits are the outcome of a Bell measurement, the Pauli correction
that brings a pair back to Phi+, and the frame that is still owed: swapping and teleporting only add them.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Pauli(StrEnum):
    """A Pauli axis: the basis of a measurement, or a factor of an observable."""

    X = "x"
    Y = "y"
    Z = "z"


class BellState(NamedTuple):
    """One of the four Bell states; a tuple of two bits that packs, compares and hashes as such.

    Attributes:
        z: 1 if the phase is flipped (the sign between the two terms is minus). First bit of a Bell measurement.
        x: 1 if the bits are flipped (the two qubits differ in the Z basis). Second bit of a Bell measurement.
    """

    z: int
    x: int

    def __xor__(self, other: BellState) -> BellState:
        """Add two frames: what is left after both. A tuple has no `^`, so this replaces nothing (`+` still joins).

        Swapping `left` and `right` with `outcome` leaves the ends in left ^ right ^ outcome.
        """
        return BellState(self.z ^ other.z, self.x ^ other.x)

    @property
    def name(self) -> str:
        """ "Phi+", "Psi+", "Phi-" or "Psi-"."""
        return ("Psi" if self.x else "Phi") + ("-" if self.z else "+")

    @property
    def correlators(self) -> tuple[int, int, int]:
        """The eigenvalues (<XX>, <YY>, <ZZ>), each +1 or -1; their product is always -1."""
        xx, zz = 1 - 2 * self.z, 1 - 2 * self.x
        return xx, -xx * zz, zz

    @property
    def correction(self) -> tuple[str, ...]:
        """The gates, in order, that turn either half of this state's pair to Phi+ (up to a global phase)."""
        return ("x",) * self.x + ("z",) * self.z

    def ket(self) -> NDArray[np.complex128]:
        """The state vector, shape (4,), phase as in Z^z X^x on qubit 0 of Phi+."""
        import numpy as np  # lazy: whoever only adds frames starts without it

        amplitudes = np.zeros(4, np.complex128)
        amplitudes[self.x] = np.sqrt(0.5)
        amplitudes[3 - self.x] = np.sqrt(0.5) * (1 - 2 * self.z)
        return amplitudes


PHI_PLUS: Final = BellState(0, 0)
PSI_PLUS: Final = BellState(0, 1)
PHI_MINUS: Final = BellState(1, 0)
PSI_MINUS: Final = BellState(1, 1)
BELL_STATES: Final = (PHI_PLUS, PSI_PLUS, PHI_MINUS, PSI_MINUS)
