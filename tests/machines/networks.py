"""A network whose programs say much to each other, also directly: alice, bob and carol."""

from __future__ import annotations

from pathlib import Path
from typing import Final

PROGRAMS: Final = """
import asyncio
import os
import time

from helpers import size_of
from qnode import Node


async def alice(node: Node, n: int = 5):
    found = []
    for number in range(n):
        if number == 2 and (gate := os.environ.get("GATE")):
            print("at the gate", flush=True)
            while not os.path.exists(gate):
                time.sleep(0.01)
        half = await node.entangle("bob")
        found.append(await half.measure())
        await node.send("carol", bytes(100_000 + number))   # too long to go by way of the oracle
        await asyncio.sleep(1e-3)
    return found


async def bob(node: Node, n: int = 5):
    return [await (await node.entangle("alice")).measure() for _ in range(n)] + [node.rng.random()]


async def carol(node: Node, n: int = 5):
    return [size_of(await node.receive("alice")) for _ in range(n)]
"""

HELPERS: Final = """
def size_of(data):
    return len(data)
"""

NETWORK: Final = """\
version: 1
name: three machines
seed: 5
nodes:
  alice: {program: "programs.py:alice", qubits: 2, t2: 10 ms}
  bob: {program: "programs.py:bob", qubits: 2, t2: 10 ms}
  carol: {program: "programs.py:carol"}
links:
  ab: {between: [alice, bob], length: 10 km, source: {model: werner, fidelity: 0.9}}
  bc: {between: [bob, carol], length: 5 km}
hosts: [lab1, lab2, lab3]
"""


def write(folder: Path, network: str = NETWORK, programs: str = PROGRAMS, helpers: str = HELPERS) -> Path:
    """The files, as somebody has them on a machine."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "net.yaml").write_text(network)
    (folder / "programs.py").write_text(programs)
    (folder / "helpers.py").write_text(helpers)
    return folder
