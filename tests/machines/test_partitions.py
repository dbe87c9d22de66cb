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

from tests import tally
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


def wait_until_swallowed(lan: Lan, at: tuple[str, ...], *, noticed: bool, oracle: subprocess.Popen[str]) -> bool:
    """False if the run is over first."""
    deadline = time.monotonic() + DEADLINE_S
    while not any(lan.blocked(host)[noticed] for host in at):
        assert time.monotonic() < deadline, "nothing was sent that way"
        if oracle.poll() is not None:
            return False
        time.sleep(0.1)  # looking costs two processes
    return True


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
        for place, cut in sorted(
            zip((draw.randrange(whole * 9 // 10) for _ in range(n)), draw.sample(CUTS, n), strict=True)
        ):
            if not wait_until_record_has(saved, place, running["oracle"]):
                break
            one, other, way, noticed = cut
            with blocked(lan, HOSTS[one], HOSTS[other], way) as at:
                if wait_until_swallowed(lan, at, noticed=noticed, oracle=running["oracle"]):
                    tally.count(f"cut {'one way' if way != 'both' else 'both ways'}")
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


def test_cuts_at_random_places_leave_no_trace(lan: Lan, tmp_path: Path, undisturbed: tuple[object, bytes, int]) -> None:
    assert cut_and_compare(lan, tmp_path, random.Random(SEED), 6, undisturbed) >= 4


@pytest.mark.slow
@pytest.mark.parametrize("nth", range(20))
def test_many_cuts_at_random_places_leave_no_trace(
    nth: int, lan: Lan, tmp_path: Path, undisturbed: tuple[object, bytes, int]
) -> None:
    assert cut_and_compare(lan, tmp_path, random.Random(f"{SEED} many {nth}"), 5, undisturbed) >= 3


# ---------------------------------------------------------------- for longer than anybody is patient

ASKING: Final = (Path(__file__).parent / "asking.py").read_text()


@pytest.mark.parametrize("way", ["from", *(pytest.param(way, marks=pytest.mark.slow) for way in ("both", "to"))])
def test_a_node_that_stays_away_is_lost_and_can_do_nothing_any_more(way: str, lan: Lan, tmp_path: Path) -> None:
    gate, program = tmp_path / "gate", ASKING.replace("async def bob", "async def answers")
    network = NETWORK.replace(
        '{program: "programs.py:bob"', '{programs: {main: {run: "programs.py:answers", service: true}}'
    )
    after = random.randrange(2, 8)
    network = network.replace('py:alice"', f'py:alice", args: {{n: 500, gate: {gate}}}')
    with Machines(lan, tmp_path, network, program) as machines:
        oracle = machines.oracle("--json", "--patience", "1")
        assert "listening" in err(oracle).readline()
        alice, bob, carol = (machines.node(f"lab{nth}", name) for nth, name in enumerate(("alice", "bob", "carol"), 1))
        for line in out(alice):
            if line == f"asks {after}\n":
                break
        with blocked(lan, "lab1", "lab2", way):
            for line in out(alice):
                if line == "lost\n":
                    break
            else:
                pytest.fail("she never heard that he is lost")
            said(bob, "no connection to the oracle any more")
            tally.count("cut for too long")
        left = ended(bob)  # the run is not over: alice waits for the gate
        assert oracle.poll() is None
        assert left.code == 4, left.err
        assert "bob was lost (no connection to it for 1 s), and the run has gone on without it" in left.err
        assert "Traceback" not in left.err
        gate.touch()
        told = ended(oracle)
        assert told.code == 4, told.err
        assert [ended(node).code for node in (alice, carol)] == [0, 0]
    found = json.loads(told.out)
    seen = found["results"]["alice"]["main"]
    assert seen[-1] == "lost"
    assert found["results"]["carol"]
    events = [json.loads(line) for line in (Path(found["folder"]) / "events.jsonl").read_text().splitlines()]
    (lost,) = (nth for nth, event in enumerate(events) if event["event"].startswith("node_"))
    assert events[lost]["node"] == "bob"
    assert not [event for event in events[lost + 1 :] if event["node"] == "bob"]


# ---------------------------------------------------------------- on the real clock

REAL_PROGRAMS: Final = """
import asyncio
import os

from qnode import Node


async def alice(node: Node, n: int = 120):
    found = []
    for number in range(n):
        print("at", number, flush=True)
        found.append(await (await node.entangle("bob")).measure())
        await node.send("carol", number)
        if number % 10 == 3:
            await node.send("carol", bytes(100_000 + number))   # and not to bob: this one is waited for
        await asyncio.sleep(20e-3)
    while not os.path.exists(ENOUGH):   # else all might be over before a busy machine makes a cut, or notices it
        await node.send("carol", bytes(100_000), channel="more")
        await asyncio.sleep(100e-3)
    return found


async def bob(node: Node, n: int = 120):
    return [await (await node.entangle("alice")).measure() for _ in range(n)]


async def carol(node: Node, n: int = 120):
    came = [await node.receive("alice") for _ in range(n + n // 10)]
    return [one if isinstance(one, int) else len(one) for one in came]
"""
REAL: Final = (
    NETWORK.replace("seed: 5", "seed: 5\nclock: {mode: real}")
    .replace(", source: {model: werner, fidelity: 0.9}", "")
    .replace(", t2: 10 ms", "")
)


@pytest.mark.parametrize("nth", [1, 2, *(pytest.param(nth, marks=pytest.mark.slow) for nth in (0, 3, 4))])
def test_on_the_real_clock_what_was_under_way_arrives_once_after_a_cut(nth: int, lan: Lan, tmp_path: Path) -> None:
    draw = random.Random(f"{SEED} real {nth}")
    cuts = dict(zip(sorted(draw.sample(range(2, 36), 3)), draw.sample([cut for cut in CUTS if cut[3]], 3), strict=True))
    enough = tmp_path / "enough"
    with Machines(lan, tmp_path, REAL, REAL_PROGRAMS.replace("ENOUGH", repr(str(enough)))) as machines:
        running = start_all(machines)
        for line in out(running["alice"]):
            if (cut := cuts.get(int(line.split()[1]))) is not None:
                with blocked(lan, HOSTS[cut[0]], HOSTS[cut[1]], cut[2]) as at:
                    assert wait_until_swallowed(lan, at, noticed=True, oracle=running["oracle"]), cut
                    tally.count(f"cut {'one way' if cut[2] != 'both' else 'both ways'}")
                if line.split()[1] == str(max(cuts)):
                    enough.touch()
        told = ended(running.pop("oracle"))
        assert told.code == 0, (told.err, cuts)
        assert [ended(node).code for node in running.values()] == [0, 0, 0]
    results = json.loads(told.out)["results"]
    assert results["alice"]["main"] == results["bob"]["main"], cuts
    assert len(results["alice"]["main"]) == 120
    expected = [one for number in range(120) for one in ((number, 100_000 + number) if number % 10 == 3 else (number,))]
    assert results["carol"]["main"] == expected, cuts
