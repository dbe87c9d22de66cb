"""Teleport half of a Bell pair: carol shares it with alice, and with bob afterwards, whom she has no link to."""

from qnode import Node
from qnode.protocols.teleportation import receive_teleported, teleport_half


async def carol(node: Node, pairs: int = 20) -> list[int]:
    return [await (await node.entangle("alice")).measure("zx"[nth % 2]) for nth in range(pairs)]


async def alice(node: Node, pairs: int = 20) -> None:
    for _ in range(pairs):
        await teleport_half(node, partner="carol", to="bob")


async def bob(node: Node, pairs: int = 20) -> list[int]:
    return [await (await receive_teleported(node, sender="alice")).measure("zx"[nth % 2]) for nth in range(pairs)]
