"""A link is shared fairly: the highest priority first, and within one a pair for each request in turn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.oracle.matching import Demand
from orchestrator.oracle.network import AHEAD_S
from orchestrator.oracle.turns import Job, Turns
from qnode.wire.items import Paired
from qnode.wire.operations import Entangle, Op
from qnode.wire.stack import STACK
from tests.oracle.cores import ALICE, BOB, Bench, entangle
from tests.physics.test_generation import chance, delivered, generated, network


def circuit(request: int, name: str, priority: int = 0) -> Entangle:
    return Entangle(request, STACK, "", name, 1, 0.0, priority)


def job(wanted: Entangle, end: int = 0) -> Job:
    ends = (ALICE, BOB) if not end else (BOB, ALICE)
    first, second = (Demand(node, wanted, wanted.tag) for node in ends)
    return Job(first, second)


def shares_of(made: Sequence[str], sharers: int, most: int) -> None:
    """At any time, of those that still want pairs, none has had two more than another."""
    had: Counter[str] = Counter({f"c{nth}": 0 for nth in range(sharers)})
    for one in made:
        had[one] += 1
        wanting = [n for n in had.values() if n < most]
        assert max(had.values()) - min(wanting, default=max(had.values())) <= 1


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2), st.sampled_from(["comes", "takes", "fails"])), max_size=60)
)
def test_the_highest_priority_comes_first_and_sharers_take_turns(order: list[tuple[int, int, str]]) -> None:
    """Jobs come and have their turns in any order; compared with a search for who has waited longest."""
    turns = Turns()
    waiting: list[Job] = []
    since: dict[object, int] = {}  # when a sharer came, or its last turn was over

    def of(one: Job) -> object:
        return one.priority, one.sharer

    for now, (name, priority, what) in enumerate(order):
        if what == "comes" or not waiting:
            new = job(circuit(now, f"c{name}", priority))
            if of(new) not in map(of, waiting):
                since[of(new)] = now
            turns.add(new)
            waiting.append(new)
            continue
        longest = min(waiting, key=lambda one: (-one.priority, since[of(one)]))  # the first of those alike
        assert turns.next() is longest
        assert turns.take() is longest
        waiting.remove(longest)
        if name % 2:  # another comes while a pair is made
            late = job(circuit(now, "late", longest.priority))
            if of(late) not in map(of, waiting):
                since[of(late)] = now
            turns.add(late)
            waiting.append(late)
        turns.over()
        since[of(longest)] = now
        if what == "fails":
            turns.put_first(longest)
            waiting.insert(0, longest)
            since[of(longest)] = -now
        assert sorted(map(id, turns)) == sorted(map(id, waiting))
        assert bool(turns) == bool(waiting)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), max_size=20))
def test_what_is_removed_has_no_turn(order: list[tuple[int, int]]) -> None:
    turns = Turns()
    jobs = [job(circuit(nth, f"c{name}", priority)) for nth, (name, priority) in enumerate(order)]
    for one in jobs:
        turns.add(one)
    before = list(turns)
    for one in jobs[::2]:
        turns.remove(one)
    assert list(turns) == [one for one in before if one not in jobs[::2]]
    assert turns.clear() == [one for one in before if one not in jobs[::2]]
    assert not turns
    assert turns.next() is None


@pytest.mark.parametrize("requests", range(2, 9))
def test_the_shares_of_requests_differ_by_one_pair_at_most(requests: int) -> None:
    bench = Bench(network(chance(0.3)))
    asked = [entangle(nth + 1, BOB, 12, f"c{nth}") for nth in range(requests)]
    bench.round({ALICE: asked, BOB: [entangle(one.request, ALICE, one.n, one.tag) for one in asked]})
    delivered(bench)
    tags = {one.request: one.tag for one in asked}
    made = [tags[event.request] for event in generated(bench)]
    assert Counter(made) == dict.fromkeys(tags.values(), 12)
    shares_of(made, requests, 12)


@pytest.mark.parametrize("windows", [(1, 4), (4, 1), (2, 8, 3), (3, 3, 2, 5, 7, 2, 2, 6)])
def test_a_circuit_gets_no_more_by_asking_for_more_at_once(windows: tuple[int, ...]) -> None:
    """Each keeps as many pairs under way as it has slots for: one further is asked for when one comes."""
    bench = Bench(network(chance(0.3)))
    most, number = 12, 0
    asked: dict[object, dict[int, str]] = {ALICE: {}, BOB: {}}
    left = {node: dict.fromkeys((f"c{nth}" for nth in range(len(windows))), most) for node in asked}

    def ask(node: object, name: str) -> Entangle:
        nonlocal number
        number += 1
        left[node][name] -= 1
        asked[node][number] = name
        return Entangle(number, STACK, BOB if node == ALICE else ALICE, name, 1, 0.0)

    def first(node: object) -> list[Op]:
        return [ask(node, f"c{nth}") for nth, window in enumerate(windows) for _ in range(window)]

    bench.round({ALICE: first(ALICE), BOB: first(BOB)})
    while bench.granted:
        again: dict[object, list[Op]] = {}
        for node in bench.granted:
            for item in bench.items(node):
                if isinstance(item, Paired) and left[node][asked[node][item.request]]:
                    again.setdefault(node, []).append(ask(node, asked[node][item.request]))
        bench.round(again)  # type: ignore[arg-type]
    names = asked[ALICE] | asked[BOB]
    made = [names[event.request] for event in generated(bench)]
    assert Counter(made) == dict.fromkeys(left[ALICE], most)
    if min(windows) > 1:  # who has nothing waiting when its turn comes, misses it
        shares_of(made, len(windows), most)
    else:
        assert all(made[at] != made[at + 1] != made[at + 2] for at in range(2 * most - 2))


def test_what_is_not_handed_out_yet_on_the_real_clock_can_still_come_later() -> None:
    """A pair takes a second. The first is known at once and the next is being made, when two are asked for urgently."""
    bench = Bench(network(chance(1.0, 10**9), clock="real"))
    core, found = bench.core, list[tuple[int, int]]()

    def ask(at_ns: int, request: int, n: int, priority: int) -> None:
        core.time.go_to(at_ns)
        for node, peer in ((ALICE, BOB), (BOB, ALICE)):
            core.report(bench.report(node, Entangle(request, "main", peer, str(request), n, 0.0, priority)))
            bench.execute()

    def hand_out(at_ns: int) -> None:
        core.time.go_to(at_ns)
        for one in core.scheduled_grants():
            found.extend(
                (one.now_ns, item.request) for item in one.items if isinstance(item, Paired) and one.node == ALICE
            )

    ask(0, 1, 4, 0)
    hand_out(0)
    assert found == [(30, 1)]
    assert core.next_due_ns == 10**9 + 30 - round(AHEAD_S * 1e9)
    ask(5 * 10**8, 2, 2, 1)
    for at_ns in range(5 * 10**8, 6 * 10**9, 10**7):
        hand_out(at_ns)
    order = [1, 2, 2, 1, 1, 1]
    assert found == [(nth * 10**9 + 30, request) for nth, request in enumerate(order)]
    assert core.next_due_ns is None


def test_what_is_more_urgent_comes_first() -> None:
    """The pair that is being made when it is asked for is made later; the higher priority of both ends counts."""
    bench = Bench(network(chance(0.3)))
    plain, urgent = Entangle(1, "main", BOB, "plain", 4, 0.0), Entangle(2, "main", BOB, "urgent", 4, 0.0, 1)
    bench.round({ALICE: [plain], BOB: [Entangle(1, "main", ALICE, "plain", 4, 0.0)]}, alice=1, bob=1)
    bench.round({ALICE: [urgent], BOB: [Entangle(2, "main", ALICE, "urgent", 4, 0.0, -5)]})
    delivered(bench)
    tags: dict[tuple[str, int], str] = {(ALICE, 1): "p", (BOB, 1): "p", (ALICE, 2): "u", (BOB, 2): "u"}
    assert "".join(tags[event.node, event.request] for event in generated(bench)) == "puuuupppp"
