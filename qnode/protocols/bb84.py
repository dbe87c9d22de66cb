"""BB84: a key out of single qubits, each sent in one of two bases that nobody else knows while it travels.

The sender puts random bits on qubits in random bases, z or x; the receiver measures in random bases. Afterwards they
tell each other the bases and keep the half of the bits where these agree. Who has measured on the way, in a basis that
he had to guess, has left a wrong bit behind with probability 1/4, and a sample of the bits tells. Their messages are
public, but authentic: nobody on the way can write others.

Sources: Bennett & Brassard (1984); Nielsen & Chuang, section 12.6.3. `eavesdropping.intercept_qubits` is who listens.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from qnode import Node, Qubit
from qnode.protocols.comparing import choose_and_compare, compare

if TYPE_CHECKING:
    import numpy.typing as npt

BASES = "zx"


async def send_key(alice: Node, *, bob: str, n: int, trains: int, shown: int, over: str = "") -> list[int]:
    """Be the sender of so many trains of n qubits. Returns the key: nothing, if too many of the shown bits were wrong.

    Args:
        n: Qubits under way at a time: bob, and who is between, need as many slots.
        shown: How many of the sifted bits are compared.
        over: The neighbour to whom the qubits are handed, if that is not bob.
    """
    sifted: list[int] = []
    for _ in range(trains):
        bits, bases = alice.rng.integers(0, 2, (2, n))
        for bit, basis in zip(bits, bases, strict=True):
            await alice.send_qubit(over or bob, prepared(alice, bit, basis))
        agreed = bases == await alice.receive(bob)
        await alice.send(bob, agreed)
        sifted += bits[agreed].tolist()
    compared = await choose_and_compare(alice, sifted, peer=bob, n=shown)
    key = compared.key()
    alice.record(sifted=len(sifted), error_rate=compared.error_rate, key_bits=len(key))
    return key


async def receive_key(bob: Node, *, alice: str, n: int, trains: int, over: str = "") -> list[int]:
    """Be the receiver; `over` is the neighbour who hands the qubits on, if that is not alice."""
    sifted: list[int] = []
    for _ in range(trains):
        bases = bob.rng.integers(0, 2, n)
        qubits = [await bob.receive_qubit(over or alice) for _ in range(n)]
        bits = await measured(qubits, bases)
        await bob.send(alice, bases)
        sifted += bits[await bob.receive(alice)].tolist()
    compared = await compare(bob, sifted, peer=alice)
    return compared.key()


async def measured(qubits: Sequence[Qubit], bases: npt.NDArray[np.int_]) -> npt.NDArray[np.int_]:
    """What is on qubits, each read in z (0) or x (1)."""
    return np.array(await asyncio.gather(*(qubit.measure(BASES[b]) for qubit, b in zip(qubits, bases, strict=True))))


def prepared(node: Node, bit: int, basis: int) -> Qubit:
    """A new qubit with a bit on it, in z (0) or x (1).

    Two gates whatever they are, Z where there is nothing to do, which does nothing to |0> and |1>: where gates take
    time, who sees when a qubit comes learns nothing, and none overtakes.
    """
    qubit = node.qubit()
    (qubit.x if bit else qubit.z)()
    (qubit.h if basis else qubit.z)()
    return qubit
