"""Programs that come and go in a run whose processes are killed -9: it goes on with the same bytes."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

from orchestrator import Cluster
from orchestrator.run import Run
from tests import tally
from tests.applications.worlds import PROGRAMS, WALL_S, assert_repeated, network
from tests.launch.processes import linux_only

TIMES = 300  # the run must not be over before somebody has seen its twentieth line

pytestmark = linux_only


async def gone_through(runs: Path, *victims: str) -> Run:
    """Echo comes by the configuration, goes by hand, and comes again; then victims are killed, wherever the run is."""
    echo = {"run": "echoes", "args": {"peer": "alice"}, "start": "1.5 ms", "service": True}
    asks = {"run": "asks", "args": {"peer": "bob", "times": TIMES, "every": 1e-3}}
    config = network({"main": asks}, {"echo": echo}, failures={"restart": "resume"})
    killed: list[str] = []

    async with Cluster.from_dict(config, base=PROGRAMS, runs=runs) as net:

        def kill(line: str) -> None:
            if line.endswith("asked 20") and not killed:
                for victim in victims:
                    os.kill(net.pids[victim], signal.SIGKILL)
                    tally.count(f"SIGKILL {victim if victim == 'oracle' else 'node'}")
                    killed.append(victim)

        await net.run_until("2.5 ms", timeout=WALL_S, on_output=kill)
        await net.stop("bob", "echo")
        await net.run_until("3.5 ms")
        await net.start("bob", "echo")
        await net.start("bob", "other", run="programs.py:sleeps", args={"seconds": 0.25}, memories=1)
        done = await net.run()
    assert tuple(killed) == victims
    return done


async def test_what_came_and_went_is_there_again_after_a_kill(tmp_path: Path) -> None:
    undisturbed, disturbed = await gone_through(tmp_path), await gone_through(tmp_path, "bob", "oracle")
    assert len(undisturbed["alice"]) == TIMES
    assert undisturbed.results["bob"]["other"] == 253_500_000
    assert disturbed.events_bytes == undisturbed.events_bytes
    assert disturbed.results == undisturbed.results
    assert_repeated(disturbed)


async def test_changes_that_come_while_nodes_still_run_are_recorded_where_they_were_made(tmp_path: Path) -> None:
    """All are asked for at once: each lets nodes run, and the next is made when they have."""
    asks = {"run": "asks", "args": {"peer": "bob", "times": 5, "every": 1e-3}}
    config = network({"main": asks}, {})
    async with Cluster.from_dict(config, base=PROGRAMS, runs=tmp_path) as net:
        await net.run_until("2.5 ms", timeout=WALL_S)
        names = [f"nth{nth}" for nth in range(8)]
        started = [net.start("bob", name, run="programs.py:sleeps", args={"seconds": 1e-3}) for name in names]
        await asyncio.gather(*started)
        run = await net.run()
    assert_repeated(run)
