"""Secret sharing: the correlations, what a share tells, what noise does, and what a cheat does and gets."""

from __future__ import annotations

from collections import defaultdict
from itertools import combinations_with_replacement, product
from typing import Any

import pytest

from orchestrator import Cluster, Program
from orchestrator.run import Run
from qnode import Node
from qnode.protocols import secret_sharing
from qnode.protocols.broadcast import announce
from qnode.protocols.ghz import share_ghz
from qnode.protocols.secret_sharing import cheat, deal, hold, intercept
from qnode.testing import assert_frequency
from tests.protocols import multiparty
from tests.protocols.branching_pa import Networks, werner
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

F = 0.9
ROUNDS = 400
CHAIN = names(3)
SEEDS = (2,)
KEPT = {"XXX": 1, "XYY": -1, "YXY": -1, "YYX": -1}


def share(nets: Nets, second: Any = hold, **more: Any) -> Run:
    given = {"chain": CHAIN, "rounds": ROUNDS}
    programs = [Program(deal, checked=0.8, **given), Program(second, **given), Program(hold, **given)]
    return exactly(nets(**chain_of(programs, 3, events=False, **more)))


async def intercept_and_hold(node: Node, rounds: int) -> None:
    """The dealer and the last one share a GHZ state, they think."""
    for _ in range(rounds):
        if node.name == "n1":
            _, qubit = await intercept(node, CHAIN)
        else:
            qubit = await share_ghz(node, CHAIN)
        await multiparty.hold(node, qubit)


@pytest.mark.parametrize("f", [1.0, F])
def test_parities_of_the_bases_that_are_kept(f: float, qnode_cluster: Nets) -> None:
    program = Program(share_and_hold, what="ghz", among=CHAIN, rounds=2)
    for state in joint_states(
        exactly(qnode_cluster(**chain_of(program, 3, fidelity=f, formalism="density_matrix"))), CHAIN
    ):
        for bases in ("".join(each) for each in product("XY", repeat=3)):
            parity = KEPT.get(bases, 0) * werner_w(f) ** 2
            assert expectation(state, bases) == pytest.approx(parity, abs=EXACT)


def test_no_share_alone_tells_anything_of_the_secret(qnode_cluster: Nets) -> None:
    program = Program(share_and_hold, what="ghz", among=CHAIN)
    (state,) = joint_states(exactly(qnode_cluster(**chain_of(program, 3, formalism="density_matrix"))), CHAIN)
    for bases in KEPT:
        for holder in (1, 2):
            together = dict.fromkeys(product((0, 1), repeat=2), 0.0)
            for outcomes, chance in chances(state, bases).items():
                together[outcomes[0], outcomes[holder]] += chance
            assert list(together.values()) == pytest.approx([1 / 4] * 4, abs=EXACT)


async def test_all_that_is_said_and_one_share_tell_nothing_of_the_secret(networks: Networks) -> None:
    """All outcomes of a round that is kept, in the bases that a seed draws."""
    given = {"chain": CHAIN, "rounds": 1}
    nodes = {"n0": Program(deal, checked=0.0, **given), "n1": Program(hold, **given), "n2": Program(hold, **given)}
    for seed in SEEDS:
        known: dict[object, dict[int, float]] = defaultdict(lambda: {0: 0.0, 1: 0.0})
        for chance, run, said in await networks.overheard(nodes, werner("n0 n1 n2", 1), draws=False, seed=seed):
            for secret, one, other in zip(run["n0"], run["n1"], run["n2"], strict=True):
                assert secret == one ^ other
                known["n1", one, said][secret] += chance
                known["n2", other, said][secret] += chance
        assert known
        assert all(even[0] == pytest.approx(even[1], abs=EXACT) for even in known.values())


def test_a_cheat_makes_an_error_in_a_quarter_of_the_rounds_whatever_he_guesses(qnode_cluster: Nets) -> None:
    program = Program(intercept_and_hold, rounds=12)
    run = exactly(qnode_cluster(**chain_of(program, 3, formalism="density_matrix")))
    seen = set()
    for state in joint_states(run, CHAIN):
        right = [1 / 2 + sign * expectation(state, bases) / 2 for bases, sign in KEPT.items()]
        assert 1 - sum(right) / 4 == pytest.approx(1 / 4, abs=EXACT)
        seen.add(tuple(round(one, 9) for one in right))
    assert seen == {(1, 1, 0.5, 0.5), (0.5, 0.5, 1, 1)}  # the dealer's basis: X guessed, or Y


def test_half_of_the_rounds_are_kept_and_shares_add_up(qnode_cluster: Nets, monkeypatch: pytest.MonkeyPatch) -> None:
    """n = 400 at p = 1/2 accepts 0.34 to 0.66.

    All choose either as often, and not alike: who knows a basis can cheat.
    """
    told: dict[str, str] = {}

    async def listening(node: Node, said: str, **more: Any) -> dict[str, str]:
        told[node.name] = said
        return await announce(node, said, **more)

    monkeypatch.setattr(secret_sharing, "announce", listening)
    run = share(qnode_cluster)
    for one, other in combinations_with_replacement(CHAIN, 2):
        both = sum(a == b == "y" for a, b in zip(told[one], told[other], strict=True))
        assert_frequency(both, ROUNDS, 1 / 2 if one == other else 1 / 4, false_alarm=FALSE_ALARM)
    assert_frequency(run.notes["n0"]["kept"], ROUNDS, 1 / 2, false_alarm=FALSE_ALARM)
    assert run.notes["n0"]["errors"] == 0
    assert run["n0"] == [b ^ c for b, c in zip(run["n1"], run["n2"], strict=True)]
    assert len(run["n0"]) == run.notes["n0"]["kept"] - run.notes["n0"]["compared"]


def test_noise_makes_errors(qnode_cluster: Nets) -> None:
    # n = about 160 at p = 0.231 accepts 0.06 to 0.47: no errors, or all at random, are caught.
    compared, errors = (share(qnode_cluster, fidelity=0.8).notes["n0"][name] for name in ("compared", "errors"))
    assert compared > 120
    assert_frequency(errors, compared, (1 - werner_w(0.8) ** 2) / 2, false_alarm=FALSE_ALARM)


def test_a_cheat_is_seen_and_knows_three_quarters(qnode_cluster: Nets) -> None:
    # n = about 160 at p = 1/4 accepts 0.06 to 0.49: no errors, or all at random, are caught.
    run = share(qnode_cluster, cheat)
    assert_frequency(run.notes["n0"]["errors"], run.notes["n0"]["compared"], 1 / 4, false_alarm=FALSE_ALARM)
    stolen = sum(a == b for a, b in zip(run["n0"], run["n1"], strict=True))
    assert_frequency(stolen, len(run["n0"]), 3 / 4, false_alarm=FALSE_ALARM)


@pytest.mark.qnode("../../configs/secret_sharing.yaml")
def test_the_example_shares_a_secret(net: Cluster) -> None:
    run = net.run_sync()
    assert run["alice"] == [b ^ c for b, c in zip(run["bob"], run["charlie"], strict=True)]
    assert 0 < sum(run["alice"]) < len(run["alice"])
