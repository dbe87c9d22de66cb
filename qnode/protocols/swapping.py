"""Entanglement swapping: a pair between two nodes that share none, out of pairs with those in between.

A repeater holds halves of two pairs and measures them in the Bell basis. That leaves the two other halves entangled,
though they have never met; which of the four Bell states they are in is the XOR of those of the two pairs and of the
outcome. So along a chain all outcomes are simply added, and one end corrects once.

Source: Zukowski, Zeilinger, Horne & Ekert, Phys. Rev. Lett. 71, 4287 (1993).
"""

from __future__ import annotations

import asyncio

from qnode import BellState, Node, Qubit
from qnode.protocols.arguments import place_in
from qnode.quantum.bell import PHI_PLUS


async def first_of_chain(node: Node, *, right: str) -> Qubit:
    """Be the end that corrects nothing. Returns its half, which is good once the other end has corrected its own."""
    return await node.entangle(right)


async def repeat(node: Node, *, left: str, right: str, to: str) -> BellState:
    """Be in between: swap one pair of either side, and tell the end that corrects. Returns the outcome."""
    one, other = await asyncio.gather(node.entangle(left), node.entangle(right))
    outcome = await bell_measurement(node, one, other)
    await node.send(to, outcome, channel="swap")
    return outcome


async def last_of_chain(node: Node, *, left: str, repeaters: list[str]) -> Qubit:
    """Be the end that corrects, once it has heard of all in between. Returns its half."""
    half = await node.entangle(left)
    frame = PHI_PLUS
    for repeater in repeaters:
        frame ^= await node.receive(repeater, channel="swap", type=BellState)
    half.correct(frame)
    return half


async def bell_measurement(node: Node, one: Qubit, other: Qubit) -> BellState:
    """Which Bell state two qubits are in. Both are consumed."""
    one.cnot(other)
    one.h()
    return BellState(*await node.measure(one, other))


async def swapped(node: Node, *, chain: list[str], bases: str) -> list[int]:
    """Swap along a chain for each basis, and measure both ends in it. `chain` names all nodes, from first to last."""
    place = place_in(node, chain, least=2)
    outcomes = []
    for basis in bases:
        if 0 < place < len(chain) - 1:
            await repeat(node, left=chain[place - 1], right=chain[place + 1], to=chain[-1])
            continue
        half = await (
            first_of_chain(node, right=chain[1])
            if place == 0
            else last_of_chain(node, left=chain[-2], repeaters=chain[1:-1])
        )
        outcomes.append(await half.measure(basis))
    return outcomes
