"""Node programs of these tests."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

from qnode import Node


async def alice(node: Node) -> int:
    half = await node.entangle("bob")
    await node.send("bob", "hello")
    return await half.measure()


async def bob(node: Node) -> int:
    half = await node.entangle("alice")
    await node.receive("alice")
    return await half.measure()


async def until_told(node: Node, file: str) -> int:
    """Act, about a hundred times a second, until there is a file."""
    qubit = node.qubit()
    n = 0
    while not _is_there(file):
        qubit.x()
        n += 1
        await asyncio.sleep(1e-6)
        await asyncio.to_thread(time.sleep, 0.01)
    qubit.discard()
    return n


def _is_there(file: str) -> bool:
    return Path(file).exists()


async def fail(node: Node) -> None:
    await asyncio.sleep(1e-6)
    raise ValueError("nothing works")


async def die(node: Node, file: str) -> None:
    """Act until there is a file, and then be gone without a word."""
    await until_told(node, file)
    os._exit(3)
