"""Requests for pairs: the n-th of one end meets the n-th of the other, for each program and tag, however they come."""

from __future__ import annotations

from collections import defaultdict
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.oracle.limits import Usage
from orchestrator.oracle.matching import Matching
from qnode.errors import MalformedMessage
from qnode.ids import NodeName, QubitId
from qnode.wire.operations import Entangle

ALICE, BOB, CAROL = map(NodeName, ("alice", "bob", "carol"))
PEERS = ((ALICE, BOB), (BOB, ALICE), (BOB, CAROL), (CAROL, BOB))
Talk = tuple[NodeName, NodeName, str, str]  # who, with whom, program, tag

talks = st.tuples(st.sampled_from(PEERS), st.sampled_from(("main", "keys")), st.sampled_from(("", "a"))).map(
    lambda drawn: (*drawn[0], drawn[1], drawn[2])
)


def asked(request: int, peer: NodeName = BOB, program: str = "main", tag: str = "", n: int = 1) -> Entangle:
    return Entangle(request, program, peer, tag, n, 0.0)


def withdrawn(matching: Matching, key: tuple[NodeName, int]) -> list[QubitId]:
    demand = matching.withdraw(key)
    return [] if demand is None else demand.under_way


def other_end(talk: Talk) -> Talk:
    return (talk[1], talk[0], *talk[2:])


@given(st.lists(talks, max_size=40))
def test_the_nth_request_meets_the_nth_in_any_interleaving(order: list[Talk]) -> None:
    matching = Matching(Usage({}))
    nth: dict[Talk, int] = defaultdict(int)
    place: dict[tuple[NodeName, int], tuple[Talk, int, int]] = {}
    met: list[tuple[tuple[NodeName, int], tuple[NodeName, int]]] = []
    for request, talk in enumerate(order):
        node, peer, program, tag = talk
        place[node, request] = (talk, nth[talk], request)
        nth[talk] += 1
        found = matching.ask(node, asked(request, peer, program, tag))
        if found:
            met.append((found[0].key, found[1].key))
    for earlier, later in met:
        assert place[earlier][0] == other_end(place[later][0])
        assert place[earlier][1] == place[later][1]
        assert place[earlier][2] < place[later][2]  # whoever asked first is the requester
    assert len(met) == sum(min(nth[talk], nth[other_end(talk)]) for talk in list(nth)) / 2
    assert len(matching) == len(order)  # matched ones are open until their halves have arrived


@given(st.lists(st.tuples(st.sampled_from(PEERS), st.integers(0, 3)), max_size=30))
def test_withdrawn_requests_are_as_if_they_had_never_been(steps: list[tuple[tuple[NodeName, NodeName], int]]) -> None:
    """Requests that wait are withdrawn in any order; the rest meets in order."""
    matching = Matching(Usage({}))
    waiting: dict[Talk, list[int]] = defaultdict(list)
    for request, ((node, peer), action) in enumerate(steps):
        talk = (node, peer, "main", "")
        mine, theirs = waiting[talk], waiting[other_end(talk)]
        if action == 0 and mine:
            gone = mine.pop(request % len(mine))
            assert withdrawn(matching, (node, gone)) == []
            continue
        found = matching.ask(node, asked(request, peer))
        if theirs:
            assert found is not None
            assert found[0].key == (peer, theirs.pop(0))
            assert found[1].key == (node, request)
        else:
            assert found is None
            mine.append(request)


def test_a_request_withdrawn_before_the_peer_asks_does_not_meet_it() -> None:
    matching = Matching(Usage({}))
    matching.ask(ALICE, asked(1))
    assert withdrawn(matching, (ALICE, 1)) == []
    assert len(matching) == 0
    assert matching.ask(BOB, asked(1, ALICE)) is None


def test_a_request_withdrawn_while_its_halves_are_under_way_gives_those_back_that_have_not_arrived() -> None:
    matching = Matching(Usage({}))
    matching.ask(ALICE, asked(1, n=3))
    met = matching.ask(BOB, asked(1, ALICE, n=3))
    assert met is not None
    halves = [QubitId(f"alice~bob#{nth}@alice") for nth in range(3)]
    met[0].under_way.extend(halves)
    met[1].under_way.extend(QubitId(f"alice~bob#{nth}@bob") for nth in range(3))
    assert matching.delivered((ALICE, 1), halves[0])
    assert withdrawn(matching, (ALICE, 1)) == halves[1:]
    assert not matching.delivered((ALICE, 1), halves[1])
    assert matching.delivered((BOB, 1), QubitId("alice~bob#1@bob"))  # the other end is not concerned


def test_a_half_for_a_withdrawn_request_does_not_arrive_for_the_next_one_of_its_number() -> None:
    matching = Matching(Usage({}))
    matching.ask(ALICE, asked(1))
    met = matching.ask(BOB, asked(1, ALICE))
    assert met is not None
    half = QubitId("alice~bob#0@alice")
    met[0].under_way.append(half)
    assert withdrawn(matching, (ALICE, 1)) == [half]
    matching.ask(ALICE, asked(1))
    assert not matching.delivered((ALICE, 1), half)
    assert len(matching) == 2  # the new one, and bob's


def test_a_request_is_over_when_its_last_half_has_arrived() -> None:
    matching = Matching(Usage({}))
    matching.ask(ALICE, asked(1, n=2))
    met = matching.ask(BOB, asked(4, ALICE, n=2))
    assert met is not None
    for demand in met:
        demand.under_way.extend((QubitId("0"), QubitId("1")))
        demand.left = 0
    for nth, key in product(("1", "0"), ((ALICE, 1), (BOB, 4))):
        assert matching.delivered(key, QubitId(nth))
    assert len(matching) == 0
    assert withdrawn(matching, (ALICE, 1)) == []
    assert matching.ask(ALICE, asked(1)) is None  # the number is free again


def test_a_withdrawal_of_what_never_was_or_is_over_changes_nothing() -> None:
    matching = Matching(Usage({}))
    matching.ask(ALICE, asked(1))
    assert withdrawn(matching, (ALICE, 2)) == []
    assert withdrawn(matching, (BOB, 1)) == []
    assert matching.ask(BOB, asked(1, ALICE)) is not None


@pytest.mark.parametrize("met", [False, True])
def test_a_number_of_an_open_request_is_not_taken_twice(met: bool) -> None:
    matching = Matching(Usage({}))
    matching.ask(ALICE, asked(1))
    if met:
        assert matching.ask(BOB, asked(1, ALICE)) is not None
    with pytest.raises(MalformedMessage, match="alice used request number 1 twice"):
        matching.ask(ALICE, asked(1))
    if not met:
        found = matching.ask(BOB, asked(1, ALICE))
        assert found is not None
    assert matching.ask(BOB, asked(2, ALICE)) is None  # the refused one is not waiting


def test_a_refused_request_is_closed() -> None:
    matching = Matching(Usage({}))
    matching.ask(ALICE, asked(1, n=1))
    met = matching.ask(BOB, asked(1, ALICE, n=2))
    assert met is not None
    for demand in met:
        matching.refuse(demand)
    assert len(matching) == 0
