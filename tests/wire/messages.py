"""Messages of every type, drawn from their own annotations: a message that is added later is tested by itself."""

from __future__ import annotations

import types
from typing import Any, Union, get_args, get_origin, get_type_hints

import msgspec
from hypothesis import strategies as st

from qnode.wire import messages

TO_ORACLE = get_args(messages.ToOracle)
TO_NODE = get_args(messages.ToNode)
TO_CLUSTER = get_args(messages.ToCluster)
BETWEEN_NODES = get_args(messages.BetweenNodes)

whole_numbers = st.integers(min_value=-(2**63), max_value=2**64 - 1)  # what MessagePack holds
numbers = st.floats(allow_nan=False)  # nan is equal to nothing, itself included


def anything_of(kind: Any) -> st.SearchStrategy[Any]:
    """Values of an annotation as they occur in messages."""
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is None or kind is type(None):
        return st.none()
    if origin in (Union, types.UnionType):
        return st.one_of(*map(anything_of, arguments))
    if origin is tuple and arguments[-1] is Ellipsis:
        return st.lists(anything_of(arguments[0]), max_size=3).map(tuple)
    if origin is tuple:
        return st.tuples(*map(anything_of, arguments))
    if origin is dict:
        return st.dictionaries(*map(anything_of, arguments), max_size=3)
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return message_of(kind)
    simple: dict[Any, st.SearchStrategy[Any]] = {
        int: whole_numbers,
        float: numbers,
        bool: st.booleans(),
        str: st.text(max_size=12),
        bytes: st.binary(max_size=24),
    }
    return simple[kind]


def message_of(kind: type[msgspec.Struct]) -> st.SearchStrategy[Any]:
    """Messages of one type with any content that its fields allow."""
    hints = get_type_hints(kind)
    return st.builds(kind, **{name: _later(hints[name]) for name in kind.__struct_fields__})


def _later(kind: Any) -> st.SearchStrategy[Any]:
    """A message may hold others of its kind: drawn only when it is needed."""
    return st.deferred(lambda: anything_of(kind))
