"""Pairs with a node at the other end of a chain, both halves measured; several requests at once."""

import asyncio
from time import perf_counter
from typing import Any

from qnode import Node


async def measure_far_pairs(node: Node, peer: str, n: int, in_flight: int) -> dict[str, Any]:
    async def one_after_another(tag: str) -> list[int]:
        return [await (await node.entangle(peer, tag=tag)).measure() for _ in range(n)]

    await (await node.entangle(peer, tag="warm-up")).measure()
    start = perf_counter()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one_after_another(str(nth))) for nth in range(in_flight)]
    outcomes = [task.result() for task in tasks]
    return {"start": start, "end": perf_counter(), "outcomes": outcomes}
