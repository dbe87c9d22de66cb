"""Runs on the hosts of a real Slurm: the same bytes as on one machine, and nothing left whatever happens."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Final

import pytest

from tests.cli.commands import carried_out, command, ended, out, qnode, started
from tests.engines.needs import wait_for
from tests.slurm.engine import Slurm

pytestmark = pytest.mark.engine

CHAIN: Final = """\
version: 1
name: chain
seed: 3
nodes:
  "r[0..4]": {program: "chain.py:node"}
links: {chain: {chain: ["r[0..4]"], length: 10 km}}
"""

# Each measures a half of a pair with each neighbour, and says on which host it does.
PROGRAM: Final = """
import os

from qnode import Node


async def node(node: Node) -> dict[str, int]:
    print("runs on", os.environ.get("SLURMD_NODENAME"))
    halves = {peer: await node.entangle(peer) for peer in sorted(node.neighbours)}
    return {peer: await half.measure() for peer, half in halves.items()}
"""

COUNTS: Final = """
import asyncio

from qnode import Node


async def alice(node: Node) -> None:
    print("alice is here", flush=True)
    for nth in range(10**9):
        await (await node.entangle("bob")).measure()


async def bob(node: Node) -> None:
    for nth in range(10**9):
        await (await node.entangle("alice")).measure()
"""

# On two hosts the oracle would be on the first, with alice.
COUNTING: Final = """
version: 1
nodes:
  alice: {program: "counts.py:alice"}
  bob: {program: "counts.py:bob"}
links: {one: {between: [alice, bob], length: 1 km}}
hosts: [lab, attic]
place: {oracle: attic, alice: lab, bob: lab}
"""

THERE: Final = {"chain.yaml", "chain.py", "counts.py", ".qnode", "__pycache__"}  # before and after


@pytest.fixture
def folder(hosts: Slurm, tmp_path: Path) -> Path:
    """One with networks in it, of a Slurm that is up."""
    (tmp_path / "chain.yaml").write_text(CHAIN)
    (tmp_path / "chain.py").write_text(PROGRAM)
    (tmp_path / "counts.py").write_text(COUNTS)
    return tmp_path


def of_run(folder: Path, name: str) -> list[bytes]:
    """What must be the same wherever it ran."""
    return [(folder / ".qnode" / "runs" / name / file).read_bytes() for file in ("events.jsonl", "summary")]


def files_of(folder: Path, name: str) -> set[str]:
    return {path.name for path in (folder / ".qnode" / "runs" / name).rglob("*")}


def where(text: str) -> dict[str, str]:
    """Which node said that it runs on which host."""
    lines = [line.split(" | runs on ") for line in text.splitlines() if " | runs on " in line]
    return {node: host for node, host in lines}


def test_on_three_hosts_it_is_the_run_of_one_machine(folder: Path) -> None:
    done = qnode("run", "chain.yaml", "--on", "slurm", "--hosts", "3", "--name", "there", cwd=folder)
    assert done.code == 0, done.err
    assert where(done.out) == {"r0": "q1", "r1": "q1", "r2": "q2", "r3": "q2", "r4": "q3"}
    assert "r4     chain.py:node" in done.out
    assert "repeat: qnode run chain.yaml --seed 3 --on slurm" in done.out
    assert qnode("run", "chain.yaml", "--name", "here", cwd=folder).code == 0
    assert of_run(folder, "there") == of_run(folder, "here")
    assert where((folder / ".qnode/runs/there/log").read_text()) == where(done.out)
    assert files_of(folder, "there") == {*files_of(folder, "here"), "slurm.log"}
    assert {path.name for path in folder.iterdir()} <= THERE


def test_an_allocation_of_one_host_is_enough(folder: Path) -> None:
    done = qnode("run", "chain.yaml", "--on", "slurm", "--json", cwd=folder)
    assert done.code == 0, done.err
    here = qnode("run", "chain.yaml", "--json", cwd=folder)
    assert json.loads(done.out)["results"] == json.loads(here.out)["results"]
    assert set(where(done.err).values()) == {"q1"}


def test_nodes_go_where_the_configuration_says(folder: Path) -> None:
    (folder / "placed.yaml").write_text(
        CHAIN + 'hosts: [lab, q2, attic]\nplace: {oracle: attic, "r[0..1]": attic, r2: lab, r3: lab, r4: q2}\n'
    )
    done = qnode("run", "placed.yaml", "--on", "slurm", "--name", "placed", cwd=folder)
    assert done.code == 0, done.err
    assert where(done.out) == {"r0": "q3", "r1": "q3", "r2": "q1", "r3": "q1", "r4": "q2"}
    assert qnode("run", "chain.yaml", "--name", "here", cwd=folder).code == 0
    assert of_run(folder, "placed") == of_run(folder, "here")


def test_the_script_for_sbatch_runs_it_in_a_job(folder: Path, hosts: Slurm) -> None:
    made = qnode("slurm", "chain.yaml", "--hosts", "2", cwd=folder)
    (folder / "job.sh").write_text(made.out)
    done = carried_out(["sbatch", "--wait", "--parsable", "job.sh"], cwd=folder)
    (output,) = folder.glob("chain-*.out")
    text = output.read_text()
    assert done.code == 0, text
    assert "r4     chain.py:node" in text
    assert set(where(text).values()) == {"q1", "q2"}
    assert qnode("run", "chain.yaml", "--name", "here", cwd=folder).code == 0
    assert of_run(folder, "chain-1") == of_run(folder, "here")


def test_several_runs_are_a_series_of_one_allocation(folder: Path) -> None:
    there = qnode("run", "chain.yaml", "--on", "slurm", "--hosts", "2", "--runs", "2", "--json", cwd=folder)
    assert there.code == 0, there.err
    here = qnode("run", "chain.yaml", "--runs", "2", "--json", cwd=folder)
    assert [run["results"] for run in json.loads(there.out)["runs"]] == [
        run["results"] for run in json.loads(here.out)["runs"]
    ]
    assert there.err.count("Granted job allocation") <= 1


def test_a_program_that_fails_is_exit_code_1_with_its_traceback(folder: Path) -> None:
    failing = COUNTS.replace('await (await node.entangle("bob")).measure()', 'raise RuntimeError("no luck")')
    (folder / "fails.py").write_text(failing)
    done = qnode("run", "fails.py", "--seed", "1", "--on", "slurm", "--hosts", "2", cwd=folder)
    assert done.code == 1
    assert 'raise RuntimeError("no luck")\nRuntimeError: no luck' in done.err
    assert "failed" in done.out
    head = json.loads((folder / ".qnode/runs/fails-1/run.json").read_text())
    assert (head["ended"], head["exit_code"]) == ("failed", 1)


@pytest.mark.parametrize("how", ["scancel", "Ctrl-C", "SIGTERM"])
def test_a_run_that_is_cancelled_is_saved_and_leaves_nothing(how: str, folder: Path, hosts: Slurm) -> None:
    words = ("run", "counts.py", "--seed", "1", "--on", "slurm", "--hosts", "3", "--name", "cut")
    with started(*words, cwd=folder, afresh=True) as process:
        while "alice is here" not in (line := out(process).readline()):
            assert line, ended(process)
        if how == "scancel":
            hosts.says("scancel", *hosts.jobs)
        else:
            process.send_signal(signal.SIGINT if how == "Ctrl-C" else signal.SIGTERM)
        done = ended(process)
    assert done.code in (130, 143), done
    wait_for(lambda: hosts.jobs == [], "the end of the job")
    head = json.loads((folder / ".qnode/runs/cut/run.json").read_text())
    assert (head["ended"], head["exit_code"]) == ("interrupted", 130)
    assert not any("key" in name for name in files_of(folder, "cut"))
    assert {path.name for path in folder.iterdir()} <= THERE


def test_a_time_out_ends_it_with_what_there_is(folder: Path) -> None:
    words = ("run", "counts.py", "--seed", "1", "--on", "slurm", "--hosts", "2", "--timeout", "3", "--name", "late")
    done = qnode(*words, cwd=folder)
    assert done.code == 3, done.err
    assert "the run did not end within 3.0 s of wall time" in done.err
    assert json.loads((folder / ".qnode/runs/late/run.json").read_text())["exit_code"] == 3


def test_the_keys_of_a_run_are_its_own_readable_by_nobody_else_and_soon_gone(folder: Path, hosts: Slurm) -> None:
    words = ("run", "counts.py", "--seed", "1", "--on", "slurm", "--hosts", "2", "--name", "keys")
    keys = folder / ".qnode/runs/keys/keys"
    seen: set[int] = set()
    with started(*words, cwd=folder, afresh=True) as process:
        wait_for(lambda: keys.exists(), "keys", every_s=0.01)
        seen |= {path.stat().st_mode & 0o777 for path in (keys, *keys.glob("*.key")) if path.exists()}
        while "alice is here" not in (line := out(process).readline()):
            assert line, ended(process)
        wait_for(lambda: not keys.exists(), "the end of the keys")
        process.send_signal(signal.SIGINT)
        ended(process)
    assert seen <= {0o700, 0o600}
    assert seen


def test_a_host_that_is_lost_ends_the_run(folder: Path, hosts: Slurm) -> None:
    words = ("run", "counts.py", "--seed", "1", "--on", "slurm", "--hosts", "2", "--name", "lost")
    with started(*words, cwd=folder, afresh=True) as process:
        while "alice is here" not in (line := out(process).readline()):
            assert line, ended(process)
        steps = hosts.steps()
        assert sorted(steps.values()) == ["q1", "q1", "q2"]  # the oracle is on the first host
        (step,) = (step for step, host in steps.items() if host == "q2")
        hosts.says("scancel", "--signal=KILL", step)
        done = ended(process)
    assert done.code == 4, done
    assert "bob" in done.err


def test_the_oracle_goes_where_the_configuration_says(folder: Path, hosts: Slurm) -> None:
    (folder / "placed.yaml").write_text(COUNTING)
    words = ("run", "placed.yaml", "--seed", "1", "--on", "slurm", "--name", "placed")
    with started(*words, cwd=folder, afresh=True) as process:
        while "alice is here" not in (line := out(process).readline()):
            assert line, ended(process)
        assert sorted(hosts.steps().values()) == ["q1", "q2"]
        process.send_signal(signal.SIGINT)
        assert ended(process).code == 130


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--hosts", "3"], "--hosts: goes with --on slurm"),
        (["--slurm=--time=1"], "--slurm: goes with --on slurm"),
        (["--on", "slurm", "--inline"], "--inline: runs everything in this process"),
        (["--on", "slurm", "--slurm='"], "--slurm: these are no options"),
        (["--on", "elsewhere"], "invalid choice: 'elsewhere'"),
    ],
)
def test_what_does_not_go_together_is_refused(words: list[str], sentence: str, folder: Path) -> None:
    done = qnode("run", "chain.yaml", *words, cwd=folder)
    assert done.code != 0
    assert sentence in done.err
    assert not (folder / ".qnode").exists()


def test_an_allocation_of_fewer_hosts_than_the_configuration_has_is_refused(folder: Path) -> None:
    words = command("run", "chain.yaml", "--on", "slurm", "--set", "hosts=[a,b]")
    done = carried_out(["salloc", "--quiet", "--nodes=1", *words], cwd=folder)
    assert done.code == 2
    assert "hosts: the configuration has 2, and the allocation 1: q1; ask for more with --hosts" in done.err
    assert not (folder / ".qnode").exists()
