"""Programs that survive the loss of each other, and say how far they are: alice asks, bob answers."""

from __future__ import annotations

import asyncio
import os
import time
from typing import Final

from qnode import Node
from qnode.errors import PeerLost

EARLY: Final = 10
LONG: Final = 300_000  # bytes; such a message goes from node to node


async def alice(node: Node, n: int = 30, slow: int = -1, gate: str = "") -> list[object]:
    seen: list[object] = []
    print("pid", os.getpid(), flush=True)  # noqa: T201  # whoever runs it waits for that
    for nth in range(n):
        print("asks", nth, flush=True)  # noqa: T201  # whoever runs it waits for that
        if nth == slow:
            time.sleep(0.1)  # noqa: ASYNC251  # so that something can be done to bob before the message is sent
        await node.send("bob", bytes(LONG + nth) if nth % 2 else nth)
        try:
            async with asyncio.timeout(50e-3):
                seen.append(await node.receive("bob"))
        except TimeoutError:
            seen.append("late")
        except PeerLost:
            seen.append("lost")
            print("lost", flush=True)  # noqa: T201  # the same
            while gate and not os.path.exists(gate):  # noqa: ASYNC240  # this holds the clock
                time.sleep(0.01)  # noqa: ASYNC251
            await asyncio.sleep(5e-3)
    return seen


async def bob(node: Node) -> None:
    """As a service."""
    print("pid", os.getpid(), flush=True)  # noqa: T201  # whoever runs it waits for that
    while True:
        asked = await node.receive("alice")
        await node.send("alice", asked if isinstance(asked, int) else len(asked))


async def carol(node: Node, n: int = 30) -> float:
    print("pid", os.getpid(), flush=True)  # noqa: T201  # whoever runs it waits for that
    for _ in range(n):
        await asyncio.sleep(1e-3)
    return float(node.rng.random())


async def keeps_busy(node: Node, n: int) -> int:
    """Ask bob without a pause until carol is lost, but so often at most; how often that was."""
    lost = asyncio.create_task(node.receive("carol"))
    for nth in range(n):
        await node.send("bob", nth)
        await node.receive("bob")
        if nth == EARLY:
            print("busy", flush=True)  # noqa: T201  # whoever runs it waits for that
        if lost.done():
            assert isinstance(lost.exception(), PeerLost)
            return nth
    return n


async def sleeps(node: Node) -> None:
    await asyncio.sleep(1e6)
