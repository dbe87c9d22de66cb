"""Graph states: a qubit for every node of any graph, entangled along its edges.

The nodes of each edge share a Bell pair; a Hadamard on one half makes it the graph state of that edge. A node then
fuses all its halves into one qubit and tells its neighbours which of them have to apply Z. In the result every node's
X, times the Z of all its neighbours, is +1, and that is all there is to say about it.

Source: Hein, Eisert & Briegel, Phys. Rev. A 69, 062311 (2004); fusion as in Verstraete & Cirac, PRA 70, 060302 (2004).
"""

from __future__ import annotations

import asyncio

from qnode import Node, Qubit
from qnode.errors import InvalidOperation
from qnode.protocols.ghz import fuse


def neighbours_of(name: str, edges: list[tuple[str, str]]) -> list[str]:
    """The names at the other ends of a node's edges, sorted."""
    return sorted(two if one == name else one for one, two in edges if name in (one, two))


async def share_graph_state(node: Node, edges: list[tuple[str, str]]) -> Qubit:
    """Play this node's part. Returns its qubit; that of a node without edges is |+>."""
    neighbours = neighbours_of(node.name, edges)
    if len(set(neighbours) - {node.name}) < len(neighbours):
        raise InvalidOperation(detail=f"edges must join different nodes, and no two of them twice; got {edges}")
    if not neighbours:
        alone = node.qubit()
        alone.h()
        return alone
    halves = await asyncio.gather(*(node.entangle(neighbour) for neighbour in neighbours))
    for neighbour, half in zip(neighbours, halves, strict=True):
        if node.name > neighbour:
            half.h()
    mine = halves[0]
    flips = [0] + [await fuse(mine, half) for half in halves[1:]]
    for neighbour, flip in zip(neighbours, flips, strict=True):
        await node.send(neighbour, flip, channel="graph")
    for neighbour in neighbours:
        if await node.receive(neighbour, channel="graph", type=int):
            mine.z()
    return mine


async def check_graph_state(node: Node, *, edges: list[tuple[str, str]]) -> list[int]:
    """For each vertex, sorted, share the state and measure X there and Z elsewhere. Returns this node's outcomes.

    Each node records the product of its X and its neighbours' Z, which is 1.
    """
    outcomes = []
    for vertex in sorted({name for edge in edges for name in edge}):
        mine = await share_graph_state(node, edges)
        outcome = await mine.measure("x" if node.name == vertex else "z")
        outcomes.append(outcome)
        if node.name == vertex:
            theirs = [await node.receive(one, channel="check", type=int) for one in neighbours_of(vertex, edges)]
            node.record(stabilizer=(-1) ** (outcome + sum(theirs)))
        elif node.name in neighbours_of(vertex, edges):
            await node.send(vertex, outcome, channel="check")
    return outcomes
