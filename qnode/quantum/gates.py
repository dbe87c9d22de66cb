"""Every gate that has a name, one row each: its unitary, its Pauli images, its inverse, its source.

A fact that a row says twice (the unitary, and what it does to Paulis) is compared in the tests. Qubit 0 of a row is
the leftmost tensor factor and the first operand: `cnot` has its control there. Angles are in radians.
"""

from __future__ import annotations

from cmath import exp
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import cos, pi, sin, sqrt
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.complex128]
"""Complex amplitudes: a matrix of shape (2**n, 2**n), or a state vector of shape (2**n,)."""

Params = tuple[float, ...]


def negated(params: Params) -> Params:
    """The parameters of the inverse rotation: every angle backwards."""
    return tuple(-angle for angle in params)


@dataclass(frozen=True, slots=True)
class Gate:
    """One row.

    Attributes:
        name: What programs, messages and logs call it.
        n_qubits: Number of operands.
        n_params: Number of real parameters.
        unitary: From the parameters to the matrix, shape (2**n_qubits, 2**n_qubits).
        inverse: Name of the gate that undoes it.
        source: Where its definition stands.
        pauli_images: P -> U P U^dagger for each one-qubit X and Z, e.g. {"X": "+Z", "Z": "+X"}; None if not Clifford.
        stim: Its name in Stim; None if Stim does not know it.
        inverse_params: From its parameters to those of its inverse.
    """

    name: str
    n_qubits: int
    n_params: int
    unitary: Callable[..., Matrix]
    inverse: str
    source: str
    pauli_images: Mapping[str, str] | None = None
    stim: str | None = None
    inverse_params: Callable[[Params], Params] = negated


def rx(theta: float) -> Matrix:
    """exp(-i theta X / 2)."""
    c, s = cos(theta / 2), sin(theta / 2)
    return np.array(((c, -1j * s), (-1j * s, c)), np.complex128)


def ry(theta: float) -> Matrix:
    """exp(-i theta Y / 2)."""
    c, s = cos(theta / 2), sin(theta / 2)
    return np.array(((c, -s), (s, c)), np.complex128)


def rz(theta: float) -> Matrix:
    """exp(-i theta Z / 2)."""
    return np.array(((exp(-0.5j * theta), 0), (0, exp(0.5j * theta))), np.complex128)


def u(theta: float, phi: float, lam: float) -> Matrix:
    """e^(i theta/2) times [[cos, -e^(i lam) sin], [e^(i phi) sin, e^(i (phi+lam)) cos]] of theta/2 (OpenQASM 3)."""
    c, s, phase = cos(theta / 2), sin(theta / 2), exp(0.5j * theta)
    rows = ((c, -exp(1j * lam) * s), (exp(1j * phi) * s, exp(1j * (phi + lam)) * c))
    return phase * np.array(rows, np.complex128)


def _fixed(*rows: tuple[complex, ...], scale: float = 1.0) -> Callable[[], Matrix]:
    matrix = scale * np.array(rows, np.complex128)
    return matrix.copy


_R: Final = sqrt(0.5)
_NC = "Nielsen & Chuang, section 4.2"
_NC2 = "Nielsen & Chuang, section 4.3"
_QASM = "OpenQASM 3 specification, Gates: built-in gates"

_T: Final = exp(0.25j * pi)

_ROWS = (
    Gate("x", 1, 0, _fixed((0, 1), (1, 0)), "x", _NC, {"X": "+X", "Z": "-Z"}, "X"),
    Gate("y", 1, 0, _fixed((0, -1j), (1j, 0)), "y", _NC, {"X": "-X", "Z": "-Z"}, "Y"),
    Gate("z", 1, 0, _fixed((1, 0), (0, -1)), "z", _NC, {"X": "-X", "Z": "+Z"}, "Z"),
    Gate("h", 1, 0, _fixed((1, 1), (1, -1), scale=_R), "h", _NC, {"X": "+Z", "Z": "+X"}, "H"),
    Gate("s", 1, 0, _fixed((1, 0), (0, 1j)), "sdg", _NC, {"X": "+Y", "Z": "+Z"}, "S"),
    Gate("sdg", 1, 0, _fixed((1, 0), (0, -1j)), "s", _NC, {"X": "-Y", "Z": "+Z"}, "S_DAG"),
    Gate("t", 1, 0, _fixed((1, 0), (0, _T)), "tdg", _NC),
    Gate("tdg", 1, 0, _fixed((1, 0), (0, _T.conjugate())), "t", _NC),
    Gate(
        "sx", 1, 0, _fixed((1 + 1j, 1 - 1j), (1 - 1j, 1 + 1j), scale=0.5), "sxdg",
        "OpenQASM 3 standard library: sx, the square root of X", {"X": "+X", "Z": "-Y"}, "SQRT_X",
    ),
    Gate(
        "sxdg", 1, 0, _fixed((1 - 1j, 1 + 1j), (1 + 1j, 1 - 1j), scale=0.5), "sx",
        "The inverse of sx", {"X": "+X", "Z": "+Y"}, "SQRT_X_DAG",
    ),
    Gate("rx", 1, 1, rx, "rx", _NC),
    Gate("ry", 1, 1, ry, "ry", _NC),
    Gate("rz", 1, 1, rz, "rz", _NC),
    Gate("u", 1, 3, u, "u", _QASM, inverse_params=lambda angles: (-angles[0], -angles[2], -angles[1])),
    Gate(
        "cnot", 2, 0, _fixed((1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 0, 1), (0, 0, 1, 0)), "cnot",
        _NC2, {"XI": "+XX", "ZI": "+ZI", "IX": "+IX", "IZ": "+ZZ"}, "CNOT",
    ),
    Gate(
        "cz", 2, 0, _fixed((1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, -1)), "cz",
        _NC2, {"XI": "+XZ", "ZI": "+ZI", "IX": "+ZX", "IZ": "+IZ"}, "CZ",
    ),
    Gate(
        "swap", 2, 0, _fixed((1, 0, 0, 0), (0, 0, 1, 0), (0, 1, 0, 0), (0, 0, 0, 1)), "swap",
        _NC2, {"XI": "+IX", "ZI": "+IZ", "IX": "+XI", "IZ": "+ZI"}, "SWAP",
    ),
)  # fmt: skip

GATES: Final[Mapping[str, Gate]] = MappingProxyType({gate.name: gate for gate in _ROWS})
"""Every gate by name; read-only."""
