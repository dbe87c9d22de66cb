"""Faults in a run that is gone through by hand: states as the dense reference has them, and a replay repeats it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from orchestrator import Cluster, faults
from orchestrator.view import View
from tests.faults.worlds import PROGRAMS, WALL_S, assert_repeated, network, program


def entangled(**more: Any) -> dict[str, Any]:
    """Alice, bob and carol share a state of five qubits, of which bob holds two, and keep it."""
    nodes = {
        "alice": program("shares", peers=["bob"], lasts=1e-2),
        "bob": program("joins", peers=["alice", "carol"], lasts=1e-2),
        "carol": program("shares", peers=["bob"], lasts=1e-2),
    }
    return network(nodes, **more)


def reduced(view: View, nodes: tuple[str, ...]) -> tuple[np.ndarray, tuple[str, ...]]:
    qubits = tuple(qubit for node in nodes for qubit in view.qubits(node))
    return view.reduced_state(*qubits), qubits


@pytest.mark.parametrize("inline", [True, False])
@pytest.mark.parametrize("fresh", [True, False])
async def test_what_a_killed_node_held_is_traced_out_and_the_others_keep_the_rest(
    fresh: bool, inline: bool, tmp_path: Path
) -> None:
    config = entangled(formalism="density_matrix", failures={"detection_delay": "1 ms", "restart_delay": "100 us"})
    async with Cluster.from_dict(config, base=PROGRAMS, runs=tmp_path) as net:
        net.inline = inline
        before = await net.run_until("1 ms", timeout=WALL_S)
        assert before is not None
        assert len(before.qubits("bob")) == 2
        expected, qubits = reduced(before, ("alice", "carol"))
        assert not np.allclose(expected, np.eye(len(expected)) / len(expected))  # it is worth looking at
        await net.kill("bob", fresh=fresh)
        after = await net.run_until("1.01 ms")
        assert after is not None
        assert after.qubits("bob") == ()
        found, left = reduced(after, ("alice", "carol"))
        assert left == qubits
        assert np.allclose(found, expected, atol=1e-10)
        run = await net.run(check=False)
    assert run.summary.gone == ({} if fresh else {"bob": "a fault script killed it"})
    lost = [event for event in run.events if event.event == "node_lost"]
    assert [(event.t, len(event.qubits)) for event in lost] == [(1_000_000, 2)]
    assert_repeated(run)


async def test_the_next_process_of_a_node_may_be_there_long_before_its_life_begins(tmp_path: Path) -> None:
    """It was once asked what it holds, like the others, and ended for answering in a life that was still to come."""
    config = entangled(failures={"restart_delay": "10 ms"})
    async with Cluster.from_dict(config, base=PROGRAMS, runs=tmp_path) as net:
        await net.run_until("1 ms", timeout=WALL_S)
        first = net.pids["bob"]
        await net.kill("bob", fresh=True)
        us, more = 1_000, 100
        while more and us < 10_000:
            us += 1
            stands = await net.run_until(f"{us} us")
            assert stands is not None
            assert stands.qubits("bob") == ()
            more -= net.pids.get("bob", first) != first
        run = await net.run(check=False)
    assert run.summary.gone == {}
    assert [event.node for event in run.events if event.event == "node_restarted"] == ["bob"]
    assert_repeated(run)


@pytest.mark.parametrize("inline", [True, False])
async def test_messages_are_cut_and_healed_and_a_node_that_never_began_is_killed(inline: bool, tmp_path: Path) -> None:
    nodes = {
        "alice": program("talks", peer="bob", times=10),
        "bob": program("listens", peer="alice", times=99),
        "carol": program("sleeps"),
    }
    async with Cluster.from_dict(network(nodes), base=PROGRAMS, runs=tmp_path) as net:
        net.inline = inline
        await net.kill("carol")
        await net.run_until("250 us")
        await net.cut("alice", "bob", both=False)
        await net.run_until("450 us")
        await net.heal()
        await net.run_until("550 us")
        await net.strike(faults.lose("alice", "bob", lasting="100 us"))
        run = await net.run(check=False)
    assert [number for number, _ in run["bob"]] == [0, 1, 2, 5, 7, 8, 9]
    assert run.summary.gone == {"carol": "a fault script killed it"}
    assert "carol" not in run.results
    assert_repeated(run)
