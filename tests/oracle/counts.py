"""A program that says how far it is, to the oracle and to the test that runs it in this process."""

from __future__ import annotations

import asyncio

from qnode import Node

said: list[int] = []


async def counts(node: Node) -> None:
    """Until it is cancelled."""
    while True:
        node.record(n=len(said))
        said.append(len(said))
        await asyncio.sleep(2e-3)
