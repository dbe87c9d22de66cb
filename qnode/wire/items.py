"""What a grant brings to a node: outcomes, halves of pairs, messages, qubits, light, and what went wrong."""

from __future__ import annotations

import msgspec


class Outcomes(msgspec.Struct, array_like=True, tag=60, frozen=True):
    request: int
    outcomes: tuple[int, ...]


class DirectOutcomes(msgspec.Struct, array_like=True, tag=69, frozen=True):
    """This end's outcomes of a MeasureDirectly, packed as `qnode.wire.bits` does."""

    request: int
    outcomes: bytes


class Paired(msgspec.Struct, array_like=True, tag=61, frozen=True):
    """One half of a new pair, delivered as Phi+; `fidelity` is what the link's model expects of it at this end now."""

    request: int
    pair: str
    qubit: str
    fidelity: float = 1.0


class Message(msgspec.Struct, array_like=True, tag=62, frozen=True):
    peer: str
    peer_program: str
    program: str
    channel: str
    about: str
    payload: bytes
    digest: bytes
    size: int
    number: int = 0


class Arrived(msgspec.Struct, array_like=True, tag=63, frozen=True):
    """A qubit came over the quantum link."""

    peer: str
    program: str
    qubit: str


class Failed(msgspec.Struct, array_like=True, tag=64, frozen=True):
    """An operation of a report could not be done (op, the how-manieth of step), or a request will not be served."""

    op: int | None
    request: int | None
    code: str
    fields: dict[str, str | int]
    step: int = 0


class Expired(msgspec.Struct, array_like=True, tag=65, frozen=True):
    """The other half of a pair that this node holds a half of was discarded at its cut-off."""

    pair: str
    qubit: str


class Lost(msgspec.Struct, array_like=True, tag=66, frozen=True):
    """Another node is gone. Its life `incarnation` is over; whoever waits for it waits in vain."""

    peer: str
    incarnation: int
    reason: str


class Back(msgspec.Struct, array_like=True, tag=67, frozen=True):
    """A node that was lost has begun again: from now on, whoever names it means its life `incarnation`."""

    peer: str
    incarnation: int


class LinkDown(msgspec.Struct, array_like=True, tag=70, frozen=True):
    """The quantum link to a neighbour is broken: it makes no pairs and carries nothing. Messages still pass."""

    peer: str


class LinkUp(msgspec.Struct, array_like=True, tag=71, frozen=True):
    """The quantum link to a neighbour, which was broken, is whole again."""

    peer: str


class Emitted(msgspec.Struct, array_like=True, tag=72, frozen=True):
    """All pulses of a train have left, the first at start_ns."""

    request: int
    start_ns: int
    period_ps: int


class Clicked(msgspec.Struct, array_like=True, tag=73, frozen=True):
    """What was seen of a train of n pulses, and when its first gate was.

    `marks` has a byte for each gate, or, if `sparse`, the gates that clicked as little-endian uint32, then a byte for
    each of these. `offsets` has an int16 for each click, by how many `unit_ps` it is off; empty: by nothing.
    """

    request: int
    peer: str
    n: int
    first_ns: int
    period_ps: int
    sparse: bool
    marks: bytes
    offsets: bytes = b""
    unit_ps: int = 1


class Tapped(msgspec.Struct, array_like=True, tag=74, frozen=True):
    """A train is at the node that sits on its link, which decides what becomes of it."""

    light: str
    sender: str
    receiver: str
    n: int
    first_ns: int
    period_ps: int


class Tampered(msgspec.Struct, array_like=True, tag=75, frozen=True):
    """What came of a Tamper: the name of light that was kept, or what was counted or seen."""

    request: int
    light: str = ""
    sparse: bool = False
    data: bytes = b""


class Newcomer(msgspec.Struct, array_like=True, frozen=True):
    """A program that begins while the network runs: as `ProgramSpec`, its arguments packed like a payload.

    With an empty `run` it is what its node knows by that name.
    """

    name: str
    run: str = ""
    args: bytes = b""
    service: bool = False
    memories: tuple[int, int] = (0, 0)


class Started(msgspec.Struct, array_like=True, tag=78, frozen=True):
    """A program is to run here from now on."""

    program: Newcomer


class Stopped(msgspec.Struct, array_like=True, tag=79, frozen=True):
    """A program is to run no more: its tasks are cancelled."""

    program: str


Item = (
    Outcomes
    | DirectOutcomes
    | Paired
    | Message
    | Arrived
    | Failed
    | Expired
    | Lost
    | Back
    | LinkDown
    | LinkUp
    | Emitted
    | Clicked
    | Tapped
    | Tampered
    | Started
    | Stopped
)
