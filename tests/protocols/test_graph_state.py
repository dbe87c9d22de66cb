"""Graph states of several graphs: every stabilizer, exactly, and what noisy pairs leave of it."""

from __future__ import annotations

from itertools import combinations

import pytest

from orchestrator import Cluster, Program
from qnode.protocols.graph_state import neighbours_of
from qnode.quantum.fidelity import fidelity
from tests.protocols.multiparty import (
    EXACT,
    Matrix,
    Nets,
    exactly,
    expectation,
    graph_ket,
    joint_states,
    names,
    share_and_hold,
)

Edges = list[tuple[str, str]]


def edges(*pairs: tuple[int, int]) -> Edges:
    return [(f"n{one}", f"n{two}") for one, two in pairs]


GRAPHS = {
    "an edge": (2, edges((1, 0))),
    "a line": (4, edges((0, 1), (1, 2), (2, 3))),
    "a star": (5, edges((2, 0), (2, 1), (2, 3), (2, 4))),
    "a ring with a tail": (6, edges((0, 1), (1, 2), (2, 3), (3, 4), (4, 0), (4, 5))),
    "everybody with everybody": (5, edges(*combinations(range(5), 2))),
    "a triangle": (3, edges((0, 1), (1, 2), (0, 2))),
    "a grid": (6, edges((0, 1), (1, 2), (3, 4), (4, 5), (0, 3), (1, 4), (2, 5))),
}


def shared(n: int, graph: Edges, nets: Nets, *, fidelity: float = 1.0, rounds: int = 1, **more: str) -> list[Matrix]:
    program = Program(share_and_hold, what="graph", among=graph, rounds=rounds)
    links = {f"l{nth}": {"between": list(edge), "fidelity": fidelity} for nth, edge in enumerate(graph)}
    run = exactly(nets(nodes=dict.fromkeys(names(n), program), links=links, seed=3, **more))
    return joint_states(run, names(n))


def stabilizer(n: int, graph: Edges, vertex: str) -> str:
    around = neighbours_of(vertex, graph)
    return "".join("X" if name == vertex else "Z" if name in around else "I" for name in names(n))


@pytest.mark.parametrize(("n", "graph"), GRAPHS.values(), ids=GRAPHS)
def test_x_of_every_vertex_times_z_of_its_neighbours_is_one(n: int, graph: Edges, qnode_cluster: Nets) -> None:
    for state in shared(n, graph, qnode_cluster, rounds=6):
        for vertex in names(n):
            assert expectation(state, stabilizer(n, graph, vertex)) == pytest.approx(1, abs=EXACT)
        assert fidelity(
            state, graph_ket(n, [(names(n).index(one), names(n).index(two)) for one, two in graph])
        ) == pytest.approx(1, abs=EXACT)


def test_a_vertex_without_edges_is_plus(qnode_cluster: Nets) -> None:
    run = exactly(qnode_cluster(nodes={"alone": Program(share_and_hold, what="graph", among=[])}, seed=3))
    assert run.fidelity("shared", "+") == pytest.approx(1, abs=EXACT)


@pytest.mark.parametrize("name", ["a line", "a star", "a triangle"])
def test_each_noisy_edge_of_a_vertex_weakens_its_stabilizer(name: str, qnode_cluster: Nets) -> None:
    n, graph = GRAPHS[name]
    for state in shared(n, graph, qnode_cluster, fidelity=0.85, rounds=2, formalism="density_matrix"):
        for vertex in names(n):
            left = 0.8 ** len(neighbours_of(vertex, graph))
            assert expectation(state, stabilizer(n, graph, vertex)) == pytest.approx(left, abs=EXACT)


@pytest.mark.qnode("../../configs/graph_state.yaml")
def test_the_example_records_its_stabilizers(net: Cluster) -> None:
    run = net.run_sync()
    assert [note["stabilizer"] for note in run.notes.values()] == [1] * 6
    assert (
        run.counts["messages"] == 6 * 2 * 6 + 2 * 6
    )  # in each of six rounds two an edge, and once each outcome to each neighbour


def test_the_example_records_what_noise_leaves_of_them(qnode_cluster: Nets) -> None:
    graph = [*edges((0, 1), (1, 2), (2, 3), (3, 4), (4, 0), (4, 5))]
    run = exactly(qnode_cluster("../../configs/graph_state.yaml", set=["links.*.fidelity=0.5"]))
    for nth, vertex in enumerate(names(6)):
        outcomes = [run[name][nth] for name in (vertex, *neighbours_of(vertex, graph))]
        assert run.notes[vertex]["stabilizer"] == (-1) ** sum(outcomes)
    assert {note["stabilizer"] for note in run.notes.values()} == {1, -1}  # with this seed
