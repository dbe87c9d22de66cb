"""The control protocol between nodes, the oracle and the cluster: typed, versioned, validated on arrival.

A node process *reports* what its nodes want done and is *granted* what comes next. One ZeroMQ message carries one
frame for each node of the process, so a process with many nodes still sends one message an instant:

    process -> oracle   Hello                          who is speaking, with the run's token
    oracle  -> process  Welcome | Refused
    process -> oracle   Part                           what a node wants done first, while it still runs
    process -> oracle   Report, Report, ...            a frame for each node that ran
    oracle  -> process  Grant, Grant, ...              a frame, or several, for each node that has something to do
    process -> oracle   Wake                           something from outside the emulator is waiting
    oracle  -> process  Stop                           the run is over
    process -> oracle   Farewell, Farewell, ...        what each node was still waiting for
    oracle  -> process  Goodbye                        it is kept: the process may end
    oracle  -> process  Past, Past, ...                what nodes of a lost process had lived through
    cluster -> oracle   Finish                         the run is to end now, with what there is
    cluster -> oracle   Gone                           processes of nodes have ended, and how
    oracle  -> process  Gone                           the same; and for which of them others are started
    oracle  -> cluster  Replace                        end a node's process; start it again as its next life
    cluster -> oracle   Steer                          pause, go on, or meddle with a run that is paused
    oracle  -> cluster  Steered, Paused                what came of it; network time stands still
    oracle  -> process  Show                           somebody looks at a paused run
    process -> oracle   Shown, Shown, ...              the states that each node computed by itself

All are arrays in MessagePack with a number for the type first. A change that an older peer cannot read raises
PROTOCOL_VERSION.
"""

from __future__ import annotations

from typing import Final, TypeVar

import msgspec

from qnode.errors import MalformedMessage, QnodeError, from_wire
from qnode.wire.faults import Fault
from qnode.wire.items import Failed, Item, Message, Newcomer
from qnode.wire.operations import Adopt, Op
from qnode.wire.unreadable import UNREADABLE

PROTOCOL_VERSION = 1
TO_BE_TOLD: Final = -1  # the incarnation of a process that is to be told in which life its nodes are
MAX_FRAME_BYTES = 64 * 2**20  # a longer frame is refused by the socket itself
MAX_RESULT_BYTES = 32 * 2**20  # of one result or record, packed: its report needs room besides
INLINE_PAYLOAD_BYTES = 64 * 2**10  # a longer payload goes from node to node, and its digest in the report
_ERROR_CHARS: Final = 1000  # of an error that others are told of

NEVER_NS: Final = 2**63 - 1
"""What is due then, or later, in 292 years, is never due: so `asyncio.sleep(math.inf)` waits for ever."""


class Ended(msgspec.Struct, array_like=True, frozen=True):
    """A program is over: with a packed result, or with a traceback.

    `lost` is the node whose loss ended it, by a PeerLost that it let pass. `stopped`: it was to run no more; it left
    `held` qubits and `unread` messages, which are gone.
    """

    program: str
    result: bytes
    failed: bool = False
    traceback: str = ""
    lost: str = ""
    stopped: bool = False
    held: int = 0
    unread: int = 0

    @property
    def error(self) -> str:
        """The error alone: the traceback's last line that says something; that of a group of errors draws lines too."""
        said = (line.strip(" |+-") for line in reversed(self.traceback.splitlines()))
        return next(filter(None, said), "")[:_ERROR_CHARS]


class Hello(msgspec.Struct, array_like=True, tag=40, frozen=True):
    """The first frame of every connection.

    Attributes:
        token: The run's secret, on ipc and loopback.
        role: "node", "cluster" or "steering".
        nodes: The names and incarnations that live behind it; TO_BE_TOLD if the process has not lived yet.
        session: Drawn by the process once: with it, a connection that was cut is taken up again.
        facts: What all processes of the run must agree on, each by its name, as a digest or a version.
        address: Where other processes reach this one.
        nth: Which connection of its session this is: of two, the later counts, in whatever order they come.
    """

    version: int
    token: bytes
    role: str
    nodes: tuple[tuple[str, int], ...]
    session: bytes = b""
    facts: dict[str, str] = {}
    address: str = ""
    nth: int = 0


class Report(msgspec.Struct, array_like=True, tag=41, frozen=True):
    """All that one node wants done in this round, and when it wants to run next.

    `heard` counts the refused operations that the node has learnt of since its last report. `parts` is how many parts
    went ahead of this report; their operations come before `ops`.
    """

    node: str
    incarnation: int
    step: int
    timer_ns: int | None
    background_ns: int | None
    flags: int
    ops: tuple[Op, ...]
    ended: tuple[Ended, ...] = ()
    heard: int = 0
    parts: int = 0


class Part(msgspec.Struct, array_like=True, tag=46, frozen=True):
    """The first operations of the report of this step, sent while the node still runs; `number` counts from 0.

    The oracle works on them meanwhile. Cutting a report changes nothing but that: what is executed, and in which order,
    is as if it had come in one piece.
    """

    node: str
    incarnation: int
    step: int
    number: int
    ops: tuple[Op, ...]


OUTSIDE = 1  # the node has open sockets: it may be woken from outside
NOT_REPRODUCIBLE = 2  # something from outside has entered
NOT_RESUMABLE = 4  # a result from outside the loop could not be packed


class Wake(msgspec.Struct, array_like=True, tag=42, frozen=True):
    """Something from outside waits for this node; it runs when granted."""

    node: str
    incarnation: int


class Waits(msgspec.Struct, array_like=True, frozen=True):
    """What one program was waiting for when the run ended, with file and line."""

    program: str
    what: str
    where: str


class Farewell(msgspec.Struct, array_like=True, tag=43, frozen=True):
    """The last frame of a node: what it was waiting for, and what was left over.

    `unread` counts messages that no program received, `held` qubits that programs still held when they returned, and
    `used` all that were ever in its memory. `lost` counts qubits that arrived in vain, by reason.
    `lateness_ns` and `clock_bound_ns` belong to the real clock: by how much something came too late at worst, and by
    how much the node's idea of network time may be off. `refused` counts frames that its process let nobody in with.
    `peer_lost` says which programs were ended by PeerLost, and by the loss of which node.
    """

    node: str
    incarnation: int
    waits: tuple[Waits, ...]
    unread: int
    held: int
    lateness_ns: int
    clock_bound_ns: int = 0
    refused: int = 0
    used: int = 0
    lost: dict[str, int] = {}
    peer_lost: dict[str, str] = {}


class Finish(msgspec.Struct, array_like=True, tag=45, frozen=True):
    """Whoever started the run wants it to end now, with what there is; `how` says why.

    `without` are nodes that are gone, and why: nobody need wait for their farewell.
    """

    how: str
    without: dict[str, str] = {}


class Gone(msgspec.Struct, array_like=True, tag=49, frozen=True):
    """The processes of these nodes have ended, and how: they will say nothing more.

    `lives`: which incarnations that were; what is told of an earlier one is no news. The oracle tells it to other
    processes, by whom nothing need be kept that was for these: for good, or, with `lives`, until the round is over.
    """

    nodes: dict[str, str]
    lives: dict[str, int] = {}


class Shown(msgspec.Struct, array_like=True, tag=47, frozen=True):
    """The joint states that a node computed by itself, for somebody who looks at a paused run.

    `too_long`: how many bytes they take, if that is more than can travel, and they are left out.
    """

    node: str
    incarnation: int
    components: tuple[Adopt, ...]
    too_long: int = 0


class Go(msgspec.Struct, array_like=True, tag=140, frozen=True):
    """Go on until network time would pass `until_ns`; None: to the end."""

    until_ns: int | None = None


class Pause(msgspec.Struct, array_like=True, tag=141, frozen=True):
    """Let nobody run any more, as soon as those that run now have reported."""


class Resume(msgspec.Struct, array_like=True, tag=146, frozen=True):
    """Go on after a Pause; a network time that a Go named still holds."""


class Hold(msgspec.Struct, array_like=True, tag=142, frozen=True):
    """From its step `step` on, let a node run no more, while network time goes on for the others."""

    node: str
    step: int = 0


class Release(msgspec.Struct, array_like=True, tag=143, frozen=True):
    """Let a held node run again: all that would have reached it meanwhile reaches it now."""

    node: str


class Meddle(msgspec.Struct, array_like=True, tag=144, frozen=True):
    """The next classical message on a channel comes `delay_ns` later than it would, or never (None)."""

    source: str
    target: str
    channel: str
    delay_ns: int | None


class StartProgram(msgspec.Struct, array_like=True, tag=148, frozen=True):
    """Start a program at a node."""

    node: str
    program: Newcomer


class StopProgram(msgspec.Struct, array_like=True, tag=149, frozen=True):
    """Stop a program of a node."""

    node: str
    program: str


class Look(msgspec.Struct, array_like=True, tag=145, frozen=True):
    """Show all joint states and who holds what."""


Staging = StartProgram | StopProgram
Change = Hold | Release | Meddle | Fault | Staging
Command = Go | Pause | Resume | Look | Change


class Steer(msgspec.Struct, array_like=True, tag=48, frozen=True):
    """A command to a run on the virtual clock, of whoever has its token. `number` comes back with the answer."""

    number: int
    command: Command


class Ping(msgspec.Struct, array_like=True, tag=44, frozen=True):
    """Clock comparison, for the real clock: answered at once with the oracle's network time.

    The answer also says that all has arrived that was sent before. `taken`: how many grants with items the process has
    had so far; over a new connection it is handed those behind them.
    """

    sent_ns: int
    taken: int = 0


# ---------------------------------------------------------------- oracle -> node process


class Welcome(msgspec.Struct, array_like=True, tag=80, frozen=True):
    """A greeting was good; `incarnations` says which life of each of its nodes the process is."""

    version: int
    incarnations: dict[str, int] = {}


class Refused(msgspec.Struct, array_like=True, tag=81, frozen=True):
    code: str
    fields: dict[str, str | int]


class Grant(msgspec.Struct, array_like=True, tag=82, frozen=True):
    """It is now_ns, this is what happened to you, run. `step` is that of the report it answers.

    `more`: the next frame of the same ZeroMQ message goes on with it.
    """

    node: str
    step: int
    now_ns: int
    items: tuple[Item, ...]
    more: bool = False


class Stop(msgspec.Struct, array_like=True, tag=83, frozen=True):
    """The run is over: say farewell and end.

    `lost` are nodes that failed, and why. Who waits for one of them is told so, as of network time `at_ns`.
    """

    reason: str
    at_ns: int = 0
    lost: dict[str, str] = {}


class Show(msgspec.Struct, array_like=True, tag=85, frozen=True):
    """Somebody looks at the paused run: send what you computed by yourself."""


class Book(msgspec.Struct, array_like=True, tag=86, frozen=True):
    """Where each node's process is reached by the others; told again when one comes back elsewhere.

    An address may have {oracle} for the host under which whoever reads it reaches the oracle.
    """

    addresses: dict[str, str]


class Goodbye(msgspec.Struct, array_like=True, tag=87, frozen=True):
    """The farewells are kept: the process may end."""


class Past(msgspec.Struct, array_like=True, tag=88, frozen=True):
    """A step that a node has gone through in a process that was lost: it goes through it again, and sends nothing.

    `content` is an encoded Step; `more`: the next frame of the same ZeroMQ message goes on with it.
    """

    node: str
    content: bytes
    more: bool = False


class Step(msgspec.Struct, array_like=True, frozen=True):
    """What a node was granted, encoded, and what it said to that: parts, then the report, as they travelled."""

    grant: bytes
    frames: tuple[bytes, ...]


class Pong(msgspec.Struct, array_like=True, tag=84, frozen=True):
    sent_ns: int
    network_ns: int


# ---------------------------------------------------------------- node <-> node, oracle -> cluster


class Parcel(msgspec.Struct, array_like=True, tag=100, frozen=True):
    """A payload that goes from node to node by itself; the receiver stores it before it acknowledges."""

    token: bytes
    source: str
    target: str
    digest: bytes
    payload: bytes


class Stored(msgspec.Struct, array_like=True, tag=101, frozen=True):
    digest: bytes


class Direct(msgspec.Struct, array_like=True, tag=102, frozen=True):
    """A classical message on the real clock, from node to node.

    Attributes:
        number: Of all that its source's process has sent, counted from 1.
        after: The number of the one before, of those to the same process; 0 if nothing that was before is to be waited
            for.
    """

    token: bytes
    source: str
    target: str
    number: int
    sent_ns: int
    message: Message
    after: int = 0


class Received(msgspec.Struct, array_like=True, tag=103, frozen=True):
    """The acknowledgement of a Direct message: the sender keeps it until then."""

    number: int


class Progress(msgspec.Struct, array_like=True, tag=120, frozen=True):
    """How far the run is, for whoever follows it."""

    now_ns: int
    steps: int


class RunEnded(msgspec.Struct, array_like=True, tag=121, frozen=True):
    """The end of the run as the oracle saw it; `summary` is packed like a payload.

    `more`: the next frame of the same ZeroMQ message goes on with it.
    """

    summary: bytes
    more: bool = False


class Replace(msgspec.Struct, array_like=True, tag=124, frozen=True):
    """What is left of the process of these nodes is to be ended, and a new one started for those that live on.

    `lives`: the incarnation of each node; -1: it has none any more.
    """

    lives: dict[str, int]


class Seen(msgspec.Struct, array_like=True, frozen=True):
    """All joint states at an instant, and the node of each qubit.

    `left`: what attempts at pairs that have begun since its state was computed leave of a qubit's X and Y.
    """

    owners: dict[str, str]
    components: tuple[Adopt, ...]
    left: dict[str, float] = {}


class Steered(msgspec.Struct, array_like=True, tag=122, frozen=True):
    """What came of a command: it is done, or `code` and `fields` say why not."""

    number: int
    code: str = ""
    fields: dict[str, str | int] = {}
    seen: Seen | None = None


class Paused(msgspec.Struct, array_like=True, tag=123, frozen=True):
    """Network time stands still at `at_ns`; `held` are the nodes that must be released before it can go on.

    `asked`: somebody asked for it by Pause, and it goes on with Resume.
    """

    at_ns: int
    held: tuple[str, ...] = ()
    asked: bool = False


ToOracle = Hello | Part | Report | Wake | Farewell | Shown | Ping | Finish | Gone | Steer
ToNode = Welcome | Refused | Book | Grant | Show | Stop | Goodbye | Past | Pong | Gone
ToCluster = Welcome | Refused | Progress | Replace | Steered | Paused | RunEnded
BetweenNodes = Parcel | Stored | Direct | Received

_FIELD_CHARS: Final = 10_000

encode = msgspec.msgpack.Encoder().encode

_to_oracle: msgspec.msgpack.Decoder[ToOracle] = msgspec.msgpack.Decoder(ToOracle)
_to_node: msgspec.msgpack.Decoder[ToNode] = msgspec.msgpack.Decoder(ToNode)
_to_cluster: msgspec.msgpack.Decoder[ToCluster] = msgspec.msgpack.Decoder(ToCluster)
_step: msgspec.msgpack.Decoder[Step] = msgspec.msgpack.Decoder(Step)
_between_nodes: msgspec.msgpack.Decoder[BetweenNodes] = msgspec.msgpack.Decoder(BetweenNodes)

_raw_fields: msgspec.msgpack.Decoder[list[msgspec.Raw]] = msgspec.msgpack.Decoder(list[msgspec.Raw])
_REPORT, _PART = bytes((41,)), bytes((46,))  # their tags, as they travel

_T = TypeVar("_T")


def _decode(decoder: msgspec.msgpack.Decoder[_T], frame: bytes) -> _T:
    try:
        return decoder.decode(frame)
    except (*UNREADABLE, RecursionError) as error:
        raise MalformedMessage(detail=f"a frame of {len(frame)} bytes is not a message: {error}") from None


def count_operations(frame: bytes) -> int:
    """How many operations a report or a part says that it has, without reading them; 0 for anything else.

    Raises MalformedMessage.
    """
    fields = _decode(_raw_fields, frame)
    place = {_REPORT: 7, _PART: 5}.get(bytes(fields[0])) if fields else None
    head = bytes(fields[place])[:5] if place is not None and place < len(fields) else b""
    if head[:1] in (b"\xdc", b"\xdd"):
        return int.from_bytes(head[1 : 3 if head[0] == 0xDC else 5], "big")
    return head[0] & 15 if head and head[0] & 0xF0 == 0x90 else 0


def decode_to_oracle(frame: bytes) -> ToOracle:
    """What a node process said. Raises MalformedMessage for anything else, and never executes what it reads."""
    return _decode(_to_oracle, frame)


def decode_to_node(frame: bytes) -> ToNode:
    """What the oracle said to a node process. Raises MalformedMessage."""
    return _decode(_to_node, frame)


def decode_to_cluster(frame: bytes) -> ToCluster:
    """What the oracle said to whoever started the run. Raises MalformedMessage."""
    return _decode(_to_cluster, frame)


def decode_step(content: bytes) -> Step:
    """What all frames of a Past say together. Raises MalformedMessage."""
    return _decode(_step, content)


def decode_between_nodes(frame: bytes) -> BetweenNodes:
    """What one node process said to another. Raises MalformedMessage."""
    return _decode(_between_nodes, frame)


def fields_of(error: QnodeError) -> dict[str, str | int]:
    """An error's fields as they travel: what somebody sent us does not go back at any length."""
    return {name: value[:_FIELD_CHARS] if isinstance(value, str) else value for name, value in error.fields.items()}


def error_of(message: Failed | Refused | Steered) -> QnodeError:
    """The error that a message carries."""
    return from_wire(message.code, message.fields)
