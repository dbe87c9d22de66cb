"""Programs of every shape, whose runs are replayed node by node."""

from __future__ import annotations

import asyncio
import errno
import os
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from qnode import Node

LONG = 30_000  # numbers in a message that travels by itself


class Refusal(Exception):
    """An error of the programs' own, with a field."""

    def __init__(self, reason: str, code: int) -> None:
        super().__init__(reason, code)
        self.code = code


def _square(number: int) -> int:
    return number * number


def _mean(numbers: list[float]) -> Any:
    return np.mean(numbers)


def _refuse(reason: str) -> None:
    raise Refusal(reason, 7)


def _no_file() -> None:
    raise FileNotFoundError(errno.ENOENT, "No such file", "nowhere.txt")


def _count_threads() -> int:
    """Another number whenever it is executed."""
    return threading.get_ident()


async def executors(node: Node) -> list[object]:
    """All that functions in executors come to."""
    found: list[object] = list(await asyncio.gather(*(asyncio.to_thread(_square, number) for number in range(5))))
    found.append(await asyncio.to_thread(_count_threads))
    mean = await asyncio.to_thread(_mean, [0.1, 0.2, 0.4])
    found += [type(mean).__name__, mean, str(await asyncio.to_thread(np.arange, 6))]
    for fails in (lambda: _refuse("no"), _no_file):
        try:
            await asyncio.to_thread(fails)
        except (Refusal, OSError) as error:
            found += [type(error).__name__, str(error), list(vars(error).values())]
    with ThreadPoolExecutor(1) as pool:
        loop = asyncio.get_running_loop()
        go = threading.Event()
        first = loop.run_in_executor(pool, go.wait, 60)
        late = loop.run_in_executor(pool, _square, 3)
        pool.shutdown(wait=False, cancel_futures=True)
        go.set()
        found += [type(one).__name__ for one in await asyncio.gather(first, late, return_exceptions=True)]
    qubit = node.qubit()
    qubit.h()
    print("measured", await qubit.measure(), found[5] != 0)
    await node.send("bob", found[:5])
    return found


async def takes(node: Node) -> object:
    return await node.receive("alice")


async def parcels(node: Node, peer: str) -> int:
    """Long messages, which go from node to node by themselves, both ways at once; twice the same one, too."""
    mine = node.rng.integers(0, 1000, LONG)
    await node.send(peer, mine)
    await node.send(peer, mine)
    await node.send(peer, "short")
    first, second, short = [await node.receive(peer) for _ in range(3)]
    assert short == "short"
    assert (first == second).all()
    return int(first.sum()) + int(mine.sum())


async def many(node: Node, peer: str, teleports: int = 12) -> list[object]:
    """Many tasks at once, in an order that the loop decides; all sorts of random numbers."""
    taken: list[object] = []

    async def one(number: int) -> int:
        await asyncio.sleep(random.choice((0, 1, 2)) * 1e-6)
        half = await node.entangle(peer, tag=f"t{number}")
        half.rx(0.1 * number)
        outcome = await half.measure()
        taken.append((number, outcome, node.time() if hasattr(node, "time") else 0))
        return outcome

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(number)) for number in range(teleports)]
    print("task by task", [task.result() for task in tasks])
    for done in asyncio.as_completed([one(100 + number) for number in range(4)]):
        taken.append(await done)
    late = asyncio.create_task(one(1000))
    try:
        async with asyncio.timeout(1e-7):
            await late
    except TimeoutError:
        taken.append("late")
    node.log.info("numbers %s", [random.random(), float(np.random.rand()), float(node.rng.random())])
    return taken


async def echo(node: Node, peer: str) -> None:
    """A service: never returns."""
    while True:
        await node.send(peer, await node.receive(peer))


async def asks(node: Node, peer: str) -> list[object]:
    for number in range(4):
        await node.send(peer, number)
    return [await node.receive(peer) for _ in range(4)]


async def direct(node: Node, peer: str) -> int:
    """Arrays of outcomes, and so many measurements that a part of the report goes ahead."""
    outcomes = await node.measure_directly(peer, 5_000, basis="x")
    bits = []
    for _ in range(6):
        halves = await node.entangle(peer, 40)
        waiting = []
        for half in halves:
            half.h()
            waiting += [half.measure(keep=True), half.measure(basis="y", keep=True), half.measure()]
        bits += await asyncio.gather(*waiting)
    node.record(ones=sum(bits))
    return int(np.asarray(outcomes).sum())


async def fails(node: Node, peer: str) -> None:
    half = await node.entangle(peer)
    outcome = await half.measure()
    await node.send(peer, outcome)
    await asyncio.sleep(1e-4)
    raise RuntimeError(f"on purpose, {outcome} {object()}")  # raised here


async def cleans_up(node: Node, peer: str) -> None:
    half = await node.entangle(peer)
    await half.measure()
    print("got", await node.receive(peer))
    try:
        await node.receive(peer)
    finally:
        print("cleaning up")


async def waits(node: Node, peer: str) -> None:
    await asyncio.sleep(1e-6)
    await node.receive(peer)  # waits here


async def sleeps(node: Node, steps: int = 1000) -> int:
    for number in range(steps):
        print("step", number)
        await asyncio.sleep(1e-3)  # sleeps here
    return steps


async def hangs(node: Node, path: str) -> None:
    """Its process ends in the middle of a step."""

    await asyncio.sleep(1e-3)
    if os.path.exists(path):
        os._exit(3)
    print("lives")
    await asyncio.sleep(1e-3)


async def goes_outside(node: Node) -> None:
    await asyncio.sleep(2e-3)
    async with node.outside():
        pass
    await asyncio.sleep(1e-3)


async def cannot_tell(node: Node) -> None:
    await asyncio.sleep(2e-3)
    await asyncio.to_thread(object)
    await asyncio.sleep(1e-3)


async def random_steps(node: Node, steps: int) -> list[float]:
    drawn = []
    for _ in range(steps):
        qubit = node.qubit()
        qubit.h()
        drawn += [random.random(), float(node.rng.random()), await qubit.measure()]
        await asyncio.sleep(1e-3)
    return [round(sum(drawn), 9), *drawn[:5]]


async def sends(node: Node, peer: str) -> None:
    for number in range(8):
        await node.send(peer, number)
        await asyncio.sleep(1e-3)


async def hears(node: Node, peer: str) -> list[tuple[int, float]]:
    heard = []
    try:
        async with asyncio.timeout(20e-3):
            while True:
                heard.append((await node.receive(peer), asyncio.get_running_loop().time()))
    except TimeoutError:
        return heard
