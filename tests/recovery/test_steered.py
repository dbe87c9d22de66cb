"""A run that somebody goes through by hand, and whose oracle is killed on the way."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from orchestrator.oracle.replay import replay
from orchestrator.oracle.spec import record_path
from tests.launch.processes import watching
from tests.recovery.kills import cluster, told


async def gone_through(runs: Path, kills: tuple[int, ...]) -> tuple[dict[str, object], list[object]]:
    """The run, and what was seen on the way, if the oracle is killed before these moves."""
    seen: list[object] = []
    async with cluster(runs) as net:
        for move in range(5):
            if move in kills:
                with watching([net.pids["oracle"]]) as watch:
                    os.kill(net.pids["oracle"], signal.SIGKILL)
                    assert watch.left() == []
            match move:
                case 0:
                    view = await net.run_until("1 ms", seed=7, on_output=None)
                case 1:
                    await net.hold("bob")
                    view = await net.run_until("2 ms")
                case 2:
                    await net.release("bob")
                    await net.delay_next("alice", "bob", "10 us")
                    view = await net.run_until("3 ms")
                case 3:
                    view = await net.run_until("3 ms")
                case _:
                    run = await net.run()
            assert view is not None
            seen.append(view.at_ns if hasattr(view, "at_ns") else str(view))
    assert run.folder is not None
    assert replay(record_path(run.folder)).divergence is None
    return dict(told(run)), seen


@pytest.mark.parametrize("kills", [(1,), (2,), (1, 2, 3, 4)])
async def test_a_run_that_is_paused_when_its_oracle_is_killed_stands_where_it_stood(
    kills: tuple[int, ...], tmp_path: Path
) -> None:
    assert await gone_through(tmp_path / "killed", kills) == await gone_through(tmp_path / "undisturbed", ())
