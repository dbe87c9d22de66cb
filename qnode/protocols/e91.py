"""E91: a key out of Bell pairs, and Bell's theorem as the proof that nobody has listened.

Each end measures each half at one of three angles, at random. The two ends have two angles in common, and where they
meet in these their outcomes are equal: that is the key, 2/9 of the pairs. Another 4/9 test the CHSH inequality: what
reaches S = 2 sqrt(2) was nobody's knowledge before; a half that somebody has measured on its way brings S below 2.

Sources: Ekert, Phys. Rev. Lett. 67, 661 (1991), with the angles of Bloch's sphere, twice those of polarisers;
Hoeffding, J. Am. Stat. Assoc. 58, 13 (1963), for how far a mean of m outcomes may be from what it stands for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from math import log, pi, sqrt
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from qnode import Node, Qubit
from qnode.protocols.arguments import number
from qnode.protocols.sharing import first_halves, second_halves

if TYPE_CHECKING:
    import numpy.typing as npt

    Numbers = npt.NDArray[np.int_]

ALICE_ANGLES = (0.0, pi / 4, pi / 2)
BOB_ANGLES = (pi / 4, pi / 2, 3 * pi / 4)
KEY = {(1, 0), (2, 1)}  # numbers of alice's and of bob's angle where these are the same
CHSH = {(0, 0): 1, (0, 2): -1, (2, 0): 1, (2, 2): 1}  # those of the four correlations, with their signs in S


class Rounds(NamedTuple):
    """Settings of both ends and whether their outcomes differed, where they were told; and the bits of the others."""

    alice: Numbers
    bob: Numbers
    differed: Numbers
    key: list[int]


async def first_key(alice: Node, *, bob: str, n: int, trains: int, eps: float = 0.01, over: str = "") -> list[int]:
    """Be alice. Returns the key: nothing, if S might be 2 or less.

    Args:
        n: Pairs made at a time.
        eps: How probable it may be, for each of the four correlations, that by chance it looks so much stronger.
        over: The neighbour to whom bob's halves are handed, if the pairs are alice's own and not the link's.
    """
    number("eps", eps, 1e-300, 1)
    trials = []
    for _ in range(trains):
        mine, outcomes = await measured(alice, await first_halves(alice, n, peer=bob, over=over), ALICE_ANGLES)
        theirs = await alice.receive(bob)  # first: before bob has measured, nobody may know her angles
        await alice.send(bob, mine)
        trials.append(await _told(alice, mine, theirs, outcomes, bob))
    key, s = _key(trials, eps)
    alice.record(S=s, key_bits=len(key))
    return key


async def second_key(bob: Node, *, alice: str, n: int, trains: int, eps: float = 0.01, over: str = "") -> list[int]:
    """Be bob; `over` is the neighbour who hands the halves on, if they are not the link's."""
    trials = []
    for _ in range(trains):
        mine, outcomes = await measured(bob, await second_halves(bob, n, peer=alice, over=over), BOB_ANGLES)
        await bob.send(alice, mine)
        trials.append(await _told(bob, await bob.receive(alice), mine, outcomes, alice))
    return _key(trials, eps)[0]


async def measured(node: Node, halves: list[Qubit], angles: Sequence[float]) -> tuple[Numbers, Numbers]:
    """Measure each half at one of the angles, at random. Returns which, and the outcomes."""
    settings = node.rng.integers(0, len(angles), len(halves))
    for half, setting in zip(halves, settings, strict=True):
        half.ry(-angles[setting])
    return settings, np.array(await asyncio.gather(*(half.measure() for half in halves)))


async def _told(node: Node, alice: Numbers, bob: Numbers, outcomes: Numbers, peer: str) -> Rounds:
    """Tell each other all outcomes but those of the key."""
    secret = np.array([pair in KEY for pair in zip(alice.tolist(), bob.tolist(), strict=True)])
    await node.send(peer, outcomes[~secret])
    theirs = await node.receive(peer)
    return Rounds(alice[~secret], bob[~secret], outcomes[~secret] ^ theirs, outcomes[secret].tolist())


def _key(trials: list[Rounds], eps: float) -> tuple[list[int], float]:
    """The key, if there is one, and S."""
    alice, bob, differed = (np.concatenate(parts) for parts in list(zip(*trials, strict=True))[:3])
    s, m = chsh(alice, bob, differed)
    return [bit for rounds in trials for bit in rounds.key] if is_violated(s, m, eps) else [], s


def chsh(alice: Numbers, bob: Numbers, differed: Numbers) -> tuple[float, int]:
    """S of settings and differences, and how often the rarest of its four pairs of settings was measured."""
    found = {pair: differed[(alice == pair[0]) & (bob == pair[1])] for pair in CHSH}
    s = sum(sign * (1 - 2 * np.mean(found[pair])) for pair, sign in CHSH.items() if len(found[pair]))
    return float(s), min(map(len, found.values()))


def is_violated(s: float, m: int, eps: float) -> bool:
    """Whether S is above 2, and no accident: each of four means of m outcomes may be off by sqrt(2 ln(1/eps)/m)."""
    return m > 0 and s - 4 * sqrt(2 * log(1 / eps) / m) > 2
