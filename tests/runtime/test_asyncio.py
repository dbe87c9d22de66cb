"""asyncio as everybody knows it, on network time: the same programs in one process, in many, and on the real clock."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from orchestrator.run import Run
from tests.runtime.networks import ended_ns, network, pair, program, run

MS: Final = 1_000_000
YEAR: Final = 365 * 86400 * 10**9
DELAY: Final = 50_035  # ns for 10 km

# What each program returns on the virtual clock; times are in nanoseconds, and exact.
EXPECTED: Final[Mapping[str, Any]] = {
    "sleeps": [3 * MS, 3 * MS, 3 * MS + 1, 3_300_001],
    "times_out": (True, 5 * MS),
    "is_in_time": ("in time", False, 9 * MS),
    "reschedules_a_timeout": 3 * MS,
    "waits_for_with_a_limit": ("first", 3 * MS),
    "fails_in_a_group": (["first", "second cancelled", "the third"], 2 * MS),
    "uses_a_queue": ([0, 1, 2], 3 * MS),
    "uses_events_and_locks": (["a", "b", "c"], 5 * MS),
    "gathers_64": (True, 8 * MS),
    "waits_for_the_first": (["fast"], 1, 1 * MS),
    "waits_for_all": ([1, 2, 3], 0, 3 * MS),
    "waits_with_a_limit": ([1], 1, 2 * MS),
    "takes_as_they_complete": ([1, 2, 3], 3 * MS),
    "shields": (1 * MS, "kept", 3 * MS),
    "calls_later": (["soon", "earlier", "later"], 3 * MS),
    "works_in_threads": (45, 2, "invalid literal for int() with base 10: 'x'", 0),
}

ALL: Final = network({name: program(name) for name in EXPECTED})
ORDERED: Final = network({"a": program("ends_64_at_once"), "b": program("ends_64_at_once")})


PLACES: Final = ("inline", "a process each", "one process")


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Run]:
    """All programs at once, each at a node of its own; by where the nodes live."""
    folder = tmp_path_factory.mktemp("all")
    return {
        place: asyncio.run(
            run(
                ALL if place != "one process" else {**ALL, "nodes_per_process": "all"}, folder, inline=place == "inline"
            )
        )
        for place in PLACES
    }


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", EXPECTED)
def test_asyncio_does_what_it_always_does_and_network_time_is_exact(
    name: str, place: str, everything: Mapping[str, Run]
) -> None:
    assert everything[place][name] == EXPECTED[name]


def test_a_run_that_uses_all_of_asyncio_is_the_same_to_the_byte_wherever_its_nodes_live(
    everything: Mapping[str, Run],
) -> None:
    assert len({one.events_bytes for one in everything.values()}) == 1
    for one in everything.values():
        assert one.summary.reproducible
        assert one.summary.resumable  # what the functions in threads returned can be packed


# Those in which nothing has to happen before something else is due: a busy machine may be late for both.
IN_REAL_TIME: Final = (
    "sleeps",
    "times_out",
    "fails_in_a_group",
    "uses_a_queue",
    "uses_events_and_locks",
    "gathers_64",
    "waits_for_the_first",
    "waits_for_all",
    "takes_as_they_complete",
    "calls_later",
    "works_in_threads",
)


@pytest.fixture(scope="module")
def in_real_time(tmp_path_factory: pytest.TempPathFactory) -> Run:
    nodes = {name: program(name) for name in IN_REAL_TIME}
    config = network(nodes, clock="real", nodes_per_process=4)
    return asyncio.run(run(config, tmp_path_factory.mktemp("real"), inline=False))


@pytest.mark.parametrize("name", IN_REAL_TIME)
def test_on_the_real_clock_the_same_happens_and_never_too_early(name: str, in_real_time: Run) -> None:
    assert_not_early(in_real_time[name], EXPECTED[name])


def assert_not_early(found: Any, expected: Any) -> None:
    """The same, but that whole milliseconds (times) may be later."""
    if isinstance(expected, list | tuple):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            assert_not_early(one, other)
    elif type(expected) is int and expected >= MS:
        assert found >= expected
    elif expected != 0:
        assert found == expected


# ---------------------------------------------------------------- order


async def test_what_ends_together_ends_in_an_order_that_does_not_depend_on_addresses(tmp_path: Path) -> None:
    """64 tasks cancelled by a group, waited for, completed, and 64 futures: by number, in each process alike."""
    runs = [await run(ORDERED, tmp_path / str(n), inline=inline) for n, inline in enumerate((True, False, False))]
    first = runs[0]["a"]
    assert [sorted(order) for order in first] == [list(range(64))] * 5
    assert all(result[node] == first for result in runs for node in "ab")
    assert len({result.events_bytes for result in runs}) == 1


# ---------------------------------------------------------------- long times


async def test_ten_years_of_sleep_are_exact_to_the_nanosecond_and_cost_three_steps(tmp_path: Path) -> None:
    result = await run(network({"a": program("sleeps_for_years", years=10)}), tmp_path)
    assert ended_ns(result) == {"a": 10 * YEAR + 1}
    assert result.summary.counts["steps"] == 3


async def test_ten_years_of_daily_timers_do_not_drift(tmp_path: Path) -> None:
    result = await run(network({"a": program("ticks_for_years", years=10)}), tmp_path)
    assert result["a"] == 10 * YEAR


async def test_a_timeout_works_after_a_hundred_years(tmp_path: Path) -> None:
    """Its deadline is a float of asyncio's: after 100 years it is good to 2**-21 s."""
    result = await run(network({"a": program("times_out_after_years", years=100)}), tmp_path)
    assert result["a"] == "expired"
    assert abs(ended_ns(result)["a"] - 100 * YEAR - MS) <= 500


async def test_a_sleep_without_end_keeps_no_run_from_its_end(tmp_path: Path) -> None:
    config = network({"a": program("sleeps_for_ever"), "b": program("sleeps")})
    result = await run(config, tmp_path, check=False)
    assert (result.summary.how, result.summary.at_ns) == ("deadlock", 3_300_001)
    assert [one.what for one in result.summary.waits] == ["sleep()"]


@pytest.mark.parametrize(
    ("seconds", "ns"), [(0.0, 0), (1e-9, 1000), (1e-6, 1000), (1.5e-6, 2000), (1.0001, 1_000_100_000)]
)
async def test_a_tick_rounds_every_timer_up_to_the_grid(seconds: float, ns: int, tmp_path: Path) -> None:
    config = network(
        {"a": program("sends", peer="b", after=seconds), "b": program("receives_by", peer="a", limit=10)},
        clock={"mode": "virtual", "tick": "1 us"},
    )
    result = await run(config, tmp_path)
    assert result["b"] == ("hello", ns)


async def test_a_tick_rounds_deliveries_up_to_the_grid(tmp_path: Path) -> None:
    config = pair(
        program("sends"), program("receives_by", peer="alice", limit=1), clock={"mode": "virtual", "tick": "1 us"}
    )
    assert (await run(config, tmp_path))["bob"] == ("hello", 51_000)


# ---------------------------------------------------------------- an instant and its rounds


@pytest.mark.parametrize("inline", [True, False])
@pytest.mark.parametrize(("early_ns", "found"), [(0, "hello"), (1, "too late")])
async def test_a_message_that_arrives_exactly_at_the_deadline_is_in_time(
    early_ns: int, found: str, inline: bool, tmp_path: Path
) -> None:
    limit = (DELAY - early_ns) / 1e9
    result = await run(
        pair(program("sends"), program("receives_by", peer="alice", limit=limit)), tmp_path, inline=inline
    )
    assert result["bob"] == (found, DELAY - early_ns)


@pytest.mark.parametrize(("early_ns", "found"), [(0, "Qubit"), (1, "too late")])
async def test_a_pair_that_comes_exactly_at_the_deadline_is_in_time(early_ns: int, found: str, tmp_path: Path) -> None:
    limit = (DELAY - early_ns) / 1e9
    alice = program("entangles_by", peer="bob", limit=limit)
    result = await run(pair(alice, program("holds_a_half", peer="alice"), until="1 s"), tmp_path)
    assert result["alice"] == (found, DELAY - early_ns)


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize(("early_ns", "found"), [(0, 1000), (1, "too late")])
async def test_an_outcome_known_exactly_at_the_deadline_is_in_time_wherever_the_qubit_lives(
    early_ns: int, found: object, shared: bool, tmp_path: Path
) -> None:
    gates = {"gates": {"measure": {"duration": "1 us"}}}
    alice = {**program("measures_by", peer="bob", limit=(1000 - early_ns) / 1e9, shared=shared), **gates}
    bob = program("holds_a_half", peer="alice") if shared else program("returns_in_an_instant")
    assert (await run(pair(alice, bob), tmp_path))["alice"] == found


async def test_what_takes_no_time_happens_in_the_next_round_of_the_same_instant(tmp_path: Path) -> None:
    """Messages without delay: 50 of each go to and fro, in 51 rounds, and it is still time 0."""
    config = network({"a": program("bounces", peer="b", times=50), "b": program("bounces", peer="a", times=50)})
    result = await run(config, tmp_path)
    assert (result["a"], result["b"]) == (0, 0)
    assert result.summary.counts["steps"] == 51
    sent = [(event.round, event.node) for event in result.events if event.event == "send"]
    assert sent == [(number, node) for number in range(50) for node in "ab"]
    received = [(event.round, event.node) for event in result.events if event.event == "receive"]
    assert received == [(number, node) for number in range(1, 51) for node in "ab"]


# ---------------------------------------------------------------- a program's return


@pytest.mark.parametrize("inline", [True, False])
async def test_a_node_whose_program_has_returned_goes_on_serving(inline: bool, tmp_path: Path) -> None:
    answering = {"run": "programs.py:answers", "service": True}
    alice = {"programs": {"main": {"run": "programs.py:returns_in_an_instant"}, "answering": answering}}
    result = await run(pair(alice, program("asks")), tmp_path, inline=inline)
    assert result["bob"] == [2, 4]
    ended = ended_ns(result)
    assert ended == {"alice": 0, "bob": 5 * MS + 2 * (2 * DELAY + MS)}


@pytest.mark.parametrize("inline", [True, False])
async def test_tasks_of_a_program_end_with_it_and_are_waited_for(inline: bool, tmp_path: Path) -> None:
    """They hold a qubit, make others and ask for a pair; one takes its time to clean up."""
    result = await run(pair(program("leaves_tasks"), program("sleeps")), tmp_path, inline=inline)
    assert result["alice"] == "returned"
    assert result.notes["alice"] == {"cleaned_up": 7 * MS // 2}
    assert ended_ns(result)["alice"] == 7 * MS // 2
    events = [event.event for event in result.events if event.node == "alice"]
    assert events.index("withdraw") < events.index("program_returned")
    assert events.count("create") == 2
    assert result.summary.left_over == {"alice": 1}
    assert result.summary.waits == ()


async def test_tasks_of_a_program_that_fails_end_before_it_is_told(tmp_path: Path) -> None:
    result = await run(network({"a": program("fails_with_tasks")}), tmp_path, check=False)
    assert result.summary.how == "failed"
    assert result.notes["a"] == {"cleaned_up": MS}
    assert "ValueError: enough" in result.summary.failures[0].traceback


async def test_tasks_of_other_programs_live_on(tmp_path: Path) -> None:
    programs = {name: {"run": f"programs.py:{name}"} for name in ("returns_in_an_instant", "waits_in_a_task")}
    result = await run(network({"a": {"programs": programs}}), tmp_path)
    assert result.results["a"]["waits_in_a_task"] == MS
