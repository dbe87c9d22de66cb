"""Coin flipping: fair between the honest, and nobody gets what he wants more often than the bound says."""

from __future__ import annotations

from collections import defaultdict
from itertools import product
from math import sqrt
from typing import Any

import numpy as np
import pytest

from orchestrator import Cluster, Program
from orchestrator.run import Run
from qnode.errors import ProgramFailed
from qnode.protocols.coin_flipping import A, angle, toss
from qnode.testing import assert_frequency
from tests.protocols import programs_pa as programs
from tests.protocols.branching_pa import Networks, Said

FIBRE = {"fibre": {"between": ["alice", "bob"], "length": "10 km"}}
ALICE_BOUND = (3 + 2 * sqrt(A * (1 - A))) / 4


async def tossed(alice: str, bob: str, networks: Networks, error: float = 0.0) -> dict[int | None, float]:
    """How probable 0, 1 and None are, over all choices and outcomes; both say the same."""
    programs = {
        "alice": Program(toss, peer="bob", role=alice, tosses=1),
        "bob": Program(toss, peer="alice", role=bob, tosses=1),
    }
    gates = {"single": {"error": error}}
    nodes = {name: {"program": program, "gates": gates} for name, program in programs.items()}
    found: dict[int | None, float] = {0: 0.0, 1: 0.0, None: 0.0}
    for probability, run in await networks.runs(nodes, FIBRE):
        assert run["alice"] == run["bob"]
        found[run["bob"][0]] += probability
    return found


@pytest.mark.parametrize(
    ("alice", "bob", "expected"),
    [
        ("alice", "cheating bob", {0: A, 1: 1 - A, None: 0}),
        ("cheating alice", "bob", {0: ALICE_BOUND, 1: 0, None: 1 - ALICE_BOUND}),
    ],
)
async def test_coins_are_as_unfair_as_they_can_be(
    alice: str, bob: str, expected: dict[int | None, float], networks: Networks
) -> None:
    assert await tossed(alice, bob, networks) == pytest.approx(expected, abs=1e-10)


async def test_coins_of_the_honest_are_fair_and_so_is_all_that_they_say(networks: Networks) -> None:
    """Answer, basis and bit: whoever could guess one of them would need no cheat."""
    given = {
        "alice": Program(toss, peer="bob", role="alice", tosses=1),
        "bob": Program(toss, peer="alice", role="bob", tosses=1),
    }
    coins = {0: 0.0, 1: 0.0}
    heard: dict[Said, float] = defaultdict(float)
    for probability, run, said in await networks.overheard(given, FIBRE):
        assert run["bob"] == run["alice"]
        coins[run["bob"][0]] += probability
        heard[said] += probability
    assert coins == pytest.approx({0: 1 / 2, 1: 1 / 2}, abs=1e-10)
    assert list(heard.values()) == pytest.approx([1 / 8] * 8, abs=1e-10)


@pytest.mark.parametrize("basis", [0, 1])
async def test_a_lie_about_the_bit_is_seen_in_one_of_two_bases_as_likely(basis: int, networks: Networks) -> None:
    """The state of bit 0, and bit 1 is told: bob sees it for certain if he has measured in that basis."""
    nodes = {
        "alice": Program(programs.tells_coin, told=(bool(basis), True), angle=angle(basis, 0)),
        "bob": Program(toss, peer="alice", role="bob", tosses=1),
    }
    seen = sum(probability for probability, run in await networks.runs(nodes, FIBRE) if run["bob"] == [None])
    assert seen == pytest.approx(1 / 2, abs=1e-10)


async def test_alice_tells_nothing_before_bob_has_answered(networks: Networks) -> None:
    """Or he would answer what gives him his coin."""
    given = {
        "alice": Program(toss, peer="bob", role="alice", tosses=1),
        "bob": Program(toss, peer="alice", role="bob", tosses=1),
    }
    said = [(one.node, one.t) for one in (await networks.run(given, FIBRE, events=True)).events if one.event == "send"]
    assert sorted(said, key=lambda one: one[1])[:2] == [("bob", 50_035), ("alice", 2 * 50_035)]


async def test_noise_has_the_honest_suspect_each_other(networks: Networks) -> None:
    """Two gates of error r keep (1-2r)^2 of the state: in alice's basis, half of the rest is found to be wrong."""
    aborted = (1 - (1 - 2 * 0.03) ** 2) / 4
    expected = {0: (1 - aborted) / 2, 1: (1 - aborted) / 2, None: aborted}
    assert await tossed("alice", "bob", networks, error=0.03) == pytest.approx(expected, abs=1e-10)


def test_both_bounds_are_nine_tenths() -> None:
    assert pytest.approx((0.9, 0.9), abs=1e-12) == (A, ALICE_BOUND)


def state(basis: int, bit: int) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    ket = np.array([np.cos(angle(basis, bit) / 2), np.sin(angle(basis, bit) / 2)])
    return np.outer(ket, ket)


def test_no_measurement_tells_bob_more_and_no_state_helps_alice_more() -> None:
    """Helstrom's bound for his guess of the bit; for hers, the largest eigenvalue of what he checks."""
    bits = [sum(state(basis, bit) for basis in (0, 1)) / 2 for bit in (0, 1)]
    assert (1 + np.abs(np.linalg.eigvalsh(bits[0] - bits[1])).sum() / 2) / 2 == pytest.approx(A)
    told = [state(first, 0) + state(second, 1) for first in (0, 1) for second in (0, 1)]  # her basis for either bit
    best = max(np.linalg.eigvalsh(both)[-1] for both in told) / 2
    assert (1 + best) / 2 == pytest.approx(ALICE_BOUND)  # in the other basis bob checks nothing


def test_nor_does_it_help_alice_to_keep_something_entangled_with_her_qubit() -> None:
    """Then she chooses the basis by a measurement once she knows which bit she has to tell.

    Whatever her qubit's own state rho is, the best of both bases passes with the sum of both chances and the trace norm
    of their difference between two sqrt(rho), by half (Helstrom). All real states, for no phase is ever checked.
    """
    for angle_, purity in product(np.linspace(0, 2 * np.pi, 25), np.linspace(0, 1, 11)):
        across = purity * np.array([[np.cos(angle_), np.sin(angle_)], [np.sin(angle_), -np.cos(angle_)]])
        values, vectors = np.linalg.eigh((np.eye(2) + across) / 2)
        root = vectors @ np.diag(np.sqrt(np.maximum(values, 0))) @ vectors.T
        passes = 0.0
        for bit in (0, 1):
            both, apart = (root @ (state(0, bit) + sign * state(1, bit)) @ root for sign in (1, -1))
            passes += (np.trace(both) + np.abs(np.linalg.eigvalsh(apart)).sum()) / 2 / 2
        assert (1 + passes) / 2 <= ALICE_BOUND + 1e-12


@pytest.mark.parametrize(
    ("said", "refuses"), [({"answer": 2}, "alice"), ({"told": (2, 0)}, "bob"), ({"told": (0, 2)}, "bob")]
)
async def test_who_says_what_is_no_bit_is_not_believed(said: dict[str, Any], refuses: str, networks: Networks) -> None:
    """A third basis, which bob has not measured in, would let alice tell any bit, and win always."""
    cheat = Program(programs.answers_coin if refuses == "alice" else programs.tells_coin, **said)
    honest = Program(toss, peer="bob" if refuses == "alice" else "alice", role=refuses, tosses=1)
    nodes = {"alice": honest, "bob": cheat} if refuses == "alice" else {"alice": cheat, "bob": honest}
    with pytest.raises(ProgramFailed, match=rf"(?s)node {refuses} .* is not a (bool|Told): Expected `bool`"):
        await networks.run(nodes, FIBRE)


@pytest.mark.qnode("../../configs/coin_flipping.yaml")
def test_the_configuration_shows_what_cheats_get(net: Cluster) -> None:
    """60 tosses each: n = 60 at p = 0.9 accepts 0.58 to 1, at p = 1/2 0.11 to 0.89."""
    run: Run = net.run_sync()
    notes = run.notes["alice"]
    assert_frequency(notes["honest_zeros"], 60, 0.5)
    assert notes["honest_aborted"] == notes["bob_cheats_aborted"] == 0
    assert_frequency(notes["bob_cheats_zeros"], 60, A)
    assert_frequency(notes["alice_cheats_zeros"], 60, ALICE_BOUND)
    assert notes["alice_cheats_zeros"] + notes["alice_cheats_aborted"] == 60
