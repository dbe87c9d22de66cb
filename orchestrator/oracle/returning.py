"""Processes that come back to a run, and those that take the place of one that is lost: what each has to be told."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from orchestrator.oracle import records
from orchestrator.oracle.core import OracleCore
from orchestrator.oracle.spec import RESUME, OracleSpec
from qnode.errors import InvalidOperation, NotTheSame, QnodeError
from qnode.ids import NodeName
from qnode.runtime.logs import format_time
from qnode.transport.server import Server
from qnode.wire.grants import frames_of
from qnode.wire.messages import TO_BE_TOLD, Book, Part, Report, encode

Lived = Mapping[NodeName, int]
"""How many steps of each of its nodes a process has behind it."""


_NOTHING: Final = encode(Book({}))


class Returning:
    """What the oracle knows of processes whose connection, or whose whole process, was lost.

    Attributes:
        begun: Whether all nodes were there at once: only then is there anything to come back to.
    """

    def __init__(self, spec: OracleSpec, core: OracleCore, server: Server) -> None:
        self.begun = False
        self._spec = spec
        self._core = core
        self._server = server
        self._returned: set[bytes] = set()
        server.incarnations = spec.incarnations
        server.admits = self._admits

    def _admits(self, nodes: frozenset[str]) -> bool:
        """Whether another process may take the place of the one that had these nodes."""
        if not self._spec.followed and not self.begun and not any(map(self.is_there, nodes)):
            return True
        return self._spec.clock == "virtual" and all(self._spec.restart.get(node) == RESUME for node in nodes)

    def is_there(self, node: str) -> bool:
        """By saying something that says nothing: a connection that is gone takes nothing any more."""
        connection = self._server.connection_of.get(node)
        return connection is not None and self._server.send(connection, [_NOTHING])

    def come(self, connection: bytes) -> Lived:
        """A process has greeted that may have missed something; a new one goes through what is recorded of its nodes.

        One that cannot is refused, with the reason.
        """
        greeted = [(NodeName(name), life) for name, life in self._server.hellos[connection].nodes]
        lived = {name: self._core.step_of(name) for name, _ in sorted(greeted) if name in self._spec.programs}
        if lived:
            self._returned.add(connection)
        if any(lived.values()) and any(life == TO_BE_TOLD for _, life in greeted):
            try:
                return self._resume(connection, lived)
            except QnodeError as error:
                self._server.refuse(connection, error)
                return {}
        return lived

    def go_on(self, connection: bytes, lived: Lived) -> None:
        """What it was granted and has not answered is granted again: it may not know of it."""
        for node, steps in lived.items():
            grant = self._core.granted_to(node)
            if grant is not None and grant.step == steps:
                self._server.send(connection, frames_of(grant, encode(grant)))

    def begin_again(self, connection: bytes) -> None:
        """On the real clock: its nodes are told to begin, unless they have."""
        self._returned.add(connection)
        for node in sorted(map(NodeName, self._server.nodes_of[connection])):
            grant = self._core.granted_to(node)
            if grant is not None:
                self._server.send(connection, frames_of(grant, encode(grant)))

    def repeated(
        self, connection: bytes, message: Part | Report, frame: bytes, frames: Mapping[NodeName, list[bytes]]
    ) -> None:
        """Something came that had come before. Whoever has had to connect again cannot know that.

        Args:
            frames: What has come in this round so far.
        Raises:
            NotTheSame: If another process of the node said something else in its place, and must not go on from that.
        """
        came = frames.get(NodeName(message.node), [])
        if isinstance(message, Part):
            own = message.step == self._core.step_of(NodeName(message.node)) + 1 or frame in came
            what, same = "a part that came before", not own or frame in came
        else:
            own = bool(came) and message.step == self._core.step_of(NodeName(message.node))
            what, same = "a report that came before", not own or frame == came[-1]
        if not same:
            raise NotTheSame(node=message.node, step=message.step, time=format_time(self._core.time.now_ns))
        if connection not in self._returned:
            self._server.refused[what] += 1

    def _resume(self, connection: bytes, nodes: Collection[NodeName]) -> Lived:
        """Let a new process go through all that the record has of these nodes."""
        for node in nodes:
            if self._spec.restart.get(node) != RESUME:
                raise InvalidOperation(detail=f"node {node} was lost, and does not say `restart: resume`")
        for holds, why in (
            (self._core.reproducible, "something from outside the run has entered it, and cannot be had again"),
            (self._core.resumable, "a function outside the loop returned what the record cannot hold"),
        ):
            if not holds:
                raise InvalidOperation(detail=f"it was lost, and cannot be resumed: {why}")
        lived = dict.fromkeys(nodes, 0)
        for name, frames in records.past_of(self._spec, {node: self._core.lives.current[node] for node in nodes}):
            lived[NodeName(name)] += 1
            self._server.send(connection, frames)
        return lived
