"""Programs that fail, and programs that wait for those; what they come to is in a file, for no table holds it."""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path
from typing import Any

from qnode import Node
from qnode.errors import PeerLost


class Notes:
    """Lines of a file, each with the network time and the node's name before it."""

    def __init__(self, node: Node, path: str) -> None:
        self._name = node.name
        self._path = Path(path)

    def __call__(self, text: object) -> None:
        with self._path.open("a") as file:
            file.write(f"{self._name} at {round(asyncio.get_running_loop().time() * 1e9)} ns: {text}\n")


async def fails(node: Node, after: float, waiting: tuple[str, ...] = ()) -> None:
    """Once all that will be waiting have said so: on the real clock they might not have begun by then."""
    for name in waiting:
        await node.receive(name, channel="here")
    await asyncio.sleep(after)
    raise RuntimeError("on purpose")


async def waits_to_be_killed(node: Node, path: str, waiting: tuple[str, ...]) -> None:
    """Says that it is here once all that will be waiting have said so."""
    for name in waiting:
        await node.receive(name, channel="here")
    async with node.outside():
        await asyncio.open_unix_connection(path)
        await asyncio.Event().wait()


async def fails_in_a_group(node: Node, after: float) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(fails(node, after))


async def lasts(node: Node, path: str) -> None:
    await node.send("alice", None, channel="here")
    try:
        await asyncio.sleep(1e6)
    except asyncio.CancelledError:
        Notes(node, path)("cancelled")
        raise


async def waits(node: Node, path: str, how: str, peer: str = "alice") -> str:
    """For the peer, in one of the ways that there are; and cleans up."""
    note = Notes(node, path)
    await node.send("alice", None, channel="here")
    try:
        await WAYS[how](node, peer)
    except PeerLost as error:
        note(error)
    finally:
        await asyncio.sleep(0)
        note("cleaned up")
    return "as if all were well"


async def waits_in_tasks(node: Node, path: str) -> None:
    note = Notes(node, path)
    waits = (node.receive("alice"), node.receive("alice", channel="c"), node.receive_qubit("alice"), lasts(node, path))
    try:
        async with asyncio.TaskGroup() as group:
            for task in waits:
                group.create_task(task)
    except* PeerLost as errors:
        note(f"{len(errors.exceptions)} tasks were told")


async def waits_for_room(node: Node, peer: str = "alice") -> None:
    """There is none for the half of a pair."""
    qubits = [node.qubit() for _ in itertools.repeat(None, 2)]
    await node.entangle(peer)
    assert qubits


async def waits_and_says_nothing(node: Node, path: str) -> Any:
    return await node.receive("alice")


async def is_told_twice(node: Node, path: str) -> None:
    note = Notes(node, path)
    for _ in range(2):
        try:
            await node.receive("alice")
        except PeerLost:
            note("told")
        except asyncio.CancelledError:
            note("cancelled")
            raise


async def fails_at_cleaning_up(node: Node, path: str, how: str) -> None:
    note = Notes(node, path)
    try:
        await node.receive("alice")
    finally:
        note("cleans up")
        if how == "spins":
            for _ in itertools.repeat(None):
                await asyncio.sleep(0)
        if how == "exits":
            raise SystemExit(7)
        raise KeyError("this too")


async def waits_for_all_three(node: Node, peer: str) -> Any:
    return await asyncio.gather(node.receive("carol"), node.receive(peer), asyncio.Event().wait())


WAYS = {
    "receive": lambda node, peer: node.receive(peer),
    "receive on a channel": lambda node, peer: node.receive(peer, channel="aside"),
    "receive of a program": lambda node, peer: node.receive(peer, program="another"),
    "receive a qubit": lambda node, peer: node.receive_qubit(peer),
    "entangle": lambda node, peer: node.entangle(peer),
    "entangle twice": lambda node, peer: node.entangle(peer, 2),
    "entangle within a time": lambda node, peer: node.entangle(peer, timeout=1e3),
    "wait for memory": waits_for_room,
    "receive within a time": lambda node, peer: asyncio.wait_for(node.receive(peer), 1e3),
    "gather": waits_for_all_three,
}
