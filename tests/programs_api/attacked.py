"""Programs that stop half-way until whoever tests them has done something to the processes."""

from __future__ import annotations

import asyncio

from qnode import Node


async def _until_released(node: Node, path: str) -> None:
    async with node.outside():
        reader, writer = await asyncio.open_unix_connection(path)
        await reader.read()
        writer.close()
        await writer.wait_closed()


async def alice(node: Node, path: str) -> list[int]:
    outcomes = []
    for round_number in range(4):
        half = await node.entangle("bob")
        if round_number == 2:
            await _until_released(node, path)
        half.h()
        outcomes.append(await half.measure())
        await node.send("bob", ("outcome", outcomes[-1], b"x" * 100_000), about=half)
    return outcomes


async def bob(node: Node) -> list[int]:
    outcomes = []
    for _ in range(4):
        half = await node.entangle("alice")
        await node.receive("alice", about=half)
        outcomes.append(await half.measure("x"))
    return outcomes


async def waits(node: Node, path: str) -> None:
    await _until_released(node, path)


async def waits_for_ever(node: Node, path: str) -> None:
    await _until_released(node, path)
    await node.receive("bob")


async def listens(node: Node) -> object:
    return await node.receive("alice")
