"""A request of a program of this node, from when it is asked for until it is over."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from qnode.errors import QnodeError
from qnode.ids import NodeName
from qnode.stack.circuits import Tally
from qnode.wire.stack import Wanted

_FIRST_NS: Final = 2**62


class Want:
    """A request of a program of this node.

    Attributes:
        peer: Whom the pairs are wanted with.
        at_once: How many pairs its program has room for at once.
        theirs: The peer's that it has met.
        route: Which it takes.
        circuit: What serves it.
        circuits: How many have.
        whole: How many of its pairs there are.
        by_number: Of a request whose halves are read: whether they are not all read alike.
        missing: Of such a request: which of its pairs there are not, once it has lost a circuit.
        tally: Of what came for it.
        waits: How often it has had to wait.
        waits_for: The node that is short of memory.
        waits_at: All nodes that may keep a place in a queue for its circuit; or slots, if its other end has closed it.
        freed: One of them has said `Free` before its `Busy` had come back along the route.
        avoid: Nodes on the way that have no memory for it in its time.
        state: "asked", "routing", "queued", "setting up", "reserved", "running", "settling".
    """

    __slots__ = (
        "asked", "at_once", "avoid", "by_number", "circuit", "circuits", "freed", "missing", "peer", "route", "state",
        "tally", "theirs", "waits", "waits_at", "waits_for", "whole",
    )  # fmt: skip

    def __init__(self, peer: NodeName, asked: Wanted, at_once: int) -> None:
        self.peer = peer
        self.at_once = at_once
        self.avoid: dict[str, QnodeError] = {}
        self.tally = Tally()
        self.waits = 0
        self.route: tuple[str, ...] = ()
        self.asked = asked
        self.theirs: Wanted | None = None
        self.circuit = ""
        self.circuits = 0
        self.whole = 0
        self.by_number = False
        self.missing: Sequence[int] | None = None
        self.waits_for = ""
        self.waits_at: set[str] = set()
        self.freed = False
        self.state = "asked"

    @property
    def since_ns(self) -> int:
        """Its age for admission. Whoever has some of its pairs comes first, for they keep slots until it has all."""
        return self.asked.at_ns - (_FIRST_NS if self.whole else 0)
