"""Ping-pong: every bit arrives that is not lost with its qubit, and the qubit in flight tells nothing."""

from __future__ import annotations

import pytest

from orchestrator import Cluster, Program
from qnode.protocols.ping_pong import ping, pong
from qnode.testing import assert_frequency
from tests.protocols import programs_pa as programs
from tests.protocols.branching_pa import Networks

FIBRE = {"fibre": {"between": ["alice", "bob"], "length": "10 km"}}


@pytest.mark.parametrize("bit", [0, 1])
async def test_a_bit_comes_back_whatever_else_happens(bit: int, networks: Networks) -> None:
    nodes = {"alice": Program(pong, sender="bob", bits=[bit]), "bob": Program(ping, to="alice", n=1)}
    runs = await networks.runs(nodes, FIBRE)
    assert sum(probability for probability, run in runs if run["bob"] == [bit]) == pytest.approx(1, abs=1e-10)


async def test_bits_are_lost_with_the_fibres_loss_on_both_ways_and_none_is_wrong(networks: Networks) -> None:
    """10 km of 0.5 dB/km let 10^(-1/2) through each way: 0.1 of 400 bits, which accept 0.02 to 0.21."""
    bits = [nth // 2 % 2 for nth in range(400)]
    nodes = {"alice": Program(pong, sender="bob", bits=bits), "bob": Program(ping, to="alice", n=400, patience=1e-3)}
    lossy = {"fibre": {**FIBRE["fibre"], "attenuation": "0.5 dB/km"}}
    run = await networks.run(nodes, lossy, formalism="auto")
    got = run["bob"]
    assert all(one in (None, bit) for one, bit in zip(got, bits, strict=True))
    assert_frequency(400 - got.count(None), 400, 0.1)
    assert run.notes["bob"]["lost"] == got.count(None)


async def test_what_flies_back_is_random_to_everybody_else(networks: Networks) -> None:
    nodes = {"alice": Program(programs.answers, bits=[0, 1]), "bob": Program(ping, to="alice", n=2)}
    run = await networks.run(nodes, FIBRE)
    for nth in range(2):
        for state in ("0", "+", "i"):
            assert run.fidelity("in flight", state, nth) == pytest.approx(1 / 2, abs=1e-10)
    assert run["bob"] == [0, 1]


async def test_a_bit_takes_as_long_as_the_other(networks: Networks) -> None:
    """Where gates take time: or when a qubit flies back would tell everybody which bit is on it."""
    slow = {"program": Program(pong, sender="bob", bits=[0, 1, 1]), "gates": {"single": {"duration": "1 us"}}}
    run = await networks.run({"alice": slow, "bob": Program(ping, to="alice", n=3)}, FIBRE, events=True)
    came = [one.t for one in run.events if (one.node, one.event) == ("bob", "receive_qubit")]
    assert came == [nth * (2 * 50_035 + 2 * 1_000) for nth in (1, 2, 3)]
    assert run["bob"] == [0, 1, 1]


@pytest.mark.qnode("../../configs/ping_pong.yaml", set=["links.fibre.attenuation=1 dB/km", "nodes.bob.args.patience=1"])
def test_the_configuration_reports_what_a_lossy_fibre_takes(net: Cluster) -> None:
    """Each of 8 bits is through with 0.01."""
    run = net.run_sync()
    assert run["bob"].count(None) == run.notes["bob"]["lost"] >= 4
