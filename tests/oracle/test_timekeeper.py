"""The virtual clock: what comes next, in which order, and why nothing comes any more."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.oracle.timekeeper import LIVELOCK_ROUNDS, STALL_INSTANTS, Delivery, Standstill, Timekeeper
from qnode.ids import NodeName
from qnode.wire.items import Outcomes

NAMES = tuple(map(NodeName, ("alice", "bob", "carol")))
ALICE, BOB, CAROL = NAMES


def clock(names: Iterable[NodeName] = NAMES, *, tick_ns: int = 1, until_ns: int | None = None) -> Timekeeper:
    return Timekeeper(names, tick_ns=tick_ns, until_ns=until_ns)


def idle(time: Timekeeper, *, outside: Sequence[NodeName] = (), **timers_ns: int) -> None:
    """Everybody who is awaited reports; some with a timer."""
    for node in sorted(time.awaited):
        time.reported(node, timers_ns.get(node), None, outside=node in outside)


def item(number: int) -> Outcomes:
    return Outcomes(number, ())


def numbers(active: dict[NodeName, list[Delivery]] | Standstill) -> dict[str, list[int]]:
    assert isinstance(active, dict)
    return {
        node: [one.item.request for one in deliveries if isinstance(one.item, Outcomes)]
        for node, deliveries in active.items()
    }


# ---------------------------------------------------------------- order


def test_everybody_is_awaited_at_time_zero() -> None:
    time = clock()
    assert time.awaited == set(NAMES)
    assert (time.now_ns, time.round) == (0, 0)


def test_the_earliest_of_timers_and_deliveries_comes_first_and_only_to_those_whom_it_concerns() -> None:
    time = clock()
    time.schedule(30, CAROL, item(0))
    idle(time, alice=20, bob=10)
    assert numbers(time.advance()) == {BOB: []}
    assert (time.now_ns, time.round, time.awaited) == (10, 0, {BOB})
    idle(time)
    assert numbers(time.advance()) == {ALICE: []}
    idle(time, alice=30)
    assert numbers(time.advance()) == {ALICE: [], CAROL: [0]}
    assert time.now_ns == 30


def test_what_takes_no_time_happens_in_the_next_round_of_the_same_instant() -> None:
    time = clock()
    idle(time, alice=10)
    time.advance()
    for round_number in (1, 2):
        time.schedule(10, BOB, item(round_number))
        idle(time)
        assert numbers(time.advance()) == {BOB: [round_number]}
        assert (time.now_ns, time.round) == (10, round_number)
    time.schedule(11, BOB, item(3))
    idle(time)
    time.advance()
    assert (time.now_ns, time.round) == (11, 0)


def test_deliveries_of_one_instant_keep_the_order_of_issue() -> None:
    time = clock()
    for number, (node, at_ns) in enumerate([(BOB, 7), (ALICE, 7), (BOB, 5), (BOB, 7), (ALICE, 7)]):
        time.schedule(at_ns, node, item(number))
    idle(time)
    assert numbers(time.advance()) == {BOB: [2]}
    idle(time)
    active = time.advance()
    assert numbers(active) == {ALICE: [1, 4], BOB: [0, 3]}
    assert list(active) == [ALICE, BOB]  # type: ignore[arg-type]


@pytest.mark.parametrize("past_ns", [0, 9, 10])
def test_what_is_due_in_the_past_is_due_now(past_ns: int) -> None:
    time = clock()
    idle(time, alice=10)
    time.advance()
    time.schedule(past_ns, BOB, item(1))
    time.reported(ALICE, past_ns, None, outside=False)
    assert numbers(time.advance()) == {ALICE: [], BOB: [1]}
    assert (time.now_ns, time.round) == (10, 1)


def test_a_timer_is_what_the_last_report_says() -> None:
    time = clock()
    idle(time, alice=50, bob=10)
    time.advance()
    time.schedule(20, ALICE, item(0))
    idle(time)
    assert numbers(time.advance()) == {ALICE: [0]}
    time.reported(ALICE, 40, None, outside=False)  # moved
    time.advance()
    assert time.now_ns == 40
    time.schedule(45, ALICE, item(1))
    time.reported(ALICE, 50, None, outside=False)
    time.advance()
    time.reported(ALICE, None, None, outside=False)  # cancelled
    assert time.advance() is Standstill.DEADLOCK
    assert time.now_ns == 45


@dataclass(frozen=True)
class Saying:
    """What one node does whenever it runs: its next timer after so many ns, and messages to others."""

    timer_ns: int | None
    background_ns: int | None
    sends: tuple[tuple[NodeName, int], ...]


delays = st.integers(0, 5)
sayings = st.builds(
    Saying,
    st.none() | delays,
    st.none() | st.integers(1, 5),
    st.lists(st.tuples(st.sampled_from(NAMES), delays), max_size=2).map(tuple),
)
rounds_of_sayings = st.lists(st.fixed_dictionaries(dict.fromkeys(NAMES, sayings)), min_size=1, max_size=12)
Trace = list[object]


def trace(script: list[dict[NodeName, Saying]], arrivals: st.DataObject | None) -> Trace:
    """All that is granted; reports arrive in an order that is drawn, and are executed in the order of names."""
    time = clock(until_ns=40)
    seen: Trace = []
    for number, saying in enumerate(script):
        nodes = sorted(time.awaited)
        arriving = nodes if arrivals is None else arrivals.draw(st.permutations(nodes))
        for node in arriving:
            say = saying[node]
            timer_ns = None if say.timer_ns is None else time.now_ns + say.timer_ns
            background_ns = None if say.background_ns is None else time.now_ns + say.background_ns
            time.reported(node, timer_ns, background_ns, outside=False)
        assert not time.awaited
        for node in nodes:
            for target, delay_ns in saying[node].sends:
                time.schedule(time.now_ns + delay_ns, target, item(number))
        active = time.advance()
        if isinstance(active, Standstill):
            return [*seen, active, time.now_ns]
        seen.append((time.now_ns, time.round, list(active.items())))
    return seen


@given(rounds_of_sayings, st.data())
def test_the_order_in_which_reports_arrive_changes_no_grant(
    script: list[dict[NodeName, Saying]], data: st.DataObject
) -> None:
    assert trace(script, data) == trace(script, None)


@given(rounds_of_sayings)
def test_time_and_round_only_go_up_and_nothing_is_early_or_late(script: list[dict[NodeName, Saying]]) -> None:
    last = (0, 0)
    for step in trace(script, None):
        if not isinstance(step, tuple):
            break
        now_ns, round_number, active = step
        assert (now_ns, round_number) > last
        last = (now_ns, round_number)
        assert active
        for _, deliveries in active:
            assert all(delivery.at_ns == now_ns for delivery in deliveries)
            assert deliveries == sorted(deliveries, key=lambda one: one.sequence)


@given(st.integers(1, 50), st.integers(0, 10_000))
def test_deliveries_are_rounded_up_to_the_grid_and_by_less_than_a_tick(tick_ns: int, at_ns: int) -> None:
    time = clock((ALICE,), tick_ns=tick_ns)
    time.schedule(at_ns, ALICE, item(0))
    idle(time)
    time.advance()
    assert time.now_ns % tick_ns == 0
    assert at_ns <= time.now_ns < at_ns + tick_ns


# ---------------------------------------------------------------- standing still


def test_until_is_reached_but_not_passed() -> None:
    time = clock(until_ns=10)
    idle(time, alice=10)
    assert numbers(time.advance()) == {ALICE: []}
    idle(time, alice=11)
    assert time.advance() is Standstill.UNTIL
    assert time.now_ns == 10


def test_nothing_to_come_is_a_deadlock_unless_somebody_waits_for_the_outside() -> None:
    time = clock()
    idle(time)
    assert time.advance() is Standstill.DEADLOCK
    outside = clock()
    idle(outside, outside=(BOB,))
    assert outside.advance() is Standstill.OUTSIDE
    outside.wake(BOB)
    assert numbers(outside.advance()) == {BOB: []}
    outside.reported(BOB, None, None, outside=False)  # it has closed its socket
    assert outside.advance() is Standstill.DEADLOCK


def test_a_livelock_is_reported_after_the_rounds_promised_and_not_before() -> None:
    assert LIVELOCK_ROUNDS == 100_000
    time = clock((ALICE,))
    for _ in range(LIVELOCK_ROUNDS):
        time.reported(ALICE, time.now_ns, None, outside=False)
        assert isinstance(time.advance(), dict)
    time.reported(ALICE, time.now_ns, None, outside=False)
    assert time.advance() is Standstill.LIVELOCK
    assert time.now_ns == 0


def run_background(time: Timekeeper, instants: int) -> None:
    for _ in range(instants):
        for node in sorted(time.awaited):
            time.reported(node, None, time.now_ns + 10 if node == ALICE else None, outside=False)
        assert isinstance(time.advance(), dict)


def test_background_timers_run_but_keep_nothing_alive() -> None:
    assert STALL_INSTANTS == 1_000
    time = clock()
    run_background(time, STALL_INSTANTS)
    time.reported(ALICE, None, time.now_ns + 10, outside=False)
    now_ns = time.now_ns
    assert time.advance() is Standstill.STALL
    assert time.now_ns == now_ns == 10 * STALL_INSTANTS


def test_a_background_timer_is_no_stall_while_something_else_is_to_come() -> None:
    time = clock()
    time.schedule(10 * STALL_INSTANTS + 15, BOB, item(0))
    run_background(time, STALL_INSTANTS + 1)
    time.reported(ALICE, None, time.now_ns + 10, outside=False)
    assert numbers(time.advance()) == {BOB: [0]}
    run_background(time, STALL_INSTANTS)  # counted from the last foreground instant


def test_background_timers_are_no_stall_while_somebody_waits_for_the_outside() -> None:
    time = clock((ALICE,))
    for _ in range(STALL_INSTANTS + 2):
        time.reported(ALICE, None, time.now_ns + 10, outside=True)
        assert isinstance(time.advance(), dict)


# ---------------------------------------------------------------- the outside


def test_a_wake_gives_a_round_at_this_instant_before_time_goes_on() -> None:
    time = clock()
    idle(time, alice=10)
    time.wake(CAROL)
    assert numbers(time.advance()) == {CAROL: []}
    assert (time.now_ns, time.round) == (0, 1)
    assert list(time.last_woken) == [CAROL]
    idle(time)
    assert numbers(time.advance()) == {ALICE: []}
    assert not time.last_woken


def test_a_wake_of_a_node_that_runs_already_is_not_needed() -> None:
    time = clock()
    time.reported(BOB, None, None, outside=True)
    time.wake(ALICE)  # it has not reported yet: it will see for itself
    time.wake(BOB)
    idle(time)
    assert numbers(time.advance()) == {BOB: []}


def test_a_node_that_is_woken_and_due_runs_once() -> None:
    time = clock()
    idle(time, alice=10, bob=10)
    time.wake(BOB)
    time.wake(BOB)
    assert numbers(time.advance()) == {BOB: []}
    time.reported(BOB, 10, None, outside=True)
    assert numbers(time.advance()) == {ALICE: [], BOB: []}
    idle(time)
    assert time.advance() is Standstill.DEADLOCK


# ---------------------------------------------------------------- the real clock


def test_time_never_steps_back() -> None:
    time = clock()
    time.go_to(10)
    time.go_to(7)
    assert time.now_ns == 10


def test_on_the_real_clock_what_is_due_soon_is_handed_out_in_order_of_time() -> None:
    time = clock()
    scheduled = [time.schedule(at_ns, ALICE, item(number)) for number, at_ns in enumerate((30, 10, 30, 20, 30))]

    def taken(until_ns: int) -> list[tuple[int, int]]:
        found = time.take_until(until_ns)
        return [(one.at_ns, one.item.request) for one in found if isinstance(one.item, Outcomes)]

    assert taken(29) == [(10, 1), (20, 3)]
    assert (time.pending(), time.next_delivery_ns) == (3, 30)
    time.call_off([one for one in scheduled[2:3] if one is not None])
    assert taken(30) == [(30, 0), (30, 4)]
    assert (time.pending(), time.next_delivery_ns, taken(10**9)) == (0, None, [])
