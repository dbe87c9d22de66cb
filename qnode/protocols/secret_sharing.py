"""Quantum secret sharing: a key that the holders of the shares know together, and none of them alone.

Dealer and holders measure a GHZ state, each in X or Y as a coin says. If the number of Y is even, which is so in half
of the rounds, the parity of all outcomes is fixed (XXX = +1, XYY = YXY = YYX = -1), and so the dealer's bit is the sum
of all shares; a share alone is independent of it. A holder who takes the other's qubit to know more guesses the
dealer's basis wrongly half of the time, and then half of the compared bits are wrong: an error rate of 1/4. That holds
as long as he tells his bases and bits before he has heard the others': who waits for them can hide better.

Sources: Hillery, Buzek & Berthiaume, Phys. Rev. A 59, 1829 (1999); for the order in which things are told Karlsson,
Koashi & Imoto, Phys. Rev. A 59, 162 (1999).
"""

from __future__ import annotations

import asyncio

from qnode import Node, Qubit
from qnode.protocols.arguments import number
from qnode.protocols.broadcast import announce
from qnode.protocols.ghz import share_ghz


async def deal(dealer: Node, *, chain: list[str], rounds: int, checked: float = 0.5) -> list[int]:
    """Be the dealer, who is the first of the chain. Returns the secret bits.

    Records how many rounds were kept, how many of them were compared (a share `checked` of them), and errors therein.
    """
    number("checked", checked, 0, 1)
    bases, outcomes = await _measure_all(dealer, chain, rounds)
    parities = expected_parities(await announce(dealer, bases, everyone=chain, channel="bases"))
    secret = {nth: outcomes[nth] ^ parity for nth, parity in parities.items()}
    compared = [nth for nth in secret if dealer.rng.random() < checked]
    for holder in chain[1:]:
        await dealer.send(holder, compared, channel="compared")
    shares = [await dealer.receive(holder, channel="shares", type=list) for holder in chain[1:]]
    errors = sum(secret[nth] != sum(bits) % 2 for nth, *bits in zip(compared, *shares, strict=True))
    dealer.record(kept=len(secret), compared=len(compared), errors=errors)
    return [bit for nth, bit in secret.items() if nth not in compared]


async def hold(holder: Node, *, chain: list[str], rounds: int) -> list[int]:
    """Be the holder of a share. Returns its bits: each secret bit is the sum of the holders' bits, modulo 2."""
    bases, outcomes = await _measure_all(holder, chain, rounds)
    secret = await _compare(holder, chain, bases, outcomes)
    return [outcomes[nth] for nth in secret]


async def cheat(bob: Node, *, chain: list[str], rounds: int) -> list[int]:
    """Be a dishonest holder, between the dealer and the last one. Returns what he takes for the secret.

    He measures the dealer's qubit through their pair, in a basis that he guesses, and makes of his pair with the last
    holder what a GHZ state would be after that. Rounds whose basis he guessed wrongly tell him nothing.
    """
    bases, outcomes, stolen = "", [], []
    for _ in range(rounds):
        seen, mine = await intercept(bob, chain)
        basis = _coin(bob)
        bases += basis
        outcomes.append(await mine.measure(basis))
        stolen.append(seen)
    secret = await _compare(bob, chain, bases, outcomes)
    return [stolen[nth] ^ parity for nth, parity in secret.items()]


async def intercept(bob: Node, chain: list[str]) -> tuple[int, Qubit]:
    """Do so in one round. Returns what the dealer will find if it is her basis, and bob's qubit of the false state."""
    dealer, _, last = chain
    of_dealer, mine = await asyncio.gather(bob.entangle(dealer), bob.entangle(last))
    await bob.receive(dealer, channel="ghz", type=int)
    await bob.send(last, 0, channel="ghz")
    guess = _coin(bob)
    seen = await of_dealer.measure(guess)
    if guess == "y":
        seen ^= 1  # halves of Phi+ have opposite outcomes in Y
        mine.sdg()
    if seen:
        mine.z()
    return seen, mine


async def _measure_all(node: Node, chain: list[str], rounds: int) -> tuple[str, list[int]]:
    bases, outcomes = "", []
    for _ in range(rounds):
        qubit = await share_ghz(node, chain)
        basis = _coin(node)
        bases += basis
        outcomes.append(await qubit.measure(basis))
    return bases, outcomes


async def _compare(holder: Node, chain: list[str], bases: str, outcomes: list[int]) -> dict[int, int]:
    """Tell the bases, and the outcomes of rounds to be compared. Returns the other rounds, each with its parity."""
    parities = expected_parities(await announce(holder, bases, everyone=chain, channel="bases"))
    compared = await holder.receive(chain[0], channel="compared", type=list)
    await holder.send(chain[0], [outcomes[nth] for nth in compared], channel="shares")
    return {nth: parity for nth, parity in parities.items() if nth not in compared}


def expected_parities(bases: dict[str, str]) -> dict[int, int]:
    """Of all outcomes, in each round that is kept: 0 after XXX, 1 after two Y. Odd numbers of Y are not kept."""
    n_y = [of_round.count("y") for of_round in zip(*bases.values(), strict=True)]
    return {nth: n // 2 % 2 for nth, n in enumerate(n_y) if n % 2 == 0}


def _coin(node: Node) -> str:
    return "xy"[int(node.rng.integers(2))]
