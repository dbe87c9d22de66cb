"""Ctrl-C, the end of a terminal, a polite kill: the same thing to a command that has no event loop of its own."""

from __future__ import annotations

import signal
from collections.abc import Callable
from types import FrameType
from typing import NoReturn

from orchestrator.launch.signals import SIGNALS


def at_signals(act: Callable[[], NoReturn]) -> None:
    """Have `act` called, in the main thread, at any signal that asks this process to end."""

    def handle(number: int, frame: FrameType | None) -> NoReturn:
        act()

    for number in SIGNALS:
        if number == signal.SIGINT or signal.getsignal(number) is not signal.SIG_IGN:  # nohup means it
            signal.signal(number, handle)


def raise_at_signals() -> None:
    """Have KeyboardInterrupt raised at any of them, as Python does at Ctrl-C alone."""
    at_signals(_raise)


def _raise() -> NoReturn:
    raise KeyboardInterrupt
