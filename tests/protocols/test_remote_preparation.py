"""Remote state preparation: the equator always, anything else every other time."""

from __future__ import annotations

from math import pi

import numpy as np
import pytest

from orchestrator import Cluster, Program
from qnode.protocols.remote_preparation import prepare, prepare_equatorial
from tests.protocols import programs_pa as programs
from tests.protocols.branching_pa import Networks, werner

STATES = [(0.0, 0.0), (0.4, 0.7), (pi / 2, 3.0), (2.9, 5.5), (pi, 0.0)]


def ket(theta: float, phi: float) -> np.ndarray[tuple[int], np.dtype[np.complex128]]:
    return np.array([np.cos(theta / 2), np.exp(1j * phi) * np.sin(theta / 2)])


@pytest.mark.parametrize("fidelity", [1.0, 0.88])
@pytest.mark.parametrize("angle", [0.0, 0.7, pi / 2, 4.0])
async def test_a_state_of_the_equator_arrives_after_either_outcome(
    angle: float, fidelity: float, networks: Networks
) -> None:
    nodes = {"alice": Program(prepare_equatorial, to="bob", angle=angle), "bob": Program(programs.gets_equatorial)}
    looks = await networks.looks("1 ms", nodes, werner("alice bob", fidelity))
    assert [probability for probability, _ in looks] == pytest.approx([1 / 2, 1 / 2], abs=1e-10)
    for _, (view, _) in looks:
        expected = (1 + (4 * fidelity - 1) / 3) / 2
        assert view.fidelity("bob", to=ket(pi / 2, angle)) == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("fidelity", [1.0, 0.88])
@pytest.mark.parametrize(("theta", "phi"), STATES)
async def test_any_other_state_arrives_every_other_time(
    theta: float, phi: float, fidelity: float, networks: Networks
) -> None:
    nodes = {"alice": Program(prepare, to="bob", theta=theta, phi=phi), "bob": Program(programs.gets_prepared)}
    looks = await networks.looks("1 ms", nodes, werner("alice bob", fidelity))
    assert sorted((run["alice"], round(probability, 10)) for probability, (_, run) in looks) == [
        (False, 0.5),
        (True, 0.5),
    ]
    for _, (view, run) in looks:
        assert run.notes["bob"]["got"] is run["alice"]  # he is told
        assert len(view.qubits("bob")) == run["alice"]
        if run["alice"]:
            expected = (1 + (4 * fidelity - 1) / 3) / 2
            assert view.fidelity("bob", to=ket(theta, phi)) == pytest.approx(expected, abs=1e-10)


async def test_it_works_over_a_repeater(networks: Networks) -> None:
    """Whatever the repeater's two outcomes and alice's: (1 + w^2)/2."""
    nodes = {
        "alice": Program(prepare_equatorial, to="bob", angle=0.7),
        "r": None,
        "bob": Program(programs.gets_equatorial),
    }
    looks = await networks.looks("5 ms", nodes, werner("alice r bob", 0.88))
    assert len(looks) == 8
    for _, (view, _) in looks:
        expected = (1 + ((4 * 0.88 - 1) / 3) ** 2) / 2
        assert view.fidelity("bob", to=ket(pi / 2, 0.7)) == pytest.approx(expected, abs=1e-10)


@pytest.mark.qnode("../../configs/remote_preparation.yaml")
def test_the_configuration_prepares_both_states(net: Cluster) -> None:
    run = net.run_sync()
    assert [one.value for one in run.observed] == [pytest.approx(1, abs=1e-10)] * 2
    assert run.counts["pairs"] == 1 + run["alice"]
