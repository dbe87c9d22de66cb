"""Conference keys: one key for all, and what error rates say of it."""

from __future__ import annotations

from collections import defaultdict

import pytest

from orchestrator import Cluster, Program
from orchestrator.run import Run
from qnode.protocols.conference_key import error_rates, follow, key_rate, lead
from qnode.quantum.key_fraction import binary_entropy
from qnode.testing import assert_frequency
from tests.protocols.branching_pa import Networks, Said, werner
from tests.protocols.multiparty import (
    EXACT,
    FALSE_ALARM,
    Nets,
    chain_of,
    chances,
    exactly,
    expectation,
    joint_states,
    names,
    share_and_hold,
    werner_w,
)

F = 0.95
N, ROUNDS = 3, 300


def agree(nets: Nets, rounds: int, f: float) -> Run:
    given = {"chain": names(N), "rounds": rounds}
    programs = [Program(lead, checked=0.3, **given), *[Program(follow, **given)] * (N - 1)]
    return exactly(nets(**chain_of(programs, N, fidelity=f, events=False)))


@pytest.mark.parametrize("f", [1.0, F])
def test_error_rates_of_the_state(f: float, qnode_cluster: Nets) -> None:
    program = Program(share_and_hold, what="ghz", among=names(N))
    (state,) = joint_states(
        exactly(qnode_cluster(**chain_of(program, N, fidelity=f, formalism="density_matrix"))), names(N)
    )
    assert (1 - expectation(state, "XXX")) / 2 == pytest.approx((1 - werner_w(f) ** 2) / 2, abs=EXACT)
    for place in (1, 2):
        differ = sum(chance for outcomes, chance in chances(state, "ZZZ").items() if outcomes[0] != outcomes[place])
        assert differ == pytest.approx((1 - werner_w(f) ** place) / 2, abs=EXACT)
    told = chances(state, "ZZZ")
    assert f < 1 or told[0, 0, 0] == pytest.approx(1 / 2, abs=EXACT)


def test_perfect_pairs_give_one_key_and_all_of_it(qnode_cluster: Nets) -> None:
    run = agree(qnode_cluster, 60, 1.0)
    assert run["n0"] == run["n1"] == run["n2"]
    assert 0 < sum(run["n0"]) < len(run["n0"])
    assert run.notes["n0"] == {"q_x": 0.0, "q_z": [0.0, 0.0], "rate": 1.0}


async def test_nobody_knows_what_a_round_is_for_before_all_hold_their_qubits(networks: Networks) -> None:
    """Or whoever makes the states would make good ones where they are checked."""
    nodes = {"n0": Program(lead, chain=names(N), rounds=1)}
    nodes |= dict.fromkeys(names(N)[1:], Program(follow, chain=names(N), rounds=1))
    events = (await networks.run(nodes, werner("n0 n1 n2", 1), events=True)).events
    said = [one.t for one in events if (one.node, one.event) == ("n0", "send")]
    held = [one.t for one in events if (one.node, one.event) == ("n0", "receive")]
    assert said[0] < max(held[:2]) <= min(said[1:])  # the first is about the state itself


async def test_all_that_is_said_tells_nothing_of_the_key(networks: Networks) -> None:
    nodes = {"n0": Program(lead, chain=names(N), rounds=1, checked=0.0)}
    nodes |= dict.fromkeys(names(N)[1:], Program(follow, chain=names(N), rounds=1))
    keys: dict[Said, list[int]] = defaultdict(list)
    for chance, run, said in await networks.overheard(nodes, werner("n0 n1 n2", 1), draws=False):
        assert chance == pytest.approx(1 / 4, abs=EXACT)
        assert run["n0"] == run["n1"] == run["n2"]
        keys[said] += run["n0"]
    assert list(map(sorted, keys.values())) == [[0, 1]] * 2  # after either outcome of the fusion


def test_noisy_pairs_give_keys_with_errors(qnode_cluster: Nets) -> None:
    # n = about 120 at p = 0.231 accepts 0.03 to 0.51: the third node's keys without errors are caught.
    run = agree(qnode_cluster, ROUNDS, 0.8)
    key = run["n0"]
    for place in (1, 2):
        wrong = sum(a != b for a, b in zip(key, run[f"n{place}"], strict=True))
        assert_frequency(wrong, len(key), (1 - werner_w(0.8) ** place) / 2, false_alarm=FALSE_ALARM)
    q_x, q_z, rate = (run.notes["n0"][name] for name in ("q_x", "q_z", "rate"))
    assert min(q_x, *q_z) > 0
    assert rate == 0 > 1 - binary_entropy(q_x) - max(map(binary_entropy, q_z))  # too many of them for a key


def test_error_rates_are_counted() -> None:
    in_x = [[0, 0, 0], [1, 1, 0], [1, 0, 0], [1, 1, 1]]
    in_z = [[0, 0, 0], [1, 1, 0], [1, 0, 0], [1, 1, 1], [0, 0, 1]]
    assert error_rates(in_x, in_z) == (1 / 2, [1 / 5, 3 / 5])
    assert error_rates([], []) == (1 / 2, [])


def test_the_key_rate_is_that_of_the_worst_node() -> None:
    assert key_rate(0.0, [0.0, 0.0]) == 1
    assert key_rate(0.02, [0.01, 0.03]) == pytest.approx(1 - binary_entropy(0.02) - binary_entropy(0.03))
    assert key_rate(0.2, [0.1]) == 0  # there is none, and not less than none
    assert key_rate(0.0, []) == 0  # nothing is known


@pytest.mark.qnode("../../configs/conference_key.yaml")
def test_the_example_has_a_key(net: Cluster) -> None:
    run = net.run_sync()
    assert 0.3 < run.notes["n0"]["rate"] < 1
    assert len({len(run[name]) for name in names(4)}) == 1
