"""Programs that use all that a recovery must bring back: pairs, gates, messages long and short, timers, executors."""

from __future__ import annotations

import asyncio

from qnode import Node

LONG = 70_000  # bytes; such a message goes from node to node


async def alice(node: Node, n: int = 60) -> list[int]:
    found = []
    for nth in range(n):
        own, half = node.qubit(), await node.entangle("bob")
        own.ry(0.1 * nth)
        own.cnot(half)
        outcome = await own.measure() + 2 * await half.measure()
        await node.send("bob", (nth, outcome))
        if nth % 10 == 3:
            await node.send("bob", bytes([nth % 256]) * LONG, channel="long")
        if nth % 10 == 5:
            outcome += 4 * await asyncio.to_thread(pow, nth, 2)
        if nth % 10 == 7:
            await asyncio.sleep(float(node.rng.uniform(1e-6, 1e-3)))
        found.append(outcome)
    return found


async def bob(node: Node, n: int = 60) -> list[int]:
    found = []
    for nth in range(n):
        half = await node.entangle("alice")
        half.t()
        half.h()
        told, outcome = await node.receive("alice")
        assert told == nth
        if nth % 10 == 3:
            assert await node.receive("alice", channel="long") == bytes([nth % 256]) * LONG
        node.record(last=outcome)
        found.append(outcome + 4 * await half.measure())
    return found


async def goes_its_own_way(node: Node, path: str, n: int = 60) -> int:
    """What it does depends on a file: another life of it does something else."""
    with open(path) as file:  # noqa: ASYNC230  # that is what must not be done
        life = file.read()
    for _ in range(n):
        await node.send("bob", life)
        await asyncio.sleep(1e-3)
    return n


async def listens(node: Node, n: int = 60) -> int:
    for _ in range(n):
        await node.receive("alice")
    return n


async def returns_what_no_record_holds(node: Node, n: int = 60) -> int:
    for _ in range(n):
        await asyncio.to_thread(object)
        await node.send("bob", "x")
        await asyncio.sleep(1e-3)
    return n
