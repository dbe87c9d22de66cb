"""The magic square: won always with perfect pairs, less with Werner pairs, and 8 times of 9 without any."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import pytest

from orchestrator import Cluster, Program
from qnode.protocols.magic_square import is_won, referee
from qnode.testing import assert_frequency
from tests.protocols import programs_pa as programs
from tests.protocols.branching_pa import Networks, werner

Nets = Callable[..., Cluster]
CELLS = list(product(range(3), repeat=2))
BITS = [(a, b, c) for a in (0, 1) for b in (0, 1) for c in (0, 1)]


async def won(row: int, column: int, fidelity: float, networks: Networks) -> float:
    """The probability of winning where a row and a column cross."""
    nodes = {"alice": Program(programs.plays_row, row=row), "bob": Program(programs.plays_column, column=column)}
    runs = await networks.runs(nodes, werner("alice bob", fidelity))
    return sum(probability for probability, run in runs if is_won(row, column, run["alice"], run["bob"]))


@pytest.mark.parametrize(("row", "column"), CELLS)
async def test_every_question_is_won_always(row: int, column: int, networks: Networks) -> None:
    assert await won(row, column, 1.0, networks) == pytest.approx(1, abs=1e-10)


@pytest.mark.parametrize(("row", "column"), [(0, 1), (1, 2), (2, 2)])
async def test_werner_pairs_agree_in_one_qubit_by_w_and_in_both_by_its_square(
    row: int, column: int, networks: Networks
) -> None:
    """Four of the nine observables are of one qubit: on average 1/2 + (4w + 5w^2)/18."""
    w = (4 * 0.87 - 1) / 3
    of_one = row < 2 and column < 2
    assert await won(row, column, 0.87, networks) == pytest.approx((1 + (w if of_one else w * w)) / 2, abs=1e-10)


def test_no_plan_wins_more_than_eight_of_nine() -> None:
    """All 64 x 64 squares of rows and of columns with the sums that are asked for."""
    rows = list(product([bits for bits in BITS if sum(bits) % 2 == 0], repeat=3))
    odd = [bits for bits in BITS if sum(bits) % 2]
    even = [bits for bits in BITS if sum(bits) % 2 == 0]
    columns = list(product(even, even, odd))
    wins = [sum(is_won(i, j, alice[i], bob[j]) for i, j in CELLS) for alice, bob in product(rows, columns)]
    assert max(wins) == 8


def test_wrong_sums_are_not_won() -> None:
    assert is_won(0, 0, (0, 1, 1), (0, 0, 0))
    assert not is_won(0, 0, (0, 1, 0), (0, 0, 0))
    assert not is_won(0, 0, (0, 1, 1), (0, 1, 0))
    assert not is_won(0, 2, (0, 1, 1), (1, 1, 0))
    assert not is_won(0, 0, (1, 0, 1), (0, 0, 0))


async def test_all_nine_questions_are_as_likely(networks: Networks) -> None:
    nodes = {"referee": Program(referee, alice="alice", bob="bob", rounds=1)}
    nodes |= dict.fromkeys(("alice", "bob"), Program(programs.asked))
    links = {"to": {"star": ["referee", "alice", "bob"], "length": "5 km"}}
    runs = await networks.runs(nodes, links)
    assert sorted((run["alice"], run["bob"]) for _, run in runs) == CELLS
    for probability, run in runs:
        assert probability == pytest.approx(1 / 9, abs=1e-10)
        assert run["referee"] == is_won(run["alice"], run["bob"], (0, 0, 0), (0, 0, 0))


@pytest.mark.parametrize("fidelity", [1.0, 0.8])
def test_the_configuration_wins_as_often_as_its_pairs_let_it(fidelity: float, qnode_cluster: Nets) -> None:
    """n = 200 at F = 0.8, p = 0.81, accepts 0.62 to 0.96: what is always won would be caught."""
    source = ["links.fibre.source.model=werner", f"links.fibre.source.fidelity={fidelity}"]
    run = qnode_cluster("../../configs/magic_square.yaml", set=source).run_sync()
    w = (4 * fidelity - 1) / 3
    assert_frequency(run["referee"], 200, 1 / 2 + (4 * w + 5 * w * w) / 18)
