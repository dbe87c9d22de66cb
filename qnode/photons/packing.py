"""Trains and clicks as bytes: what travels is one array, never an object for each pulse."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from qnode.errors import InvalidOperation
from qnode.photons.detection import N_BASES, Codes
from qnode.photons.hardware import MOST_CLASSES

MOST_PULSES: Final = 2**24
"""Of one train: so that all that is told of it fits into a frame, even if every pulse makes a click."""

CLICKED: Final = 0x80  # bits of one byte that tells of a click: there is one,
OUTCOME: Final = 1  # the outcome, the basis times 2,
DOUBLE: Final = 8  # and whether both detectors clicked
_SPARSE: Final = 5  # bytes of a click, if only clicks are told of


def array_of(values: npt.ArrayLike, what: str, n: int | None, limit: int) -> npt.NDArray[np.uint8]:
    """Values below a limit as uint8, one for each of n pulses; one number is meant for all of them.

    Raises:
        InvalidOperation: If they are something else.
    """
    try:
        found = np.asarray(values)
        if found.dtype != np.uint8:
            exact = found.astype(np.int64)
            if not (np.array_equal(exact, found) and ((exact >= 0) & (exact <= 255)).all()):
                raise InvalidOperation(detail=f"{what} must be whole numbers from 0 to {limit - 1}")
            found = exact.astype(np.uint8)
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidOperation(detail=f"{what} must be an array of whole numbers: {error}") from None
    if found.ndim == 0 and n is not None:
        found = np.broadcast_to(found, (n,))
    if found.ndim != 1:
        raise InvalidOperation(detail=f"{what} must be one-dimensional, one for each pulse; got shape {found.shape}")
    if n is not None and len(found) != n:
        raise InvalidOperation(detail=f"there are {n} pulses, and {len(found)} {what}")
    if len(found) and int(found.max()) >= limit:
        raise InvalidOperation(detail=f"{what} must be from 0 to {limit - 1}; one is {int(found.max())}")
    return found


def bases_of(bases: Any, what: str, n: int | None) -> npt.NDArray[np.uint8]:
    """Bases as 0, 1, 2 for z, x, y; from such an array, or one letter for all."""
    if isinstance(bases, str):
        if len(bases) != 1 or bases.lower() not in "zxy":
            raise InvalidOperation(
                detail=f"{what}: {bases!r} is no basis; use 'z', 'x', 'y', or 0, 1, 2 for each pulse"
            )
        bases = "zxy".index(bases.lower())
    return array_of(bases, what, n, N_BASES)


def codes_of(bits: npt.ArrayLike, bases: Any, intensities: npt.ArrayLike) -> Codes:
    """One byte for each pulse. Raises InvalidOperation for what does not fit together."""
    bit = array_of(bits, "bits", None, 2)
    basis = bases_of(bases, "bases", len(bit))
    level = array_of(intensities, "intensities", len(bit), MOST_CLASSES)
    codes: Codes = np.left_shift(level, 2)
    codes |= basis
    codes <<= 1
    codes |= bit
    return codes


def codes_from(data: bytes) -> Codes:
    """Raises InvalidOperation for what are no codes."""
    codes = np.frombuffer(data, np.uint8)
    if len(codes) and int((codes & 6).max()) > 2 * (N_BASES - 1):
        raise InvalidOperation(detail="a pulse is prepared in no basis that there is")
    return codes


def pack_clicks(gates: npt.NDArray[Any], marks: npt.NDArray[np.uint8], n: int) -> tuple[bool, bytes]:
    """The marks of all n gates, or the gates that clicked and then their marks: whichever is shorter (True: that)."""
    if len(gates) * _SPARSE < n:
        return True, gates.astype("<u4").tobytes() + marks.tobytes()
    dense = np.zeros(n, np.uint8)
    dense[gates] = marks
    return False, dense.tobytes()


def unpack_clicks(sparse: bool, data: bytes) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8]]:
    """Gates, ascending, and their marks."""
    if not sparse:
        dense = np.frombuffer(data, np.uint8)
        gates = np.flatnonzero(dense)
        return gates, dense[gates]
    n = len(data) // _SPARSE
    return np.frombuffer(data, "<u4", n).astype(np.int64), np.frombuffer(data, np.uint8, n, 4 * n)
