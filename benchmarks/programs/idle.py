"""Nodes that do nothing, until they are told that they have been looked at."""

from __future__ import annotations

import asyncio

from qnode import Node


async def named(node: Node) -> str:
    return node.name


async def waits(node: Node, path: str) -> None:
    async with node.outside():
        reader, writer = await asyncio.open_unix_connection(path)
        await reader.read()
        writer.close()
