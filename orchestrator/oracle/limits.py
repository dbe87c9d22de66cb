"""How much of everything one node may have of the oracle, so that a bad one does not starve the rest. Pure.

Each limit is far above what a sound program needs. What would go beyond one is refused to the node that asked, with an
error that names the limit and how to raise it; nobody else is told, or waits.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from qnode.errors import LimitExceeded
from qnode.ids import NodeName


class Limits(NamedTuple):
    """Of one node.

    Attributes:
        qubits: That exist at the oracle and are its own, those on their way to it included.
        component: In a joint state that it hands over: to check one takes the cube of that.
        operations: In one instant of network time.
        requests: That are open at the same time: for pairs, for outcomes, and for trains of pulses, each.
        pulses: Of its trains and readinesses that wait for the other end, or of light that it keeps.
        message_bytes: Of one classical message.
        queue_bytes: Of its classical messages that are on their way.
        notes_bytes: Of all that it has recorded.
        record_bytes: Of its reports in the record of the run.
    """

    qubits: int = 250_000
    component: int = 2_000
    operations: int = 2_000_000
    requests: int = 100_000
    pulses: int = 2**27
    message_bytes: int = 64 * 2**20
    queue_bytes: int = 2**30
    notes_bytes: int = 2**30
    record_bytes: int = 2**40


class Strangers(NamedTuple):
    """Of connections that say nothing sound.

    Attributes:
        connections: That have not said a good greeting; of more, those that have been there for longest are ended.
        refusals: Messages of one connection that are refused within a second of wall time; then it is ended.
    """

    connections: int = 2_000
    refusals: int = 10_000


WHAT: Final = Limits(
    qubits="qubits",  # type: ignore[arg-type]  # a name for each
    component="qubits in a joint state of its own",  # type: ignore[arg-type]
    operations="operations at one instant",  # type: ignore[arg-type]
    requests="open requests of one sort",  # type: ignore[arg-type]
    pulses="pulses that wait or are kept",  # type: ignore[arg-type]
    message_bytes="bytes in a message",  # type: ignore[arg-type]
    queue_bytes="bytes of messages on their way",  # type: ignore[arg-type]
    notes_bytes="bytes recorded",  # type: ignore[arg-type]
    record_bytes="bytes of reports",  # type: ignore[arg-type]
)


class Usage:
    """What nodes use of what they may.

    Args:
        of: The limits of each node.
    """

    def __init__(self, of: dict[NodeName, Limits], default: Limits = Limits()) -> None:  # noqa: B008  # it is frozen
        self._of = of
        self._default = default
        self._operations: dict[NodeName, int] = {}
        self._instant_ns = -1
        self._queued: dict[NodeName, int] = {}
        self._noted: dict[NodeName, int] = {}
        self._recorded: dict[NodeName, int] = {}

    def of(self, node: NodeName) -> Limits:
        """What a node may have."""
        return self._of.get(node, self._default)

    def check(self, node: NodeName, limit: str, value: int, program: str = "") -> None:
        """Raises LimitExceeded if a node would have more than it may."""
        most: int = getattr(self.of(node), limit)
        if value > most:
            what = str(getattr(WHAT, limit))
            raise LimitExceeded(node=node, limit=limit, value=value, most=most, what=what, program=program)

    def operations(self, node: NodeName, n: int, now_ns: int) -> int:
        """How many of n more operations a node may have done at this instant."""
        if now_ns != self._instant_ns:
            self._instant_ns = now_ns
            self._operations.clear()
        before = self._operations.get(node, 0)
        self._operations[node] = before + n
        return max(0, min(n, self.of(node).operations - before))

    def check_message(self, node: NodeName, size: int, program: str) -> None:
        """Whether a node may send a message of this size. Raises LimitExceeded."""
        queued = self._queued.get(node, 0) + size
        limits = self._of.get(node, self._default)
        if size > limits.message_bytes or queued > limits.queue_bytes:
            self.check(node, "message_bytes", size, program)
            self.check(node, "queue_bytes", queued, program)

    def sent(self, node: NodeName, size: int) -> None:
        """A message of a node's is on its way."""
        self._queued[node] = self._queued.get(node, 0) + size

    def arrived(self, node: str, size: int) -> None:
        """It is not on its way any more."""
        self._queued[NodeName(node)] = max(0, self._queued.get(NodeName(node), 0) - size)

    def note(self, node: NodeName, before: int, now: int, program: str) -> None:
        """A node records something in the place of what takes so many bytes. Raises LimitExceeded."""
        noted = self._noted.get(node, 0) - before + now
        self.check(node, "notes_bytes", noted, program)
        self._noted[node] = noted

    def report(self, node: NodeName, size: int) -> None:
        """A report is to enter the record. Raises LimitExceeded."""
        recorded = self._recorded.get(node, 0) + size
        if recorded > self._of.get(node, self._default).record_bytes:
            self.check(node, "record_bytes", recorded)
        self._recorded[node] = recorded
