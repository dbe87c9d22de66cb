"""A thread beside the programs: it sees when whoever started the process is gone, and names what blocks a loop.

Both must be seen whatever the process is doing: waiting, computing, or not yet connected.
"""

from __future__ import annotations

import _thread
import logging
import os
import select
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Final

from qnode.exits import EXIT_LOST

log = logging.getLogger("qnode")

UNKNOWN: Final = "unknown"  # the line of a task that shows none of its program's
_LOOKS: Final = 200
_BETWEEN_LOOKS_S: Final = 0.001


def hold(lifeline: int) -> None:
    """End this process at once when the other end of a pipe is closed; for a process that runs no programs."""
    _thread.start_new_thread(_wait_for_end, (lifeline, None))


def _wait_for_end(lifeline: int, timeout_s: float | None) -> None:
    """Returns after a time; if nobody is left to tell, this process ends."""
    looking = select.poll()  # select() knows no descriptor beyond 1023
    looking.register(lifeline, select.POLLIN)
    if looking.poll(None if timeout_s is None else timeout_s * 1000) and not os.read(lifeline, 1):
        os._exit(EXIT_LOST)


class Watchdog:
    """A thread that looks now and then whether the node that runs is still in the same round.

    The driver only sets `running` and counts `resumptions`; a step costs nothing more. `rounds_of` knows how often a
    node's loop has gone round: a program that spins gives way again and again; `spinning_at` knows where.

    Args:
        limit_s: How long a program may block before it is named.
        is_own: Whether a frame is ours or the standard library's, and so not to be named.
        lifeline: A pipe that ends when whoever started this process does: then so does the process. None: nobody is.
    """

    def __init__(self, limit_s: float, is_own: Callable[[FrameType], bool], lifeline: int | None = None) -> None:
        self.running = ""
        self.resumptions = 0
        self.rounds_of: Callable[[str], int] = lambda name: 0
        self.spinning_at: Callable[[str], str] = lambda name: ""
        self._limit_s = limit_s
        self._is_own = is_own
        self._main = threading.get_ident()
        self._lifeline = lifeline
        self._stop = threading.Event()
        # Not threading.Thread: a node would wait until it runs, which with a thousand of them takes a while.
        _thread.start_new_thread(self._watch, ())

    def stop(self) -> None:
        self._stop.set()

    def _watch(self) -> None:
        seen, since, warned, rounds = -1, time.monotonic(), False, 0
        while self._wait(self._limit_s / 4):
            if self.resumptions != seen or not self.running:
                seen, since, warned = self.resumptions, time.monotonic(), False
            elif not warned and time.monotonic() - since >= self._limit_s:
                warned = True
                name = self.running
                self._warn(name, time.monotonic() - since, spins=self.rounds_of(name) != rounds)
            rounds = self.rounds_of(self.running)

    def _warn(self, name: str, seconds: float, *, spins: bool) -> None:
        if spins:
            log.warning(
                "node %s has been at one instant for %.1f s; it spins at %s. Network time stands still while it does:"
                " await what the program waits for, or sleep for a time",
                name,
                seconds,
                self._spinning_at(name),
            )
        else:
            log.warning(
                "node %s has not given way for %.1f s; it is at %s. Everybody waits for it: use await, or"
                " asyncio.to_thread() for long computations",
                name,
                seconds,
                self._where(),
            )

    def _spinning_at(self, name: str) -> str:
        """Where; a task that is looked at while it runs shows no line of its program, so more looks may be needed."""
        for _ in range(_LOOKS):
            where = self.spinning_at(name)
            if UNKNOWN not in where or not self._wait(_BETWEEN_LOOKS_S):
                break
        return where

    def _wait(self, seconds: float) -> bool:
        """Wait; False once it is over."""
        if self._lifeline is None:
            return not self._stop.wait(seconds)
        _wait_for_end(self._lifeline, seconds)
        return not self._stop.is_set()

    def _where(self) -> str:
        frame = sys._current_frames().get(self._main)
        while frame is not None and self._is_own(frame):
            frame = frame.f_back
        return f"{frame.f_code.co_filename}:{frame.f_lineno} in {frame.f_code.co_name}" if frame else "an unknown line"
