"""Frames that are nearly right: real ones, with bytes, fields, types, lengths or depths changed. All by a seed."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Final, get_args

import msgpack
import msgspec

from qnode.wire import messages
from qnode.wire.items import Message
from qnode.wire.messages import (
    PROTOCOL_VERSION,
    Command,
    Direct,
    Ended,
    Farewell,
    Finish,
    Go,
    Gone,
    Grant,
    Hello,
    Hold,
    Look,
    Meddle,
    Parcel,
    Part,
    Pause,
    Ping,
    Received,
    Report,
    Shown,
    Steer,
    Stop,
    Stored,
    Waits,
    Wake,
    encode,
)
from qnode.wire.operations import (
    Apply,
    ApplyUnitary,
    Discard,
    Entangle,
    Executed,
    Expire,
    FixBases,
    Local,
    Mark,
    Measure,
    MeasureDirectly,
    Move,
    Note,
    Op,
    Receive,
    ReceivePulses,
    Reset,
    Send,
    SendPulses,
    Tamper,
    Told,
    Transfer,
    Withdraw,
)
from tests.hostile.worlds import HADAMARD, HALF, LIGHT, MINE, NEVER, OTHERS, SENT, zero
from tests.oracle.cores import ALICE, BOB, CAROL

TOKEN: Final = b"the token of this run"
DEEP: Final = 2_000
SOON_NS: Final = 10**6

OPS: Final[tuple[Op, ...]] = (
    Entangle(40, "main", BOB, "", 1, 0.5),
    Withdraw(4),
    MeasureDirectly(Entangle(41, "main", BOB, "", 8, 0.0), "", b"\x12\x34"),
    FixBases(6, "z"),
    zero("alice.70", "alice.71"),
    Apply("rx", (MINE,), (0.3,), SOON_NS),
    Apply("cnot", (MINE, HALF), (), SOON_NS),
    ApplyUnitary(HADAMARD, (HALF,), SOON_NS),
    Measure(42, (MINE, HALF), "x", True, SOON_NS, SOON_NS + 100),
    Reset(MINE, SOON_NS),
    Discard((HALF,), SOON_NS),
    Transfer("main", MINE, BOB, SOON_NS),
    Move(MINE, 1, SOON_NS),
    Expire(HALF, SOON_NS),
    Send("main", BOB, "main", "c", "alice~bob#0", b"hello", b"", 5),
    Receive(0, BOB, "main", "", "", 0, 5),
    Mark("main", "seen", "alice.72", zero("alice.72")),
    Note("main", "n", b"\x01"),
    Executed(b"\xc0"),
    Local("gate", (NEVER,), SOON_NS, "rx", (0.5,), (1,)),
    Told("swap", "~stack", 1, "alice~bob#0 alice~bob#1", BOB, 1, "alice>bob#0", "", (HALF,)),
    SendPulses(43, "main", BOB, "", 1000, bytes(8)),
    ReceivePulses(44, "main", BOB, "", b"", (0.5, 0.25, 0.25)),
    Tamper(45, LIGHT, "measure", 0.5, b"\xff", bytes(8), bytes(8)),
)
MESSAGE: Final = Message(ALICE, "main", "main", "", "", b"\xc0", b"", 1)
COMMANDS: Final[tuple[Command, ...]] = (Go(5), Pause(), Look(), Hold(BOB, 2), Meddle(ALICE, BOB, "c", 5))
OTHER_FRAMES: Final = (
    Hello(PROTOCOL_VERSION, TOKEN, "node", ((ALICE, 0),), bytes(16), {"version": "1"}, "ipc:///x"),
    Part(ALICE, 0, 3, 0, OPS[:3]),
    Wake(ALICE, 0),
    Farewell(ALICE, 0, (Waits("main", "receive", "x.py:1"),), 1, 2, 3, 4, 5, 6, {"x": 1}, {"main": BOB}),
    Shown(ALICE, 0, (zero("alice.80"),)),
    Ping(7),
    Finish("interrupted", {BOB: "gone"}),
    *(Steer(n, one) for n, one in enumerate(COMMANDS)),
    Grant(ALICE, 3, 50, (MESSAGE,)),
    Stop("done", 5, {BOB: "gone"}),
    Parcel(TOKEN, ALICE, BOB, bytes(32), b"x" * 100),
    Gone({BOB: "killed"}),
    Stored(bytes(32)),
    Direct(TOKEN, ALICE, BOB, 1, 0, MESSAGE),
    Received(5),
)

NAMES: Final = (ALICE, BOB, CAROL, MINE, HALF, SENT, LIGHT, *OTHERS.values(), "alice~bob#1@alice", "main", "", "oracle")
NUMBERS: Final = (-(2**63), -1, 0, 1, 2, 3, 49, 50, 10**6, 2**31, 2**32, 2**63 - 1, 2**63, 2**64 - 1)
FLOATS: Final = (float("nan"), float("inf"), float("-inf"), 0.0, -0.0, 0.5, 1.0, 5e-324, 1.7e308)
TAGS: Final = tuple(range(1, 27)) + tuple(range(40, 50)) + tuple(range(60, 76)) + tuple(range(80, 88)) + (100, 120, 140)


def report(*ops: Op, step: int = 3) -> Report:
    return Report(ALICE, 0, step, 60, None, 0, ops, (), 1_000)


@cache
def corpus() -> tuple[bytes, ...]:
    """Good frames of every kind, and reports with each operation."""
    reports = [report(op) for op in OPS]
    reports += [report(*OPS), msgspec.structs.replace(report(), ended=(Ended("main", b""),))]
    return tuple(map(encode, [*reports, *OTHER_FRAMES]))


def covered() -> set[type]:
    """The kinds of operations and messages that the corpus has."""
    return {type(op) for op in OPS} | {type(one) for one in OTHER_FRAMES} | {Report}


def kinds() -> set[type]:
    """All that travels to an oracle, or between nodes."""
    return {*get_args(Op), *get_args(messages.ToOracle), *get_args(messages.BetweenNodes)}


class Mutator:
    """Frames by a seed: the same seed, the same frames.

    Attributes:
        step: That of the report which the oracle waits for.
    """

    def __init__(self, seed: int) -> None:
        self.step = 3
        self._draw = random.Random(seed)
        self._frames = corpus()
        self._changes: Sequence[Callable[[bytes], bytes]] = (
            *([self._fields] * 12),
            self._as_it_is,
            self._flipped,
            self._cut,
            self._spliced,
            self._inserted,
            self._noise,
            self._nested,
        )

    def frame(self) -> bytes:
        """The next one."""
        draw = self._draw
        return draw.choice(self._changes)(draw.choice(self._frames))

    # ------------------------------------------------------------ bytes

    def _as_it_is(self, frame: bytes) -> bytes:
        return frame

    def _flipped(self, frame: bytes) -> bytes:
        changed = bytearray(frame)
        for _ in range(self._draw.randint(1, 4)):
            changed[self._draw.randrange(len(changed))] ^= 1 << self._draw.randrange(8)
        return bytes(changed)

    def _cut(self, frame: bytes) -> bytes:
        return frame[: self._draw.randrange(len(frame))]

    def _spliced(self, frame: bytes) -> bytes:
        other = self._draw.choice(self._frames)
        return frame[: self._draw.randrange(len(frame))] + other[self._draw.randrange(len(other)) :]

    def _inserted(self, frame: bytes) -> bytes:
        at = self._draw.randrange(len(frame) + 1)
        length = self._draw.choice((b"\xdd\xff\xff\xff\xff", b"\xdb\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff", b"\xc1"))
        return frame[:at] + self._draw.choice((length, self._draw.randbytes(3))) + frame[at:]

    def _noise(self, frame: bytes) -> bytes:
        return self._draw.randbytes(self._draw.randrange(64))

    def _nested(self, frame: bytes) -> bytes:
        """Deeper than anybody would follow."""
        deep = self._draw.choice((b"\x91", b"\x81\xa0", b"\xdd\x00\x00\x00\x01")) * self._draw.choice((50, DEEP))
        at = self._draw.randrange(len(frame))
        return frame[:at] + deep + b"\xc0" + frame[at + 1 :]

    # ------------------------------------------------------------ fields

    def _fields(self, frame: bytes) -> bytes:
        """Some of its fields are others: of another value, another type, another length, or not there."""
        tree = msgpack.unpackb(frame, strict_map_key=False)
        for _ in range(self._draw.choice((1, 1, 1, 2, 3))):
            self._change(tree)
        if self._draw.random() < 0.8 and len(tree) > 3 and tree[0] == 41:  # a report of the liar's own, at its time
            tree[1:4] = [ALICE, 0, self.step]
        return bytes(msgpack.packb(tree))

    def _change(self, tree: list[Any]) -> None:
        draw = self._draw
        target = tree
        while (lists := [one for one in target if isinstance(one, list) and one]) and draw.random() < 0.75:
            target = draw.choice(lists)
        if not target:
            return
        at = draw.randrange(len(target))
        match draw.randrange(24):
            case 0:
                del target[at]
            case 1:
                target.insert(at, self._value(target[at]))
            case 2:
                target.append(target[at])
            case 3 if target is not tree:
                target[0] = draw.choice(TAGS)
            case 4:
                target[at] = msgpack.unpackb(draw.choice(self._frames), strict_map_key=False)
            case 5:
                target[at] = [target[at]] * draw.choice((0, 1, 2, 300))
            case 6:
                target[at] = self._value(None)
            case _:
                target[at] = self._value(target[at])

    def _value(self, like: Any) -> Any:
        """A strange value, of the same type if that is a type of ours."""
        draw = self._draw
        match like:
            case bool():
                return not like
            case int():
                return draw.choice(NUMBERS)
            case float():
                return draw.choice(FLOATS)
            case str():
                return draw.choice((*NAMES, "\x00", "\u0663", "x" * 5_000))
            case bytes():
                other = draw.randbytes(len(like))
                return draw.choice((b"", like[:-1], like + b"\xff", other, bytes(len(like)), b"x" * 5_000))
        return draw.choice((None, True, *NUMBERS, *FLOATS, *NAMES, b"x", [], {}, [[]], {"x": 1}))
