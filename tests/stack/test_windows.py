"""Memories that are reserved along a whole way, for a time to come."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.run import Run
from qnode.api.requests import Progress
from qnode.core.reservations import ALWAYS_NS, Calendar
from qnode.wire.stack import Terms
from tests.stack.test_network import Scenario, scenarios, world_of
from tests.stack.test_terms import RING, network, run

CHAIN: Final = [["alice", "r1"], ["r1", "dave"]]
CROSS: Final = [["alice", "r1"], ["r1", "dave"], ["bob", "r1"], ["r1", "carol"]]


def test_when_the_next_window_fits() -> None:
    calendar = Calendar(4)
    assert calendar.next_fit(4, 10, 100) == 10
    calendar.add("a", 3, 20, 50)
    calendar.add("b", 2, 50, 70)
    calendar.add("c", 1, 90, ALWAYS_NS)
    assert calendar.next_fit(1, 0, 1000) == 0
    assert calendar.next_fit(2, 10, 10) == 10
    assert calendar.next_fit(2, 10, 11) == 50
    assert calendar.next_fit(3, 10, 11) == 70
    assert calendar.next_fit(3, 60, 1000) == 70
    assert calendar.next_fit(4, 60, 20) == 70
    assert calendar.next_fit(4, 60, 21) is None


def asked(one: str, other: str, *wanted: dict[str, Any]) -> dict[str, tuple[str, dict[str, Any]]]:
    """Both ask each other for the same, several times."""
    ends = ((one, other), (other, one))
    return {me: ("several", {"asked": [{"peer": peer, **each} for each in wanted]}) for me, peer in ends}


def window(start_ms: float, end_ms: float, n: int = 1, **more: Any) -> dict[str, Any]:
    return {"n": n, "window": [start_ms / 1e3, end_ms / 1e3], **more}


def said(done: Run, node: str) -> str:
    return str(done[node][0]["said"])


def states(done: Run, node: str) -> list[str]:
    return [one["state"] for one in done[node]]


async def test_it_begins_at_its_start_and_is_over_at_its_end(tmp_path: Path) -> None:
    """Nobody takes pairs but in their windows; the second cannot be served in its own, and the third follows it."""
    wanted = [window(2, 4, 3), window(5, 6, 100_000, at_once=2), window(6, 9, 2)]
    done = await run(network(asked("alice", "dave", *wanted), CHAIN), tmp_path)
    for node in ("alice", "dave"):
        assert states(done, node) == ["served", "expired", "served"]
        for one, (start, end) in zip(done[node], [(2e-3, 4e-3), (5e-3, 6e-3), (6e-3, 9e-3)], strict=True):
            assert start < one["came"][0] < start + 1e-3
            assert one["came"][-1] <= end
        assert done[node][1]["ended"] == 6e-3
    assert [event.t for event in done.events if event.event == "network_reserved"][-1] < 1_000_000


async def test_what_overlaps_is_refused_with_who_has_it_and_when_it_would_fit(tmp_path: Path) -> None:
    """Four slots of r1, and each window books all of them: two pairs under way."""
    first, second = window(2, 5, 2), window(4, 6, 2)
    programs = asked("alice", "dave", first) | asked("bob", "carol", second | {"at": 1e-3})
    done = await run(network(programs, CROSS, qubits=4), tmp_path)
    assert states(done, "alice") == ["served"]
    said = done["bob"][0]["said"]
    assert said == done["carol"][0]["said"]
    assert said.startswith(
        "WindowTaken: r1 has no memory for pairs of bob and carol from 0.004 to 0.006 s: 2 slots wanted"
    )
    assert "4 of 4 are reserved: alice>dave#0 4 from 2000000 ns to 5000000 ns" in said
    assert said.endswith("it has for as long from 0.005 s on")


async def test_adjacent_windows_both_fit(tmp_path: Path) -> None:
    programs = asked("alice", "dave", window(2, 5, 100_000, at_once=2)) | asked("bob", "carol", window(5, 6, 2))
    done = await run(network(programs, CROSS, qubits=4), tmp_path)
    assert states(done, "alice") == ["expired"]
    assert states(done, "bob") == ["served"]
    assert 5e-3 < done["bob"][0]["came"][0] < 5.5e-3


async def test_what_never_fits_says_so(tmp_path: Path) -> None:
    config = network(asked("alice", "dave", window(2, 5)), CHAIN, qubits=4)
    config["nodes"]["r1"]["programs"] = {"sits": {"run": "on_terms.py:sits", "memories": 3}}
    done = await run(config, tmp_path)
    assert done["alice"][0]["said"].endswith("; it never has")
    assert "sits 3 from 0 ns on" in done["alice"][0]["said"]


async def test_a_node_without_room_is_gone_around(tmp_path: Path) -> None:
    """r1 is on the shortest way, and keeps its memory for a program of its own."""
    config = network(asked("alice", "dave", window(2, 5)), RING, qubits=4)
    config["nodes"]["r1"]["programs"] = {"sits": {"run": "on_terms.py:sits", "memories": 3}}
    done = await run(config, tmp_path)
    assert states(done, "alice") == ["served"]
    assert [row.route for row in done.requests if row.route] == [("alice", "r2", "r3", "dave")]


@pytest.mark.parametrize("wanted", [0.9, 0.96])
async def test_pairs_of_a_fidelity_are_reserved_and_distilled_in_their_window(wanted: float, tmp_path: Path) -> None:
    """Two links of 0.93 leave 0.86: the window books memory for what is distilled, too, and keeps its times."""
    booked = window(2, 8, 2, min_fidelity=wanted)
    config = network(asked("alice", "dave", booked), CHAIN)
    for link in config["links"].values():
        link["fidelity"] = 0.93
    done = await run(config, tmp_path)
    for node in ("alice", "dave"):
        assert states(done, node) == ["served"]
        assert 2e-3 < done[node][0]["came"][0] <= done[node][0]["came"][-1] < 8e-3
        assert (Progress(*done[node][0]["how"]).fidelity or 0.0) >= wanted
    steps = [event.t for event in done.events if event.event == "distil"]
    assert steps
    assert all(2_000_000 < at_ns < 8_000_000 for at_ns in steps)
    taken = [event.detail for event in done.events if event.event == "network_reserved"]
    assert len(taken) == 1


async def test_a_window_for_a_fidelity_that_cannot_be_had_is_refused_with_what_can(tmp_path: Path) -> None:
    """In two slots the ends can distil one pair with others, one after the other; nothing is booked for that."""
    config = network(asked("alice", "dave", window(2, 8, min_fidelity=0.99)), CHAIN, qubits=2)
    for link in config["links"].values():
        link["fidelity"] = 0.93
    done = await run(config, tmp_path)
    for node in ("alice", "dave"):
        assert states(done, node) == ["refused"]
        reached = re.search(r"pairs of fidelity 0.99; links and memories between them reach ([\d.]+)", said(done, node))
        assert reached is not None
        assert 0.9 < float(reached[1]) < 0.99
    assert not any(event.event == "network_reserved" for event in done.events)


@pytest.mark.parametrize("reserved", [True, False])
async def test_what_is_reserved_is_kept_from_others(reserved: bool, tmp_path: Path) -> None:
    """The circuits of bob and carol take all slots of r1; those that give way go on when it is over."""
    greedy = asked("bob", "carol", *({"n": 100, "at_once": 1} for _ in range(4)))
    when = window(0.5, 1) if reserved else {"at": 0.5e-3, "timeout": 0.5e-3}
    terms = when | {"n": 20, "at_once": 2}
    done = await run(network(asked("alice", "dave", terms) | greedy, CROSS, qubits=8), tmp_path)
    assert states(done, "alice") == (["served"] if reserved else ["expired"])
    assert states(done, "bob") == ["served"] * 4


@pytest.mark.parametrize("at", ["1 ms", "3 ms"], ids=["before", "during"])
async def test_a_link_that_breaks_is_gone_around(at: str, tmp_path: Path) -> None:
    programs = asked("alice", "dave", window(2, 5, 100_000, at_once=2))
    done = await run(network(programs, RING, faults=[{"at": at, "break": "r1dave"}]), tmp_path)
    assert states(done, "alice") == states(done, "dave") == ["expired"]
    assert done["alice"][0]["came"][-1] > 4.8e-3
    ways = [event.detail for event in done.events if event.event == "network_reserved"]
    assert len(ways) == 2
    assert "r1" in ways[0]
    assert len(ways[1].split()) == 4


@pytest.mark.parametrize("at", ["1 ms", "3 ms"], ids=["before", "during"])
async def test_where_there_is_no_other_way_it_is_refused(at: str, tmp_path: Path) -> None:
    programs = asked("alice", "dave", window(2, 5, 100_000, at_once=2))
    done = await run(network(programs, CHAIN, faults=[{"at": at, "break": "r1dave"}]), tmp_path)
    assert states(done, "alice") == states(done, "dave") == ["refused"]
    assert done["alice"][0]["said"].startswith("NoRoute")


async def test_windows_that_differ_are_refused_at_both_ends(tmp_path: Path) -> None:
    programs = asked("alice", "dave", window(2, 5)) | {
        "dave": ("several", {"asked": [{"peer": "alice", **window(2, 6)}]})
    }
    done = await run(network(programs, CHAIN), tmp_path)
    assert "alice asked dave for pairs from 0.002 to 0.005 s" in done["alice"][0]["said"]
    assert "dave asked alice for pairs from 0.002 to 0.006 s" in done["dave"][0]["said"]


@pytest.mark.parametrize("times", [[3, 2], [0.5, 0.5], ["a", "b"], [1, 2, 3], 5])
async def test_windows_that_are_none(times: Any, tmp_path: Path) -> None:
    config = network({"alice": ("several", {"asked": [{"peer": "dave", "window": times}]})}, CHAIN)
    done = await run(config, tmp_path)
    assert done["alice"][0]["said"].startswith("InvalidOperation: a window ")


async def test_what_is_given_up_is_free_for_others(tmp_path: Path) -> None:
    """What is withdrawn before its time leaves nothing booked: another window takes its place."""
    programs = asked("alice", "dave", window(2, 5, 2) | {"cancel": 1e-3}) | asked(
        "bob", "carol", window(2, 5, 2) | {"at": 1.5e-3}
    )
    done = await run(network(programs, CROSS, qubits=4), tmp_path)
    assert states(done, "alice") == ["withdrawn"]
    assert states(done, "bob") == ["served"]


# ---------------------------------------------------------------- joined network layers


@given(scenarios, st.lists(st.integers(0, 5), min_size=1, max_size=6))
@settings(max_examples=100, deadline=None)
def test_whatever_is_reserved_ends(scenario: Scenario, windows: list[int]) -> None:
    """Among all else that goes on; windows overlap, and follow each other."""
    world = world_of(scenario)
    for which in windows:
        start = 300 + 400 * which
        times = Terms(from_ns=start, to_ns=start + world.rng.choice([400, 800]))
        one, other = world.rng.sample(sorted(world.slots), 2)
        n = world.rng.randrange(1, 4)
        for node, peer in ((one, other), (other, one)):
            at_once = world.rng.randrange(1, n + 1)
            world.ask_at(world.rng.randrange(300), node, peer, "booked", n, at_once, "keep", 0, 0.0, times)
    world.run()
    world.check()
    for name, member in world.members.items():
        assert member is None or not list(member.memory.calendar), f"{name} keeps a booking"
