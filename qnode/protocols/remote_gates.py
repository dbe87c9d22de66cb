"""Remote gates: a CNOT, or a Toffoli, between qubits that stay at their nodes.

A Bell pair and one bit spread the control over two nodes: a|0> + b|1> becomes a|00> + b|11>, a *cat state*, whose other
end controls whatever is to be done over there. Measuring that end in the X basis, and one bit back, undoes the cat. No
qubit travels; each control that a node borrows costs one Bell pair and two bits.

Source: Yimsiriwattana & Lomonaco, "Generalized GHZ states and distributed quantum computing", arXiv:quant-ph/0402148
(2004), cat-entangler and cat-disentangler.
"""

from __future__ import annotations

import asyncio

import numpy as np

from qnode import Node, Qubit
from qnode.errors import InvalidOperation
from qnode.protocols.arguments import only_bits

TOFFOLI = np.eye(8)[[0, 1, 2, 3, 4, 5, 7, 6]]


async def lend(node: Node, control: Qubit, *, to: str) -> None:
    """Let a node control with this qubit; done when it is no longer entangled with anything over there."""
    half = await node.entangle(to)
    control.cnot(half)
    await node.send(to, await half.measure(), about=half)
    if await node.receive(to, about=half, type=int):
        control.z()


async def borrow(node: Node, *, of: str) -> Qubit:
    """The other end of a cat state that a node lends: use it as a control only, and give it back."""
    copy = await node.entangle(of)
    if await node.receive(of, about=copy, type=int):
        copy.x()
    return copy


async def give_back(node: Node, copy: Qubit, *, to: str) -> None:
    """Undo the cat state. The qubit is consumed."""
    copy.h()
    await node.send(to, await copy.measure(), about=copy)


async def remote_cnot(node: Node, target: Qubit, *, control_at: str) -> None:
    """Flip the target if the qubit that the other node lends is 1."""
    control = await borrow(node, of=control_at)
    control.cnot(target)
    await give_back(node, control, to=control_at)


async def remote_toffoli(node: Node, target: Qubit, *, controls_at: tuple[str, str]) -> None:
    """Flip the target if the qubits that two other nodes lend are both 1."""
    one, two = await asyncio.gather(*(borrow(node, of=owner) for owner in controls_at))
    one.apply(TOFFOLI, two, target)
    await asyncio.gather(
        *(give_back(node, each, to=owner) for each, owner in zip((one, two), controls_at, strict=True))
    )


async def control(node: Node, *, to: str, bits: list[int]) -> list[int]:
    """Lend one qubit after the other, 0 or 1, and see that each is what it was."""
    only_bits("bits", bits)
    seen = []
    for bit in bits:
        qubit = node.qubit()
        if bit:
            qubit.x()
        await lend(node, qubit, to=to)
        seen.append(await qubit.measure())
    return seen


async def target(node: Node, *, controls_at: list[str], n: int) -> list[int]:
    """Flip n qubits in |0>, each under the control of one or two other nodes."""
    seen = []
    for _ in range(n):
        qubit = node.qubit()
        match controls_at:
            case [alone]:
                await remote_cnot(node, qubit, control_at=alone)
            case [one, two]:
                await remote_toffoli(node, qubit, controls_at=(one, two))
            case _:
                raise InvalidOperation(detail=f"controls_at must be one or two nodes; got {', '.join(controls_at)}")
        seen.append(await qubit.measure())
    return seen
