"""Randomness with names: a draw belongs to a thing, never to the moment at which somebody asked.

Two things with different names are independent, and the order in which messages happen to arrive cannot change any
draw. A restarted node has names of its own, because names contain the incarnation.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

import numpy as np

_KEY_BYTES: Final = 32


def derive_key(seed: int | bytes, *name: str | int) -> bytes:
    """The key of one named thing under a seed or under another key; 32 bytes."""
    root = seed if isinstance(seed, bytes) else repr(seed).encode()
    return blake2b(
        repr(name).encode(), digest_size=_KEY_BYTES, key=blake2b(root, digest_size=_KEY_BYTES).digest()
    ).digest()


class Coins:
    """Uniform numbers in [0, 1), one for each name, from one key.

    The name is text and a count: `coins("measure alice.3", 0)` is the first draw of that measurement.
    """

    __slots__ = ("_keyed",)

    def __init__(self, key: bytes) -> None:
        self._keyed = blake2b(key=key, digest_size=8)

    def __call__(self, name: str, nth: int = 0) -> float:
        digest = self._keyed.copy()
        digest.update(f"{name}/{nth}".encode())
        return (int.from_bytes(digest.digest(), "big") >> 11) * 2.0**-53


def generator(key: bytes) -> np.random.Generator:
    """A NumPy stream that belongs to one key, for arrays."""
    return np.random.Generator(np.random.PCG64DXSM(int.from_bytes(key, "big")))
