"""Very much at one instant: what fits no single frame arrives all the same, or is a failure that names its remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.oracle.replay import replay
from orchestrator.oracle.spec import record_path
from tests.api.networks import network, run

FILE = "bulky.py"


def program(name: str, **args: object) -> dict[str, object]:
    return {"program": f"{FILE}:{name}", "args": args}


@pytest.mark.parametrize("together", [1, "all"])
async def test_a_grant_of_more_than_a_frame_arrives_whole_and_in_order(together: object, tmp_path: Path) -> None:
    messages = 600  # of 60,000 bytes: 36 MB in each report, 72 MB for bob at one instant
    programs = {
        "alice": program("pours", to="bob", messages=messages),
        "bob": program("drinks", senders=["alice", "carol"], messages=messages),
        "carol": program("pours", to="bob", messages=messages),
    }
    config = network(FILE, programs, events=False, nodes_per_process=together)
    found = await run(config, tmp_path, inline=False)
    assert found["bob"] == [messages, messages]
    assert found.summary.at_ns == 50_035
    assert found.folder is not None
    assert replay(record_path(found.folder)).divergence is None


@pytest.mark.parametrize("clock", ["virtual", "real"])
async def test_a_result_of_more_than_a_frame_is_a_failure_of_its_program(clock: str, tmp_path: Path) -> None:
    programs = {"alice": program("returns", size=65 * 2**20), "bob": program("waits")}
    config = network(FILE, programs, clock=clock, events=False)
    failed = await run(config, tmp_path, inline=False, check=False)
    assert [(one.node, one.program) for one in failed.summary.failures] == [("alice", "main")]
    assert f"{65 * 2**20 + 5} bytes" in failed.summary.failures[0].traceback


async def test_a_report_of_more_than_a_frame_names_node_size_and_remedy_and_everybody_ends(tmp_path: Path) -> None:
    programs = {"alice": program("pours", to="bob", messages=1_200), "bob": program("waits")}
    failed = await run(network(FILE, programs, events=False), tmp_path, inline=False, check=False)
    (failure,) = failed.summary.failures
    assert (failure.node, failure.program) == ("alice", "main")
    for word in ("node alice", "1200 operations", "bytes", "await asyncio.sleep(1e-9)"):
        assert word in failure.traceback
    assert [one.node for one in failed.summary.waits] == ["bob"]
