"""Whoever is killed: every process of the run ends, nothing stays behind, and one sentence says who was lost."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from orchestrator import Cluster
from qnode.errors import ProcessLost
from tests.launch.processes import GONE_S, children, directories, family, linux_only, watching
from tests.oracle.strangers import Gate, gate_at

PROGRAMS = Path(__file__).parents[1] / "programs_api"

pytestmark = linux_only


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for temporary files that nobody else uses (tmp_path is made before); short, for sockets live in it."""
    with tempfile.TemporaryDirectory(prefix="qn-", dir="/tmp") as folder:
        monkeypatch.setenv("TMPDIR", folder)
        monkeypatch.setattr(tempfile, "tempdir", None)
        yield Path(folder)
    tempfile.tempdir = None


def network(door: Path, program: str = "waits") -> dict[str, object]:
    return {
        "version": 1,
        "name": "endings",
        "seed": 1,
        "nodes": {
            "alice": {"program": f"lost.py:{program}", "args": {"path": str(door)}},
            "bob": {"program": "lost.py:listens"},
            "r[0..2]": {},
        },
        "links": {"all": {"chain": ["alice", "bob", "r[0..2]"], "length": "1 km"}},
    }


async def lost(temporary: Path, runs: Path, victim: str, program: str = "waits") -> str:
    """Kill one process of a run that is under way; what the run raises."""
    door = temporary / "s"
    async with gate_at(door) as gate:
        cluster = Cluster.from_dict(network(door, program), base=PROGRAMS, runs=runs)
        async with cluster as net:
            running = asyncio.ensure_future(net.run())
            await gate.reached.wait()
            forkserver = children(os.getpid())[-1]
            with watching([forkserver, *net.pids.values()]) as watch:
                assert len(directories()) == 2  # the directory and its lock
                watch.kill(forkserver if victim == "forkserver" else net.pids[victim])
                with pytest.raises(ProcessLost) as caught:
                    async with asyncio.timeout(GONE_S):
                        await running
                if victim != "forkserver":
                    assert watch.left(0.0) == [forkserver]  # once `run` has raised, its processes are gone
                    assert directories() == set()
                await net.__aexit__(None, None, None)
                assert watch.left() == []
    return str(caught.value)


@pytest.mark.parametrize("program", ["waits", "spins"])
@pytest.mark.parametrize(
    ("victim", "sentence"),
    [
        ("bob", "the process of node bob ended before the run did: killed by signal 9"),
        ("alice", "the process of node alice ended before the run did: killed by signal 9"),
        ("r1", "the process of node r1 ended before the run did: killed by signal 9"),
        ("oracle", "the process of the oracle ended before the run did: killed by signal 9"),
    ],
)
async def test_when_a_process_is_killed_all_end_and_the_sentence_names_it(
    victim: str, sentence: str, program: str, temporary: Path, tmp_path: Path
) -> None:
    assert await lost(temporary, tmp_path, victim, program) == sentence


@pytest.mark.parametrize("program", ["waits", "spins"])
async def test_when_the_forkserver_is_killed_all_end_and_the_next_start_sweeps_up(
    program: str, temporary: Path, tmp_path: Path
) -> None:
    sentence = await lost(temporary, tmp_path, "forkserver", program)
    assert "forkserver" in sentence
    assert "it is gone" in sentence
    left = directories()
    assert left  # nobody was there to remove it
    await quick_run(tmp_path)
    assert directories() == set()


async def quick_run(runs: Path) -> None:
    config = {"version": 1, "nodes": {"a": {"program": "lost.py:remembers"}}}
    async with Cluster.from_dict(config, base=PROGRAMS, runs=runs) as net:
        await net.run()


async def test_a_sweep_leaves_the_directories_of_runs_under_way(temporary: Path, tmp_path: Path) -> None:
    door = temporary / "s"
    async with gate_at(door) as gate:
        cluster = Cluster.from_dict(network(door), base=PROGRAMS, runs=tmp_path)
        async with cluster as net:
            running = asyncio.ensure_future(net.run())
            await gate.reached.wait()
            there = directories()
            await quick_run(tmp_path)
            assert directories() == there
            running.cancel()
            await asyncio.wait([running])
        assert directories() == set()


async def test_a_cancelled_run_leaves_nothing(temporary: Path, tmp_path: Path) -> None:
    door = temporary / "s"
    async with gate_at(door) as gate:
        cluster = Cluster.from_dict(network(door), base=PROGRAMS, runs=tmp_path)
        async with cluster as net:
            running = asyncio.ensure_future(net.run())
            await gate.reached.wait()
            with watching(net.pids.values()) as watch:
                running.cancel()
                await asyncio.wait([running])
                assert running.cancelled()
                assert watch.left(0.0) == []
                assert directories() == set()


# ---------------------------------------------------------------- the command


class Command:
    """`qnode run` as a person starts it, with everything that it started."""

    def __init__(self, process: asyncio.subprocess.Process, pids: list[int]) -> None:
        self.process = process
        self.pids = pids

    async def result(self) -> tuple[int, str, str]:
        """Exit code, standard output and standard error; fails if it takes too long."""
        async with asyncio.timeout(GONE_S):
            out, err = await self.process.communicate()
        assert self.process.returncode is not None
        return self.process.returncode, out.decode(), err.decode()

    @property
    def forkserver(self) -> int:
        return self.pids[0]


@asynccontextmanager
async def command(temporary: Path, folder: Path, *options: str) -> AsyncIterator[tuple[Command, Gate]]:
    """The command, with a run that has come to its gate."""
    door = temporary / "s"
    config = folder / "network.yaml"
    config.write_text(json.dumps(network(door)))  # JSON is YAML
    for name in ("lost.py",):
        (folder / name).write_text((PROGRAMS / name).read_text())
    async with gate_at(door) as gate:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "orchestrator.cli",
            "run",
            str(config),
            "--runs-folder",
            str(folder / "runs"),
            *options,
            cwd=Path(__file__).parents[2],
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(30):
                await gate.reached.wait()
            yield Command(process, family(process.pid)), gate
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


async def test_ctrl_c_ends_everything_and_exits_130(temporary: Path, tmp_path: Path) -> None:
    async with command(temporary, tmp_path) as (started, _):
        assert len(started.pids) == 1 + 1 + 5  # forkserver, oracle, nodes
        with watching(started.pids) as watch:
            os.killpg(started.process.pid, signal.SIGINT)  # as a terminal does
            code, _, err = await started.result()
            assert code == 130
            assert err == "interrupted: all processes of the run are gone\n"
            assert watch.left(0.0) == []
    assert directories() == set()


async def test_sigterm_to_the_orchestrator_ends_everything(temporary: Path, tmp_path: Path) -> None:
    async with command(temporary, tmp_path) as (started, _):
        with watching(started.pids) as watch:
            started.process.terminate()
            await started.result()
            assert watch.left() == []
    assert directories() == set()


async def test_when_the_orchestrator_is_killed_everything_ends(temporary: Path, tmp_path: Path) -> None:
    async with command(temporary, tmp_path) as (started, _):
        with watching(started.pids) as watch:
            started.process.kill()
            assert watch.left() == []
    assert directories() == set()


@pytest.mark.parametrize("debug", [False, True])
async def test_when_a_node_is_killed_the_command_says_so_in_one_sentence_and_exits_4(
    debug: bool, temporary: Path, tmp_path: Path
) -> None:
    async with command(temporary, tmp_path, *(["--debug"] if debug else [])) as (started, _):
        with watching(started.pids) as watch:
            watch.kill(started.pids[2])  # the oracle was forked first
            code, _, err = await started.result()
            assert watch.left() == []
    assert code == 4
    if debug:
        assert err.startswith("Traceback")
    else:
        assert err == "qnode: the process of node alice ended before the run did: killed by signal 9\n"


async def test_when_the_forkserver_is_killed_the_command_says_so_and_exits_4(temporary: Path, tmp_path: Path) -> None:
    async with command(temporary, tmp_path) as (started, _):
        with watching(started.pids) as watch:
            watch.kill(started.forkserver)
            code, _, err = await started.result()
            assert watch.left() == []
    assert code == 4
    assert err.count("\n") == 1
    assert "the forkserver" in err
