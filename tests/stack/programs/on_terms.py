"""Programs that ask for pairs on terms of their own."""

from __future__ import annotations

import asyncio
from typing import Any

from qnode import Node
from qnode.errors import QnodeError


async def take(
    node: Node, peer: str, n: int = 1, at: float = 0.0, lasts: float = 0.0, cancel: float = 0.0, **terms: Any
) -> dict[str, object]:
    """One request; what came of it, when, and over which way. Each half is kept for a while."""
    loop = asyncio.get_running_loop()
    await asyncio.sleep(at)
    came: list[float] = []
    said = ""
    progress = None
    try:
        request = node.request(peer, n, **terms)
        if cancel:
            loop.call_later(cancel, request.cancel)
        try:
            async for half in request:
                came.append(loop.time())
                if lasts:
                    await asyncio.sleep(lasts)
                await half.measure()
        finally:
            progress = request.progress
    except QnodeError as error:
        said = f"{type(error).__name__}: {error}"
    found = {"came": came, "said": said, "ended": loop.time()}
    return found if progress is None else found | {"route": progress.route, "state": progress.state, "how": progress}


async def sits(node: Node) -> None:
    """Keeps what is its own."""
    await asyncio.sleep(20e-3)


async def several(node: Node, asked: list[dict[str, Any]]) -> list[dict[str, object]]:
    """Several of them at the same time."""
    return list(await asyncio.gather(*(take(node, **one) for one in asked)))


async def entangles(node: Node, peer: str, **terms: Any) -> str:
    try:
        await (await node.entangle(peer, **terms)).measure()
    except QnodeError as error:
        return f"{type(error).__name__}: {error}"
    return "served"


async def until(node: Node, peer: str, end: float, n: int = 100_000, at: float = 0.0) -> int:
    """How many pairs come until then."""
    await asyncio.sleep(at)
    taken = 0
    async for half in node.request(peer, n, at_once=2, timeout=end - at):
        await half.measure()
        taken += 1
    return taken
