"""What programs do to end a run, or to outlive it; through both ways to start processes."""

from __future__ import annotations

import asyncio
import os
import resource
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

import msgspec
import pytest

from orchestrator import Cluster
from orchestrator.launch import early
from orchestrator.launch.launcher import Launcher
from orchestrator.plan import LaunchPlan
from orchestrator.run import Run
from qnode.errors import ProcessLost, ProgramFailed, QnodeError
from tests.launch.processes import GONE_S, children, directories, linux_only, watching
from tests.oracle.strangers import gate_at

HERE: Final = Path(__file__).parent
WALL_S: Final = 60.0

pytestmark = linux_only


def network(nodes: Mapping[str, object]) -> dict[str, object]:
    return {"version": 1, "seed": 1, "nodes": dict(nodes), "classical": {"delay": "0 s"}}


def program(run: str, **args: object) -> dict[str, object]:
    return {"program": run if ":" in run else f"ending.py:{run}", "args": args}


async def run(nodes: Mapping[str, object], runs: Path, base: Path = HERE, *, check: bool = True) -> Run:
    async with Cluster.from_dict(network(nodes), base=base, runs=runs) as net:
        return await net.run(check=check, timeout=WALL_S)


# ---------------------------------------------------------------- programs that fail


async def test_when_a_program_raises_no_other_ends_as_if_all_were_well(
    method: str, temporary: Path, tmp_path: Path
) -> None:
    door = temporary / "s"
    nodes = {
        "alice": program("raises_when_told", path=str(door)),
        "bob": program("holds_out", peer="alice"),
        "carol": program("holds_out", peer="bob"),
        "dave": program("returns_early"),
    }
    async with gate_at(door) as gate:
        cluster = Cluster.from_dict(network(nodes), base=HERE, runs=tmp_path)
        async with cluster as net:
            running = asyncio.ensure_future(net.run(check=False))
            await gate.reached.wait()
            with watching(net.pids.values()) as watch:
                gate.release()
                result = await running
                assert watch.left(0.0) == []
                assert directories() == set()
    assert result.summary.how == "failed"
    assert result.results == {"dave": {"main": "done long ago"}}
    for name in ("alice", "bob", "carol"):
        with pytest.raises(KeyError, match=f"no program of node '{name}' returned"):
            result[name]
    with pytest.raises(ProgramFailed, match="program main of node alice failed at 1 ms:\nTraceback") as caught:
        result.raise_failure()
    assert str(caught.value).endswith("RuntimeError: on purpose")


BROKEN: Final[dict[str, tuple[str, str]]] = {
    "missing": ("nowhere.py:main", "there is no such file"),
    "syntax": ("syntax.py:main", "SyntaxError: "),
    "function": ("fine.py:mian", "has no function 'mian'"),
    "module": ("no_such_module_anywhere:main", "No module named 'no_such_module_anywhere'"),
    "import": ("imports.py:main", "No module named 'no_such_module_either'"),
}


@pytest.mark.parametrize("what", BROKEN)
async def test_a_program_that_cannot_be_loaded_in_one_node_only_ends_the_run_and_says_why(
    what: str, temporary: Path, tmp_path: Path
) -> None:
    broken, sentence = BROKEN[what]
    (tmp_path / "syntax.py").write_text("async def main(node):\n    return (\n")
    (tmp_path / "fine.py").write_text("async def main(node):\n    return await node.receive('b')\n")
    (tmp_path / "imports.py").write_text("import no_such_module_either\n\nasync def main(node):\n    pass\n")
    nodes = {"a": program("fine.py:main"), "b": program(broken)}
    with pytest.raises(QnodeError) as caught:
        await run(nodes, tmp_path / "runs", tmp_path)
    assert sentence in str(caught.value)
    assert "importlib" not in str(caught.value)  # no frame of ours, and none of the import system's
    assert directories() == set()


@pytest.mark.parametrize("status", [0, 7])
async def test_a_program_that_ends_its_process_is_a_lost_node(
    status: int, temporary: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.supervision.GRACE_S", 0.5)
    door = temporary / "s"
    nodes = {
        "alice": program("leaves_without_a_word", path=str(door), status=status),
        "bob": program("returns_early"),
    }
    async with gate_at(door) as gate, Cluster.from_dict(network(nodes), base=HERE, runs=tmp_path) as net:
        running = asyncio.ensure_future(net.run(check=False))
        await gate.reached.wait()
        gate.release()
        async with asyncio.timeout(GONE_S):
            result = await running
        with pytest.raises(ProcessLost, match=f"node alice ended before the run did: exit status {status}"):
            result.raise_failure()
    assert result["bob"] == "done long ago"
    assert directories() == set()


async def test_the_time_limit_does_not_overrule_a_result_that_is_there(temporary: Path, tmp_path: Path) -> None:
    """Its process has not gone yet; the limit passes in the time that processes have for that."""
    door = temporary / "s"
    limit_s = 2.0
    nodes = {"bob": program("returns_early_and_ends_when_told", path=str(door))}
    async with gate_at(door) as gate, Cluster.from_dict(network(nodes), base=HERE, runs=tmp_path) as net:
        first = asyncio.ensure_future(net.run())
        await gate.reached.wait()
        gate.release()
        await first  # everything is imported now: the next run comes to its end well before the limit
        gate.reached.clear()
        running = asyncio.ensure_future(net.run(timeout=limit_s))
        async with asyncio.timeout(WALL_S):
            await gate.reached.wait()
        await asyncio.wait([running], timeout=limit_s)
        assert not running.done()
        gate.release()
        assert (await running)["bob"] == "done long ago"


# ---------------------------------------------------------------- what programs start


@pytest.mark.parametrize("how", ["the run is cancelled", "the node is killed", "the launcher is closed"])
async def test_what_a_program_started_ends_with_it(how: str, method: str, temporary: Path, tmp_path: Path) -> None:
    door, tells = temporary / "s", tmp_path / "child"
    nodes = {"alice": program("has_a_child", path=str(door), tells=str(tells))}
    async with gate_at(door) as gate, Cluster.from_dict(network(nodes), base=HERE, runs=tmp_path / "runs") as net:
        running = asyncio.ensure_future(net.run())
        await gate.reached.wait()
        with watching([int(tells.read_text()), *net.pids.values()]) as watch:
            if how == "the node is killed":
                watch.kill(net.pids["alice"])
            elif how == "the run is cancelled":
                running.cancel()
            else:
                await net.__aexit__(None, None, None)
            await asyncio.wait([running], timeout=GONE_S)
            assert running.done()
            assert watch.left() == []
            if not running.cancelled():
                assert isinstance(running.exception(), ProcessLost)
    assert directories() == set()


# ---------------------------------------------------------------- addresses


class Crowded(Launcher):
    """Has the oracle listen where somebody else does."""

    address = ""

    async def start(self, plan: LaunchPlan, *, with_oracle: bool = True) -> None:
        elsewhere = msgspec.structs.replace(plan.oracle, address=self.address)
        await super().start(replace(plan, oracle=elsewhere), with_oracle=with_oracle)


async def test_an_address_in_use_is_named_with_a_remedy(
    method: str, temporary: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    Crowded.address = f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    monkeypatch.setattr("orchestrator.cluster.Launcher", Crowded)
    with pytest.raises(ProcessLost) as caught:
        await run({"alice": program("returns_early")}, tmp_path)
    server.close()
    await server.wait_closed()
    assert f"cannot listen at {Crowded.address}: another program listens there" in str(caught.value)
    assert directories() == set()


async def test_a_folder_for_sockets_that_cannot_be_made_is_reported(
    temporary: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_the_way = temporary / f"qnode-{os.getuid()}"
    in_the_way.write_text("a file, not a folder")
    with pytest.raises(QnodeError, match=r"cannot make a directory for its sockets: .*; set TMPDIR to another place"):
        await run({"alice": program("returns_early")}, tmp_path)
    in_the_way.unlink()


async def test_a_long_path_for_temporary_files_does_not_reach_the_sockets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    deep.mkdir(parents=True)
    monkeypatch.setenv("TMPDIR", str(deep))
    assert (await run({"alice": program("returns_early")}, tmp_path / "runs"))["alice"] == "done long ago"


# ---------------------------------------------------------------- the forkserver itself


async def test_a_polite_kill_of_the_forkserver_ends_the_run_and_removes_its_directory(
    method: str, temporary: Path, tmp_path: Path
) -> None:
    door = temporary / "s"
    nodes = {"alice": program("waits", path=str(door))}
    async with gate_at(door) as gate, Cluster.from_dict(network(nodes), base=HERE, runs=tmp_path) as net:
        running = asyncio.ensure_future(net.run())
        await gate.reached.wait()
        forkserver = children(os.getpid())[-1]
        with watching([forkserver, *net.pids.values()]) as watch:
            os.kill(forkserver, 15)
            with pytest.raises(ProcessLost, match="the forkserver"):
                await running
            assert watch.left() == []
    assert directories() == set()


MANY_FILES: Final = """
import os, resource, sys
from pathlib import Path
from orchestrator import Cluster
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2048), hard))
held = [os.dup(0) for _ in range(1100)]
config = {"version": 1, "nodes": {"a": {"program": "ending.py:returns_early"}}}
net = Cluster.from_dict(config, sys.argv[1], runs=Path(sys.argv[2]))
print(net.run_sync()["a"])
"""


@pytest.mark.skipif(resource.getrlimit(resource.RLIMIT_NOFILE)[1] < 2048, reason="needs more open files than allowed")
def test_a_run_can_start_where_very_many_files_are_open(method: str, temporary: Path, tmp_path: Path) -> None:
    """Descriptors have numbers then that select() cannot take."""
    command = [sys.executable, "-c", MANY_FILES, str(HERE), str(tmp_path / "runs")]
    done = subprocess.run(command, cwd=HERE.parents[1], capture_output=True, text=True, timeout=WALL_S, check=False)
    assert (done.returncode, done.stdout) == (0, "done long ago\n"), done.stderr


async def test_a_launcher_takes_over_the_forkserver_that_was_started_early(temporary: Path, tmp_path: Path) -> None:
    early.start_early()
    started = children(os.getpid())[-1]
    async with Cluster.from_dict(network({"a": program("returns_early")}), base=HERE, runs=tmp_path) as net:
        await net.run()
        assert children(os.getpid())[-1] == started
    assert started not in children(os.getpid())
