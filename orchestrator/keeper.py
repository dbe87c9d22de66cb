"""Whoever started a process starts another in its place, where the run can go on with it."""

from __future__ import annotations

import logging
from collections import Counter

import msgspec

from orchestrator.launch.launcher import ORACLE, Launcher
from orchestrator.launch.protocol import Exited
from orchestrator.oracle.spec import RESUME, encode_oracle
from orchestrator.plan import LaunchPlan
from qnode.wire.plan import encode_spec

log = logging.getLogger("qnode")


class Keeper:
    """Starts the processes of one run again.

    Only those that something has killed: one that ended by itself would do so again, and has said why.
    """

    def __init__(self, launcher: Launcher, launch: LaunchPlan) -> None:
        self._launcher = launcher
        self._launch = launch
        self._restarts: Counter[int] = Counter()

    def start_again(self, exited: Exited) -> bool:
        """False if it stays away."""
        number = exited.number
        if exited.status >= 0 or not self._is_kept(number) or self._restarts[number] >= self._most:
            return False
        self._restarts[number] += 1
        if number == ORACLE:
            kind, spec = "oracle", encode_oracle(msgspec.structs.replace(self._launch.oracle, resume=True))
        else:
            kind, spec = "node", encode_spec(self._launch.processes[number])
        self._launcher.start_again(number, kind, spec)
        log.info("%s %d was killed by signal %d, and goes on from the record", kind, number, -exited.status)
        return True

    def why_not(self, exited: Exited) -> Exited:
        """The same, saying so if it was started again too often."""
        restarts = self._restarts[exited.number]
        if exited.status >= 0 or not restarts:
            return exited
        words = f"killed by signal {-exited.status}, after it had been started again {restarts} times (`restarts`)"
        return msgspec.structs.replace(exited, words=exited.words or words)

    @property
    def _most(self) -> int:
        return self._launch.oracle.restarts

    def _is_kept(self, number: int) -> bool:
        oracle = self._launch.oracle
        if oracle.clock != "virtual" or not oracle.folder:
            return False
        if number == ORACLE:
            return True
        return all(oracle.restart.get(node.name) == RESUME for node in self._launch.processes[number].nodes)
