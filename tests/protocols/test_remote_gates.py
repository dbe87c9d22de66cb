"""Gates between nodes: the right unitary, at the right price, and as good as the pairs that they consume."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest

from orchestrator import Cluster, Program
from orchestrator.view import View
from qnode import Node, Qubit
from qnode.protocols.remote_gates import TOFFOLI, control, lend, remote_cnot, remote_toffoli, target
from qnode.quantum.gates import GATES, Matrix
from qnode.testing import assert_frequency

Nets = Callable[..., Cluster]

CNOT = GATES["cnot"].unitary()
MIXED = {"model": "bell_diagonal", "phi_plus": 0.7, "phi_minus": 0.15, "psi_plus": 0.1, "psi_minus": 0.05}
SHOTS = 400


# --- what the nodes do -----------------------------------------------------------------------------------------------


def with_reference(node: Node) -> Qubit:
    """One half of a Phi+ whose other half stays here: what is done to it is seen for all states at once."""
    reference, qubit = node.qubits(2)
    reference.h()
    reference.cnot(qubit)
    return qubit


async def lend_half(node: Node, to: str) -> None:
    await lend(node, with_reference(node), to=to)
    await asyncio.sleep(1)


async def turn_half(node: Node, controls: list[str]) -> None:
    half = with_reference(node)
    if len(controls) == 1:
        await remote_cnot(node, half, control_at=controls[0])
    else:
        await remote_toffoli(node, half, controls_at=(controls[0], controls[1]))
    await asyncio.sleep(1)


# --- what must be true of it -----------------------------------------------------------------------------------------


def gate(controls: list[str], seed: int, **more: Any) -> dict[str, Any]:
    nodes = {name: Program(lend_half, to="carol") for name in controls}
    nodes["carol"] = Program(turn_half, controls=controls)
    source = {"source": more.pop("source", {"model": "perfect"})}
    return {"nodes": nodes, "links": [(name, "carol", source) for name in controls], "seed": seed, **more}


async def choi(net: Cluster, names: list[str]) -> Matrix:
    """What the gate made of Phi+ of references and qubits: of shape (4**n, 4**n), references first."""
    net.inline = True
    view: View | None = await net.run_until("500 ms")
    assert view is not None
    held = [view.qubits(name) for name in names]
    state = view.reduced_state(*(qubits[0] for qubits in held), *(qubits[1] for qubits in held))
    await net.run()
    return state


def choi_ket(unitary: Matrix) -> Matrix:
    ket: Matrix = unitary.T.reshape(-1) / np.sqrt(len(unitary))  # the sum over x of |x> U|x>
    return ket


def fidelity_after(state: Matrix, unitary: Matrix, ket: Matrix) -> float:
    """Of what the channel with this Choi state makes of a state, to what the unitary makes of it."""
    size = len(unitary)
    blocks = state.reshape(size, size, size, size)
    found = size * np.einsum("iajb,i,j->ab", blocks, ket, ket.conj())
    wanted = unitary @ ket
    return float((wanted.conj() @ found @ wanted).real)


def clifford_states() -> list[Matrix]:
    """The 60 stabilizer states of two qubits, a 2-design: the mean over them is the mean over all states."""
    one = [np.array(ket) / np.linalg.norm(ket) for ket in ([1, 0], [0, 1], [1, 1], [1, -1], [1, 1j], [1, -1j])]
    products = [np.kron(a, b) for a, b in product(one, repeat=2)]
    bell = np.array([1, 0, 0, 1]) / np.sqrt(2)
    one_qubit = np.eye(2, dtype=np.complex128)
    paulis = [GATES[name].unitary() for name in "xyz"]
    s, h = GATES["s"].unitary(), GATES["h"].unitary()
    turns = [np.linalg.matrix_power(s @ h, k) for k in range(3)]  # a cycle of the three axes
    cliffords = [p @ quarter @ turn for p in (one_qubit, *paulis) for quarter in (one_qubit, s) for turn in turns]
    return products + [np.kron(u, one_qubit) @ bell for u in cliffords]


def test_the_stabilizer_states_are_a_two_design() -> None:
    kets = clifford_states()
    assert len(kets) == 60
    mean = np.mean([np.outer(np.kron(k, k), np.kron(k, k).conj()) for k in kets], axis=0)
    assert np.trace(mean @ mean).real == pytest.approx(1 / 10, abs=1e-12)  # 1/dimension of the symmetric subspace


@pytest.mark.parametrize("seed", range(8))
async def test_a_remote_cnot_over_a_perfect_pair_is_a_cnot(seed: int, qnode_cluster: Nets) -> None:
    """Whatever the two outcomes are: eight seeds have all four of them."""
    state = await choi(qnode_cluster(gate(["alice"], seed)), ["alice", "carol"])
    wanted = choi_ket(CNOT)
    assert (wanted.conj() @ state @ wanted).real == pytest.approx(1, abs=1e-10)


@pytest.mark.parametrize("seed", range(4))
async def test_a_remote_toffoli_over_two_perfect_pairs_is_a_toffoli(seed: int, qnode_cluster: Nets) -> None:
    state = await choi(qnode_cluster(gate(["alice", "bob"], seed)), ["alice", "bob", "carol"])
    wanted = choi_ket(TOFFOLI.astype(np.complex128))
    assert (wanted.conj() @ state @ wanted).real == pytest.approx(1, abs=1e-10)


@pytest.mark.parametrize("source", [{"model": "werner", "fidelity": 0.85}, MIXED], ids=["Werner", "Bell-diagonal"])
async def test_a_remote_cnot_is_as_good_as_its_pair(source: dict[str, Any], qnode_cluster: Nets) -> None:
    """F_e = F and F_avg = (4F + 1)/5, exactly, whichever outcomes were found."""
    fidelity = source.get("fidelity", 0.7)
    net = qnode_cluster(gate(["alice"], 3, source=source, formalism="density_matrix"))
    state = await choi(net, ["alice", "carol"])
    wanted = choi_ket(CNOT)
    assert (wanted.conj() @ state @ wanted).real == pytest.approx(fidelity, abs=1e-10)
    mean = np.mean([fidelity_after(state, CNOT, ket) for ket in clifford_states()])
    assert mean == pytest.approx((4 * fidelity + 1) / 5, abs=1e-10)


def test_a_remote_cnot_costs_one_pair_and_two_bits(qnode_cluster: Nets) -> None:
    nodes = {
        "alice": Program(control, to="carol", bits=[0, 1, 1]),
        "carol": Program(target, controls_at=["alice"], n=3),
    }
    run = qnode_cluster(nodes=nodes, links=[("alice", "carol", "10 km")], seed=1).run_sync(inline=True)
    assert run["alice"] == run["carol"] == [0, 1, 1]
    assert (run.counts["pairs"], run.counts["messages"]) == (3, 6)


@pytest.mark.qnode("../../configs/remote_gates.yaml")
def test_the_configuration_shows_the_truth_table_of_a_toffoli(net: Cluster) -> None:
    run = net.run_sync()
    assert run["carol"] == [a & b for a, b in zip(run["alice"], run["bob"], strict=True)]
    assert list(zip(run["alice"], run["bob"], strict=True)) == list(product((0, 1), repeat=2)) * 2
    assert (run.counts["pairs"], run.counts["messages"]) == (16, 32)


def test_noisy_pairs_flip_targets_as_often_as_they_should(qnode_cluster: Nets) -> None:
    """In the Z basis, a Werner pair flips the target with 2(1 - F)/3 = 0.2: 400 shots accept 0.082 to 0.340."""
    nodes = {
        "alice": Program(control, to="carol", bits=[1] * SHOTS),
        "carol": Program(target, controls_at=["alice"], n=SHOTS),
    }
    links = [("alice", "carol", {"fidelity": 0.7})]
    run = qnode_cluster(nodes=nodes, links=links, seed=5, events=False).run_sync(inline=True)
    assert run["alice"] == [1] * SHOTS
    assert_frequency(SHOTS - sum(run["carol"]), SHOTS, 0.2, false_alarm=1e-9)
