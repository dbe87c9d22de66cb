"""Programs that ask for pairs of a fidelity."""

from __future__ import annotations

import asyncio

from qnode import Node
from qnode.errors import FidelityUnreachable


async def end(node: Node, peer: str, n: int = 1, min_fidelity: float = 0.0) -> list[float | None]:
    """Take pairs one after the other; what each was said to be when it came."""
    halves = [await node.entangle(peer, min_fidelity=min_fidelity) for _ in range(n)]
    await asyncio.sleep(1)  # now the other end has its halves, too, and has corrected them
    for half in halves:
        node.mark("got", half)
    await asyncio.sleep(1)
    return [half.fidelity for half in halves]


async def refused(node: Node, peer: str, min_fidelity: float = 0.0) -> str:
    """What the refusal says."""
    try:
        await node.entangle(peer, min_fidelity=min_fidelity)
    except FidelityUnreachable as error:
        return str(error)
    return "served"


async def at_once(node: Node, peer: str, n: int = 1, min_fidelity: float = 0.0) -> list[float | None]:
    """Take n pairs in one request."""
    halves = await node.entangle(peer, n, min_fidelity=min_fidelity)
    await asyncio.sleep(1)
    for half in halves:
        node.mark("got", half)
    await asyncio.sleep(1)
    return [half.fidelity for half in halves]


async def holds(node: Node, peer: str, slots: int, min_fidelity: float = 0.0) -> list[float | None]:
    """Keep memory for a while from what is to be distilled here."""
    qubits = node.qubits(slots)
    for qubit in qubits:
        asyncio.get_running_loop().call_later(0.1, qubit.discard)
    return await at_once(node, peer, 1, min_fidelity)
