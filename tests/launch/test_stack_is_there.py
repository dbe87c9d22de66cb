"""What a node's network stack needs is there when the node starts, but only where it may come to be used."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from orchestrator import Cluster
from qnode import Node

AB, BC, CA = ("a", "b"), ("b", "c"), ("c", "a")


async def has_stack(node: Node) -> bool:
    return "qnode.runtime.stack" in sys.modules


@pytest.mark.parametrize(
    ("links", "expected"),
    [([AB, BC], True), ([AB, BC, CA], False), ([], False)],
    ids=["chain", "all joined", "no links"],
)
async def test_a_forkserver_loads_the_stack_where_nodes_are_no_neighbours(
    links: list[tuple[str, str]], expected: bool, tmp_path: Path
) -> None:
    """A thousand nodes of a chain, each of which had to load it, took minutes to pass on the first request."""
    async with Cluster(dict.fromkeys("abc", has_stack), links, runs=tmp_path) as net:
        run = await net.run(on_output=None)
    assert [run[name] for name in "abc"] == [expected] * 3
