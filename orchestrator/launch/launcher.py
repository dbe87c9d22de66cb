"""The launcher: the client's side of the forkserver."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections import deque

from orchestrator.launch.protocol import (
    Answer,
    Exited,
    Fork,
    Forked,
    Kill,
    Killed,
    Open,
    Opened,
    Prepare,
    Reader,
    send,
)
from orchestrator.oracle.spec import encode_oracle
from orchestrator.plan import LaunchPlan
from qnode.errors import ProcessLost
from qnode.wire.plan import encode_spec

ORACLE = -1


class Launcher:
    """Starts the processes of one run after another, each time afresh.

    Attributes:
        pids: The process id of each process of this run, by its number; the oracle's number is ORACLE.
    """

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        environment = {
            **os.environ,
            "PYTHONHASHSEED": "0",
            "OPENBLAS_NUM_THREADS": "1",
            "OMP_NUM_THREADS": "1",
            "MKL_NUM_THREADS": "1",
            "MALLOC_ARENA_MAX": "1",
        }
        self._socket = ours
        self._reader = Reader(ours)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "orchestrator.launch.forkserver", str(theirs.fileno())],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                env=environment,
                start_new_session=True,  # the terminal's Ctrl-C is ours to handle
            )
        self._answers: asyncio.Queue[Answer] = asyncio.Queue()
        self._exits: deque[Exited] = deque()
        self.pids: dict[int, int] = {}
        asyncio.get_running_loop().add_reader(ours, self._take)

    async def open(self) -> str:
        """A directory for the sockets of the next run."""
        self._tell(Open())
        answer = await self._answer()
        if not isinstance(answer, Opened):
            raise ProcessLost(name="the forkserver", reason=f"it answered {answer!r}")
        return answer.directory

    async def start(self, plan: LaunchPlan) -> None:
        """Fork the oracle and every node process. Returns once all have a process id."""
        self.pids = {}
        self._exits.clear()
        self._tell(
            Prepare(encode_spec(plan.run)),
            Fork(ORACLE, "oracle", encode_oracle(plan.oracle)),
            *(Fork(process.number, "node", encode_spec(process)) for process in plan.processes),
        )
        while len(self.pids) <= len(plan.processes):
            answer = await self._answer()
            if isinstance(answer, Forked):
                self.pids[answer.number] = answer.pid
            elif isinstance(answer, Exited):
                self._exits.append(answer)

    async def exited(self) -> Exited:
        """The next process that ends."""
        while not self._exits:
            answer = await self._answer()
            if isinstance(answer, Exited):
                self._exits.append(answer)
        return self._exits.popleft()

    async def end_run(self) -> None:
        """End what is left of the run; returns once nothing is."""
        self._tell(Kill())
        while not isinstance(await self._answer(), Killed):
            pass

    def close(self) -> None:
        """End the forkserver and everything that it started; returns once it is gone."""
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()
        self._process.wait()

    def _tell(self, *orders: Open | Prepare | Fork | Kill) -> None:
        try:
            send(self._socket, *orders)
        except OSError:  # it is gone, or the launcher was closed
            raise self._lost() from None

    async def _answer(self) -> Answer:
        if self._reader.closed and self._answers.empty():
            raise self._lost()
        answer = await self._answers.get()
        if isinstance(answer, Killed) and self._reader.closed:
            raise self._lost()
        return answer

    def _take(self) -> None:
        for answer in self._reader.answers():
            self._answers.put_nowait(answer)
        if self._reader.closed:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._answers.put_nowait(Killed())  # wakes whoever waits

    def _lost(self) -> ProcessLost:
        return ProcessLost(name="the forkserver", reason="it is gone, and every process of the run with it")
