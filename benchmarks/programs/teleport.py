"""Teleportations, many in flight: states that are no stabilizer states, each undone by the receiver."""

import asyncio
from time import perf_counter

from qnode import Node


def delay_s(nth: int, spread_ns: int) -> float:
    """How long the sender takes before it sends the nth message: spread evenly over spread_ns, in no order."""
    return (nth * 2_654_435_761 % 2**32) * spread_ns // 2**32 * 1e-9


async def send_states(
    node: Node, to: str, n: int, in_flight: int, first_angle: float, spread_ns: int
) -> dict[str, float]:
    async def worker(tag: str, first: int) -> None:
        for nth in range(first, n, in_flight):
            data = node.qubit()
            data.ry(first_angle + nth)  # no two are alike
            half = await node.entangle(to, tag=tag)
            data.cnot(half)
            data.h()
            outcomes = await node.measure(data, half)
            if spread_ns:
                await asyncio.sleep(delay_s(nth, spread_ns))
            await node.send(to, outcomes, about=half)

    start = perf_counter()
    async with asyncio.TaskGroup() as group:
        for first in range(in_flight):
            group.create_task(worker(f"w{first}", first))
    return {"start": start, "end": perf_counter()}


async def receive_states(node: Node, sender: str, n: int, in_flight: int, first_angle: float) -> dict[str, float]:
    wrong = 0

    async def worker(tag: str, first: int) -> None:
        nonlocal wrong
        for nth in range(first, n, in_flight):
            half = await node.entangle(sender, tag=tag)
            z, x = await node.receive(sender, about=half)
            if x:
                half.x()
            if z:
                half.z()
            half.ry(-first_angle - nth)
            wrong += await half.measure()

    start = perf_counter()
    async with asyncio.TaskGroup() as group:
        for first in range(in_flight):
            group.create_task(worker(f"w{first}", first))
    return {"start": start, "end": perf_counter(), "wrong": wrong}
