"""Ends of far pairs, in the ways that a program can ask for them."""

from __future__ import annotations

import asyncio

from qnode import Node
from qnode.errors import QnodeError


async def measure(node: Node, peer: str, n: int = 1, times: int = 1) -> list[int]:
    outcomes: list[int] = []
    for _ in range(times):
        halves = await node.entangle(peer, n)
        outcomes += await asyncio.gather(*[half.measure() for half in halves])
    return outcomes


async def stream(node: Node, peer: str, n: int, at_once: int) -> dict[str, object]:
    """Each half as it comes; what the request says of itself at the beginning and at the end."""
    request = node.request(peer, n, at_once=at_once)
    before = request.progress.state
    outcomes = {}
    async for half in request:
        assert half.pair is not None
        outcomes[half.pair] = await half.measure()
    after = request.progress
    return {"before": before, "outcomes": outcomes, "after": list(after[:4]), "ordered": after.first_ns < after.last_ns}  # type: ignore[operator]


async def cancels(node: Node, peer: str, after: float) -> list[object]:
    """Takes two of ten, cancels, and shows that nothing of it is left; then asks again."""
    request = node.request(peer, 10, at_once=3)
    kept = [await anext(request), await anext(request)]
    request.cancel()
    state = request.progress.state
    left = [half.pair for half in node.pairs(peer)]
    for half in kept:
        half.discard()
    await asyncio.sleep(after)
    return [state, left == [half.pair for half in kept], len(node.qubits(4)), request.progress.delivered]


async def is_left(node: Node, peer: str) -> str:
    """Its peer cancels."""
    try:
        await node.entangle(peer, 10)
    except QnodeError as error:
        return f"{type(error).__name__}: {error}"
    return "served"


async def gives_up(node: Node, peer: str, timeout: float) -> list[object]:
    """Nobody asks for the same; every slot is free again afterwards."""
    try:
        await node.entangle(peer, 4, timeout=timeout)
    except QnodeError as error:
        return [type(error).__name__, asyncio.get_running_loop().time(), len(node.qubits(4))]
    return ["served"]


async def tagged(node: Node, peer: str) -> list[object]:
    """Two streams at once, told apart by their tags; `pairs` finds the halves of each."""
    red, blue = await asyncio.gather(node.entangle(peer, 2, tag="red"), node.entangle(peer, 1, tag="blue"))
    found = [len(node.pairs(tag="red")), len(node.pairs(peer, tag="blue")), len(node.pairs("nobody"))]
    red[0].tag = "kept"
    found.append(len(node.pairs(tag="red")))
    return [found, [await half.measure() for half in (*red, *blue)]]


async def marks(node: Node, peer: str, n: int) -> None:
    """Marks each half as soon as it is there, and keeps it until the peer has marked its own."""
    for _ in range(n):
        half = await node.entangle(peer)
        node.mark("got", half)
        await node.send(peer, "marked")
        await node.receive(peer)
        half.discard()
