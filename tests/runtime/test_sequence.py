"""Messages between processes on the real clock: each is delivered once, in the order of sending, however they come."""

from __future__ import annotations

from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from qnode.runtime import sequence
from qnode.runtime.sequence import InOrder
from qnode.wire.items import Message
from qnode.wire.messages import Direct

LETTER = Message("alice", "main", "main", "", "", b"\xc0", b"", 1)


def sent(steps: list[int], base: int = 0) -> list[Direct]:
    """Messages to one process, among others to other processes; numbers only rise."""
    numbers = [base + number for number in accumulate(steps)]
    return [
        Direct(b"", "alice", "bob", number, 0, LETTER, after)
        for after, number in zip([0, *numbers], numbers, strict=False)
    ]


def delivered(order: InOrder, process: int, messages: list[Direct]) -> list[int]:
    found = []
    for message in messages:
        try:
            found += [one.number for one in order.take(process, message)]
        except ValueError as error:
            assert str(error) == "came before"  # noqa: PT017  # whether it is raised is not the point
    return found


chains = st.lists(st.integers(1, 5), min_size=1, max_size=8).map(sent)


@given(
    chains.flatmap(lambda chain: st.tuples(st.just(chain), st.lists(st.sampled_from(chain)), st.permutations(chain)))
)
def test_each_is_delivered_once_and_in_order_whatever_comes_twice_or_late(
    case: tuple[list[Direct], list[Direct], list[Direct]],
) -> None:
    chain, some, all_of_them = case
    assert delivered(InOrder(), 7, [*some, *all_of_them, *some]) == [message.number for message in chain]


@given(chains, chains)
def test_processes_do_not_wait_for_each_other(one: list[Direct], other: list[Direct]) -> None:
    order = InOrder()
    assert delivered(order, 1, one[1:]) == []
    assert delivered(order, 2, other) == [message.number for message in other]
    assert delivered(order, 1, one[:1]) == [message.number for message in one]


def test_a_message_that_waits_for_nothing_is_delivered_and_what_is_older_is_not_any_more() -> None:
    """Its sender has given up what it sent before, because we were lost; or it is another life of it."""
    order, chain = InOrder(), sent([1, 1, 1])
    assert delivered(order, 1, [chain[2]]) == []
    later = replace(chain[2], number=10, after=0)
    assert delivered(order, 1, [later, *chain]) == [10]
    assert delivered(order, 1, sent([1], base=1_000)) == [1_001]


def test_what_waits_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sequence, "MOST_EARLY", 2)
    order, chain = InOrder(), sent([1] * 5)
    assert delivered(order, 1, chain[1:3]) == []
    with pytest.raises(ValueError, match="too many"):
        order.take(1, chain[3])
    assert delivered(order, 1, chain[:1]) == [1, 2, 3]
