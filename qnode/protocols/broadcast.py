"""Broadcast: everybody tells everybody else one thing, and knows what all have said.

Protocols of several parties end so: each measures, and what counts is what all outcomes say together. Sometimes it is
all that may be known: `anonymous_parity` adds up bits without telling whose they are.

Sources: Chaum, J. Cryptology 1, 65 (1988), the dining cryptographers; Broadbent & Tapp, ASIACRYPT 2007.
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


async def anonymous_parity(node: Node, bit: int, *, everyone: list[str]) -> int:
    """Whether an odd number of nodes have a 1. Which of two nodes has it, not even all the others learn together.

    Each turns its bit with a coin for each of the others, who is told it and turns his with it as well: in the sum of
    what all announce, every coin is there twice. Messages between two nodes are nobody else's to read.
    """
    others = [name for name in everyone if name != node.name]
    coins: list[int] = node.rng.integers(0, 2, len(others)).tolist()
    for name, coin in zip(others, coins, strict=True):
        await node.send(name, coin, channel="coins")
    theirs = [await node.receive(name, channel="coins", type=int) for name in others]
    said = await announce(node, (bit + sum(coins) + sum(theirs)) % 2, everyone=everyone)
    return sum(said.values()) % 2
