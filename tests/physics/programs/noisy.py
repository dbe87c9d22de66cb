"""Programs that show what their node's hardware does to qubits and to time."""

from __future__ import annotations

import asyncio
from typing import Any

from qnode import Node, Qubit
from qnode.errors import OutOfMemory, QnodeError

US = 1e-6


def now_ns() -> int:
    return round(asyncio.get_running_loop().time() * 1e9)


async def tries_gates(node: Node, gates: list[str]) -> list[str]:
    """What each of these gates is answered with."""
    told: list[str] = []
    one, other = node.qubits(2)
    for gate in gates:
        try:
            match gate:
                case "unitary":
                    one.apply([[0, 1], [1, 0]])
                case "cnot" | "cz" | "swap":
                    getattr(one, gate)(other)
                case "rx" | "ry" | "rz":
                    getattr(one, gate)(0.3)
                case _:
                    getattr(one, gate)()
            told.append("done")
        except QnodeError as error:
            told.append(str(error))
    return told


async def works_on_two(node: Node) -> list[int]:
    """Two gates on one qubit, one on another; when each is measured, and after a gate on both the first again."""
    one, other = node.qubits(2)
    one.x()
    one.x()
    other.x()
    measured = other.measure(keep=True), one.measure(keep=True)
    found: list[int] = list(await asyncio.gather(*map(when, measured)))
    one.cnot(other)
    return [*found, await when(one.measure())]


async def when(measured: Any) -> int:
    await measured
    return now_ns()


async def keeps_in_memory(node: Node, peer: str, n: int) -> list[Any]:
    """As many pairs as fit, each moved into memory as it comes; when each came, and when the last was measured."""
    found: list[Any] = []
    halves = []
    for _ in range(n):
        half = await node.entangle(peer)
        found.append(now_ns())
        half.move()
        halves.append(half)
    await asyncio.sleep(20 * US)  # until the last is there
    try:
        halves[-1].move("communication")
        await node.entangle(peer, timeout=200 * US)  # it sits in the slot where one would come
    except QnodeError as error:
        found.append(type(error).__name__)
    found.append(list(await node.measure(*halves)))
    found.append(now_ns())
    return found


async def keeps_too_long(node: Node, peer: str) -> list[Any]:
    """Waits for a slot that only a cut-off can free; then for ever, on what has been given up."""
    old = await node.entangle(peer)
    arrived = now_ns()
    new = await node.entangle(peer)
    found: list[Any] = [arrived, now_ns()]
    try:
        await old.measure()
    except QnodeError as error:
        found.append(f"{type(error).__name__} {error}")
    found.append(await new.measure())
    return found


async def keeps_as_long_as_it_is_told(node: Node, peer: str) -> list[Any]:
    """Waits until it must have heard; a gate first, so that there is something to await."""
    old = await node.entangle(peer)
    new = await node.entangle(peer)
    came = now_ns()
    await asyncio.sleep(300 * US)
    told = ""
    try:
        await old.measure()
    except QnodeError as error:
        told = f"{type(error).__name__} {error}"
    return [came, told, await new.measure()]


async def reads(node: Node, state: int, n: int) -> list[int]:
    found = []
    for _ in range(n):
        qubit = node.qubit()
        if state:
            qubit.x()
        found.append(await qubit.measure())
    return found


async def stores_beside(node: Node, peer: str, pairs: int) -> None:
    """A qubit in |+> and an old half, while pairs are made and thrown away."""
    stored = node.qubit()
    stored.h()
    for _ in range(pairs):
        half = await node.entangle(peer)
        await half.measure()
    node.mark(f"stored at {node.name}", stored)
    await asyncio.sleep(1)


async def sends_all(node: Node, peer: str, n: int) -> None:
    for _ in range(n):
        await node.send_qubit(peer, node.qubit())
        await asyncio.sleep(1e-3)
    await node.send(peer, "all")


async def counts(node: Node, peer: str) -> int:
    arrived = 0

    async def take() -> None:
        nonlocal arrived
        while True:
            qubit: Qubit = await node.receive_qubit(peer)
            arrived += await qubit.measure() == 0

    taking = asyncio.ensure_future(take())
    await node.receive(peer)
    taking.cancel()
    return arrived


async def stores_half(node: Node, peer: str, seconds: float) -> float:
    half = await node.entangle(peer)
    came = asyncio.get_running_loop().time()
    half.x()
    half.x()
    await asyncio.sleep(seconds)
    node.mark("stored", half)
    waited = asyncio.get_running_loop().time() - came
    await half.measure()
    return waited


async def gives_up(node: Node, peer: str) -> None:
    await node.entangle(peer)
    await asyncio.sleep(1)


async def told_what_is_wrong(node: Node, peer: str) -> str:
    try:
        await node.entangle(peer)
    except QnodeError as error:
        return f"{type(error).__name__} {error}"
    return ""


# --- everything at once ----------------------------------------------------------------------------------------------


async def repeater_end(node: Node, middle: str, other: str, rounds: int) -> list[Any]:
    found: list[Any] = []
    for nth in range(rounds):
        half = await node.entangle(middle)
        frame = await node.receive(middle, about=half)
        if node.name < other:
            half.correct(frame)
        node.mark(f"swapped{nth}", half)
        try:
            found.append(await half.measure("xyz"[nth % 3]))
        except QnodeError as error:
            found.append(type(error).__name__)
        await node.send(middle, "next")
    return found


async def repeater(node: Node, left: str, right: str, rounds: int) -> list[Any]:
    found: list[Any] = []
    own = node.qubit()
    own.ry(0.7)
    for _ in range(rounds):
        one = await node.entangle(left)
        one.move()
        other = await node.entangle(right)
        one.cnot(other)
        one.h()
        try:
            frame = await node.measure(one, other)
        except QnodeError as error:
            found.append(type(error).__name__)
            frame = (0, 0)
        for end, half in ((left, one), (right, other)):
            await node.send(end, list(frame), about=half)
        for end in (left, right):
            await node.receive(end)
        found.append(list(frame))
    return [*found, await own.measure("x"), now_ns()]


async def shares_ghz(node: Node, leaves: list[str]) -> int:
    """Makes one large GHZ state and sends a qubit of it to each leaf."""
    own = node.qubit()
    own.h()
    for leaf in leaves:
        qubit = node.qubit()
        own.cnot(qubit)
        await node.send_qubit(leaf, qubit)
    return await stored_for_a_while(node, own)


async def leaf(node: Node, hub: str) -> int:
    return await stored_for_a_while(node, await node.receive_qubit(hub))


async def stored_for_a_while(node: Node, qubit: Qubit) -> int:
    await asyncio.sleep(10e-3)
    qubit.x()
    await asyncio.sleep(10e-3)
    qubit.x()
    await asyncio.sleep(5e-3)
    return await qubit.measure()


async def uses_its_slot_while_attempts_go_on(node: Node) -> list[str]:
    """Its only slot is taken from the request on, whether the pair comes or the request is given up."""
    told = []
    asking = asyncio.create_task(node.entangle("bob"))
    await asyncio.sleep(1e-3)
    try:
        node.qubit()
    except OutOfMemory as error:
        told.append(str(error))
    asking.cancel()
    await asyncio.wait((asking,))
    node.qubit().discard()
    told.append("free again")
    return told


async def asks_in_vain(node: Node) -> None:
    asking = asyncio.create_task(node.entangle("alice"))
    await asyncio.sleep(2e-3)
    asking.cancel()
