"""BBM92: BB84 with pairs. Both ends measure halves of Bell pairs, and nobody has to prepare anything.

Each end measures each half in z or x, at random; where the bases agree, so do the outcomes. Who made the pairs, or had
a half in hand, need not be trusted: an outcome that he knows is a pair that he has measured, which errors tell of.

Source: Bennett, Brassard & Mermin, Phys. Rev. Lett. 68, 557 (1992).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from qnode import Node, Qubit
from qnode.protocols.bb84 import measured
from qnode.protocols.comparing import choose_and_compare, compare
from qnode.protocols.sharing import first_halves, second_halves

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Numbers = npt.NDArray[np.int_]


async def first_key(alice: Node, *, bob: str, n: int, trains: int, shown: int, over: str = "") -> list[int]:
    """Be the end that draws which bits are shown. Returns the key: nothing, if too many of those were wrong.

    Args:
        n: Pairs made at a time.
        shown: How many of the sifted bits are compared.
        over: The neighbour to whom bob's halves are handed, if the pairs are alice's own and not the link's.
    """
    sifted: list[int] = []
    for _ in range(trains):
        bits, bases = await _measured(alice, await first_halves(alice, n, peer=bob, over=over))
        theirs = await alice.receive(bob)  # first: before bob has measured, nobody may know her bases
        await alice.send(bob, bases)
        sifted += bits[bases == theirs].tolist()
    compared = await choose_and_compare(alice, sifted, peer=bob, n=shown)
    key = compared.key()
    alice.record(sifted=len(sifted), error_rate=compared.error_rate, key_bits=len(key))
    return key


async def second_key(bob: Node, *, alice: str, n: int, trains: int, over: str = "") -> list[int]:
    """Be the other end."""
    sifted: list[int] = []
    for _ in range(trains):
        bits, bases = await _measured(bob, await second_halves(bob, n, peer=alice, over=over))
        await bob.send(alice, bases)
        sifted += bits[bases == await bob.receive(alice)].tolist()
    compared = await compare(bob, sifted, peer=alice)
    return compared.key()


async def _measured(node: Node, halves: list[Qubit]) -> tuple[Numbers, Numbers]:
    bases = node.rng.integers(0, 2, len(halves))
    return await measured(halves, bases), bases
