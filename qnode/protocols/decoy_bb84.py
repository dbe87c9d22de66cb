"""Decoy-state BB84: a key from weak laser pulses, safe against somebody who splits pulses of several photons.

The sender prepares random bits in random bases, each pulse with one of three intensities that nobody can tell from the
pulse itself. Bits sent and measured in z are the key; those in x are compared and tell of errors. How often each
intensity arrives bounds the share of the key that single photons have carried, the only part that is secret.

Sources: Bennett & Brassard (1984); Lo, Ma & Chen, PRL 94, 230504 (2005); bounds of Ma et al., PRA 72, 012326, eqs. 34,
37 and 42, for keys so long that statistics does not matter.
"""

from __future__ import annotations

from math import exp, log2
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from qnode import Node
from qnode.errors import InvalidOperation

if TYPE_CHECKING:
    import numpy.typing as npt

    Bits = npt.NDArray[np.uint8]

Z, X = 0, 1


class Seen(NamedTuple):
    """Of the pulses of one intensity: how many were sent, how many clicked, how many x bits were compared and wrong."""

    mean: float
    pulses: int
    clicks: int
    compared: int
    wrong: int

    @property
    def gain(self) -> float:
        return self.clicks / max(self.pulses, 1)

    @property
    def error(self) -> float:
        """Of the bits; a half where nothing was compared."""
        return self.wrong / self.compared if self.compared else 0.5


async def send_key(alice: Node, *, to: str, n: int, trains: int, intensities: list[float], shares: list[float]) -> Bits:
    """Be the sender, with signal, decoy and vacuum in this order; `shares` says how often each is sent.

    Returns the sifted key, and records gain and error rate of each intensity and the secret fraction of the key.
    """
    if len(intensities) != 3 or len(shares) != 3 or not intensities[0] > intensities[1] > intensities[2] == 0:
        raise InvalidOperation(
            detail="intensities and shares must be three each, of signal, a weaker decoy and vacuum, which is 0; "
            f"got {intensities} and {shares}"
        )
    if min(shares) < 0 or abs(sum(shares) - 1) > 1e-9:
        raise InvalidOperation(detail=f"shares must be probabilities that add up to 1; got {shares}")
    key: list[Bits] = []
    counts = np.zeros((len(intensities), 4), np.int64)
    for _ in range(trains):
        bits, bases = alice.rng.integers(0, 2, (2, n), dtype=np.uint8)
        levels = alice.rng.choice(len(intensities), n, p=shares).astype(np.uint8)
        await alice.send_pulses(to, bits, bases=bases, intensities=levels)
        clicked, theirs, compared = await alice.receive(to)
        kept = bases[clicked] == theirs
        await alice.send(to, (kept, levels[clicked] == 0))
        in_x = clicked[kept & (theirs == X)]
        wrong = bits[in_x] != compared[kept[theirs == X]]
        of_levels = (levels, levels[clicked], levels[in_x], levels[in_x[wrong]])
        counts += np.array([np.bincount(of, minlength=len(intensities)) for of in of_levels]).T
        key.append(bits[clicked[kept & (theirs == Z) & (levels[clicked] == 0)]])
    signal, decoy, vacuum = (Seen(mean, *map(int, row)) for mean, row in zip(intensities, counts, strict=True))
    alice.record(
        gains=[one.gain for one in (signal, decoy, vacuum)],
        errors=[one.error for one in (signal, decoy, vacuum)],
        secret_fraction=secret_fraction(signal, decoy, vacuum),
    )
    return np.concatenate(key)


async def receive_key(bob: Node, *, sender: str, trains: int) -> Bits:
    """Be the receiver. Returns the sifted key, with the errors that are to be corrected."""
    key: list[Bits] = []
    for _ in range(trains):
        got = await bob.receive_pulses(sender)
        await bob.send(sender, (got.indices, got.bases, got.outcomes[got.bases == X]))
        kept, signal = await bob.receive(sender)
        key.append(got.outcomes[kept & signal & (got.bases == Z)])
    return np.concatenate(key)


def single_photons(signal: Seen, decoy: Seen, vacuum: Seen) -> tuple[float, float]:
    """A lower bound of Y_1, how often single photons click, and an upper bound of how often they are wrong."""
    mu, nu, dark = signal.mean, decoy.mean, vacuum.gain
    most = decoy.gain * exp(nu) - signal.gain * exp(mu) * (nu / mu) ** 2 - (1 - (nu / mu) ** 2) * dark
    clicks = max(0.0, mu / (mu * nu - nu**2) * most)
    if not clicks:
        return 0.0, 0.5
    return clicks, min(0.5, max(0.0, (decoy.error * decoy.gain * exp(nu) - dark / 2) / (clicks * nu)))


def secret_fraction(signal: Seen, decoy: Seen, vacuum: Seen, inefficiency: float = 1.16) -> float:
    """Secret bits for each bit of the sifted key (Gottesman, Lo, Luetkenhaus & Preskill 2004), at least 0.

    `inefficiency`: bits told in error correction for each that Shannon's limit asks for.
    """
    if not signal.gain:
        return 0.0
    clicks, error = single_photons(signal, decoy, vacuum)
    share = clicks * signal.mean * exp(-signal.mean) / signal.gain
    return max(0.0, share * (1 - entropy(error)) - inefficiency * entropy(signal.error))


def entropy(p: float) -> float:
    """Of a coin, in bits."""
    return 0.0 if p in (0.0, 1.0) else -p * log2(p) - (1 - p) * log2(1 - p)
