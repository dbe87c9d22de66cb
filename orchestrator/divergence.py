"""What a node did otherwise than its record says: the first thing that differs, in words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from orchestrator.text import shortened
from qnode.errors import MalformedMessage
from qnode.runtime.logs import format_time
from qnode.wire.messages import NOT_REPRODUCIBLE, NOT_RESUMABLE, OUTSIDE, Ended, Part, Report, decode_to_oracle
from qnode.wire.operations import Op
from qnode.wire.payload import unpack

_WIDEST: Final = 70
_PACKED: Final = ("payload", "value", "result")  # fields with what a program made
_ADDRESS: Final = re.compile(r"\b0x[0-9a-f]+\b")
_FLAGS: Final = {
    OUTSIDE: "waits for sockets, signals or processes of its own",
    NOT_REPRODUCIBLE: "was entered by something from outside",
    NOT_RESUMABLE: "ran a function in an executor that came to what cannot be recorded",
}


class Difference(NamedTuple):
    """`what` in words; `op` is the how-manieth operation of its report it is, from 0, if it is one that was issued."""

    what: str
    op: int | None = None


def first_difference(recorded: Sequence[bytes], now: Sequence[bytes]) -> Difference | None:
    """What the second of two answers to a grant does otherwise; None if they are the same.

    An error that ended a program is the same if its last line is: where files are, and at which addresses objects, is
    this machine's own.
    """
    if list(recorded) == list(now):
        return None
    was, now_is = _joined(recorded), _joined(now)
    return next(_differences(was, now_is), None)


def _joined(frames: Sequence[bytes]) -> Report:
    """Parts and report as one."""
    messages = [decode_to_oracle(frame) for frame in frames]
    report = messages[-1]
    if not isinstance(report, Report):
        raise AssertionError("the last frame of an answer is a report")
    ops = tuple(op for one in messages if isinstance(one, Part | Report) for op in one.ops)
    return msgspec.structs.replace(report, ops=ops, parts=0)


def _differences(was: Report, now: Report) -> Iterator[Difference]:
    yield from _of_operations(was.ops, now.ops)
    yield from _of_ends(was.ended, now.ended)
    for what, a, b in (
        ("it wanted to run again", was.timer_ns, now.timer_ns),
        ("in the background it wanted to run again", was.background_ns, now.background_ns),
    ):
        if a != b:
            yield Difference(f"{what} {_when(a)}, and now {_when(b)}")
    for flag, words in _FLAGS.items():
        if (was.flags ^ now.flags) & flag:
            yield Difference(f"it {words}, and did not before" if now.flags & flag else f"it no longer {words}")
    if was.heard != now.heard:
        yield Difference(f"its programs heard of {was.heard} refused operations, and now of {now.heard}")


def _of_operations(was: Sequence[Op], now: Sequence[Op]) -> Iterator[Difference]:
    for nth, (a, b) in enumerate(zip(was, now, strict=False)):
        if a == b:
            continue
        if type(a) is not type(b):
            yield Difference(f"operation {nth + 1} was {_words(a)}, and now is {_words(b)}", nth)
            continue
        fields = (
            f"{field} was {_value(field, old)}, and now is {_value(field, new)}"
            for field in a.__struct_fields__
            if (old := getattr(a, field)) != (new := getattr(b, field))
        )
        yield Difference(f"operation {nth + 1} ({_name(a)}): {'; '.join(fields)}", nth)
    if len(was) > len(now):
        yield Difference(f"operation {len(now) + 1} was {_words(was[len(now)])}, and now there is none")
    elif len(now) > len(was):
        yield Difference(f"operation {len(was) + 1} was none, and now is {_words(now[len(was)])}", len(was))


def _of_ends(was: Sequence[Ended], now: Sequence[Ended]) -> Iterator[Difference]:
    before, after = ({one.program: one for one in ends} for ends in (was, now))
    for program in dict.fromkeys([*before, *after]):
        a, b = before.get(program), after.get(program)
        if _end(a) != _end(b):
            yield Difference(f"program {program} {_in_words(a)}, and now {_in_words(b)}")


def _end(ended: Ended | None) -> object:
    """What is compared of it."""
    if ended is None:
        return None
    return ended.result, ended.failed, _ADDRESS.sub("0x", ended.error)


def _in_words(ended: Ended | None) -> str:
    if ended is None:
        return "goes on"
    return f"failed with {ended.error}" if ended.failed else f"returned {_unpacked(ended.result)}"


def _when(at_ns: int | None) -> str:
    return "only when something reaches it" if at_ns is None else f"at {format_time(at_ns)}"


def _name(op: Op) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(op).__name__).lower()


def _words(op: Op) -> str:
    fields = {field: getattr(op, field) for field in op.__struct_fields__}
    defaults = (b"", (), "", None)
    told = (f"{field} {_value(field, value)}" for field, value in fields.items() if value not in defaults)
    return shortened(f"{_name(op)} ({', '.join(told)})", 2 * _WIDEST)


def _value(field: str, value: Any) -> str:
    match value:
        case bytes() if field in _PACKED:
            return _unpacked(value)
        case bytes():
            return f"{len(value)} bytes"
        case int() if field.endswith("_ns"):
            return format_time(value)
        case tuple() if value and all(isinstance(one, str) for one in value):
            return " ".join(value)
        case msgspec.Struct():
            return f"{type(value).__name__.lower()} {shortened(repr(value), _WIDEST)}"
    return shortened(repr(value), _WIDEST)


def _unpacked(packed: bytes) -> str:
    try:
        return shortened(repr(unpack(packed)), _WIDEST)
    except MalformedMessage:
        return f"{len(packed)} bytes"
