"""Long grants travel in parts and come together again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qnode.wire.grants import frames_of, joined
from qnode.wire.items import Outcomes
from qnode.wire.messages import Grant, decode_to_node, encode


@given(st.lists(st.integers(0, 40), max_size=12), st.integers(1, 120))
def test_the_parts_make_the_grant_again(sizes: list[int], cut_bytes: int) -> None:
    grant = Grant("bob", 3, 77, tuple(Outcomes(number, (1,) * size) for number, size in enumerate(sizes)))
    frames = frames_of(grant, encode(grant), cut_bytes)
    parts = [decode_to_node(frame) for frame in frames]
    assert joined([part for part in parts if isinstance(part, Grant)]) == grant
    assert [part.more for part in parts if isinstance(part, Grant)] == [True] * (len(parts) - 1) + [False]
    for part in parts:
        assert isinstance(part, Grant)
        assert len(part.items) <= 1 or sum(len(encode(item)) for item in part.items) <= cut_bytes


@pytest.mark.parametrize("items", [(), (Outcomes(1, (0,)),)])
def test_a_short_grant_stays_as_it_is(items: tuple[Outcomes, ...]) -> None:
    frame = encode(Grant("bob", 0, 0, items))
    assert frames_of(Grant("bob", 0, 0, items), frame) == (frame,)
