"""Programs that go on through faults, and tell what they saw of them."""

from __future__ import annotations

import asyncio
import os
import time
from typing import Any

from qnode import Node
from qnode.errors import EntanglementFailure, PeerLost


def now_ns() -> int:
    return round(asyncio.get_running_loop().time() * 1e9)


async def asks(node: Node, peer: str = "bob", times: int = 6) -> list[Any]:
    """Pairs and messages, one after the other; a time-out for each, and what came of it."""
    seen: list[Any] = []
    for _ in range(times):
        try:
            half = await node.entangle(peer, timeout=1e-3)
            outcome = await half.measure()
            await node.send(peer, outcome)
            async with asyncio.timeout(1e-3):
                seen.append((now_ns(), outcome, await node.receive(peer)))
        except PeerLost as error:
            seen.append((now_ns(), str(error)))
            await asyncio.sleep(1e-3)
        except (EntanglementFailure, TimeoutError) as error:
            seen.append((now_ns(), type(error).__name__))
    return seen


async def answers(node: Node, peer: str = "alice") -> None:
    """The other end, for as long as anybody asks."""
    while True:
        try:
            half = await node.entangle(peer)
            outcome = await half.measure()
            await node.send(peer, outcome)
        except PeerLost:
            await asyncio.sleep(1e-4)


async def listens(node: Node, peer: str, times: int, wait: float = 1e-2) -> list[Any]:
    """What comes, and when."""
    seen = []
    try:
        for _ in range(times):
            async with asyncio.timeout(wait):
                seen.append((await node.receive(peer), now_ns()))
    except TimeoutError:
        pass
    return seen


async def talks(node: Node, peer: str, times: int, every: float = 1e-4) -> None:
    for number in range(times):
        await node.send(peer, number)
        await asyncio.sleep(every)


async def sends_qubits(node: Node, peer: str, times: int, every: float = 1e-3) -> None:
    for _ in range(times):
        qubit = node.qubit()
        qubit.x()
        await node.send_qubit(peer, qubit)
        await asyncio.sleep(every)


async def gets_qubits(node: Node, peer: str, wait: float = 5e-3) -> list[tuple[int, int]]:
    seen = []
    try:
        while True:
            async with asyncio.timeout(wait):
                qubit = await node.receive_qubit(peer)
            seen.append((await qubit.measure(), now_ns()))
    except TimeoutError:
        return seen


async def shines(node: Node, peer: str, times: int) -> None:
    for _ in range(times):
        await node.send_pulses(peer, [1] * 1000, bases="z")
        await asyncio.sleep(1e-3)


async def sees(node: Node, peer: str, times: int) -> list[int]:
    return [len(await node.receive_pulses(peer, bases="z")) for _ in range(times)]


async def measures_many(node: Node, peer: str, times: int, n: int = 1000) -> list[int]:
    """When each batch of outcomes was there."""
    seen = []
    for _ in range(times):
        await node.measure_directly(peer, n)
        seen.append(now_ns())
    return seen


async def ticks(node: Node, times: int, every: float = 1e-3) -> list[int]:
    """When it ran."""
    seen = []
    for _ in range(times):
        await asyncio.sleep(every)
        seen.append(now_ns())
    return seen


async def waits(node: Node, peer: str, how: str) -> str:
    """For the peer, in one of the ways that there are."""
    try:
        match how:
            case "message":
                await node.receive(peer)
            case "pair":
                await node.entangle(peer)
            case "two pairs":
                await node.entangle(peer, 2)
            case "outcomes":
                await node.measure_directly(peer, 10)
            case "qubit":
                await node.receive_qubit(peer)
            case "later":
                await asyncio.sleep(10e-3)
                await node.entangle(peer)
    except PeerLost as error:
        return f"{now_ns()}: {error}"
    return "nothing happened"


async def waits_unwarily(node: Node, peer: str) -> Any:
    return await node.receive(peer)


async def begins(node: Node, peer: str, wait: float = 2e-3) -> str:
    """Tells which life it is in by the names of its qubits."""
    qubit = node.qubit()
    await node.send(peer, qubit.id)
    await asyncio.sleep(wait)
    return qubit.id


async def sleeps(node: Node, lasts: float = 5e-3) -> str:
    await asyncio.sleep(lasts)
    return "slept"


async def stays(node: Node, path: str = "") -> None:
    """Waits for the outside, until it is killed."""
    async with node.outside():
        await asyncio.open_unix_connection(path)
        await asyncio.Event().wait()


async def shares(node: Node, peers: list[str], lasts: float) -> None:
    """Turns a half of a pair, and joins it with a qubit of its own."""
    for peer in peers:
        half = await node.entangle(peer)
        half.ry(0.7)
        own = node.qubit()
        half.cnot(own)
    await asyncio.sleep(lasts)


async def joins(node: Node, peers: list[str], lasts: float) -> None:
    halves = [await node.entangle(peer) for peer in peers]
    halves[0].cnot(halves[1])
    halves[1].ry(1.1)
    await asyncio.sleep(lasts)


async def asks_aloud(node: Node, peer: str, times: int, gate: str, at: int) -> list[Any]:
    """As `asks`, and says how far it is; then the whole process stands still until a file is there, as `at` a gate."""
    seen = []
    for number in range(times):
        print("asked", number, flush=True)  # noqa: T201  # whoever runs it waits for that
        while number == at and not os.path.exists(gate):  # noqa: ASYNC240  # no other program of it is to go on either
            time.sleep(1e-2)  # noqa: ASYNC251  # the same
            print("asked", number, flush=True)  # noqa: T201  # once more, for whoever waits for another moment
        seen += await asks(node, peer, 1)
    return seen


async def counts(node: Node, times: int) -> int:
    for _ in range(times):
        await asyncio.sleep(1e-4)
    return times


async def sends_much(node: Node, peer: str, times: int) -> int:
    """Payloads that travel by themselves, to somebody who may be gone."""
    for _ in range(times):
        await node.send(peer, bytes(100_000))
        await asyncio.sleep(1e-3)
    return times


async def gets_much(node: Node, peer: str) -> None:
    while True:
        assert len(await node.receive(peer)) == 100_000


async def meets(node: Node, peer: str, times: int = 4, every: float = 2e-3) -> list[Any]:
    """Halves of pairs with any other node, one after the other: when each came, and its outcome, or why none did."""
    seen: list[Any] = []
    for _ in range(times):
        try:
            half = await node.entangle(peer)
            seen.append(await half.measure())
        except EntanglementFailure as error:
            seen.append(str(error))
        await asyncio.sleep(every)
    return seen
