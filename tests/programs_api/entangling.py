"""Programs that ask for pairs in every way that can be asked, and tell what they got."""

from __future__ import annotations

import asyncio
from math import pi
from typing import Any

from qnode import BellState, Node, Qubit
from qnode.errors import QnodeError


def now_ns() -> int:
    return round(asyncio.get_running_loop().time() * 1e9)


async def many(node: Node, peer: str, n: int) -> list[object]:
    halves = await node.entangle(peer, n)
    return [[half.pair for half in halves], now_ns(), list(await node.measure(*halves))]


async def asks_late(node: Node, peer: str, after_us: float) -> list[object]:
    await asyncio.sleep(after_us * 1e-6)
    return await many(node, peer, 8)


async def one_after_another(node: Node, peer: str, waits_us: list[float]) -> list[object]:
    """A pair after each wait: when it came, and the outcome."""
    found: list[object] = []
    for wait_us in waits_us:
        await asyncio.sleep(wait_us * 1e-6)
        half = await node.entangle(peer)
        found.append([half.pair, now_ns(), await half.measure("x")])
    return found


async def all_at_once(node: Node, peer: str, tags: list[str], min_fidelity: float = 0.0) -> list[object]:
    """A task for each tag, started in this order: (tag, pair, outcome) in this order."""

    async def ask(tag: str) -> object:
        half = await node.entangle(peer, tag=tag, min_fidelity=min_fidelity)
        return [tag, half.pair, await half.measure()]

    return list(await asyncio.gather(*map(ask, tags)))


async def asks_and_frees(node: Node, peer: str, n: int, after: int, timeout: float | None = None) -> list[object]:
    """What a request for n raised, and when; then one that takes all slots, to see that none was kept."""
    told = await failure(node, peer, n, timeout)
    when = now_ns()
    halves = await node.entangle(peer, after)
    return [told, when, [half.pair for half in halves], now_ns(), list(await node.measure(*halves))]


async def failure(node: Node, peer: str, n: int, timeout: float | None) -> list[object]:
    try:
        await node.entangle(peer, n, timeout=timeout)
    except QnodeError as error:
        return [type(error).__name__, dict(error.fields)]
    return []


async def gives_up_on_the_way(node: Node, peer: str, timeout: float) -> list[object]:
    """Both have asked, and the pair is on its way when patience ends."""
    told = await failure(node, peer, 1, timeout)
    return [told, now_ns(), len(node.qubits(8))]


async def takes_what_comes(node: Node, peer: str) -> list[object]:
    half = await node.entangle(peer)
    node.mark("alone", half)
    return [half.pair, now_ns(), await half.measure()]


async def is_cancelled_with_its_pair(node: Node, peer: str) -> list[object]:
    """A message that arrives at the same instant as the pair, and before it, cancels the task that waits for that."""
    asking = asyncio.create_task(node.entangle(peer))
    await node.receive(peer)
    when = now_ns()
    asking.cancel()
    (result,) = await asyncio.gather(asking, return_exceptions=True)
    return [type(result).__name__, when, len(node.qubits(8))]


async def says_and_asks(node: Node, peer: str) -> list[object]:
    await node.send(peer, "give up")
    half = await node.entangle(peer)
    return [now_ns(), await half.measure()]


async def is_cancelled(node: Node, peer: str, after_us: float) -> list[object]:
    asking = asyncio.create_task(node.entangle(peer, 8))
    await asyncio.sleep(after_us * 1e-6)
    asking.cancel()
    (result,) = await asyncio.gather(asking, return_exceptions=True)
    halves = await node.entangle(peer, 8)
    return [type(result).__name__, now_ns(), list(await node.measure(*halves))]


async def queues_for_slots(node: Node, peer: str, cancel: str = "") -> list[object]:
    """Four slots: three are taken and given back one by one, while three tasks wait for 3, 2 and 1 of them."""
    taken = node.qubits(3)
    order: list[object] = []

    async def ask(name: str, n: int) -> None:
        halves = await node.entangle(peer, n, tag=name)
        order.append([name, now_ns()])
        await node.measure(*halves)

    async with asyncio.TaskGroup() as group:
        tasks = {name: group.create_task(ask(name, n)) for name, n in (("three", 3), ("two", 2), ("one", 1))}
        for qubit in taken:
            await asyncio.sleep(1e-3)
            qubit.discard()
            if cancel:
                tasks[cancel].cancel()
                cancel = ""
    return order


async def serves_slots(node: Node, peer: str, wanted: dict[str, int]) -> None:
    async def ask(name: str, n: int) -> None:
        await node.measure(*await node.entangle(peer, n, tag=name))

    await asyncio.gather(*(ask(name, n) for name, n in wanted.items()))


async def teleports_all(node: Node, n: int) -> None:
    """All in flight at once; the messages leave in a random order."""

    async def teleport(number: int) -> None:
        half = await node.entangle("bob")
        data = node.qubit()
        data.u(pi * (number + 0.5) / n, 0.1 * number, 0.0)
        node.mark(f"sent{number}", data)
        data.cnot(half)
        data.h()
        outcome = BellState(*await node.measure(data, half))
        await asyncio.sleep(float(node.rng.integers(0, 1000)) * 1e-9)
        await node.send("bob", outcome, about=half)

    await asyncio.gather(*(teleport(number) for number in range(n)))


async def receives_all(node: Node, n: int) -> None:
    async def receive(number: int) -> None:
        half = await node.entangle("alice")
        half.correct(await node.receive("alice", about=half, type=BellState))
        node.mark(f"received{number}", half)

    await asyncio.gather(*(receive(number) for number in range(n)))


async def follows(node: Node, peer: str, plan: list[list[Any]]) -> None:
    """A plan of (wait in us, tag, patience in us or None); records what becomes of each request, by its place."""

    async def ask(number: int, tag: str, patience: float | None) -> None:
        try:
            half = await node.entangle(peer, tag=tag, timeout=None if patience is None else patience * 1e-6)
        except QnodeError as error:
            node.record(**{f"fate{number}": (type(error).__name__, now_ns())})
        else:
            node.record(**{f"fate{number}": (half.pair, now_ns())})

    async with asyncio.TaskGroup() as group:
        for number, (wait, tag, patience) in enumerate(plan):
            await asyncio.sleep(wait * 1e-6)
            group.create_task(ask(number, tag, patience))


async def marks_its_half(node: Node, peer: str, gates: list[str], label: str) -> None:
    half: Qubit = await node.entangle(peer)
    for gate in gates:
        getattr(half, gate)()
    node.mark(label, half)
    await asyncio.sleep(1e-3)
