"""Networks and runs as notebooks show them: pictures that hold every node, and tables that escape everything."""

from __future__ import annotations

import re
from itertools import combinations
from math import dist
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from orchestrator import Cluster, saved
from orchestrator.drawing import described, network_svg
from orchestrator.layout import layout
from orchestrator.topology import Network
from tests.python.programs import coin

SVG = "{http://www.w3.org/2000/svg}"

SHAPES: dict[str, tuple[list[str], dict[str, object]]] = {
    "one": (["n0"], {}),
    "two": (["n[0..1]"], {"l": {"between": ["n0", "n1"], "length": "10 km"}}),
    "chain": (["n[0..29]"], {"l": {"chain": ["n[0..29]"]}}),
    "ring": (["n[0..11]"], {"l": {"ring": ["n[0..11]"]}}),
    "star": (["n[0..20]"], {"l": {"star": ["n[0..20]"]}}),
    "grid": (["n[0..29]"], {"l": {"grid": {"nodes": ["n[0..29]"], "columns": 6}}}),
    "complete": (["n[0..7]"], {"l": {"complete": ["n[0..7]"]}}),
    "parts": (["a[0..3]", "b[0..9]", "c[0..4]"], {"l": {"ring": ["a[0..3]"]}, "m": {"star": ["b[0..9]"]}}),
    "1000 in a chain": (["n[000..999]"], {"l": {"chain": ["n[000..999]"]}}),
    "1000 at random": (["n[0..999]"], {"l": {"random": {"nodes": ["n[0..999]"], "probability": 0.003}}}),
    "2000 in a tree": (["n[0..1999]"], {"l": {"tree": {"nodes": ["n[0..1999]"], "branching": 3}}}),
}


def network(nodes: dict[str, Any], links: Any, **more: Any) -> Network:
    return Cluster(nodes=nodes, links=links, seed=1, **more).set_up().network


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
def test_every_node_and_link_is_in_the_picture_and_no_two_nodes_are_in_one_place(shape: Any) -> None:
    nodes, links = shape
    described_network = network(dict.fromkeys(nodes), links)
    picture = ElementTree.fromstring(network_svg(described_network))
    width, height = float(picture.attrib["width"]), float(picture.attrib["height"])
    circles = [
        (float(c.attrib["cx"]), float(c.attrib["cy"]), float(c.attrib["r"])) for c in picture.iter(f"{SVG}circle")
    ]
    assert len(circles) == len(described_network.nodes)
    assert len(list(picture.iter(f"{SVG}line"))) == len(described_network.links)
    assert width <= 640
    assert height <= 480
    assert all(r <= x <= width - r and r <= y <= height - r for x, y, r in circles)
    assert len({(x, y) for x, y, _ in circles}) == len(circles)
    if len(circles) <= 40:  # then names stand below them
        assert all(dist(a[:2], b[:2]) > a[2] + b[2] for a, b in combinations(circles, 2))


def test_a_picture_says_in_words_what_it_shows() -> None:
    small = network({"alice": coin.alice, "bob": None}, [("alice", "bob", "10 km")], name='a <b> & "c"')
    picture = ElementTree.fromstring(network_svg(small))
    assert picture.attrib["role"] == "img"
    assert picture.attrib["aria-label"] == 'Network a <b> & "c": 2 nodes, 1 link: alice to bob, 10 km'
    titles = [title.text for title in picture.iter(f"{SVG}title")]
    assert titles[0] == "alice-bob: alice to bob, 10 km, 50.035 us"
    assert str(titles[1]).startswith("alice: 16 qubits\nmain: ")
    assert str(titles[1]).endswith("coin.py:alice") or str(titles[1]).endswith("coin:alice")
    assert titles[2] == "bob: 16 qubits\nno program"
    assert [text.text for text in picture.iter(f"{SVG}text")] == ["10 km", "alice", "bob"]
    many = network({"n[0..99]": None}, {"l": {"chain": ["n[0..99]"]}})
    assert described(many) == "Network network: 100 nodes, 99 links"


def test_a_picture_of_many_nodes_names_them_under_the_pointer_only() -> None:
    picture = ElementTree.fromstring(network_svg(network({"n[0..99]": None}, {"l": {"ring": ["n[0..99]"]}})))
    assert list(picture.iter(f"{SVG}text")) == []
    assert len(list(picture.iter(f"{SVG}title"))) == 200


def test_neighbours_on_a_line_are_one_apart_and_a_ring_is_round() -> None:
    line = layout(30, [(a, a + 1) for a in range(29)])
    assert np.allclose(np.linalg.norm(np.diff(line, axis=0), axis=1), 1)
    ring = layout(9, [(a, (a + 1) % 9) for a in range(9)])
    assert np.allclose(np.linalg.norm(ring - np.roll(ring, 1, axis=0), axis=1), 1)
    assert np.ptp(np.linalg.norm(ring - ring.mean(axis=0), axis=1)) < 1e-9


def test_linked_nodes_are_nearer_to_each_other_than_others_are() -> None:
    edges = [(r * 6 + c, r * 6 + c + 1) for r in range(5) for c in range(5)]
    edges += [(r * 6 + c, r * 6 + c + 6) for r in range(4) for c in range(6)]
    places = layout(30, edges)
    linked = [dist(places[a], places[b]) for a, b in edges]
    others = [dist(places[a], places[b]) for a, b in combinations(range(30), 2) if (a, b) not in set(edges)]
    assert max(linked) < np.mean(others)


def test_the_leaves_of_a_star_are_about_one_from_its_middle() -> None:
    places = layout(21, [(0, leaf) for leaf in range(1, 21)])
    far = [dist(places[0], place) for place in places[1:]]
    assert np.std(far) < 0.25  # they start out at 0.4
    assert np.mean(far) == pytest.approx(1)


def test_the_same_network_is_drawn_the_same_way() -> None:
    nodes, links = SHAPES["grid"]
    assert network_svg(network(dict.fromkeys(nodes), links)) == network_svg(network(dict.fromkeys(nodes), links))


def test_a_notebook_shows_the_network_with_a_line_about_it() -> None:
    shown = Cluster(nodes={"alice": coin.alice, "bob": None}, links=[("alice", "bob")], name="<i>")._repr_html_()
    picture = ElementTree.fromstring(shown)
    assert picture.findtext("figcaption") == "<i>: 2 nodes, 1 link, virtual clock, a new seed for each run"
    assert "<script" not in shown


def test_a_notebook_shows_the_table_of_a_run_and_escapes_what_is_in_it(tmp_path: Path) -> None:
    net = Cluster(
        nodes={"alice": coin.alice, "bob": coin.bob, "carol": {"program": coin.Tools.idle, "args": {"word": "<b>&"}}},
        links=[("alice", "bob")],
        observe={"received": ["fidelity"]},
        seed=1,
        runs=tmp_path,
    )
    run = net.run_sync(inline=True)
    table = ElementTree.fromstring(f"<div>{run._repr_html_()}</div>")
    rows = [[cell.text or "" for cell in row] for row in table.iter("tr")]
    assert rows[0] == ["node", "program", "result", "network time", "qubits"]
    assert ["alice", "tosses", "3", "", ""] in rows
    assert [row[2:] for row in rows if row[0] == "carol"] == [["'carol <b>&'", "0 ns", ""]]
    assert rows[-1] == ["check", "fidelity at 'received'", "1 (all 3)", "observer only", ""]
    assert [row[2] for row in rows if row[0] in ("alice", "bob") and row[3]] == [repr(run["alice"])] * 2
    assert [row[4] for row in rows if row[0] in ("alice", "bob") and row[3]] == ["3 used"] * 2
    assert table.findtext("table/caption") == "network, seed 1: done at 0 ns"
    assert repr(run) == "<run network-1: done, seed 1, results of carol, alice, bob>"


def test_a_notebook_shows_what_went_wrong(tmp_path: Path) -> None:
    net = Cluster(nodes={"a": coin._helper}, name="<x>", seed=1, runs=tmp_path)
    run = net.run_sync(inline=True, check=False)
    shown = saved.load(run.folder)._repr_html_()
    table = ElementTree.fromstring(f"<div>{shown}</div>")
    assert re.match(r"program main of node a failed at 0 ns:\nTraceback", str(table.findtext("pre")))
