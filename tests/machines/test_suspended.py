"""A laptop that is closed and opened again: every process stands still, and goes on in any order. Nobody is dead.

Nor is who computes for long, and lets nothing else of its process run meanwhile.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pytest

from qnode.transport.sockets import SILENCE_MS
from tests import tally
from tests.cli.commands import ended, err, out, started
from tests.launch.processes import linux_only
from tests.machines.asking import LONG
from tests.machines.test_kept import EARLY, TIMES, TOKEN, write

SLEEPS_S: Final = 3.0  # wall time: longer than what counts as silence between machines
EXPECTED: Final = [LONG + nth if nth % 2 else nth for nth in range(TIMES)]

pytestmark = linux_only


def family(pid: int) -> list[int]:
    """A process and all that descend from it."""
    found = [pid]
    for one in found:
        for task in Path(f"/proc/{one}/task").iterdir():
            found += map(int, (task / "children").read_text().split())
    return found


def is_stopped(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def suspend(pids: list[int], draw: random.Random) -> None:
    """Stop them all, for long; they go on in another order than they stopped."""
    for pid in draw.sample(pids, len(pids)):
        os.kill(pid, signal.SIGSTOP)
    tally.count("SIGSTOP", len(pids))
    while not all(map(is_stopped, pids)):
        pass
    time.sleep(SLEEPS_S)  # that is what is tested: so much time goes by
    for pid in draw.sample(pids, len(pids)):
        os.kill(pid, signal.SIGCONT)
        time.sleep(draw.random() / 10)


@pytest.mark.parametrize(
    "who", ["everything", *(pytest.param(who, marks=pytest.mark.slow) for who in ("nodes", "oracle", "orchestrator"))]
)
def test_a_run_that_is_suspended_goes_on(who: str, tmp_path: Path) -> None:
    draw, folder = random.Random(), write(tmp_path, "never")
    with started("run", "kept.yaml", cwd=folder, afresh=True) as run:
        stops = draw.randrange(2, EARLY)
        pids: dict[str, int] = {}
        for line in out(run):
            name, _, text = (part.strip() for part in line.partition("|"))
            if text.startswith("pid "):
                pids[name] = int(text.split()[1])
            if (name, text) == ("alice", f"asks {stops}"):
                break
        whole, nodes = family(run.pid), list(pids.values())
        others = [pid for pid in whole if pid not in (*nodes, run.pid)]
        suspend({"everything": whole, "nodes": nodes, "oracle": others, "orchestrator": [run.pid]}[who], draw)
        done = ended(run)
    assert done.code == 0, done.err
    events = (folder / ".qnode/runs/kept-1/events.jsonl").read_text()
    assert "node_lost" not in events
    assert '"name":"done"' in events


@pytest.mark.parametrize("clock", [pytest.param("virtual", marks=pytest.mark.slow), "real"])
def test_across_a_network_too_whoever_is_suspended_comes_back(clock: str, tmp_path: Path) -> None:
    draw, folder = random.Random(), write(tmp_path, "never", clock=clock)
    with ExitStack() as stack:

        def start(*words: str | Path) -> subprocess.Popen[str]:
            return stack.enter_context(started(*words, cwd=folder, afresh=True, QNODE_TOKEN=TOKEN))

        oracle = start("oracle", "kept.yaml", "--listen", "tcp://127.0.0.1:0", "--json")
        at = err(oracle).readline().removeprefix("listening at ").partition(",")[0]
        nodes = [start("node", "kept.yaml", name, "--oracle", at) for name in ("alice", "bob", "carol")]
        stops = draw.randrange(2, EARLY)
        for line in out(nodes[0]):
            if line == f"asks {stops}\n":
                break
        suspend([oracle.pid, *(node.pid for node in nodes)], draw)
        done = ended(oracle)
        assert done.code == 0, done.err
        assert [ended(node).code for node in nodes] == [0, 0, 0]
    seen = json.loads(done.out)["results"]["alice"]["main"]
    assert seen == EXPECTED if clock == "virtual" else len(seen) == TIMES


COMPUTES: Final = """
import time

from qnode import Node

AT_ONCE = 3 ** 50_000


async def alice(node: Node):
    await node.send("bob", "now")
    return await node.receive("bob")


async def bob(node: Node, lasts: float):
    await node.receive("alice")
    ends = time.monotonic() + lasts
    while time.monotonic() < ends:
        AT_ONCE ** 20    # one step of the interpreter, which is of nobody else's use as long as it takes
    await node.send("alice", "done")
"""


@pytest.mark.slow
@pytest.mark.parametrize("clock", ["virtual", "real"])
def test_across_a_network_a_program_that_computes_for_long_is_not_lost(clock: str, tmp_path: Path) -> None:
    """Longer than what counts as silence, and than anybody is patient: connections live without the interpreter."""
    patience_s = 1
    lasts = SILENCE_MS / 1000 + patience_s + 2.0
    (tmp_path / "net.py").write_text(COMPUTES)
    (tmp_path / "net.yaml").write_text(
        f"version: 1\nseed: 1\nclock: {clock}\nlinks: {{ab: {{between: [alice, bob]}}}}\n"
        f'nodes: {{alice: {{program: "net.py:alice"}}, bob: {{program: "net.py:bob", args: {{lasts: {lasts}}}}}}}\n'
    )
    with ExitStack() as stack:

        def start(*words: str | Path) -> subprocess.Popen[str]:
            patience = ("--patience", str(patience_s))
            return stack.enter_context(started(*words, *patience, cwd=tmp_path, QNODE_TOKEN=TOKEN))

        oracle = start("oracle", "net.yaml", "--listen", "tcp://127.0.0.1:0", "--json")
        at = err(oracle).readline().removeprefix("listening at ").partition(",")[0]
        nodes = [start("node", "net.yaml", name, "--oracle", at) for name in ("alice", "bob")]
        done = ended(oracle)
        left = [ended(node) for node in nodes]
    assert done.code == 0, done.err
    assert [one.code for one in left] == [0, 0]
    assert json.loads(done.out)["results"]["alice"]["main"] == "done"
    assert not [one.err for one in left if "no connection" in one.err]
