"""Processes that are really killed and really stopped, at instants that nobody has chosen."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orchestrator import Cluster
from orchestrator.run import Run
from qnode.errors import ProcessLost
from tests import tally
from tests.faults.worlds import PROGRAMS, WALL_S, assert_repeated, network, program
from tests.launch.processes import linux_only

TIMES = 200
KILLED = "its process ended before the run did: killed by signal 9"

pytestmark = linux_only


def asking(restart: str, after: int, runs: Path, **failures: object) -> dict[str, Any]:
    """Alice asks; after so many times she waits for whoever disturbs, as `disturbed` does."""
    nodes = {
        "alice": program("asks_aloud", peer="bob", times=TIMES, gate=str(gate(runs)), at=after),
        "bob": {"programs": {"main": {"run": "programs.py:answers", "service": True}}},
        "carol": program("counts", times=TIMES),
    }
    return network(nodes, failures={"restart": restart, "detection_delay": "70 us", **failures})


def gate(runs: Path) -> Path:
    return runs / "gate"


async def disturbed(config: dict[str, Any], runs: Path, after: int, disturb: Callable[[Cluster], object]) -> Run:
    """The run, and what is done to it when alice says that she has asked so often.

    Meanwhile she waits: else the run might be over before a busy machine has read her line.
    """
    async with Cluster.from_dict(config, base=PROGRAMS, runs=runs) as net:

        def said(line: str) -> None:
            if line.endswith(f"asked {after}") and not gate(runs).exists():
                disturb(net)
                gate(runs).touch()

        return await net.run(check=False, timeout=WALL_S, on_output=said)


def is_stopped(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def kill(net: Cluster) -> None:
    os.kill(net.pids["bob"], signal.SIGKILL)
    tally.count("SIGKILL node")


@pytest.mark.parametrize("nth", range(3))
async def test_without_a_restart_others_go_on_and_the_run_ends_as_one_that_lost_a_process(
    nth: int, tmp_path: Path
) -> None:
    after = random.randrange(TIMES // 2)
    lost = await disturbed(asking("never", after, tmp_path), tmp_path, after, kill)
    assert (lost.summary.how, lost.exit_code) == ("lost", 4)
    assert lost.summary.gone == {"bob": KILLED}
    (event,) = (event for event in lost.events if event.event == "node_lost")
    assert (event.node, event.detail) == ("bob", KILLED)
    seen = lost["alice"]
    told = [entry for entry in seen if entry[1] == f"node bob is gone: {KILLED}"]
    assert [entry for entry in seen if len(entry) == 3] == seen[: len(seen) - len(told)]
    assert told[0][0] == event.t + 70_000  # by then she waited for him
    assert lost["carol"] == TIMES
    assert_repeated(lost)
    with pytest.raises(ProcessLost, match="the process of node bob ended before the run did: killed by signal 9"):
        lost.raise_failure()


@pytest.mark.parametrize("nth", range(3))
async def test_afresh_it_begins_again_and_the_run_ends_well(nth: int, tmp_path: Path) -> None:
    pids: list[int] = []

    def kill_and_remember(net: Cluster) -> None:
        pids.append(net.pids["bob"])
        kill(net)

    after = random.randrange(TIMES // 2)
    config = asking("fresh", after, tmp_path, restart_delay="1 ms")
    done = await disturbed(config, tmp_path, after, kill_and_remember)
    assert (done.summary.how, done.exit_code, done.summary.gone) == ("done", 0, {})
    lost, again = (event for event in done.events if event.event in ("node_lost", "node_restarted"))
    assert (lost.node, again.node, again.n, again.t - lost.t) == ("bob", "bob", 1, 1_000_000)
    seen = done["alice"]
    assert any("gone" in str(entry[1]) for entry in seen)
    assert len(seen[-1]) == 3  # and she goes on with the next bob
    assert all(entry[1] == entry[2] for entry in seen if len(entry) == 3)
    names = {event.message.split(":")[0] for event in done.events if event.event == "send" and event.node == "bob"}
    assert names == {"bob", "bob!1"}
    assert_repeated(done)


async def test_one_that_is_lost_too_often_stays_away(tmp_path: Path) -> None:
    config = asking("fresh", TIMES // 2, tmp_path, restarts=1)
    killed: list[int] = []

    async with Cluster.from_dict(config, base=PROGRAMS, runs=tmp_path) as net:

        def said(line: str) -> None:
            pid = net.pids.get("bob")
            if pid is not None and pid not in killed and not gate(tmp_path).exists():
                killed.append(pid)
                os.kill(pid, signal.SIGKILL)
                tally.count("SIGKILL node")
            if len(killed) == 2:
                gate(tmp_path).touch()

        lost = await net.run(check=False, timeout=WALL_S, on_output=said)
    assert len(killed) == 2
    assert (lost.summary.how, lost.exit_code) == ("lost", 4)
    assert [event.event for event in lost.events if event.event.startswith("node_")] == [
        "node_lost",
        "node_restarted",
        "node_lost",
    ]
    assert_repeated(lost)


async def test_a_process_that_is_stopped_for_a_while_changes_nothing(tmp_path: Path) -> None:
    after = random.randrange(TIMES // 2)
    plain = await disturbed(asking("never", after, tmp_path), tmp_path, after, lambda net: None)

    def stop(net: Cluster) -> None:
        for pid in net.pids.values():
            os.kill(pid, signal.SIGSTOP)
            tally.count("SIGSTOP")
        while not all(is_stopped(pid) for pid in net.pids.values()):
            pass
        for pid in net.pids.values():
            os.kill(pid, signal.SIGCONT)

    stopped = tmp_path / "stopped"
    stopped.mkdir()
    done = await disturbed(asking("never", after, stopped), stopped, after, stop)
    assert done.events_bytes == plain.events_bytes
    assert done.results == plain.results


@pytest.mark.parametrize("clock", ["virtual", "real"])
async def test_a_program_that_lets_it_pass_is_over_and_the_others_are_not(clock: str, tmp_path: Path) -> None:
    nodes = {
        "alice": program("waits_unwarily", peer="bob"),
        "bob": {"programs": {"main": {"run": "programs.py:answers", "args": {"peer": "carol"}, "service": True}}},
        "carol": program("asks_aloud", peer="bob", times=2 * TIMES, gate=str(gate(tmp_path)), at=3),
    }
    config = network(nodes, clock=clock)
    config["links"] = {"line": {"star": ["bob", "alice", "carol"], "length": "10 km"}}
    lost = await disturbed(config, tmp_path, 3, kill)
    assert (lost.summary.how, lost.exit_code) == ("lost", 4)
    assert lost.summary.peer_lost == (("alice", "main", "bob"),)
    assert len(lost["carol"]) == 2 * TIMES
    assert_repeated(lost)
