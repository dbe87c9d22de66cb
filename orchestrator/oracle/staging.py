"""Programs that come and go while the network runs: by the configuration, at their times, or at once. Pure.

Like faults, it acts between rounds: a program begins, or is told to end, in the next round of the instant.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from qnode.errors import InvalidOperation
from qnode.ids import NodeName
from qnode.wire.items import Newcomer, Started, Stopped
from qnode.wire.messages import Staging, StartProgram, StopProgram

if TYPE_CHECKING:  # it makes one of these when it needs it
    from orchestrator.oracle.core import OracleCore

_Key = tuple[NodeName, str]


class Staged(msgspec.Struct, array_like=True, frozen=True):
    """A program that is started or stopped at a network time."""

    at_ns: int
    change: Staging


class Stage:
    """What has been started and stopped since the beginning, for nodes that begin again, and what is still to be."""

    def __init__(self, core: OracleCore) -> None:
        self._core = core
        self._to_come: dict[_Key, int] = {}
        self._started: dict[_Key, Newcomer] = {}
        self._known: dict[_Key, Newcomer] = {}
        self._stopped: set[_Key] = set()

    def plan(self, schedule: Iterable[Staged]) -> None:
        """Each at its time."""
        for at_ns, change in ((one.at_ns, one.change) for one in schedule):
            node = NodeName(change.node)
            if isinstance(change, StartProgram):
                self._to_come[node, change.program.name] = at_ns
                self._core.time.appoint(at_ns, partial(self._start, node, change.program))
            else:
                self._core.time.appoint(at_ns, partial(self._stop, node, change.program))

    def check(self, change: Staging) -> None:
        """Raises InvalidOperation for what cannot be done now."""
        node = NodeName(change.node)
        name = change.program.name if isinstance(change, StartProgram) else change.program
        if node not in self._core.lives.current:
            nodes = ", ".join(sorted(self._core.lives.current))
            raise InvalidOperation(detail=f"there is no node {node!r}; there are: {nodes}")
        if node in self._core.lives.gone:
            raise InvalidOperation(detail=f"node {node} is gone: {self._core.lives.gone[node]}")
        runs, known = self._core.runs(node, name), self._core.programs_of(node)
        if (node, name) in self._to_come:
            raise InvalidOperation(
                detail=f"program {name} of node {node} has not begun: the configuration starts it at"
                f" {self._to_come[node, name]} ns"
            )
        if isinstance(change, StartProgram) and runs:
            raise InvalidOperation(detail=f"program {name} of node {node} runs already; stop it first")
        if isinstance(change, StartProgram) and not change.program.run and name not in known:
            raise InvalidOperation(detail=f"node {node} knows no program {name!r}: say what to run")
        if isinstance(change, StopProgram) and not runs:
            running = ", ".join(one for one in sorted(known) if self._core.runs(node, one)) or "none"
            raise InvalidOperation(detail=f"no program {name!r} runs at node {node}; those that do: {running}")

    def act(self, change: Staging) -> None:
        """Do what `check` lets pass, now."""
        node = NodeName(change.node)
        if isinstance(change, StartProgram):
            self._start(node, change.program)
        else:
            self._stop(node, change.program)

    def begin_again(self, node: NodeName) -> None:
        """A node that was lost begins with the programs of the beginning: tell it what has changed since."""
        time = self._core.time
        for program in [name for one, name in sorted(self._stopped) if one == node]:
            time.schedule(time.now_ns, node, Stopped(program))
        for spec in [spec for (one, _), spec in self._started.items() if one == node]:
            time.schedule(time.now_ns, node, Started(spec))

    def _start(self, node: NodeName, program: Newcomer) -> None:
        key = node, program.name
        if not program.run:  # as before; if that was not told here, its node knows it from the configuration
            program = self._known.get(key, program)
        self._to_come.pop(key, None)
        self._known[key] = self._started[key] = program
        self._core.begin_program(node, program.name, keeps_alive=not program.service)
        if node not in self._core.lives.gone:  # else it is started with the node's next life, if there is one
            self._core.operations.log("program_started", node, program=program.name)
            self._core.time.schedule(self._core.time.now_ns, node, Started(program))

    def _stop(self, node: NodeName, program: str) -> None:
        of_the_beginning = self._started.pop((node, program), None) is None
        self._stopped.add((node, program))  # late or not: its node sets slots aside for it at its beginning
        if self._core.end_program(node, program):
            self._core.time.schedule(self._core.time.now_ns, node, Stopped(program))
            if of_the_beginning and not self._core.has_begun(node):  # told so at its beginning, it does not begin it
                self._core.end_unbegun(node, program)
