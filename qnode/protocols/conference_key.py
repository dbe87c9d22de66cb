"""Conference key agreement: one key for all of a group, straight from GHZ states.

In Z all outcomes of a GHZ state agree, and nobody outside knows them: they are the key. Some rounds are measured in X
instead, once everybody holds its qubit, and others in Z and told: the parity of the X outcomes and the agreement of
those in Z bound what an eavesdropper can know. The key rate is r = 1 - h(Q_X) - max_i h(Q_Zi), for long keys.

Source: Epping, Kampermann, Macchiavello & Bruss, New J. Phys. 19, 093012 (2017).
"""

from __future__ import annotations

from collections.abc import Sequence

from qnode import Node, Qubit
from qnode.protocols.arguments import number
from qnode.protocols.decoy_bb84 import entropy
from qnode.protocols.ghz import share_ghz

KEY, CHECK_Z, CHECK_X = "key", "check z", "check x"


async def lead(leader: Node, *, chain: list[str], rounds: int, checked: float = 0.2) -> list[int]:
    """Be the first of the chain, who says which rounds are checked: a share `checked` in X, and as many in Z.

    Returns the key, with the errors that are to be corrected. Records the error rates and the rate of the key.
    """
    number("checked", checked, 0, 0.5)
    key: list[int] = []
    in_z: list[list[int]] = []
    in_x: list[list[int]] = []
    for _ in range(rounds):
        mine = await share_ghz(leader, chain)
        for name in chain[1:]:
            await leader.receive(name, channel="held")
        kind = str(leader.rng.choice([KEY, CHECK_Z, CHECK_X], p=[1 - 2 * checked, checked, checked]))
        for name in chain[1:]:
            await leader.send(name, kind, channel="kind")
        outcome = await _measure(mine, kind)
        if kind == KEY:
            key.append(outcome)
        else:
            told = [outcome, *[await leader.receive(name, channel="told", type=int) for name in chain[1:]]]
            (in_x if kind == CHECK_X else in_z).append(told)
    q_x, q_z = error_rates(in_x, in_z)
    leader.record(q_x=q_x, q_z=q_z, rate=key_rate(q_x, q_z))
    return key


async def follow(node: Node, *, chain: list[str], rounds: int) -> list[int]:
    """Be any other node of the chain. Returns the key, with the errors that are to be corrected."""
    key, leader = [], chain[0]
    for _ in range(rounds):
        mine = await share_ghz(node, chain)
        await node.send(leader, None, channel="held")
        kind = await node.receive(leader, channel="kind", type=str)
        outcome = await _measure(mine, kind)
        if kind == KEY:
            key.append(outcome)
        else:
            await node.send(leader, outcome, channel="told")
    return key


async def _measure(mine: Qubit, kind: str) -> int:
    return await mine.measure("x" if kind == CHECK_X else "z")


def error_rates(in_x: Sequence[Sequence[int]], in_z: Sequence[Sequence[int]]) -> tuple[float, list[float]]:
    """Of checked rounds' outcomes, the leader's first: Q_X, and Q_Z of each of the others; 1/2 where nothing was."""
    q_x = sum(sum(told) % 2 for told in in_x) / len(in_x) if in_x else 0.5
    of_others = zip(*in_z, strict=True)
    first = next(of_others, ())
    return q_x, [sum(a != b for a, b in zip(first, others, strict=True)) / len(first) for others in of_others]


def key_rate(q_x: float, q_z: Sequence[float]) -> float:
    """Secret bits for each round that was measured for the key, at least 0."""
    return max(0.0, 1 - entropy(q_x) - max(map(entropy, q_z), default=1.0))
