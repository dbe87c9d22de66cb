"""Name ranges and generators of links, against what each means."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator import shapes
from orchestrator.shapes import Edge, ShapeError, expand


def names(count: int) -> tuple[str, ...]:
    return expand(f"n[0..{count - 1}]")


def undirected(edges: Iterable[Edge]) -> set[frozenset[str]]:
    return {frozenset(edge) for edge in edges}


def parts(nodes: Iterable[str], edges: Iterable[Edge]) -> int:
    """How many connected parts there are."""
    part = {node: {node} for node in nodes}
    for a, b in edges:
        if part[a] is not part[b]:
            part[a] |= part[b]
            for node in part[b]:
                part[node] = part[a]
    return len({id(group) for group in part.values()})


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("alice", ("alice",)),
        ("r[0..2]", ("r0", "r1", "r2")),
        ("r[08..10]", ("r08", "r09", "r10")),
        ("r[8..10]", ("r8", "r9", "r10")),
        ("r[000..2]", ("r000", "r001", "r002")),
        ("r[5..5]x", ("r5x",)),
        ("g[0..1]_[0..1]", ("g0_0", "g0_1", "g1_0", "g1_1")),
        ("[1..2]", ("1", "2")),
    ],
)
def test_a_range_stands_for_its_names(pattern: str, expected: tuple[str, ...]) -> None:
    assert expand(pattern) == expected


def test_a_thousand_names_keep_their_zeros() -> None:
    repeaters = expand("r[000..997]")
    assert (len(repeaters), repeaters[0], repeaters[-1]) == (998, "r000", "r997")
    assert list(repeaters) == sorted(repeaters)


@given(st.integers(0, 9999), st.integers(0, 50))
def test_a_range_has_every_number_once(first: int, more: int) -> None:
    assert [int(name[1:]) for name in expand(f"r[{first}..{first + more}]")] == list(range(first, first + more + 1))


@pytest.mark.parametrize(
    ("pattern", "sentence"),
    [("r[3..1]", r"counts down; write \[1..3\]"), ("r[0..999999]", "at most 100000"), ("a[0..999][0..999]", "1000000")],
)
def test_a_range_that_makes_no_sense_is_refused(pattern: str, sentence: str) -> None:
    with pytest.raises(ShapeError, match=sentence):
        expand(pattern)


def test_small_shapes_are_what_they_are_called() -> None:
    a, b, c, d = four = ("a", "b", "c", "d")
    assert shapes.between((a, b)) == ((a, b),)
    assert shapes.chain(four) == ((a, b), (b, c), (c, d))
    assert shapes.ring(four) == ((a, b), (b, c), (c, d), (d, a))
    assert shapes.star(four) == ((a, b), (a, c), (a, d))
    assert shapes.complete(four) == ((a, b), (a, c), (a, d), (b, c), (b, d), (c, d))
    assert undirected(shapes.grid(four, 2)) == undirected([(a, b), (c, d), (a, c), (b, d)])
    assert shapes.tree(four, 2) == ((a, b), (a, c), (b, d))
    assert shapes.tree(four, 1) == shapes.chain(four)


@given(st.integers(3, 40))
def test_shapes_have_as_many_links_as_they_must_and_hang_together(count: int) -> None:
    nodes = names(count)
    expected = {"chain": count - 1, "ring": count, "star": count - 1, "complete": count * (count - 1) // 2}
    for shape, links in expected.items():
        edges = shapes.LISTED[shape](nodes)
        assert len(undirected(edges)) == len(edges) == links
        assert parts(nodes, edges) == 1


@given(st.integers(1, 8), st.integers(1, 8))
def test_a_grid_has_the_links_of_its_rows_and_columns(rows: int, columns: int) -> None:
    if rows * columns > 1:
        edges = shapes.grid(names(rows * columns), columns)
        assert len(undirected(edges)) == len(edges) == rows * (columns - 1) + (rows - 1) * columns
        assert parts(names(rows * columns), edges) == 1


@given(st.integers(2, 60), st.integers(1, 5))
def test_a_tree_has_no_loop_and_no_node_with_too_many_children(count: int, branching: int) -> None:
    edges = shapes.tree(names(count), branching)
    assert len(edges) == count - 1
    assert parts(names(count), edges) == 1
    assert max(sum(parent == node for parent, _ in edges) for node in names(count)) <= branching


def test_a_random_network_has_a_coin_for_each_pair() -> None:
    small, large = names(20), names(30)
    among_small = {edge for edge in shapes.random_graph(large, 0.3, seed=7) if set(edge) <= set(small)}
    assert set(shapes.random_graph(small, 0.3, seed=7)) == among_small
    assert shapes.random_graph(small, 0.3, seed=7) != shapes.random_graph(small, 0.3, seed=8)
    assert shapes.random_graph(small, 0, seed=7) == ()
    assert shapes.random_graph(small, 1, seed=7) == shapes.complete(small)


def test_a_random_network_has_about_as_many_links_as_asked_for() -> None:
    """Of n = 44,850 pairs at p = 0.3 the seed, which is fixed, hits 13,455 within 6 standard deviations (97 each)."""
    assert abs(len(shapes.random_graph(names(300), 0.3, seed=1)) - 13_455) < 6 * 97


@pytest.mark.parametrize("shape", ["chain", "star", "complete", "ring", "between"])
def test_too_few_nodes_are_refused(shape: str) -> None:
    with pytest.raises(ShapeError, match=shape):
        shapes.LISTED[shape](("a",))


def test_an_incomplete_grid_is_refused() -> None:
    with pytest.raises(ShapeError, match="5 nodes do not fill a grid of 2 columns"):
        shapes.grid(names(5), 2)
