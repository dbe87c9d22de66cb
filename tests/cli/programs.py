"""Texts of programs and networks for the tests of commands."""

from __future__ import annotations

from typing import Final

COUNTS: Final = '''
import asyncio

from qnode import Node


async def alice(node: Node):
    """Says that it is here, and counts for ever."""
    print("alice is here")
    n = 0
    while True:
        await asyncio.sleep(1)
        n += 1
        if n % 500 == 0:
            print("at", n)


async def bob(node: Node):
    print("bob is here")
    await node.receive("alice")
'''

FAILS: Final = """
from qnode import Node


async def alice(node: Node):
    print("alice says")
    raise ValueError("no such luck")


async def bob(node: Node):
    await node.receive("alice")
"""

WAITS: Final = """
from qnode import Node


async def alice(node: Node):
    await node.receive("bob")


async def bob(node: Node):
    await node.receive("alice")
"""

CARELESS: Final = """
from qnode import Node


async def alice(node: Node):
    node.qubits(2)
    await node.send("bob", "hello")
    await node.receive("bob")


async def bob(node: Node):
    await node.send("alice", "hello")
    await node.entangle("carol")


async def carol(node: Node):
    await node.entangle("bob")
"""

TALKS: Final = """
import asyncio
import sys

from qnode import Node


async def alice(node: Node):
    for n in range(20_000):
        print("line", n)


async def bob(node: Node):
    sys.stderr.write("bob complains\\n")
"""

SOMETIMES: Final = """
from qnode import Node


async def alice(node: Node, most: float = 0.75):
    drawn = float(node.rng.random())
    assert drawn < most, "bad luck"
    return drawn
"""
