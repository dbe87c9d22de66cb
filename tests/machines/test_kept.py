"""All nodes of a host, one of whose processes is killed: what `restart` says is done, wherever it was."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import subprocess
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from orchestrator import Cluster
from tests import tally
from tests.cli.commands import ended, err, out, qnode, started
from tests.faults.worlds import WALL_S, assert_repeated
from tests.machines.asking import LONG

TOKEN: Final = "0123456789abcdef"
TIMES: Final = 200  # that she asks; what happens to bob happens early, for reading of it takes a while
EARLY: Final = 40
OFTEN: Final = 15_000  # that she asks while somebody is gone: it takes seconds
HERE: Final = Path(__file__).parent


def network(restart: str, **changes: Any) -> dict[str, Any]:
    return {
        "version": 1,
        "name": "kept",
        "seed": 3,
        "nodes": {
            "alice": {"program": "asking.py:alice", "args": {"n": TIMES}},
            "bob": {"programs": {"main": {"run": "asking.py:bob", "service": True}}, "restart": restart},
            "carol": {"program": "asking.py:carol"},
        },
        "links": {"ab": {"between": ["alice", "bob"], "length": "10 km"}},
        "failures": {"detection_delay": "1 ms", "restart_delay": "3 ms"},
        **changes,
    }


def write(folder: Path, restart: str, **changes: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "asking.py").write_text((HERE / "asking.py").read_text())
    (folder / "kept.yaml").write_text(yaml.safe_dump(network(restart, hosts=["lab1"], **changes)))
    return folder


def killed_under_host(folder: Path, after: int) -> tuple[dict[str, Any], list[str]]:
    """What the oracle tells of a run whose bob is killed when alice asks for the nth time; and what its keeper says."""
    with ExitStack() as stack:

        def start(*words: str | Path) -> subprocess.Popen[str]:
            return stack.enter_context(started(*words, cwd=folder, QNODE_TOKEN=TOKEN))

        oracle = start("oracle", "kept.yaml", "--listen", "ipc://s", "--json")
        assert "listening" in err(oracle).readline()
        host = start("node", "kept.yaml", "--host", "lab1", "--oracle", "ipc://s")
        pid = 0
        for line in out(host):
            if line.startswith("bob") and "pid" in line and not pid:
                pid = int(line.split()[-1])
            if line.startswith("alice") and line.rstrip().endswith(f"asks {after}"):
                os.kill(pid, signal.SIGKILL)
                tally.count("SIGKILL node")
        told, kept = ended(oracle), ended(host)
        assert kept.code == 0, kept.err
        assert told.code == 0, told.err
        return json.loads(told.out), [line for line in kept.err.splitlines() if "killed" in line]


@pytest.mark.parametrize("nth", [0, *(pytest.param(nth, marks=pytest.mark.slow) for nth in range(1, 10))])
def test_a_node_of_a_host_is_executed_again(nth: int, tmp_path: Path) -> None:
    folder = write(tmp_path, "resume")
    undisturbed = json.loads(qnode("run", "kept.yaml", "--json", cwd=folder).out)
    told, said = killed_under_host(folder, random.randrange(2, EARLY))
    assert said == ["bob was killed by signal 9, and is executed again"]
    assert told["results"] == undisturbed["results"]
    events = [(Path(one["folder"]) / "events.jsonl").read_bytes() for one in (told, undisturbed)]
    assert events[0] == events[1]


@pytest.mark.parametrize("nth", [0, *(pytest.param(nth, marks=pytest.mark.slow) for nth in range(1, 10))])
def test_a_node_of_a_host_begins_afresh(nth: int, tmp_path: Path) -> None:
    told, said = killed_under_host(write(tmp_path, "fresh"), random.randrange(2, EARLY))
    assert said == ["bob was killed by signal 9, and begins afresh"]
    events = [json.loads(line) for line in (Path(told["folder"]) / "events.jsonl").read_text().splitlines()]
    lost, again = (event for event in events if event["event"] in ("node_lost", "node_restarted"))
    assert (lost["node"], again["node"], again["n"], again["t"] - lost["t"]) == ("bob", "bob", 1, 3_000_000)
    seen = told["results"]["alice"]["main"]
    assert set(seen) & {"lost", "late"}
    assert seen[-1] == LONG + TIMES - 1  # and she goes on with the next bob


@pytest.mark.parametrize(
    ("clock", "restart"), [("virtual", "never"), ("virtual", "fresh"), ("virtual", "resume"), ("real", "never")]
)
@pytest.mark.parametrize("stopped", [pytest.param(False, marks=pytest.mark.slow), True])
async def test_a_long_message_under_way_to_who_is_killed_keeps_nobody(
    clock: str, restart: str, stopped: bool, tmp_path: Path
) -> None:
    config, after = network(restart, clock=clock), 2 * random.randrange(2, EARLY // 2) + 1
    config["nodes"]["alice"]["args"] = {"n": TIMES, "slow": after}
    async with Cluster.from_dict(config, base=HERE, runs=tmp_path) as net:

        def said(line: str) -> None:
            if line.startswith("alice") and line.endswith(f"asks {after}"):
                tally.count("SIGKILL node")
                if stopped:  # then the message is on its way to him when he is killed
                    os.kill(net.pids["bob"], signal.SIGSTOP)
                    asyncio.get_running_loop().call_later(0.4, os.kill, net.pids["bob"], signal.SIGKILL)
                else:
                    os.kill(net.pids["bob"], signal.SIGKILL)

        done = await net.run(check=False, timeout=WALL_S, on_output=said)
    assert done.exit_code == (4 if restart == "never" else 0), done.failure
    seen = done["alice"]
    assert len(seen) == TIMES
    assert (seen == [LONG + nth if nth % 2 else nth for nth in range(TIMES)]) == (restart == "resume")
    if clock == "virtual":
        assert_repeated(done)


@pytest.mark.parametrize("clock", ["virtual", "real"])
def test_a_process_that_nobody_keeps_is_lost_once_it_is_missed(clock: str, tmp_path: Path) -> None:
    folder, after = write(tmp_path, "never", clock=clock), random.randrange(2, EARLY)
    with ExitStack() as stack:

        def start(*words: str | Path) -> subprocess.Popen[str]:
            return stack.enter_context(started(*words, cwd=folder, afresh="bob" in words, QNODE_TOKEN=TOKEN))

        oracle = start("oracle", "kept.yaml", "--listen", "tcp://127.0.0.1:0", "--json", "--patience", "1")
        at = err(oracle).readline().removeprefix("listening at ").partition(",")[0]
        alice, bob, carol = (start("node", "kept.yaml", name, "--oracle", at) for name in ("alice", "bob", "carol"))
        for line in out(alice):
            if line == f"asks {after}\n":
                bob.kill()
                tally.count("SIGKILL node")
        told = ended(oracle)
        assert told.code == 4, told.err
        assert "bob" in told.err
        assert [ended(node).code for node in (alice, carol)] == [0, 0]
    seen = json.loads(told.out)["results"]["alice"]["main"]
    assert len(seen) == TIMES
    assert seen[-1] == "lost"


@pytest.mark.parametrize("restart", ["never", "fresh"])
def test_a_process_is_missed_though_the_others_are_busy_all_the_time(restart: str, tmp_path: Path) -> None:
    """It was once looked for only where the network had been idle for a moment."""
    nodes = {
        "alice": {"program": "asking.py:keeps_busy", "args": {"n": OFTEN}},
        "bob": {"programs": {"main": {"run": "asking.py:bob", "service": True}}},
        "carol": {"programs": {"main": {"run": "asking.py:sleeps", "service": True}}, "restart": restart},
    }
    folder = write(tmp_path, "never", nodes=nodes)
    with ExitStack() as stack:

        def start(*words: str | Path) -> subprocess.Popen[str]:
            return stack.enter_context(started(*words, cwd=folder, afresh="carol" in words, QNODE_TOKEN=TOKEN))

        # With "fresh" it is another process of hers that tells that the first one is gone.
        patience = "1" if restart == "never" else "1000"
        oracle = start("oracle", "kept.yaml", "--listen", "tcp://127.0.0.1:0", "--json", "--patience", patience)
        at = err(oracle).readline().removeprefix("listening at ").partition(",")[0]
        alice, _, carol = (start("node", "kept.yaml", name, "--oracle", at) for name in ("alice", "bob", "carol"))
        assert out(alice).readline() == "busy\n"
        carol.kill()
        tally.count("SIGKILL node")
        if restart == "fresh":
            start("node", "kept.yaml", "carol", "--oracle", at)
        told = ended(oracle)
        assert told.code == (4 if restart == "never" else 0), told.err
    assert json.loads(told.out)["results"]["alice"]["main"] < OFTEN
