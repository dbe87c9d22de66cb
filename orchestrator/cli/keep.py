"""The process behind `qnode up`: runs the network, says how far it is, and ends when it is told to."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final

import msgspec

from orchestrator.cli import networks
from orchestrator.cli.endings import sentence_of
from orchestrator.cli.loading import cluster_of
from orchestrator.cli.screen import Screen
from orchestrator.cli.up import Told
from orchestrator.cluster import Cluster
from orchestrator.exits import exit_code_of
from orchestrator.launch.signals import interruptible
from orchestrator.run import Run
from qnode.wire.messages import Progress

_EVERY_S: Final = 1.0  # how often it is written how far the network is


class Waiting:
    """Whoever waits at the other end of a pipe until the network is up; told one thing, the first that there is."""

    def __init__(self, pipe: int) -> None:
        self._pipe = pipe

    def tell(self, told: Told) -> None:
        """Nobody waits for a second thing, nor if they went away."""
        if self._pipe < 0:
            return
        with suppress(BrokenPipeError), open(self._pipe, "wb", buffering=0) as pipe:
            pipe.write(msgspec.json.encode(told))
        self._pipe = -1


class Keeper:
    """Writes down what is up, and how far it is."""

    def __init__(self, net: Cluster, claim: networks.Claim, config: str, waiting: Waiting) -> None:
        self._net = net
        self._claim = claim
        self._config = config
        self._waiting = waiting
        self._entry: networks.Entry | None = None
        self._next = 0.0
        self._error: Exception | None = None
        self._task = asyncio.current_task()

    def progress(self, progress: Progress) -> None:
        """The oracle tells it first when all nodes are there, and now and then from then on."""
        if self._error is not None:
            return
        try:
            self._keep(progress)
        except Exception as error:  # noqa: BLE001  # in a callback of the loop: it must reach the task that runs the net
            self._error = error
            if self._task is not None:
                self._task.cancel()

    def raise_error(self) -> None:
        """Raise why it could not be written what is up, if that is what has cancelled the task that made this."""
        if self._error is not None:
            if self._task is not None:
                self._task.uncancel()
            raise self._error

    def _keep(self, progress: Progress) -> None:
        now = time.monotonic()
        if self._entry is not None and now < self._next:
            return
        self._next = now + _EVERY_S
        entry = self._entry or self._first()
        entry = msgspec.structs.replace(entry, now_ns=progress.now_ns, steps=progress.steps)
        try:
            self._claim.write(entry)
        except FileNotFoundError:  # the folder was removed: nobody could name this network any more, nor end it
            signal.raise_signal(signal.SIGTERM)
            return
        if self._entry is None:
            self._waiting.tell(Told(entry))
        self._entry = entry

    def _first(self) -> networks.Entry:
        launch = self._net.launch
        assert launch is not None  # a run that makes progress is under way
        return networks.Entry(
            name=self._claim.name,
            pid=os.getpid(),
            config=self._config,
            run=launch.run.run_id,
            folder=launch.oracle.folder,
            seed=launch.oracle.seed,
            nodes=len(launch.run.names),
            started=datetime.now(UTC).isoformat(),
            pids=dict(self._net.pids),
        )


def run(options: argparse.Namespace, screen: Screen) -> int:
    """Be the keeper until the network ends or somebody ends it; the exit code."""
    return asyncio.run(_run(options))


async def _run(options: argparse.Namespace) -> int:
    waiting = Waiting(options.tell)
    try:
        cluster = cluster_of(options, runs=options.runs_folder)
        claim = networks.Claim(options.name)
        try:
            run = await _kept(options, cluster, Keeper(cluster, claim, str(options.config), waiting))
        finally:
            claim.leave()
    except Exception as error:
        waiting.tell(Told(error=f"qnode: {sentence_of(error)}", code=exit_code_of(error)))
        raise
    if run.failure is not None:
        waiting.tell(Told(error=f"qnode: {run.failure}", code=run.exit_code))
    return run.exit_code


async def _kept(options: argparse.Namespace, cluster: Cluster, keeper: Keeper) -> Run:
    with interruptible():
        async with cluster as net:
            try:
                return await net.run(
                    seed=options.seed, timeout=options.timeout, check=False, on_progress=keeper.progress, on_output=None
                )
            finally:
                keeper.raise_error()
