"""Programs that measure directly, with whatever node."""

from __future__ import annotations

import asyncio
import math

from qnode import Node
from qnode.errors import GenerationTimeout, InvalidOperation


async def end(node: Node, peer: str, n: int, basis: str = "z", late: float = 0.0) -> list[int]:
    await asyncio.sleep(late)
    outcomes = await node.measure_directly(peer, n, basis=basis)
    return outcomes.tolist()  # type: ignore[no-any-return]


async def drawn(node: Node, peer: str, n: int, last: bool = False) -> list[list[int]]:
    """Bases at random, x, y and z; then a pair that is kept. Bases, and what came out of it."""
    bases = node.rng.integers(3, size=n)
    outcomes = await node.measure_directly(peer, n, bases=bases)
    kept = await (await node.entangle(peer)).measure()
    return [bases.tolist(), outcomes.tolist(), [kept]]


async def both(node: Node, peer: str, n: int) -> list[list[int]]:
    """Pairs that are kept and pairs that are measured, with one tag at the same time: they do not meet."""
    halves, outcomes = await asyncio.gather(node.entangle(peer, n), node.measure_directly(peer, 2 * n))
    return [[await half.measure() for half in halves], outcomes.tolist()]


async def gives_up(node: Node, peer: str, n: int, timeout: float) -> str:
    """Within a time that is too short; then all of the memory is free."""
    said = "served"
    try:
        await node.measure_directly(peer, n, timeout=timeout)
    except GenerationTimeout as error:
        said = str(error)
    await asyncio.sleep(1)
    node.qubits(2)
    return said


async def waits_for_bases(node: Node, peer: str) -> str:
    try:
        await node.measure_directly(peer, 3, bases=node.receive(peer))
    except InvalidOperation as error:
        return str(error)
    return "served"


async def entangles(node: Node, peer: str, timeout: float, kind: str) -> str:
    """A request that ends at its timeout, in one of the ways to ask; then all of the memory is free."""
    said = "served"
    try:
        match kind:
            case "entangle":
                await node.entangle(peer, 2, timeout=timeout)
            case "request":
                said = str(len([half async for half in node.request(peer, 2, timeout=timeout)]))
            case "measure":
                await node.measure_directly(peer, 2, timeout=timeout)
            case "prepare":
                await node.prepare(peer, 0.3, timeout=timeout)
            case "receive":
                await node.receive_prepared(peer, timeout=timeout)
    except GenerationTimeout:
        said = "timeout"
    await asyncio.sleep(1)
    node.qubits(2)
    return said


async def urgent(node: Node, peer: str, n: int, tag: str, priority: int = 0, late: float = 0.0) -> float:
    """When the last of n pairs has come, each measured at once."""
    await asyncio.sleep(late)
    async for half in node.request(peer, n, at_once=1, tag=tag, priority=priority):
        await half.measure()
    return asyncio.get_running_loop().time()


async def urgent_outcomes(node: Node, peer: str, n: int, tag: str, priority: int = 0, late: float = 0.0) -> float:
    """When the last of n outcomes has come."""
    await asyncio.sleep(late)
    await node.measure_directly(peer, n, tag=tag, priority=priority)
    return asyncio.get_running_loop().time()


async def twice(node: Node, peer: str, n: int, timeout: float) -> list[int]:
    """In vain, and once more."""
    try:
        await node.measure_directly(peer, n, timeout=timeout)
    except GenerationTimeout:
        outcomes = await node.measure_directly(peer, n)
        return outcomes.tolist()  # type: ignore[no-any-return]
    return []


async def swaps_states(node: Node, peer: str, flips: list[bool]) -> list[int]:
    """Both ends prepare first, |+> or |->, and then look at what the other one has prepared."""
    found = []
    for flip in flips:
        made = asyncio.create_task(node.prepare(peer, math.pi * flip))
        found.append(await (await node.receive_prepared(peer)).measure("x"))
        await made
    return found
