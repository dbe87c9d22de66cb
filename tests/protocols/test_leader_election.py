"""Leader election: one leader each time, any of them with the same probability."""

from __future__ import annotations

from collections import Counter, defaultdict

import pytest

from orchestrator import Cluster, Program
from orchestrator.run import Run
from qnode.protocols.leader_election import elections
from qnode.testing import assert_frequency, assert_same_distribution
from tests.protocols.multiparty import FALSE_ALARM, Nets, chain_of, chances, exactly, names, werner_w
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


def test_noisy_pairs_leave_nobody_or_several(qnode_cluster: Nets) -> None:
    expected: dict[str, float] = defaultdict(float)
    for outcomes, chance in chances(noisy_w(3, werner_w(0.8)), "ZZZ").items():
        chosen = [name for name, bit in zip(names(3), outcomes, strict=True) if bit]
        expected[" and ".join(chosen) or "nobody"] += chance
    elected = elect(3, 0.8, qnode_cluster)["n0"]
    assert_same_distribution(Counter(elected), probabilities=dict(expected), false_alarm=FALSE_ALARM)
    once = sum(expected[name] for name in names(3))  # 0.77: n = 200 accepts 0.56 to 0.94
    assert_frequency(sum(elected.count(name) for name in names(3)), ELECTIONS, once, false_alarm=FALSE_ALARM)


@pytest.mark.qnode("../../configs/leader_election.yaml")
def test_the_example_elects_one_of_them_each_time(net: Cluster) -> None:
    run = net.run_sync()
    assert sum(run.notes[name]["elected"] for name in names(5)) == 20
    assert set(run["n0"]) <= set(names(5))
