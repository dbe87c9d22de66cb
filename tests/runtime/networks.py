"""Networks of the programs beside these tests: as many nodes as there are programs to run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from orchestrator import Cluster
from orchestrator.run import Run

PROGRAMS = Path(__file__).parent
WALL_S = 60.0  # what hangs fails; nothing is measured by it


def program(name: str, **args: object) -> dict[str, object]:
    """A node that runs a function of programs.py, or of another file if the name says so."""
    return {"program": name if ":" in name else f"programs.py:{name}", "args": args}


def network(nodes: Mapping[str, Mapping[str, object]], **settings: Any) -> dict[str, Any]:
    """Nodes without links: messages between them take no time, unless the settings say otherwise."""
    return {"version": 1, "seed": 1, "nodes": dict(nodes), "classical": {"delay": "0 s"}, **settings}


def pair(
    alice: Mapping[str, object], bob: Mapping[str, object], *, length: str = "10 km", **settings: Any
) -> dict[str, Any]:
    """alice and bob with a link between them; light takes 50.035 us for 10 km of it."""
    links = {"fibre": {"between": ["alice", "bob"], "length": length}}
    return network({"alice": alice, "bob": bob}, links=links, **({"classical": {"delay": "along_links"}} | settings))


async def run(config: Mapping[str, Any], runs: Path, *, inline: bool = True, check: bool = True, **options: Any) -> Run:
    """Run it; in this process, unless the test is about processes."""
    async with Cluster.from_dict(config, base=PROGRAMS, runs=runs) as net:
        return await net.run(inline=inline, check=check, **({"timeout": WALL_S} | options))


def ended_ns(result: Run) -> dict[str, int]:
    """When each node's program returned, to the nanosecond."""
    return {one.node: one.at_ns for one in result.summary.results}


def line_of(comment: str, file: str = "programs.py") -> str:
    """file:line of the only line that ends with this comment, as reports name it."""
    lines = (PROGRAMS / file).read_text().splitlines()
    (number,) = (number for number, line in enumerate(lines, 1) if line.endswith(f"  # {comment}"))
    return f"{PROGRAMS / file}:{number}"
