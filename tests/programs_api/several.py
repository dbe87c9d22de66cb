"""Several programs a node, services, arguments, and everything that a program can find out about where it is."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

from qnode import Node
from qnode.errors import GenerationTimeout


def now_ns() -> int:
    return round(asyncio.get_running_loop().time() * 1e9)


async def idle(node: Node) -> None:
    pass


async def introduces_itself(node: Node, *args: object, **more: object) -> list[object]:
    return [node.name, node.program, list(node.neighbours), repr(node), more]


async def takes_arguments(node: Node, first: int, second: Any = "default", *, third: Any = None) -> list[Any]:
    return [first, second, third]


async def asks(node: Node, whom: str, program: str, question: Any, times: int = 1) -> list[Any]:
    answers = []
    for _ in range(times):
        await node.send(whom, question, program=program)
        answers.append([await node.receive(whom, program=program), now_ns()])
    return answers


async def answers_forever(node: Node, askers: list[list[str]]) -> None:
    async def answer(whom: str, program: str) -> None:
        number = 0
        while True:
            question = await node.receive(whom, program=program)
            number += 1
            await node.send(whom, [number, question], program=program)

    async with asyncio.TaskGroup() as group:
        for whom, program in askers:
            group.create_task(answer(whom, program))


async def ticks(node: Node) -> None:
    """A service that is never done: its timers keep no run alive."""
    for _ in itertools.count():
        await asyncio.sleep(1e-6)


async def sleeps(node: Node, seconds: float) -> int:
    await asyncio.sleep(seconds)
    return now_ns()


async def passes_on(node: Node, program: str, value: int) -> int:
    """A number goes from program to program in one node; each adds one."""
    await node.send(node.name, value + 1, program=program)
    return value


async def receives_and_passes_on(node: Node, sender: str, to: str) -> int:
    value: int = await node.receive(node.name, program=sender)
    await node.send(node.name, value + 1, program=to)
    return value


async def receives_from(node: Node, sender: str) -> list[int]:
    return [await node.receive(node.name, program=sender), now_ns()]


async def draws(node: Node, n: int) -> list[float]:
    return [float(node.rng.random()) for _ in range(n)]


async def draws_and_measures(node: Node, n: int) -> list[float]:
    """Its generator belongs to it alone: coins of measurements do not come from there."""
    found = []
    for _ in range(n):
        qubit = node.qubit()
        qubit.h()
        await qubit.measure()
        found.append(float(node.rng.random()))
    return found


async def ping(node: Node, to: str, rounds: int) -> list[list[int]]:
    """When each message left, and when its answer came."""
    found = []
    for number in range(rounds):
        left = now_ns()
        await node.send(to, [number, left])
        found.append([left, *await node.receive(to), now_ns()])
    return found


async def pong(node: Node, sender: str, rounds: int) -> list[list[int]]:
    """What came, when that had left, and when it came."""
    found = []
    for _ in range(rounds):
        number, left = await node.receive(sender)
        came = now_ns()
        found.append([number, left, came])
        await node.send(sender, [number, came])
    return found


async def gives_up(node: Node, peer: str, timeout: float) -> None:
    try:
        await node.entangle(peer, timeout=timeout)
    except GenerationTimeout:
        await asyncio.sleep(1.0)


async def returns_much(node: Node) -> bytes:
    return bytes(72_000_000)


async def records_much(node: Node) -> None:
    node.record(small=1, large=bytes(72_000_000))
