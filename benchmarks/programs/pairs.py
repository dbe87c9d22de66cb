"""Bell pairs, one after another, both halves measured."""

from time import perf_counter
from typing import Any

from qnode import Node


async def measure_pairs(node: Node, peer: str, n: int) -> dict[str, Any]:
    outcomes = []
    start = perf_counter()
    for _ in range(n):
        half = await node.entangle(peer)
        outcomes.append(await half.measure())
    return {"start": start, "end": perf_counter(), "outcomes": bytes(outcomes)}
