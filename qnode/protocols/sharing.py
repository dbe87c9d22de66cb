"""Sharing halves of Bell pairs for a protocol: as the link makes them, or made by one end and sent over somebody.

What hands the qubits on may be a node that listens, such as `eavesdropping.intercept_qubits`.
"""

from __future__ import annotations

from qnode import Node, Qubit


async def first_halves(alice: Node, n: int, *, peer: str, over: str = "") -> list[Qubit]:
    """n halves, of the link to the peer; or of pairs made here, whose other halves are handed to a neighbour."""
    if not over:
        return await alice.entangle(peer, n)
    kept = []
    for _ in range(n):
        mine, theirs = alice.qubits(2)
        mine.h()
        mine.cnot(theirs)
        await alice.send_qubit(over, theirs)
        kept.append(mine)
    return kept


async def second_halves(bob: Node, n: int, *, peer: str, over: str = "") -> list[Qubit]:
    """The other halves."""
    if not over:
        return await bob.entangle(peer, n)
    return [await bob.receive_qubit(over) for _ in range(n)]
