"""Programs that print, and end or do not."""

from __future__ import annotations

import asyncio

from qnode import Node


async def forever(node: Node) -> None:
    while True:
        print("still", node.name)
        await asyncio.sleep(1)


async def once(node: Node) -> str:
    print("once", node.name)
    return "done"


async def once_and_fails(node: Node) -> None:
    await once(node)
    raise ValueError("on purpose")
