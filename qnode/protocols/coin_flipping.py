"""Coin flipping: two who do not trust each other toss a coin, and neither can cheat for sure.

Alice sends a bit in one of two bases, in states that are not quite orthogonal to those of the other bit. Bob measures
in a basis of his own and answers with a bit; then Alice tells hers, and Bob aborts if he has found another one in her
basis. The coin is the XOR of both bits. With a = 0.9 either of them can get what he wants with probability 0.9 and no
more, where with messages alone one of them could be sure of it.

Source: Berlin, Brassard, Bussieres & Godbout, Phys. Rev. A 80, 062321 (2009). There Bob asks for another qubit as often
as one is lost, which helps neither; here the fibre loses none. Noise makes the honest abort, too.
"""

from __future__ import annotations

from math import acos, pi, sqrt
from typing import Final, NamedTuple

from qnode import Node, Qubit
from qnode.protocols.arguments import chosen

A: Final = 0.9
"""How much of |0> is in the states of bit 0. Bob cheats with A, Alice with (3 + 2 sqrt(A(1-A)))/4: alike at 0.9."""


class Told(NamedTuple):
    """What Alice says of the qubit that she has sent. Anything else is refused: Bob cannot check a third basis."""

    basis: bool
    bit: bool


def angle(basis: int, bit: int) -> float:
    """Of the state cos(angle/2)|0> + sin(angle/2)|1> that stands for a bit: that of bit 0 has probability A of 0."""
    return (1 - 2 * basis) * (2 * acos(sqrt(A)) - pi * bit)


async def toss_alice(alice: Node, *, peer: str) -> int | None:
    """Be the one who sends. Returns the coin; None if bob aborts."""
    told = Told(*map(bool, alice.rng.integers(0, 2, 2)))
    await alice.send_qubit(peer, prepared(alice, angle(*told)))
    answer = await alice.receive(peer, type=bool)
    await alice.send(peer, told)
    return int(told.bit ^ answer) if await alice.receive(peer, type=bool) else None


async def toss_bob(bob: Node, *, peer: str) -> int | None:
    """Be the one who checks. Returns the coin; None if alice has told a bit that he has not found."""
    mine = bool(bob.rng.integers(2))
    qubit = await bob.receive_qubit(peer)
    qubit.ry(-angle(mine, 0))
    found = await qubit.measure()
    answer = bool(bob.rng.integers(2))
    await bob.send(peer, answer)
    basis, bit = await bob.receive(peer, type=Told)
    accepted = basis != mine or bit == found
    await bob.send(peer, accepted)
    return int(bit ^ answer) if accepted else None


async def cheat_as_alice(alice: Node, *, peer: str, wanted: int = 0) -> int | None:
    """Send the state between two of different bits and bases, and tell the bit that is wanted."""
    await alice.send_qubit(peer, prepared(alice, pi / 2))
    bit = await alice.receive(peer, type=bool) ^ bool(wanted)
    await alice.send(peer, Told(bit, bit))
    return wanted if await alice.receive(peer, type=bool) else None


async def cheat_as_bob(bob: Node, *, peer: str, wanted: int = 0) -> int | None:
    """Measure in z, which tells the bit with probability A, and answer what is wanted then."""
    qubit = await bob.receive_qubit(peer)
    answer = bool(await qubit.measure() ^ wanted)
    await bob.send(peer, answer)
    told = await bob.receive(peer, type=Told)
    await bob.send(peer, True)
    return int(told.bit ^ answer)


def prepared(node: Node, angle: float) -> Qubit:
    """A new qubit in cos(angle/2)|0> + sin(angle/2)|1>."""
    qubit = node.qubit()
    qubit.ry(angle)
    return qubit


ROLES: Final = {"alice": toss_alice, "bob": toss_bob, "cheating alice": cheat_as_alice, "cheating bob": cheat_as_bob}


async def toss(node: Node, *, peer: str, role: str, tosses: int) -> list[int | None]:
    """Toss so often in a role: "alice", "bob", "cheating alice" or "cheating bob". Returns the coins."""
    play = chosen("role", role, ROLES)
    coins = [await play(node, peer=peer) for _ in range(tosses)]
    if role.endswith("alice"):
        node.record(**{f"{node.program}_zeros": coins.count(0), f"{node.program}_aborted": coins.count(None)})
    return coins
