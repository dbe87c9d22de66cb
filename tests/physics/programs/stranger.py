"""Protocols of somebody who has read the documentation and nothing else."""

from __future__ import annotations

import asyncio

import numpy as np

from qnode import BellState, Node, Qubit

FOREVER = 1e6


def now_ns() -> int:
    return round(asyncio.get_running_loop().time() * 1e9)


async def keeps(node: Node, peer: str, n: int = 1, after: float = 0.0) -> None:
    """Keep halves until the run is stopped; the header's fidelity and the time of delivery are recorded."""
    await asyncio.sleep(after)
    halves = await node.entangle(peer, n)
    node.record(fidelity=[half.fidelity for half in halves], came=now_ns())
    await asyncio.sleep(FOREVER)


# --- chains and teleportation ----------------------------------------------------------------------------------------


async def repeats(node: Node, left: str, right: str, end: str, n: int = 1) -> None:
    """Swap n pairs of either side; the other end hears of all outcomes at once."""
    lefts, rights = await asyncio.gather(node.entangle(left, n), node.entangle(right, n))
    for one, other in zip(lefts, rights, strict=True):
        one.cnot(other)
        one.h()
    outcomes = await node.measure(*lefts, *rights)
    await node.send(end, list(zip(outcomes[:n], outcomes[n:], strict=True)))


async def begins(node: Node, peer: str, n: int = 1, bases: str = "") -> list[int]:
    """The end of a chain that corrects nothing; without bases it keeps what it has."""
    halves = await node.entangle(peer, n)
    node.record(came=now_ns())
    return await _read(halves, bases)


async def ends(node: Node, peer: str, repeaters: list[str], n: int = 1, bases: str = "") -> list[int]:
    """The end that corrects."""
    halves = await node.entangle(peer, n)
    node.record(came=now_ns())
    for repeater in repeaters:
        for half, outcome in zip(halves, await node.receive(repeater), strict=True):
            half.correct(outcome)
    return await _read(halves, bases)


async def _read(halves: list[Qubit], bases: str) -> list[int]:
    if not bases:
        await asyncio.sleep(FOREVER)
    return [await half.measure(bases[nth % len(bases)]) for nth, half in enumerate(halves)]


async def swaps_again_and_again(node: Node, left: str, right: str, end: str, rounds: int) -> None:
    """One pair of either side at a time: whichever comes first waits for the other."""
    for _ in range(rounds):
        one, other = await asyncio.gather(node.entangle(left), node.entangle(right))
        one.cnot(other)
        one.h()
        await node.send(end, await node.measure(one, other))


async def reads_again_and_again(node: Node, peer: str, rounds: int, basis: str, repeater: str = "") -> list[int]:
    outcomes = []
    for _ in range(rounds):
        half = await node.entangle(peer)
        if repeater:
            half.correct(await node.receive(repeater, type=BellState))
        outcomes.append(await half.measure(basis))
    return outcomes


def prepare(qubit: Qubit, state: str) -> None:
    if state in ("1", "-", "-i"):
        qubit.x()
    if state in ("+", "-", "i", "-i"):
        qubit.h()
    if state in ("i", "-i"):
        qubit.s()


def undo(qubit: Qubit, state: str) -> None:
    if state in ("i", "-i"):
        qubit.sdg()
    if state in ("+", "-", "i", "-i"):
        qubit.h()
    if state in ("1", "-", "-i"):
        qubit.x()


async def teleports(node: Node, peer: str, states: list[str]) -> None:
    halves = await node.entangle(peer, len(states))
    qubits = node.qubits(len(states))
    for state, data, half in zip(states, qubits, halves, strict=True):
        prepare(data, state)
        data.cnot(half)
        data.h()
        await node.send(peer, await node.measure(data, half), about=half)


async def receives(node: Node, peer: str, states: list[str]) -> list[int]:
    """Whether each was what it should be: 0 if it was."""
    wrong = []
    for state, half in zip(states, await node.entangle(peer, len(states)), strict=True):
        half.correct(await node.receive(peer, about=half, type=BellState))
        node.mark(f"sent {state}", half)
        undo(half, state)
        wrong.append(await half.measure())
    return wrong


async def plays_chsh(node: Node, peer: str, angles: list[float], n: int) -> list[tuple[int, int]]:
    played = []
    for half in await node.entangle(peer, n):
        setting = int(node.rng.integers(2))
        half.ry(-angles[setting])
        played.append((setting, await half.measure()))
    return played


# --- distillation ----------------------------------------------------------------------------------------------------


async def distils(node: Node, peer: str, rotation: float = 0.0, n: int = 1, basis: str = "") -> list[list[int]]:
    """BBPSSW; with a rotation of pi/2 at one end and -pi/2 at the other, DEJMPS. [agreed, outcome of what is kept]."""
    halves = await node.entangle(peer, 2 * n)
    kept, spent = halves[::2], halves[1::2]
    for control, target in zip(kept, spent, strict=True):
        if rotation:
            control.rx(rotation)
            target.rx(rotation)
        control.cnot(target)
    mine = [await target.measure() for target in spent]
    await node.send(peer, mine)
    agreed = [int(one == other) for one, other in zip(mine, await node.receive(peer), strict=True)]
    if not basis:
        node.record(agreed=agreed[0])
        await asyncio.sleep(FOREVER)
    return [[ok, await control.measure(basis)] for ok, control in zip(agreed, kept, strict=True)]


# --- waiting ---------------------------------------------------------------------------------------------------------


async def times(node: Node, peer: str, rounds: int) -> list[int]:
    """How long each pair took, in ns, one after another."""
    found = []
    for _ in range(rounds):
        began = now_ns()
        half = await node.entangle(peer)
        found.append(now_ns() - began)
        half.discard()
    return found


async def times_of_all(node: Node, peers: list[str], rounds: int) -> list[int]:
    """How long it took until all neighbours shared a pair with us."""
    found = []
    for _ in range(rounds):
        began = now_ns()
        halves = await asyncio.gather(*(node.entangle(peer) for peer in peers))
        found.append(now_ns() - began)
        for half in halves:
            half.discard()
    return found


async def stores_while_it_tries(node: Node, peer: str, rounds: int, after: float) -> list[int]:
    """A |+> is kept while a pair is made: how long that took, each time; the stored one is marked at its end."""
    found = []
    for nth in range(rounds):
        stored = node.qubit()
        stored.h()
        await asyncio.sleep(after)
        began = now_ns()
        half = await node.entangle(peer)
        found.append(now_ns() - began)
        node.mark(f"stored {nth}", stored)
        half.discard()
        stored.discard()
    return found


async def holds_one_and_makes_another(node: Node, first: str, second: str) -> None:
    """A half is kept while a pair with somebody else is made."""
    await node.entangle(first)
    await asyncio.sleep(1e-6)
    began = now_ns()
    await node.entangle(second)
    node.record(tried=now_ns() - began)
    await asyncio.sleep(FOREVER)


# --- gates and readings ----------------------------------------------------------------------------------------------


async def repeats_a_gate(node: Node, gate: str, n: int) -> None:
    """So many gates on |0>, or on |00>, and a look."""
    qubits = node.qubits(2 if gate in ("cnot", "cz", "swap") else 1)
    for _ in range(n):
        getattr(qubits[0], gate)(*qubits[1:])
    node.mark("done", qubits[0])
    await asyncio.sleep(FOREVER)


async def measures(node: Node, peer: str, n: int, basis: str, directly: bool = False) -> list[int]:
    """Outcomes of n pairs: of halves that were kept, or at birth."""
    if directly:
        return [int(one) for one in await node.measure_directly(peer, n, basis=basis)]
    return [await half.measure(basis) for half in await node.entangle(peer, n)]


async def reads(node: Node, rounds: int) -> list[list[int]]:
    """[how often 0 was read as 1, how often 1 as 0]; then what a second look finds after each."""
    found = []
    for nth in range(rounds):
        qubit = node.qubit()
        if nth % 2:
            qubit.x()
        found.append([await qubit.measure(keep=True), await qubit.measure()])
    return found


# --- qubits and light that travel ------------------------------------------------------------------------------------


async def sends_bb84(node: Node, to: str, n: int) -> list[tuple[int, int]]:
    sent = []
    for _ in range(n):
        bit, basis = map(int, node.rng.integers(0, 2, 2))
        qubit = node.qubit()
        if bit:
            qubit.x()
        if basis:
            qubit.h()
        await node.send_qubit(to, qubit)
        await asyncio.sleep(1e-6)  # or they would all arrive at once, and need as many slots
        sent.append((bit, basis))
    return sent


async def intercepts(node: Node, source: str, to: str, n: int) -> None:
    for _ in range(n):
        qubit = await node.receive_qubit(source)
        basis = "zx"[int(node.rng.integers(2))]
        await qubit.measure(basis, keep=True)
        await node.send_qubit(to, qubit)


async def detects(node: Node, source: str, n: int) -> list[tuple[int, int]]:
    got = []
    for _ in range(n):
        qubit = await node.receive_qubit(source)
        basis = int(node.rng.integers(2))
        got.append((await qubit.measure("zx"[basis]), basis))
    return got


async def takes_what_arrives(node: Node, source: str) -> int:
    """How many qubits come until nothing has come for a millisecond."""
    arrived = 0
    while True:
        try:
            async with asyncio.timeout(1e-3):
                qubit = await node.receive_qubit(source)
        except TimeoutError:
            return arrived
        qubit.discard()
        arrived += 1


async def sends_pulses(node: Node, peer: str, n: int, classes: int = 3) -> list[list[int]]:
    """Of each intensity: pulses, clicks, clicks in the same basis, and errors among those."""
    bits, bases = node.rng.integers(0, 2, (2, n), dtype=np.uint8)
    levels = node.rng.integers(0, classes, n, dtype=np.uint8)
    await node.send_pulses(peer, bits, bases=bases, intensities=levels)
    indices, outcomes, theirs = await node.receive(peer)
    same = bases[indices] == theirs
    wrong = same & (bits[indices] != outcomes)
    found = []
    for level in range(classes):
        mine = levels[indices] == level
        found.append([int(one.sum()) for one in (levels == level, mine, mine & same, mine & wrong)])
    return found


async def counts(node: Node, peer: str) -> None:
    got = await node.receive_pulses(peer)
    await node.send(peer, (got.indices, got.outcomes, got.bases))


async def splits(node: Node, source: str, to: str) -> None:
    """Keep one photon of each pulse that has two or more, and stop those that have just one."""
    train = await node.tap(source, to)
    numbers = await train.count()
    await train.take(1, where=numbers >= 2)
    await train.block(where=numbers == 1)
    await train.forward()


async def sends_photons(node: Node, peer: str, n: int) -> None:
    await node.send_pulses(peer, np.zeros(n, np.uint8), bases="z")


async def listens(node: Node, peer: str) -> list[int]:
    return [int(one) for one in (await node.receive_pulses(peer)).indices]


async def keeps_a_share(node: Node, source: str, to: str, share: float) -> list[int]:
    train = await node.tap(source, to)
    kept = await train.split(share)
    await train.forward()
    return [int(one) for one in (await kept.measure("z")).indices]
