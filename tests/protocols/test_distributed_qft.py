"""A Fourier transform over several nodes is the one of a single machine, on any state, at the stated price."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from orchestrator import Cluster, Program
from qnode import Node, Qubit
from qnode.protocols.distributed_qft import find_frequency, fourier
from qnode.quantum.gates import Matrix
from qnode.testing import assert_frequency

Nets = Callable[..., Cluster]


def wave(frequency: int, n_qubits: int) -> Matrix:
    size = 2**n_qubits
    ket: Matrix = np.exp(-2j * np.pi * frequency * np.arange(size) / size) / np.sqrt(size)
    return ket


def random_kets(n_qubits: int, n_states: int) -> list[Matrix]:
    rng = np.random.default_rng(7)
    kets = rng.normal(size=(n_states, 2**n_qubits)) + 1j * rng.normal(size=(n_states, 2**n_qubits))
    return list(kets / np.linalg.norm(kets, axis=1, keepdims=True))


KETS = [wave(37, 6), *random_kets(6, 20)]
SEEN_S, EACH_S = 0.5, 1.0
SHOTS = 400


# --- what the nodes do -----------------------------------------------------------------------------------------------


async def transform_each(node: Node, nodes: list[str], size: int) -> None:
    """The first node prepares states of all qubits, one a second, and sends the others theirs; then all transform."""
    for nth, ket in enumerate(KETS):
        await asyncio.sleep(nth * EACH_S - asyncio.get_running_loop().time())
        mine = await deal(node, nodes, size, ket)
        await fourier(node, mine, nodes=nodes)
        await asyncio.sleep((nth + 0.9) * EACH_S - asyncio.get_running_loop().time())
        for qubit in mine:
            qubit.discard()


async def find_again(node: Node, nodes: list[str], times: int, frequency: int) -> list[int]:
    return [(await find_frequency(node, nodes=nodes, size=1, frequency=frequency))[0] for _ in range(times)]


async def deal(node: Node, nodes: list[str], size: int, ket: Matrix) -> list[Qubit]:
    if node.name != nodes[0]:
        return [await node.receive_qubit(nodes[0]) for _ in range(size)]
    qubits = node.qubits(size * len(nodes))
    qubits[0].apply(preparing(ket), *qubits[1:])
    for place, other in enumerate(nodes):
        for qubit in qubits[place * size : (place + 1) * size] if place else ():
            await node.send_qubit(other, qubit)
    return qubits[:size]


def preparing(ket: Matrix) -> Matrix:
    """A unitary with the state as its first column."""
    columns = np.eye(len(ket), dtype=complex)
    columns[:, 0] = ket
    unitary, triangle = np.linalg.qr(columns)
    prepared: Matrix = unitary * (triangle[0, 0] / abs(triangle[0, 0]))
    return prepared


# --- what must be true of it -----------------------------------------------------------------------------------------


def network(program: object, nodes: list[str], **more: Any) -> dict[str, Any]:
    links = [(a, b, "10 km") for nth, a in enumerate(nodes) for b in nodes[nth + 1 :]]
    return {"nodes": dict.fromkeys(nodes, program), "links": links, "seed": 2, **more}


async def transformed(net: Cluster, nodes: list[str]) -> tuple[list[Matrix], int]:
    """The joint states of all qubits, in the order of the register, and how many pairs were used in all."""
    net.inline = True
    states = []
    for nth in range(len(KETS)):
        view = await net.run_until((nth + SEEN_S) * EACH_S)
        assert view is not None
        states.append(view.reduced_state(*(qubit for node in nodes for qubit in by_age(view.qubits(node)))))
    return states, (await net.run()).counts["pairs"]


def by_age(qubits: Sequence[str]) -> list[str]:
    return sorted(qubits, key=lambda name: int(name.rpartition(".")[2]))


def discrete_fourier(ket: Matrix) -> Matrix:
    """Of the amplitudes, by FFT; with the qubits in reversed order, as the protocol leaves them."""
    n_qubits = len(ket).bit_length() - 1
    return np.fft.ifft(ket, norm="ortho").reshape((2,) * n_qubits).transpose().reshape(-1)


@pytest.mark.parametrize(("k", "m"), [(1, 6), (2, 3), (3, 2), (6, 1)])
async def test_any_state_is_transformed_as_a_single_machine_does(k: int, m: int, qnode_cluster: Nets) -> None:
    """A Fourier-phase state and 20 random, entangled ones; k = 1 is the single machine."""
    nodes = [f"n{place}" for place in range(k)]
    states, pairs = await transformed(
        qnode_cluster(network(Program(transform_each, nodes=nodes, size=m), nodes)), nodes
    )
    for ket, state in zip(KETS, states, strict=True):
        wanted = discrete_fourier(ket)
        assert (wanted.conj() @ state @ wanted).real == pytest.approx(1, abs=1e-10)
    assert pairs == len(KETS) * m * k * (k - 1) // 2


def test_a_wave_becomes_its_frequency() -> None:
    spectrum = discrete_fourier(wave(37, 6)).reshape((2,) * 6).transpose().reshape(-1)
    assert abs(spectrum[37]) == pytest.approx(1, abs=1e-12)


@pytest.mark.qnode("../../configs/distributed_qft.yaml")
def test_the_configuration_finds_its_frequency(net: Cluster) -> None:
    run = net.run_sync()
    assert run.notes["n0"]["frequency"] == 300
    assert run.counts["pairs"] == 9


def test_noisy_pairs_spoil_the_frequency_as_often_as_they_should(qnode_cluster: Nets) -> None:
    """Two nodes of one qubit and one Werner pair of F = 0.7.

    An X or Y error of the pair, of probability 2(1 - F)/3, turns n1's qubit when it should not, by 90 degrees: its bit
    is random. A Z error only flips the phase of n0's qubit, which is measured in Z next. So n1's bit is wrong with
    (1 - F)/3 = 0.1 and n0's never; 400 shots accept 0.019 to 0.210.
    """
    program = Program(find_again, nodes=["n0", "n1"], times=SHOTS, frequency=1)
    links = [("n0", "n1", {"fidelity": 0.7})]
    net = qnode_cluster(network(program, ["n0", "n1"]) | {"links": links, "events": False})
    run = net.run_sync(inline=True)
    assert run["n0"] == [1] * SHOTS
    assert_frequency(sum(run["n1"]), SHOTS, 0.1, false_alarm=1e-9)
