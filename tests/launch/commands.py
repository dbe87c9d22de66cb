"""`qnode run` as a person starts it: at a terminal or into a pipe, with everything that it started."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import pty
import sys
import termios
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final

import pytest

from tests.launch.processes import GONE_S, family
from tests.oracle.strangers import Gate, gate_at

HERE: Final = Path(__file__).parent
COMES_S: Final = 60.0  # to the gate, on a busy machine
SPAWN_IS_SLOW: Final = pytest.mark.parametrize(
    "method", ["fork", pytest.param("spawn", marks=pytest.mark.slow)], indirect=True
)
"""For what a command says: that spawned processes end with it, and that one of them is missed, is tested elsewhere."""


class Terminal:
    """The other end of a pseudo-terminal: what stands on it, and a keyboard."""

    def __init__(self) -> None:
        self._master, self.slave = pty.openpty()
        self._shown = b""
        self._more = asyncio.Event()
        os.set_blocking(self._master, False)
        asyncio.get_running_loop().add_reader(self._master, self._read)

    @property
    def text(self) -> str:
        return self._shown.decode()

    def type(self, keys: bytes) -> None:
        os.write(self._master, keys)

    async def shows(self, text: str) -> None:
        """Wait until something stands there."""
        async with asyncio.timeout(COMES_S):
            while text not in self.text:
                self._more.clear()
                await self._more.wait()

    def close(self) -> None:
        """Close the window."""
        if self._master >= 0:
            asyncio.get_running_loop().remove_reader(self._master)
            os.close(self._master)
            self._master = -1

    def _read(self) -> None:
        try:
            self._shown += os.read(self._master, 1 << 16)
        except OSError:  # nobody has it open any more
            asyncio.get_running_loop().remove_reader(self._master)
        self._more.set()


class Command:
    """One `qnode run`. `pids` is everything that it has started: the forkserver first, then oracle and nodes."""

    def __init__(self, process: asyncio.subprocess.Process, runs: Path, terminal: Terminal | None) -> None:
        self.process = process
        self.runs = runs
        self._terminal = terminal
        self.pids: list[int] = []

    @property
    def terminal(self) -> Terminal:
        assert self._terminal is not None
        return self._terminal

    @property
    def forkserver(self) -> int:
        return self.pids[0]

    async def result(self) -> tuple[int, str, str]:
        """Exit code, standard output and standard error; fails if it takes too long."""
        async with asyncio.timeout(GONE_S):
            out, err = await self.process.communicate()
        assert self.process.returncode is not None
        return self.process.returncode, (out or b"").decode(), (err or b"").decode()

    def saved(self) -> dict[str, Any]:
        """What the only run's folder says of it."""
        (folder,) = self.runs.iterdir()
        document: dict[str, Any] = json.loads((folder / "run.json").read_text())
        return document


@asynccontextmanager
async def started(
    config: Path,
    *options: str,
    terminal: bool = False,
    stdout: int = asyncio.subprocess.PIPE,
    first: Callable[[], object] = lambda: None,
) -> AsyncIterator[Command]:
    """Start the command; `first` is done in its process before it begins."""
    runs = config.parent / "runs"
    screen = Terminal() if terminal else None

    def begin() -> None:
        if screen is not None:
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        first()

    line = (sys.executable, "-m", "orchestrator.cli", "run", str(config), "--runs-folder", str(runs), *options)
    process = await asyncio.create_subprocess_exec(
        *line,
        cwd=HERE.parents[1],
        stdin=screen.slave if screen else asyncio.subprocess.DEVNULL,
        stdout=screen.slave if screen else stdout,
        stderr=screen.slave if screen else asyncio.subprocess.PIPE,
        start_new_session=True,
        preexec_fn=begin,
    )
    if screen is not None:
        os.close(screen.slave)
    try:
        yield Command(process, runs, screen)
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        if screen is not None:
            screen.close()


@asynccontextmanager
async def at_the_gate(config: Path, door: Path, *options: str, **how: Any) -> AsyncIterator[tuple[Command, Gate]]:
    """The command, with a run that has come to its gate."""
    async with gate_at(door) as gate, started(config, *options, **how) as command:
        async with asyncio.timeout(COMES_S):
            await gate.reached.wait()
        command.pids = family(command.process.pid)
        yield command, gate


def write(
    folder: Path, nodes: Mapping[str, object], programs: Sequence[Path] = (HERE / "ending.py",), **more: object
) -> Path:
    """A folder with a configuration and its programs; the configuration's path."""
    folder.mkdir(exist_ok=True)
    for program in programs:
        (folder / program.name).write_text(program.read_text())
    config = folder / "network.yaml"
    config.write_text(json.dumps({"version": 1, "seed": 1, "nodes": dict(nodes), **more}))  # JSON is YAML
    return config
