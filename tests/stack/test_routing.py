"""Link states that are flooded: whatever comes first, all of a connected part of a network come to know the same."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qnode.errors import NoRoute
from qnode.stack.routing import LinkStates
from qnode.wire.stack import Announce, Found, LinkFacts, LinkState, NodeFacts, decode_talk, encode_talk
from tests.stack.flooding import FACTS, Edges, Loose, Timed, chain, grid, link, nodes_of, part_of, random_graph

graphs = st.builds(random_graph, st.integers(2, 8), st.integers(0, 6), st.integers(0, 10**6))
seeds = st.integers(0, 10**6)


# --- any order -------------------------------------------------------------------------------------------------------


def at_once(name: str, life: int, facts: NodeFacts, links: tuple[LinkFacts, ...]) -> LinkStates:
    """Nothing is held back."""
    return LinkStates(name, life, facts, links, hold_ns=0)


def known_to(world: Loose[LinkStates], name: str) -> dict[str, LinkState]:
    """What a node knows of its own part."""
    part = part_of(world.edges, name, without=world.lives.keys() - world.here.keys())
    return {node: state for node, state in world.here[name].states.items() if node in part}


def agree(world: Loose[LinkStates]) -> None:
    """If one of a part is awake, all are; and they know their part as it is."""
    for name, states in world.here.items():
        part = {node for node, _, _ in world.truth(name)}
        awake = [other for other in part if world.here[other].awake]
        assert not awake or set(awake) == part
        if awake:
            known = known_to(world, name)
            links = {(node, one.life, frozenset(it.peer for it in one.links)) for node, one in known.items()}
            assert links == world.truth(name)
            assert known == known_to(world, awake[0])
            assert states.complete


@settings(max_examples=150, deadline=None)
@given(graphs, seeds)
def test_all_wake_and_know_the_same_in_any_order_of_messages(edges: Edges, seed: int) -> None:
    random = Random(seed)
    world = Loose(edges, random, at_once)
    for name in random.sample(nodes_of(edges), random.randint(1, 2)):
        world.here[name].need("anybody")
    while world.step():
        pass
    agree(world)
    n, e = len(world.here), len(edges)
    assert world.sent <= n * (2 * e - n + 1)


@settings(max_examples=250, deadline=None)
@given(graphs, seeds, st.integers(0, 60))
def test_parts_of_a_network_agree_after_failures_and_returns_at_any_moment(edges: Edges, seed: int, busy: int) -> None:
    random = Random(seed)
    world = Loose(edges, random, at_once)
    world.here[random.choice(nodes_of(edges))].need("anybody")
    for _ in range(busy):
        gone = sorted(world.lives.keys() - world.here.keys())
        match random.randrange(8):
            case 0:
                world.toggle(random.choice(list(edges)))
            case 1 if len(world.here) > 1:
                world.lose(random.choice(sorted(world.here)))
            case 2 | 3 if gone:
                world.bring_back(random.choice(gone))
            case 4:
                one, other = random.choice(list(edges))
                if one in world.here:
                    world.here[one].measured(other, (1 - random.random() / 2, 0.0, 0.0, 0.0))
            case _:
                world.step()
    while world.step():
        pass
    agree(world)


def test_the_order_in_which_a_state_and_an_older_one_come_makes_no_difference() -> None:
    old, new = LinkState("bob", 0, 4, FACTS, (link("alice"),)), LinkState("bob", 1, 0, FACTS, ())
    for told in ((old, new), (new, old)):
        alice = LinkStates("alice", 0, FACTS, (link("bob"), link("carol")))
        for state in told:
            alice.heard("bob", Announce((state,)))
        assert alice.states["bob"] == new


# --- what is said, and to whom ---------------------------------------------------------------------------------------


def told(states: LinkStates, now_ns: int = 0) -> dict[str, list[tuple[str, int, int]]]:
    """Who is told which states now."""
    return {peer: [(one.node, one.life, one.number) for one in say.states] for peer, say in states.take(now_ns)}


def of(node: str, number: int = 0, *peers: str, life: int = 0) -> Announce:
    return Announce((LinkState(node, life, number, FACTS, tuple(map(link, peers))),))


def bob() -> LinkStates:
    return LinkStates("bob", 0, FACTS, (link("alice", 10), link("carol", 20)))


def test_a_node_sleeps_until_it_needs_a_route_or_hears_of_one_who_does() -> None:
    node = bob()
    node.link_down("alice")
    node.link_up("alice")
    node.measured("carol", (0.9, 0.1, 0.0, 0.0))
    assert node.due_ns is None
    assert not node.awake
    node.need("dave")
    node.need("erin")
    assert told(node) == {"alice": [("bob", 0, 0)], "carol": [("bob", 0, 0)]}
    assert [one.vector for one in node.states["bob"].links] == [(1.0, 0.0, 0.0, 0.0), (0.9, 0.1, 0.0, 0.0)]
    other = bob()
    other.heard("alice", of("alice"))
    assert told(other) == {"alice": [("bob", 0, 0)], "carol": [("bob", 0, 0), ("alice", 0, 0)]}


def test_news_of_an_instant_is_one_message_and_what_comes_soon_after_waits() -> None:
    node = bob()
    node.heard("alice", of("alice"))
    node.heard("alice", of("dave"))
    assert told(node)["carol"] == [("bob", 0, 0), ("alice", 0, 0), ("dave", 0, 0)]
    node.heard("alice", of("erin"))
    assert node.due_ns == 20  # as long as the longest link
    assert told(node, 19) == {}
    node.heard("alice", of("frank"))
    assert told(node, 20) == {"carol": [("erin", 0, 0), ("frank", 0, 0)]}
    assert node.due_ns is None


def test_duplicates_stop_and_nobody_is_told_what_he_has() -> None:
    node = bob()
    node.heard("alice", of("dave"))
    node.heard("carol", of("dave"))
    assert told(node) == {"alice": [("bob", 0, 0)], "carol": [("bob", 0, 0)]}
    node.heard("alice", of("dave"))
    node.heard("carol", of("bob", 7))  # of itself it knows best
    assert node.due_ns is None


def test_only_what_changes_is_announced_again() -> None:
    node = bob()
    node.need("dave")
    told(node)
    node.link_down("alice")
    node.link_down("alice")
    assert told(node, 100) == {"alice": [("bob", 0, 1)], "carol": [("bob", 0, 1)]}  # messages still pass
    assert [one.peer for one in node.states["bob"].links] == ["carol"]
    node.link_up("alice")
    node.link_up("alice")
    node.measured("alice", (1.0, 0.0, 0.0, 0.0))  # as configured
    node.link_down("nobody")
    assert told(node, 200) == {"alice": [("bob", 0, 2)], "carol": [("bob", 0, 2)]}


def test_a_lost_node_is_forgotten_and_its_next_life_is_told_everything() -> None:
    node = bob()
    node.heard("carol", of("dave", 3, "carol"))
    node.heard("alice", of("alice", 2, "bob"))
    told(node)
    node.node_lost("alice", 0)
    assert "alice" not in node.states
    assert node.due_ns is None  # all are told so: nothing of it is announced
    node.heard("carol", of("alice", 9, "bob"))  # somebody who has not heard of it yet
    assert "alice" not in node.states
    node.node_back("alice", 1)
    assert told(node, 100) == {"alice": [("bob", 0, 0), ("dave", 0, 3)]}
    node.heard("alice", of("alice", 0, "bob", life=1))
    assert told(node, 200) == {"carol": [("alice", 1, 0)]}


def test_what_a_node_said_before_it_was_lost_does_not_tell_what_its_next_life_knows() -> None:
    node = bob()
    node.heard("carol", of("dave", 3, "carol"))
    told(node)
    node.node_lost("alice", 0)
    node.node_back("alice", 1)
    for late in (of("dave", 3, "carol"), of("erin")):  # it was slow
        node.heard("alice", late)
    assert told(node, 100)["alice"] == [("bob", 0, 0), ("dave", 0, 3), ("erin", 0, 0)]


def test_routes_wait_until_the_whole_part_is_known() -> None:
    alice = LinkStates("alice", 0, FACTS, (link("bob"),))
    alice.need("carol")
    assert alice.route("carol") is None
    alice.heard("bob", of("bob", 0, "alice", "carol"))
    assert alice.route("carol") is None
    alice.heard("bob", of("carol", 0, "bob"))
    assert alice.route("carol") == ("alice", "bob", "carol")
    assert alice.route("carol") == ("alice", "bob", "carol")
    assert alice.routes() is alice.routes()
    with pytest.raises(NoRoute, match="nothing is known of dave; known are: alice, bob, carol"):
        alice.route("dave")
    alice.heard("bob", of("bob", 1, "alice"))  # its link to carol is broken
    with pytest.raises(NoRoute, match="alice reaches only: bob"):
        alice.route("carol")
    alice.heard("bob", of("bob", 2, "alice", "carol"))
    alice.node_lost("bob", 0)
    with pytest.raises(NoRoute, match="alice reaches only: nobody"):
        alice.route("carol")
    assert not alice.heard("bob", Found(0, 1, LinkState("bob", 0, 0, FACTS, ())))  # nobody seeks here
    assert alice.due_ns is None


# --- at size ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("edges", [chain(40), grid(6), random_graph(60, 90, 1)], ids=["chain", "grid", "random"])
def test_a_network_wakes_with_as_few_messages_as_promised(edges: Edges) -> None:
    names = nodes_of(edges)
    n, e = len(names), len(edges)
    net = Timed(edges)
    net.states[names[0]].need(names[-1])
    net.at(0, names[0], lambda: None)
    net.run()
    assert all(list(sorted(one.states)) == names and one.complete for one in net.states.values())
    assert net.messages <= net.told <= n * (2 * e - n + 1)
    woken = net.messages
    one, other = next(iter(edges))
    for end, peer in ((one, other), (other, one)):
        net.at(net.now_ns, end, lambda end=end, peer=peer: net.states[end].link_down(peer))  # type: ignore[misc]
    net.run()
    assert net.messages - woken <= 2 * 2 * e  # two states have changed
    assert all(len(known.states[one].links) < len(net.links[one]) for known in net.states.values())


def test_holding_news_back_saves_most_messages_where_links_have_different_lengths() -> None:
    edges = random_graph(60, 90, 1)
    sent = []
    for hold_ns in (0, None):
        net = Timed(edges, hold_ns)
        net.states["n0000"].need("n0001")
        net.at(0, "n0000", lambda: None)
        net.run()
        sent.append((net.messages, net.now_ns))
    (at_once, soon), (held, late) = sent
    assert held < at_once / 4
    assert late < 3 * soon


def test_announcements_come_back_the_same_from_the_wire() -> None:
    states = LinkState("alice", 2, 7, FACTS, (link("bob", 5, vector=(0.7, 0.1, 0.1, 0.1), aged_ns=(3, 4)),))
    assert decode_talk(encode_talk(Announce((states,)))) == Announce((states,))
