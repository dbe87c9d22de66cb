"""What nodes were granted is in the record; granted once more, they report the same bytes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from orchestrator import Cluster
from orchestrator.inline import Generators, here
from orchestrator.oracle.record import read_record
from orchestrator.oracle.regrant import Regrants
from orchestrator.oracle.spec import decode_oracle, record_path
from orchestrator.plan import plan
from orchestrator.run import Run
from qnode.runtime.again import execute_again
from qnode.runtime.host import NodeHost
from qnode.wire.messages import Part, decode_to_oracle
from tests.oracle.test_replay import EVERYTHING, OBSERVE, recorded
from tests.replay import networks
from tests.replay.test_same_again import SHAPES
from tests.runs.test_same_run import PROGRAMS, RING, network


def steps_of(run: Run) -> Counter[str]:
    """Execute every process of a run once more, from its record; how many steps of each node were the same bytes."""
    launch = plan(run.network, run_id="again", token=b"", directory="", folder="")
    same: Counter[str] = Counter()
    for process in launch.processes:
        description, rounds = read_record(record_path(run.folder))
        regrants = Regrants(decode_oracle(description))
        with here(launch.run.base), Generators([process]) as generators:
            hosts = {node.name: NodeHost(node, launch.run, _no_payload) for node in process.nodes}
            generators.turn_to(process.number)
            for answered in regrants.of(hosts, rounds):
                assert answered.is_whole
                name = answered.grant.node
                assert execute_again(hosts[name], answered.grant, answered.frames) == answered.frames
                same[name] += 1
            for host in hosts.values():
                host.close()
        assert regrants.divergence is None
        assert regrants.core.outcome is not None
    assert same.total() == run.summary.counts["reports"]
    return same


async def test_parts_that_went_ahead_of_a_report_are_cut_where_they_were(tmp_path: Path) -> None:
    run = await networks.run(SHAPES["direct"], tmp_path)
    frames = (bytes(frame) for one in read_record(record_path(run.folder))[1] for frame in one.reports)
    assert any(isinstance(decode_to_oracle(frame), Part) for frame in frames)
    assert set(steps_of(run)) == {"alice", "bob"}


def _no_payload(digest: bytes) -> bytes:
    raise AssertionError(f"nobody sent a long payload, and {digest.hex()} is asked for")


@pytest.mark.parametrize("inline", [False, True], ids=["processes", "inline"])
async def test_every_node_of_a_run_reports_the_same_bytes_again(inline: bool, tmp_path: Path) -> None:
    run = await recorded(tmp_path, EVERYTHING, inline=inline, observe=OBSERVE)
    assert set(steps_of(run)) == set(EVERYTHING)


@pytest.mark.parametrize("nodes_per_process", [1, 4])
async def test_nodes_that_share_a_process_report_the_same_bytes_again(nodes_per_process: int, tmp_path: Path) -> None:
    """Executors, many tasks at once, services, both sorts of generators."""
    settings: dict[str, Any] = {"nodes_per_process": nodes_per_process, "seed": 5}
    config = network(string_sets=False, **settings)
    async with Cluster.from_dict(config, base=PROGRAMS, runs=tmp_path) as net:
        run = await net.run(timeout=120)
    assert set(steps_of(run)) == {*RING, "hub"}
