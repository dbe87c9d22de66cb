"""CHSH: a game that entanglement wins more often than any plan made beforehand.

A referee gives each player a random bit x, y; they win if their answers differ exactly when both bits are 1. Without
entanglement at most 3/4 of the rounds can be won; measuring a Bell pair at the right angles wins cos^2(pi/8) = 85 %.
The players do not talk while they play: what either answers alone is a fair coin, whatever the other was asked.

Source: Clauser, Horne, Shimony & Holt, Phys. Rev. Lett. 23, 880 (1969); Nielsen & Chuang, section 2.6.
"""

from __future__ import annotations

from math import pi

from qnode import Node

ALICE_ANGLES = (0.0, pi / 2)
BOB_ANGLES = (pi / 4, -pi / 4)


async def play_alice(alice: Node, *, bob: str, rounds: int) -> list[tuple[int, int]]:
    """Play as the one with the angles 0 and pi/2. Returns (question, answer) for each round."""
    return await _play(alice, bob, rounds, ALICE_ANGLES)


async def play_bob(bob: Node, *, alice: str, rounds: int) -> list[tuple[int, int]]:
    """Play as the one with the angles pi/4 and -pi/4. Returns (question, answer) for each round."""
    return await _play(bob, alice, rounds, BOB_ANGLES)


async def _play(node: Node, other: str, rounds: int, angles: tuple[float, float]) -> list[tuple[int, int]]:
    played = []
    for _ in range(rounds):
        question = int(node.rng.integers(2))
        half = await node.entangle(other)
        half.ry(-angles[question])
        played.append((question, await half.measure()))
    return played


def wins(alice: list[tuple[int, int]], bob: list[tuple[int, int]]) -> int:
    """How many rounds were won: the answers differ exactly when both questions are 1."""
    return sum((a ^ b) == (x & y) for (x, a), (y, b) in zip(alice, bob, strict=True))
