"""Many pairs that are measured at birth, in bases at random, and what both ends have in the same basis."""

from time import perf_counter
from typing import Any

from qnode import Node


async def measure_all(node: Node, peer: str, n: int, batches: int) -> dict[str, Any]:
    wrong = sifted = 0
    start = perf_counter()
    for _ in range(batches):
        bases = 2 * node.rng.integers(2, size=n, dtype="uint8")  # x or z
        outcomes = await node.measure_directly(peer, n, bases=bases)
    end = perf_counter()
    await node.send(peer, (bases, outcomes))
    theirs, found = await node.receive(peer)
    alike = bases == theirs
    sifted, wrong = int(alike.sum()), int((outcomes != found)[alike].sum())
    return {"start": start, "end": end, "sifted": sifted, "wrong": wrong, "ones": int(outcomes.sum())}
