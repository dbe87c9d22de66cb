"""Bases of many measurements, as programs give them and as they travel."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from qnode.core.machine import Bases
from qnode.errors import InvalidOperation
from qnode.wire.bits import pack_bases

LETTERS: Final = "xyz"


def packed_bases(given: npt.ArrayLike, n: int) -> Bases:
    """One basis for all of n pairs, or one for each.

    Args:
        given: A letter x, y or z, or an array of shape (n,) of letters, or of 0, 1, 2 for x, y, z.
    Raises:
        InvalidOperation: If it is anything else.
    """
    if isinstance(given, str):
        if given.lower() not in tuple(LETTERS):
            raise InvalidOperation(detail=f"{given!r} is no basis; use Pauli.X, Pauli.Y or Pauli.Z")
        return given.lower(), b""
    array = np.asarray(given)
    if array.shape != (n,):
        raise InvalidOperation(detail=f"{n} pairs need bases of shape ({n},), not {array.shape}")
    if array.dtype.kind == "U" and array.itemsize == 4:
        numbers = (array.view(np.uint32) | 0x20) - ord("x")  # both cases; below x it wraps round to a large number
    elif array.dtype.kind in "iu":
        numbers = array
    else:
        raise InvalidOperation(detail=f"bases are letters x, y, z or numbers 0, 1, 2, not {array.dtype}")
    if not ((numbers >= 0) & (numbers < len(LETTERS))).all():
        raise InvalidOperation(detail="bases are letters x, y, z or numbers 0, 1, 2; there is another one among them")
    return "", pack_bases(numbers.astype(np.uint8))
