"""Programs whose runs have a bit of everything that `qnode verify` looks at."""

from __future__ import annotations

import asyncio

from qnode import Node
from qnode.errors import QnodeError


async def asks(node: Node, peer: str, n: int) -> list[int]:
    """Shares pairs with a node far away, does things with qubits of its own, and gives a request up."""
    own = node.qubit()
    own.h()
    outcomes = [await half.measure() for half in await node.entangle(peer, n)]
    await node.send(peer, outcomes)
    try:
        await node.entangle(peer, tag="never", timeout=1e-3)
    except QnodeError:
        own.discard()
    await asyncio.sleep(1e-2)
    return outcomes


async def answers(node: Node, peer: str, n: int) -> bool:
    outcomes = [await half.measure() for half in await node.entangle(peer, n)]
    await asyncio.sleep(1e-2)
    told: list[int] = await node.receive(peer)
    return told == outcomes


async def dies(node: Node) -> None:
    """Is killed, and begins again."""
    await asyncio.sleep(1e-2)


async def wants(node: Node, peer: str, n: int) -> bool:
    """Outcomes, and then pairs that are better than links make them."""
    outcomes = await node.measure_directly(peer, n)
    halves = await node.entangle(peer, n, min_fidelity=0.9)
    await asyncio.sleep(1e-2)
    return len(outcomes) == len([await half.measure() for half in halves])
