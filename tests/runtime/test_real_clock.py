"""The real clock: what a node knows of network time, and what must hold however busy the machine is."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator import report
from orchestrator.run import Run
from qnode.runtime.real import NetworkClock
from qnode.wire.messages import Pong
from tests.runtime.networks import network, pair, program, run

S: Final = 10**9
DELAY: Final = 50_035


class Wall:
    """A monotonic clock that is read when it is told to go on."""

    def __init__(self, now_ns: int) -> None:
        self.now_ns = now_ns

    def __call__(self) -> int:
        return self.now_ns


trips = st.lists(
    st.tuples(
        st.integers(min_value=0, max_value=S),  # until the next Ping
        st.integers(min_value=0, max_value=10**7),  # of the Ping
        st.integers(min_value=0, max_value=10**7),  # of the Pong
    ),
    min_size=1,
    max_size=10,
)
speeds = st.sampled_from([1e-3, 0.05, 0.3, 1.0, 7.0])
uptimes = st.integers(min_value=0, max_value=10 * 365 * 86400 * S)


def compared(speed: float, uptime_ns: int, started_ns: int, exchanges: list[tuple[int, int, int]]) -> tuple[Any, Wall]:
    """A clock after some exchanges with an oracle that started its own at a moment of the same wall time."""
    wall = Wall(uptime_ns)
    clock = NetworkClock(speed, wall)
    for pause_ns, there_ns, back_ns in exchanges:
        wall.now_ns += pause_ns
        sent_ns = wall.now_ns
        answered_ns = sent_ns + there_ns
        wall.now_ns = answered_ns + back_ns
        clock.learn(Pong(sent_ns, true_ns(answered_ns, speed, started_ns)))
    return clock, wall


def true_ns(wall_ns: int, speed: float, started_ns: int) -> int:
    return round((wall_ns - started_ns) * speed)


@given(speed=speeds, uptime_ns=uptimes, exchanges=trips, later_ns=st.integers(min_value=0, max_value=3600 * S))
def test_a_node_is_never_off_by_more_than_the_bound_that_it_publishes(
    speed: float, uptime_ns: int, exchanges: list[tuple[int, int, int]], later_ns: int
) -> None:
    """Whichever way takes longer, and however long the machine has been up."""
    clock, wall = compared(speed, uptime_ns, uptime_ns, exchanges)
    wall.now_ns += later_ns
    assert abs(clock.now_ns() - true_ns(wall.now_ns, speed, uptime_ns)) <= clock.bound_ns + 1


@given(speed=speeds, exchanges=trips)
def test_the_bound_is_half_of_the_shortest_round_trip_in_network_time(
    speed: float, exchanges: list[tuple[int, int, int]]
) -> None:
    clock, _ = compared(speed, 0, 0, exchanges)
    shortest_ns = min(there_ns + back_ns for _, there_ns, back_ns in exchanges)
    assert abs(clock.bound_ns - shortest_ns / 2 * speed) <= 2 + speed


@given(
    speed=speeds,
    looks=st.lists(st.tuples(st.integers(0, S), st.integers(0, 10**8), st.integers(0, 10**8)), min_size=2, max_size=20),
)
def test_network_time_never_steps_back_whatever_is_learned(speed: float, looks: list[tuple[int, int, int]]) -> None:
    """The clock is read between exchanges, each of which may correct it either way."""
    wall = Wall(S)
    clock = NetworkClock(speed, wall)
    read = []
    for pause_ns, there_ns, back_ns in looks:
        wall.now_ns += pause_ns
        sent_ns = wall.now_ns
        wall.now_ns += there_ns + back_ns
        clock.learn(Pong(sent_ns, true_ns(sent_ns + there_ns, speed, S)))
        read.append(clock.now_ns())
    assert all(one <= other for one, other in pairwise(read))


@given(speed=speeds, wait_ns=st.integers(min_value=-S, max_value=3600 * S))
def test_a_wait_is_never_too_long_and_less_than_a_millisecond_too_short(speed: float, wait_ns: int) -> None:
    clock, wall = compared(speed, 5 * S, 5 * S, [(0, 0, 0)])
    due_ns = clock.now_ns() + wait_ns
    ms = clock.wait_ms(due_ns)
    wall.now_ns += ms * 1_000_000
    assert ms == 0 or clock.now_ns() <= due_ns + 1
    wall.now_ns += 1_000_001
    assert clock.now_ns() >= min(due_ns, due_ns - 1)


# ---------------------------------------------------------------- whole runs


def real(speed: float = 1.0) -> dict[str, object]:
    return {"mode": "real", "speed": speed}


async def test_the_clocks_of_all_nodes_agree_within_the_bounds_that_they_publish(tmp_path: Path) -> None:
    """All nodes run on this machine, so that its monotonic clock tells what each one's network time must be between.

    A node reads its time between two readings of that clock: so the offset of its time is known to an interval. The
    true offset, the oracle's, lies within the published bound of every interval.
    """
    config = network({f"n{n}": program("compares_clocks", samples=200) for n in range(6)}, clock=real())
    result = await run(config, tmp_path, inline=False)
    bounds = result.summary.clock_bound_ns
    assert set(bounds) == {f"n{n}" for n in range(6)}
    earliest, latest = [], []
    for name, bound_ns in bounds.items():
        assert bound_ns > 0
        samples = result[name]
        assert all(one[1] <= other[1] for one, other in pairwise(samples))  # never back
        earliest.append(max(now_ns - after_ns for _, now_ns, after_ns in samples) - bound_ns)
        latest.append(min(now_ns - before_ns for before_ns, now_ns, _ in samples) + bound_ns)
    assert max(earliest) <= min(latest)
    assert "no node's time was off by more than" in report.closing(result)


async def test_network_time_goes_at_its_speed(tmp_path: Path) -> None:
    """A thousandth: neither the node's time nor the oracle's is ahead of a thousandth of the wall time gone by."""
    result = await run(
        network({"a": program("compares_clocks", samples=50)}, clock=real(0.001)), tmp_path, inline=False
    )
    (first_before, first_ns, first_after), *_, (last_before, last_ns, last_after) = result["a"]
    assert (last_before - first_after) * 0.001 - 2 <= last_ns - first_ns <= (last_after - first_before) * 0.001 + 2
    assert result.summary.at_ns <= result.wall_s * 0.001 * S


async def test_a_message_is_never_delivered_before_light_could_bring_it(tmp_path: Path) -> None:
    config = pair(
        program("sends_with_its_time", peer="bob", times=50),
        program("receives_with_its_time", peer="alice", times=50),
        length="1000 km",
        clock=real(),
    )
    result = await run(config, tmp_path, inline=False)
    times = result["bob"]
    assert len(times) == 50
    assert all(received_ns >= sent_ns + 100 * DELAY - 100 for sent_ns, received_ns in times)
    assert [sent_ns for sent_ns, _ in times] == sorted(sent_ns for sent_ns, _ in times)


async def test_lateness_is_measured_and_reported(tmp_path: Path) -> None:
    """A timer of 1 us that its own program keeps waiting for 20 ms is late by 20 ms at least, and so is the report."""
    late_ns = 20_000_000
    result = await run(network({"a": program("is_late", by_ns=late_ns)}, clock=real()), tmp_path, inline=False)
    assert result.summary.lateness_ns["a"] >= late_ns - 2000
    assert "real clock: a was late by up to" in report.closing(result)


async def test_a_run_on_the_real_clock_is_neither_reproducible_nor_resumable(tmp_path: Path) -> None:
    result = await run(network({"a": program("returns_in_an_instant")}, clock="real"), tmp_path, inline=False)
    assert not result.summary.reproducible
    assert not result.summary.resumable


@pytest.mark.parametrize("per_process", [1, 2])
async def test_until_ends_a_run_on_the_real_clock_however_much_is_said(per_process: int, tmp_path: Path) -> None:
    config = pair(
        program("talks_for_ever", peer="bob"),
        program("talks_for_ever", peer="alice"),
        length="0 km",
        clock=real(),
        until="0.2 s",
        nodes_per_process=per_process,
    )
    result: Run = await run(config, tmp_path, inline=False)
    assert result.summary.how == "until"
    assert result.summary.at_ns >= S // 5
    assert {one.what for one in result.summary.waits} <= {"receive('alice')", "receive('bob')"}
