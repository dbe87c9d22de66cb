"""What programs send each other arrives equal and of the same type; what cannot travel is named."""

from __future__ import annotations

import enum
import math
import struct
from collections import OrderedDict
from contextlib import suppress
from typing import Any, NamedTuple

import msgpack
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from qnode.errors import MalformedMessage, NotPackable, TooLarge
from qnode.ids import NodeName
from qnode.quantum.bell import BellState
from qnode.wire.messages import MAX_RESULT_BYTES
from qnode.wire.payload import pack, pack_result, unpack

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(2**200), 2**200)
    | st.floats(allow_nan=False)
    | st.complex_numbers(allow_nan=False)
    | st.text(max_size=8)
    | st.binary(max_size=8)
)
keys = st.text(max_size=4) | st.integers(-(2**63), 2**64 - 1) | st.booleans() | st.binary(max_size=4)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4) | st.lists(inner, max_size=4).map(tuple) | st.dictionaries(keys, inner, max_size=4)
    ),
    max_leaves=20,
)
number_types = (
    hnp.boolean_dtypes()
    | hnp.integer_dtypes(endianness="?")
    | hnp.unsigned_integer_dtypes(endianness="?")
    | hnp.floating_dtypes(endianness="?", sizes=(16, 32, 64))
    | hnp.complex_number_dtypes(endianness="?", sizes=(64, 128))
)
arrays: st.SearchStrategy[npt.NDArray[Any]] = number_types.flatmap(
    lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4))
)


def same(one: Any, other: Any) -> bool:
    """Equal, and of the same types all the way down (1, True and 1.0 differ, and so do (1,) and [1])."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        pairs = zip(one.items(), other.items(), strict=True) if len(one) == len(other) else [(one, None)]
        return all(same(left, right) for left, right in pairs)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(same(left, right) for left, right in zip(one, other, strict=True))
    if isinstance(one, float):
        return struct.pack("d", one) == struct.pack("d", other)  # the sign of zero too
    return bool(one == other)


@settings(max_examples=200)
@given(value=values)
def test_what_is_packed_arrives_equal_and_of_the_same_type(value: object) -> None:
    assert same(unpack(pack(value)), value)


@given(array=arrays)
def test_arrays_keep_values_shape_and_type(array: npt.NDArray[Any]) -> None:
    back = unpack(pack({"nested": (array,)}))["nested"][0]
    assert back.shape == array.shape
    assert back.dtype == array.dtype.newbyteorder("<")
    assert back.tobytes() == array.astype(back.dtype).tobytes()  # NaN included
    assert back.flags.writeable


def test_arrays_that_are_not_contiguous_arrive_as_they_look() -> None:
    array = np.arange(24).reshape(4, 6)[::-2, ::3].T
    assert np.array_equal(unpack(pack(array)), array)


def test_numbers_of_numpy_arrive_as_numbers() -> None:
    value = unpack(pack([np.float64(0.5), np.int8(-3), np.bool_(True), np.complex64(1j), np.uint64(2**64 - 1)]))
    assert same(value, [0.5, -3, True, 1j, 2**64 - 1])


def test_not_a_number_and_infinity_arrive() -> None:
    value = unpack(pack([math.nan, math.inf, -math.inf]))
    assert math.isnan(value[0])
    assert value[1:] == [math.inf, -math.inf]


@pytest.mark.parametrize(
    "value", [0, -1, 2**63 - 1, -(2**63), 2**64 - 1, 2**64, -(2**63) - 1, 2**64 + 1, 10**400, -(10**400)]
)
def test_whole_numbers_of_any_size_arrive(value: int) -> None:
    assert same(unpack(pack(value)), value)


class Colour(enum.Enum):
    RED = 1


class Weekday(enum.IntEnum):
    MONDAY = 1


class Point(NamedTuple):
    x: int
    y: int


@pytest.mark.parametrize(
    ("value", "arrives_as"),
    [
        (BellState(1, 0), (1, 0)),
        (Point(1, 2), (1, 2)),
        (NodeName("alice"), "alice"),
        (Weekday.MONDAY, 1),
        (OrderedDict(a=1), {"a": 1}),
        (bytearray(b"ab"), b"ab"),
    ],
)
def test_subclasses_arrive_as_the_plain_type_that_they_extend(value: object, arrives_as: object) -> None:
    assert same(unpack(pack(value)), arrives_as)


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (object(), "object"),
        ({1, 2}, "set"),
        ([{"deep": ({3},)}], "set"),
        (Colour.RED, "Colour"),
        (lambda: None, "function"),
        (np.array([object()], dtype=object), "ndarray"),
        (np.array(["text"]), "ndarray"),
        (np.datetime64("2024-01-01"), "datetime64"),
        (ValueError("x"), "ValueError"),
        (int, "type"),
        (range(3), "range"),
    ],
)
def test_what_cannot_travel_is_named_with_what_to_use_instead(value: object, name: str) -> None:
    with pytest.raises(NotPackable) as caught:
        pack(value, what="the message to bob")
    assert f"the message to bob contains a value of type {name}, which cannot be packed; use None" in str(caught.value)


def test_a_value_that_contains_itself_is_refused() -> None:
    endless: list[object] = []
    endless.append(endless)
    with pytest.raises(NotPackable, match="too deep"):
        pack(endless)


def test_tuples_that_are_nested_without_end_are_refused() -> None:
    deep: tuple[object, ...] = ()
    for _ in range(5_000):
        deep = (deep,)
    with pytest.raises(NotPackable, match="too deep"):
        pack(deep)


@settings(max_examples=200)
@given(data=st.binary(max_size=100))
def test_bytes_that_are_no_payload_are_refused_or_are_one(data: bytes) -> None:
    with suppress(MalformedMessage):
        unpack(data)


@settings(max_examples=200)
@given(value=values, data=st.data())
def test_a_damaged_payload_is_refused_or_is_one(value: object, data: st.DataObject) -> None:
    damaged = bytearray(pack(value))
    damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    with suppress(MalformedMessage):
        unpack(bytes(damaged))


@settings(max_examples=200)
@given(code=st.integers(0, 127), data=st.binary(max_size=60) | values.map(pack))
def test_an_extension_of_any_content_is_refused_or_is_a_value(code: int, data: bytes) -> None:
    with suppress(MalformedMessage):
        unpack(msgpack.packb(msgpack.ExtType(code, data)))


@settings(max_examples=200)
@given(
    dtype=st.text(max_size=5)
    | st.sampled_from(["|O", "<U3", "<M8[s]", "<f8", "f8,i4", ",", "<i16", "V8", "|b1"])
    | st.integers(),
    shape=st.lists(st.integers(-3, 2**40), max_size=3) | st.integers() | st.text(max_size=3),
    raw=st.binary(max_size=40) | st.integers() | st.none(),
)
def test_an_array_of_any_claims_is_refused_or_is_one(dtype: object, shape: object, raw: object) -> None:
    hostile = msgpack.packb(msgpack.ExtType(3, pack([dtype, shape, raw])))
    with suppress(MalformedMessage):
        value = unpack(hostile)
        assert isinstance(value, np.ndarray)
        assert value.dtype.kind in "biufc"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc1",
        b"\xdd\xff\xff\xff\xff",
        b"\xc6\xff\xff\xff\xff",
        b"\x91" * 3_000 + b"\xc0",
        b"\x01\x02",
        b"\xd4\x7f\x00",
    ],
    ids=["empty", "unused byte", "a huge array", "huge bytes", "deep", "two values", "an unknown extension"],
)
def test_hostile_payloads_are_refused(data: bytes) -> None:
    with pytest.raises(MalformedMessage, match="cannot be unpacked"):
        unpack(data)


def test_a_result_has_a_limit_and_the_error_a_remedy() -> None:
    room = MAX_RESULT_BYTES - len(pack(bytes(MAX_RESULT_BYTES))) + MAX_RESULT_BYTES  # without the head of the bytes
    assert len(pack_result(bytes(room), what="it", verb="return")) == MAX_RESULT_BYTES
    with pytest.raises(TooLarge) as caught:
        pack_result(bytes(room + 1), what="what program main returned", verb="return")
    assert str(caught.value) == (
        f"what program main returned takes {MAX_RESULT_BYTES + 1} bytes, and at most {MAX_RESULT_BYTES} may travel:"
        " write it to a file and return its path"
    )
