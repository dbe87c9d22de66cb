"""Entanglement with any node in networks of every shape, several pairs of nodes at once; and over unlike links."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import networkx as nx
import pytest

from orchestrator import Cluster, shapes
from orchestrator.plan import plan
from orchestrator.run import Run
from qnode.quantum.bell_diagonal import swap
from tests.stack.verified import assert_verified

HERE: Final = Path(__file__).parent
NAMES: Final = [f"n{nth}" for nth in range(9)]
SHAPES: Final[dict[str, Any]] = {
    "chain": {"chain": NAMES},
    "ring": {"ring": NAMES},
    "star": {"star": NAMES},  # n0 is the switch
    "grid": {"grid": {"nodes": NAMES, "columns": 3}},
    "tree": {"tree": {"nodes": NAMES, "branching": 2}},
    "random": {"random": {"nodes": NAMES, "probability": 0.3, "seed": 2}},
}
ENDS: Final = [("n1", "n8"), ("n2", "n7"), ("n3", "n6"), ("n4", "n5"), ("n1", "n6"), ("n2", "n8")]
EDGES: Final = {
    "chain": shapes.chain(NAMES),
    "ring": shapes.ring(NAMES),
    "star": shapes.star(NAMES),
    "grid": shapes.grid(NAMES, 3),
    "tree": shapes.tree(NAMES, 2),
    "random": shapes.random_graph(NAMES, 0.3, 2),
}


def network(shape: str, **settings: Any) -> dict[str, Any]:
    """Six requests for three pairs each, all made at the beginning; perfect pairs, so that outcomes agree."""
    programs: dict[str, dict[str, Any]] = {
        name: {"audit": {"run": "request_programs.py:audit", "args": {"slots": 6}}} for name in NAMES
    }
    for nth, (one, other) in enumerate(ENDS):
        for mine, peer in ((one, other), (other, one)):
            args = {"peer": peer, "n": 3, "room": 2}
            programs[mine][f"p{nth}"] = {"run": "request_programs.py:ask", "args": args}
    source = {"model": "werner", "fidelity": 1, "success_probability": 0.5}
    return {
        "version": 1,
        "seed": 1,
        "nodes": {name: {"qubits": 6, "programs": programs[name]} for name in NAMES},
        "links": {"all": {**SHAPES[shape], "length": "5 km", "source": source}},
        **settings,
    }


def audits(done: Run) -> dict[str, str]:
    """Of the nodes that have one: what is wrong with their memory in the end."""
    return {name: results["audit"] for name, results in done.results.items() if "audit" in results}


def check(done: Run, shape: str) -> None:
    """All are served over the fewest links, the halves of each pair belong together, and no slot is left taken."""
    for nth, (one, other) in enumerate(ENDS):
        mine, theirs = done.results[one][f"p{nth}"], done.results[other][f"p{nth}"]
        assert mine == theirs
        assert len(mine) == 3
    assert not any(audits(done).values())
    graph = nx.Graph(EDGES[shape])
    routes = [event.detail.split() for event in done.events if event.event == "network_accepted"]
    for one, other in ENDS:
        gone = [route for route in routes if {route[0], route[-1]} == {one, other}]
        assert gone
        assert all(len(route) - 1 == nx.shortest_path_length(graph, one, other) for route in gone)


@pytest.mark.parametrize("routing", ["link_state", "on_demand"])
@pytest.mark.parametrize("shape", SHAPES)
async def test_all_who_ask_are_served_in_networks_of_this_shape(shape: str, routing: str, tmp_path: Path) -> None:
    config = network(shape, stack={"routing": routing})
    done = await Cluster.from_dict(config, base=HERE, runs=tmp_path).run(inline=True, on_output=None)
    check(done, shape)
    assert len(audits(done)) == len(NAMES)
    assert_verified(done.folder)


@pytest.mark.parametrize("shape", ["star", "tree"])
async def test_on_the_real_clock(shape: str, tmp_path: Path) -> None:
    """Without the audits, which begin at a time: how much is done by then is the machine's business."""
    config = network(shape, clock={"mode": "real", "speed": 0.01})
    for node in config["nodes"].values():
        del node["programs"]["audit"]
    done = await Cluster.from_dict(config, base=HERE, runs=tmp_path).run(on_output=None)
    check(done, shape)
    assert_verified(done.folder)


async def test_nodes_are_started_with_their_own_links_and_with_no_others(tmp_path: Path) -> None:
    """What a node knows of the network beyond them, its neighbours have told it."""
    done = await Cluster.from_dict(network("grid"), base=HERE, runs=tmp_path).run(inline=True, on_output=None)
    assert done.network is not None
    launch = plan(done.network, run_id="again", token=b"", directory="", folder="")
    graph = nx.Graph(EDGES["grid"])
    for node in (node for process in launch.processes for node in process.nodes):
        assert {link.peer for link in node.links} == set(node.neighbours) == set(graph[node.name])
    assert "links" not in launch.run.__struct_fields__


async def test_unlike_links_leave_the_convolution_of_what_they_make(tmp_path: Path) -> None:
    """Of unlike lengths, rates and errors, which are not those of Werner pairs; exact states."""
    mixed = {"phi_plus": 0.9, "psi_plus": 0.06, "phi_minus": 0.03, "psi_minus": 0.01}
    visibility = 0.94
    links: list[dict[str, Any]] = [
        {"length": "3 km", "source": {"model": "bell_diagonal", **mixed, "success_probability": 0.3}},
        {"length": "20 km", "source": {"model": "double_click", "visibility": visibility}, "attenuation": "0.2 dB/km"},
        {"length": "0 km", "source": {"model": "perfect"}},
        {"length": "9 km", "source": {"model": "werner", "fidelity": 0.95}},
    ]
    made: list[list[float]] = [
        [mixed[name] for name in ("phi_plus", "psi_plus", "phi_minus", "psi_minus")],
        [(1 + visibility) / 2, 0, (1 - visibility) / 2, 0],  # from Psi+ or Psi-, by the frame: the phase is what errs
        [1, 0, 0, 0],
        [0.95, *[0.05 / 3] * 3],
    ]
    names = [f"n{nth}" for nth in range(5)]
    ends = {
        one: {"program": "chain_programs.py:get", "args": {"peer": other, "n": 3, "requests": 1, "basis": "z"}}
        for one, other in (("n0", "n4"), ("n4", "n0"))
    }
    config = {
        "version": 1,
        "seed": 1,
        "formalism": "density_matrix",
        "nodes": {name: {"qubits": 4, **ends.get(name, {})} for name in names},
        "links": {
            f"l{nth}": {"between": list(pair), **link}
            for nth, (pair, link) in enumerate(zip(pairwise(names), links, strict=True))
        },
        "observe": {"whole": ["fidelity"]},
    }
    done = await Cluster.from_dict(config, base=HERE, runs=tmp_path).run(inline=True)
    left = made[0]
    for right in made[1:]:
        left = swap(left, right).tolist()
    told = [fidelity for end in ("n0", "n4") for _, fidelity, _ in done[end]]
    seen = [one.value for one in done.observed if one.value is not None]
    assert told == pytest.approx([left[0]] * 6, abs=1e-10)
    assert seen == pytest.approx([left[0]] * 3, abs=1e-10)
