"""Leader election: all nodes are alike, and a W state makes one of them the leader, each with the same probability.

Nodes without anything to tell them apart cannot elect a leader for sure by any classical protocol. They measure their
qubits of a W state: exactly one finds 1, every time, and says so. (Making the state, along a chain, does tell them
apart; the source has it given.) This is for nodes that follow the protocol, however curious: one that lies may claim to
be the leader, and nothing here proves it wrong.

Source: D'Hondt & Panangaden, Quantum Inf. Comput. 6, 173 (2006).
"""

from __future__ import annotations

from qnode import Node
from qnode.protocols.broadcast import announce
from qnode.protocols.w_state import share_w


async def elect(node: Node, *, everyone: list[str]) -> list[str]:
    """Elect a leader. Returns who found 1: one name, unless noise has left none of them or several."""
    mine = await share_w(node, everyone)
    found = await announce(node, await mine.measure(), everyone=everyone)
    return [name for name in everyone if found[name]]


async def elections(node: Node, *, everyone: list[str], n: int) -> list[str]:
    """Elect n times. Returns the leaders, and records how often this node was one."""
    leaders = [await elect(node, everyone=everyone) for _ in range(n)]
    node.record(elected=sum(node.name in names for names in leaders))
    return [" and ".join(names) or "nobody" for names in leaders]
