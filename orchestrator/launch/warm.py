"""Launchers that stay warm from run to run, whichever event loop each run is in."""

from __future__ import annotations

from typing import Final

from orchestrator.launch.early import surroundings
from orchestrator.launch.launcher import Launcher

_KEPT: Final = 3  # surroundings: the usual ones, those that were set for good meanwhile, and a test's own


class WarmLaunchers:
    """Lends launchers, each to one run at a time.

    Nodes have the environment and the folder that this process had when their forkserver started. Launchers are kept
    for the last few of such surroundings.
    """

    def __init__(self) -> None:
        self._idle: list[tuple[object, list[Launcher]]] = []  # by surroundings, the latest last

    def take(self) -> Launcher:
        """One that nobody else has, with the surroundings of now."""
        idle = self._of(surroundings())
        while idle:
            launcher = idle.pop()
            if launcher.is_ready:
                return launcher
            launcher.close()
        return Launcher()

    def give_back(self, launcher: Launcher) -> None:
        """It is not needed any more: keep it for another run, if it is fit for one."""
        if launcher.is_ready:
            self._of(launcher.surroundings).append(launcher)
        else:
            launcher.close()

    def _of(self, around: object) -> list[Launcher]:
        """The idle ones of some surroundings, which are the latest then."""
        entry = next((entry for entry in self._idle if entry[0] == around), (around, []))
        self._idle = [*(other for other in self._idle if other is not entry), entry]
        self._close_but(_KEPT)
        return entry[1]

    def close(self) -> None:
        """End all that nobody has."""
        self._close_but(0)

    def _close_but(self, kept: int) -> None:
        while len(self._idle) > kept:
            for launcher in self._idle.pop(0)[1]:
                launcher.close()
