"""A network of two for programs side by side, run in one process or in processes of their own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from orchestrator import Cluster
from orchestrator.oracle.replay import replay
from orchestrator.oracle.spec import record_path
from orchestrator.run import Run

PROGRAMS = Path(__file__).parent
WALL_S = 60
KM_10_NS = 50_035  # the light's time over 10 km of fibre


def network(
    alice: Mapping[str, Any], bob: Mapping[str, Any] | None = None, *, slots: int = 4, **settings: Any
) -> dict[str, Any]:
    """alice and bob, 10 km apart; their programs by name, each `function` or a mapping with `run: function`."""
    nodes = {
        name: {"qubits": slots, "programs": {key: _program(value) for key, value in programs.items()}}
        for name, programs in (("alice", alice), ("bob", bob or {}))
    }
    links = {"link": {"between": ["alice", "bob"], "length": "10 km"}}
    return {"version": 1, "seed": 1, "nodes": nodes, "links": links, **settings}


def _program(value: Any) -> dict[str, Any]:
    given = {"run": value} if isinstance(value, str) else dict(value)
    return {**given, "run": f"programs.py:{given['run']}"}


async def run(config: Mapping[str, Any], runs: Path, *, inline: bool = True, check: bool = True) -> Run:
    """Run it, and see that its record repeats it."""
    async with Cluster.from_dict(config, base=PROGRAMS, runs=runs) as net:
        done = await net.run(inline=inline, check=check, timeout=WALL_S)
    assert_repeated(done)
    return done


def assert_repeated(run: Run) -> None:
    """The record alone gives the same events and results."""
    events: list[Any] = []
    again = replay(record_path(run.folder), emit=events.append)
    assert again.divergence is None
    assert events == [event for event in run.events if again.outcome or event.event != "run_ended"]
    assert [(one.node, one.program, one.ended.result) for one in again.results if one.ended.result] == [
        (one.node, one.program, one.packed) for one in run.summary.results
    ]
