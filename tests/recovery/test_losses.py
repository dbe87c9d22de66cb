"""An oracle that is killed while nodes are lost, or begin afresh: what was lost stays lost, and is lost once."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any, Final

import pytest

from orchestrator import Cluster
from tests.faults.worlds import assert_repeated
from tests.machines.asking import LONG
from tests.machines.test_kept import HERE, network
from tests.recovery.kills import Disturbed

SEED: Final = int(os.environ.get("QNODE_KILLS", "20261126"))
ROUNDS: Final = 300
PLACES: Final = 1_500, 12_000  # of the record; a whole one is five times as long


async def kill_both(runs: Path, restart: str, draw: random.Random, **options: Any) -> list[str]:
    """A run whose bob is killed, once or twice, and whose oracle is: before, at the same time or after."""
    done, times = [], draw.choice((1, 2)) if restart == "fresh" else 1
    config = network(restart, failures={"detection_delay": "1 ms", "restart_delay": "3 ms", "restarts": 100})
    config["nodes"]["alice"]["args"] = {"n": ROUNDS}
    async with Cluster.from_dict(config, base=HERE, runs=runs) as net:
        lost = Disturbed(net, runs, "lost", **options)
        victims = [*["bob"] * times, "oracle", "oracle"]
        draw.shuffle(victims)
        places = sorted(draw.randrange(*PLACES) for _ in victims)
        if draw.random() < 0.5:
            places[1:3] = [places[1]] * 2  # at the same time, in either order
        for place, victim in zip(places, victims, strict=True):
            if not await lost.reaches(place):
                break
            if lost.kill(victim):
                done.append(f"{victim} at {place}")
        run = await lost.running
    assert run.failure is None or restart == "never", (run.failure, done)
    seen, told = run["alice"], f"QNODE_KILLS={SEED}: {restart}, {done}"
    assert len(seen) == ROUNDS, told
    losses = [event.event for event in run.events if event.event in ("node_lost", "node_restarted")]
    n = sum("bob" in one for one in done)
    if restart == "never":
        assert (run.exit_code, run.summary.how) == ((4, "lost") if n else (0, "done")), told
        assert losses == ["node_lost"] * n, told
    else:
        assert losses == ["node_lost", "node_restarted"] * n, told
        assert seen[-1] in (LONG + ROUNDS - 1, "lost", "late"), told
    assert_repeated(run)
    return done


@pytest.mark.parametrize("restart", ["never", "fresh"])
@pytest.mark.parametrize("nth", range(3))
async def test_losses_are_repeated_as_they_were(restart: str, nth: int, tmp_path: Path) -> None:
    done = await kill_both(tmp_path, restart, random.Random(f"{SEED} {restart} {nth}"))
    assert len(done) >= 2


@pytest.mark.slow
@pytest.mark.parametrize("restart", ["never", "fresh"])
@pytest.mark.parametrize("nth", range(40))
async def test_many_losses_are_repeated_as_they_were(restart: str, nth: int, tmp_path: Path) -> None:
    await kill_both(tmp_path, restart, random.Random(f"{SEED} many {restart} {nth}"))
