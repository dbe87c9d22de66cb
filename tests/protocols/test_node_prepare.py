"""node.prepare: whatever the outcomes, the peer gets the state that was chosen."""

from __future__ import annotations

from math import pi

import pytest

from orchestrator import Program
from qnode.testing import assert_frequency
from tests.protocols import programs_m as programs
from tests.protocols.branching_pa import Networks, werner
from tests.protocols.test_remote_preparation import ket

EXACT = 1e-10


def ends(theta: float | None, phi: float, *between: str) -> dict[str, Program | None]:
    angles = {"phi": phi} if theta is None else {"phi": phi, "theta": theta}
    alice, bob = Program(programs.prepares, peer="bob", **angles), Program(programs.gets, peer="alice")
    return {"alice": alice, **dict.fromkeys(between), "bob": bob}


@pytest.mark.parametrize("fidelity", [1.0, 0.88])
@pytest.mark.parametrize("phi", [0.0, 0.7, pi / 2, 4.0])
async def test_a_state_of_the_equator_takes_one_pair(phi: float, fidelity: float, networks: Networks) -> None:
    """Fidelity (1 + w)/2 (PHYSICS, section 9), after either outcome."""
    looks = await networks.looks("1 ms", ends(None, phi), werner("alice bob", fidelity))
    assert [probability for probability, _ in looks] == pytest.approx([1 / 2, 1 / 2], abs=EXACT)
    for _, (view, run) in looks:
        assert run.counts["pairs"] == 1
        expected = (1 + (4 * fidelity - 1) / 3) / 2
        assert view.fidelity("bob", to=ket(pi / 2, phi)) == pytest.approx(expected, abs=EXACT)


@pytest.mark.parametrize("fidelity", [1.0, 0.88])
async def test_over_a_repeater_it_takes_one_pair_of_each_link(fidelity: float, networks: Networks) -> None:
    """Fidelity (1 + w^2)/2, whatever the repeater's two outcomes and that of alice."""
    looks = await networks.looks("5 ms", ends(None, 0.7, "r"), werner("alice r bob", fidelity))
    assert len(looks) == 8
    for _, (view, run) in looks:
        assert run.counts["pairs"] == 2
        expected = (1 + ((4 * fidelity - 1) / 3) ** 2) / 2
        assert view.fidelity("bob", to=ket(pi / 2, 0.7)) == pytest.approx(expected, abs=EXACT)


@pytest.mark.parametrize(
    ("theta", "phi", "fidelity"), [(0.0, 0.0, 1.0), (0.4, 0.7, 0.88), (2.9, 5.5, 1.0), (pi, 0.0, 0.88)]
)
async def test_any_other_state_is_made_until_it_works(
    theta: float, phi: float, fidelity: float, networks: Networks
) -> None:
    for seed in range(4):
        view, run = await networks.look("100 ms", ends(theta, phi), werner("alice bob", fidelity), seed=seed)
        expected = (1 + (4 * fidelity - 1) / 3) / 2
        assert view.fidelity("bob", to=ket(theta, phi)) == pytest.approx(expected, abs=EXACT)
        assert len(view.qubits("bob")) == 1
        assert run.counts["pairs"] >= 1


async def test_every_other_pair_fails_for_them(networks: Networks) -> None:
    """100 states take 100 pairs and as many as fail; 1e-9. A success probability of 0.75 is caught."""
    nodes = {
        "alice": Program(programs.prepares_two, peer="bob", n=50),
        "bob": Program(programs.gets_two, peer="alice", n=50),
    }
    run = await networks.run(nodes, werner("alice bob", 1.0))
    assert_frequency(100, run.counts["pairs"], 0.5)


async def test_streams_with_different_tags_do_not_mix(networks: Networks) -> None:
    nodes = {
        "alice": Program(programs.prepares_two, peer="bob", n=5),
        "bob": Program(programs.gets_two, peer="alice", n=5),
    }
    run = await networks.run(nodes, werner("alice bob", 1.0))
    assert run["bob"] == [0] * 5 + [1] * 5


@pytest.mark.parametrize("between", [(), ("r",)], ids=["neighbours", "over a repeater"])
async def test_who_has_given_up_gets_the_next_state(between: tuple[str, ...], networks: Networks) -> None:
    alice, bob = Program(programs.at_last, peer="bob"), Program(programs.too_late, peer="alice")
    run = await networks.run(
        {"alice": alice, **dict.fromkeys(between), "bob": bob}, werner(" ".join(["alice", *between, "bob"]), 1.0)
    )
    assert run["bob"] == "1"
