"""Programs that are gone through by hand."""

from __future__ import annotations

import asyncio
import random
import time
from itertools import pairwise

import numpy as np

from qnode import Node


async def giver(node: Node, to: str) -> int:
    """Entangle, wait, turn a local qubit, tell a number, measure after a while."""
    half = await node.entangle(to)
    alone = node.qubit()
    alone.h()
    await asyncio.sleep(10e-6)
    await node.send(to, 1)
    await node.send(to, 2)
    await asyncio.sleep(10e-6)
    alone.discard()
    return await half.measure()


async def taker(node: Node, of: str) -> list[int]:
    """Numbers as they come, then the outcome and the microsecond at which all was there."""
    half = await node.entangle(of)
    numbers = [await node.receive(of), await node.receive(of)]
    outcome = await half.measure()
    return [*numbers, outcome, round(asyncio.get_running_loop().time() * 1e6)]


async def drawing(node: Node) -> tuple[float, float]:
    """What the module-level generators give."""
    await asyncio.sleep(1e-6)
    return random.random(), float(np.random.random())


async def failing(node: Node) -> None:
    await asyncio.sleep(1e-6)
    raise RuntimeError("on purpose")


async def marking(node: Node, to: str) -> None:
    """Mark a qubit of one's own, and half of a pair."""
    own = node.qubit()
    own.h()
    if node.name == "alice":
        node.mark("plus", own)
    half = await node.entangle(to)
    node.mark("half", half)
    await asyncio.sleep(1e-6)  # both are there when the other is marked


async def ticking(node: Node) -> None:
    """A qubit of one's own, and many instants."""
    await asyncio.sleep(1e-6)
    node.qubit()
    for _ in range(2_000):
        await asyncio.sleep(1e-6)


async def listening(node: Node) -> None:
    """Wait for somebody who never comes."""
    server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1")
    async with server:
        await server.serve_forever()


async def large(node: Node) -> None:
    """A joint state of 22 qubits that is no stabilizer state: 64 MiB, and the names."""
    qubits = node.qubits(22)
    for qubit in qubits:
        qubit.ry(0.3)
    for one, other in pairwise(qubits):
        one.cnot(other)
    await asyncio.sleep(2e-6)


async def telling(node: Node) -> int:
    """Say something, and return; whoever else is there thinks for long."""
    await asyncio.sleep(1e-6)
    node.record(said=1)
    return 5


async def thinking(node: Node, of_wall_s: float) -> None:
    """At the same instant, a long computation."""
    await asyncio.sleep(1e-6)
    time.sleep(of_wall_s)  # noqa: ASYNC251  a computation, as the network sees it


async def returning(node: Node) -> bytes:
    """As much as a result may be."""
    return bytes(30 * 2**20)
