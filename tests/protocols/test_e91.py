"""E91: its key, the correlations of all nine pairs of settings, and S with and without somebody on the way."""

from __future__ import annotations

from collections.abc import Callable
from math import cos, sqrt
from typing import Any

import numpy as np
import pytest

from orchestrator import Cluster, Program
from qnode.protocols import e91
from qnode.protocols.eavesdropping import intercept_qubits
from qnode.testing import assert_frequency
from qnode.testing.statistics import accepted_interval
from tests.protocols import programs_pa as programs
from tests.protocols.branching_pa import Networks, werner

Nets = Callable[..., Cluster]
SETTINGS = [(a, b) for a in range(3) for b in range(3)]


async def correlations(networks: Networks, fidelity: float) -> dict[tuple[int, int], float]:
    """Of each pair of settings, exact; each is chosen with probability 1/9."""
    nodes = {
        "alice": Program(programs.measures_at_angles, peer="bob", first=True),
        "bob": Program(programs.measures_at_angles, peer="alice"),
    }
    links = werner("alice bob", fidelity)
    found = dict.fromkeys(SETTINGS, 0.0)
    chosen = dict.fromkeys(SETTINGS, 0.0)
    for probability, run in await networks.runs(nodes, links):
        (a, mine), (b, theirs) = run["alice"], run["bob"]
        chosen[a, b] += probability
        found[a, b] += 9 * probability * (1 - 2 * (mine ^ theirs))
    assert list(chosen.values()) == pytest.approx([1 / 9] * 9, abs=1e-10)
    return found


def s_of(found: dict[tuple[int, int], float]) -> float:
    return sum(sign * found[pair] for pair, sign in e91.CHSH.items())


@pytest.mark.parametrize("fidelity", [1.0, 0.91])
async def test_correlations_are_cosines_and_s_is_two_root_two_times_w(fidelity: float, networks: Networks) -> None:
    w = (4 * fidelity - 1) / 3
    found = await correlations(networks, fidelity)
    expected = {(a, b): w * cos(e91.ALICE_ANGLES[a] - e91.BOB_ANGLES[b]) for a, b in SETTINGS}
    assert found == pytest.approx(expected, abs=1e-10)
    assert [found[pair] for pair in sorted(e91.KEY)] == pytest.approx([w, w], abs=1e-10)  # wrong with (1-w)/2
    assert s_of(found) == pytest.approx(2 * sqrt(2) * w, abs=1e-10)
    assert (len(e91.KEY), len(e91.CHSH)) == (2, 4)  # of nine


async def test_who_measures_a_half_on_its_way_halves_s(networks: Networks) -> None:
    """Of the mean over her bases and outcomes. Angles are measured as without her, which is tested above."""
    nodes = {
        "alice": Program(programs.keeps_shared, peer="bob", over="eve", first=True),
        "eve": Program(intercept_qubits, sender="alice", receiver="bob", n=1),
        "bob": Program(programs.keeps_shared, peer="alice", over="eve"),
    }
    rho = np.zeros((4, 4), np.complex128)
    for probability, (view, _) in await networks.looks("1 ms", nodes, werner("alice eve bob", 1)):
        rho += probability * view.reduced_state("alice", "bob")

    def along(angle: float) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
        return np.array([[np.cos(angle), np.sin(angle)], [np.sin(angle), -np.cos(angle)]])

    angles = {(a, b): (e91.ALICE_ANGLES[a], e91.BOB_ANGLES[b]) for a, b in SETTINGS}
    found = {pair: np.trace(np.kron(along(one), along(other)) @ rho).real for pair, (one, other) in angles.items()}
    assert s_of(found) == pytest.approx(sqrt(2), abs=1e-10)
    assert [found[pair] for pair in sorted(e91.KEY)] == pytest.approx([1 / 2, 1 / 2], abs=1e-10)  # 1/4 wrong


@pytest.mark.parametrize("share", [0, 1])
def test_the_configuration_makes_a_key_unless_eve_listens(share: int, qnode_cluster: Nets) -> None:
    """Each pair of settings comes about 333 times; all four correlations are as near as 300 are but in 1e-9."""
    run = qnode_cluster("../../configs/e91.yaml", set=[f"nodes.eve.args.share={share}"]).run_sync()
    assert run["alice"] == run["bob"]
    assert bool(run["alice"]) != bool(share)
    right = (1 + (1 - share / 2) / sqrt(2)) / 2
    low, high = accepted_interval(300, right, 2.5e-10)
    assert 8 * low - 4 <= run.notes["alice"]["S"] <= 8 * high - 4
    if not share:
        assert_frequency(len(run["alice"]), 3_000, 2 / 9)


async def test_a_noisy_link_leaves_errors_of_one_minus_w_over_two_in_the_key(networks: Networks) -> None:
    """2,000 pairs of F = 0.95: 2/9 make the key, of which 1/30 is wrong."""
    size = {"n": 200, "trains": 10, "eps": 0.9}
    nodes = {
        "alice": {"qubits": 200, "program": Program(e91.first_key, bob="bob", **size)},
        "bob": {"qubits": 200, "program": Program(e91.second_key, alice="alice", **size)},
    }
    run = await networks.run(nodes, werner("alice bob", 0.95), formalism="auto")
    mine, theirs = np.array(run["alice"]), np.array(run["bob"])
    assert_frequency(len(mine), 2_000, 2 / 9)
    assert_frequency(int((mine != theirs).sum()), len(mine), (1 - (4 * 0.95 - 1) / 3) / 2)


def exact(s: float, m: int) -> tuple[Any, Any, Any]:
    """Settings and differences of four times m rounds, of which as many differ as S says."""
    alice, bob = (np.repeat([pair[end] for pair in e91.CHSH], m) for end in (0, 1))
    differed = [np.arange(m) < round(m * (1 - sign * s / 4) / 2) for sign in e91.CHSH.values()]
    return alice, bob, np.concatenate(differed).astype(int)


def test_s_is_trusted_only_as_far_as_its_rarest_setting() -> None:
    """4 sqrt(2 ln(1/eps)/m): 0.8 at eps = 0.01 takes 231 outcomes."""
    s, m = e91.chsh(*exact(2.8, 1_000))
    assert s == pytest.approx(2.8)
    assert m == 1_000
    assert e91.is_violated(2.8, 231, 0.01)
    assert not e91.is_violated(2.8, 230, 0.01)
    assert not e91.is_violated(2.0, 10**9, 0.01)
    assert not e91.is_violated(4.0, 0, 0.01)
    assert e91.chsh(*(part[:2] for part in exact(2.8, 100)))[1] == 0
