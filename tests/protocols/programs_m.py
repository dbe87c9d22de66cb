"""Programs of nodes that prepare states for each other."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from qnode import Node
from qnode.errors import GenerationTimeout

FOREVER = 1e6


async def prepares(node: Node, peer: str, phi: float, theta: float | None = None) -> None:
    if theta is None:
        await node.prepare(peer, phi)
    else:
        await node.prepare(peer, phi, theta)


async def gets(node: Node, peer: str) -> float:
    """When it came; the qubit is kept until the end of the run."""
    await node.receive_prepared(peer)
    came = asyncio.get_running_loop().time()
    await asyncio.sleep(FOREVER)
    return came


async def prepares_two(node: Node, peer: str, n: int) -> None:
    """With two tags at the same time: |0> and |1>, n times each."""
    async with asyncio.TaskGroup() as tasks:
        for theta, tag in ((0.0, "zero"), (3.141592653589793, "one")):
            tasks.create_task(_prepares(node, peer, theta, tag, n))


async def _prepares(node: Node, peer: str, theta: float, tag: str, n: int) -> None:
    for _ in range(n):
        await node.prepare(peer, 0.0, theta, tag=tag)


async def gets_two(node: Node, peer: str, n: int) -> list[int]:
    found = []
    for tag in ("zero", "one"):
        found += [await (await node.receive_prepared(peer, tag=tag)).measure() for _ in range(n)]
    return found


async def too_late(node: Node, peer: str) -> str:
    """Nobody prepares anything; afterwards entanglement is as it was."""
    with suppress(GenerationTimeout):
        await node.receive_prepared(peer, timeout=0.01)
        return "something came"
    await node.receive(peer)
    return str(await (await node.receive_prepared(peer)).measure())


async def at_last(node: Node, peer: str) -> None:
    await asyncio.sleep(0.1)
    await node.send(peer, "now")
    await node.prepare(peer, 0.0, 3.141592653589793)
