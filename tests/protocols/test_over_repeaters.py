"""States of several parties between nodes that are no neighbours: the same programs, over repeaters."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator import Program
from qnode.quantum.fidelity import fidelity
from tests.protocols.multiparty import (
    EXACT,
    Matrix,
    Nets,
    exactly,
    ghz_ket,
    graph_ket,
    joint_states,
    names,
    share_and_hold,
    w_ket,
    werner_w,
)


def shared(nets: Nets, n: int, what: str, among: Any, line: list[str], f: float = 1.0) -> list[Matrix]:
    """Nodes of a line that are not among the n0, n1, ... have no program: they are repeaters."""
    program = Program(share_and_hold, what=what, among=among, rounds=3)
    nodes = {name: program if name in names(n) else None for name in line}
    links = {"line": {"chain": line, "length": "10 km", "fidelity": f}}
    return joint_states(exactly(nets(nodes=nodes, links=links, seed=3, formalism="density_matrix")), names(n))


@pytest.mark.parametrize("f", [1.0, 0.9])
def test_a_ghz_state_over_repeaters(f: float, qnode_cluster: Nets) -> None:
    zz, xx = 1.0, 1.0  # of n0 with n1, over two links, and of n1 with n2, over three
    for links in (2, 3):
        w = werner_w(f) ** links
        zz, xx = zz * (1 + w) / 2, xx * w
    for state in shared(qnode_cluster, 3, "ghz", names(3), ["n0", "r0", "n1", "r1", "r2", "n2"], f):
        assert fidelity(state, ghz_ket(3)) == pytest.approx((zz + xx) / 2, abs=EXACT)


def test_a_w_state_that_is_passed_on_in_another_order_than_that_of_the_line(qnode_cluster: Nets) -> None:
    for state in shared(qnode_cluster, 4, "w", ["n2", "n0", "n3", "n1"], ["n0", "n1", "r0", "n2", "n3"]):
        assert fidelity(state, w_ket(4)) == pytest.approx(1, abs=EXACT)


def test_a_graph_state_whose_edges_are_no_links(qnode_cluster: Nets) -> None:
    edges = [(0, 2), (1, 3), (0, 3)]
    named = [(f"n{one}", f"n{two}") for one, two in edges]
    for state in shared(qnode_cluster, 4, "graph", named, ["n0", "n1", "n2", "n3"]):
        assert fidelity(state, graph_ket(4, edges)) == pytest.approx(1, abs=EXACT)
