"""Launchers that stay warm from run to run, whichever event loop each run is in."""

from __future__ import annotations

from orchestrator.launch.early import surroundings
from orchestrator.launch.launcher import Launcher


class WarmLaunchers:
    """Lends launchers, each to one run at a time.

    Nodes have the environment and the folder that this process had when their forkserver started. While it has others
    than usual, launchers are started afresh, and not kept.

    Args:
        usual: What this process usually has; None: what it has now.
    """

    def __init__(self, usual: object = None) -> None:
        self._usual = surroundings() if usual is None else usual
        self._idle: list[Launcher] = []

    def take(self) -> Launcher:
        """One that nobody else has."""
        while self._idle and surroundings() == self._usual:
            launcher = self._idle.pop()
            if launcher.is_ready:
                return launcher
            launcher.close()
        return Launcher()

    def give_back(self, launcher: Launcher) -> None:
        """It is not needed any more: keep it for another run, if it is fit for one."""
        if launcher.is_ready and launcher.surroundings == self._usual:
            self._idle.append(launcher)
        else:
            launcher.close()

    def close(self) -> None:
        """End all that nobody has."""
        while self._idle:
            self._idle.pop().close()
