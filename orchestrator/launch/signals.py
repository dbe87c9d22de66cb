"""Ctrl-C, the end of a terminal, a polite kill: once, the run is ended and saved; twice, everything ends at once."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

from orchestrator.launch.interrupted import Interrupted
from orchestrator.launch.launcher import end_all
from qnode.exits import EXIT_INTERRUPTED

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def interruptible(on_first: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Inside, in the main thread's event loop, the first signal cancels the task, which ends its run and saves it.

    The task may take a second for that. The second signal, if it comes before, ends this process and everything that
    it started, at once. `on_first` is called when the first one has come.

    Raises:
        Interrupted: On leaving, if there was a signal: then the run is over and everything of it is gone.
    """
    task = asyncio.current_task()
    assert task is not None  # it stands in a coroutine
    loop = asyncio.get_running_loop()
    came: list[signal.Signals] = []

    def interrupt(number: signal.Signals) -> None:
        came.append(number)
        if len(came) > 1:
            _end_at_once()
        task.cancel()
        with suppress(OSError):  # the terminal may be what is gone
            on_first()

    before = {number: signal.getsignal(number) for number in SIGNALS}
    for number in SIGNALS:
        if before[number] is not signal.SIG_IGN or number == signal.SIGINT:  # nohup means it
            loop.add_signal_handler(number, interrupt, number)
    try:
        yield
    except asyncio.CancelledError as cancelled:
        if not came or task.uncancel():  # somebody else wanted that as well
            raise
        interrupted = Interrupted(came[0])
        for note in getattr(cancelled, "__notes__", ()):
            interrupted.add_note(note)
        raise interrupted from None
    finally:
        for number in SIGNALS:
            loop.remove_signal_handler(number)
            signal.signal(number, before[number])


def _end_at_once() -> None:
    end_all()
    with suppress(OSError, ValueError):
        sys.stderr.flush()
    os._exit(EXIT_INTERRUPTED)
