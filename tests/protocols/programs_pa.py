"""What nodes do in tests of protocols: a role of one, held on to where somebody wants to look.

Nothing is imported here but qnode: every run keeps the files of its programs, and a test makes many runs.
"""

from __future__ import annotations

import asyncio

import numpy as np

from qnode import BellState, Node, Qubit
from qnode.protocols import (
    bb84,
    coin_flipping,
    comparing,
    distillation,
    e91,
    magic_square,
    sharing,
    swapping,
    teleportation,
)
from qnode.protocols import remote_preparation as preparation

FOREVER = 1e6


async def keep(*qubits: Qubit) -> None:
    """Hold qubits until the run is stopped."""
    await asyncio.sleep(FOREVER)


async def holds(node: Node, peer: str, frame: tuple[int, int] = (0, 0)) -> None:
    """Keep a half of a pair, which is turned to a Bell state at this end."""
    half = await node.entangle(peer)
    half.correct(frame)
    await keep(half)


# --- teleportation, swapping, preparation ----------------------------------------------------------------------------


async def teleports(node: Node, states: list[tuple[float, float]]) -> None:
    for theta, phi in states:
        data = node.qubit()
        data.u(theta, phi, 0.0)
        node.mark("sent", data)
        await teleportation.teleport(node, data, to="bob")


async def gets_teleported(node: Node, n: int) -> None:
    for _ in range(n):
        qubit = await teleportation.receive_teleported(node, sender="alice")
        node.mark("received", qubit)
        qubit.discard()


async def keeps_teleported(node: Node) -> None:
    await keep(await teleportation.receive_teleported(node, sender="alice"))


async def swaps(node: Node) -> BellState:
    return await swapping.repeat(node, left="alice", right="bob", to="bob")


async def ends_chain(node: Node, left: str, repeaters: list[str]) -> None:
    await keep(await swapping.last_of_chain(node, left=left, repeaters=repeaters))


async def gets_equatorial(node: Node) -> None:
    await keep(await preparation.receive_equatorial(node, sender="alice"))


async def gets_prepared(node: Node) -> None:
    qubit = await preparation.receive(node, sender="alice")
    node.record(got=qubit is not None)
    await keep(*[qubit] if qubit else [])


# --- distillation ----------------------------------------------------------------------------------------------------


async def distils(node: Node, peer: str, method: str, first: bool = False) -> None:
    kept, spent = await node.entangle(peer, 2)
    step = distillation.METHODS[method]
    node.record(agreed=await step(node, kept, spent, peer=peer, first=first))
    await keep(kept)


async def pumps(node: Node, peer: str, method: str, rounds: int, first: bool = False) -> None:
    step = distillation.METHODS[method]
    await keep(await distillation.pump(node, step, peer=peer, rounds=rounds, first=first))


async def twirls(node: Node, peer: str, angle: float, first: bool = False) -> None:
    half = await node.entangle(peer)
    half.ry(angle)
    await distillation.twirl(node, half, peer=peer, first=first)
    await keep(half)


# --- keys ------------------------------------------------------------------------------------------------------------


async def measures_at_angles(node: Node, peer: str, first: bool = False) -> list[int]:
    angles = e91.ALICE_ANGLES if first else e91.BOB_ANGLES
    settings, outcomes = await e91.measured(node, await node.entangle(peer, 1), angles)
    return [int(settings[0]), int(outcomes[0])]


async def keeps_shared(node: Node, peer: str, over: str, first: bool = False) -> None:
    share = sharing.first_halves if first else sharing.second_halves
    await keep(*await share(node, 1, peer=peer, over=over))


async def sends_zero(node: Node, basis: int) -> None:
    await node.send_qubit("eve", bb84.prepared(node, 0, basis))


async def reads(node: Node, basis: int) -> int:
    return int((await bb84.measured([await node.receive_qubit("eve")], np.array([basis])))[0])


async def chooses(node: Node, bits: list[int], n: int) -> tuple[int, int, list[int]]:
    return await comparing.choose_and_compare(node, bits, peer="bob", n=n)


async def follows(node: Node, bits: list[int]) -> tuple[int, int, list[int]]:
    return await comparing.compare(node, bits, peer="alice")


async def answers(node: Node, bits: list[int]) -> None:
    """Alice's part of ping-pong, where somebody looks at what flies back."""
    for bit in bits:
        await node.receive("bob")
        travel = await node.receive_qubit("bob")
        if bit:
            travel.z()
        node.mark("in flight", travel)
        await node.send_qubit("bob", travel)


# --- games, money ----------------------------------------------------------------------------------------------------


async def plays_row(node: Node, row: int) -> tuple[int, int, int]:
    return await magic_square.measure_row(node, row, *await node.entangle("bob", 2))


async def plays_column(node: Node, column: int) -> tuple[int, int, int]:
    return await magic_square.measure_column(node, column, *await node.entangle("alice", 2))


async def asked(node: Node) -> int:
    """The question of a game's referee, whose rules any answer may break."""
    question = await node.receive("referee", type=int)
    await node.send("referee", (0, 0, 0))
    return question


async def keeps_note(node: Node, n: int) -> None:
    await keep(*[await node.receive_qubit("bank") for _ in range(n)])


async def keeps_for_a_millisecond(node: Node) -> None:
    qubit = await node.receive_qubit("bank")
    await asyncio.sleep(1e-3)
    await node.send_qubit("bank", qubit)


async def tells_coin(node: Node, told: tuple[int, int], angle: float = 0.0) -> None:
    """Toss a coin as alice, with any state, and tell bob anything in the end."""
    await node.send_qubit("bob", coin_flipping.prepared(node, angle))
    await node.receive("bob")
    await node.send("bob", told)
    await node.receive("bob")


async def answers_coin(node: Node, answer: int) -> None:
    """Toss a coin as bob, and answer anything."""
    (await node.receive_qubit("alice")).discard()
    await node.send("alice", answer)
