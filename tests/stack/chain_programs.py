"""What the ends of a chain run in the tests of chains."""

from __future__ import annotations

import asyncio

from qnode import Node

Got = tuple[int, float | None, int]
"""How many nanoseconds a pair took, what fidelity it was said to have, and the outcome of this end's half."""


async def get(node: Node, peer: str, n: int, requests: int = 1, basis: str = "z") -> list[Got]:
    """So many requests, one after the other, of so many pairs each, one at a time.

    Both ends mark their halves once both have them, and the next is made then, if messages take no time.
    """
    loop, got = asyncio.get_running_loop(), []
    since = loop.time()
    for _ in range(requests):
        async for half in node.request(peer, n, at_once=1):
            at = loop.time()
            await node.send(peer, None)
            await node.receive(peer)
            node.mark("whole", half)
            got.append((round((at - since) * 1e9), half.fidelity, await half.measure(basis)))
            since = loop.time()
    return got
