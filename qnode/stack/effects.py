"""What the state machines of a stack want done: the shell carries it out, in order; `Told` is for the event log."""

from __future__ import annotations

from typing import NamedTuple

from qnode.core.reservations import Booking
from qnode.ids import NodeName, PairId, QubitId
from qnode.quantum.circuits import Step
from qnode.wire.operations import Told
from qnode.wire.stack import Talk, Vector


class Half(NamedTuple):
    """A half of a link pair in a slot of this node, since `at_ns`.

    `vector`: what is to be expected of a pair that is or was distilled until then, of both halves; None: it is not.
    """

    pair: PairId
    qubit: QubitId
    at_ns: int
    vector: Vector | None = None


class Tell(NamedTuple):
    """Send a message to the stack of another node."""

    peer: NodeName
    talk: Talk


class Make(NamedTuple):
    """Ask the link to a neighbour for one more pair, for a circuit; `number` is to be told when it comes."""

    circuit: str
    peer: NodeName
    number: int = 0


class Unmake(NamedTuple):
    """Withdraw all that a circuit has asked the link to a neighbour for."""

    circuit: str
    peer: NodeName


class Swap(NamedTuple):
    """Measure two halves in the Bell basis; `Circuit.swapped` is to be told the outcome."""

    circuit: str
    left: Half
    right: Half


class Distil(NamedTuple):
    """Apply the gates to the halves of the control pair (0) and the target pair (1), and measure the latter in Z.

    `NetworkLayer.distilled` is to be told the outcome.
    """

    circuit: str
    peer: NodeName
    step: int
    control: Half
    target: Half
    gates: tuple[Step, ...]


class Correct(NamedTuple):
    """Correct a half by `frame` before anything else is done with it."""

    half: Half
    frame: int


class Read(NamedTuple):
    """Measure a half, for a request; `nth` says in which of its bases, -1 that all are alike.

    `NetworkLayer.read` is to be told when that is over. What has come out of it is for `Whole` or `Drop`.
    """

    circuit: str
    program: str
    request: int
    half: Half
    nth: int


class Drop(NamedTuple):
    """Discard a half: its other end knows, or is told by a message. Of one that is read, discard what comes of it."""

    circuit: str
    half: Half


class Whole(NamedTuple):
    """A pair from end to end: this end may have its half, once it has corrected it by `frame` (0: nothing to do).

    Its slot is `program`'s from now on. Of a half that is read it may have the outcome, corrected alike, which is the
    `nth` of all. `owed` is the frame that the other end corrects.
    """

    circuit: str
    program: str
    request: int
    number: int
    half: Half
    frame: int
    vector: Vector
    nth: int = -1
    owed: int = 0


class WakeAt(NamedTuple):
    """Call `Circuit.cut_off` with this pair then."""

    circuit: str
    pair: PairId
    at_ns: int


class Closed(NamedTuple):
    """A circuit is over at this node: so many slots of it are free."""

    circuit: str
    slots: int
    program: str


class Freed(NamedTuple):
    """Slots that were taken for a circuit are not needed; a program's, or nobody's."""

    circuit: str
    slots: int
    program: str


class SetAside(NamedTuple):
    """Set the slots of a booking aside once its time has come, and tell `NetworkLayer.slots_are_here`.

    `NetworkLayer.time_is_over` is to be told when it ends.
    """

    circuit: str
    booking: Booking


class GiveBack(NamedTuple):
    """A booking is over, whether its slots have been set aside or not; before that, they have been freed."""

    circuit: str
    booking: Booking


class Refuse(NamedTuple):
    """A program's request will not be served."""

    request: int
    code: str
    fields: dict[str, str | int]


Effect = (
    Tell
    | Make
    | Unmake
    | Swap
    | Distil
    | Correct
    | Read
    | Drop
    | Whole
    | WakeAt
    | Closed
    | Freed
    | SetAside
    | GiveBack
    | Told
    | Refuse
)
