"""A cluster, from YAML to a clean exit: `async with Cluster.from_yaml(path) as net: run = await net.run()`."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from orchestrator import loader
from orchestrator.config import Config
from orchestrator.inline import run_inline
from orchestrator.launch.launcher import ORACLE, Launcher
from orchestrator.oracle.spec import Summary, decode_summary
from orchestrator.plan import LaunchPlan, plan
from orchestrator.run import Run, failure_of
from orchestrator.topology import describe
from qnode.errors import ConfigError, ProcessLost, TimedOut
from qnode.transport.control import Control
from qnode.wire.messages import Progress, RunEnded

RUNS_FOLDER: Final = Path(".qnode") / "runs"
_GRACE_S: Final = 10.0  # wall time that processes have to go once their run is over


class Cluster:
    """A network that can be run, again and again, each time in fresh processes.

    Args:
        config: What to run.
        base: The folder that program paths are relative to.
        runs: Where runs are saved; each gets a folder of its own.
    """

    def __init__(self, config: Config, base: Path, *, runs: Path = RUNS_FOLDER) -> None:
        self.config = config
        self.base = base.resolve()
        self._runs = runs
        self._launcher: Launcher | None = None

    @classmethod
    def from_yaml(cls, path: str | Path, *, runs: Path = RUNS_FOLDER) -> Self:
        """A cluster as a file describes it. Raises ConfigError."""
        file = Path(path)
        return cls(loader.load(file), file.parent, runs=runs)

    @classmethod
    def from_dict(cls, data: Mapping[str, object], base: str | Path = ".", *, runs: Path = RUNS_FOLDER) -> Self:
        """A cluster as a mapping of the file's form describes it. Raises ConfigError."""
        return cls(loader.from_mapping(dict(data), "the configuration"), Path(base), runs=runs)

    async def __aenter__(self) -> Self:
        self._launcher = Launcher()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        if self._launcher is not None:
            self._launcher.close()
            self._launcher = None

    @property
    def pids(self) -> Mapping[str, int]:
        """The process ids of the run under way, by node, as far as they have started; "oracle" is the oracle's."""
        if self._launcher is None or self._plan is None:
            return {}
        numbers = {**self._plan.run.processes, "oracle": ORACLE}
        started = self._launcher.pids
        return {name: started[number] for name, number in numbers.items() if number in started}

    @property
    def launch(self) -> LaunchPlan | None:
        """What the processes of the run under way were told, or None."""
        return self._plan

    _plan: LaunchPlan | None = None

    async def run(
        self,
        *,
        seed: int | None = None,
        inline: bool = False,
        timeout: float | None = None,
        check: bool = True,
        blocked_s: float = 10.0,
        on_start: Callable[[], None] | None = None,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> Run:
        """Start all processes, wait for the end of the run, and see that they are gone.

        Args:
            seed: Overrides the configuration's; if neither is given one is drawn.
            inline: Run everything in this process, for debugging; on the virtual clock the outcome is the same.
            timeout: Seconds of wall time after which the run is ended.
            check: Raise if the run did not end well; otherwise look at `run.summary.how`.
            blocked_s: Wall time after which a program that blocks its loop is named in a warning.
            on_start: Called when all processes have been started.
            on_progress: Told now and then how far the run is.
        Raises:
            ConfigError, ProgramFailed, Deadlock, Livelock, Stall, TimedOut, ProcessLost.
        """
        network = describe(self.config, self.base, self.draw_seed(seed))
        run_id, folder = _new_folder(self._runs, network.name)
        started = time.perf_counter()
        token = secrets.token_bytes(32)
        if inline:
            launch = plan(network, run_id=run_id, token=token, directory="", folder=str(folder), blocked_s=blocked_s)
            summary = run_inline(launch)
        else:
            launcher = self._running_launcher()
            directory = await launcher.open()
            launch = plan(
                network, run_id=run_id, token=token, directory=directory, folder=str(folder), blocked_s=blocked_s
            )
            self._plan = launch
            try:
                summary = await self._follow(launcher, launch, timeout, on_start, on_progress)
            finally:
                self._plan = None
                await asyncio.shield(launcher.end_run())
        run = Run(network.name, summary, seed=network.seed, folder=folder, wall_s=time.perf_counter() - started)
        if check:
            run.raise_failure()
        return run

    def draw_seed(self, seed: int | None = None) -> int:
        """The seed of the next run: the one given, the configuration's, or a new one."""
        if seed is not None:
            return seed
        return secrets.randbits(32) if self.config.seed is None else self.config.seed

    def _running_launcher(self) -> Launcher:
        if self._launcher is None:
            raise ConfigError(place="Cluster", detail="use it as `async with Cluster.from_yaml(path) as net:`")
        return self._launcher

    async def _follow(
        self,
        launcher: Launcher,
        launch: LaunchPlan,
        timeout: float | None,
        on_start: Callable[[], None] | None,
        on_progress: Callable[[Progress], None] | None,
    ) -> Summary:
        await launcher.start(launch)
        if on_start is not None:
            on_start()
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[Summary] = loop.create_future()
        control = Control(launch.oracle.address, launch.oracle.token)

        def take_news() -> None:
            for message in control.news():
                if isinstance(message, RunEnded) and not ended.done():
                    ended.set_result(decode_summary(message.summary))
                elif isinstance(message, Progress) and on_progress is not None:
                    on_progress(message)

        loop.add_reader(control.fileno(), take_news)
        take_news()
        watching = asyncio.ensure_future(_watch(launcher, launch, ended))
        try:
            async with asyncio.timeout(timeout):
                await asyncio.wait((ended, watching), return_when=asyncio.FIRST_COMPLETED)
                if not ended.done():
                    await watching
                summary = await ended
                if failure_of(summary) is None:
                    with suppress(TimeoutError):
                        async with asyncio.timeout(_GRACE_S):
                            await watching
                return summary
        except TimeoutError:
            raise TimedOut(timeout=str(timeout)) from None
        finally:
            watching.cancel()
            loop.remove_reader(control.fileno())
            control.close()


async def _watch(launcher: Launcher, launch: LaunchPlan, ended: asyncio.Future[Summary]) -> None:
    """Returns when all processes have ended as they should. Raises ProcessLost if one did not."""
    running = {ORACLE, *(process.number for process in launch.processes)}
    while running:
        exited = await launcher.exited()
        running.discard(exited.number)
        if exited.status and not ended.done():
            raise ProcessLost(name=_name(launch, exited.number), reason=_reason(exited.status))
        if exited.number == ORACLE and not ended.done():
            with suppress(TimeoutError):  # its last message may still be under way
                async with asyncio.timeout(_GRACE_S):
                    await asyncio.shield(ended)
            if not ended.done():
                raise ProcessLost(name="the oracle", reason="it ended without a result")


def _name(launch: LaunchPlan, number: int) -> str:
    if number == ORACLE:
        return "the oracle"
    names = [node.name for node in launch.processes[number].nodes]
    return f"node{'s' if len(names) > 1 else ''} {', '.join(names)}"


def _reason(status: int) -> str:
    return f"killed by signal {-status}" if status < 0 else f"exit status {status}"


def _new_folder(runs: Path, name: str) -> tuple[str, Path]:
    """A new folder for a run, numbered after those that are there."""
    runs.mkdir(parents=True, exist_ok=True)
    ignore = runs.parent / ".gitignore"
    if runs == RUNS_FOLDER and not ignore.exists():
        ignore.write_text("*\n")
    stem = "".join(char if char.isalnum() or char in "-_" else "-" for char in name)
    number = 1 + max(
        (int(tail) for path in runs.glob(f"{stem}-*") if (tail := path.name[len(stem) + 1 :]).isdecimal()), default=0
    )
    while True:
        folder = runs.resolve() / f"{stem}-{number}"
        try:
            folder.mkdir()
        except FileExistsError:
            number += 1
        else:
            return folder.name, folder
