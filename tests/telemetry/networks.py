"""Networks that publish, and runs of them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, Final

from orchestrator import Cluster
from orchestrator.run import Run

HERE: Final = Path(__file__).parent
NOBODY: Final = "mqtt://127.0.0.1:1"


def network(
    broker: str, *, nodes: dict[str, Any] | None = None, clock: str = "virtual", **settings: Any
) -> dict[str, Any]:
    nodes = nodes or {"alice": {"program": "programs.py:alice"}, "bob": {"program": "programs.py:bob"}}
    links = {"fibre": {"between": ["alice", "bob"], "length": "10 km"}} if "bob" in nodes else {}
    telemetry = (
        {"telemetry": {"mqtt": {"broker": broker, "every": "20 ms", "linger": "20 s", **settings}}} if broker else {}
    )
    return {"version": 1, "name": "net", "seed": 1, "clock": clock, "nodes": nodes, "links": links, **telemetry}


def cluster(tmp_path: Path, *args: Any, **settings: Any) -> Cluster:
    return Cluster.from_dict(network(*args, **settings), base=HERE, runs=tmp_path / "runs")


def until_told(tmp_path: Path, program: str = "until_told") -> tuple[dict[str, Any], Path]:
    """A node that acts until there is a file, and the file."""
    file = tmp_path / "told"
    return {"alice": {"program": f"programs.py:{program}", "args": {"file": str(file)}}}, file


def start(net: Cluster) -> asyncio.Task[Run]:
    """A run under way."""
    return asyncio.create_task(net.run(check=False))
