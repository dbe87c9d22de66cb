"""What a node's network stack needs is there when the node starts, but only where it may come to be used."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from orchestrator import Cluster
from qnode import Node


async def has_stack(node: Node) -> bool:
    return "qnode.runtime.stack" in sys.modules


@pytest.mark.parametrize(
    ("links", "expected"), [("ab bc", True), ("ab bc ca", False), ("", False)], ids=["chain", "all joined", "no links"]
)
async def test_a_forkserver_loads_the_stack_where_nodes_are_no_neighbours(
    links: str, expected: bool, tmp_path: Path
) -> None:
    """A thousand nodes of a chain, each of which had to load it, took minutes to pass on the first request."""
    async with Cluster(
        dict.fromkeys("abc", has_stack), [(one, other) for one, other in links.split()], runs=tmp_path
    ) as net:
        run = await net.run(on_output=None)
    assert [run[name] for name in "abc"] == [expected] * 3
