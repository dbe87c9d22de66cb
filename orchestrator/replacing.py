"""Processes that a run loses, on purpose or not: the oracle says what becomes of their nodes, and here it is done."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from orchestrator.launch.launcher import Launcher
from orchestrator.plan import LaunchPlan
from qnode.wire.plan import ProcessSpec, encode_spec

NO_MORE: Final = -1  # instead of an incarnation


class Replacing:
    """Which processes may end before the run does, and what is started in their place.

    Attributes:
        running: The numbers of those that are there.
        lives: Which incarnation each node is in that is no more in its first.
    """

    def __init__(self, launcher: Launcher, launch: LaunchPlan) -> None:
        self._launcher = launcher
        self._processes = {process.number: process for process in launch.processes}
        self._number_of = launch.run.processes
        self.lives: dict[str, int] = {}
        self._ended: set[int] = set()  # and nothing is started in their place yet
        self._ending: dict[int, ProcessSpec | None] = {}  # and what comes after it
        self.running = set(self._processes)

    def replace(self, lives: Mapping[str, int]) -> None:
        """The oracle has lost these nodes: their process is ended, and another started if they live on.

        What it says again is done already.
        """
        news = {node: life for node, life in lives.items() if self.lives.get(node) != life}
        self.lives |= news
        for number in sorted({self._number_of[node] for node in news}):
            process = self._processes[number]
            again = tuple(
                msgspec.structs.replace(node, incarnation=lives[node.name])
                for node in process.nodes
                if lives.get(node.name, NO_MORE) != NO_MORE
            )
            following = msgspec.structs.replace(process, nodes=again) if again else None
            if number in self._ended:
                self._start(number, following)
            else:
                self._ending[number] = following
                self._launcher.end_process(number)

    def expects(self, number: int) -> bool:
        """Whether a process is to end."""
        return number in self._ending

    def ended(self, number: int, reason: str) -> dict[str, str]:
        """A process has ended. The nodes that are lost with it and of which nobody knows yet, and why."""
        self._ended.add(number)
        self.running.discard(number)
        if number in self._ending:
            self._start(number, self._ending.pop(number))
            return {}
        return {node.name: reason for node in self._processes[number].nodes}

    def _start(self, number: int, process: ProcessSpec | None) -> None:
        if process is not None:
            self._processes[number] = process
            self._ended.discard(number)
            self.running.add(number)
            self._launcher.start_again(number, "node", encode_spec(process))
