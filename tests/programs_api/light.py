"""Programs that send and receive trains of pulses, and that sit on a link."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np

from qnode import Node
from qnode.errors import QnodeError
from qnode.protocols.eavesdropping import beam_splitting, intercept_resend, photon_number_splitting

Answer = dict[str, Any]


def told(**arrays: Any) -> Answer:
    """Arrays as their type and their bytes: a run's results are saved as text, entry by entry."""
    return {key: (one.dtype.str, one.tobytes()) if isinstance(one, np.ndarray) else one for key, one in arrays.items()}


def prepared(node: Node, n: int, n_bases: int, n_classes: int) -> tuple[Any, Any, Any]:
    rng = node.rng
    draws = (rng.integers(0, most, n, dtype=np.uint8) for most in (2, n_bases, n_classes))
    return tuple(draws)  # type: ignore[return-value]


async def sends(
    node: Node, peer: str, n: int, n_bases: int = 2, n_classes: int = 1, tell: str = "", rate: float | None = None
) -> Answer:
    """Random pulses; when the peer has detected them, the bases are announced, to somebody else too."""
    bits, bases, classes = prepared(node, n, n_bases, n_classes)
    sent = await node.send_pulses(peer, bits, bases=bases, intensities=classes, rate=rate)
    await node.receive(peer)
    for other in filter(None, tell.split(",")):
        await node.send(other, bases, channel="bases")
    return told(bits=bits, bases=bases, classes=classes, start=sent.start, period=sent.period)


async def receives(node: Node, peer: str, bases: Any = None) -> Answer:
    got = await node.receive_pulses(peer, bases=bases)
    await node.send(peer, "done")
    return seen(got)


def seen(got: Any) -> Answer:
    return told(
        n=got.n,
        indices=got.indices,
        outcomes=got.outcomes,
        bases=got.bases,
        double=got.double,
        times=got.times,
        start=got.start,
        period=got.period,
    )


async def both_ways(node: Node, peer: str, n: int) -> list[list[int]]:
    """Two trains each way at once, each with bits of its own that are all alike."""
    first = node.name == "alice"

    async def send(nth: int) -> None:
        await node.send_pulses(peer, np.full(n, (nth + first) % 2), bases="z", tag=f"t{nth}")

    async def receive(nth: int) -> list[int]:
        got = await node.receive_pulses(peer, bases="z", tag=f"t{nth}")
        return [int(outcome) for outcome in got.outcomes]

    found = await asyncio.gather(receive(0), receive(1), send(1), send(0))
    return [outcomes for outcomes in found if outcomes is not None]


async def sends_pairs(node: Node, peer: str, n: int, bases: Any = None) -> Answer:
    return seen(await node.send_entangled(peer, n, bases=bases))


async def receives_pairs(node: Node, peer: str, bases: Any = None) -> Answer:
    return seen(await node.receive_pulses(peer, bases=bases))


async def one_after_another(node: Node, peer: str, trains: int, n: int) -> list[Answer]:
    found = []
    for _ in range(trains):
        if node.name == "alice":
            sent = await node.send_pulses(peer, np.zeros(n), bases="z")
            found.append({"start": sent.start, "last": float(sent.times[-1]), "now": asyncio.get_running_loop().time()})
        else:
            found.append(seen(await node.receive_pulses(peer, bases="z")))
    return found


# --- who sits on the link --------------------------------------------------------------------------------------------


async def intercepts(node: Node, share: float, bases: int = 2) -> Answer:
    return seen(await intercept_resend(node, sender="alice", receiver="bob", share=share, bases=bases))


async def splits_beams(node: Node, share: float) -> Answer:
    train, got = await beam_splitting(node, sender="alice", receiver="bob", share=share)
    return {**seen(got), "sender": train.sender, "trains": train.n}


async def splits_numbers(node: Node, block_singles: float) -> Answer:
    numbers, got = await photon_number_splitting(node, sender="alice", receiver="bob", block_singles=block_singles)
    return {**seen(got), **told(numbers=numbers)}


async def looks_on(node: Node) -> None:
    """It has the train and returns with it in its hands."""
    await node.tap("alice", "bob")


async def does_nothing(node: Node) -> None:
    pass


async def keeps_the_rest(node: Node) -> Answer:
    """All that a train of single photons allows, on one of them: nothing is there twice."""
    train = await node.tap("alice", "bob")
    numbers = await train.count()
    half = await train.split(0.5)
    more = await train.take(1, where=np.arange(train.n) % 3 == 0)
    await train.forward(lossless=True)
    found = [await half.measure("z"), await more.measure("z"), await half.measure("x"), await more.measure("x")]
    await half.drop()
    return {**told(numbers=numbers), "seen": [seen(one) for one in found]}


async def acts_twice(node: Node) -> list[str]:
    """What cannot be done to light."""
    train = await node.tap("alice", "bob")
    errors = []
    for wrong in (
        lambda: train.split(1.5),
        lambda: train.take(-1),
        lambda: train.block(np.ones(3)),
        lambda: train.measure("w"),
        lambda: train.replace(np.zeros(train.n), "z", photons=256),
    ):
        try:
            await wrong()
        except QnodeError as error:
            errors.append(str(error))
    await train.forward()
    for late in (train.count, train.forward):
        try:
            await late()
        except QnodeError as error:
            errors.append(str(error))
    return errors


# --- what goes wrong -------------------------------------------------------------------------------------------------


async def tries_to_send(node: Node, peer: str, calls: list[dict[str, Any]]) -> list[str]:
    """The errors of calls with these arguments."""
    errors = []
    for call in calls:
        try:
            async with asyncio.timeout(1e-3):
                await node.send_pulses(peer, **{"bits": [0, 1, 1], "bases": "z", "rate": 1e9, **call})
            errors.append("")
        except TimeoutError:
            errors.append("nobody receives")
        except QnodeError as error:
            errors.append(str(error))
    return errors


async def tries_to_receive(node: Node, peer: str, calls: list[dict[str, Any]]) -> list[str]:
    errors = []
    for call in calls:
        try:
            async with asyncio.timeout(1e-3):
                await node.receive_pulses(peer, **call)
            errors.append("")
        except TimeoutError:
            errors.append("nobody sends")
        except QnodeError as error:
            errors.append(str(error))
    return errors


async def gives_up_then_receives(node: Node, peer: str, n: int) -> Answer:
    """A request that was withdrawn meets no train: the next one does."""
    try:
        async with asyncio.timeout(1e-6):
            await node.receive_pulses(peer, bases=np.zeros(7))
    except TimeoutError:
        pass
    return seen(await node.receive_pulses(peer, bases=np.zeros(n)))


async def sends_late(node: Node, peer: str, n: int) -> float:
    await asyncio.sleep(1e-3)
    return (await node.send_pulses(peer, np.ones(n), bases="z")).start


async def splits_blindly(node: Node, trains: int, block_singles: float) -> None:
    """Photon-number splitting without waiting for bases."""
    for _ in range(trains):
        train = await node.tap("alice", "bob")
        numbers = await train.count()
        kept = await train.take(1, where=numbers >= 2)
        await train.block((numbers == 1) & (node.rng.random(train.n) < block_singles))
        await train.forward(lossless=True)
        await kept.drop()


async def fails(node: Node) -> None:
    await asyncio.sleep(1e-6)
    raise RuntimeError("on purpose")
