"""The CHSH game: won with 1/2 + w sqrt(2)/4, and with 3/4 at most where nothing is shared."""

from __future__ import annotations

from itertools import product
from math import sqrt

import pytest

from orchestrator import Program
from qnode.protocols.chsh import play_alice, play_bob, wins
from tests.protocols.branching_pa import Networks, werner


@pytest.mark.parametrize("fidelity", [1.0, 0.9])
async def test_every_question_is_won_with_one_half_and_w_root_two_quarters(fidelity: float, networks: Networks) -> None:
    nodes = {"alice": Program(play_alice, bob="bob", rounds=1), "bob": Program(play_bob, alice="alice", rounds=1)}
    won = dict.fromkeys(product((0, 1), repeat=2), 0.0)
    for probability, run in await networks.runs(nodes, werner("alice bob", fidelity)):
        [[x, _]], [[y, _]] = run["alice"], run["bob"]
        won[x, y] += 4 * probability * wins(run["alice"], run["bob"])
    expected = 1 / 2 + (4 * fidelity - 1) / 3 * sqrt(2) / 4
    assert list(won.values()) == pytest.approx([expected] * 4, abs=1e-10)


def test_no_plan_wins_more_than_three_of_four() -> None:
    """All 16 pairs of answers made beforehand; whatever is drawn at random is a mixture of them."""
    plans = list(product((0, 1), repeat=2))
    questions = list(product((0, 1), repeat=2))
    best = max(
        wins([(x, alice[x]) for x, _ in questions], [(y, bob[y]) for _, y in questions])
        for alice, bob in product(plans, repeat=2)
    )
    assert best == 3
