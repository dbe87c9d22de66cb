"""A quantum Fourier transform over several small computers, none of which could hold all of its qubits.

Each qubit gets a Hadamard gate and is then turned by every later one, which is a controlled phase: symmetric, so either
of the two may be the control. A qubit is lent once to each node with later qubits, which turns all of its own by it; k
nodes of m qubits need m k(k-1)/2 Bell pairs, where a pair for each gate would be m^2 k(k-1)/2. With one node it is the
transform of a single machine.

Sources: Nielsen & Chuang, section 5.1, for the circuit; Yimsiriwattana & Lomonaco, arXiv:quant-ph/0402148 (2004), for
its distribution.
"""

from __future__ import annotations

from math import pi

import numpy as np

from qnode import Node, Qubit
from qnode.protocols.arguments import number, place_in
from qnode.protocols.remote_gates import borrow, give_back, lend


def phase(control: Qubit, target: Qubit, distance: int) -> None:
    """The gate between qubits so far from each other in the register: exp(2 pi i/2^(distance+1)) to |11>."""
    control.apply(np.diag([1, 1, 1, np.exp(1j * pi / 2**distance)]), target)


async def fourier(node: Node, mine: list[Qubit], *, nodes: list[str]) -> None:
    """Do this node's part of |x> -> sum over y of exp(2 pi i x y/N) |y> / sqrt(N).

    Args:
        mine: This node's qubits; as many at each of the nodes. The first qubit of the first node is the most
            significant one of x, and the *least* significant one of y: nothing is sent only to reverse them.
        nodes: All nodes, in the order of their qubits in the register.
    """
    place, size = place_in(node, nodes), len(mine)
    for ahead, owner in zip(range(place, 0, -1), nodes[:place], strict=True):
        for nth in range(size):
            copy = await borrow(node, of=owner)
            for index, qubit in enumerate(mine):
                phase(copy, qubit, ahead * size + index - nth)
            await give_back(node, copy, to=owner)
    for nth, qubit in enumerate(mine):
        qubit.h()
        for index in range(nth + 1, size):
            phase(qubit, mine[index], index - nth)
        for later in nodes[place + 1 :]:
            await lend(node, qubit, to=later)


async def find_frequency(node: Node, *, nodes: list[str], size: int, frequency: int) -> list[int]:
    """Transform a wave, sum over x of exp(-2 pi i x f/N) |x>: each qubit holds a bit of f afterwards.

    The wave is a product state, so each node prepares its own qubits of it. The first node collects all bits and
    records the number.
    """
    number("frequency", frequency, 0, 2 ** (size * len(nodes)) - 1, whole=True)
    mine = node.qubits(size)
    place = place_in(node, nodes)
    for index, qubit in enumerate(mine, start=place * size):
        qubit.h()
        qubit.rz(-2 * pi * frequency / 2 ** (index + 1))
    await fourier(node, mine, nodes=nodes)
    bits = [await qubit.measure() for qubit in mine]
    if place > 0:
        await node.send(nodes[0], bits, channel="bits")
        return bits
    read = list(bits)
    for other in nodes[1:]:
        read += await node.receive(other, channel="bits", type=list[int])
    node.record(frequency=sum(bit << nth for nth, bit in enumerate(read)))
    return bits
