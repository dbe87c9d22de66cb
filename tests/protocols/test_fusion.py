"""Fusion: whatever comes out of it, the table makes the joined state what it should be."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise, product

import numpy as np
import pytest

from orchestrator import Cluster, Program
from orchestrator.run import Run
from qnode import Node
from qnode.protocols.fusion import be_fused, fuse_two_ghz
from qnode.quantum.fidelity import fidelity
from tests.protocols.multiparty import (
    EXACT,
    PAULIS,
    Matrix,
    Nets,
    exactly,
    ghz_ket,
    graph_ket,
    hold,
    joint_states,
    tensor,
    werner_w,
)

F = 0.9
LEFT, RIGHT = ["a", "b", "hub"], ["hub", "c", "d"]
EVERYONE = ["a", "b", "hub", "c", "d"]


async def fuse_and_hold(node: Node, keep: bool, rounds: int) -> None:
    for _ in range(rounds):
        if node.name == "hub":
            await hold(node, await fuse_two_ghz(node, left=LEFT, right=RIGHT, keep=keep))
        else:
            await hold(node, await be_fused(node, left=LEFT, right=RIGHT))


def fused(nets: Nets, keep: bool, *, rounds: int, f: float = 1.0) -> tuple[Run, list[Matrix]]:
    nodes = dict.fromkeys(EVERYONE, Program(fuse_and_hold, keep=keep, rounds=rounds))
    links = {"all": {"chain": EVERYONE, "length": "10 km", "fidelity": f}}
    run = exactly(nets(nodes=nodes, links=links, seed=5, formalism="density_matrix"))
    return run, joint_states(run, EVERYONE if keep else ["a", "b", "c", "d"])


@pytest.mark.parametrize(("keep", "outcomes"), [(True, 2), (False, 4)], ids=["one is kept", "none is kept"])
def test_every_outcome_gives_a_ghz_state(keep: bool, outcomes: int, qnode_cluster: Nets) -> None:
    rounds = 20
    run, states = fused(qnode_cluster, keep, rounds=rounds)
    found = {event.outcomes for event in run.events if event.event == "measure" and event.node == "hub"}
    assert len(found) == outcomes
    assert len(states) == rounds
    for state in states:
        assert fidelity(state, ghz_ket(5 if keep else 4)) == pytest.approx(1, abs=EXACT)


def test_fused_states_of_werner_pairs(qnode_cluster: Nets) -> None:
    m = 4  # pairs
    for state in fused(qnode_cluster, True, rounds=1, f=F)[1]:
        expected = ((1 + 2 * F) / 3) ** m / 2 + ((4 * F - 1) / 3) ** m / 2
        assert fidelity(state, ghz_ket(5)) == pytest.approx(expected, abs=EXACT)


def test_fused_away_states_of_werner_pairs(qnode_cluster: Nets) -> None:
    """Every pair must not flip, but for the two at the hub: flips of both of them are undone by the outcome.

    A pair does not flip with p = (1 + 2F)/3, and then has the sign of Phi+ on average w/p times: with two flips that
    sign is gone, for X and Y errors are equally likely.
    """
    p, w = (1 + 2 * F) / 3, werner_w(F)
    expected = (p**2 * (p**2 + (1 - p) ** 2) + w**4) / 2
    assert expected > ((1 + 2 * F) / 3) ** 4 / 2 + w**4 / 2  # it is not that of `fuse`
    for state in fused(qnode_cluster, False, rounds=4, f=F)[1]:
        assert fidelity(state, ghz_ket(4)) == pytest.approx(expected, abs=EXACT)


def line_ket(n: int) -> Matrix:
    return graph_ket(n, list(pairwise(range(n))))


@pytest.mark.parametrize(("ket", "pauli"), [(ghz_ket, "X"), (line_ket, "Z")], ids=["GHZ states", "graph states"])
@pytest.mark.parametrize("flip", [0, 1])
def test_the_table_for_states_of_several_sizes(ket: Callable[[int], Matrix], pauli: str, flip: int) -> None:
    """A CNOT from the last qubit of the first state to the first one of the second, which is measured."""
    for n, m in product((2, 3, 4), repeat=2):
        joined = np.kron(ket(n), ket(m)).reshape(2 ** (n - 1), 2, 2, 2 ** (m - 1))
        joined[:, 1] = joined[:, 1, ::-1]
        left = joined[:, :, flip].reshape(-1) * np.sqrt(2)  # each outcome has 1/2
        corrected = m - 1 if pauli == "X" else 1  # all others of the second state, or the one next in the line
        correction = "I" * n + (pauli if flip else "I") * corrected + "I" * (m - 1 - corrected)
        fused = tensor(*(PAULIS[letter] for letter in correction)) @ left
        assert abs(np.vdot(ket(n + m - 1), fused)) == pytest.approx(1, abs=1e-12)


@pytest.mark.qnode("../../configs/fusion.yaml")
def test_the_example_gives_a_ghz_state_without_the_hub(net: Cluster) -> None:
    run = net.run_sync()
    in_z, in_x = zip(*(run[name] for name in "abcd"), strict=True)
    assert run["hub"] == []
    assert len(set(in_z)) == 1
    assert sum(in_x) % 2 == 0
