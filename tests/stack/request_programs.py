"""What the nodes of a network run in the tests of many requests at once."""

from __future__ import annotations

import asyncio

from qnode import Node
from qnode.errors import QnodeError

SETTLED_S = 3.0
"""By then all requests are over, and all messages about them have come."""


async def ask(
    node: Node, peer: str, n: int, at_us: int = 0, timeout_s: float | None = None, room: int | None = None
) -> dict[str, int] | str:
    """Ask for n pairs, with room for some of them at a time. Returns the outcomes by pair, or why there are none."""
    await asyncio.sleep(at_us * 1e-6)
    try:
        return {
            str(half.pair): await half.measure()
            async for half in node.request(peer, n, timeout=timeout_s, at_once=room)
        }
    except QnodeError as error:
        return str(error)


async def audit(node: Node, slots: int) -> str:
    """Whether all memory slots are free in the end."""
    await asyncio.sleep(SETTLED_S)
    try:
        node.qubits(slots)
    except QnodeError as error:
        return str(error)
    return ""
