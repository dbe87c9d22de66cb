"""A node that fails is told to those who wait for it: PeerLost, at that instant, so that they can clean up."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from orchestrator import Cluster, report
from orchestrator.run import Run
from qnode.errors import ProcessLost, ProgramFailed
from tests.launch.processes import linux_only, watching
from tests.oracle.strangers import gate_at
from tests.runtime.losing import WAYS
from tests.runtime.networks import PROGRAMS, WALL_S, network, program, run

GONE: Final = "node alice is gone: its program main failed with RuntimeError: on purpose"
KILLED: Final = "node alice is gone: its process ended before the run did: killed by signal 9"
AT_NS: Final = 2_000_000

HOW: Final = pytest.mark.parametrize(
    ("clock", "inline"), [("virtual", True), ("virtual", False), ("real", False)], ids=["inline", "virtual", "real"]
)


def losing(name: str, **args: object) -> dict[str, object]:
    return program(f"losing.py:{name}", **args)


def waiting(name: str, notes: Path, **args: object) -> dict[str, object]:
    return losing(name, path=str(notes), **args)


def linked(nodes: Mapping[str, Mapping[str, object]], **settings: Any) -> dict[str, Any]:
    """All of them joined to alice, with memory for two qubits each."""
    links = {f"to_{name}": {"between": ["alice", name], "length": "1 km"} for name in nodes if name != "alice"}
    return network({name: {"qubits": 2, **node} for name, node in nodes.items()}, links=links, **settings)


def told(notes: Path) -> dict[str, list[str]]:
    """What each node has noted, without its times."""
    found: dict[str, list[str]] = {}
    for line in notes.read_text().splitlines() if notes.exists() else ():
        found.setdefault(line.partition(" ")[0], []).append(line.partition("ns: ")[2])
    return found


def shown(result: Run) -> dict[str, tuple[str, str]]:
    """The table's result and time of each node."""
    return {row.node: (row.value, row.when) for row in report.rows(result)}


@HOW
async def test_whoever_waits_for_a_node_that_fails_is_told_and_cleans_up(
    clock: str, inline: bool, tmp_path: Path
) -> None:
    notes = tmp_path / "notes"
    waits = {f"n{nth}": waiting("waits", notes, how=how) for nth, how in enumerate(WAYS)}
    nodes = {
        "alice": losing("fails", after=2e-3, waiting=["carol", *waits]),
        "carol": waiting("lasts", notes),
        **waits,
    }
    result = await run(linked(nodes, clock=clock), tmp_path / "runs", inline=inline, check=False)
    assert (result.summary.how, result.exit_code) == ("failed", 1)
    assert told(notes) == {"carol": ["cancelled"], **{name: [GONE, "cleaned up"] for name in waits}}
    if clock == "virtual":
        assert {line.split()[2] for line in notes.read_text().splitlines() if "carol" not in line} == {str(AT_NS)}
        assert shown(result)["n0"] == ("PeerLost: alice", "2 ms")
    assert {name: row[0] for name, row in shown(result).items()} == {
        "alice": "failed",
        "carol": "unfinished",
        **dict.fromkeys(waits, "PeerLost: alice"),
    }
    assert result.as_data()["peer_lost"] == {f"{name}.main": "alice" for name in waits}
    assert result.results == {}
    with pytest.raises(ProgramFailed, match="program main of node alice failed"):
        result.raise_failure()


@linux_only
@pytest.mark.parametrize("clock", ["virtual", "real"])
async def test_whoever_waits_for_a_node_whose_process_is_killed_is_told_and_cleans_up(
    clock: str, tmp_path: Path
) -> None:
    notes, door = tmp_path / "notes", tmp_path / "s"
    nodes = {
        "alice": losing("waits_to_be_killed", path=str(door), waiting=["bob", "carol"]),
        "bob": waiting("waits", notes, how="receive"),
        "carol": waiting("waits", notes, how="entangle"),
        "dave": losing("waits_and_says_nothing", path=""),
    }
    config = linked(nodes, clock=clock)
    async with gate_at(door) as gate, Cluster.from_dict(config, base=PROGRAMS, runs=tmp_path / "runs") as net:
        running = asyncio.ensure_future(net.run(check=False, timeout=WALL_S))
        await gate.reached.wait()
        with watching(net.pids.values()) as watch:
            watch.kill(net.pids["alice"])
            result = await running
            assert watch.left(0.0) == []
    assert (result.summary.how, result.exit_code) == ("lost", 4)
    assert told(notes) == {"bob": [KILLED, "cleaned up"], "carol": [KILLED, "cleaned up"]}
    values = {name: row[0] for name, row in shown(result).items()}
    on = "'as if all were well'"  # the others go on, and who has caught it returns
    assert values == {"alice": "lost", "bob": on, "carol": on, "dave": "PeerLost: alice"}
    with pytest.raises(ProcessLost, match="node alice"):
        result.raise_failure()


@pytest.mark.parametrize("inline", [True, False])
async def test_nodes_that_share_the_process_of_the_failed_one_are_told_too(inline: bool, tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    nodes = {"alice": losing("fails", after=2e-3), "bob": waiting("waits", notes, how="receive")}
    await run(linked(nodes, nodes_per_process=2), tmp_path / "runs", inline=inline, check=False)
    assert told(notes) == {"bob": [GONE, "cleaned up"]}


async def test_each_task_that_waits_for_the_lost_node_is_told(tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    nodes = {"alice": losing("fails", after=2e-3), "bob": waiting("waits_in_tasks", notes)}
    await run(linked(nodes), tmp_path / "runs", check=False)
    assert told(notes) == {"bob": ["cancelled", "3 tasks were told"]}


async def test_whoever_waits_for_it_again_is_cancelled_and_unfinished(tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    nodes = {"alice": losing("fails", after=2e-3), "bob": waiting("is_told_twice", notes)}
    result = await run(linked(nodes), tmp_path / "runs", check=False)
    assert told(notes) == {"bob": ["told", "cancelled"]}
    assert shown(result)["bob"] == ("unfinished", "")


async def test_a_group_of_errors_is_told_by_the_error_in_it(tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    nodes = {"alice": losing("fails_in_a_group", after=2e-3), "bob": waiting("waits", notes, how="receive")}
    await run(linked(nodes), tmp_path / "runs", check=False)
    assert told(notes) == {"bob": [GONE, "cleaned up"]}


async def test_of_nodes_that_fail_at_the_same_instant_each_is_told(tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    nodes = {
        "alice": losing("fails", after=2e-3),
        "eve": losing("fails", after=2e-3),
        "bob": waiting("waits", notes, how="receive", peer="alice"),
        "carol": waiting("waits", notes, how="receive", peer="eve"),
    }
    result = await run(linked(nodes), tmp_path / "runs", check=False)
    assert told(notes) == {"bob": [GONE, "cleaned up"], "carol": [GONE.replace("alice", "eve"), "cleaned up"]}
    assert {name: row[0] for name, row in shown(result).items()} == {
        "alice": "failed",
        "eve": "failed",
        "bob": "PeerLost: alice",
        "carol": "PeerLost: eve",
    }


@pytest.mark.parametrize("how", ["raises", "exits", "spins"])
async def test_a_mistake_in_the_clean_up_of_one_keeps_no_other_from_it(how: str, tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    programs = {
        "first": waiting("fails_at_cleaning_up", notes, how=how),
        "second": waiting("waits", notes, how="receive"),
    }
    both = {name: {"run": one["program"], "args": one["args"]} for name, one in programs.items()}
    failing = {name: {"run": "losing.py:fails", "args": {"after": 2e-3}} for name in both}
    nodes: dict[str, dict[str, object]] = {"alice": {"programs": failing}, "bob": {"programs": both}}
    result = await run(linked(nodes), tmp_path / "runs", inline=False, check=False)
    gone = GONE.replace("main", "first")
    assert told(notes) == {"bob": ["cleans up", gone, "cleaned up"]}
    log = (result.folder / "log").read_text()
    assert ("KeyError: 'this too'" in log) is (how == "raises")
    assert ("SystemExit: 7" in log) is (how == "exits")


async def test_whoever_does_not_catch_it_is_no_failure_of_its_own(tmp_path: Path) -> None:
    nodes = {"alice": losing("fails", after=2e-3), "bob": waiting("waits_and_says_nothing", tmp_path / "notes")}
    result = await run(linked(nodes), tmp_path / "runs", inline=False, check=False)
    assert [one.node for one in result.summary.failures] == ["alice"]
    assert shown(result)["bob"] == ("PeerLost: alice", "2 ms")
    assert (result.folder / "log").read_text() == ""
