"""What waits for the broker: nothing is ever in two places, or in none."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.telemetry.backlog import Backlog, Batch

ROOM = 10


def batch(nth: int, events: int = 1) -> Batch:
    return Batch("t", str(nth).encode(), events)


def numbers(batches: list[Batch]) -> list[int]:
    return [int(one.payload) for one in batches]


def test_the_oldest_go_and_are_counted() -> None:
    backlog = Backlog(3)
    backlog.put(batch(nth) for nth in range(5))
    assert (backlog.offered, backlog.dropped, backlog.waiting) == (5, 2, 3)
    assert numbers(backlog.take(9)) == [2, 3, 4]


def test_what_is_given_back_is_the_oldest_again() -> None:
    backlog = Backlog(9)
    backlog.put(batch(nth) for nth in range(4))
    first, second = backlog.take(2)
    backlog.give_back(second)
    backlog.give_back(first)
    assert numbers(backlog.take(9)) == [0, 1, 2, 3]


def test_one_message_may_be_larger_than_the_room() -> None:
    backlog = Backlog(1)
    backlog.put([batch(0, 50)])
    assert (backlog.waiting, backlog.dropped) == (50, 0)
    backlog.put([batch(1, 7)])
    assert (backlog.waiting, backlog.dropped) == (7, 50)


def test_after_giving_up_nothing_waits_any_more() -> None:
    backlog = Backlog(9)
    backlog.put([batch(0), batch(1)])
    (under_way,) = backlog.take(1)
    backlog.give_up()
    assert (backlog.waiting, backlog.dropped) == (1, 1)
    backlog.give_back(under_way)
    assert (backlog.waiting, backlog.dropped) == (0, 2)


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("put"), st.integers(1, 2 * ROOM)),
            st.tuples(st.just("take"), st.integers(0, 3)),
            st.tuples(st.sampled_from(["settle", "give_back"]), st.just(1)),
        ),
        max_size=40,
    )
)
def test_every_event_is_published_dropped_or_waits(steps: list[tuple[str, int]]) -> None:
    backlog = Backlog(ROOM)
    under_way: list[Batch] = []
    for nth, (step, n) in enumerate(steps):
        match step:
            case "put":
                backlog.put([batch(nth, n)])
            case "take":
                under_way += backlog.take(n)
            case "settle" if under_way:
                backlog.settle(under_way.pop(0))
            case "give_back" if under_way:
                backlog.give_back(under_way.pop())
        assert backlog.offered == backlog.published + backlog.dropped + backlog.waiting
    for one in reversed(under_way):
        backlog.give_back(one)
    backlog.give_up()
    assert (backlog.waiting, backlog.offered) == (0, backlog.published + backlog.dropped)
