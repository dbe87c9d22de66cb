"""Whoever is killed: every process of the run ends, nothing stays behind, and one sentence says who was lost."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from orchestrator import Cluster
from qnode.errors import ProcessLost
from tests.launch.processes import GONE_S, children, directories, linux_only, watching
from tests.oracle.strangers import gate_at

HERE = Path(__file__).parent
PROGRAMS = HERE.parent / "programs_api"

pytestmark = linux_only


def network(door: Path, program: str = "waits", **args: object) -> dict[str, object]:
    return {
        "version": 1,
        "name": "endings",
        "seed": 1,
        "nodes": {
            "alice": {"program": f"lost.py:{program}", "args": {"path": str(door), **args}},
            "bob": {"program": "lost.py:listens"},
            "r[0..2]": {},
        },
        "links": {"all": {"chain": ["alice", "bob", "r[0..2]"], "length": "1 km"}},
    }


async def lost(temporary: Path, runs: Path, victim: str, program: str = "waits") -> str:
    """Kill one process of a run that is under way; what the run raises."""
    door = temporary / "s"
    async with gate_at(door) as gate:
        clock = "real" if victim == "oracle" else "virtual"  # there it would be started again
        cluster = Cluster.from_dict(
            {**network(door, program, **({"peer": victim} if program == "waits_for" else {})), "clock": clock},
            base=PROGRAMS,
            runs=runs,
        )
        async with cluster as net:
            running = asyncio.ensure_future(net.run())
            await gate.reached.wait()
            forkserver = children(os.getpid())[-1]
            with watching([forkserver, *net.pids.values()]) as watch:
                assert len(directories()) == 3  # the directory and its lock, and the folder that they are in
                watch.kill(forkserver if victim == "forkserver" else net.pids[victim])
                with pytest.raises(ProcessLost) as caught:
                    async with asyncio.timeout(GONE_S):
                        await running
                if victim != "forkserver":
                    assert watch.left(0.0) == [forkserver]  # once `run` has raised, its processes are gone
                    assert directories() == set()
                await net.__aexit__(None, None, None)
                assert watch.left() == []
    return str(caught.value)


@pytest.mark.parametrize(
    ("victim", "sentence", "program"),
    [
        ("bob", "the process of node bob ended before the run did: killed by signal 9", "waits_for"),
        ("r1", "the process of node r1 ended before the run did: killed by signal 9", "waits_for"),
        *(
            (victim, f"the process of {what} ended before the run did: killed by signal 9", program)
            for victim, what in (("alice", "node alice"), ("oracle", "the oracle"))
            for program in ("waits", "spins")
        ),
    ],
)
async def test_when_a_process_is_killed_all_end_and_the_sentence_names_it(
    victim: str, sentence: str, program: str, temporary: Path, tmp_path: Path
) -> None:
    assert await lost(temporary, tmp_path, victim, program) == sentence


@pytest.mark.parametrize(
    ("program", "method"),
    [("waits", "fork"), ("spins", "fork"), pytest.param("waits", "spawn", marks=pytest.mark.slow), ("spins", "spawn")],
    indirect=["method"],
)
async def test_when_the_forkserver_is_killed_all_end_and_the_next_start_sweeps_up(
    program: str, method: str, temporary: Path, tmp_path: Path
) -> None:
    sentence = await lost(temporary, tmp_path, "forkserver", program)
    assert "forkserver" in sentence
    assert "it is gone" in sentence
    left = directories()
    assert left  # nobody was there to remove it
    await quick_run(tmp_path)
    assert directories() == set()


async def quick_run(runs: Path) -> None:
    config = {"version": 1, "nodes": {"a": {"program": "lost.py:remembers"}}}
    async with Cluster.from_dict(config, base=PROGRAMS, runs=runs) as net:
        await net.run()


async def test_a_ctrl_c_that_reaches_node_and_oracle_is_not_theirs_to_heed(
    method: str, temporary: Path, tmp_path: Path
) -> None:
    door = temporary / "s"
    nodes = {"alice": {"program": "ending.py:returns_when_told", "args": {"path": str(door)}}}
    async with (
        gate_at(door) as gate,
        Cluster.from_dict({"version": 1, "nodes": nodes}, base=HERE, runs=tmp_path) as net,
    ):
        running = asyncio.ensure_future(net.run())
        await gate.reached.wait()
        for name in ("alice", "oracle"):
            os.kill(net.pids[name], signal.SIGINT)
        gate.release()
        async with asyncio.timeout(GONE_S):
            run = await running
    assert run.summary.how == "done"
    assert run["alice"] == "when told"


async def test_a_sweep_leaves_the_directories_of_runs_under_way(temporary: Path, tmp_path: Path) -> None:
    door = temporary / "s"
    async with gate_at(door) as gate:
        cluster = Cluster.from_dict(network(door), base=PROGRAMS, runs=tmp_path)
        async with cluster as net:
            running = asyncio.ensure_future(net.run())
            await gate.reached.wait()
            there = directories()
            await quick_run(tmp_path)
            assert directories() == there
            running.cancel()
            await asyncio.wait([running])
        assert directories() == set()


async def test_a_cancelled_run_leaves_nothing(temporary: Path, tmp_path: Path) -> None:
    door = temporary / "s"
    async with gate_at(door) as gate:
        cluster = Cluster.from_dict(network(door), base=PROGRAMS, runs=tmp_path)
        async with cluster as net:
            running = asyncio.ensure_future(net.run())
            await gate.reached.wait()
            with watching(net.pids.values()) as watch:
                running.cancel()
                await asyncio.wait([running])
                assert running.cancelled()
                assert watch.left(0.0) == []
                assert directories() == set()
