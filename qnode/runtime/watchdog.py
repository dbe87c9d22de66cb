"""Names a program that blocks its loop: on either clock, everybody else waits for it."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType

log = logging.getLogger("qnode")


class Watchdog:
    """A thread that looks now and then whether the node that runs is still in the same round.

    The driver only sets `running` and counts `resumptions`; a step costs nothing more.
    """

    def __init__(self, limit_s: float, is_own: Callable[[FrameType], bool]) -> None:
        self.running = ""
        self.resumptions = 0
        self._limit_s = limit_s
        self._is_own = is_own
        self._main = threading.get_ident()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="qnode-watchdog", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()

    def _watch(self) -> None:
        seen, since, warned = -1, time.monotonic(), False
        while not self._stop.wait(self._limit_s / 4):
            if self.resumptions != seen or not self.running:
                seen, since, warned = self.resumptions, time.monotonic(), False
            elif not warned and time.monotonic() - since >= self._limit_s:
                warned = True
                log.warning(
                    "node %s has not given way for %.1f s; it is at %s. Everybody waits for it: use await, or"
                    " asyncio.to_thread() for long computations",
                    self.running,
                    time.monotonic() - since,
                    self._where(),
                )

    def _where(self) -> str:
        frame = sys._current_frames().get(self._main)
        while frame is not None and self._is_own(frame):
            frame = frame.f_back
        return f"{frame.f_code.co_filename}:{frame.f_lineno} in {frame.f_code.co_name}" if frame else "an unknown line"
