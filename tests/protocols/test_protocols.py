"""The protocols to start with, between real processes."""

from __future__ import annotations

from itertools import pairwise
from math import cos, pi
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from orchestrator.cluster import Cluster
from orchestrator.run import Run
from qnode.protocols.chsh import wins
from qnode.testing import assert_frequency

HERE = Path(__file__).parent
CONFIGS = HERE.parents[1] / "configs"
FALSE_ALARM = 1e-9


async def run_network(runs: Path, nodes: dict[str, Any], links: list[tuple[str, str]], **more: Any) -> Run:
    data = {
        "version": 1,
        "seed": 7,
        "nodes": nodes,
        "links": {f"l{i}": {"between": list(ends), "length": "10 km"} for i, ends in enumerate(links)},
        **more,
    }
    async with Cluster.from_dict(data, base=HERE, runs=runs) as net:
        return await net.run(timeout=60)


def program(name: str, **args: object) -> dict[str, object]:
    return {"program": f"programs.py:{name}", "args": args}


@pytest.mark.parametrize("name", ["teleportation", "superdense", "ghz", "chsh", "ping_pong"])
async def test_every_example_configuration_runs(name: str, tmp_path: Path) -> None:
    async with Cluster.from_yaml(CONFIGS / f"{name}.yaml", runs=tmp_path) as net:
        run = await net.run(timeout=60)
    assert run.summary.how == "done"
    assert run.summary.reproducible


async def test_teleportation_of_cardinal_and_random_states_is_perfect(tmp_path: Path) -> None:
    cardinal = [(0.0, 0.0), (pi, 0.0), *((pi / 2, k * pi / 2) for k in range(4))]
    rng = np.random.default_rng(20)
    random = [(float(np.arccos(rng.uniform(-1, 1))), float(rng.uniform(0, 2 * pi))) for _ in range(20)]
    states = cardinal + random
    nodes = {"alice": program("teleport_many", states=states), "bob": program("receive_many", n=len(states))}
    run = await run_network(tmp_path, nodes, [("alice", "bob")], observe={"received": [{"fidelity": "sent"}]})
    assert [one.value for one in run.observed] == [pytest.approx(1, abs=1e-10)] * 26


async def test_superdense_coding_delivers_all_four_messages(tmp_path: Path) -> None:
    async with Cluster.from_yaml(CONFIGS / "superdense.yaml", runs=tmp_path) as net:
        run = await net.run(timeout=60)
    assert run["bob"] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert run.summary.counts["transfers"] == 4


async def test_ghz_of_100_nodes_in_100_processes_agrees_in_z_and_has_even_parity_in_x(tmp_path: Path) -> None:
    chain = [f"n{i}" for i in range(100)]
    run = await run_network(
        tmp_path, {"n[0..99]": program("share_and_measure", chain=chain, bases="zxzx")}, list(pairwise(chain))
    )
    columns = list(zip(*(run[node] for node in chain), strict=True))
    for basis, outcomes in zip("zxzx", columns, strict=True):
        if basis == "z":
            assert len(set(outcomes)) == 1
        else:
            assert sum(outcomes) % 2 == 0
            assert len(set(outcomes)) == 2  # a product state would pass the parity with all equal


async def test_chsh_reaches_the_quantum_value(tmp_path: Path) -> None:
    # n = 4,000 at p = cos^2(pi/8) = 0.8536 accepts 0.80 to 0.90: the classical 0.75 passes with probability < 1e-9.
    rounds = 4_000
    data = {
        "alice": {"program": "qnode.protocols.chsh:play_alice", "args": {"bob": "bob", "rounds": rounds}},
        "bob": {"program": "qnode.protocols.chsh:play_bob", "args": {"alice": "alice", "rounds": rounds}},
    }
    run = await run_network(tmp_path, data, [("alice", "bob")])
    assert_frequency(wins(run["alice"], run["bob"]), rounds, cos(pi / 8) ** 2, false_alarm=FALSE_ALARM)


@pytest.mark.parametrize(
    "action", ["nothing", "measure z", "measure x", "measure y", "rotate", "entangle with more", "reset"]
)
async def test_what_bob_sees_does_not_depend_on_what_alice_does(action: str, tmp_path: Path) -> None:
    """A pair of programs for each basis of bob's, all three at once."""
    # n = 1,000 at p = 1/2 accepts 0.397 to 0.603; tests/quantum/test_no_signalling.py enumerates the exact statement.
    n = 1_000
    alice = {basis: {"run": "programs.py:act", "args": {"action": action, "n": n}} for basis in "xyz"}
    bob = {basis: {"run": "programs.py:measure_halves", "args": {"basis": basis, "n": n}} for basis in "xyz"}
    nodes = {"alice": {"qubits": 8, "programs": alice}, "bob": {"qubits": 8, "programs": bob}}
    run = await run_network(tmp_path, nodes, [("alice", "bob")], events=False)
    for basis in "xyz":
        outcomes = run[f"bob.{basis}"]
        assert len(outcomes) == n
        assert_frequency(sum(outcomes), n, 0.5, false_alarm=FALSE_ALARM)


@pytest.mark.parametrize("where", ["toss", "toss_remote"])
async def test_independent_measurements_in_different_nodes_are_independent(where: str, tmp_path: Path) -> None:
    # n = 2,000 at p = 1/2 accepts 0.427 to 0.573 of agreement: generators shared by a fork agree in all of them.
    n = 2_000
    nodes = {
        "alice": program(where, tosses=n) if where == "toss" else program(where, peer="bob", tosses=n),
        "bob": program(where, tosses=n) if where == "toss" else program(where, peer="alice", tosses=n),
    }
    run = await run_network(tmp_path, nodes, [("alice", "bob")], events=False)
    agreements = sum(a == b for a, b in zip(run["alice"], run["bob"], strict=True))
    assert_frequency(agreements, n, 0.5, false_alarm=FALSE_ALARM)
    for node in ("alice", "bob"):
        assert_frequency(sum(run[node]), n, 0.5, false_alarm=FALSE_ALARM)


async def test_a_qubit_forwarded_over_three_nodes_arrives(tmp_path: Path) -> None:
    nodes = {
        "a": program("first_hop", to="b", theta=0.7, phi=1.9),
        "b": program("forward", sender="a", to="c"),
        "c": program("forward", sender="b", to="d"),
        "d": program("last_hop", sender="c"),
    }
    observe = {"received": [{"fidelity": "sent"}]}
    run = await run_network(tmp_path, nodes, [("a", "b"), ("b", "c"), ("c", "d")], observe=observe)
    assert [one.value for one in run.observed] == [pytest.approx(1, abs=1e-10)]
    assert run.summary.at_ns == 3 * 50_035


async def test_ping_pong_delivers_its_bits(tmp_path: Path) -> None:
    async with Cluster.from_yaml(CONFIGS / "ping_pong.yaml", runs=tmp_path) as net:
        run = await net.run(timeout=60)
    assert run["bob"] == [1, 0, 1, 1, 0, 0, 1, 0]


async def test_a_watched_run_equals_an_unwatched_one(tmp_path: Path) -> None:
    states = [(0.3, 0.1), (1.2, 2.0), (2.9, 5.0)]
    nodes = {"alice": program("teleport_many", states=states), "bob": program("receive_many", n=len(states))}
    unwatched = await run_network(tmp_path, nodes, [("alice", "bob")])
    watched = await run_network(tmp_path, nodes, [("alice", "bob")], observe={"received": [{"fidelity": "sent"}]})
    assert len(watched.observed) == 3
    assert not unwatched.observed
    assert watched.events_bytes == unwatched.events_bytes
    assert watched.results == unwatched.results
