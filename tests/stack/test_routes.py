"""Routes: compared with all that there are, on random networks, and with networkx on large ones."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from math import exp, inf, log, prod
from random import Random

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qnode.errors import NoRoute, QnodeError, from_wire
from qnode.quantum.bell_diagonal import store, werner
from qnode.stack.routes import METRICS, Avoided, RouteTable, link_ns, swap_factor, werner_parameter
from qnode.wire.stack import LinkFacts, LinkState, NodeFacts
from tests.stack.flooding import Edges, grid, nodes_of, random_graph

graphs = st.builds(random_graph, st.integers(2, 7), st.integers(0, 10), st.integers(0, 10**6))
metrics = st.sampled_from(METRICS)
States = dict[str, LinkState]


def states_of(edges: Edges, seed: int, *, coarse: bool = False) -> States:
    """Links and nodes with random qualities; `coarse`: so few that many ways are as good as others."""
    random = Random(seed)
    links: dict[str, list[LinkFacts]] = {name: [] for name in nodes_of(edges)}
    for (one, other), delay_ns in edges.items():
        success, attempt_ns = random.choice((0.5, 1.0)), random.choice((0, 100))
        fidelity = random.choice((0.9, 1.0)) if coarse else random.uniform(0.3, 1.0)
        vector = tuple(float(p) for p in werner(fidelity))
        facts = (1000 if coarse else delay_ns, attempt_ns, success, 200, vector)
        aged_ns = (0, 0) if coarse else (random.randint(0, 500), random.randint(0, 500))
        links[one].append(LinkFacts(other, *facts, aged_ns))  # type: ignore[arg-type]
        links[other].append(LinkFacts(one, *facts, aged_ns[::-1]))  # type: ignore[arg-type]
    return {
        name: LinkState(
            name,
            0,
            0,
            NodeFacts(4, inf, 1e4, random.choice((0.0, 0.1)), random.choice((0.0, 0.05)), random.choice((0, 300))),
            tuple(ends),
        )
        for name, ends in links.items()
    }


def all_ways(states: States, source: str, target: str, so_far: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    way = (*so_far, source)
    if source == target:
        yield way
        return
    for one in states[source].links:
        if one.peer not in way:
            yield from all_ways(states, one.peer, target, way)


def cost(states: States, way: tuple[str, ...], metric: str) -> float:
    """From the formulas, of a whole way; of fidelity, the infidelity."""
    hops = [(states[one], next(it for it in states[one].links if it.peer == other)) for one, other in pairwise(way)]
    inner = [states[name].facts for name in way[1:-1]]
    if metric == "hops":
        return len(hops)
    if metric == "time":
        waits = sum(it.made_ns + it.attempt_ns * (1 / it.success - 1) + it.delay_ns for _, it in hops)
        return waits + sum(facts.swap_ns for facts in inner)
    aged = [
        store(store(it.vector, it.aged_ns[0], here.facts.t2_ns), it.aged_ns[1], states[it.peer].facts.t2_ns)[0]
        for here, it in hops
    ]
    swaps = prod((1 - facts.mixing) * (4 * (1 - facts.flip) ** 2 - 1) / 3 for facts in inner)
    return float(1 - (1 + 3 * swaps * prod((4 * fidelity - 1) / 3 for fidelity in aged)) / 4)


@settings(max_examples=200, deadline=None)
@given(graphs, st.integers(0, 10**6), metrics, st.booleans())
def test_no_way_is_better_than_the_route(edges: Edges, seed: int, metric: str, coarse: bool) -> None:
    states = states_of(edges, seed, coarse=coarse)
    names = sorted(states)
    route = RouteTable(states).route(names[0], names[-1], metric)
    ways = list(all_ways(states, names[0], names[-1]))
    assert route in ways
    best = min(cost(states, way, metric) for way in ways)
    assert cost(states, route, metric) == pytest.approx(best, rel=1e-9, abs=1e-12)
    if metric == "hops":
        assert route == min(ways, key=lambda way: (len(way), way))


@settings(max_examples=100, deadline=None)
@given(graphs, st.integers(0, 10**6), metrics, st.booleans())
def test_a_route_depends_on_what_is_known_and_not_on_its_order(
    edges: Edges, seed: int, metric: str, coarse: bool
) -> None:
    states, random = states_of(edges, seed, coarse=coarse), Random(seed)
    names = sorted(states)
    shuffled = list(states.values())
    random.shuffle(shuffled)
    again = {
        one.node: LinkState(one.node, 3, 5, one.facts, tuple(random.sample(one.links, len(one.links))))
        for one in shuffled
    }
    for target in names[1:]:
        expected = RouteTable(states).route(names[0], target, metric)
        assert RouteTable(again).route(names[0], target, metric) == expected


@settings(max_examples=100, deadline=None)
@given(graphs, st.integers(0, 10**6), metrics)
def test_what_is_avoided_is_not_on_the_route(edges: Edges, seed: int, metric: str) -> None:
    states = states_of(edges, seed)
    names = sorted(states)
    table, ends = RouteTable(states), (names[0], names[-1])
    first = table.route(*ends, metric)
    avoided: list[tuple[Avoided, ...]] = [(one,) for one in first[1:-1][:1]]
    avoided += [((first[0], first[1]),), ((first[1], first[0]),)]
    for avoid in avoided:
        without = [
            way
            for way in all_ways(states, *ends)
            if avoid[0] not in way and not any(set(hop) == set(avoid[0]) for hop in pairwise(way))
        ]
        if without:
            found = table.route(*ends, metric, avoid=avoid)
            assert found in without
            least = min(cost(states, way, metric) for way in without)
            assert cost(states, found, metric) == pytest.approx(least, rel=1e-9, abs=1e-12)
        else:
            with pytest.raises(NoRoute, match=f"{ends[0]} reaches without"):
                table.route(*ends, metric, avoid=avoid)


def test_links_that_only_one_end_announces_are_not_used() -> None:
    states = states_of({("a", "b"): 1, ("b", "c"): 1, ("a", "c"): 9}, 1)
    silent = LinkState("c", 0, 1, states["c"].facts, tuple(one for one in states["c"].links if one.peer != "a"))
    table = RouteTable({**states, "c": silent})
    assert table.route("a", "c") == ("a", "b", "c")
    assert table.route("c", "a") == ("c", "b", "a")


def test_the_werner_parameter_is_that_of_halves_as_old_as_they_are() -> None:
    mine, theirs = NodeFacts(1, inf, 1000.0), NodeFacts(1, inf, 500.0)
    one = LinkFacts("b", 0, 0, 1.0, 0, (0.8, 0.1, 0.06, 0.04), (300, 100))
    aged = store(store(one.vector, 300, 1000.0), 100, 500.0)
    assert werner_parameter(one, mine, theirs) == pytest.approx((4 * aged[0] - 1) / 3, abs=1e-12)
    relaxing = NodeFacts(1, 1000.0, 1000.0)
    assert werner_parameter(LinkFacts("b", 0, 0, 1.0, 0, aged_ns=(500, 0)), relaxing, mine) == pytest.approx(
        exp(-0.5), abs=1e-12
    )


def test_factors_of_swaps_and_times_of_links_are_those_of_the_formulas() -> None:
    assert swap_factor(NodeFacts(1, inf, inf)) == 1.0
    assert swap_factor(NodeFacts(1, inf, inf, mixing=0.1, flip=0.02)) == pytest.approx(0.9 * (4 * 0.98**2 - 1) / 3)
    assert swap_factor(NodeFacts(1, inf, inf, single=0.09)) == pytest.approx(0.92)  # F = 1 - 2/3 of it
    assert link_ns(LinkFacts("b", 50, 100, 0.25, 120)) == 120 + 3 * 100 + 50


def test_pairs_of_no_use_are_taken_where_there_is_nothing_else() -> None:
    states = states_of({("a", "b"): 1, ("b", "c"): 1}, 1)
    mixed = {
        name: LinkState(name, 0, 0, one.facts, tuple(LinkFacts(it.peer, 1, 1, 1.0, 1, (0.25,) * 4) for it in one.links))
        for name, one in states.items()
    }
    assert RouteTable(mixed).route("a", "c", "fidelity") == ("a", "b", "c")


# --- routes that somebody gives --------------------------------------------------------------------------------------


TABLE = RouteTable(states_of({("a", "b"): 1, ("b", "c"): 1, ("c", "d"): 1}, 1))


@pytest.mark.parametrize(
    ("route", "reason"),
    [
        ("abcd", ""),
        ("dc", ""),
        ("acd", "no route from a to d: the route a-c-d has no link from a to c: its neighbours are: b"),
        ("abcbcd", "no route from a to d: the route a-b-c-b-c-d comes to b more than once"),
        ("abx", "no route from a to x: the route a-b-x has no link from b to x: its neighbours are: a, c"),
        ("xa", "no route from x to a: the route x-a has no link from x to a: nothing is known of x"),
        ("a", "no route from a to a: a route has two ends at least"),
        ("", "no route from  to : a route has two ends at least"),
    ],
)
def test_a_given_route_is_checked_and_the_place_is_named(route: str, reason: str) -> None:
    if not reason:
        TABLE.check(route)
        return
    with pytest.raises(NoRoute) as refused:
        TABLE.check(tuple(route))
    assert str(refused.value) == reason
    again: QnodeError = from_wire(refused.value.code, refused.value.fields)
    assert isinstance(again, NoRoute)
    assert str(again) == reason


def test_who_is_not_known_or_not_reached_is_named() -> None:
    states = states_of(dict.fromkeys([*((f"n{i:02}", f"n{i + 1:02}") for i in range(14)), ("x", "y")], 1), 1)
    table = RouteTable(states)
    for ends, reason in (
        (("n00", "z"), "nothing is known of z; known are: n00, n01"),
        (("z", "n00"), "nothing is known of z"),
        (("n00", "x"), "n00 reaches only: n01, n02, n03, n04, n05, n06, n07, n08, n09, n10, n11, n12 and 2 more"),
    ):
        with pytest.raises(NoRoute, match=reason):
            table.route(*ends)
    with pytest.raises(NoRoute, match="nobody that a can ask knows a way"):
        RouteTable({}).route("a", "b")


# --- large networks --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("edges", [grid(32), random_graph(1000, 1500, 1)], ids=["grid", "random"])
def test_in_a_thousand_nodes_no_way_is_better_by_networkx(edges: Edges, metric: str) -> None:
    states = states_of(edges, 1)
    names = sorted(states)
    source, target = names[0], names[-1]
    route = RouteTable(states).route(source, target, metric)
    graph = nx.DiGraph()
    for name, state in states.items():
        for one in state.links:
            there = states[one.peer].facts
            passed = one.peer != target
            weight = {
                "hops": 1.0,
                "time": link_ns(one) + passed * there.swap_ns,
                "fidelity": -log(werner_parameter(one, state.facts, there)) - passed * log(swap_factor(there)),
            }
            graph.add_edge(name, one.peer, weight=weight[metric])
    length = sum(graph[one][other]["weight"] for one, other in pairwise(route))
    assert length == pytest.approx(nx.dijkstra_path_length(graph, source, target), rel=1e-12)
