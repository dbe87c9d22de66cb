"""A run as it goes on: how far it is, and what its programs print."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from orchestrator.cli.screen import Screen
from orchestrator.text import count
from orchestrator.topology import Network
from qnode.runtime.logs import format_time
from qnode.wire.messages import Progress

_EVERY_S: Final = 0.1


class Live:
    """Shows a run on a screen, for as long as it is entered.

    Args:
        network: What runs.
        show: Where a line of the programs' output goes, or None.
        label: What stands before the progress, such as which run of many it is.
    """

    def __init__(
        self, screen: Screen, network: Network, show: Callable[[str], None] | None, *, label: str = ""
    ) -> None:
        self._screen = screen
        self._network = network
        self._show = show
        self._label = label
        self._progress: Progress | None = None
        self._has_started = False
        self._since = time.monotonic()
        self._timer: asyncio.TimerHandle | None = None

    def started(self) -> None:
        """All processes have been started."""
        self._has_started = True

    def progress(self, progress: Progress) -> None:
        """How far it is."""
        self._progress = progress

    def output(self, line: str) -> None:
        """A line that a program printed. Raises BrokenPipeError if nobody reads it any more."""
        if self._show is not None:
            self._show(line)

    def __enter__(self) -> Self:
        self._tick()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._screen.status("")

    def _tick(self) -> None:
        if self._screen.live:
            self._screen.status(self._label + self._how_far())
            self._timer = asyncio.get_running_loop().call_later(_EVERY_S, self._tick)

    def _how_far(self) -> str:
        elapsed = f"{time.monotonic() - self._since:.0f} s"
        if not self._has_started:
            return f"starting {count(len(self._network.nodes), 'node')}   {elapsed}"
        if self._progress is None:
            return f"waiting for all nodes   {elapsed}"
        now_ns, until_ns = self._progress.now_ns, self._network.until_ns
        part = f" of {format_time(until_ns)} ({now_ns / until_ns:.0%})" if until_ns else ""
        return f"at {format_time(now_ns)}{part}   {count(self._progress.steps, 'step')}   {elapsed}"
