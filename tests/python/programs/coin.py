"""A shared coin; what the tests of Python's front door run."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable

from qnode import Node, Qubit


async def alice(node: Node, tosses: int = 3) -> list[int]:
    node.record(tosses=tosses)
    coins = []
    for _ in range(tosses):
        half = await node.entangle("bob")
        node.mark("received", half)
        coins.append(await half.measure())
    print("tossed", tosses)
    return coins


async def bob(node: Node, tosses: int = 3) -> list[int]:
    return [await (await node.entangle("alice")).measure() for _ in range(tosses)]


async def _helper(node: Node) -> None:
    raise AssertionError(f"{node.name} is not a node of this file")


async def teleport(node: Node, qubit: Qubit) -> None:
    raise AssertionError(f"{node.name} needs {qubit}: not a node of this file")


class Tools:
    @staticmethod
    async def idle(node: Node, word: str = "idle") -> str:
        return f"{node.name} {word}"

    async def bound(self, node: Node) -> None: ...


def decorated(function: Callable[..., Awaitable[str]]) -> Callable[..., Awaitable[str]]:
    @functools.wraps(function)
    async def inner(node: Node, **args: object) -> str:
        return "decorated " + await function(node, **args)

    return inner


@decorated
async def polite(node: Node, word: str = "please") -> str:
    return f"{node.name} {word}"


def plain(node: Node) -> str:
    return str(node.name)


def make() -> Callable[..., Awaitable[None]]:
    async def nested(node: Node) -> None: ...

    return nested
