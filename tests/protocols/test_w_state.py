"""W states: exactly one excitation, everywhere with the same probability, in one superposition."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest

from orchestrator import Cluster, Program
from qnode.quantum.fidelity import fidelity
from tests.protocols.multiparty import (
    EXACT,
    Matrix,
    Nets,
    chain_of,
    chances,
    depolarised,
    exactly,
    joint_states,
    names,
    share_and_hold,
    tensor,
    w_ket,
    werner_w,
)


def shared(n: int, f: float, nets: Nets) -> list[Matrix]:
    program = Program(share_and_hold, what="w", among=names(n), rounds=4)
    run = exactly(nets(**chain_of(program, n, fidelity=f, formalism="density_matrix")))
    return joint_states(run, names(n))


def noisy_w(n: int, w: float) -> Matrix:
    """An excitation that goes along a chain of Werner pairs, a part of it staying at every node."""
    state = np.zeros((2**n, 2**n), np.complex128)
    state[1 << (n - 1), 1 << (n - 1)] = 1
    for place in range(n - 1):
        stays, goes = sqrt(1 / (n - place)), sqrt(1 - 1 / (n - place))
        move = np.array([[1, 0, 0, 0], [0, stays, goes, 0], [0, -goes, stays, 0], [0, 0, 0, 1]])
        unitary = tensor(np.eye(2**place), move, np.eye(2 ** (n - place - 2)))
        state = depolarised(unitary @ state @ unitary.conj().T, place + 1, w)
    return state


@pytest.mark.parametrize("n", [2, 3, 4, 5])
def test_exactly_one_node_finds_the_excitation_each_with_the_same_probability(n: int, qnode_cluster: Nets) -> None:
    for state in shared(n, 1.0, qnode_cluster):
        for outcomes, chance in chances(state, "Z" * n).items():
            assert chance == pytest.approx(1 / n if sum(outcomes) == 1 else 0, abs=EXACT)
        assert fidelity(state, w_ket(n)) == pytest.approx(1, abs=EXACT)


def test_noisy_pairs_depolarise_what_is_passed_on(qnode_cluster: Nets) -> None:
    expected = noisy_w(4, werner_w(0.9))
    assert fidelity(expected, w_ket(4)) < 0.9
    for state in shared(4, 0.9, qnode_cluster):
        assert state == pytest.approx(expected, abs=EXACT)


@pytest.mark.qnode("../../configs/w_state.yaml")
def test_the_example_finds_one_each_time(net: Cluster) -> None:
    run = net.run_sync()
    assert [sum(found) for found in zip(*(run[name] for name in names(4)), strict=True)] == [1] * 10
