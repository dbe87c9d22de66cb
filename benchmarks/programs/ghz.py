"""The GHZ protocol, timed."""

from time import perf_counter
from typing import Any

from qnode import Node
from qnode.protocols.ghz import ghz


async def timed_ghz(node: Node, chain: list[str]) -> dict[str, Any]:
    start = perf_counter()
    z, x = await ghz(node, chain=chain, bases="zx")
    return {"start": start, "end": perf_counter(), "z": z, "x": x}
