"""Asking for pairs: who meets whom, when, and what becomes of requests that are not met."""

from __future__ import annotations

import asyncio
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.run import Run
from tests.api.networks import network, run

FILE = "entangling.py"
LINK_NS = 50_035  # 10 km at two thirds of the speed of light


def program(name: str, **args: object) -> dict[str, object]:
    return {"program": f"{FILE}:{name}", "args": args}


async def both(
    runs: Path, alice: dict[str, object], bob: dict[str, object], *, inline: bool = True, **options: Any
) -> Run:
    return await run(network(FILE, {"alice": alice, "bob": bob}, **options), runs, inline=inline)


def events(found: Run, kind: str, node: str) -> list[Any]:
    return [event for event in found.events if event.event == kind and event.node == node]


@pytest.mark.parametrize("inline", [True, False], ids=["inline", "processes"])
async def test_both_halves_carry_the_pairs_id_and_agree(inline: bool, tmp_path: Path) -> None:
    alice, bob = program("many", peer="bob", n=8), program("many", peer="alice", n=8)
    found = await both(tmp_path, alice, bob, inline=inline)
    pairs, when, outcomes = found["alice"]
    assert len(set(pairs)) == 8
    assert when == LINK_NS
    assert found["bob"] == [pairs, when, outcomes]
    assert found.summary.counts["pairs"] == 8


async def test_the_other_direction_works_alike(tmp_path: Path) -> None:
    config = network(FILE, {"carol": program("many", peer="bob", n=3), "bob": program("many", peer="carol", n=3)})
    found = await run(config, tmp_path)
    assert found["bob"] == found["carol"]


async def test_a_pair_comes_when_light_has_travelled_since_the_later_request(tmp_path: Path) -> None:
    waits: list[list[float]] = [[0, 10, 0, 7.5], [3, 0, 20, 7.5]]
    alice, bob = (
        program("one_after_another", peer=peer, waits_us=us) for peer, us in zip(("bob", "alice"), waits, strict=True)
    )
    found = await both(tmp_path, alice, bob)
    at = 0
    for (pair, when, outcome), *both_waits in zip(found["alice"], *waits, strict=True):
        at += round(max(both_waits) * 1000) + LINK_NS
        assert when == at
        assert [pair, when, outcome] in found["bob"]
    assert found["alice"] == found["bob"]


@pytest.mark.parametrize("inline", [True, False], ids=["inline", "processes"])
async def test_tags_keep_streams_apart_whatever_the_order(inline: bool, tmp_path: Path) -> None:
    tags = ["a", "b", "", "a", "c", "b", "a", ""]
    other = sorted(tags)
    alice, bob = (program("all_at_once", peer=p, tags=t) for p, t in (("bob", tags), ("alice", other)))
    found = await both(tmp_path, alice, bob, inline=inline)
    for tag in set(tags):
        mine = [one for one in found["alice"] if one[0] == tag]
        assert mine == [one for one in found["bob"] if one[0] == tag]
        assert len(mine) == tags.count(tag)
    assert len({pair for _, pair, _ in found["alice"]}) == len(tags)


async def test_tags_are_private_to_a_programs_name(tmp_path: Path) -> None:
    """Two programs ask in opposite orders at the two ends; each gets pairs with its own other self only."""
    asks = {"run": f"{FILE}:all_at_once"}
    alice = {name: {**asks, "args": {"peer": "bob", "tags": ["t", "t"]}} for name in ("one", "two")}
    bob = {name: {**asks, "args": {"peer": "alice", "tags": ["t", "t"]}} for name in ("two", "one")}
    found = await both(tmp_path, {"programs": alice}, {"programs": bob})
    for name in ("one", "two"):
        assert found[f"alice.{name}"] == found[f"bob.{name}"]
    assert found["alice.one"][0][1] != found["alice.two"][0][1]


@pytest.mark.parametrize(("one", "other"), list(product([0.0, 0.9, 1.0], repeat=2)))
async def test_a_perfect_link_serves_any_minimum_fidelity(one: float, other: float, tmp_path: Path) -> None:
    alice = program("all_at_once", peer="bob", tags=[""], min_fidelity=one)
    bob = program("all_at_once", peer="alice", tags=[""], min_fidelity=other)
    found = await both(tmp_path, alice, bob)
    assert found["alice"] == found["bob"]


@pytest.mark.parametrize("gates", list(product([[], ["x"], ["z"], ["x", "z"], ["h"]], repeat=2)))
async def test_a_pair_is_delivered_in_phi_plus_and_changes_as_its_halves_do(
    gates: tuple[list[str], list[str]], tmp_path: Path
) -> None:
    """The same real gate on both halves of Phi+ leaves it alone; different ones of these leave nothing or a half."""
    mine, theirs = gates
    alice = program("marks_its_half", peer="bob", gates=mine, label="here")
    bob = program("marks_its_half", peer="alice", gates=theirs, label="there")
    found = await both(tmp_path, alice, bob, observe={"there": ["fidelity"]})
    (seen,) = found.observed
    expected = 1.0 if mine == theirs else 0.5 if (mine == ["h"]) != (theirs == ["h"]) and (mine, theirs) in HALF else 0
    assert seen.value == pytest.approx(expected, abs=1e-12)


# |<Phi+| H x P |Phi+>|^2 = |tr(H^T P)|^2 / 4: 1/2 for X and Z, 0 for the identity and XZ.
HALF = [(["h"], ["x"]), (["h"], ["z"]), (["x"], ["h"]), (["z"], ["h"])]


# ---------------------------------------------------------------- requests that are not met


@pytest.mark.parametrize("inline", [True, False], ids=["inline", "processes"])
async def test_different_numbers_of_pairs_are_a_mismatch_that_both_ends_are_told(inline: bool, tmp_path: Path) -> None:
    alice = program("asks_and_frees", peer="bob", n=2, after=8)
    bob = program("asks_and_frees", peer="alice", n=3, after=8)
    found = await both(tmp_path, alice, bob, inline=inline)
    (told, when, *after), (bob_told, bob_when, *bob_after) = found["alice"], found["bob"]
    assert told == ["RequestMismatch", {"node": "alice", "peer": "bob", "wanted": 2, "offered": 3}]
    assert bob_told == ["RequestMismatch", {"node": "bob", "peer": "alice", "wanted": 3, "offered": 2}]
    assert when == bob_when == 0  # the oracle knows at once
    assert after == bob_after
    assert len(after[0]) == 8


@pytest.mark.parametrize("inline", [True, False], ids=["inline", "processes"])
async def test_a_request_that_nobody_meets_times_out_and_is_withdrawn_with_its_slots(
    inline: bool, tmp_path: Path
) -> None:
    """Bob asks after that: he meets the second request of alice, not the first, and all her slots are free."""
    alice = program("asks_and_frees", peer="bob", n=8, after=8, timeout=2e-6)
    bob = program("asks_late", peer="alice", after_us=100)
    found = await both(tmp_path, alice, bob, inline=inline)
    told, when, pairs, later, outcomes = found["alice"]
    assert told == ["GenerationTimeout", {"node": "alice", "peer": "bob", "timeout": "2e-06"}]
    assert when == 2_000
    assert found["bob"] == [pairs, later, outcomes]
    assert later == 100_000 + LINK_NS
    assert len(events(found, "withdraw", "alice")) == 1


@pytest.mark.parametrize("inline", [True, False], ids=["inline", "processes"])
async def test_a_pair_on_its_way_to_a_request_that_timed_out_is_discarded(inline: bool, tmp_path: Path) -> None:
    alice = program("gives_up_on_the_way", peer="bob", timeout=20e-6)
    bob = program("takes_what_comes", peer="alice")
    found = await both(tmp_path, alice, bob, inline=inline, observe={"alone": ["fidelity"]})
    told, when, free = found["alice"]
    assert told[0] == "GenerationTimeout"
    assert (when, free) == (20_000, 8)
    pair, bob_when, _ = found["bob"]
    assert bob_when == LINK_NS
    (withdrawn,) = events(found, "withdraw", "alice")
    assert withdrawn.qubits == (f"{pair}@alice",)
    assert not events(found, "deliver", "alice")
    assert [one.value for one in found.observed] == [None]  # its partner is gone


async def test_a_request_whose_patience_ends_as_the_pair_arrives_gets_it(tmp_path: Path) -> None:
    plan = [[0, "", LINK_NS / 1000]]
    alice, bob = (program("follows", peer=peer, plan=plan) for peer in ("bob", "alice"))
    found = await both(tmp_path, alice, bob)
    assert found.notes == {name: {"fate0": ("alice~bob#0", LINK_NS)} for name in ("alice", "bob")}


async def test_a_request_that_is_cancelled_with_its_pair_in_hand_gives_back_pair_and_slot(tmp_path: Path) -> None:
    alice, bob = program("is_cancelled_with_its_pair", peer="bob"), program("says_and_asks", peer="alice")
    found = await both(tmp_path, alice, bob)
    assert found["alice"] == ["CancelledError", LINK_NS, 8]
    assert found["bob"][0] == LINK_NS
    (delivered,) = events(found, "deliver", "alice")
    (discarded,) = [one for one in events(found, "discard", "alice") if one.qubits == delivered.qubits]
    assert discarded.t == LINK_NS


@pytest.mark.parametrize("after_us", [0, 10, 60])
async def test_a_cancelled_request_is_withdrawn_with_its_slots(after_us: float, tmp_path: Path) -> None:
    alice = program("is_cancelled", peer="bob", after_us=after_us)
    bob = program("asks_late", peer="alice", after_us=200)
    found = await both(tmp_path, alice, bob)
    kind, when, outcomes = found["alice"]
    assert kind == "CancelledError"
    assert found["bob"][1:] == [when, outcomes]
    assert when == 200_000 + LINK_NS


# ---------------------------------------------------------------- waiting for slots


async def test_who_waits_for_slots_is_served_first_come_first_served(tmp_path: Path) -> None:
    """Three slots become free one by one; one would do for the last, who waits for its turn all the same."""
    alice = program("queues_for_slots", peer="bob")
    bob = program("serves_slots", peer="alice", wanted={"three": 3, "two": 2, "one": 1})
    found = await both(tmp_path, alice, bob, slots=4)
    # "three" waits until 2 ms for its slots and gives all back at once, which does for both that are behind it
    assert found["alice"] == [
        ["three", 2_000_000 + LINK_NS],
        ["two", 2_000_000 + 2 * LINK_NS],
        ["one", 2_000_000 + 2 * LINK_NS],
    ]


async def test_those_behind_one_who_gives_up_waiting_for_slots_go_on(tmp_path: Path) -> None:
    alice = program("queues_for_slots", peer="bob", cancel="three")
    bob = program("serves_slots", peer="alice", wanted={"two": 2, "one": 1})
    found = await both(tmp_path, alice, bob, slots=4)
    assert found["alice"] == [["two", 1_000_000 + LINK_NS], ["one", 1_000_000 + 2 * LINK_NS]]


# ---------------------------------------------------------------- many at once


async def test_messages_about_pairs_never_mix_among_64_teleportations_in_flight(tmp_path: Path) -> None:
    n = 64
    observe = {f"received{number}": [{"fidelity": f"sent{number}"}] for number in range(n)}
    found = await both(
        tmp_path,
        program("teleports_all", n=n),
        program("receives_all", n=n),
        inline=False,
        slots=2 * n,
        observe=observe,
    )
    assert [one.value for one in found.observed] == [pytest.approx(1, abs=1e-10)] * n
    received = [event.pair for event in events(found, "receive", "bob")]
    assert len(set(received)) == n
    assert received != [event.pair for event in events(found, "deliver", "bob")]  # they did overtake each other


PLANS = st.lists(
    st.tuples(st.integers(0, 30), st.sampled_from("ab"), st.one_of(st.none(), st.integers(1, 200))), max_size=8
)


def expected(plans: dict[str, list[tuple[int, str, int | None]]]) -> dict[str, dict[str, tuple[str, int]]]:
    """A reference that knows nothing of queues: the requests in order of time, each meeting the oldest that is open.

    At one instant alice comes before bob; at one node patience ends before it asks again, and a pair that arrives
    then is in time.
    """
    steps: list[tuple[int, str, bool, int, str]] = []
    for name, plan in plans.items():
        at = 0
        for number, (wait, tag, patience) in enumerate(plan):
            at += wait * 1000
            steps.append((at, name, True, number, tag))
            if patience is not None:
                steps.append((at + patience * 1000, name, False, number, tag))
    open_: list[tuple[str, int, str]] = []
    fates: dict[tuple[str, int], tuple[str, int]] = {}
    due: dict[tuple[str, int], int] = {}
    pairs = 0
    for at, name, asks, number, tag in sorted(steps):
        me = (name, number)
        if not asks:
            if due.get(me, at + 1) > at:
                fates[me] = ("GenerationTimeout", at)
                open_ = [one for one in open_ if one[:2] != me]
            continue
        met = next((one for one in open_ if one[0] != name and one[2] == tag), None)
        if met is None:
            open_.append((name, number, tag))
            continue
        open_.remove(met)
        for end in (met[:2], me):
            due[end] = at + LINK_NS
            fates.setdefault(end, (f"alice~bob#{pairs}", at + LINK_NS))
        pairs += 1
    return {name: {f"fate{n}": fate for (who, n), fate in fates.items() if who == name} for name in plans}


@settings(max_examples=60)
@given(alice=PLANS, bob=PLANS)
def test_the_nth_request_of_a_tag_meets_the_nth_that_was_not_withdrawn(
    alice: list[tuple[int, str, int | None]], bob: list[tuple[int, str, int | None]]
) -> None:
    plans = {"alice": alice, "bob": bob}
    nodes = {
        name: program("follows", peer=peer, plan=[list(one) for one in plans[name]])
        for name, peer in (("alice", "bob"), ("bob", "alice"))
    }
    with TemporaryDirectory() as folder:
        found = asyncio.run(run(network(FILE, nodes), Path(folder), check=False))
    fates = expected(plans)
    assert {name: dict(found.notes.get(name, {})) for name in plans} == fates
    met = all(len(fates[name]) == len(plans[name]) for name in plans)
    assert found.summary.how == ("done" if met else "deadlock")
