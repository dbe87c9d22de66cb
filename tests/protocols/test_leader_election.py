"""Leader election: one leader each time, any of them with the same probability."""

from __future__ import annotations

from collections import Counter, defaultdict

import pytest

from orchestrator import Cluster, Program
from orchestrator.run import Run
from qnode.protocols.leader_election import elections
from qnode.testing import assert_same_distribution
from tests.protocols.branching_pa import Networks, werner
from tests.protocols.multiparty import EXACT, FALSE_ALARM, Nets, chain_of, chances, exactly, names, werner_w
from tests.protocols.test_w_state import noisy_w

ELECTIONS = 200


def elect(n: int, f: float, nets: Nets) -> Run:
    run = exactly(nets(**chain_of(Program(elections, everyone=names(n), n=ELECTIONS), n, fidelity=f, events=False)))
    assert all(run[name] == run["n0"] for name in names(n))
    return run


def test_there_is_one_leader_each_time_and_it_may_be_anybody(qnode_cluster: Nets) -> None:
    # n = 200 at p = 1/4 accepts 0.07 to 0.47 for each of the four nodes. That each has exactly 1/4 is enumerated in
    # test_w_state.py.
    run = elect(4, 1.0, qnode_cluster)
    elected = Counter(run["n0"])
    assert elected.keys() <= set(names(4))  # never two, and never nobody
    assert_same_distribution(elected, probabilities=dict.fromkeys(names(4), 1 / 4), false_alarm=FALSE_ALARM)
    assert [run.notes[name]["elected"] for name in names(4)] == [elected[name] for name in names(4)]


async def test_noisy_pairs_leave_nobody_or_several(networks: Networks) -> None:
    """Of two nodes, every way in which it can come out."""
    nodes = dict.fromkeys(names(2), Program(elections, everyone=names(2), n=1))
    found: dict[str, float] = defaultdict(float)
    for chance, run in await networks.runs(nodes, werner("n0 n1", 0.8)):
        assert run["n0"] == run["n1"]
        found[run["n0"][0]] += chance
        assert [run.notes[name]["elected"] for name in names(2)] == [name in run["n0"][0] for name in names(2)]
    of_state = chances(noisy_w(2, werner_w(0.8)), "ZZ")
    named = {"nobody": (0, 0), "n0": (1, 0), "n1": (0, 1), "n0 and n1": (1, 1)}
    assert found == pytest.approx({name: of_state[outcomes] for name, outcomes in named.items()}, abs=EXACT)


@pytest.mark.qnode("../../configs/leader_election.yaml")
def test_the_example_elects_one_of_them_each_time(net: Cluster) -> None:
    run = net.run_sync()
    assert sum(run.notes[name]["elected"] for name in names(5)) == 20
    assert set(run["n0"]) <= set(names(5))
