"""Pairs between two nodes far apart that are as good as is asked for, and what is said of each."""

from qnode import Node


async def end(node: Node, peer: str, n: int = 4, min_fidelity: float = 0.9) -> str:
    """Take n pairs. The observer looks at them while both ends have theirs."""
    halves = await node.entangle(peer, n, min_fidelity=min_fidelity)
    await meet(node, peer)
    for half in halves:
        node.mark("delivered", half)
    await meet(node, peer)
    told = min(half.fidelity or 0.0 for half in halves)
    for half in halves:
        half.discard()
    return f"asked {min_fidelity:g}, told {told:.6f}"


async def meet(node: Node, peer: str) -> None:
    """Both ends have come this far."""
    await node.send(peer, "here I am")
    await node.receive(peer)
