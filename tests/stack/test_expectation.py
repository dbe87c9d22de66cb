"""What is to be expected of a pair: the same numbers as from arrays, and as from dense matrices."""

from __future__ import annotations

from functools import reduce
from itertools import product
from math import exp, inf
from typing import Final

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qnode.quantum import bell_diagonal
from qnode.quantum.bell import BELL_STATES
from qnode.quantum.circuits import TWIRL, distillation
from qnode.quantum.gates import Matrix
from qnode.stack import expectation
from qnode.wire.stack import LinkFacts, NodeFacts, Vector
from tests.physics.circuits import distil, gate, memory, through

EXACT: Final = 1e-12
ONE: Final[Vector] = (0.8, 0.1, 0.06, 0.04)
chances = st.floats(0, 1)
times = st.floats(0, 5)
few = settings(max_examples=40)


@st.composite
def vectors(draw: st.DrawFn) -> Vector:
    weights = [draw(st.floats(1e-3, 1)) for _ in range(4)]
    a, b, c, d = (weight / sum(weights) for weight in weights)
    return a, b, c, d


def close(found: object, expected: object, within: float = EXACT) -> None:
    np.testing.assert_allclose(np.asarray(found), np.asarray(expected), rtol=0, atol=within)


def rho_of(vector: Vector) -> Matrix:
    return bell_diagonal.to_density_matrix(vector)


@few
@given(left=vectors(), right=vectors(), mixing=chances, flip=chances, single=chances)
def test_swapping_is_that_of_the_arrays(left: Vector, right: Vector, mixing: float, flip: float, single: float) -> None:
    noise = mixing, flip, single
    close(expectation.swapped(left, right, *noise), bell_diagonal.swap(left, right, *noise))
    close(expectation.swapped(left, right), bell_diagonal.swap(left, right))


@few
@given(one=vectors(), other=vectors(), mixing=chances, flip=chances)
def test_distilling_is_that_of_the_arrays(one: Vector, other: Vector, mixing: float, flip: float) -> None:
    end = NodeFacts(2, inf, inf, mixing, flip)
    errors = expectation.step_errors(end, end)
    for method, expected in (
        ("dejmps", bell_diagonal.dejmps(one, other, mixing, flip)),
        (
            "bbpssw",
            bell_diagonal.bilateral_cnot(bell_diagonal.twirled(one), bell_diagonal.twirled(other), mixing, flip),
        ),
    ):
        chance, vector = expectation.distilled(one, other, method, *errors)
        close(chance, expected[0])
        close(vector, expected[1])


@settings(max_examples=10)
@given(one=vectors(), other=vectors(), mixing=chances, flip=chances)
def test_distilling_is_that_of_the_circuit(one: Vector, other: Vector, mixing: float, flip: float) -> None:
    end = NodeFacts(2, inf, inf, mixing, flip)
    expected = distil(rho_of(one), rho_of(other), turned=True, mixing=mixing, flip=flip)
    chance, vector = expectation.distilled(one, other, "dejmps", *expectation.step_errors(end, end))
    close(chance * rho_of(vector), expected, 1e-10)


@given(f=st.floats(0.25, 1))
def test_bbpssw_has_the_closed_form(f: float) -> None:
    """Section 7 of PHYSICS.md, for Werner pairs and for any others of that fidelity."""
    rest = (1 - f) / 3
    n = f**2 + 2 * f * rest + 5 * rest**2
    for pair in ((f, rest, rest, rest), (f, 1 - f, 0.0, 0.0)):
        chance, vector = expectation.distilled(pair, pair, "bbpssw")
        close(chance, n)
        close(expectation.fidelity(vector), (f**2 + rest**2) / n)


@pytest.mark.parametrize("method", expectation.METHODS)
def test_the_gates_before_the_cnot_err_as_often_as_there_are_of_them(method: str) -> None:
    mine, theirs = NodeFacts(2, inf, inf, single=0.003), NodeFacts(2, inf, inf, single=0.001)
    circuits = [distillation(method, 0, (turn, turn)) for turn in range(len(TWIRL))]
    gates = sum(len(circuit) - 1 for circuit in circuits) / len(circuits) / 2  # on each half
    expected = bell_diagonal.depolarise(bell_diagonal.depolarise(ONE, gates * 0.003), gates * 0.001)
    close(expectation.turned(ONE, method, mine, theirs), expected)


def test_one_wrong_end_spoils_a_step_as_two_half_wrong_ends_do_not() -> None:
    fine, bad = NodeFacts(2, inf, inf), NodeFacts(2, inf, inf, 0.2, 0.1)
    close(expectation.step_errors(fine, bad), (0.2, 0.1))
    close(expectation.step_errors(bad, bad), (0.36, 0.18))


def test_pairs_that_are_never_kept_have_no_probability() -> None:
    assert expectation.distilled((1.0, 0.0, 0.0, 0.0), (0.0, 1.0, 0.0, 0.0)) == (0.0, (1.0, 0.0, 0.0, 0.0))


@few
@given(vector=vectors(), t=times, t1=st.floats(0.1, 10), ratio=st.floats(0.05, 2))
def test_storing_one_half_is_the_mean_over_the_frames(vector: Vector, t: float, t1: float, ratio: float) -> None:
    """The dense channel on a half of the uncorrected pair, corrected afterwards, over all four frames alike."""
    t2 = ratio * t1
    mean = np.zeros(4)
    for frame in BELL_STATES:
        owed = reduce(lambda rho, name: gate(rho, name, 0), frame.correction, rho_of(vector))
        aged = through(owed, memory(t, t1, t2), 1)
        back = reduce(lambda rho, name: gate(rho, name, 0), frame.correction, aged)
        mean += bell_diagonal.from_density_matrix(back) / 4
    close(expectation.stored(vector, t, t1, t2), mean, 1e-10)


@few
@given(t=times, t2=st.floats(0.1, 10), vector=vectors())
def test_a_memory_that_only_dephases_is_that_of_the_arrays(t: float, t2: float, vector: Vector) -> None:
    close(expectation.stored(vector, t, inf, t2), bell_diagonal.store(vector, t, t2))
    assert expectation.stored(vector, t, inf, inf) == vector
    assert expectation.stored(vector, 0, 1.0, 1.0) == vector


def test_a_perfect_pair_in_two_memories_has_the_closed_form() -> None:
    """The mean of Phi and Psi in PHYSICS.md, section 3, with T1 = 1, T2 = .8, t = .37: .5915 and .5436."""
    node = NodeFacts(1, 1.0, 0.8)
    vector = expectation.both_stored(expectation.PERFECT, 0.37, node, node)
    z, xy = exp(-2 * 0.37), exp(-2 * 0.37 / 0.8)
    close(expectation.fidelity(vector), (1 + z + 2 * xy) / 4)
    assert expectation.fidelity(vector) == pytest.approx((0.5915 + 0.5436) / 2, abs=1e-4)


def test_the_halves_of_a_link_pair_age_in_their_own_memories() -> None:
    mine, theirs = NodeFacts(1, inf, 1000.0), NodeFacts(1, 500.0, 700.0)
    facts = LinkFacts("bob", 5, 10, 0.1, 20, (0.9, 0.05, 0.03, 0.02), (30, 40))
    expected = expectation.stored(expectation.stored(facts.vector, 30, inf, 1000.0), 40, 500.0, 700.0)
    close(expectation.link_pair(facts, mine, theirs), expected)
    other_way = LinkFacts("alice", 5, 10, 0.1, 20, facts.vector, (40, 30))
    close(expectation.link_pair(other_way, theirs, mine), expected)


@few
@given(one=vectors(), other=vectors(), t=times, mixing=chances, flip=chances)
def test_vectors_stay_probabilities(one: Vector, other: Vector, t: float, mixing: float, flip: float) -> None:
    for vector in (
        expectation.stored(one, t, 1.0, 2.0),
        expectation.swapped(one, other, mixing, flip),
        expectation.distilled(one, other, "dejmps", mixing, flip)[1],
        expectation.twirled(one),
    ):
        assert min(vector) >= 0
        assert sum(vector) == pytest.approx(1, abs=EXACT)


@pytest.mark.parametrize(("left", "right"), list(product(range(4), repeat=2)))
def test_swapping_adds_frames(left: int, right: int) -> None:
    pure: list[Vector] = [(1.0, 0.0, 0.0, 0.0), (0.0, 1.0, 0.0, 0.0), (0.0, 0.0, 1.0, 0.0), (0.0, 0.0, 0.0, 1.0)]
    assert expectation.swapped(pure[left], pure[right]) == pure[left ^ right]
