"""A node that acts at every instant and says something in the event log at some of them."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from qnode import Node


async def chatter(node: Node, *, n: int, every: int, events: int) -> dict[str, Any]:
    """Sleep n times for a microsecond; after each `every` of them, apply as many gates as there are to be events."""
    qubit = node.qubit()
    start = time.monotonic()
    for nth in range(n):
        await asyncio.sleep(1e-6)
        if nth % every == 0:
            for _ in range(events):
                qubit.x()
    end = time.monotonic()
    qubit.discard()
    return {"start": start, "end": end}
