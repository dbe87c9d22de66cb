"""What a node wants done: the operations of its reports, in the order in which they are to be executed.

All are arrays in MessagePack with a number for the type first, as all messages are.
"""

from __future__ import annotations

import msgspec


class Entangle(msgspec.Struct, array_like=True, tag=1, frozen=True):
    """Ask for n Bell pairs with a peer; met by the peer's own request with the same program name and tag.

    Where a link makes one pair after the other, the higher `priority` comes first; the higher of both ends' counts.
    """

    request: int
    program: str
    peer: str
    tag: str
    n: int
    min_fidelity: float
    priority: int = 0


class Withdraw(msgspec.Struct, array_like=True, tag=2, frozen=True):
    """Take a request back; pairs of it that exist but were not delivered yet are discarded at this end."""

    request: int


class MeasureDirectly(msgspec.Struct, array_like=True, tag=20, frozen=True):
    """Ask for pairs that are measured at birth; met by the peer's own request, as an `Entangle` is by an `Entangle`.

    Either `basis` ("x", "y" or "z") for all of them, or `bases`, one for each, packed as `qnode.wire.bits` does; with
    neither, they come in a FixBases.
    """

    wanted: Entangle
    basis: str = ""
    bases: bytes = b""

    @property
    def request(self) -> int:
        return self.wanted.request


class FixBases(msgspec.Struct, array_like=True, tag=21, frozen=True):
    """The bases of a MeasureDirectly that came without."""

    request: int
    basis: str = ""
    bases: bytes = b""


class Adopt(msgspec.Struct, array_like=True, tag=3, frozen=True):
    """Move a local component to the oracle, in the same batch as the operation that needs it there.

    `clocks`: for each qubit the network time up to which its noise has been applied (-1: it does not age), and the kind
    of slot that it sits in; () if none of them ages.
    """

    qubits: tuple[str, ...]
    formalism: str
    data: bytes
    clocks: tuple[tuple[int, int], ...] = ()


class Apply(msgspec.Struct, array_like=True, tag=4, frozen=True):
    """A gate on qubits that the oracle holds, at a time on their timeline."""

    gate: str
    qubits: tuple[str, ...]
    params: tuple[float, ...]
    start_ns: int


class ApplyUnitary(msgspec.Struct, array_like=True, tag=5, frozen=True):
    """Any unitary, given as complex128 bytes of shape (2**n, 2**n), row by row."""

    unitary: bytes
    qubits: tuple[str, ...]
    start_ns: int


class Measure(msgspec.Struct, array_like=True, tag=6, frozen=True):
    """Measure qubits at start_ns; the outcomes are known at end_ns."""

    request: int
    qubits: tuple[str, ...]
    basis: str
    keep: bool
    start_ns: int
    end_ns: int


class Reset(msgspec.Struct, array_like=True, tag=7, frozen=True):
    qubit: str
    start_ns: int


class Discard(msgspec.Struct, array_like=True, tag=8, frozen=True):
    """Trace qubits out: nobody holds them any more."""

    qubits: tuple[str, ...]
    start_ns: int


class Transfer(msgspec.Struct, array_like=True, tag=9, frozen=True):
    """Send a qubit over the quantum link to a neighbour."""

    program: str
    qubit: str
    peer: str
    start_ns: int


class Move(msgspec.Struct, array_like=True, tag=16, frozen=True):
    """Bring a qubit into a slot of another kind."""

    qubit: str
    kind: int
    start_ns: int


class Expire(msgspec.Struct, array_like=True, tag=17, frozen=True):
    """A half of a pair was stored for as long as it may be: it is discarded, and the pair's other end is told."""

    qubit: str
    start_ns: int


class Send(msgspec.Struct, array_like=True, tag=10, frozen=True):
    """A classical message. A long payload went ahead: then payload is empty, digest names it, and size is its.

    `number` counts, from 0, what this node has sent to this peer. `sent_ns` is for the real clock, where the message
    goes from node to node and may be there before this is.
    """

    program: str
    peer: str
    peer_program: str
    channel: str
    about: str
    payload: bytes
    digest: bytes
    size: int
    number: int = 0
    sent_ns: int = 0


class Receive(msgspec.Struct, array_like=True, tag=15, frozen=True):
    """On the real clock a message came from its sender: nothing for the oracle to do but to log it."""

    at_ns: int
    peer: str
    program: str
    channel: str
    about: str
    number: int
    size: int


class Mark(msgspec.Struct, array_like=True, tag=11, frozen=True):
    """The observer may look at this qubit here. A local qubit comes with a copy of its component."""

    program: str
    label: str
    qubit: str
    state: Adopt | None


class Note(msgspec.Struct, array_like=True, tag=12, frozen=True):
    """A named value for the results table, packed as a payload."""

    program: str
    name: str
    value: bytes


class Executed(msgspec.Struct, array_like=True, tag=13, frozen=True):
    """What a function outside the loop came to: a replay need not execute it again.

    `how` says what is packed: "" a value, "scalar" one of NumPy's, "cancelled" nothing, for it never ran; else the
    class of an error that it raised, `module:name`, of which the arguments are packed.
    """

    result: bytes
    how: str = ""


class Local(msgspec.Struct, array_like=True, tag=14, frozen=True):
    """Something that a node did with its own qubits: nothing for the oracle to do but to log it."""

    event: str
    qubits: tuple[str, ...]
    start_ns: int
    gate: str = ""
    params: tuple[float, ...] = ()
    outcomes: tuple[int, ...] = ()


class Told(msgspec.Struct, array_like=True, tag=18, frozen=True):
    """What the network stack of a node has done: nothing for the oracle to do but to log it."""

    event: str
    program: str = ""
    request: int = 0
    pair: str = ""
    peer: str = ""
    n: int = 0
    name: str = ""
    detail: str = ""
    qubits: tuple[str, ...] = ()


class SendPulses(msgspec.Struct, array_like=True, tag=24, frozen=True):
    """Send a train of pulses to a neighbour, met by its ReceivePulses; `codes` has one byte for each pulse.

    A code is the bit, plus 2 times the basis (z 0, x 1, y 2), plus 8 times the class of its intensity. `period_ps` 0 is
    that of the link's source. `entangled`: the sender measures one photon of each pair itself, in these bases.
    """

    request: int
    program: str
    peer: str
    tag: str
    period_ps: int
    codes: bytes
    entangled: bool = False


class ReceivePulses(msgspec.Struct, array_like=True, tag=25, frozen=True):
    """Detect the next train of a neighbour: in given bases, a byte for each gate, or in bases drawn for each gate.

    `choice` has the probabilities of z, x and y, if there are no `bases`.
    """

    request: int
    program: str
    peer: str
    tag: str
    bases: bytes
    choice: tuple[float, ...]


class Tamper(msgspec.Struct, array_like=True, tag=26, frozen=True):
    """What the node that sits on a link does to a train, or to light that it has kept of one (`light`).

    `where` has a bit for each pulse, packed; empty: all of them. `codes` and `numbers` have a byte for each.
    """

    request: int
    light: str
    action: str
    value: float = 0.0
    where: bytes = b""
    codes: bytes = b""
    numbers: bytes = b""


Op = (
    Entangle
    | Withdraw
    | MeasureDirectly
    | FixBases
    | Adopt
    | Apply
    | ApplyUnitary
    | Measure
    | Reset
    | Discard
    | Transfer
    | Move
    | Expire
    | Send
    | Receive
    | Mark
    | Note
    | Executed
    | Local
    | Told
    | SendPulses
    | ReceivePulses
    | Tamper
)

# ---------------------------------------------------------------- node process -> oracle
