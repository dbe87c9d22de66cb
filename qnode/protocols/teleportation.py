"""Teleportation: move an unknown state to another node by consuming one Bell pair and sending two bits.

The sender measures the state together with its half of the pair, which tells nothing about the state and destroys it
here. The two bits say which of four rotations the receiver's half needs to become the state. Until they arrive, the
receiver's half is completely random: nothing has travelled faster than the message.

Source: Bennett et al., Phys. Rev. Lett. 70, 1895 (1993); Nielsen & Chuang, section 1.3.7.
"""

from __future__ import annotations

from qnode import BellState, Node, Qubit


async def teleport(alice: Node, data: Qubit, *, to: str) -> None:
    """Send the state of `data` to another node. The qubit is consumed."""
    half = await alice.entangle(to)
    data.cnot(half)
    data.h()
    outcome = BellState(*await alice.measure(data, half))
    await alice.send(to, outcome, about=half)


async def receive_teleported(bob: Node, *, sender: str) -> Qubit:
    """Recover the state that another node teleported."""
    half = await bob.entangle(sender)
    outcome = await bob.receive(sender, about=half, type=BellState)
    half.correct(outcome)
    return half


async def teleport_half(alice: Node, *, partner: str, to: str) -> None:
    """Share a pair with a partner and teleport this half of it: the partner is entangled with the receiver then."""
    await teleport(alice, await alice.entangle(partner), to=to)
