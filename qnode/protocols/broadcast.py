"""Broadcast: everybody tells everybody else one thing, and knows what all have said.

Protocols of several parties end so: each measures, and what counts is what all outcomes say together.
"""

from __future__ import annotations

import asyncio
from typing import TypeVar

from qnode import Node

T = TypeVar("T")


async def announce(node: Node, said: T, *, everyone: list[str], channel: str = "announced") -> dict[str, T]:
    """Tell all the others, and hear what each of them says. Returns all of it by name, what is said here included."""
    others = [name for name in everyone if name != node.name]
    for name in others:
        await node.send(name, said, channel=channel)
    heard = await asyncio.gather(*(node.receive(name, channel=channel) for name in others))
    return {node.name: said, **dict(zip(others, heard, strict=True))}
