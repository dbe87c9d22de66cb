"""Programs of which one stands still in the middle of a step, until somebody lets it go on."""

from __future__ import annotations

import asyncio

from qnode import Node


async def alice(node: Node, gate: str) -> list[float]:
    """Has a pair in bob's first life, and another one in his second; in between she waits at the gate."""
    half = await node.entangle("bob", timeout=1e-3)
    await half.measure()
    await asyncio.sleep(2e-3)
    with open(gate, "rb", buffering=0) as stream:  # noqa: ASYNC230  # to stand still is what this is for
        stream.read(1)
    await asyncio.sleep(10e-3)
    half = await node.entangle("bob")
    return [float(await half.measure()), asyncio.get_running_loop().time()]


async def bob(node: Node) -> None:
    while True:
        half = await node.entangle("alice")
        await half.measure()
