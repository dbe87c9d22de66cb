"""Entanglement with any node, in real networks: processes, sockets, both clocks, and kill -9 on the way."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pytest

from orchestrator import Cluster
from orchestrator.oracle.spec import events_path
from tests.recovery.kills import Disturbed, told, whole_of

PROGRAMS: Final = Path(__file__).parent / "programs"
CHAIN: Final = ["alice", "r1", "r2", "dave"]


def network(alice: str, dave: str, args: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """Two programs of far.py at the ends of a chain of four."""
    ends = {"alice": ("dave", alice), "dave": ("alice", dave)}
    return {
        "version": 1,
        "name": "far",
        "seed": 3,
        "nodes": {
            name: {"qubits": 4, "program": f"far.py:{ends[name][1]}", "args": {"peer": ends[name][0], **(args or {})}}
            if name in ends
            else {"qubits": 4}
            for name in CHAIN
        },
        "links": {"backbone": {"chain": CHAIN, "length": "10 km"}},
        **changes,
    }


def cluster(runs: Path, config: dict[str, Any]) -> Cluster:
    return Cluster.from_dict(config, base=PROGRAMS, runs=runs)


@pytest.mark.parametrize("swap", ["asap", "sequential", "nested"])
async def test_processes_and_one_process_do_the_same(swap: str, tmp_path: Path) -> None:
    config = network("measure", "measure", {"n": 3, "times": 2}, stack={"swap": swap})
    async with cluster(tmp_path, config) as net:
        run = await net.run(on_output=None)
        again = await net.run(on_output=None, inline=True)
    assert run["alice"] == run["dave"]
    assert 0 < sum(run["alice"]) < 6
    assert told(run) == told(again)


async def test_on_the_real_clock(tmp_path: Path) -> None:
    config = network("measure", "measure", {"n": 2, "times": 2}, clock={"mode": "real", "speed": 0.01})
    async with cluster(tmp_path, config) as net:
        run = await net.run(on_output=None)
    assert run["alice"] == run["dave"]


async def test_several_nodes_a_process(tmp_path: Path) -> None:
    config = network("measure", "measure", {"n": 2})
    async with cluster(tmp_path, config) as net, cluster(tmp_path, {**config, "nodes_per_process": 2}) as packed:
        run, again = await net.run(on_output=None), await packed.run(on_output=None)
    assert run.folder is not None
    assert again.folder is not None
    assert events_path(run.folder).read_bytes() == events_path(again.folder).read_bytes()


@pytest.mark.parametrize("who", ["r1", "alice", "oracle"])
async def test_a_kill_on_the_way_leaves_no_trace(who: str, tmp_path: Path) -> None:
    config = network("measure", "measure", {"n": 4, "times": 25}, failures={"restart": "resume", "restarts": 9})
    async with cluster(tmp_path, config) as net:
        undisturbed = await net.run(name="undisturbed", on_output=None)
        for nth in range(20):
            run = Disturbed(net, tmp_path, f"killed-{nth}")
            if await run.reaches(whole_of(undisturbed) // 2) and await run.kill_the_next(who):
                break
            await run.running
        assert told(await run.running) == told(undisturbed)


# ---------------------------------------------------------------- requests


async def test_a_request_brings_pair_by_pair_and_tells_how_far_it_is(tmp_path: Path) -> None:
    async with cluster(tmp_path, network("stream", "stream", {"n": 12, "at_once": 2})) as net:
        run = await net.run(on_output=None, inline=True)
    mine, theirs = run["alice"], run["dave"]
    assert mine["before"] == "asked"
    assert mine["outcomes"] == theirs["outcomes"]
    assert len(mine["outcomes"]) == 12
    assert mine["after"] == ["served", 12, 12, tuple(CHAIN)]
    assert mine["ordered"]


async def test_a_cancelled_request_leaves_nothing(tmp_path: Path) -> None:
    config = network("cancels", "is_left", {})
    config["nodes"]["alice"]["args"]["after"] = 1e-3
    config["nodes"]["dave"]["qubits"] = 10
    async with cluster(tmp_path, config) as net:
        run = await net.run(on_output=None, inline=True)
    state, same, free, delivered = run["alice"]
    assert (state, same, free) == ("withdrawn", True, 4)
    assert delivered >= 2
    assert run["dave"].startswith("RequestOver: the request with alice is withdrawn there, after ")


async def test_a_request_that_nobody_meets_ends_in_its_time(tmp_path: Path) -> None:
    config = network("gives_up", "gives_up", {"timeout": 2e-3})
    del config["nodes"]["dave"]["program"], config["nodes"]["dave"]["args"]
    async with cluster(tmp_path, config) as net:
        run = await net.run(on_output=None, inline=True)
    assert run["alice"] == ["GenerationTimeout", 2e-3, 4]
    assert [event.event for event in run.events if event.event.startswith("network_")] == [
        "network_request",
        "network_expired",
    ]


async def test_tags_keep_streams_apart(tmp_path: Path) -> None:
    async with cluster(tmp_path, network("tagged", "tagged")) as net:
        run = await net.run(on_output=None, inline=True)
    assert run["alice"] == run["dave"]
    assert run["alice"][0] == [2, 1, 0, 1]


@pytest.mark.parametrize("duration", ["0 us", "200 us"])
async def test_the_observer_sees_pairs_as_programs_get_them(duration: str, tmp_path: Path) -> None:
    """Whichever end marks, and whether the far end has corrected its half by then or not."""
    config = network("marks", "marks", {"n": 12}, observe={"got": ["fidelity"]}, formalism="density_matrix")
    for node in config["nodes"].values():
        node["gates"] = {"single": {"duration": duration}}
    async with cluster(tmp_path, config) as net:
        run = await net.run(on_output=None, inline=True)
    values = [one.value for one in run.observed]
    assert len(values) == 24
    assert values == pytest.approx([1.0] * 24, abs=1e-10)
    assert any(event.event == "network_correct" for event in run.events)
