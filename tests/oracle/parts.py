"""A program that wants much at one instant."""

from __future__ import annotations

import asyncio

from qnode import Node


async def measuring(node: Node, peer: str) -> list[int]:
    """Many pairs, and all halves measured at one instant."""
    halves = await node.entangle(peer, n=300)
    return list(await asyncio.gather(*(half.measure() for half in halves)))
