"""A run on the hosts of a Slurm allocation: the oracle, and the nodes of each host, are job steps."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from orchestrator import saved, saving
from orchestrator.keys import keys_for, make_keys
from orchestrator.launch import slurm
from orchestrator.oracle.spec import log_path
from orchestrator.ready import Ready, heard
from orchestrator.run import Run, Source
from orchestrator.values import is_name
from qnode.errors import ConfigError, ProcessLost, QnodeError, TimedOut
from qnode.transport.control import Control
from qnode.wire.keys import ORACLE
from qnode.wire.messages import Progress

_GRACE_S: Final = 10.0  # wall time that the other steps have to end by themselves, once one has
_HASTE_S: Final = 5.0  # wall time that it has to save what there is
_ERRORS: Final = "slurm.log"  # in the run's folder: what the steps tell about themselves


def placed(hosts: Sequence[str], allocated: Sequence[str]) -> Mapping[str, str]:
    """Which host of the allocation each host of a configuration is: the one of its name, else the next free one.

    Args:
        hosts: The configuration's; if it has none, they are the allocation's.
    Raises:
        ConfigError: If there are too few.
    """
    if not hosts:
        return {name if is_name(name) else f"host{nth}": name for nth, name in enumerate(allocated, 1)}
    if len(hosts) > len(allocated):
        raise ConfigError(
            place="hosts",
            detail=f"the configuration has {len(hosts)}, and the allocation {len(allocated)}: {', '.join(allocated)};"
            " ask for more with --hosts",
        )
    free = iter([name for name in allocated if name not in hosts])
    return {name: name if name in allocated else next(free) for name in hosts}


@dataclass(frozen=True)
class Job:
    """What to run, where.

    Attributes:
        source: The network, with a seed, hosts and places.
        arguments: What names it in commands: the configuration's path, and `--set` and `--seed`.
        hosts: Slurm's name of each of its hosts.
        runs: Where runs are saved: a folder that all hosts have.
    """

    source: Source
    arguments: Sequence[str]
    hosts: Mapping[str, str]
    runs: Path

    async def run(
        self,
        *,
        name: str | None,
        timeout: float | None,
        on_start: Callable[[], None],
        on_progress: Callable[[Progress], None],
        on_output: Callable[[str], None] | None,
    ) -> Run:
        """Start all steps, wait for the end of the run, and see that they are gone; its failure is not raised.

        Raises:
            ConfigError: If the oracle could not begin; it says why.
        """
        folder = saving.new_folder(self.runs, self.source.name, name)
        failure: QnodeError | None = None
        try:
            async with AsyncExitStack() as stack:
                running = _Running(self, folder, stack, on_progress, on_output)
                await running.start()
                on_start()
                failure = await running.wait(timeout)
        except _NotBegun as error:
            shutil.rmtree(folder, ignore_errors=True)
            raise ConfigError(place="the oracle's step", detail=str(error)) from None
        run = saved.load(folder)
        if failure is not None:
            run = copy(run)
            run.failure = failure
            saving.save(run)
        return run


class _NotBegun(Exception):
    """The oracle's step ended before it listened; what it said last."""


class _Running:
    """The steps of one run, whose ends are in the hands of a stack."""

    def __init__(
        self,
        job: Job,
        folder: Path,
        stack: AsyncExitStack,
        on_progress: Callable[[Progress], None],
        on_output: Callable[[str], None] | None,
    ) -> None:
        self._job = job
        self._keys = folder / "keys"
        self._errors = folder / _ERRORS
        self._folder = folder
        self._stack = stack
        self._log = stack.enter_context(log_path(folder).open("ab", buffering=0))
        self._on_progress = on_progress
        self._on_output = on_output
        self._place = job.source.network.place
        self._ready: asyncio.Future[Ready] = asyncio.get_running_loop().create_future()
        self._nodes: dict[str, slurm.Step] = {}

    async def start(self) -> None:
        """All steps. Raises _NotBegun."""
        source = self._job.source
        self._stack.callback(self._forget_keys)
        make_keys(source.name, [str(node) for node in source.network.nodes], self._keys)
        saves = ["--folder", str(self._folder), "--listen", "tcp://0.0.0.0:0", "--ready", "-"]
        self._oracle = await self._step("oracle", self._place[ORACLE], saves, self._hear)
        await asyncio.wait((self._ready, self._oracle.ended), return_when=asyncio.FIRST_COMPLETED)
        if not self._ready.done():
            raise _NotBegun(_last_words(self._errors))
        port = self._ready.result().address.rpartition(":")[2]
        address = f"tcp://{slurm.address_of(self._oracle.host)}:{port}"
        for host in dict.fromkeys(where for name, where in self._place.items() if name != ORACLE):
            self._nodes[host] = await self._step("node", host, ["--host", host, "--oracle", address], self._show)
        keys = keys_for(ORACLE, self._keys, source.name)
        self._control = Control(address, b"", keys=keys)
        self._stack.callback(self._control.close)
        loop = asyncio.get_running_loop()
        loop.add_reader(self._control.fileno(), self._take_news)
        self._stack.callback(loop.remove_reader, self._control.fileno())
        self._take_news()

    async def _step(self, command: str, host: str, more: list[str], on_line: Callable[[str], None]) -> slurm.Step:
        arguments = [command, *self._job.arguments, "--keys", str(self._keys), *more]
        step = slurm.Step(self._job.hosts[host], arguments, on_line, self._errors)
        await step.start()
        self._stack.push_async_callback(step.end)
        return step

    def _forget_keys(self) -> None:
        shutil.rmtree(self._keys, ignore_errors=True)

    def _hear(self, line: str) -> None:
        ready = heard(line)
        if ready is not None and not self._ready.done():
            self._ready.set_result(ready)

    def _show(self, line: str) -> None:
        self._log.write(line.encode() + b"\n")
        if self._on_output is not None:
            self._on_output(line)

    def _take_news(self) -> None:
        for message in self._control.news():
            if isinstance(message, Progress):
                self._forget_keys()  # everybody is there, and has read its own
                self._on_progress(message)

    async def wait(self, timeout: float | None) -> QnodeError | None:
        """Until the run is over and saved; what went wrong, if the oracle could not know."""
        over = self._oracle.ended
        try:
            ends = {over, *(step.ended for step in self._nodes.values())}
            await asyncio.wait(ends, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
            if not over.done() and not any(end.done() for end in ends):
                await self._finish("timed_out")
                return TimedOut(timeout=str(timeout))
            await asyncio.wait((over,), timeout=_GRACE_S)
            if not over.done():
                return await self._lost()
        except asyncio.CancelledError:
            await self._finish("interrupted")
            raise
        await asyncio.wait(ends, timeout=_GRACE_S)  # nodes hear of it by themselves, and tidy up
        if not saved.is_run(self._folder) or saved.is_under_way(self._folder):
            return ProcessLost(name="the oracle", reason=f"its step ended: {_last_words(self._errors)}")
        return None

    async def _lost(self) -> QnodeError:
        hosts = [host for host, step in self._nodes.items() if step.ended.done()]
        names = [name for name, where in self._place.items() if where in hosts and name != ORACLE]
        reason = f"the step on {', '.join(self._job.hosts[host] for host in hosts)} ended: {_last_words(self._errors)}"
        await self._finish("lost", dict.fromkeys(names, reason))
        return ProcessLost(
            nodes=tuple(names), name=f"node{'s' if len(names) > 1 else ''} {', '.join(names)}", reason=reason
        )

    async def _finish(self, how: str, without: Mapping[str, str] = {}) -> None:
        self._control.finish(how, without)
        await asyncio.wait((self._oracle.ended,), timeout=_HASTE_S)


def _last_words(errors: Path) -> str:
    lines = [line for line in errors.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"
