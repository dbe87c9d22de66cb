"""Classical messages: when they arrive, in which order, to whom, and as what."""

from __future__ import annotations

import asyncio
from itertools import combinations
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.run import Run
from tests.api.networks import network, run
from tests.programs_api.talking import VALUES

FILE = "talking.py"
both_ways = pytest.mark.parametrize("inline", [True, False], ids=["inline", "processes"])


def program(name: str, **args: object) -> dict[str, object]:
    return {"program": f"{FILE}:{name}", "args": args}


async def talk(runs: Path, *, inline: bool = True, check: bool = True, **options: Any) -> Run:
    """Programs by node name, everything else is for the network."""
    programs: dict[str, Any] = {name: options.pop(name) for name in ("alice", "bob", "carol") if name in options}
    return await run(network(FILE, programs, **options), runs, inline=inline, check=check)


# ---------------------------------------------------------------- when


@pytest.mark.parametrize(
    ("length", "metres"),
    [("10 km", 10_000), ("1 m", 1), ("0 m", 0), ("1234.567 km", 1_234_567), ("299792458 m", 299_792_458)],
)
async def test_a_message_takes_the_time_of_light_in_fibre_to_the_nanosecond(
    length: str, metres: int, tmp_path: Path
) -> None:
    links = {"all": {"chain": ["alice", "bob", "carol"], "length": length}}
    found = await talk(tmp_path, alice=program("says", to=["bob"]), bob=program("hears", sender="alice"), links=links)
    assert found["bob"] == ["hello", round(metres * 3 * 10**9 / (2 * 299_792_458))]


async def test_ten_kilometres_are_50_035_microseconds(tmp_path: Path) -> None:
    alice, bob = program("says", to=["bob"], after_us=7), program("hears", sender="alice")
    assert (await talk(tmp_path, alice=alice, bob=bob))["bob"] == ["hello", 7_000 + 50_035]


@both_ways
async def test_messages_go_along_the_links_over_nodes_that_do_nothing(inline: bool, tmp_path: Path) -> None:
    alice, carol = program("says", to=["carol"]), program("hears", sender="alice")
    found = await talk(tmp_path, alice=alice, carol=carol, inline=inline)
    assert found["carol"] == ["hello", 2 * 50_035]


async def test_a_delay_that_is_given_is_kept_between_all(tmp_path: Path) -> None:
    found = await talk(
        tmp_path,
        alice=program("says", to=["bob", "carol"]),
        bob=program("hears", sender="alice"),
        carol=program("hears", sender="alice"),
        classical={"delay": "1.5 ms"},
    )
    assert found["bob"] == found["carol"] == ["hello", 1_500_000]


async def test_a_clock_tick_rounds_arrivals_up_to_its_grid(tmp_path: Path) -> None:
    alice, bob = program("says", to=["bob"]), program("hears", sender="alice")
    clock = {"mode": "virtual", "tick": "1 us"}
    assert (await talk(tmp_path, alice=alice, bob=bob, clock=clock))["bob"] == ["hello", 51_000]


@both_ways
async def test_a_message_to_oneself_arrives_at_the_same_instant(inline: bool, tmp_path: Path) -> None:
    assert (await talk(tmp_path, alice=program("talks_to_itself"), inline=inline))["alice"] == ["echo", 0]


# ---------------------------------------------------------------- to whom, and in which order


@both_ways
async def test_channels_keep_talk_apart_and_each_keeps_its_order(inline: bool, tmp_path: Path) -> None:
    n = 100
    alice, bob = program("counts_up", to="bob", n=n), program("hears_backwards", sender="alice", n=n)
    found = await talk(tmp_path, alice=alice, bob=bob, inline=inline)
    assert found["bob"] == {channel: list(range(2 * n)) for channel in ("b", "a", "")}
    assert found.summary.counts["messages"] == 6 * n


@both_ways
async def test_messages_about_a_pair_are_heard_by_who_asks_about_that_pair(inline: bool, tmp_path: Path) -> None:
    alice, bob = program("talks_about_pairs", to="bob"), program("hears_about_pairs", sender="alice")
    found = await talk(tmp_path, alice=alice, bob=bob, inline=inline)
    assert found["bob"] == [
        *("about the first", "about the second, on a channel", "about the second", "about nothing", "on a channel")
    ]


async def test_several_readers_of_one_channel_are_served_first_come_first_served(tmp_path: Path) -> None:
    alice, bob = program("counts_up", to="bob", n=5), program("reads_with_several", sender="alice", n=5)
    assert (await talk(tmp_path, alice=alice, bob=bob))["bob"] == [[number, number] for number in range(5)]


@both_ways
async def test_messages_that_nobody_receives_are_counted_for_each_node(inline: bool, tmp_path: Path) -> None:
    """Bob hears one of four; carol runs no program at all."""
    alice = {
        "programs": {
            "main": {"run": f"{FILE}:says", "args": {"to": ["bob", "carol", "bob"]}},
            "late": {"run": f"{FILE}:says", "args": {"to": ["bob", "bob"]}},
        }
    }
    bob = program("hears", sender="alice")
    found = await talk(tmp_path, alice=alice, bob=bob, inline=inline, until="1 s", classical={"delay": "1 ms"})
    assert found.summary.unread == {"bob": 3, "carol": 1}


# ---------------------------------------------------------------- as what


def same(one: Any, other: Any) -> bool:
    """Equal, of the same type, all the way down; NumPy's scalars arrive as Python's, named tuples as tuples."""
    if isinstance(other, np.generic):
        other = other.item()
    if isinstance(other, np.ndarray):
        return isinstance(one, np.ndarray) and one.dtype == other.dtype and np.array_equal(one, other)
    if isinstance(other, tuple):
        return type(one) is tuple and len(one) == len(other) and all(map(same, one, other))
    if isinstance(other, list):
        return type(one) is list and len(one) == len(other) and all(map(same, one, other))
    if isinstance(other, dict):
        return type(one) is dict and list(one) == list(other) and all(same(one[key], other[key]) for key in other)
    return type(one) is type(other) and repr(one) == repr(other)


@both_ways
async def test_every_value_arrives_as_it_left(inline: bool, tmp_path: Path) -> None:
    alice, bob = program("sends_values", to="bob"), program("returns_values", sender="alice")
    found = (await talk(tmp_path, alice=alice, bob=bob, inline=inline))["bob"]
    assert len(found) == len(VALUES)
    assert [value for got, value in zip(found, VALUES, strict=True) if not same(got, value)] == []


@both_ways
async def test_a_message_is_what_was_said_when_it_was_said_and_belongs_to_the_receiver(
    inline: bool, tmp_path: Path
) -> None:
    alice, bob = program("changes_its_mind", to="bob"), program("hears_two", sender="alice")
    value, array = (await talk(tmp_path, alice=alice, bob=bob, inline=inline))["bob"]
    assert value == [1, {"a": [2]}, "mine"]
    assert array.tolist() == [0, 7, 0]


async def test_a_message_is_converted_to_the_type_that_is_asked_for(tmp_path: Path) -> None:
    alice, bob = program("sends_for_conversion", to="bob"), program("converts", sender="alice")
    assert (await talk(tmp_path, alice=alice, bob=bob))["bob"] == [
        ["BellState", "BellState(z=1, x=0)"],
        ["int", "7"],
        ["tuple", "(3, 4)"],
        ["list", "[1.0, 2.5]"],
        ["dict", "{'a': 1}"],
        ["complex", "(1+2j)"],
        ["ndarray", "array([0, 1])"],
        ["str", "'s'"],
    ]


async def test_a_message_of_another_type_is_refused_with_what_came_and_is_over(tmp_path: Path) -> None:
    alice, bob = program("sends_other_things", to="bob"), program("expects_other_things", sender="alice")
    *refused, last = (await talk(tmp_path, alice=alice, bob=bob))["bob"]
    wanted = ["BellState", "BellState", "int", "str", "list[int]", "int | None", "ndarray", "complex"]
    shown = ["(1, 0, 1)", "'01'", "1.5", "3", "[1, 'two']", "'no number'", "[1.0]", "'1j'"]
    for sentence, kind, value in zip(refused, wanted, shown, strict=True):
        assert sentence.startswith(f"a message of alice is not a {kind}: "), sentence
        assert sentence.endswith(f"it is {value}")
    assert last == "and it goes on"


# ---------------------------------------------------------------- how much

LIMIT = 65_536


@pytest.mark.parametrize(("inline", "nodes_per_process"), [(True, 1), (False, 1), (False, 2), (False, "all")], ids=str)
async def test_long_messages_of_all_to_all_at_once_arrive_whole_and_on_time(
    inline: bool, nodes_per_process: int | str, tmp_path: Path
) -> None:
    """Around the length from which a payload travels by itself, and megabytes."""
    sizes = [1, LIMIT - 64, LIMIT - 1, LIMIT, LIMIT + 1, 3_000_000]
    names = ["alice", "bob", "carol"]
    nodes: dict[str, Any] = {
        name: program("exchanges_much", peers=[other for other in names if other != name], sizes=sizes)
        for name in names
    }
    found = await talk(tmp_path, **nodes, inline=inline, nodes_per_process=nodes_per_process)
    for name in names:
        peers = [other for other in names if other != name]
        hops = [2 if {name, peer} == {"alice", "carol"} else 1 for peer in peers]
        expected = [[size, len(name), len(name), hop] for hop in hops for size in sizes]
        got = found[name]
        assert [one[:3] for one in got] == [one[:3] for one in expected]
        assert max(one[3] for one in got) == max(hops) * 50_035


async def test_long_messages_look_alike_in_the_log_however_they_travelled(tmp_path: Path) -> None:
    nodes: dict[str, Any] = {
        "alice": program("exchanges_much", peers=["bob"], sizes=[10, 5_000_000]),
        "bob": program("exchanges_much", peers=["alice"], sizes=[10, 5_000_000]),
    }
    inline = await talk(tmp_path, **nodes)
    processes = await talk(tmp_path, **nodes, inline=False)
    assert inline.events_bytes == processes.events_bytes
    assert any(event.event == "receive" and event.bytes > 5_000_000 for event in inline.events)


# ---------------------------------------------------------------- cancelled readers


@settings(max_examples=60)
@given(
    waits=st.lists(st.integers(0, 20), min_size=1, max_size=10),
    patience=st.lists(st.integers(0, 40), max_size=15),
)
def test_readers_that_give_up_lose_no_message_and_change_no_order(waits: list[int], patience: list[int]) -> None:
    alice = program("speaks_at", to="bob", waits_us=waits)
    bob = program("listens_impatiently", sender="alice", patience_us=patience, n=len(waits))
    with TemporaryDirectory() as folder:
        # 10 us are on the grid of both, so that patience often ends as a message arrives.
        found = asyncio.run(talk(Path(folder), alice=alice, bob=bob, classical={"delay": "60 us"}))
    assert found["bob"] == list(range(len(waits)))


CANCELLED = [list(chosen) for size in range(1, 4) for chosen in combinations(range(3), size)]


@pytest.mark.parametrize("cancelled", [*CANCELLED, [2, 1, 0], [1, 0]], ids=str)
async def test_letters_of_readers_cancelled_with_them_in_hand_are_read_by_others_in_order(
    cancelled: list[int], tmp_path: Path
) -> None:
    alice = program("gives_letters", to="bob", n=3)
    bob = program("cancels_readers_with_letters_in_hand", sender="alice", readers=3, cancelled=cancelled)
    read, left = (await talk(tmp_path, alice=alice, bob=bob))["bob"]
    assert sorted(read + left) == [0, 1, 2]
    assert left == sorted(left)
    assert read == [number for number in range(3) if number not in cancelled]
