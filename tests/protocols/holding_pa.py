"""Programs that keep what they have got, for somebody to look at."""

from __future__ import annotations

import asyncio

from qnode import Node, Qubit

FOREVER = 1e6


async def keep(*qubits: Qubit) -> None:
    """Hold qubits until the run is stopped."""
    await asyncio.sleep(FOREVER)


async def holds(node: Node, peer: str, frame: tuple[int, int] = (0, 0)) -> None:
    """Keep a half of a pair, which is turned to a Bell state at this end."""
    half = await node.entangle(peer)
    half.correct(frame)
    await keep(half)
