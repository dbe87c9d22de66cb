"""Programs for runs that somebody ends from outside."""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress

import numpy as np

from qnode import Node
from qnode.errors import PeerLost

seen: list[str] = []


async def waits(node: Node, path: str) -> None:
    """Says that it is here, and waits until nobody listens any more; for ever, if it has to."""
    async with node.outside():
        reader, writer = await asyncio.open_unix_connection(path)
        await reader.read()
        writer.close()
    await asyncio.Event().wait()


async def waits_for(node: Node, path: str, peer: str) -> None:
    """Says that it is here, and goes on when it has lost somebody."""
    async with node.outside():
        _, writer = await asyncio.open_unix_connection(path)
    with suppress(PeerLost):
        await node.receive(peer)
    writer.close()
    await node.send("bob", peer)


async def listens(node: Node) -> object:
    return await node.receive("alice")


async def spins(node: Node, path: str) -> None:
    """Says that it is here, and never gives way."""
    async with node.outside():
        _, writer = await asyncio.open_unix_connection(path)
        writer.write(b"here")
        await writer.drain()
        while True:
            pass


async def remembers(node: Node) -> list[str]:
    """What earlier runs in this process left behind; `sys` outlives even modules."""
    seen.append(node.name)
    kept: list[str] = sys.__dict__.setdefault("qnode_test_kept", [])
    kept.append(node.name)
    return [*seen, *kept]


async def draws(node: Node, n: int) -> list[object]:
    """Random numbers of every kind that a program may use without a thought."""
    import random

    return [
        [random.getrandbits(1) for _ in range(n)],
        np.random.randint(0, 2, n).tolist(),
        node.rng.integers(0, 2, n).tolist(),
        [random.random(), float(np.random.random()), float(node.rng.random())],
    ]


async def measures(node: Node, n: int) -> list[int]:
    outcomes = []
    for _ in range(n):
        qubit = node.qubit()
        qubit.h()
        outcomes.append(await qubit.measure())
    return outcomes
