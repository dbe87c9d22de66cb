"""Seven nodes that do everything at once that could betray in which order the machine happened to do it.

With QNODE_TEST_JITTER set they also block at random for up to so many milliseconds: that is the fault injected.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Coroutine
from itertools import pairwise
from math import pi
from typing import Any

from qnode import BellState, Node, Qubit

IN_FLIGHT = 4
_JITTER_MS = float(os.environ.get("QNODE_TEST_JITTER", "0"))


def jitter() -> None:
    """A busy machine: nobody can tell for how long this takes."""
    if _JITTER_MS:
        noise = os.urandom(2)
        if noise[0] < 128:
            time.sleep(noise[1] / 255 * _JITTER_MS / 1e3)


async def rim(node: Node, ring: list[str], module_random: bool, string_sets: bool) -> dict[str, object]:
    """One of the nodes on the rim: they all do the same, each with both neighbours and with the hub."""
    jitter()
    here = ring.index(node.name)
    after, before = ring[(here + 1) % len(ring)], ring[here - 1]
    jobs: list[Coroutine[Any, Any, object]] = [
        *(_teleport(node, after, nth) for nth in range(IN_FLIGHT)),
        *(_take_teleported(node, before, nth) for nth in range(IN_FLIGHT)),
        _fly(node, after),
        _land(node, before),
        _race_for_messages(node, before, after),
        _first_of_many(node),
        _whole_group_fails(node, after),
        _gives_up(node, before),
        _is_given_up(node, after),
        _in_threads(node),
        _through_a_queue(node),
        _with_the_hub(node, string_sets),
    ]
    done = await asyncio.gather(*jobs)
    results: dict[str, object] = {f"job {number}": one for number, one in enumerate(done)}
    if module_random:
        results["random"] = [random.random(), random.randrange(10**9)]
    if string_sets:
        results["sets"] = [*{f"{node.name}-{number}" for number in range(20)}]
    node.record(finished=asyncio.get_running_loop().time())
    return results


def _tilt(node: Node, qubit: Qubit) -> None:
    theta, phi = node.rng.uniform(0, pi), node.rng.uniform(0, 2 * pi)
    qubit.u(theta, phi, 0.0)
    qubit.t()


async def _teleport(node: Node, peer: str, nth: int) -> list[object]:
    half = await node.entangle(peer, tag=f"teleport {nth % 2}")
    data = node.qubit()
    _tilt(node, data)
    jitter()
    data.cnot(half)
    data.h()
    outcome = BellState(*await node.measure(data, half))
    await asyncio.sleep(float(node.rng.integers(0, 3)) * 1e-6)  # messages overtake each other
    await node.send(peer, outcome, about=half)
    return [half.pair, outcome]


async def _take_teleported(node: Node, peer: str, nth: int) -> list[object]:
    half = await node.entangle(peer, tag=f"teleport {nth % 2}", min_fidelity=0.5)
    outcome = await node.receive(peer, about=half, type=BellState)
    jitter()
    half.correct(outcome)
    node.mark("received", half)
    half.tdg()
    first = await half.measure("x", keep=True)
    if first:
        half.z()
    return [half.pair, first, await half.measure("y")]


async def _fly(node: Node, peer: str) -> int:
    """Send away halves of what stays here, so that the joint state is the oracle's and grows over nodes."""
    stays, goes = node.qubits(2)
    _tilt(node, stays)
    stays.cnot(goes)
    await node.send_qubit(peer, goes)
    jitter()
    stays.t()
    return await stays.measure("x")


async def _land(node: Node, peer: str) -> list[int]:
    qubit = await node.receive_qubit(peer)
    local = node.qubit()
    qubit.cnot(local)
    local.ry(0.4)
    bit = await local.measure()
    if bit:
        qubit.reset()
    qubit.h()
    return [bit, await qubit.measure()]


async def _race_for_messages(node: Node, before: str, after: str) -> list[object]:
    """Both neighbours' messages arrive at one instant; whose turn it is must not be a matter of luck."""
    for number in range(5):
        await node.send(before, number, channel="race")
        await node.send(after, number, channel="race")
    heard: list[object] = []

    async def hear(peer: str) -> None:
        for _ in range(5):
            heard.append([peer == before, await node.receive(peer, channel="race")])
            jitter()
            if node.rng.random() < 0.3:
                await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        group.create_task(hear(after))
        group.create_task(hear(before))
    return heard


async def _first_of_many(node: Node) -> list[object]:
    async def draw(number: int) -> list[float]:
        await asyncio.sleep(float(node.rng.integers(0, 4)) * 1e-6)
        jitter()
        return [number, float(node.rng.random())]

    order: list[object] = [await one for one in asyncio.as_completed([draw(number) for number in range(20)])]
    tasks = {asyncio.create_task(draw(number)) for number in range(20)}
    while tasks:
        done, tasks = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        order.append([one.result()[0] for one in done])
    return order


async def _whole_group_fails(node: Node, peer: str) -> list[object]:
    """Forty tasks in the middle of something are cancelled at one instant, and clean up in some order."""
    ended: list[object] = []

    async def waits(number: int) -> None:
        try:
            if number % 3 == 0:
                await node.receive(peer, channel=f"never {number}")
            elif number % 3 == 1:
                await asyncio.sleep(1.0)
            else:
                await asyncio.gather(asyncio.sleep(2.0), asyncio.Event().wait())
        finally:
            qubit = node.qubit()
            qubit.h()
            ended.append([number, float(node.rng.random()), await qubit.measure()])

    async def fails() -> None:
        await asyncio.sleep(7e-6)
        raise ValueError

    try:
        async with asyncio.TaskGroup() as group:
            for number in range(40):
                group.create_task(waits(number))
            group.create_task(fails())
    except* ValueError:
        pass
    return ended


async def _gives_up(node: Node, before: str) -> list[object]:
    """Requests that nobody meets, and messages that arrive exactly when patience ends."""
    found: list[object] = []
    for number in range(3):
        try:
            await node.entangle(before, tag=f"nobody {number}", timeout=(number + 1) * 3e-6)
        except Exception as error:  # noqa: BLE001  # its kind is what is compared
            found.append(type(error).__name__)
    try:
        await node.entangle(before, tag="hasty", timeout=2e-6)  # the pair is on its way by then
    except Exception as error:  # noqa: BLE001  # as above
        found.append(type(error).__name__)
    await node.send(node.name, "to myself", channel="late")
    try:
        async with asyncio.timeout(0):
            found.append(await node.receive(node.name, channel="late"))
    except TimeoutError:
        found.append(await node.receive(node.name, channel="late"))
    return found


async def _is_given_up(node: Node, after: str) -> int:
    """The other end of a request that was withdrawn too late: half of a pair whose other half nobody took."""
    await asyncio.sleep(9e-6)
    half = await node.entangle(after, tag="hasty")
    other = node.qubit()
    other.cnot(half)
    other.discard()
    return await half.measure()


async def _in_threads(node: Node) -> list[object]:
    def work(number: int) -> int:
        jitter()
        return number * number

    numbers = await asyncio.gather(*(asyncio.to_thread(work, number) for number in range(6)))
    return [*numbers, asyncio.get_running_loop().time()]


async def _through_a_queue(node: Node) -> list[object]:
    queue: asyncio.Queue[int] = asyncio.Queue(maxsize=2)
    taken: list[object] = []

    async def produce(base: int) -> None:
        for number in range(5):
            await queue.put(base + number)
            await asyncio.sleep(float(node.rng.integers(0, 2)) * 1e-6)

    async def consume(name: str) -> None:
        while True:
            taken.append([name, await queue.get()])
            queue.task_done()
            await asyncio.sleep(1e-6)

    consumers = [asyncio.create_task(consume(name)) for name in "xyz"]
    await asyncio.gather(*(produce(base) for base in (0, 100, 200)))
    await queue.join()
    for consumer in consumers:
        consumer.cancel()
    await asyncio.gather(*consumers, return_exceptions=True)
    return taken


async def _with_the_hub(node: Node, string_sets: bool) -> list[object]:
    half = await node.entangle("hub")
    half.t()
    words = [f"{node.name} {word}" for word in ("one", "two", "three", "four", "five")]
    for word in set(words) if string_sets else words:
        await node.send("hub", word)
    basis = await node.receive("hub")
    jitter()
    return [basis, await half.measure(basis)]


async def hub(node: Node, ring: list[str]) -> dict[str, object]:
    """In the middle: whatever the others tell it arrives at the same instants."""
    halves = await asyncio.gather(*(node.entangle(name) for name in ring))
    for one, other in pairwise(halves):
        one.cz(other)
        other.t()
    heard: list[object] = []

    async def hear(name: str) -> None:
        for _ in range(5):
            heard.append(await node.receive(name))
            jitter()

    await asyncio.gather(*(hear(name) for name in reversed(ring)))
    outcomes = []
    for name, half in zip(ring, halves, strict=True):
        outcomes.append(await half.measure("x"))
        await node.send(name, "xyz"[(int(node.rng.integers(3)) + outcomes[-1]) % 3])
    echoes = []
    for name in ring:
        await node.send(name, [name, 1j], program="echo")
        echoes.append(await node.receive(name, program="echo"))
    return {"heard": heard, "outcomes": outcomes, "echoes": echoes}


async def echo(node: Node) -> None:
    while True:
        value = await node.receive("hub", program="main")
        jitter()
        await node.send("hub", (node.name, value), program="main")
