"""Programs that want very much at one instant."""

from __future__ import annotations

import asyncio

from qnode import Node

PAYLOAD = bytes(60_000)  # short enough to travel within report and grant


async def pours(node: Node, to: str, messages: int) -> None:
    for number in range(messages):
        await node.send(to, (number, PAYLOAD))


async def drinks(node: Node, senders: list[str], messages: int) -> list[int]:
    """How many messages came in the order in which they were sent, of each sender."""
    ordered = []
    for sender in senders:
        received = [await node.receive(sender) for _ in range(messages)]
        ordered.append(sum(one == (number, PAYLOAD) for number, one in enumerate(received)))
    return ordered


async def returns(node: Node, size: int) -> bytes:
    return bytes(size)


async def waits(node: Node) -> None:
    await asyncio.sleep(3600)
