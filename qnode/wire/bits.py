"""Outcomes and bases of many measurements as they travel: a bit for an outcome, two for a basis."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from qnode.errors import MalformedMessage

Bits = npt.NDArray[np.uint8]


def pack_outcomes(outcomes: Bits) -> bytes:
    """An array of 0 and 1, the first the highest bit of the first byte."""
    return np.packbits(outcomes).tobytes()


def unpack_outcomes(data: bytes, n: int) -> Bits:
    """n outcomes. Raises MalformedMessage if there are other than so many."""
    if len(data) != (n + 7) // 8:
        raise MalformedMessage(detail=f"{len(data)} bytes are not {n} outcomes")
    return np.unpackbits(np.frombuffer(data, np.uint8), count=n)


def pack_bases(bases: Bits) -> bytes:
    """An array of 0 to 3, the first in the highest bits of the first byte."""
    padded = np.zeros((len(bases) + 3) // 4 * 4, np.uint8)
    padded[: len(bases)] = bases
    four = padded.reshape(-1, 4)
    return (four[:, 0] << 6 | four[:, 1] << 4 | four[:, 2] << 2 | four[:, 3]).tobytes()


def unpack_bases(data: bytes, n: int) -> Bits:
    """n bases. Raises MalformedMessage if there are other than so many."""
    if len(data) != (n + 3) // 4:
        raise MalformedMessage(detail=f"{len(data)} bytes are not {n} bases")
    four = np.frombuffer(data, np.uint8)[:, None] >> np.array((6, 4, 2, 0), np.uint8)
    return (four & 3).astype(np.uint8, copy=False).reshape(-1)[:n]
