"""What the network stacks of nodes tell each other: arrays in MessagePack, in the payloads of classical messages.

A *link pair* is a pair of two neighbours, by its `PairId`; a *circuit* the way that an end-to-end request takes through
the network, named "alice>dave#3" for the fourth that alice opened to dave. Frames are numbers, 2 z + x of a BellState,
so that adding them is XOR. Vectors are probabilities of the four Bell states in that order.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from qnode.errors import MalformedMessage
from qnode.wire.unreadable import UNREADABLE

STACK: Final = "~stack"
"""The program that stacks speak as; no program of a configuration can have that name."""

MOST_URGENT: Final = 1000
"""Priorities are whole numbers from minus this to this."""

Vector = tuple[float, float, float, float]


class LinkFacts(msgspec.Struct, array_like=True, frozen=True):
    """What a node knows of one of its links.

    Attributes:
        peer: The node at the other end.
        delay_ns: Of light and messages over it, one way.
        attempt_ns: From the beginning of an attempt at a pair to that of the next; 0: as many at once as are wanted.
        success: The probability that an attempt succeeds, in (0, 1].
        made_ns: From the beginning of the attempt that succeeds until both ends may use their halves.
        vector: Of a pair at its birth, as if corrected to Phi+ at once, by a gate that may fail; averaged over what can
            be heralded, and over which end corrects.
        aged_ns: How old this node's half, and the peer's, is when it may be used, averaged alike.
    """

    peer: str
    delay_ns: int
    attempt_ns: int
    success: float
    made_ns: int
    vector: Vector = (1.0, 0.0, 0.0, 0.0)
    aged_ns: tuple[int, int] = (0, 0)


class NodeFacts(msgspec.Struct, array_like=True, frozen=True):
    """What a node tells of itself, for others to reckon with.

    Attributes:
        slots: Memory slots where pairs arrive.
        t1_ns, t2_ns: Of these; infinite if they are never noticed.
        mixing: Of a Bell measurement or a CNOT: the probability that it leaves its two qubits fully mixed.
        flip: The probability that one bit is read wrongly.
        swap_ns: How long a Bell measurement takes.
        single: The total probability of a Pauli after a gate of one qubit, as a correction is.
    """

    slots: int
    t1_ns: float
    t2_ns: float
    mixing: float = 0.0
    flip: float = 0.0
    swap_ns: int = 0
    single: float = 0.0


class LinkState(msgspec.Struct, array_like=True, frozen=True):
    """All that a node announces; a later one, by (life, number), takes the place of an earlier."""

    node: str
    life: int
    number: int
    facts: NodeFacts
    links: tuple[LinkFacts, ...]


class StackSpec(msgspec.Struct, array_like=True, frozen=True):
    """How the stack of a node works; the same at all nodes of a network.

    Attributes:
        swap: When repeaters swap: "asap", "sequential" (from the requester on) or "nested" (doubling).
        metric: What routes are short in: "hops", "time" or "fidelity".
        cutoff_ns: How long a repeater stores a half that waits for its partner; None: as its memory says.
        window: How many pairs a request may have under way at once.
        swap_success: The probability that a Bell measurement of a repeater succeeds.
        distillation: "dejmps" or "bbpssw", where a request needs it; "none": such requests are refused.
        flood: Whether link states are announced to everybody, or asked for by whoever needs a route.
        head_start_ns: A request gets memory before those of one priority less that were made up to so much earlier.
    """

    swap: str = "asap"
    metric: str = "hops"
    cutoff_ns: int | None = None
    window: int = 2
    swap_success: float = 1.0
    distillation: str = "dejmps"
    flood: bool = True
    head_start_ns: int = 1_000_000_000


class Scheme(msgspec.Struct, array_like=True, frozen=True):
    """How one good pair is made of several: `steps` rounds of two to one, so of 2**steps pairs; or, `pumping`, one pair
    that takes in `steps` fresh ones, one after the other. No steps: pairs are taken as they come.
    """

    steps: int = 0
    pumping: bool = False

    @property
    def slots(self) -> int:
        """The least number of memory slots that it takes at each end, with that of the pair that is being made."""
        return min(self.steps, 1) + 1 if self.pumping else self.steps + 1


# ---------------------------------------------------------------- routing


class Announce(msgspec.Struct, array_like=True, tag=1, frozen=True):
    """Link states that the sender has learnt, all of one instant in one message. The first one wakes a stack.

    Without any, it is a question: the sender knows too little, and the receiver is to tell it all that it knows.
    """

    states: tuple[LinkState, ...]


class Seek(msgspec.Struct, array_like=True, tag=2, frozen=True):
    """A node, in this life of it, wants to know its part of the network, for the how-manieth time.

    Whoever hears of it passes it on to its neighbours, and answers the node that seeks.
    """

    source: str
    life: int
    number: int


class Found(msgspec.Struct, array_like=True, tag=3, frozen=True):
    """The answer to a Seek, from each node that it comes to, directly: the sender and its links."""

    life: int
    number: int
    state: LinkState


# ---------------------------------------------------------------- between the ends of a request


class Terms(msgspec.Struct, array_like=True, frozen=True):
    """What a request asks for besides pairs.

    Attributes:
        rate: Pairs a second of network time that it needs at least; 0: whatever there is.
        route: The way that it is to take, from the sender on; () if any will do.
        from_ns, to_ns: The time for which memories are reserved for it; 0 and 0: it begins when it can.
    """

    rate: float = 0.0
    route: tuple[str, ...] = ()
    from_ns: int = 0
    to_ns: int = 0


class Wanted(msgspec.Struct, array_like=True, tag=10, frozen=True):
    """A program of the sender wants pairs with the receiver's of the same name and tag.

    Told to the one of the two nodes whose name comes first, which decides what meets what; and by that to the other, if
    it is the requester: that is who asked earlier, by (`at_ns`, name). `met` is then the receiver's request. Only those
    of one `kind` meet: "keep", or "measure", when halves are measured as soon as they are there. `spare`:
    how many slots the program could have besides those for its halves, for pairs that are distilled.
    """

    number: int
    program: str
    tag: str
    n: int
    min_fidelity: float
    at_ns: int
    kind: str = "keep"
    met: int = 0
    priority: int = 0
    terms: Terms = Terms()
    spare: int = 0


class Void(msgspec.Struct, array_like=True, tag=11, frozen=True):
    """The sender's request of this number is withdrawn, or has come to nothing.

    From the node that decides, it had met the receiver's `met`, which is to wait for another.
    """

    number: int
    met: int = 0


class Refused(msgspec.Struct, array_like=True, tag=12, frozen=True):
    """A request that met one of the receiver's will not be served: `number` is the receiver's.

    From a node on the way, `circuit` cannot be set up.
    """

    number: int
    code: str
    fields: dict[str, str | int]
    circuit: str = ""


# ---------------------------------------------------------------- circuits: along the route, from node to node


class Setup(msgspec.Struct, array_like=True, tag=20, frozen=True):
    """Take part in a circuit along this route, if there are memories for it.

    Attributes:
        number, far_number: The requester's request that it serves, and that of the far end.
        n: How many pairs are wanted of it; 0: until it is released.
        window: How many may be under way at once; nodes lower it to what they have.
        since_ns: When the request was made: who asked earlier, is served earlier. Below 0 once some of it was served.
        facts: Of the requester.
        schemes, nodes: What is done to the pairs of each link before they are swapped, and the facts of all nodes of
            the route; empty: nothing.
        key: Of the draws that the ends of a link, or of the route, share.
        ends: What both ends do to the pairs that they get.
        delays_ns: Of messages over each link, if the ends do something.
        kind: That of the requests.
        priority: The higher one of both.
        rates: How many pairs a second each link is to make for it, in the order of the route; empty: as it comes.
        from_ns, to_ns: As of `Terms`.
        attempt: The how-manieth time that the requester asks: each counts once, however often it comes.
    """

    circuit: str
    route: tuple[str, ...]
    number: int
    far_number: int
    n: int
    window: int
    since_ns: int
    facts: NodeFacts
    schemes: tuple[Scheme, ...] = ()
    nodes: tuple[NodeFacts, ...] = ()
    key: bytes = b""
    kind: str = "keep"
    priority: int = 0
    rates: tuple[float, ...] = ()
    from_ns: int = 0
    to_ns: int = 0
    ends: Scheme = Scheme()
    delays_ns: tuple[int, ...] = ()
    attempt: int = 0


class Granted(msgspec.Struct, array_like=True, tag=21, frozen=True):
    """All from here to the far end take part. Goes back along the route, and pairs are made from then on.

    `facts` are those of the far end.
    """

    circuit: str
    window: int
    facts: NodeFacts


class Busy(msgspec.Struct, array_like=True, tag=22, frozen=True):
    """A node has no memories for it now, or not for it before others; it will say `Free` to the requester.

    Goes back along the route, and all on the way give back what they took. `node` is empty if the far end does not know
    the request; `attempt` is that of the Setup.
    """

    circuit: str
    node: str
    attempt: int = 0


class Free(msgspec.Struct, array_like=True, tag=23, frozen=True):
    """It has memories for it now; none that asks later gets them before it, but a circuit that runs may."""

    circuit: str


class Close(msgspec.Struct, array_like=True, tag=24, frozen=True):
    """The circuit is over: to all that know of it, directly. It may overtake what was sent along the route."""

    circuit: str


class Down(msgspec.Struct, array_like=True, tag=25, frozen=True):
    """The circuit is broken somewhere: to both of its ends, directly."""

    circuit: str
    reason: str


# ---------------------------------------------------------------- pairs of a circuit, along the route


class Track(msgspec.Struct, array_like=True, tag=30, frozen=True):
    """Follows a pair from one end to the other: `pair` is the link pair of which the receiver has, or had, a half.

    Attributes:
        number: Of the end-to-end pair, as the requester counts; -1 on the way to the requester.
        origin: The link pair at the end where it started.
        frame: Of all swaps on its way.
        vector: What is to be expected of what has been joined so far, without what storing does to its ends.
        since_ns: From when on the half where it started has been stored.
        known_ns: When both ends know of all that it has met, at the earliest.
    """

    circuit: str
    pair: str
    number: int
    origin: str
    frame: int
    vector: Vector
    since_ns: int
    known_ns: int = 0


class Expire(msgspec.Struct, array_like=True, tag=31, frozen=True):
    """The receiver's half of this link pair, or what it was joined to, has lost its other end."""

    circuit: str
    pair: str


class Joined(msgspec.Struct, array_like=True, tag=32, frozen=True):
    """The receiver's half of this link pair reaches as far as the node at that place of the route (nested swaps)."""

    circuit: str
    pair: str
    place: int


class Settle(msgspec.Struct, array_like=True, tag=33, frozen=True):
    """A circuit is broken, and these pairs of it are whole as far as the sender knows: between the ends, directly.

    `pairs` has for each number the receiver's link pair and the frame; `answer` if the receiver has asked. `expected`
    has what the sender expects of a pair, and for when.
    """

    circuit: str
    pairs: dict[int, tuple[str, int]]
    answer: bool = False
    expected: dict[int, tuple[Vector, int]] = {}


class Missing(msgspec.Struct, array_like=True, tag=34, frozen=True):
    """No end-to-end pair will have this number: from the requester to the other end, if they distil."""

    circuit: str
    number: int


# ---------------------------------------------------------------- distillation, between two nodes that share pairs


class Parity(msgspec.Struct, array_like=True, tag=40, frozen=True):
    """What the sender has measured of a target pair; None: nothing, for a half has been lost.

    `control` and `target` are the numbers of the two pairs, among those of the circuit that sender and receiver share.
    Each pair is a target once at most, so that this names the step.
    """

    circuit: str
    control: int
    target: int
    bit: Literal[0, 1] | None


Talk = (
    Announce
    | Seek
    | Found
    | Wanted
    | Void
    | Refused
    | Setup
    | Granted
    | Busy
    | Free
    | Close
    | Down
    | Track
    | Expire
    | Joined
    | Settle
    | Missing
    | Parity
)

encode_talk = msgspec.msgpack.Encoder().encode
_talk = msgspec.msgpack.Decoder(Talk)


def decode_talk(data: bytes) -> Talk:
    """Raises MalformedMessage."""
    try:
        return _talk.decode(data)  # type: ignore[no-any-return]
    except UNREADABLE as error:
        raise MalformedMessage(detail=f"not a message of a stack: {error}") from None
