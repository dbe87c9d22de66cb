"""Networks that are cut at instants that nobody has chosen, for longer and shorter than anybody notices, and heal.

A cut is made where a packet arrives, in one direction or in both. That it has done something is known from the packets
that it has swallowed; that somebody has noticed it, from those that swallowed attempts to connect anew.
"""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from tests.cli.commands import DEADLINE_S, ended, err, out, qnode
from tests.machines.hosts import Machines, said
from tests.machines.lan import Lan
from tests.machines.networks import NETWORK, write
from tests.recovery.kills import size

SEED: Final = int(os.environ.get("QNODE_CUTS", "20261126"))
ROUNDS: Final = 150
LONG: Final = re.sub(r':(alice|bob|carol)"', rf':\1", args: {{n: {ROUNDS}}}', NETWORK)
AT: Final = "tcp://lab1:5700"
HOSTS: Final = {"oracle": "lab1", "alice": "lab2", "bob": "lab1", "carol": "lab3"}

WAYS: Final = {"both": (True, True), "to": (True, False), "from": (False, True)}
CUTS: Final = [
    (one, other, way, noticed)
    for one, other in (("oracle", "alice"), ("oracle", "carol"), ("alice", "carol"))
    for way in WAYS
    for noticed in (True, False)
]


@contextmanager
def blocked(lan: Lan, one: str, other: str, way: str) -> Iterator[tuple[str, ...]]:
    """Between these two hosts, one way or both; where packets are swallowed."""
    at = tuple(host for host, is_cut in zip((other, one), WAYS[way], strict=True) if is_cut)
    try:
        for host in at:
            lan.block(host, one if host == other else other)
        yield at
    finally:
        lan.unblock(*at)


def wait_until_swallowed(lan: Lan, at: tuple[str, ...], *, noticed: bool) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not any(lan.blocked(host)[noticed] for host in at):
        assert time.monotonic() < deadline, "nothing was sent that way"
        time.sleep(0.02)


def wait_until_record_has(folder: Path, length: int, running: subprocess.Popen[str]) -> bool:
    """False if the run is over first."""
    while size(folder) < length:
        if running.poll() is not None:
            return False
        time.sleep(0.001)
    return True


def start_all(machines: Machines, *options: str) -> dict[str, subprocess.Popen[str]]:
    running = {"oracle": machines.oracle("--json", *options)}
    assert "listening" in err(running["oracle"]).readline()
    return running | {name: machines.node(HOSTS[name], name) for name in ("alice", "bob", "carol")}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[object, bytes, int]:
    """Results, event log, and how long the record is."""
    folder = write(tmp_path_factory.mktemp("alone"), LONG)
    told = json.loads(qnode("run", "net.yaml", "--json", cwd=folder).out)
    saved = Path(told["folder"])
    return told["results"], (saved / "events.jsonl").read_bytes(), (saved / "record").stat().st_size


def cut_and_compare(lan: Lan, folder: Path, draw: random.Random, n: int, undisturbed: tuple[object, bytes, int]) -> int:
    """A run with so many cuts; how many there were before it was over."""
    results, events, whole = undisturbed
    done = []
    with Machines(lan, folder, LONG) as machines:
        running = start_all(machines)
        saved = folder / "lab1/.qnode/runs/three-machines-1"
        for place, cut in sorted(zip((draw.randrange(whole) for _ in range(n)), draw.sample(CUTS, n), strict=True)):
            if not wait_until_record_has(saved, place, running["oracle"]):
                break
            one, other, way, noticed = cut
            with blocked(lan, HOSTS[one], HOSTS[other], way) as at:
                wait_until_swallowed(lan, at, noticed=noticed)
            done.append((place, cut))
        told = ended(running.pop("oracle"))
        assert told.code == 0, (told.err, done)
        found = json.loads(told.out)
        assert found["results"] == results, f"QNODE_CUTS={SEED}: {done}"
        assert (Path(found["folder"]) / "events.jsonl").read_bytes() == events, f"QNODE_CUTS={SEED}: {done}"
        for node in running.values():
            left = ended(node)
            assert left.code == 0, left.err
    return len(done)


@pytest.mark.parametrize("nth", range(2))
def test_cuts_at_random_places_leave_no_trace(
    nth: int, lan: Lan, tmp_path: Path, undisturbed: tuple[object, bytes, int]
) -> None:
    assert cut_and_compare(lan, tmp_path, random.Random(f"{SEED} {nth}"), 4, undisturbed) >= 3


@pytest.mark.slow
@pytest.mark.parametrize("nth", range(20))
def test_many_cuts_at_random_places_leave_no_trace(
    nth: int, lan: Lan, tmp_path: Path, undisturbed: tuple[object, bytes, int]
) -> None:
    assert cut_and_compare(lan, tmp_path, random.Random(f"{SEED} many {nth}"), 5, undisturbed) >= 3
