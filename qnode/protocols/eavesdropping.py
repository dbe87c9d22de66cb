"""Eavesdropping: what somebody who sits between two nodes can do, and what it costs them.

`intercept_qubits` is for a node that hands single qubits on from one neighbour to another. Each other function is a
program for the node that the link's `photons:` name as its `tap:`. It gets qubits or trains of pulses, not what was
prepared in them: whatever it learns, it learns by measuring. Who measures single photons in the wrong basis leaves
errors behind; who takes photons away leaves losses; only pulses of several photons give something for nothing.

Sources: Bennett et al., J. Cryptology 5, 3 (1992) for intercept-resend and beam splitting; Luetkenhaus, PRA 61, 052304
(2000), and Brassard et al., PRL 85, 1330 (2000), for photon-number splitting.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from qnode import Node
from qnode.protocols.arguments import number

if TYPE_CHECKING:
    from qnode.api.pulses import Detections, TappedTrain


async def intercept_qubits(eve: Node, *, sender: str, receiver: str, n: int, share: float = 1.0) -> list[int | None]:
    """Measure a share of n qubits in z or x, at random, before they go on: each bit that is kept is wrong with share/4.

    Returns what was seen of each qubit; None of those that were left alone.
    """
    number("share", share, 0, 1)
    seen: list[int | None] = []
    for _ in range(n):
        qubit = await eve.receive_qubit(sender)
        listens = eve.rng.binomial(1, share)
        seen.append(await qubit.measure("zx"[eve.rng.integers(2)], keep=True) if listens else None)
        await eve.send_qubit(receiver, qubit)
    return seen


async def intercept_resend(eve: Node, *, sender: str, receiver: str, share: float = 1.0, bases: int = 2) -> Detections:
    """Measure a share of the pulses in random bases, and send what was seen instead. Error rate share/4 (3 bases: /3).

    Pulses in which nothing was seen go on empty; a pulse of several photons is measured like one.
    """
    number("share", share, 0, 1)
    train = await eve.tap(sender, receiver)
    mine = eve.rng.random(train.n) < share
    chosen = eve.rng.integers(0, bases, train.n, dtype=np.uint8)
    seen = await train.measure(chosen, mine)
    bits, there = np.zeros(train.n, np.uint8), np.zeros(train.n, np.bool_)
    bits[seen.indices], there[seen.indices] = seen.outcomes, True
    await train.replace(bits, chosen, where=there)
    await train.forward()
    return seen


async def beam_splitting(eve: Node, *, sender: str, receiver: str, share: float) -> tuple[TappedTrain, Detections]:
    """Keep a share of the light until the sender's bases are announced, then measure it in these.

    The sender's program sends Eve its bases on channel "bases", as it tells them to everybody. No errors; the loss is
    that of a longer link, and if the share is what the link loses anyway and the rest goes over a better one, nobody
    sees it.
    """
    train = await eve.tap(sender, receiver)
    kept = await train.split(share)
    await train.forward(lossless=True)
    announced = await eve.receive(sender, channel="bases")
    return train, await kept.measure(announced)


async def photon_number_splitting(
    eve: Node, *, sender: str, receiver: str, block_singles: float = 0.0, lossless: bool = True
) -> tuple[np.ndarray[tuple[int], np.dtype[np.uint8]], Detections]:
    """Count photons, keep one of each pulse that has several, and block a share of the single ones.

    What is kept is measured when the bases are announced (channel "bases"): all bits of pulses with several photons are
    known, without an error. A better channel makes up for what is blocked; only decoy states tell that single photons
    and pairs of them no longer get through alike. Returns the numbers of photons and what was seen.
    """
    train = await eve.tap(sender, receiver)
    numbers = await train.count()
    kept = await train.take(1, where=numbers >= 2)
    if block_singles:
        await train.block((numbers == 1) & (eve.rng.random(train.n) < block_singles))
    await train.forward(lossless=lossless)
    announced = await eve.receive(sender, channel="bases")
    return numbers, await kept.measure(announced)
