"""Ping-pong: a bit travels on a qubit that goes there and back, and who looks at it on the way sees nothing.

Bob makes a Bell pair by himself, keeps one half and sends the other to Alice. She turns it with Z, or does not, and
sends it back; only with both halves can the two cases be told apart. The qubit in flight is completely random. A fibre
that loses light loses it on both ways, so that of all bits 10^(-2 alpha L/10) come through; the others are known to be
lost.

Who keeps Bob's qubit and gives Alice one of his own reads the bit nevertheless. The control mode of the source, where
Alice measures some of the qubits and Bob compares, would notice; it is not in here.

Source: Bostroem & Felbinger, Phys. Rev. Lett. 89, 187902 (2002), message mode.
"""

from __future__ import annotations

import asyncio

from qnode import Node, Qubit
from qnode.protocols.arguments import only_bits


async def ping(bob: Node, *, to: str, n: int, patience: float | None = None) -> list[int | None]:
    """Send n qubits out and read the bits that come back on them; None for each qubit that was lost.

    `patience` is the time in seconds after which a qubit that has not come back is lost, and alice, who is told it,
    waits for half as long: more than there and back takes. Without it none is lost.
    """
    bits: list[int | None] = []
    for _ in range(n):
        home, travel = bob.qubits(2)
        home.h()
        home.cnot(travel)
        await bob.send_qubit(to, travel)
        await bob.send(to, patience)
        back = await _arrival(bob, to, patience)
        if back is None:
            home.discard()
            bits.append(None)
            continue
        back.cnot(home)
        back.h()
        z, _ = await bob.measure(back, home)
        bits.append(z)
    bob.record(lost=bits.count(None))
    return bits


async def pong(alice: Node, *, sender: str, bits: list[int]) -> None:
    """Put each bit on the next qubit that comes, and return it."""
    only_bits("bits", bits)
    for bit in bits:
        patience = await alice.receive(sender)
        travel = await _arrival(alice, sender, patience and patience / 2)
        if travel is None:
            continue
        travel.s()  # twice is Z, back is nothing, and both take the same time: when it comes back tells nothing either
        (travel.s if bit else travel.sdg)()
        await alice.send_qubit(sender, travel)


async def _arrival(node: Node, peer: str, patience: float | None) -> Qubit | None:
    try:
        async with asyncio.timeout(patience):
            return await node.receive_qubit(peer)
    except TimeoutError:
        return None
