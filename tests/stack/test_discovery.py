"""Searches for a route: they end, in any order of messages, and tell what announcements would have told."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from itertools import pairwise, permutations
from random import Random
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qnode.errors import NoRoute, RateUnreachable
from qnode.stack.discovery import Discovery
from qnode.stack.planning import plan
from qnode.stack.routes import METRICS, Avoided, RouteTable
from qnode.stack.routing import LinkStates
from qnode.stack.terms import way
from qnode.stack.ways import Routes, Ways
from qnode.wire.stack import (
    Announce,
    Found,
    LinkFacts,
    LinkState,
    NodeFacts,
    Seek,
    StackSpec,
    Terms,
    decode_talk,
    encode_talk,
)
from tests.stack.flooding import (
    FACTS,
    Edges,
    Loose,
    Timed,
    chain,
    grid,
    link,
    neighbours,
    nodes_of,
    part_of,
    random_graph,
)

graphs = st.builds(random_graph, st.integers(2, 9), st.integers(0, 8), st.integers(0, 10**6))
seeds = st.integers(0, 10**6)


def settle(world: Loose[Discovery] | Loose[LinkStates]) -> None:
    while world.step():
        pass


def whole(world: Loose[Discovery]) -> list[tuple[str, str]]:
    """Links over which pairs can be had."""
    return [ends for ends in world.edges if ends not in world.broken and set(ends) <= world.here.keys()]


def check(world: Loose[Discovery], source: str, target: str) -> None:
    """A search that is over has found the best way that is there, if there is one."""
    ways = whole(world)
    if target not in part_of(ways, source):
        with pytest.raises(NoRoute):
            world.here[source].route(target)
        return
    states = {
        name: LinkState(name, 0, 0, FACTS, tuple(link(peer) for peer in neighbours(dict.fromkeys(ways, 1), name)))
        for name in world.here
    }
    assert world.here[source].route(target) == RouteTable(states).route(source, target)


@settings(max_examples=200, deadline=None)
@given(graphs, seeds, st.integers(0, 3))
def test_a_search_finds_the_best_way_with_two_messages_a_link(edges: Edges, seed: int, breaks: int) -> None:
    random = Random(seed)
    world = Loose(edges, random, Discovery)
    for ends in random.sample(sorted(edges), min(breaks, len(edges))):
        world.toggle(ends)
    source, target = random.sample(nodes_of(edges), 2)
    world.here[source].need(target)
    world.here[source].need(target)  # it is being sought
    settle(world)
    check(world, source, target)
    reached = [ends for ends in whole(world) if ends[0] in part_of(whole(world), source)]
    assert world.sent <= 2 * len(reached)


@settings(max_examples=400, deadline=None)
@given(graphs, seeds, st.integers(0, 60))
def test_searches_end_whatever_fails_meanwhile_and_the_next_one_is_right(edges: Edges, seed: int, busy: int) -> None:
    """News of nodes, too, come in any order, before and after what those say who have heard of it."""
    random = Random(seed)
    world = Loose(edges, random, Discovery)
    for _ in range(busy):
        gone = sorted(world.lives.keys() - world.here.keys())
        match random.randrange(8):
            case 0:
                world.toggle(random.choice(sorted(edges)))
            case 1 if len(world.here) > 2:
                world.lose(random.choice(sorted(world.here)))
            case 2 if gone:
                world.bring_back(random.choice(gone))
            case 3:
                world.here[random.choice(sorted(world.here))].need(random.choice(nodes_of(edges)))
            case 4:
                one, other = random.choice(sorted(edges))
                if one in world.here:
                    world.here[one].measured(other, (1 - random.random() / 2, 0.0, 0.0, 0.0))
            case _:
                world.step()
    settle(world)
    for name, here in world.here.items():
        assert not here._seeking, f"{name} still waits for an answer"
    source = random.choice(sorted(world.here))
    for target in world.here.keys() - {source}:
        world.here[source].forget(target)
        world.here[source].need(target)
        settle(world)
        check(world, source, target)


@settings(max_examples=50, deadline=None)
@given(graphs, seeds)
def test_many_searches_at_once_do_not_mix(edges: Edges, seed: int) -> None:
    world = Loose(edges, Random(seed), Discovery)
    pairs = list(permutations(nodes_of(edges), 2))
    for one, other in pairs:
        world.here[one].need(other)
    settle(world)
    for one, other in pairs:
        check(world, one, other)


# --- as if all had been announced ------------------------------------------------------------------------------------

SPEC: Final = StackSpec(swap_success=0.75)


@st.composite
def unlike(draw: st.DrawFn) -> tuple[Edges, dict[str, NodeFacts], dict[str, tuple[LinkFacts, ...]]]:
    """A network, perhaps in parts, whose nodes and links differ, but some of which are alike."""
    names = [f"n{nth}" for nth in range(draw(st.integers(3, 7)))]
    possible = [(one, other) for nth, one in enumerate(names) for other in names[nth + 1 :]]
    ends = draw(st.lists(st.sampled_from(possible), min_size=2, max_size=12, unique=True))
    edges = {pair: draw(st.sampled_from([10, 20, 35])) for pair in ends}
    vectors = [(0.97, 0.01, 0.01, 0.01), (0.9, 0.05, 0.05, 0.0), (0.8, 0.0, 0.2, 0.0)]
    facts = {
        name: NodeFacts(
            slots=draw(st.sampled_from([2, 4, 8])),
            t1_ns=draw(st.sampled_from([1e6, 1e9])),
            t2_ns=draw(st.sampled_from([1e5, 1e8])),
            mixing=draw(st.sampled_from([0.0, 0.02])),
            flip=draw(st.sampled_from([0.0, 0.01])),
            swap_ns=draw(st.sampled_from([0, 30])),
        )
        for name in nodes_of(edges)
    }
    links: dict[str, list[LinkFacts]] = {name: [] for name in facts}
    for (a, b), delay_ns in edges.items():
        attempt_ns, success = draw(st.sampled_from([(0, 1.0), (10, 0.5), (50, 0.1), (10, 0.05)]))
        vector, aged = draw(st.sampled_from(vectors)), draw(st.sampled_from([(0, 0), (20, 5)]))
        links[a].append(LinkFacts(b, delay_ns, attempt_ns, success, delay_ns, vector, aged))
        links[b].append(LinkFacts(a, delay_ns, attempt_ns, success, delay_ns, vector, aged[::-1]))
    return edges, facts, {name: tuple(of) for name, of in links.items()}


def told(ways: Ways, me: str, peer: str, terms: Terms) -> tuple[object, ...]:
    """All that a request makes of ways: its route, what it promises, or why it is refused and what could be had."""
    try:
        route = way(ways, me, peer, terms, SPEC)
    except (NoRoute, RateUnreachable) as error:
        return type(error), error.fields
    assert route is not None
    return route, ways.facts_along(route)


def reachable(ways: Ways, me: str, peer: str) -> tuple[object, ...]:
    """What a request for a fidelity is served by, or the best that it could have."""
    try:
        route = way(ways, me, peer, Terms(), SPEC)
    except NoRoute:
        return ()
    assert route is not None
    nodes, links = ways.facts_along(route)
    return tuple(plan(nodes, links, wanted, SPEC) for wanted in (0.85, 0.999))


@settings(max_examples=200, deadline=None)
@given(unlike(), st.sampled_from(METRICS), seeds)
def test_routes_and_refusals_are_those_of_announced_links(
    network: tuple[Edges, Mapping[str, NodeFacts], Mapping[str, tuple[LinkFacts, ...]]], metric: str, seed: int
) -> None:
    """Over unlike links, by all metrics, in whatever order messages come: also rates, fidelities, and what is named."""
    edges, facts, links = network
    random = Random(seed)
    source, target = random.sample(nodes_of(edges), 2)
    asked = Loose(edges, random, partial(Discovery, metric=metric), facts, links)
    announced = Loose(edges, random, partial(LinkStates, metric=metric, hold_ns=0), facts, links)
    for world in (asked, announced):
        world.here[source].need(target)
        settle(world)
    others = sorted(set(facts) - {source, target})
    given_route = (source, *random.sample(others, random.randint(0, len(others))), target)
    rates = [1e5, 1e6, 1e7, 5e7, 1e9]
    for terms in (Terms(), Terms(route=given_route), *(Terms(rate=rate) for rate in rates), Terms(1e7, given_route)):
        mine, theirs = (told(world.here[source], source, target, terms) for world in (asked, announced))
        assert mine == theirs
    mine, theirs = (reachable(world.here[source], source, target) for world in (asked, announced))
    assert mine == theirs
    avoids: list[Avoided] = [*others, *pairwise(given_route)]
    for avoid in avoids:
        assert without(asked.here[source], target, avoid) == without(announced.here[source], target, avoid)


def without(routes: Routes, target: str, avoid: Avoided) -> object:
    try:
        return routes.route(target, avoid=[avoid])
    except NoRoute as error:
        return error.fields


# --- one node --------------------------------------------------------------------------------------------------------


def bob(*peers: str) -> Discovery:
    return Discovery("bob", 0, FACTS, tuple(map(link, peers)))


def state(node: str, *peers: str, life: int = 0) -> LinkState:
    return LinkState(node, life, 0, FACTS, tuple(map(link, peers)))


def test_who_is_asked_passes_it_on_and_answers_who_seeks() -> None:
    node, seek = bob("alice", "carol", "dave"), Seek("erin", 2, 7)
    node.heard("alice", seek)
    mine = state("bob", "alice", "carol", "dave")
    assert node.take(0) == [("carol", seek), ("dave", seek), ("erin", Found(2, 7, mine))]
    for late in (seek, Seek("erin", 2, 6), Seek("erin", 1, 9)):
        node.heard("carol", late)
        node.heard("alice", late)
        assert node.due_ns is None
    node.heard("carol", Seek("erin", 2, 8))
    assert [peer for peer, _ in node.take(0)] == ["alice", "dave", "erin"]
    node.heard("erin", Announce((mine,)))  # nobody announces where routes are sought
    assert node.due_ns is None


def test_who_seeks_is_not_asked() -> None:
    node, seek = bob("alice", "carol"), Seek("carol", 0, 1)
    node.heard("alice", seek)  # on a short way round
    assert node.take(0) == [("carol", Found(0, 1, state("bob", "alice", "carol")))]
    node.need("erin")
    (_, mine), _ = node.take(0)
    assert isinstance(mine, Seek)
    node.heard("alice", mine)
    assert node.due_ns is None


def test_it_is_over_when_all_have_answered_who_are_named() -> None:
    node = bob("alice")
    node.need("erin")
    assert node.take(0) == [("alice", Seek("bob", 0, 1))]
    assert not node.heard("erin", Found(0, 1, state("erin", "carol")))  # a shorter way for messages
    assert not node.heard("alice", Found(0, 1, state("alice", "bob", "carol", "dave")))
    assert not node.heard("carol", Found(0, 1, state("carol", "alice", "erin")))
    assert not node.heard("dave", Found(1, 1, state("dave", "alice")))  # of another life
    assert not node.heard("dave", Found(0, 0, state("dave", "alice")))  # of another search
    assert node.route("erin") is None
    assert node.heard("dave", Found(0, 1, state("dave", "alice")))
    assert node.route("erin") == ("bob", "alice", "carol", "erin")
    assert not node.heard("dave", Found(0, 1, state("dave", "alice")))  # twice


def test_nobody_is_waited_for_who_is_lost_or_was_named_by_nobody_else() -> None:
    node = bob("alice", "carol")
    node.need("erin")
    node.heard("carol", Found(0, 1, state("carol", "bob", "erin")))
    node.heard("alice", Found(0, 1, state("alice", "bob", "dave")))
    node.node_lost("carol", 0)  # it need not have asked erin
    node.node_lost("dave", 0)
    with pytest.raises(NoRoute, match="nothing is known of erin; known are: alice, bob"):
        node.route("erin")


def test_a_next_life_is_asked_anew_and_answers_for_itself() -> None:
    node, seek = bob("alice", "carol"), Seek("erin", 0, 1)
    node.heard("alice", seek)
    node.need("dave")
    node.take(0)
    node.node_lost("carol", 0)
    node.node_back("carol", 1)
    assert node.take(0) == [("carol", seek), ("carol", Seek("bob", 0, 1))]
    node.heard("alice", Seek("frank", 1, 1))
    node.take(0)
    node.node_lost("frank", 0)
    node.node_back("frank", 1)  # what it was told before, its last life was told
    assert node.take(0) == [("frank", Found(1, 1, state("bob", "alice", "carol")))]
    node.node_lost("erin", 0)
    node.heard("alice", seek)
    node.node_lost("alice", 0)
    node.node_back("alice", 1)
    assert [letter.source for _, letter in node.take(0) if isinstance(letter, Seek)] == ["frank", "bob"]  # not erin


def test_only_its_next_life_answers_for_a_node_that_returns_meanwhile() -> None:
    node = bob("alice", "carol")
    node.need("alice")
    node.node_lost("alice", 0)
    node.node_back("alice", 1)
    node.heard("carol", Found(0, 1, state("carol", "bob")))
    node.heard("alice", Found(0, 1, state("alice", "bob", "dave")))
    assert node.route("alice") is None
    node.heard("alice", Found(0, 1, state("alice", "bob", life=1)))
    assert node.route("alice") == ("bob", "alice")


def test_what_a_life_has_said_that_is_over_comes_too_late() -> None:
    node = bob("alice", "carol")
    node.need("alice")
    node.heard("alice", Found(0, 1, state("alice", "bob", life=1)))  # before its return is told
    node.heard("alice", Found(0, 1, state("alice", "bob", "dave")))
    node.heard("carol", Found(0, 1, state("carol", "bob")))
    assert node.route("alice") == ("bob", "alice")


def test_who_asks_over_a_link_that_is_broken_at_the_other_end_is_answered() -> None:
    node, seek = bob("alice", "carol"), Seek("frank", 0, 1)
    node.link_down("alice")
    node.heard("alice", seek)
    assert node.take(0) == [("carol", seek), ("frank", Found(0, 1, state("bob", "carol")))]


def test_an_own_link_that_is_mended_meanwhile_is_sought_over() -> None:
    node = bob("alice", "carol")
    node.link_down("carol")
    node.need("carol")
    assert node.take(0) == [("alice", Seek("bob", 0, 1))]
    node.link_up("carol")
    assert node.take(0) == [("carol", Seek("bob", 0, 1))]
    node.heard("alice", Found(0, 1, state("alice", "bob")))
    assert node.route("carol") is None
    node.heard("carol", Found(0, 1, state("carol", "bob")))
    assert node.route("carol") == ("bob", "carol")


def test_what_is_found_holds_until_something_changes() -> None:
    node, lives = bob("alice", "carol"), {"carol": 0}

    def found() -> bool:
        node.need("erin")
        asked = node.take(0)
        seeks = [letter for _, letter in asked if isinstance(letter, Seek)]
        for one in (state("alice", "bob", "erin"), state("erin", "alice"), state("carol", "bob", life=lives["carol"])):
            if seeks:
                node.heard(one.node, Found(0, seeks[0].number, one))
        assert node.route("erin") == ("bob", "alice", "erin")
        return bool(asked)

    assert node.route("erin") is None
    assert found()
    assert not found()
    node.node_lost("frank", 0)  # in another part of the network
    node.measured("alice", (1.0, 0.0, 0.0, 0.0))  # as it was
    assert not found()
    node.measured("alice", (0.9, 0.1, 0.0, 0.0))
    assert found()
    node.link_down("carol")
    assert node.route("erin") is None
    node.link_up("carol")
    assert found()
    node.node_lost("carol", 0)
    assert node.route("erin") is None
    assert found()
    lives["carol"] = 1
    node.node_back("carol", 1)
    assert node.route("erin") is None
    assert found()
    node.forget("erin")
    assert found()


def test_each_target_is_sought_once_and_several_at_the_same_time_together() -> None:
    node = bob("alice")
    node.need("alice")
    node.need("erin")
    assert node.take(0) == [("alice", Seek("bob", 0, 1))]
    for one in (state("alice", "bob", "erin"), state("erin", "alice")):
        node.heard(one.node, Found(0, 1, one))
    assert (node.route("alice"), node.route("erin")) == (("bob", "alice"), ("bob", "alice", "erin"))
    node.need("erin")
    assert node.due_ns is None
    node.need("frank")
    assert node.take(0) == [("alice", Seek("bob", 0, 2))]
    assert node.route("erin") == ("bob", "alice", "erin")  # meanwhile


def test_what_was_sought_in_vain_is_sought_again() -> None:
    node = bob("alice")
    for number in (1, 2):
        node.need("erin")
        assert node.take(0) == [("alice", Seek("bob", 0, number))]
        node.heard("alice", Found(0, number, state("alice", "bob")))
        with pytest.raises(NoRoute, match="nothing is known of erin; known are: alice, bob"):
            node.route("erin")


def test_a_search_that_is_doubted_makes_way_for_another() -> None:
    node = bob("alice")
    node.need("erin")
    node.need("alice")
    node.doubt("erin")
    node.need("erin")
    assert node.take(0) == [("alice", Seek("bob", 0, 1)), ("alice", Seek("bob", 0, 2))]
    node.heard("alice", Found(0, 1, state("alice", "bob")))
    assert node.route("alice") is None
    node.heard("alice", Found(0, 2, state("alice", "bob")))
    assert node.route("alice") == ("bob", "alice")
    node.doubt("erin")  # nothing is under way


def test_who_has_nobody_to_ask_knows_at_once() -> None:
    node = bob()
    node.need("erin")
    with pytest.raises(NoRoute, match="nobody that bob can ask knows a way"):
        node.route("erin")


# --- at size ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("edges", [chain(1000), grid(12), random_graph(200, 300, 1)], ids=["chain", "grid", "random"])
def test_a_search_of_a_large_network_takes_two_messages_a_link_and_each_state_goes_once(edges: Edges) -> None:
    names = nodes_of(edges)
    net = Timed(edges)
    net.discoveries[names[0]].need(names[-1])
    net.at(0, names[0], lambda: None)
    net.run()
    assert net.discoveries[names[0]].route(names[-1]) is not None
    assert net.messages == 2 * len(edges)
    states = sum(len(encode_talk(Found(0, 1, LinkState(name, 0, 0, FACTS, net.links[name])))) for name in names[1:])
    seek = len(encode_talk(Seek(names[0], 0, 1)))
    assert net.bytes == states + seek * (2 * len(edges) - len(names) + 1)


@pytest.mark.parametrize("letter", [Seek("alice", 1, 2), Found(1, 2, state("bob", "carol"))])
def test_searches_come_back_the_same_from_the_wire(letter: Seek | Found) -> None:
    assert decode_talk(encode_talk(letter)) == letter
