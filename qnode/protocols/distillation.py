"""Distillation: one better pair out of two, if both ends see the same.

Each end does a CNOT from the half that is to be kept to the half that is spent, measures the spent one and tells the
other end. If the outcomes differ, an error was seen, and both pairs are lost; if they agree, it is more likely that
there was none. BBPSSW makes Werner states of both pairs before, by turning them at random; DEJMPS turns them by fixed
angles, so that what one round has left behind is what the next one sees.

Sources: Bennett et al., Phys. Rev. Lett. 76, 722 (1996), BBPSSW; Deutsch et al., Phys. Rev. Lett. 77, 2818 (1996),
DEJMPS; Duer, Briegel, Cirac & Zoller, Phys. Rev. A 59, 169 (1999), pumping.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from math import pi
from typing import Final

from qnode import Node, Qubit
from qnode.protocols.arguments import chosen, number

TURNS: Final = 12  # rotations of a tetrahedron: the fewest that make any state a Werner state


async def bbpssw(node: Node, kept: Qubit, spent: Qubit, *, peer: str, first: bool) -> bool:
    """Distil two pairs with the peer, who calls it too; one of both is the first. Returns whether `kept` is left."""
    for half in (kept, spent):
        await twirl(node, half, peer=peer, first=first)
    return await compare_parities(node, kept, spent, peer=peer)


async def dejmps(node: Node, kept: Qubit, spent: Qubit, *, peer: str, first: bool) -> bool:
    """Distil two pairs with the peer, who calls it too; one of both is the first. Returns whether `kept` is left."""
    for half in (kept, spent):
        half.rx(pi / 2 if first else -pi / 2)
    return await compare_parities(node, kept, spent, peer=peer)


async def compare_parities(node: Node, kept: Qubit, spent: Qubit, *, peer: str) -> bool:
    """What both have in common. Returns whether both ends have found the same; if not, `kept` is discarded."""
    kept.cnot(spent)
    mine = await spent.measure()
    await node.send(peer, mine, about=kept)
    if mine == await node.receive(peer, about=kept, type=int):
        return True
    kept.discard()
    return False


async def twirl(node: Node, half: Qubit, *, peer: str, first: bool) -> None:
    """Turn both halves alike, at random: whatever the pair was, it is a Werner state then, of the same fidelity.

    The second draws one of twelve rotations U and tells the first; one applies U and the other its conjugate, which
    leaves Phi+ as it is.
    """
    if not first:
        turn = int(node.rng.integers(TURNS))
        await node.send(peer, turn, about=half)
    else:
        turn = await node.receive(peer, about=half, type=int)
    for _ in range(turn // 4):  # x -> z -> y -> x
        half.h()
        (half.s if first else half.sdg)()
    half.correct((turn // 2 % 2, turn % 2))


Step = Callable[..., Awaitable[bool]]
METHODS: Final[dict[str, Step]] = {"bbpssw": bbpssw, "dejmps": dejmps}


async def pump(node: Node, step: Step, *, peer: str, rounds: int, first: bool) -> Qubit:
    """Distil one pair again and again, each time with a fresh one, and from the start when a round fails."""
    while True:
        kept = await node.entangle(peer)
        for _ in range(rounds):
            if not await step(node, kept, await node.entangle(peer), peer=peer, first=first):
                break
        else:
            return kept


async def distill(node: Node, *, peer: str, method: str, rounds: int, pairs: int, first: bool = False) -> list[int]:
    """Make so many pairs by pumping with a method, "bbpssw" or "dejmps", and measure them in z."""
    number("rounds", rounds, 0, whole=True)
    step = chosen("method", method, METHODS)
    outcomes = []
    for _ in range(pairs):
        half = await pump(node, step, peer=peer, rounds=rounds, first=first)
        if first:
            node.mark("distilled", half)
        outcomes.append(await half.measure())
    return outcomes
