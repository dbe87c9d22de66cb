"""Comparing: two nodes show each other some of their bits, to learn how many of the others differ.

Which bits are shown is drawn at random once all of them have been measured, so that whoever has listened could not
spare just these. Each of them is wrong with the same probability as those that stay secret: of k bits at an error rate
q, all are right with (1-q)^k. What was shown is thrown away.

Source: Bennett et al., J. Cryptology 5, 3 (1992).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from qnode import Node
from qnode.protocols.arguments import number

if TYPE_CHECKING:
    import numpy.typing as npt

LIMIT = 0.11
"""The error rate from which on nothing secret is left of a BB84 key (Shor & Preskill, PRL 85, 441, 2000)."""


class Compared(NamedTuple):
    """What came of it: how many bits were shown, how many of them were wrong, and the bits that stay secret."""

    shown: int
    wrong: int
    rest: list[int]

    @property
    def error_rate(self) -> float:
        return self.wrong / max(self.shown, 1)

    def key(self, limit: float = LIMIT) -> list[int]:
        """The bits that stay secret; none if too many of the others were wrong."""
        return self.rest if self.error_rate <= limit else []


async def choose_and_compare(alice: Node, bits: Sequence[int], *, peer: str, n: int) -> Compared:
    """Be the one who draws which n bits are shown; all of them, if there are fewer."""
    number("n, how many bits are shown,", n, 0, whole=True)
    shown = alice.rng.permutation(len(bits))[:n]
    await alice.send(peer, shown, channel="compare")
    return await _compare(alice, bits, shown, peer)


async def compare(bob: Node, bits: Sequence[int], *, peer: str) -> Compared:
    """Be the other one."""
    return await _compare(bob, bits, await bob.receive(peer, channel="compare"), peer)


async def _compare(node: Node, bits: Sequence[int], shown: npt.NDArray[np.integer[Any]], peer: str) -> Compared:
    all_bits = np.asarray(bits, np.uint8)
    await node.send(peer, all_bits[shown], channel="compare")
    theirs = await node.receive(peer, channel="compare")
    wrong = int((all_bits[shown] != theirs).sum())
    return Compared(len(shown), wrong, np.delete(all_bits, shown).tolist())
