"""The yardstick of everything that crosses processes: raw ZeroMQ, a ROUTER that scatters 100 bytes and gathers them.

No encoding, no state, no decision: what is left is what the operating system and ZeroMQ charge for one message to
each of k processes and one answer from each. Nothing that synchronises k processes through one can cost less.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from types import TracebackType
from typing import Final, Self

import zmq

MOST: Final = 10
MESSAGE: Final = bytes(100)
_START_MS: Final = 30_000
_END_S: Final = 10.0


class EchoGroup:
    """MOST processes that echo, and a ROUTER to reach them by blocking calls. They sleep while nobody asks.

    Attributes:
        processes: Those that echo; all are gone when the group is left.
    """

    def __init__(self, directory: Path) -> None:
        self._address = f"ipc://{directory}/echo"
        self.processes: list[subprocess.Popen[bytes]] = []
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._router = self._context.socket(zmq.ROUTER)
        self._router.setsockopt(zmq.LINGER, 0)
        self._router.setsockopt(zmq.ROUTER_MANDATORY, 1)
        self._names: list[bytes] = []

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._end()

    def seconds_per_step(self, k: int, n: int) -> float:
        """Wall time of one scatter to k processes and one gather from them, as the mean of n."""
        names = self._names[:k]
        self._scatter_gather(names, max(5, n // 20))
        started = perf_counter()
        self._scatter_gather(names, n)
        return (perf_counter() - started) / n

    def seconds_for(self, steps: int, reports: int, n: int) -> float:
        """Wall time of a run's messages alone: so many steps in which so many messages went each way in all."""
        k = min(MOST, max(1, round(reports / steps)))
        return self.seconds_per_step(k, n) / k * reports

    def _start(self) -> None:
        self._router.bind(self._address)
        program = str(Path(__file__).with_name("echo.py"))
        for _ in range(MOST):
            self.processes.append(
                subprocess.Popen(
                    [sys.executable, program, self._address],
                    stdin=subprocess.PIPE,
                    start_new_session=True,  # the terminal's Ctrl-C is ours to handle
                )
            )
        while len(self._names) < MOST:
            if not self._router.poll(_START_MS):
                raise TimeoutError(f"only {len(self._names)} of {MOST} echo processes started")
            self._names.append(self._router.recv_multipart()[0])

    def _end(self) -> None:
        for process in self.processes:
            if process.stdin is not None:
                process.stdin.close()
        for process in self.processes:
            try:
                process.wait(_END_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._router.close()
        self._context.term()

    def _scatter_gather(self, names: Sequence[bytes], n: int) -> None:
        send, receive = self._router.send_multipart, self._router.recv_multipart
        for _ in range(n):
            for name in names:
                send([name, MESSAGE])
            for _ in names:
                receive()
