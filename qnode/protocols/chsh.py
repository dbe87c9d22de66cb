"""CHSH: a game that entanglement wins more often than any plan made beforehand.

A referee gives each player a random bit x, y; they win if their answers differ exactly when both bits are 1. Without
entanglement at most 3/4 of the rounds can be won; measuring a Bell pair at the right angles wins cos^2(pi/8) = 85 %.
The players do not talk while they play: what either answers alone is a fair coin, whatever the other was asked.

Sources: Clauser, Horne, Shimony & Holt, Phys. Rev. Lett. 23, 880 (1969); Nielsen & Chuang, section 2.6; Cleve, Hoyer,
Toner & Watrous, CCC 2004, the game.
"""

from __future__ import annotations

from math import pi

from qnode import Node
from qnode.protocols.arguments import number

ALICE_ANGLES = (0.0, pi / 2)
BOB_ANGLES = (pi / 4, -pi / 4)


async def referee(node: Node, *, alice: str, bob: str, rounds: int) -> int:
    """Ask both a random bit in each round. Returns how many rounds were won."""
    number("rounds", rounds, 1, whole=True)
    wins = 0
    for _ in range(rounds):
        x, y = map(int, node.rng.integers(0, 2, 2))
        await node.send(alice, x)
        await node.send(bob, y)
        wins += is_won(x, y, await node.receive(alice, type=int), await node.receive(bob, type=int))
    node.record(won=wins / rounds)
    return wins


def is_won(x: int, y: int, a: int, b: int) -> bool:
    """Whether the answers a and b differ exactly when both questions are 1."""
    return (a ^ b) == (x & y)


async def play_alice(alice: Node, *, bob: str, referee: str, rounds: int) -> None:
    """Play as the one with the angles 0 and pi/2."""
    await _play(alice, bob, referee, rounds, ALICE_ANGLES)


async def play_bob(bob: Node, *, alice: str, referee: str, rounds: int) -> None:
    """Play as the one with the angles pi/4 and -pi/4."""
    await _play(bob, alice, referee, rounds, BOB_ANGLES)


async def _play(node: Node, other: str, referee: str, rounds: int, angles: tuple[float, float]) -> None:
    for _ in range(rounds):
        question = await node.receive(referee, type=int)
        half = await node.entangle(other)
        half.ry(-angles[question])
        await node.send(referee, await half.measure())
