"""Ping-pong: a bit travels on a qubit that goes there and back, and nobody on the way can read it.

Bob makes a Bell pair by himself, keeps one half and sends the other to Alice. She turns it with Z, or does not, and
sends it back; only with both halves can the two cases be told apart. The qubit in flight is completely random.

Source: Bostroem & Felbinger, Phys. Rev. Lett. 89, 187902 (2002), message mode.
"""

from __future__ import annotations

from qnode import Node


async def ping(bob: Node, *, to: str, n: int) -> list[int]:
    """Send n qubits out and read the bits that come back on them."""
    bits = []
    for _ in range(n):
        home, travel = bob.qubits(2)
        home.h()
        home.cnot(travel)
        await bob.send_qubit(to, travel)
        travel = await bob.receive_qubit(to)
        travel.cnot(home)
        travel.h()
        z, _ = await bob.measure(travel, home)
        bits.append(z)
    return bits


async def pong(alice: Node, *, sender: str, bits: list[int]) -> None:
    """Put each bit on the next qubit that comes, and return it."""
    for bit in bits:
        travel = await alice.receive_qubit(sender)
        if bit:
            travel.z()
        await alice.send_qubit(sender, travel)
