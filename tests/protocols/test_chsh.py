"""The CHSH game: won with 1/2 + w sqrt(2)/4, and with 3/4 at most where nothing is shared."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from math import sqrt

import pytest

from orchestrator import Cluster, Program
from qnode import Node
from qnode.protocols.chsh import is_won, play_alice, play_bob, referee
from qnode.testing import assert_frequency
from tests.protocols.branching_pa import Networks, werner

Nets = Callable[..., Cluster]


async def asks(node: Node, x: int, y: int) -> bool:
    """Be a referee who asks these."""
    await node.send("alice", x)
    await node.send("bob", y)
    return is_won(x, y, await node.receive("alice"), await node.receive("bob"))


def won_with(fidelity: float) -> float:
    return 1 / 2 + (4 * fidelity - 1) / 3 * sqrt(2) / 4


@pytest.mark.parametrize("fidelity", [1.0, 0.9])
@pytest.mark.parametrize(("x", "y"), list(product((0, 1), repeat=2)))
async def test_every_question_is_won_with_one_half_and_w_root_two_quarters(
    x: int, y: int, fidelity: float, networks: Networks
) -> None:
    nodes = {
        "referee": Program(asks, x=x, y=y),
        "alice": Program(play_alice, bob="bob", referee="referee", rounds=1),
        "bob": Program(play_bob, alice="alice", referee="referee", rounds=1),
    }
    links = werner("alice bob", fidelity) | {"to": {"star": ["referee", "alice", "bob"], "length": "5 km"}}
    runs = await networks.runs(nodes, links)
    won = sum(probability for probability, run in runs if run["referee"])
    assert won == pytest.approx(won_with(fidelity), abs=1e-10)


def test_no_plan_wins_more_than_three_of_four() -> None:
    """All 16 pairs of answers made beforehand; whatever is drawn at random is a mixture of them."""
    plans = list(product((0, 1), repeat=2))
    questions = list(product((0, 1), repeat=2))
    best = max(sum(is_won(x, y, alice[x], bob[y]) for x, y in questions) for alice, bob in product(plans, repeat=2))
    assert best == 3


def test_questions_are_fair_and_counted(qnode_cluster: Nets) -> None:
    """Who answers 0 loses exactly where both questions are 1: n = 400 at p = 3/4 accepts 0.60 to 0.88."""
    nodes = {"referee": Program(referee, alice="alice", bob="bob", rounds=400)}
    nodes |= dict.fromkeys(("alice", "bob"), Program(says_0, rounds=400))
    links = {"to": {"star": ["referee", "alice", "bob"], "length": "5 km"}}
    run = qnode_cluster(nodes=nodes, links=links, seed=1, events=False).run_sync(inline=True)
    asked = list(zip(run["alice"], run["bob"], strict=True))
    assert run["referee"] == 400 - asked.count((1, 1)) == round(400 * run.notes["referee"]["won"])
    assert_frequency(run["referee"], 400, 3 / 4, false_alarm=1e-9)
    for x, y in product((0, 1), repeat=2):
        assert_frequency(asked.count((x, y)), 400, 1 / 4, false_alarm=1e-9)


async def says_0(node: Node, rounds: int) -> list[int]:
    questions = []
    for _ in range(rounds):
        questions.append(await node.receive("referee", type=int))
        await node.send("referee", 0)
    return questions


@pytest.mark.parametrize("fidelity", [1.0, 0.78])
def test_the_configuration_wins_as_often_as_its_pairs_let_it(fidelity: float, qnode_cluster: Nets) -> None:
    """n = 500 at p = 0.854 accepts 0.74 to 0.95; at F = 0.78, p = 0.75, it accepts 0.62 to 0.87."""
    run = qnode_cluster("../../configs/chsh.yaml", set=[f"links.fibre.fidelity={fidelity}"]).run_sync()
    assert_frequency(run["referee"], 500, won_with(fidelity), false_alarm=1e-9)
    assert run.notes["referee"]["won"] == run["referee"] / 500
