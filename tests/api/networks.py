"""Small networks of the programs beside these tests."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from orchestrator import Cluster
from orchestrator.run import Run

PROGRAMS = Path(__file__).parents[1] / "programs_api"


def network(file: str, programs: Mapping[str, Any], *, slots: int = 8, **settings: Any) -> dict[str, Any]:
    """alice - bob - carol in a row, 10 km each; a program is a function of the file, or a node's configuration."""
    nodes: dict[str, Any] = {}
    for name in ("alice", "bob", "carol"):
        given = programs.get(name)
        node = {"program": f"{file}:{given}"} if isinstance(given, str) else dict(given or {})
        nodes[name] = {"qubits": slots, **node}
    links = {"all": {"chain": ["alice", "bob", "carol"], "length": "10 km"}}
    return {"version": 1, "seed": 1, "nodes": nodes, "links": links, **settings}


async def run(config: Mapping[str, Any], runs: Path, *, inline: bool = True, check: bool = True) -> Run:
    """Run it; in this process, unless the test is about processes."""
    cluster = Cluster.from_dict(config, base=PROGRAMS, runs=runs)
    if inline:
        return await cluster.run(inline=True, check=check)
    async with cluster as net:
        return await net.run(check=check, timeout=40)


def line_of(file: str, function: str, comment: str) -> str:
    """file:line of a commented line of a function, as errors name it."""
    path = PROGRAMS / file
    lines = path.read_text().splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith((f"async def {function}(",)))
    found = next(number for number in range(start, len(lines)) if lines[number].endswith(f"# {comment}"))
    return f"{path}:{found + 1}"
