"""A process of ours that outlives the one that starts it."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

from orchestrator.launch.early import python


class Detached:
    """Such a process, as long as whoever started it still cares."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, if it is still there."""
        self._process.send_signal(number)

    def is_gone(self, within_s: float) -> bool:
        """Wait until it has ended; False if it has not by then."""
        try:
            self._process.wait(within_s)
        except subprocess.TimeoutExpired:
            return False
        return True

    def let_go(self) -> None:
        """Nobody here waits for it any more."""
        self._process.returncode = 0  # keeps the destructor from warning that it still runs


def start_detached(module: str, *arguments: str, output: Path, keep: int) -> Detached:
    """Start the `main` of a module of ours in a session of its own, away from any terminal.

    Args:
        output: The file that its standard output and error go to.
        keep: A descriptor that it inherits under the same number.
    """
    with output.open("wb") as file:
        return Detached(
            subprocess.Popen(
                python(module, *arguments),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                pass_fds=(keep,),
                start_new_session=True,
            )
        )
