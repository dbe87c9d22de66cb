"""GHZ: entangle one qubit of every node of a chain, by fusing Bell pairs of neighbours.

Every inner node holds halves of two pairs. It fuses them with a CNOT and measures one, which joins the two pairs into
one larger GHZ state, up to a bit flip of everything to its right; the flips add up along the chain. The result is
(|0...0> + |1...1>)/sqrt(2), which shows in both bases: all Z outcomes agree, and the X outcomes have even parity.

Source: Greenberger, Horne & Zeilinger (1989); fusion as in Zukowski et al., Ann. N.Y. Acad. Sci. 755, 91 (1995).
"""

from __future__ import annotations

import asyncio

from qnode import Node, Qubit
from qnode.protocols.arguments import place_in


async def fuse(mine: Qubit, other: Qubit) -> int:
    """Join the states of two qubits of this node. `mine` stays for both; returns whether the other side is flipped."""
    mine.cnot(other)
    return await other.measure()


async def first_of_ghz(node: Node, *, right: str) -> Qubit:
    """Be the left end of the chain. Returns this node's qubit of the state, as all three roles do."""
    mine = await node.entangle(right)
    await node.send(right, 0, channel="ghz")
    return mine


async def middle_of_ghz(node: Node, *, left: str, right: str) -> Qubit:
    """Be an inner node of the chain."""
    mine, other = await asyncio.gather(node.entangle(left), node.entangle(right))
    flip_of_right = await fuse(mine, other)
    flip = await node.receive(left, channel="ghz", type=int)
    if flip:
        mine.x()
    await node.send(right, flip ^ flip_of_right, channel="ghz")
    return mine


async def last_of_ghz(node: Node, *, left: str) -> Qubit:
    """Be the right end of the chain."""
    mine = await node.entangle(left)
    if await node.receive(left, channel="ghz", type=int):
        mine.x()
    return mine


async def ghz(node: Node, *, chain: list[str], bases: str = "zx") -> list[int]:
    """Make a GHZ state for each basis and measure it there. `chain` names all nodes from left to right."""
    outcomes = []
    for basis in bases:
        qubit = await share_ghz(node, chain)
        outcomes.append(await qubit.measure(basis))
    return outcomes


async def share_ghz(node: Node, chain: list[str]) -> Qubit:
    """Play the role that this node has in the chain."""
    place = place_in(node, chain, least=2)
    if place == 0:
        return await first_of_ghz(node, right=chain[1])
    if place == len(chain) - 1:
        return await last_of_ghz(node, left=chain[-2])
    return await middle_of_ghz(node, left=chain[place - 1], right=chain[place + 1])
