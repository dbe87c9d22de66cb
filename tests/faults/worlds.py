"""Networks with faults, run in processes of their own and in this one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from orchestrator import Cluster
from orchestrator.oracle.events import Event, encode_events
from orchestrator.oracle.replay import replay
from orchestrator.oracle.spec import record_path
from orchestrator.run import Run

PROGRAMS: Final = Path(__file__).parent
WALL_S: Final = 60.0  # for a run that takes a second
LIGHT_NS: Final = 50_035  # over 10 km


def program(name: str, **args: object) -> dict[str, object]:
    return {"program": f"programs.py:{name}", "args": args}


def network(nodes: Mapping[str, object], faults: Any = (), **more: Any) -> dict[str, Any]:
    """Nodes in a row, 10 km apart."""
    links = {"line": {"chain": list(nodes), "length": "10 km"}}
    return {"version": 1, "seed": 5, "nodes": nodes, "links": links, "faults": list(faults), **more}


async def run(config: Mapping[str, Any], runs: Path, *, inline: bool = False, **options: Any) -> Run:
    async with Cluster.from_dict(config, base=PROGRAMS, runs=runs) as net:
        return await net.run(inline=inline, check=False, timeout=WALL_S, on_output=None, **options)


def assert_repeated(done: Run) -> None:
    """The record alone leads to the same events and the same end."""
    events: list[Event] = []
    again = replay(record_path(done.folder), emit=events.append)
    assert again.divergence is None
    assert encode_events(events) == done.events_bytes
    assert again.outcome is not None
    assert again.outcome.how == done.summary.how


async def both(config: Mapping[str, Any], runs: Path) -> Run:
    """The run in processes; it is the same in this one, and the same again from its record."""
    apart = await run(config, runs / "apart")
    inline = await run(config, runs / "inline", inline=True)
    assert inline.events_bytes == apart.events_bytes
    assert (inline.results, inline.summary.how) == (apart.results, apart.summary.how)
    assert (inline.summary.gone, inline.summary.peer_lost) == (apart.summary.gone, apart.summary.peer_lost)
    assert_repeated(apart)
    return apart
