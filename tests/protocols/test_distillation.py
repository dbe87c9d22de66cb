"""BBPSSW, DEJMPS and pumping: what is left and how often, as their formulas say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations_with_replacement
from typing import Any

import numpy as np
import pytest

from orchestrator import Cluster, Program
from orchestrator.view import View
from qnode.protocols import distillation
from tests.protocols import programs_pa as programs
from tests.protocols.branching_pa import Networks, werner

Nets = Callable[..., Cluster]
MIXED = {"phi_plus": 0.75, "psi_minus": 0.05, "psi_plus": 0.08, "phi_minus": 0.12}
BELL = ("phi+", "psi-", "psi+", "phi-")


def both(program: Any, **args: Any) -> dict[str, Program]:
    return {"alice": Program(program, peer="bob", first=True, **args), "bob": Program(program, peer="alice", **args)}


def mixed(probabilities: dict[str, float]) -> dict[str, Any]:
    return {"line": {"between": ["alice", "bob"], "source": {"model": "bell_diagonal", **probabilities}}}


def vector(view: View) -> list[float]:
    """The probabilities of Phi+, Psi-, Psi+ and Phi-."""
    return [view.fidelity("alice", "bob", to=name) for name in BELL]


def dejmps(a: Sequence[float], b: Sequence[float]) -> tuple[float, list[float]]:
    """Success probability, and what is left (Deutsch et al. 1996)."""
    chance = (a[0] + a[1]) * (b[0] + b[1]) + (a[2] + a[3]) * (b[2] + b[3])
    kept = [
        a[0] * b[0] + a[1] * b[1],
        a[2] * b[3] + a[3] * b[2],
        a[2] * b[2] + a[3] * b[3],
        a[0] * b[1] + a[1] * b[0],
    ]
    return chance, [one / chance for one in kept]


def bbpssw(f: float, g: float) -> tuple[float, float]:
    """Of Werner pairs with two fidelities: success probability and fidelity (Bennett et al. 1996, for f = g)."""
    rest, other = (1 - f) / 3, (1 - g) / 3
    chance = f * g + f * other + rest * g + 5 * rest * other
    return chance, (f * g + rest * other) / chance


@pytest.mark.parametrize("f", [1.0, 0.8, 0.55])
async def test_bbpssw_leaves_the_fidelity_of_its_formula_as_often(f: float, networks: Networks) -> None:
    """Whichever rotations were drawn: a Werner pair is the same after all of them."""
    looks = await networks.looks("5 ms", both(programs.distils, method="bbpssw"), werner("alice bob", f), draws=False)
    chance, left = bbpssw(f, f)
    succeeded = [(p, view) for p, (view, _) in looks if view.qubits("alice")]
    assert sum(p for p, _ in succeeded) == pytest.approx(chance, abs=1e-10)
    assert [view.fidelity("alice", "bob") for _, view in succeeded] == pytest.approx([left] * 2, abs=1e-10)


async def test_bbpssw_turns_both_pairs_each_by_itself_before(networks: Networks) -> None:
    """What is left of pairs that are no Werner pairs, of which a rotation exchanges the three errors in a circle."""
    a, b, c, d = MIXED.values()  # no error, Y, X and Z
    turned = [(a, b, c, d), (a, d, b, c), (a, c, d, b)]
    left = {
        (one, other): (p * e + s * h) / ((p + s) * (e + h) + (q + r) * (f + g))
        for (one, (p, q, r, s)), (other, (e, f, g, h)) in combinations_with_replacement(enumerate(turned), 2)
    }
    seen = set()
    for seed in range(8):
        view, run = await networks.look("5 ms", both(programs.distils, method="bbpssw"), mixed(MIXED), seed=seed)
        if run.notes["alice"]["agreed"]:
            found = view.fidelity("alice", "bob")
            (way,) = [way for way, one in left.items() if found == pytest.approx(one, abs=1e-10)]
            seen.add(way)
    assert len(seen) > 2
    assert any(one and other for one, other in seen)  # both were turned


async def test_dejmps_leaves_the_four_probabilities_of_its_formula_as_often(networks: Networks) -> None:
    looks = await networks.looks("5 ms", both(programs.distils, method="dejmps"), mixed(MIXED))
    chance, left = dejmps(list(MIXED.values()), list(MIXED.values()))
    succeeded = [(p, view) for p, (view, _) in looks if view.qubits("alice")]
    assert sum(p for p, _ in succeeded) == pytest.approx(chance, abs=1e-10)
    for _, view in succeeded:
        assert vector(view) == pytest.approx(left, abs=1e-10)
    for _, (view, run) in looks:  # both know, and hold on to nothing that failed
        assert run.notes["alice"] == run.notes["bob"] == {"agreed": bool(view.qubits("alice"))}
        assert len(view.qubits("alice")) == len(view.qubits("bob"))


@pytest.mark.parametrize("angle", [0.0, 0.4])
async def test_twirling_makes_a_werner_pair_of_anything(angle: float, networks: Networks) -> None:
    """The mean over all twelve rotations, also where the halves were turned out of line before."""
    looks = await networks.looks("5 ms", both(programs.twirls, angle=angle), mixed(MIXED))
    before = await networks.look("5 ms", both(programs.twirls, angle=angle), mixed(MIXED))
    f = before[0].fidelity("alice", "bob")  # no rotation changes it
    assert len(looks) == distillation.TURNS
    states = [view.reduced_state(*view.qubits("alice"), *view.qubits("bob")) for _, (view, _) in looks]
    phi = np.array([1, 0, 0, 1]) / np.sqrt(2)
    phi_plus = np.outer(phi, phi)
    expected = f * phi_plus + (1 - f) / 3 * (np.eye(4) - phi_plus)
    np.testing.assert_allclose(np.mean(states, axis=0), expected, atol=1e-10)


async def test_pumping_dejmps_follows_the_four_probabilities(networks: Networks) -> None:
    view, _ = await networks.look("50 ms", both(programs.pumps, method="dejmps", rounds=3), mixed(MIXED))
    fresh = left = list(MIXED.values())
    for _ in range(3):
        left = dejmps(left, fresh)[1]
    assert vector(view) == pytest.approx(left, abs=1e-10)


async def test_pumping_works_over_a_repeater(networks: Networks) -> None:
    nodes = {**both(programs.pumps, method="dejmps", rounds=2), "r": None}
    view, _ = await networks.look("50 ms", nodes, werner("alice r bob", 0.9))
    w = ((4 * 0.9 - 1) / 3) ** 2
    fresh = left = [(1 + 3 * w) / 4, *[(1 - w) / 4] * 3]
    for _ in range(2):
        left = dejmps(left, fresh)[1]
    assert vector(view) == pytest.approx(left, abs=1e-10)


async def test_pumping_bbpssw_begins_as_its_fidelity_says(networks: Networks) -> None:
    """However often it has had to begin again. Later rounds get what a twirl makes of that, which is tested above."""
    view, _ = await networks.look("50 ms", both(programs.pumps, method="bbpssw", rounds=1), werner("alice bob", 0.7))
    assert view.fidelity("alice", "bob") == pytest.approx(bbpssw(0.7, 0.7)[1], abs=1e-10)


@pytest.mark.qnode("../../configs/distillation.yaml")
def test_the_configuration_shows_the_fidelity_of_its_formula(net: Cluster) -> None:
    run = net.run_sync()
    fresh = left = [0.8, *[0.2 / 3] * 3]
    for _ in range(2):
        left = dejmps(left, fresh)[1]
    assert [one.value for one in run.observed] == [pytest.approx(left[0], abs=1e-10)] * 3


def test_the_configuration_has_the_other_method(qnode_cluster: Nets) -> None:
    method = [f"nodes.*.args.{name}={value}" for name, value in {"method": "bbpssw", "rounds": 1}.items()]
    run = qnode_cluster("../../configs/distillation.yaml", set=method).run_sync()
    assert [one.value for one in run.observed] == [pytest.approx(bbpssw(0.8, 0.8)[1], abs=1e-10)] * 3
