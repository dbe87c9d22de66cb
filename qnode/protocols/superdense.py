"""Superdense coding: two classical bits in one qubit, if the nodes share a Bell pair already.

The sender turns its half with one of four Pauli operators, which takes the pair to one of four orthogonal Bell states,
and sends it. Whoever holds both halves can tell the four apart; the travelling qubit alone tells nothing, except by
when it comes, if gates take time.

Source: Bennett & Wiesner, Phys. Rev. Lett. 69, 2881 (1992); Nielsen & Chuang, section 2.3.
"""

from __future__ import annotations

from qnode import BellState, Node
from qnode.protocols.arguments import only_bits


async def send_bits(alice: Node, *, to: str, bits: list[tuple[int, int]]) -> None:
    """Send pairs of bits to a neighbour, one qubit for each."""
    only_bits("bits", [bit for pair in bits for bit in pair])
    for z, x in bits:
        half = await alice.entangle(to)
        half.correct(BellState(z, x))
        await alice.send_qubit(to, half)


async def receive_bits(bob: Node, *, sender: str, n: int) -> list[tuple[int, int]]:
    """Receive n pairs of bits."""
    received = []
    for _ in range(n):
        mine = await bob.entangle(sender)
        theirs = await bob.receive_qubit(sender)
        theirs.cnot(mine)
        theirs.h()
        z, x = await bob.measure(theirs, mine)
        received.append((z, x))
    return received
