"""What goes over the wire comes back the same; what is not a message is refused, and nothing else ever happens."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import msgpack
import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from qnode.errors import MalformedMessage, QnodeError, from_wire
from qnode.wire import messages
from qnode.wire.items import Failed
from qnode.wire.messages import (
    PROTOCOL_VERSION,
    Hello,
    Refused,
    decode_between_nodes,
    decode_to_cluster,
    decode_to_node,
    decode_to_oracle,
    encode,
    error_of,
)
from tests.wire.messages import BETWEEN_NODES, TO_CLUSTER, TO_NODE, TO_ORACLE, message_of

Decode = Callable[[bytes], Any]

DIRECTIONS: list[tuple[Decode, tuple[type[msgspec.Struct], ...]]] = [
    (decode_to_oracle, TO_ORACLE),
    (decode_to_node, TO_NODE),
    (decode_to_cluster, TO_CLUSTER),
    (decode_between_nodes, BETWEEN_NODES),
]
WITH_TYPES = [
    pytest.param(decode, kind, id=f"{decode.__name__}-{kind.__name__}")
    for decode, kinds in DIRECTIONS
    for kind in kinds
]
DECODERS = [pytest.param(decode, id=decode.__name__) for decode, _ in DIRECTIONS]


@pytest.mark.parametrize(("decode", "kind"), WITH_TYPES)
@settings(max_examples=15)
@given(data=st.data())
def test_every_message_arrives_as_it_left_and_no_beginning_of_it_is_one(
    decode: Decode, kind: type[msgspec.Struct], data: st.DataObject
) -> None:
    message = data.draw(message_of(kind))
    frame = encode(message)
    assert decode(frame) == message
    short = data.draw(st.integers(0, len(frame) - 1))
    with pytest.raises(MalformedMessage):
        decode(frame[:short])


@pytest.mark.parametrize(("decode", "kind"), WITH_TYPES)
@settings(max_examples=20)
@given(data=st.data())
def test_a_damaged_message_is_refused_or_is_a_message(
    decode: Decode, kind: type[msgspec.Struct], data: st.DataObject
) -> None:
    frame = bytearray(encode(data.draw(message_of(kind))))
    for _ in range(data.draw(st.integers(1, 4))):
        frame[data.draw(st.integers(0, len(frame) - 1))] = data.draw(st.integers(0, 255))
    with suppress(MalformedMessage):  # any other exception fails the test
        encode(decode(bytes(frame)))


@pytest.mark.parametrize("decode", DECODERS)
@settings(max_examples=300)
@given(frame=st.binary(max_size=200))
def test_garbage_is_refused_or_is_a_message(decode: Decode, frame: bytes) -> None:
    with suppress(MalformedMessage):
        encode(decode(frame))


STRUCTURED = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=5)
    | st.binary(max_size=5),
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=12,
)


@pytest.mark.parametrize("decode", DECODERS)
@settings(max_examples=80)
@given(tag=st.integers(0, 130), fields=st.lists(STRUCTURED, max_size=9))
def test_the_right_tag_with_the_wrong_fields_is_refused_or_is_a_message(
    decode: Decode, tag: int, fields: list[object]
) -> None:
    with suppress(MalformedMessage):
        encode(decode(msgpack.packb([tag, *fields])))


@pytest.mark.parametrize("decode", DECODERS)
@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\xdd\xff\xff\xff\xff", id="an array that claims 4 billion entries"),
        pytest.param(b"\x98\x29" + b"\xdd\xff\xff\xff\xff" * 7, id="arrays in an array that claim it"),
        pytest.param(b"\xc6\xff\xff\xff\xff", id="bytes that claim 4 GiB"),
        pytest.param(b"\xdf\xff\xff\xff\xff", id="a map that claims 4 billion keys"),
        pytest.param(b"\x91" * 100_000 + b"\xc0", id="100,000 arrays in each other"),
        pytest.param(b"\x96\x29" + b"\x91" * 100_000 + b"\xc0", id="100,000 arrays inside a report"),
        pytest.param(b"\x95\x28\x01\xc4\x00\xa1\xff\x90", id="text that is not UTF-8"),
        pytest.param(b"\xc1", id="the byte that MessagePack never uses"),
        pytest.param(b"\x80\x04\x95\x05\x00\x00\x00\x00\x00\x00\x00\x8c\x01a\x94.", id="a pickle"),
    ],
)
def test_hostile_frames_are_refused(decode: Decode, frame: bytes) -> None:
    with pytest.raises(MalformedMessage, match="is not a message"):
        decode(frame)


def test_no_message_means_something_else_in_another_direction() -> None:
    """Tags are unique over all directions: a message that goes astray is refused, never taken for another."""
    kinds = {kind for _, kinds in DIRECTIONS for kind in kinds}
    tags = [kind.__struct_config__.tag for kind in kinds]
    assert len(set(tags)) == len(kinds)


def test_a_hello_of_another_version_can_be_read_far_enough_to_say_so() -> None:
    other = Hello(PROTOCOL_VERSION + 1, b"token", "node", (("alice", 0),))
    assert decode_to_oracle(encode(other)) == other


def test_fields_that_a_newer_peer_adds_at_the_end_are_passed_over() -> None:
    frame = msgpack.packb([42, "alice", 0, "something new"])
    assert decode_to_oracle(frame) == messages.Wake("alice", 0)


ERRORS = sorted(QnodeError.by_code)


@pytest.mark.parametrize("code", ERRORS)
@settings(max_examples=20)
@example(fields={"self": ""})
@given(fields=st.dictionaries(st.text(max_size=8), st.text(max_size=8) | st.integers(-(2**63), 2**63 - 1), max_size=4))
def test_any_error_travels_and_comes_out_as_itself(code: str, fields: dict[str, str | int]) -> None:
    there = from_wire(code, fields)
    for carrier in (Failed(None, 1, there.code, there.fields), Refused(there.code, there.fields)):
        back = error_of(decoded(carrier))
        assert (type(back), str(back), back.fields) == (type(there), str(there), there.fields)


def decoded(message: Failed | Refused) -> Failed | Refused:
    if isinstance(message, Refused):
        answer = decode_to_node(encode(message))
        assert isinstance(answer, Refused)
        return answer
    grant = decode_to_node(encode(messages.Grant("alice", 0, 0, (message,))))
    assert isinstance(grant, messages.Grant)
    (item,) = grant.items
    assert isinstance(item, Failed)
    return item


def test_an_error_that_a_newer_peer_knows_says_its_name() -> None:
    error = from_wire("FusionFailed", {"node": "alice"})
    assert type(error) is QnodeError
    assert "FusionFailed" in str(error)
    assert "alice" in str(error)
