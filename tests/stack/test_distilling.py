"""The two ends of a distillation: they agree on every pair, whatever comes when; and what they keep is as foretold."""

from __future__ import annotations

from itertools import product
from math import exp, inf
from random import Random
from typing import Final, Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qnode.errors import MalformedMessage
from qnode.ids import PairId
from qnode.quantum.bell import BELL_STATES, PHI_PLUS
from qnode.quantum.bell_diagonal import Floats
from qnode.stack import expectation
from qnode.stack.distilling import MOST_AHEAD, Over, Ready
from qnode.stack.effects import Tell
from qnode.wire.stack import NodeFacts, Parity, Scheme, Vector
from tests.stack.ends import DELAY_NS, PERIOD_NS, World, at_random, first

ONE: Final[Vector] = (0.7, 0.15, 0.1, 0.05)
SCHEMES: Final = [Scheme(0), Scheme(1), Scheme(2), Scheme(3), Scheme(1, True), Scheme(3, True)]
METHODS: Final = ["dejmps", "bbpssw"]
ENOUGH: Final = 150  # pairs after which everything goes well, so that it ends
any_scheme = st.sampled_from(SCHEMES)
any_method = st.sampled_from(METHODS)
seeds = st.integers(0, 2**32)


def name(scheme: Scheme) -> str:
    return f"{'pumping' if scheme.pumping else 'rounds'} {scheme.steps}"


def numbers(ready: list[Ready]) -> list[int]:
    return [each.number for each in ready]


# --- they agree ------------------------------------------------------------------------------------------------------


@settings(max_examples=150, deadline=None)
@given(scheme=any_scheme, method=any_method, seed=seeds, n=st.integers(1, 4), losses=st.sampled_from([0.0, 0.1, 0.4]))
def test_both_ends_deliver_the_same_pairs_and_keep_no_half(
    scheme: Scheme, method: str, seed: int, n: int, losses: float
) -> None:
    fate = Random(seed)
    world = World(
        scheme,
        lambda number: PHI_PLUS if fate.random() < 0.7 or number > ENOUGH else fate.choice(BELL_STATES),
        at_random(seed + 1),
        method=method,
        vector=ONE,
        loses=lambda: fate.random() < losses and world.made < ENOUGH,
        coin=lambda name, nth: Random(f"{name} {nth} {seed}").random(),
        draw=fate.random,
    )
    world.run(n)
    mine, theirs = world.ready
    assert len(mine) == n
    assert numbers(mine) == numbers(theirs)
    assert world.asked[0] == world.asked[1]
    assert not any(end._heard for end in world.ends)  # of what is over nothing is kept
    for end, ready in enumerate(world.ready):
        for each in ready:
            world.halves[end].discard(each.pair)  # gone or not, it is the program's now
        for left in list(world.halves[end]):  # pairs that were needed before a step succeeded or failed, and wait
            world.ends[end].close()
            world.absorb()
            assert left not in world.halves[end]
    if not losses:
        assert [each[2:] for each in mine] == [each[2:] for each in theirs]  # what is expected, too
        assert not any(each.gone for each in mine)


@settings(max_examples=30, deadline=None)
@given(scheme=any_scheme, seed=seeds)
def test_what_is_asked_for_does_not_depend_on_what_comes_first(scheme: Scheme, seed: int) -> None:
    labels = [Random(seed + k).choice((PHI_PLUS, *BELL_STATES)) if k < 60 else PHI_PLUS for k in range(400)]
    found = set()
    for order in range(3):
        world = World(scheme, labels.__getitem__, at_random(order), vector=ONE)
        world.run(3)
        found.add((*numbers(world.ready[0]), world.made))
    assert len(found) == 1


@pytest.mark.parametrize("scheme", SCHEMES, ids=name)
def test_perfect_pairs_take_no_more_than_they_must(scheme: Scheme) -> None:
    world = World(scheme, lambda number: PHI_PLUS, first)
    world.run(3)
    each = scheme.steps + 1 if scheme.pumping else 2**scheme.steps
    assert world.made == 3 * each
    assert world.told == 2 * (world.made - 3)
    assert [world.state_of(ready) for ready in world.ready[0]] == [PHI_PLUS] * 3
    assert all(ready.vector == expectation.PERFECT for ready in world.ready[0])


# --- and it is right -------------------------------------------------------------------------------------------------


class Drawn:
    """Coins that have been thrown already: both ends get the same for the same name."""

    def __init__(self, twirls: tuple[int, ...]) -> None:
        self._twirls = twirls
        self._names: list[tuple[str, int]] = []

    def __call__(self, name: str, nth: int) -> float:
        if (name, nth) not in self._names:
            self._names.append((name, nth))
        return (self._twirls[self._names.index((name, nth))] + 0.5) / 12


def enumerated(scheme: Scheme, method: str, coins: int) -> tuple[float, Floats, Vector]:
    """Every Bell state of every pair, and every twirl that matters: the chance that no step fails, and what is left."""
    n = scheme.steps + 1 if scheme.pumping else 2**scheme.steps
    chance, left, foretold = 0.0, np.zeros(4), ONE
    for labels, twirls in product(product(range(4), repeat=n), product(range(3), repeat=coins)):
        drawn = Drawn(twirls)
        states = [BELL_STATES[label] for label in labels] + [PHI_PLUS] * n
        world = World(scheme, states.__getitem__, first, method=method, vector=ONE, coin=drawn)
        world.ends[0].want(1)
        world.ends[1].want(1)
        world.absorb()
        while world.pending and world.made == n:
            world.pending.pop(0)()
            world.absorb()
        if world.made > n:
            continue  # a step failed
        (ready,), (same,) = world.ready
        assert ready == same
        foretold = ready.vector
        weight = float(np.prod([ONE[label] for label in labels])) / 3**coins
        chance += weight
        bell = world.state_of(ready)
        left[2 * bell.z + bell.x] += weight
    return chance, left / chance, foretold


@pytest.mark.parametrize(
    ("scheme", "method", "coins"),
    [(Scheme(1), "dejmps", 0), (Scheme(2), "dejmps", 0), (Scheme(2, True), "dejmps", 0), (Scheme(1), "bbpssw", 2)],
    ids=["one round", "two rounds", "pumping twice", "BBPSSW"],
)
def test_what_is_kept_is_as_foretold(scheme: Scheme, method: str, coins: int) -> None:
    """Section 7 of PHYSICS.md: success probability, F' and all four numbers, over all Bell states of all pairs."""
    chance, left, foretold = enumerated(scheme, method, coins)
    np.testing.assert_allclose(left, foretold, atol=1e-12)
    expected, vector = expectation.distilled(ONE, ONE, method)
    if scheme == Scheme(2):
        again, vector = expectation.distilled(vector, vector, method)
        expected = expected**2 * again
    elif scheme.pumping:
        again, vector = expectation.distilled(vector, ONE, method)
        expected *= again
    assert chance == pytest.approx(expected, abs=1e-12)
    np.testing.assert_allclose(foretold, vector, atol=1e-12)


def test_what_waits_decays_and_messages_take_their_time() -> None:
    """Pairs come every PERIOD_NS; the first waits for the second, and both ends for a message."""
    facts = NodeFacts(4, inf, 5000.0, 0.02, 0.01)
    world = World(Scheme(1), lambda number: PHI_PLUS, first, vector=ONE, facts=facts)
    world.run()
    (ready,) = world.ready[0]
    assert ready.since_ns == PERIOD_NS + DELAY_NS
    old = _dephased(ONE, 1 - exp(-2 * PERIOD_NS / 5000))  # two halves
    _, kept = expectation.distilled(old, ONE, "dejmps", *expectation.step_errors(facts, facts))
    np.testing.assert_allclose(ready.vector, _dephased(kept, 1 - exp(-2 * DELAY_NS / 5000)), atol=1e-12)


def _dephased(vector: Vector, lost: float) -> Vector:
    return expectation.decayed(vector, 0.0, lost)


# --- what is not as usual --------------------------------------------------------------------------------------------


def test_a_half_that_is_lost_while_its_step_runs_ends_it_at_both() -> None:
    world = World(Scheme(1), lambda number: PHI_PLUS, first)
    mine, theirs = world.ends
    for end in world.ends:
        end.want(1)
        end.came(0, PairId("p0"), ONE, 0)
        end.came(1, PairId("p1"), ONE, 10)
        end.measured(5, 1)  # nobody knows of such a step
    assert [type(effect).__name__ for effect in world.outs[0]] == ["Wanting", "DistillStep"]
    for out in world.outs:
        out.clear()
    mine.lost(0)
    told, over, wanting = world.outs[0]
    assert over == Over(mine.circuit, mine.peer, 1, kept=False)
    assert told == Tell(mine.peer, Parity(mine.circuit, 0, 1, None))
    mine.measured(1, 0)  # it had begun
    assert isinstance(told.talk, Parity)
    theirs.heard(told.talk)
    assert [type(effect).__name__ for effect in world.outs[1]] == ["Abandon", "Over", "Wanting"]
    assert world.outs[1][2] == wanting
    theirs.measured(1, 1)
    mine.heard(Parity(mine.circuit, 0, 1, 1))  # that was sent before theirs heard of it
    mine.lost(0)
    mine.lost(1)
    assert len(world.outs[0]) == len(world.outs[1]) == 3


def test_a_half_that_is_lost_after_its_bit_was_told_is_gone_when_it_is_ready() -> None:
    world = World(Scheme(1), lambda number: PHI_PLUS, first)
    mine = world.ends[0]
    for end in world.ends:
        end.want(1)
        end.came(0, PairId("p0"), ONE, 0)
        end.came(1, PairId("p1"), ONE, 10)
        end.measured(1, 1)
    mine.lost(0)
    for end in world.ends:
        end.heard(Parity(mine.circuit, 0, 1, 1))
    ready = [out[-1] for out in world.outs]
    assert [isinstance(each, Ready) and each.gone for each in ready] == [True, False]


def test_ends_that_pair_differently_notice() -> None:
    world = World(Scheme(1), lambda number: PHI_PLUS, first)
    mine = world.ends[0]
    mine.want(1)
    for number in (0, 1):
        mine.came(number, PairId(f"p{number}"), ONE, 0)
    with pytest.raises(MalformedMessage, match="distils pair 7 of alice>bob#0 with 1, and we pair 0"):
        mine.heard(Parity(mine.circuit, 7, 1, 0))
    with pytest.raises(MalformedMessage, match="which nobody asked for"):
        mine.heard(Parity(mine.circuit, MOST_AHEAD, MOST_AHEAD + 2, 0))


@settings(max_examples=40, deadline=None)
@given(scheme=any_scheme, seed=seeds, steps=st.integers(0, 40))
def test_what_is_closed_gives_everything_back(scheme: Scheme, seed: int, steps: int) -> None:
    world = World(scheme, lambda number: PHI_PLUS, at_random(seed))
    for end in world.ends:
        end.want(3)
    world.absorb()
    for _ in range(steps):
        if world.pending:
            world.pending.pop(world.choose(len(world.pending)))()
            world.absorb()
    for end in world.ends:
        end.close()
    while world.pending:
        world.pending.pop(0)()
        world.absorb()
    for halves, ready in zip(world.halves, world.ready, strict=True):
        assert halves == {each.pair for each in ready}


@pytest.mark.parametrize("bit", [0, None])
def test_a_parity_of_another_step_that_comes_early_is_a_step_that_fails(bit: Literal[0] | None) -> None:
    """At both ends: whoever said it hears that nothing came of the step."""
    world = World(Scheme(1), lambda number: PHI_PLUS, first, vector=ONE)
    world.ends[0].heard(Parity("alice>bob#0", 7, 1, bit))
    world.run(2)
    assert numbers(world.ready[0]) == numbers(world.ready[1]) == [2, 4]
    for halves, ready in zip(world.halves, world.ready, strict=True):
        assert halves == {each.pair for each in ready}
