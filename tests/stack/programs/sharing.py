"""Programs that share memory slots, requests and time with others."""

from __future__ import annotations

import asyncio

from qnode import Node
from qnode.api.qubit import Qubit
from qnode.api.requests import Request
from qnode.errors import QnodeError


async def ask(node: Node, peer: str, n: int = 1) -> list[int]:
    return [await half.measure() for half in await node.entangle(peer, n)]


async def told(node: Node, peer: str) -> str:
    try:
        await node.entangle(peer)
    except QnodeError as error:
        return error.code
    return "served"


async def told_within(node: Node, peer: str, timeout: float) -> str:
    try:
        await node.entangle(peer, timeout=timeout)
    except QnodeError as error:
        return error.code
    return "served"


async def reserver(node: Node) -> None:
    async with node.reserve(3):
        await asyncio.sleep(1.0)


async def ask_and_stay(node: Node, peer: str) -> list[int]:
    outcomes = await ask(node, peer)
    await asyncio.sleep(10e-3)
    return outcomes


async def ask_with_one_less(node: Node, peer: str, n: int) -> list[int]:
    kept = node.qubit()
    asyncio.get_running_loop().call_later(5e-3, kept.discard)
    return await ask(node, peer, n)


async def sleeper(node: Node) -> None:
    await asyncio.sleep(1.0)


async def late(node: Node) -> str:
    reserved = node.reserve(2, start=1e-3, end=5e-3)
    await asyncio.sleep(2e-3)
    async with reserved:
        return "entered"


async def two(node: Node, peer: str, n: int) -> int:
    request = node.request(peer, n)

    async def take(request: Request[Qubit]) -> int:
        return sum([1 async for half in request if await half.measure() >= 0])

    return sum(await asyncio.gather(take(request), take(request)))


async def some(node: Node, peer: str, n: int, after: int) -> int:
    got = 0
    async for half in node.request(peer, n):
        await half.measure()
        got += 1
        if got == after:
            break
    return got


async def in_time(node: Node, peer: str) -> str:
    try:
        await node.request(peer, 4, timeout=1e-3)
    except QnodeError as error:
        return error.code
    return "served"


async def fidelities(node: Node, peer: str, n: int) -> list[float]:
    told = []
    async for half in node.request(peer, n, at_once=4):
        assert half.fidelity is not None
        told.append(half.fidelity)
        await half.measure()
    return told


async def waits(node: Node, peer: str, timeout: float) -> None:
    await node.entangle(peer, timeout=timeout)


async def again(node: Node, peer: str) -> int:
    request = node.request(peer, 1, tag="first")
    await asyncio.sleep(1e-3)
    request.cancel()
    return await (await node.entangle(peer)).measure()


async def as_many_as_come(node: Node, peer: str, n: int, after: int) -> str:
    try:
        await some(node, peer, n, after)
    except QnodeError as error:
        return error.code
    finally:
        await asyncio.sleep(0.01)  # what the other end has begun is over
    return "served"
