"""Teleportation over noisy pairs: of the six cardinal states, and of half of a pair."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from orchestrator import Cluster, Program
from qnode.protocols.teleportation import teleport_half
from tests.protocols import programs_pa as programs
from tests.protocols.branching_pa import Networks, werner

Nets = Callable[..., Cluster]
CARDINAL = {"0": (0, 0), "1": (np.pi, 0), "+": (np.pi / 2, 0), "i": (np.pi / 2, np.pi / 2)} | {
    "-": (np.pi / 2, np.pi),
    "-i": (np.pi / 2, -np.pi / 2),
}


@pytest.mark.parametrize("fidelity", [1.0, 0.81])
async def test_six_states_arrive_with_two_f_plus_one_thirds(fidelity: float, networks: Networks) -> None:
    """Over a Werner pair each of them does, whatever the outcomes."""
    run = await networks.run(
        {
            "alice": Program(programs.teleports, states=list(CARDINAL.values())),
            "bob": Program(programs.gets_teleported, n=6),
        },
        werner("alice bob", fidelity),
    )
    found = [run.fidelity("received", state, nth) for nth, state in enumerate(CARDINAL)]
    assert found == pytest.approx([(2 * fidelity + 1) / 3] * 6, abs=1e-10)


def over(first: float, second: float) -> tuple[dict[str, Any], dict[str, Any]]:
    """Carol, alice and bob, and the links between them, of these fidelities."""
    nodes = {
        "carol": Program(programs.holds, peer="alice"),
        "alice": Program(teleport_half, partner="carol", to="bob"),
        "bob": Program(programs.keeps_teleported),
    }
    return nodes, {
        "here": {"between": ["carol", "alice"], "source": {"model": "werner", "fidelity": first}},
        "there": {"between": ["alice", "bob"], "source": {"model": "werner", "fidelity": second}},
    }


@pytest.mark.parametrize(("first", "second"), [(1.0, 1.0), (0.9, 0.85)])
async def test_a_teleported_half_keeps_the_product_of_the_werner_parameters(
    first: float, second: float, networks: Networks
) -> None:
    """Carol and bob share a Werner pair, whichever of the four outcomes there was."""
    nodes, links = over(first, second)
    w = (4 * first - 1) / 3 * (4 * second - 1) / 3
    looks = await networks.looks("1 ms", nodes, links)
    assert [probability for probability, _ in looks] == pytest.approx([1 / 4] * 4, abs=1e-10)
    for _, (view, _) in looks:
        expected = [(1 + 3 * w) / 4, *[(1 - w) / 4] * 3]
        found = [view.fidelity("carol", "bob", to=bell) for bell in ("phi+", "phi-", "psi+", "psi-")]
        assert found == pytest.approx(expected, abs=1e-10)


@pytest.mark.qnode("../../configs/teleport_half.yaml")
def test_the_configuration_entangles_carol_with_bob(net: Cluster) -> None:
    """What would be independent agrees 20 times with probability 1e-6."""
    run = net.run_sync()
    assert run["carol"] == run["bob"]
    assert 0 < sum(run["bob"]) < 20
