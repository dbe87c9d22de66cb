"""Long chains: a pair over all links of one, and a GHZ state of all its nodes, in one process, in several, in many."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from orchestrator import Cluster
from orchestrator.cli.verify import check
from orchestrator.oracle.spec import events_path
from orchestrator.run import Run

HERE = Path(__file__).parent
WALL_S = 1200.0  # what hangs fails; nothing is measured by it


def config(n: int, **settings: Any) -> dict[str, Any]:
    """A chain whose nodes share GHZ states while its ends get a pair from end to end."""
    names = [f"n{place}" for place in range(n)]
    programs: dict[str, dict[str, Any]] = {
        name: {"ghz": {"run": "ghz_programs.py:share", "args": {"nodes": n}}} for name in names
    }
    for one, other in ((names[0], names[-1]), (names[-1], names[0])):
        programs[one]["far"] = {"run": "request_programs.py:ask", "args": {"peer": other, "n": 2}}
    return {
        "version": 1,
        "seed": 1,
        "nodes": {name: {"qubits": 8, "programs": programs[name]} for name in names},
        "links": {"line": {"chain": names, "length": "10 km"}},
        **settings,
    }


async def events_of(runs: Path, network: dict[str, Any], *, inline: bool = False) -> bytes:
    """All that happens, once it has been found to be right."""
    async with Cluster.from_dict(network, base=HERE, runs=runs) as net:
        run = await net.run(inline=inline, timeout=WALL_S, on_output=None)
    is_right(run, len(network["nodes"]))
    assert run.folder is not None
    return events_path(run.folder).read_bytes()


def is_right(run: Run, n: int) -> None:
    zs, xs = zip(*(results["ghz"] for results in run.results.values()), strict=True)
    assert len(zs) == n
    assert len(set(zs)) == 1
    assert sum(xs) % 2 == 0
    far = run.results["n0"]["far"]
    assert far == run.results[f"n{n - 1}"]["far"]
    assert len(far) == 2
    assert run.folder is not None
    checker, _ = check(run.folder)
    assert checker.violations == []


@pytest.mark.parametrize("routing", ["link_state", "on_demand"])
async def test_a_hundred_nodes_in_one_process_and_in_four(routing: str, tmp_path: Path) -> None:
    network = config(100, stack={"routing": routing})
    together = await events_of(tmp_path, network, inline=True)
    assert await events_of(tmp_path, {**network, "nodes_per_process": 25}) == together


@pytest.mark.slow
async def test_a_thousand_nodes_in_one_process_in_ten_and_in_a_thousand(tmp_path: Path) -> None:
    """The same to the byte: two states of all nodes, and pairs over 999 links, for which routes are sought."""
    together = await events_of(tmp_path, config(1000), inline=True)
    for size in (100, 1):
        assert await events_of(tmp_path, config(1000, nodes_per_process=size)) == together
