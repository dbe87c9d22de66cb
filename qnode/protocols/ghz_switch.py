"""GHZ from a switch: a node in the middle of a star entangles all the others, and keeps nothing.

The switch shares a Bell pair with each of them and fuses its halves, as the inner nodes of a chain do, and then
measures the last one in X. Its outcomes say which nodes have to flip, and whether one of them has to turn the phase. It
is as if a GHZ state of the switch had been teleported: a Werner pair of fidelity F depolarises the qubit of its own
node alone.

Source: Greenberger, Horne & Zeilinger (1989); multi-particle swapping by Bose, Vedral & Knight, PRA 57, 822 (1998).
"""

from __future__ import annotations

import asyncio

from qnode import BellState, Node, Qubit
from qnode.protocols.ghz import fuse


async def switch_ghz(switch: Node, *, leaves: list[str]) -> None:
    """Be the switch: entangle all leaves with each other."""
    halves = await asyncio.gather(*(switch.entangle(leaf) for leaf in leaves))
    first = halves[0]
    flips = [await fuse(first, half) for half in halves[1:]]
    phase = await first.measure("x")
    corrections = [BellState(phase, 0), *(BellState(0, flip) for flip in flips)]
    for leaf, half, correction in zip(leaves, halves, corrections, strict=True):
        await switch.send(leaf, correction, about=half)


async def leaf_of_ghz(node: Node, *, switch: str) -> Qubit:
    """Be one of the others. Returns this node's qubit of the state."""
    mine = await node.entangle(switch)
    mine.correct(await node.receive(switch, about=mine, type=BellState))
    return mine


async def serve_ghz(switch: Node, *, leaves: list[str], n: int) -> None:
    """Entangle all leaves n times."""
    for _ in range(n):
        await switch_ghz(switch, leaves=leaves)


async def measure_ghz(node: Node, *, switch: str, bases: str = "zx") -> list[int]:
    """Get a GHZ state for each basis and measure it there."""
    return [await (await leaf_of_ghz(node, switch=switch)).measure(basis) for basis in bases]
