"""What the nodes of large networks run."""

from __future__ import annotations

from qnode import Node
from qnode.protocols.ghz import ghz


async def share(node: Node, nodes: int) -> list[int]:
    """Make a GHZ state of n0, n1, ... and measure it in Z, and another and measure it in X."""
    return await ghz(node, chain=[f"n{place}" for place in range(nodes)])
