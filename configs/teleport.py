"""Teleport a qubit: alice prepares a state, bob gets it. The observer compares the two; the programs cannot."""

from qnode import Node
from qnode.protocols.teleportation import receive_teleported, teleport


async def alice(node: Node, theta: float = 0.3, phi: float = 0.0) -> None:
    data = node.qubit()
    data.u(theta, phi, 0.0)
    node.mark("sent", data)
    await teleport(node, data, to="bob")


async def bob(node: Node, theta: float = 0.3, phi: float = 0.0) -> int:
    qubit = await receive_teleported(node, sender="alice")
    node.mark("received", qubit)
    qubit.u(-theta, 0.0, -phi)  # undo what alice did: if the state is hers, 0 is certain
    return await qubit.measure()
