"""A node that wants one instant after another, and nothing at any of them."""

import asyncio
from time import perf_counter

from qnode import Node


async def tick(node: Node, n: int, warm_up: int) -> dict[str, float]:
    for _ in range(warm_up):
        await asyncio.sleep(1e-6)
    start = perf_counter()
    for _ in range(n):
        await asyncio.sleep(1e-6)
    return {"start": start, "end": perf_counter()}
