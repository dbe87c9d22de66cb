"""What programs print: whole lines with the node's name, in one log, whatever way they print it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Final

import pytest

from orchestrator import Cluster

HERE: Final = Path(__file__).parent

pytestmark = pytest.mark.usefixtures("temporary")


async def printed(nodes: dict[str, object], runs: Path, **settings: object) -> tuple[list[str], list[str]]:
    """The lines that were shown while the run went on, and those of its log."""
    shown: list[str] = []
    config = {"version": 1, "seed": 1, "nodes": nodes, **settings}
    async with Cluster.from_dict(config, base=HERE, runs=runs) as net:
        run = await net.run(on_output=shown.append)
    return shown, (run.folder / "log").read_text().splitlines()


async def test_every_way_to_print_ends_in_the_log_with_the_nodes_name(method: str, tmp_path: Path) -> None:
    shown, log = await printed({"alice": {"program": "ending.py:speaks"}}, tmp_path)
    assert shown == log
    assert log == [
        "alice | a b 3",
        "alice | no end yet",
        "alice | wrong",
        "alice | bytes \u03c8",
        "alice | one",
        "alice | two",
        "alice | 0 ns main logged",
        "alice | from a thread",
        "below Python",  # what no Python code wrote has no name
        "alice | " + "x" * 100_000,
        "alice | last words",
    ]


async def test_lines_of_many_nodes_never_mix(tmp_path: Path) -> None:
    """Processes and nodes that share one print words, not lines; each line is whole and each node's are in order."""
    n = 200
    nodes: dict[str, object] = {"n[0..5]": {"program": "ending.py:babbles", "args": {"lines": n}}}
    for size in (1, 3):
        shown, log = await printed(nodes, tmp_path, nodes_per_process=size)
        assert shown == log
        assert Counter(line.split(" ")[0] for line in log) == {f"n{node}": n for node in range(6)}
        for node in range(6):
            mine = [line for line in log if line.startswith(f"n{node} ")]
            assert mine == [f"n{node} | n{node} {nth} of {n} " + "." * (nth % 50) * 40 for nth in range(n)]
