"""A package that takes for ever, where the launcher imports it for all nodes: whoever ends the run, it ends."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import sysconfig
import venv
from pathlib import Path
from typing import Final

import pytest

from orchestrator import Cluster, installed
from qnode.errors import TimedOut
from tests.launch.commands import COMES_S, started
from tests.launch.processes import GONE_S, children, directories, family, linux_only, watching
from tests.oracle.strangers import gate_at

pytestmark = linux_only

SLOW: Final = """
import socket
door = socket.socket(socket.AF_UNIX)
try:
    door.connect({door!r})
    door.recv(1)
except OSError:  # the door is closed for good
    pass
"""
PROGRAM: Final = "import slow_to_import\n\nasync def main(node):\n    return node.name\n"
CONFIG: Final = {"version": 1, "seed": 1, "nodes": {"alice": {"program": "program.py:main"}}}


def written(packages: Path, programs: Path, door: Path) -> Path:
    """A configuration whose program imports what stands among the packages."""
    (packages / "slow_to_import.py").write_text(SLOW.format(door=str(door)))
    (programs / "program.py").write_text(PROGRAM)
    config = programs / "network.yaml"
    config.write_text(json.dumps(CONFIG))
    return config


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder where somebody installs packages for this process and those that it starts."""
    folder = tmp_path / "packages"
    folder.mkdir()
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH")))))
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setattr(installed, "PLACES", (*installed.PLACES, folder))
    return folder


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A virtual environment of its own, in which commands run: where packages are installed in it."""
    folder = tmp_path / "environment"
    venv.EnvBuilder(symlinks=True).create(folder)
    packages = Path(sysconfig.get_path("purelib", "venv", {"base": str(folder)}))
    (packages / "ours.pth").write_text(f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n")
    monkeypatch.setattr(sys, "executable", str(folder / "bin" / "python"))
    return packages


async def test_the_time_limit_includes_it_and_the_next_run_is_well(
    temporary: Path, tmp_path: Path, packages: Path
) -> None:
    door = temporary / "s"
    written(packages, tmp_path, door)
    async with Cluster.from_dict(CONFIG, base=tmp_path, runs=tmp_path / "runs") as net:
        async with gate_at(door):
            with watching(children(os.getpid())[-1:]) as watch, pytest.raises(TimedOut):
                async with asyncio.timeout(COMES_S):
                    await net.run(timeout=2.0)
            assert watch.left(0.0) == []
            assert directories() == set()
        assert (await net.run())["alice"] == "alice"
    assert directories() == set()


async def test_a_cancelled_run_does_not_wait_for_it(temporary: Path, tmp_path: Path, packages: Path) -> None:
    door = temporary / "s"
    written(packages, tmp_path, door)
    async with gate_at(door) as gate, Cluster.from_dict(CONFIG, base=tmp_path, runs=tmp_path / "runs") as net:
        running = asyncio.ensure_future(net.run())
        await gate.reached.wait()
        with watching(children(os.getpid())[-1:]) as watch:
            running.cancel()
            await asyncio.wait([running])
            assert running.cancelled()
            assert watch.left(0.0) == []
    assert directories() == set()


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 130), (signal.SIGKILL, -9)])
async def test_however_the_command_is_ended_nothing_goes_on_importing(
    number: signal.Signals, status: int, temporary: Path, tmp_path: Path, environment: Path
) -> None:
    door = temporary / "s"
    config = written(environment, tmp_path, door)
    async with gate_at(door) as gate, started(config) as command:
        async with asyncio.timeout(COMES_S):
            await gate.reached.wait()
        (forkserver,) = family(command.process.pid)
        with watching([forkserver]) as watch:
            command.process.send_signal(number)
            assert watch.left(GONE_S) == []  # the door is still closed
            code, _, err = await command.result()
    assert code == status
    assert "Traceback" not in err
    assert directories() == set()
