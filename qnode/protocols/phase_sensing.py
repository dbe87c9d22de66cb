"""Phase sensing: clocks of n nodes that drift alike are compared with their qubits n times as finely by a GHZ state.

Each node's qubit turns by a phase phi while it waits. A GHZ state adds all of them up: its X outcomes have even parity
with (1 + V cos(n phi))/2, V the visibility, where n qubits by themselves show n coins of (1 + V cos(phi))/2. So phi is
known to 1/(n V sqrt(runs)) instead of 1/(V sqrt(n runs)). But dephasing adds up as well: if memories dephase and the
time is what is limited, the best that either can do is the same.

Sources: Bollinger, Itano, Wineland & Heinzen, PRA 54, R4649 (1996); Huelga et al., Phys. Rev. Lett. 79, 3865 (1997); as
a network of clocks Komar et al., Nature Physics 10, 582 (2014).
"""

from __future__ import annotations

import asyncio
from math import acos, exp, pi, sqrt

from qnode import Node, Qubit
from qnode.protocols.arguments import number
from qnode.protocols.ghz import share_ghz


async def turn(qubit: Qubit, *, detuning: float, seconds: float) -> None:
    """Let a qubit wait while the node's clock drifts by `detuning` radians a second."""
    await asyncio.sleep(seconds)
    qubit.rz(detuning * seconds)


async def sense_together(
    node: Node, *, chain: list[str], detuning: float, seconds: float, runs: int, visibility: float = 1.0
) -> float | None:
    """Measure the mean detuning of all nodes with GHZ states. The first one gets it, in radians a second.

    It turns its own qubit by pi/2 more: at that point the parity changes fastest, and with the sign of the phase. The
    visibility has to be known; of GHZ states from Werner pairs it is the product of their w = (4F - 1)/3.
    """
    _check(seconds, runs)
    outcomes = []
    for _ in range(runs):
        mine = await share_ghz(node, chain)
        await turn(mine, detuning=detuning, seconds=seconds)
        if node.name == chain[0]:
            mine.rz(-pi / 2)
        outcomes.append(await mine.measure("x"))
    if node.name != chain[0]:
        await node.send(chain[0], outcomes, channel="outcomes")
        return None
    theirs = [await node.receive(name, channel="outcomes", type=list) for name in chain[1:]]
    even = sum(sum(of_run) % 2 == 0 for of_run in zip(outcomes, *theirs, strict=True))
    phase = phase_of(even / runs, visibility) / len(chain)
    node.record(phase_together=phase, spread_together=1 / (len(chain) * visibility * sqrt(runs)))
    return phase / seconds


async def sense_apart(node: Node, *, chain: list[str], detuning: float, seconds: float, runs: int) -> float | None:
    """Measure the mean detuning with as many qubits that are not entangled, each at its own node."""
    _check(seconds, runs)
    zeros = 0
    for _ in range(runs):
        mine = node.qubit()
        mine.h()
        await turn(mine, detuning=detuning, seconds=seconds)
        mine.rz(-pi / 2)
        zeros += 1 - await mine.measure("x")
    phase = phase_of(zeros / runs)
    if node.name != chain[0]:
        await node.send(chain[0], phase, channel="phases")
        return None
    phases = [phase, *[await node.receive(name, channel="phases", type=float) for name in chain[1:]]]
    mean = sum(phases) / len(chain)
    node.record(phase_apart=mean, spread_apart=1 / sqrt(len(chain) * runs))
    return mean / seconds


def _check(seconds: float, runs: int) -> None:
    number("seconds", seconds, 1e-12)
    number("runs", runs, 1, whole=True)


def phase_of(even: float, visibility: float = 1.0) -> float:
    """The sum of phases, from -pi/2 to pi/2, that the share of even parities tells."""
    return pi / 2 - acos(min(1.0, max(-1.0, (2 * even - 1) / visibility)))


def spread_of_frequency(n: int, seconds: float, total: float, t2: float, *, entangled: bool) -> float:
    """How finely a frequency is known, in radians a second, after total/seconds runs of n qubits that dephase in t2.

    With GHZ states it is exp(n seconds/t2)/(n sqrt(seconds total)), best at seconds = t2/(2n). With qubits apart it is
    exp(seconds/t2)/sqrt(n seconds total), best at t2/2. At their best, they are equal (Huelga et al.).
    """
    if entangled:
        return exp(n * seconds / t2) / (n * sqrt(seconds * total))
    return exp(seconds / t2) / sqrt(n * seconds * total)
