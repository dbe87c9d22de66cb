"""W: one excitation that all nodes share, (|10...0> + |01...0> + ... + |0...01>)/sqrt(n).

The first node of the chain starts with a token in |1>. Each node splits the token that comes to it, so that it stays
here with amplitude 1/sqrt(nodes that are left), and teleports the rest of it to the next one. Measured in Z, exactly
one node finds the excitation, each with 1/n; lose one qubit, and the others are entangled still, unlike those of a GHZ
state.

Source: Duer, Vidal & Cirac, Phys. Rev. A 62, 062314 (2000).
"""

from __future__ import annotations

from math import asin, sqrt

from qnode import Node, Qubit
from qnode.protocols.arguments import place_in
from qnode.protocols.teleportation import receive_teleported, teleport


def split(token: Qubit, mine: Qubit, share: float) -> None:
    """Move an excitation from the token to `mine`, which is |0>, with amplitude sqrt(share)."""
    half_angle = asin(sqrt(share))
    mine.ry(half_angle)  # these four are a rotation about Y, controlled by the token
    token.cnot(mine)
    mine.ry(-half_angle)
    token.cnot(mine)
    mine.cnot(token)


async def share_w(node: Node, chain: list[str]) -> Qubit:
    """Play this node's part; `chain` names all nodes in the order in which the token passes. Returns its qubit."""
    place = place_in(node, chain)
    if place == 0:
        token = node.qubit()
        token.x()
    else:
        token = await receive_teleported(node, sender=chain[place - 1])
    if place == len(chain) - 1:
        return token
    mine = node.qubit()
    split(token, mine, 1 / (len(chain) - place))
    await teleport(node, token, to=chain[place + 1])
    return mine


async def w(node: Node, *, chain: list[str], n: int) -> list[int]:
    """Share n W states and measure each in Z: in every one exactly one node finds 1."""
    return [await (await share_w(node, chain)).measure() for _ in range(n)]
