"""Programs whose runs are recorded, and executed once more from the record."""

from __future__ import annotations

import asyncio
import os
import socket
from math import pi

import numpy as np

from qnode import Node


async def counts(node: Node, path: str) -> None:
    """Leaves a byte on the disk whenever it runs."""
    diary = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for _ in range(100_000):
        os.write(diary, b".")
        await asyncio.sleep(1e-6)


async def alice(node: Node, lossy: bool) -> list[int]:
    """A bit of everything; what is lost is lost where `lossy` says that the state follows it exactly."""
    own = node.qubits(2)
    own[0].ry(0.3)
    own[0].cnot(own[1])
    own[1].t()
    node.mark("own", own[0])
    half, other = await node.entangle("bob", 2)
    own[1].rz(1.1)
    own[1].cnot(half)  # both of alice's move to the oracle
    node.mark("joined", half)
    outcomes = [await own[0].measure("x", keep=True)]
    if lossy:
        own[1].reset()
        own[1].h()
    node.mark("after", half)
    half.apply(np.eye(2))
    await node.send("bob", ("outcome", outcomes[0]), about=other)
    await node.send_qubit("bob", half)
    node.record(outcome=outcomes[0], angle=0.1)
    await asyncio.sleep(1e-4)
    node.mark("late", own[0])
    if lossy:
        own[1].discard()
    else:
        outcomes.append(await own[1].measure("y"))
    outcomes += [await own[0].measure(), await other.measure()]
    return outcomes


async def bob(node: Node, lossy: bool) -> list[int]:
    halves = await node.entangle("alice", 2)
    mine = node.qubit()
    mine.u(0.4, 1.3, 2.2)
    mine.swap(halves[0])
    node.mark("swapped", mine)
    halves[1].rx(pi / 3)
    came = await node.receive_qubit("alice")
    came.cz(halves[1])
    node.mark("came", came)
    await node.receive("alice", about=halves[1])
    outcomes = list(await node.measure(*halves, basis="x"))
    node.mark("rest", came)
    outcomes += await node.measure(came, mine)
    return outcomes


async def carol(node: Node) -> int:
    """Nobody asks her for anything: her qubit stays at home, her request is withdrawn."""
    own = node.qubit()
    own.h()
    node.mark("alone", own)
    try:
        await node.entangle("bob", timeout=1e-5)
    except Exception:  # noqa: BLE001  # what it is, others test
        own.z()
    total: int = await asyncio.to_thread(sum, [1, 2, 3])
    return total + await own.measure("x")


async def fails(node: Node) -> None:
    half = await node.entangle("bob")
    await half.measure()
    raise RuntimeError("on purpose")


async def half_only(node: Node) -> int:
    return await (await node.entangle("alice")).measure()


async def waits_for_nobody(node: Node) -> None:
    await node.receive("alice")


async def sleeps_for_ever(node: Node) -> None:
    for _ in range(10**9):
        await asyncio.sleep(1e-5)


async def hears(node: Node, path: str) -> list[int]:
    """What comes in at the door, each time when nobody has anything left to do."""
    heard: asyncio.Queue[int] = asyncio.Queue()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.put_nowait((await reader.read())[0])
        writer.close()

    server = await asyncio.start_unix_server(take, path)
    found = []
    for _ in range(5):
        await node.send("bob", "knock")
        found.append(await heard.get())
        half = await node.entangle("bob")
        half.h()
        await half.measure()
    server.close()
    return found


async def knocks(node: Node, path: str) -> list[int]:
    """Past the network: at this instant alice has reported, so only a wake can tell her."""
    outcomes = []
    for number in range(5):
        await node.receive("alice")
        with socket.socket(socket.AF_UNIX) as knocking:
            knocking.connect(path)
            knocking.send(bytes([number]))
        outcomes.append(await (await node.entangle("alice")).measure())
    return outcomes
