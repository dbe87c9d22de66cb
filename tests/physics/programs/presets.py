"""What nodes of real hardware are asked to do."""

from __future__ import annotations

import asyncio

from qnode import Node


async def sender(node: Node, states: list[str]) -> list[tuple[int, int]]:
    """Teleport each of these states, and return what was read."""
    outcomes = []
    for state in states:
        half = await node.entangle("bob")
        data = node.qubit()
        if state != "0":
            data.h()
        if state == "i":
            data.s()
        data.cnot(half)
        data.h()
        first, second = await node.measure(data, half)
        await node.send("bob", (first, second), about=half)
        outcomes.append((first, second))
    return outcomes


async def receiver(node: Node, n: int) -> None:
    for _ in range(n):
        half = await node.entangle("alice")
        first, second = await node.receive("alice", about=half)
        if second:
            half.x()
        if first:
            half.z()
        await asyncio.sleep(100e-6)  # the gates are over, and the half is kept for a while
        node.mark("received", half)
        await half.measure()


async def storing(node: Node, peer: str, seconds: float) -> None:
    half = await node.entangle(peer)
    await asyncio.sleep(seconds)
    node.mark("stored", half)
    await half.measure()


async def measuring(node: Node, peer: str, n: int, basis: str) -> list[int]:
    return [await (await node.entangle(peer)).measure(basis) for _ in range(n)]
