"""A program that prints and never ends."""

from __future__ import annotations

import asyncio

from qnode import Node


async def forever(node: Node) -> None:
    while True:
        print("still", node.name)
        await asyncio.sleep(1)
