"""Swapping: all 64 cases add up, and chains have the fidelity of their links and of what swaps cost."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from orchestrator import Cluster, Program
from qnode import BellState
from qnode.protocols.swapping import repeat
from qnode.quantum.bell import BELL_STATES
from tests.protocols import programs_pa as programs
from tests.protocols.branching_pa import Networks, werner


@pytest.mark.parametrize(("left", "right"), list(product(BELL_STATES, repeat=2)), ids=lambda state: state.name)
async def test_the_ends_are_in_the_xor_of_both_pairs_and_the_outcome(
    left: BellState, right: BellState, networks: Networks
) -> None:
    """Four outcomes for each, all as probable: the repeater returns which, and nobody corrects."""
    nodes = {
        "alice": Program(programs.holds, peer="r", frame=left),
        "r": Program(programs.swaps),
        "bob": Program(programs.holds, peer="r", frame=right),
    }
    found = []
    for probability, (view, run) in await networks.looks("1 ms", nodes, werner("alice r bob", 1)):
        outcome = BellState(*run["r"])
        assert probability == pytest.approx(1 / 4, abs=1e-10)
        assert view.fidelity("alice", "bob", to=(left ^ right ^ outcome).ket()) == pytest.approx(1, abs=1e-10)
        found.append(outcome)
    assert sorted(found) == sorted(BELL_STATES)


@pytest.mark.parametrize(("fidelity", "error"), [(1.0, 0.0), (0.95, 0.0), (0.95, 0.03)])
@pytest.mark.parametrize("n_links", [2, 4])
async def test_a_chain_has_the_fidelity_of_its_links_and_swaps(
    n_links: int, fidelity: float, error: float, networks: Networks
) -> None:
    """F = (1 + 3 s^(n-1) w^n)/4, s = 1 - 4r/3 of gates with error r (Duer et al. 1999)."""
    chain = ["alice", *[f"r{nth}" for nth in range(1, n_links)], "bob"]
    nodes: dict[str, Any] = {
        "alice": Program(programs.holds, peer="r1"),
        "bob": Program(programs.ends_chain, left=chain[-2], repeaters=chain[1:-1]),
    }
    for left, name, right in zip(chain, chain[1:-1], chain[2:], strict=False):
        program = Program(repeat, left=left, right=right, to="bob")
        nodes[name] = {"program": program, "gates": {"two": {"error": error}}}
    view, _ = await networks.look("10 ms", nodes, werner(" ".join(chain), fidelity))
    w = ((4 * fidelity - 1) / 3) ** n_links * (1 - 4 * error / 3) ** (n_links - 1)
    assert view.fidelity("alice", "bob") == pytest.approx((1 + 3 * w) / 4, abs=1e-10)


@pytest.mark.qnode("../../configs/swapping.yaml", set=["links.backbone.source.fidelity=1"])
def test_the_configuration_joins_both_ends(net: Cluster) -> None:
    """What would be independent agrees 12 times with probability 2.4e-4."""
    run = net.run_sync()
    assert run["alice"] == run["bob"]
    assert 0 < sum(run["bob"]) < 12
