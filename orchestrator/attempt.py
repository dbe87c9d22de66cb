"""A run from its start to what is saved of it, however it ends."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

from orchestrator import saving
from orchestrator.oracle.spec import Summary, cut_short, log_path
from orchestrator.run import Run, Source, failure_of
from orchestrator.telemetry.beside import Telemetry
from qnode.errors import Interrupted, ProcessLost, ProgramFailed, QnodeError, RunFailed, TimedOut, Unread
from qnode.wire.messages import Progress


class Attempt:
    """A run that has a folder of its own, and is not over yet.

    Attributes:
        failed: Where programs raised, by node and program, if they ran in this process.
    """

    def __init__(self, source: Source, folder: Path, on_progress: Callable[[Progress], None] | None) -> None:
        self.source = source
        self.folder = folder
        self._on_progress = on_progress
        self._reached = Progress(0, 0)
        self._stood_ns = 0
        self._so_far: Summary | None = None
        self.failed: Mapping[tuple[str, str], TracebackType | None] = {}
        self._started = datetime.now(UTC)
        self._clock = time.perf_counter()
        self._wall_s: float | None = None
        self._lock = saving.begin(folder, source, self._started)
        self.telemetry = Telemetry(source, folder)

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """The time of the run itself, with telemetry beside it; that the broker is still told is not part of it."""
        async with self.telemetry:
            try:
                yield
            finally:
                self._wall_s = self._elapsed_s()

    def _elapsed_s(self) -> float:
        return time.perf_counter() - self._clock

    @property
    def log(self) -> Path:
        """What its processes print."""
        return log_path(self.folder)

    def progress(self, reached: Progress) -> None:
        """Remember how far the run is, and tell whoever asked."""
        self._reached = reached
        self.telemetry.reached(reached.now_ns, reached.steps)
        if self._on_progress is not None:
            self._on_progress(reached)

    def stands(self, at_ns: int) -> None:
        """Remember a moment up to which it has gone by hand: how far it is may not have been told since."""
        self._stood_ns = at_ns

    def keep(self, summary: Summary) -> None:
        """Remember what the oracle told of a run that may yet be cut short."""
        self._so_far = summary

    def ended(self, summary: Summary) -> Run:
        """The run, saved. If it cannot be, what made it fail is raised, with a note of that; else ConfigError."""
        run = self._saved(summary, None, None)
        if isinstance(run.failure, ProgramFailed):
            first = summary.failures[0]
            run.failure.__traceback__ = self.failed.get((first.node, first.program))
        return run

    def cut_short(self, error: BaseException) -> Run:
        """The run as far as it is known to have got, saved if that is possible; a note at the error says if not."""
        at_ns = max(self._reached.now_ns, self._stood_ns)
        summary = self._so_far or cut_short(_how(error), at_ns=at_ns, steps=self._reached.steps)
        return self._saved(summary, _failure(error, summary), error)

    def _saved(self, summary: Summary, failure: QnodeError | None, cause: BaseException | None) -> Run:
        wall_s = self._elapsed_s() if self._wall_s is None else self._wall_s
        run = Run(self.source, summary, folder=self.folder, started=self._started, wall_s=wall_s, failure=failure)
        with self._lock:
            saving.save(run, cause)
        return run


def _failure(error: BaseException, summary: Summary) -> QnodeError | None:
    """What cut a run short, as it is kept; an interruption says so by itself."""
    match error:
        case QnodeError():
            return error
        case BrokenPipeError():
            own = failure_of(summary)
            return Unread(besides="" if own is None or isinstance(own, Interrupted) else f"; besides, {own}")
        case Exception():
            return RunFailed(detail=f"the orchestrator failed: {type(error).__name__}: {error}")
    return None


def _how(error: BaseException) -> str:
    match error:
        case TimedOut():
            return "timed_out"
        case ProcessLost():
            return "lost"
        case BrokenPipeError():
            return "interrupted"
        case Exception():
            return "failed"
    return "interrupted"
