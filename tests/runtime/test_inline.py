"""A run in one process, and what ends it from outside: Ctrl-C and wall time."""

from __future__ import annotations

import json
import signal
import traceback
from pathlib import Path
from typing import Final

import pytest

from orchestrator.cluster import Cluster
from qnode.errors import ConfigError
from qnode.exits import EXIT_INTERRUPTED
from tests.cli.commands import ended, out, qnode, started, typed

PROGRAMS: Final = """
import asyncio

async def computes(node):
    print("begun", flush=True)
    while True:
        pass

async def computes_in_a_task(node):
    task = asyncio.create_task(computes(node))
    await node.receive("bob")

async def beats(node):
    print("begun", flush=True)
    while True:
        await asyncio.sleep(1)

async def listens(node):
    await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    print("begun", flush=True)
    await node.receive("bob")

async def waits(node):
    await node.receive("alice")

async def ends_the_process_from_a_task(node):
    async def ends():
        raise SystemExit(3)
    task = asyncio.create_task(ends())
    await asyncio.sleep(1)
"""


def written(folder: Path, program: str) -> Path:
    """A network whose alice runs one of the programs above, while bob waits for her."""
    (folder / "programs.py").write_text(PROGRAMS)
    nodes = {"alice": {"program": f"programs.py:{program}"}, "bob": {"program": "programs.py:waits"}}
    file = folder / "network.yaml"
    file.write_text(json.dumps({"version": 1, "nodes": nodes, "links": {"l": {"between": ["alice", "bob"]}}}))
    return file


def kept_end(folder: Path) -> tuple[str, int]:
    head = json.loads((folder / ".qnode" / "runs" / "network-1" / "run.json").read_text())
    return head["ended"], head["exit_code"]


@pytest.mark.parametrize("program", ["computes", "computes_in_a_task", "beats", "listens"])
def test_the_first_interrupt_ends_a_run_in_one_process(program: str, tmp_path: Path) -> None:
    file = written(tmp_path, program)
    with started("run", file, "--inline", cwd=tmp_path) as process:
        assert "begun\n" in out(process)
        process.send_signal(signal.SIGINT)
        done = ended(process)
    assert (done.code, kept_end(tmp_path)) == (EXIT_INTERRUPTED, ("interrupted", EXIT_INTERRUPTED))
    assert done.err.startswith("interrupted: ")
    assert done.err.count("\n") == 1


@pytest.mark.parametrize("program", ["computes", "computes_in_a_task", "beats", "listens"])
def test_wall_time_ends_a_run_in_one_process(program: str, tmp_path: Path) -> None:
    here = qnode if program == "listens" else typed  # nobody closes a server that is cut short but its process's end
    done = here("run", written(tmp_path, program), "--inline", "--timeout", "0.2", cwd=tmp_path)
    assert (done.code, kept_end(tmp_path)) == (3, ("timed_out", 3))
    assert done.err == "qnode: the run did not end within 0.2 s of wall time\n"


def test_a_program_that_wants_to_end_the_process_fails_and_is_told_once(tmp_path: Path) -> None:
    done = typed("run", written(tmp_path, "ends_the_process_from_a_task"), "--inline", cwd=tmp_path)
    assert done.code == 1
    assert done.err.startswith("qnode: program main of node alice failed at 0 ns:\n")
    assert done.err.count("SystemExit") == 2  # the line that raised it, and its name


def test_an_error_of_run_sync_is_shown_alone(tmp_path: Path) -> None:
    net = Cluster({"alice": None}, runs=tmp_path / "file" / "runs")
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError) as caught:
        net.run_sync()
    assert "During handling of the above exception" not in "".join(traceback.format_exception(caught.value))
