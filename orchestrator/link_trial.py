"""The program that both ends of a link run when it is tried: make pairs, measure them, tell what came of it."""

from __future__ import annotations

import asyncio
from typing import Final

from qnode.api.node import Node

BASES: Final = "xyz"


async def make_pairs(node: Node, peer: str, n: int) -> tuple[list[int], list[float]]:
    """Share n pairs, one after another, and measure each at once, in X, Y, Z, X, ...

    Returns:
        The outcomes, and the network time at which each half was there, in seconds.
    """
    loop = asyncio.get_running_loop()
    measured, times = [], []
    for nth in range(n):
        half = await node.entangle(peer)
        times.append(loop.time())
        measured.append(node.measure(half, basis=BASES[nth % len(BASES)]))  # outcomes may take; the next pair need not
    return [await outcome for outcome in measured], times
