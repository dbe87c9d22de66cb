"""Programs for the tests of the protocols: what alice, bob and the others do."""

from __future__ import annotations

from math import pi

from qnode import Node
from qnode.protocols.ghz import share_ghz
from qnode.protocols.teleportation import receive_teleported, teleport


async def teleport_many(node: Node, states: list[tuple[float, float]]) -> None:
    for theta, phi in states:
        data = node.qubit()
        data.u(theta, phi, 0.0)
        node.mark("sent", data)
        await teleport(node, data, to="bob")


async def receive_many(node: Node, n: int) -> None:
    for _ in range(n):
        qubit = await receive_teleported(node, sender="alice")
        node.mark("received", qubit)
        qubit.discard()


async def share_and_measure(node: Node, chain: list[str], bases: str) -> list[int]:
    outcomes = []
    for basis in bases:
        qubit = await share_ghz(node, chain)
        outcomes.append(await qubit.measure(basis))
    return outcomes


async def toss(node: Node, tosses: int) -> list[int]:
    """Independent |+> states, measured here."""
    outcomes = []
    for _ in range(tosses):
        qubit = node.qubit()
        qubit.h()
        outcomes.append(await qubit.measure())
    return outcomes


async def toss_remote(node: Node, peer: str, tosses: int) -> list[int]:
    """Independent |+> states that the oracle holds, because each has met half of a pair."""
    outcomes = []
    for _ in range(tosses):
        half = await node.entangle(peer)
        qubit = node.qubit()
        qubit.cnot(half)
        qubit.cnot(half)
        qubit.h()
        half.discard()
        outcomes.append(await qubit.measure())
    return outcomes


async def act(node: Node, action: str, n: int) -> None:
    """Do something with n halves, before bob measures his."""
    for _ in range(n):
        half = await node.entangle("bob")
        match action:
            case "nothing":
                half.discard()
            case "measure z" | "measure x" | "measure y":
                await half.measure(action[-1])
            case "rotate":
                half.ry(pi / 3)
                half.t()
                await half.measure()
            case "entangle with more":
                other = node.qubit()
                half.cnot(other)
                other.ry(1.0)
                await node.measure(half, other)
            case "reset":
                half.reset()
                half.discard()


async def measure_halves(node: Node, basis: str, n: int) -> list[int]:
    return [await (await node.entangle("alice")).measure(basis) for _ in range(n)]


async def first_hop(node: Node, to: str, theta: float, phi: float) -> None:
    qubit = node.qubit()
    qubit.u(theta, phi, 0.0)
    node.mark("sent", qubit)
    await node.send_qubit(to, qubit)


async def forward(node: Node, sender: str, to: str) -> None:
    await node.send_qubit(to, await node.receive_qubit(sender))


async def last_hop(node: Node, sender: str) -> None:
    qubit = await node.receive_qubit(sender)
    node.mark("received", qubit)
    qubit.discard()
