"""Searches for a route: they end, in any order of messages, with ways that are there, or with none if there is none."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qnode.errors import MalformedMessage, NoRoute
from qnode.stack.discovery import Discovery
from qnode.wire.stack import Announce, Found, LinkState, Seek, decode_state, decode_talk, encode_state, encode_talk
from tests.stack.flooding import FACTS, Edges, Timed, chain, grid, link, neighbours, nodes_of, part_of, random_graph

graphs = st.builds(random_graph, st.integers(2, 9), st.integers(0, 8), st.integers(0, 10**6))
seeds = st.integers(0, 10**6)


class Loose:
    """Messages arrive in any order; links break and are mended, and nodes are lost and return, in between."""

    def __init__(self, edges: Edges, random: Random) -> None:
        self.edges = edges
        self.random = random
        self.lives = dict.fromkeys(nodes_of(edges), 0)
        self.here: dict[str, Discovery] = {}
        self.broken: set[tuple[str, str]] = set()
        self.under_way: list[tuple[str, str, Seek | Found]] = []
        self.sent = 0
        for name in self.lives:
            self.begin(name)

    def begin(self, name: str) -> None:
        links = tuple(link(peer) for peer in neighbours(self.edges, name))
        self.here[name] = Discovery(name, self.lives[name], FACTS, links)
        for ends in self.broken:
            if name in ends:
                self.here[name].link_down(ends[ends[0] == name])

    def toggle(self, ends: tuple[str, str]) -> None:
        down = ends not in self.broken
        self.broken ^= {ends}
        for one, other in (ends, ends[::-1]):
            if one in self.here:
                (self.here[one].link_down if down else self.here[one].link_up)(other)

    def lose(self, name: str) -> None:
        """All that was for it or of it is lost, and all are told at once."""
        del self.here[name]
        self.under_way = [one for one in self.under_way if name not in one[:2]]
        for other in self.here.values():
            other.node_lost(name, self.lives[name])

    def bring_back(self, name: str) -> None:
        self.lives[name] += 1
        self.begin(name)
        for other in self.lives:
            if other in self.here:
                self.here[other].node_back(name, self.lives[name])
            else:
                self.here[name].node_lost(other, self.lives[other])

    def step(self) -> bool:
        for name, node in self.here.items():
            letters = node.take(0)
            self.sent += len(letters)
            self.under_way += [(name, peer, letter) for peer, letter in letters]
        if not self.under_way:
            return False
        sender, receiver, letter = self.under_way.pop(self.random.randrange(len(self.under_way)))
        self.here[receiver].heard(sender, letter)
        return True

    def whole(self) -> list[tuple[str, str]]:
        return [ends for ends in self.edges if ends not in self.broken and set(ends) <= self.here.keys()]

    def check(self, source: str, target: str) -> None:
        """A search that is over has found a way that is there, if there is one."""
        if target in part_of(self.whole(), source):
            route = self.here[source].route(target)
            assert route is not None
            assert (route[0], route[-1]) == (source, target)
            assert all(hop in self.whole() or hop[::-1] in self.whole() for hop in pairwise(route))
        else:
            with pytest.raises(NoRoute):
                self.here[source].route(target)


@settings(max_examples=200, deadline=None)
@given(graphs, seeds, st.integers(0, 3))
def test_a_search_finds_a_way_if_there_is_one_with_two_messages_a_link(edges: Edges, seed: int, breaks: int) -> None:
    random = Random(seed)
    world = Loose(edges, random)
    for ends in random.sample(sorted(edges), min(breaks, len(edges))):
        world.toggle(ends)
    source, target = random.sample(nodes_of(edges), 2)
    world.here[source].need(target)
    world.here[source].need(target)  # it is being sought
    while world.step():
        pass
    world.check(source, target)
    reached = [ends for ends in world.whole() if ends[0] in part_of(world.whole(), source)]
    assert world.sent <= 2 * len(reached)
    if target not in part_of(world.whole(), source):
        assert world.sent == 2 * len(reached)


@settings(max_examples=250, deadline=None)
@given(graphs, seeds, st.integers(0, 40))
def test_searches_end_whatever_fails_meanwhile_and_the_next_one_is_right(edges: Edges, seed: int, busy: int) -> None:
    random = Random(seed)
    world = Loose(edges, random)
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
            case _:
                world.step()
    while world.step():
        pass
    source = random.choice(sorted(world.here))
    for target in world.here.keys() - {source}:
        world.here[source].forget(target)
        world.here[source].need(target)
        while world.step():
            pass
        world.check(source, target)


@settings(max_examples=50, deadline=None)
@given(graphs, seeds)
def test_many_searches_at_once_do_not_mix(edges: Edges, seed: int) -> None:
    random = Random(seed)
    world = Loose(edges, random)
    pairs = [(one, other) for one in nodes_of(edges) for other in nodes_of(edges) if one != other]
    for one, other in pairs:
        world.here[one].need(other)
    while world.step():
        pass
    for one, other in pairs:
        world.check(one, other)


# --- one node --------------------------------------------------------------------------------------------------------


def bob(*peers: str) -> Discovery:
    return Discovery("bob", 0, FACTS, tuple(map(link, peers)))


def state(node: str, *peers: str) -> bytes:
    return encode_state(LinkState(node, 0, 0, FACTS, tuple(map(link, peers))))


def test_who_is_asked_asks_on_and_answers_once_all_have_answered() -> None:
    node, key = bob("alice", "carol", "dave"), ("alice", 0, 1)
    node.heard("alice", Seek(*key, "erin"))
    assert node.take(0) == [("carol", Seek(*key, "erin")), ("dave", Seek(*key, "erin"))]
    node.heard("carol", Seek(*key, "erin"))  # it asks by itself
    assert node.take(0) == []
    found = state("dave", "bob", "erin")
    node.heard("dave", Found(*key, (found, state("erin", "dave"))))
    mine = state("bob", "alice", "carol", "dave")
    assert node.take(0) == [("alice", Found(*key, (mine, found, state("erin", "dave"))))]
    node.heard("dave", Found(*key, (found,)))  # twice
    node.heard("alice", Seek(*key, "erin"))  # twice, and late
    assert node.take(0) == [("alice", Found(*key, ()))]
    node.heard("alice", Announce((decode_state(found),)))  # nobody announces where routes are sought
    assert node.due_ns is None
    node.need("frank")
    assert node.due_ns == 0


def test_the_target_answers_all_who_ask() -> None:
    node, key = bob("alice", "carol"), ("erin", 2, 7)
    for peer in ("alice", "carol"):
        node.heard(peer, Seek(*key, "bob"))
        assert node.take(0) == [(peer, Found(*key, (state("bob", "alice", "carol"),)))]


def test_a_question_that_comes_twice_is_answered_once() -> None:
    node, key = bob("alice", "carol"), ("alice", 0, 1)
    node.heard("alice", Seek(*key, "erin"))
    node.heard("alice", Seek(*key, "erin"))
    assert node.take(0) == [("carol", Seek(*key, "erin"))]


def test_who_asks_over_a_link_that_is_broken_at_the_other_end_is_answered_and_the_next_one_is_served() -> None:
    node, key = bob("alice", "carol", "dave"), ("frank", 0, 1)
    node.link_down("alice")
    node.heard("alice", Seek(*key, "erin"))
    assert node.take(0) == [("alice", Found(*key, ()))]
    node.heard("carol", Seek(*key, "erin"))
    assert node.take(0) == [("dave", Seek(*key, "erin"))]


def test_what_is_found_holds_until_something_on_it_changes() -> None:
    node = bob("alice", "carol")

    def found() -> bool:
        node.need("erin")
        asked = node.take(0)
        for peer, seek in asked:
            assert isinstance(seek, Seek)
            states = (state("alice", "bob", "erin"), state("erin", "alice")) if peer == "alice" else ()
            node.heard(peer, Found(seek.source, seek.life, seek.number, states))
        assert node.route("erin") == ("bob", "alice", "erin")
        return bool(asked)

    assert node.route("erin") is None
    assert found()
    assert not found()
    node.node_lost("carol", 0)  # not on it
    node.node_back("carol", 1)
    node.measured("alice", (1.0, 0.0, 0.0, 0.0))  # as it was
    assert not found()
    node.measured("alice", (0.9, 0.1, 0.0, 0.0))
    assert found()
    node.link_down("carol")
    assert node.route("erin") is None
    node.link_up("carol")
    assert found()
    node.node_lost("erin", 0)
    node.node_back("erin", 1)
    assert found()
    node.forget("erin")
    assert found()


def test_what_was_sought_in_vain_is_sought_again() -> None:
    node = bob("alice")
    for number in (1, 2):
        node.need("erin")
        assert node.take(0) == [("alice", Seek("bob", 0, number, "erin"))]
        node.heard("alice", Found("bob", 0, number, ()))
        with pytest.raises(NoRoute, match="nobody that bob can ask knows a way"):
            node.route("erin")


def test_what_cannot_be_read_is_not_gone_over() -> None:
    node = bob("alice", "carol")
    node.need("erin")
    node.heard("alice", Found("bob", 0, 1, (b"\xc1", state("alice", "bob", "erin"))))
    node.heard("carol", Found("bob", 0, 1, (state("carol", "bob", "erin"), state("erin", "carol", "alice"))))
    assert node.route("erin") == ("bob", "alice", "erin")
    with pytest.raises(MalformedMessage, match="not the state of a node's links"):
        decode_state(b"\xc1")


def test_who_has_nobody_to_ask_knows_at_once() -> None:
    node = bob()
    node.need("erin")
    with pytest.raises(NoRoute):
        node.route("erin")


# --- at size ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("edges", [chain(200), grid(12), random_graph(200, 300, 1)], ids=["chain", "grid", "random"])
def test_a_search_of_a_large_network_takes_two_messages_a_link(edges: Edges) -> None:
    names = nodes_of(edges)
    net = Timed(edges)
    net.discoveries[names[0]].need(names[-1])
    net.at(0, names[0], lambda: None)
    net.run()
    assert net.discoveries[names[0]].route(names[-1]) is not None
    assert net.messages <= 2 * len(edges)


@pytest.mark.parametrize("letter", [Seek("alice", 1, 2, "bob"), Found("alice", 1, 2, (state("bob", "carol"),))])
def test_searches_come_back_the_same_from_the_wire(letter: Seek | Found) -> None:
    assert decode_talk(encode_talk(letter)) == letter
