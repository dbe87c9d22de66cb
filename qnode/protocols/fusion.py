"""Fusion: join two entangled states by measuring one qubit of each at the node that holds both.

Fusing asks the two qubits whether they agree, not what they are: the states grow together, and nothing in them
collapses. The outcome is a fair coin, and tells which Pauli operators make the joined state what it should be:

| joined | how | outcome | correct |
|---|---|---|---|
| two GHZ states | `fuse`, which keeps one qubit | flip | X^flip on every other qubit of the second state |
| two graph states | `fuse`, which keeps one vertex | flip | Z^flip on every neighbour of the second vertex |
| two GHZ states | `fuse_away`, which keeps none | z, x | X^x on every other qubit of the second state, Z^z on any |

Source: Browne & Rudolph, Phys. Rev. Lett. 95, 010501 (2005), types I and II; for GHZ states Zukowski et al., Ann. N.Y.
Acad. Sci. 755, 91 (1995).
"""

from __future__ import annotations

import asyncio

from qnode import BellState, Node, Qubit
from qnode.protocols.ghz import fuse, share_ghz
from qnode.protocols.swapping import bell_measurement


async def fuse_away(one: Qubit, other: Qubit) -> BellState:
    """Join the states of two qubits by a Bell measurement. Both qubits are consumed."""
    return await bell_measurement(one.node, one, other)


async def fuse_two_ghz(hub: Node, *, left: list[str], right: list[str], keep: bool) -> Qubit | None:
    """Be the node at the end of the first chain and at the beginning of the second; with `keep`, stay a part of it."""
    one, other = await asyncio.gather(share_ghz(hub, left), share_ghz(hub, right))
    outcome = BellState(0, await fuse(one, other)) if keep else await fuse_away(one, other)
    await hub.send(left[0], BellState(outcome.z, 0), channel="fusion")
    for name in right[1:]:
        await hub.send(name, BellState(0, outcome.x), channel="fusion")
    return one if keep else None


async def be_fused(node: Node, *, left: list[str], right: list[str]) -> Qubit:
    """Be any other node of the two chains."""
    mine = await share_ghz(node, left if node.name in left else right)
    if node.name == left[0] or node.name in right:
        mine.correct(await node.receive(right[0], channel="fusion", type=BellState))
    return mine


async def fusion(node: Node, *, left: list[str], right: list[str], keep: bool = False, bases: str = "zx") -> list[int]:
    """For each basis, fuse the GHZ states of two chains into one and measure it there."""
    outcomes = []
    for basis in bases:
        if node.name == right[0]:
            qubit = await fuse_two_ghz(node, left=left, right=right, keep=keep)
        else:
            qubit = await be_fused(node, left=left, right=right)
        if qubit is not None:
            outcomes.append(await qubit.measure(basis))
    return outcomes
