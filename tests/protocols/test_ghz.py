"""GHZ states along a chain and from a switch: their stabilizers, exactly, and what noisy pairs leave of them."""

from __future__ import annotations

import pytest

from orchestrator import Cluster, Program
from qnode.protocols.ghz_switch import serve_ghz
from qnode.quantum.fidelity import fidelity
from tests.protocols.multiparty import (
    EXACT,
    Matrix,
    Nets,
    chain_of,
    depolarised,
    exactly,
    expectation,
    get_and_hold,
    ghz_ket,
    joint_states,
    names,
    on,
    projector,
    share_and_hold,
    werner_w,
)

F = 0.9


def chain(n: int, f: float, rounds: int, nets: Nets) -> list[Matrix]:
    program = Program(share_and_hold, what="ghz", among=names(n), rounds=rounds)
    run = exactly(nets(**chain_of(program, n, fidelity=f, formalism="density_matrix")))
    return joint_states(run, names(n))


def star(n: int, f: float, rounds: int, nets: Nets) -> list[Matrix]:
    leaves = {name: Program(get_and_hold, switch="hub", rounds=rounds) for name in names(n)}
    nodes = {"hub": Program(serve_ghz, leaves=names(n), n=rounds), **leaves}
    links = {"star": {"star": ["hub", *names(n)], "length": "10 km", "fidelity": f}}
    return joint_states(exactly(nets(nodes=nodes, links=links, seed=3, formalism="density_matrix")), names(n))


@pytest.mark.parametrize("share", [chain, star])
@pytest.mark.parametrize("n", [2, 3, 4])
def test_neighbours_agree_in_z_and_x_outcomes_are_even(share: type, n: int, qnode_cluster: Nets) -> None:
    for state in share(n, 1.0, 6, qnode_cluster):  # six times, with outcomes of the fusions as they come
        for place in range(n - 1):
            assert expectation(state, on(n - 1, place, "Z").replace("Z", "ZZ")) == pytest.approx(1, abs=EXACT)
        assert expectation(state, "X" * n) == pytest.approx(1, abs=EXACT)


@pytest.mark.parametrize("n", [2, 3, 4, 5])
def test_a_chain_of_werner_pairs(n: int, qnode_cluster: Nets) -> None:
    m = n - 1
    for state in chain(n, F, 2, qnode_cluster):
        found = fidelity(state, ghz_ket(n))
        assert found == pytest.approx(((1 + 2 * F) / 3) ** m / 2 + ((4 * F - 1) / 3) ** m / 2, abs=EXACT)


@pytest.mark.parametrize("n", [2, 3, 4])
def test_a_switch_with_werner_pairs_depolarises_each_qubit_by_itself(n: int, qnode_cluster: Nets) -> None:
    expected = projector(ghz_ket(n))
    for place in range(n):
        expected = depolarised(expected, place, werner_w(F))
    for state in star(n, F, 2, qnode_cluster):
        assert state == pytest.approx(expected, abs=EXACT)


@pytest.mark.qnode("../../configs/ghz_switch.yaml")
def test_the_switch_of_the_example(net: Cluster) -> None:
    run = net.run_sync()
    in_z, in_x = zip(*(run[name] for name in names(4)), strict=True)
    assert len(set(in_z)) == 1
    assert sum(in_x) % 2 == 0
