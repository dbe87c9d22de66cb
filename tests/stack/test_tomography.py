"""Vectors from correlators: exact from exact ones, and possible and near from measured ones."""

from __future__ import annotations

from math import log, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qnode.quantum.bell import BELL_STATES
from qnode.quantum.bell_diagonal import to_density_matrix
from qnode.quantum.correlators import fidelity, from_density_matrix
from qnode.stack.tomography import correlator, estimated_vector

PAIRS = 20_000  # along each axis
weights = st.lists(st.floats(0, 1), min_size=4, max_size=4).filter(lambda them: sum(them) > 0.1)


def exact(vector: object) -> tuple[float, float, float]:
    t = from_density_matrix(to_density_matrix(vector))  # type: ignore[arg-type]
    return float(t[1, 1]), float(t[2, 2]), float(t[3, 3])


@pytest.mark.parametrize("nth", range(4))
def test_each_bell_state_is_recognised(nth: int) -> None:
    assert estimated_vector(*BELL_STATES[nth].correlators) == tuple(float(i == nth) for i in range(4))


@given(weights)
def test_exact_correlators_give_the_exact_vector(given_weights: list[float]) -> None:
    vector = np.array(given_weights) / sum(given_weights)
    xx, yy, zz = exact(vector)
    found = estimated_vector(xx, yy, zz)
    assert found == pytest.approx(tuple(vector), abs=1e-12)
    assert found[0] == pytest.approx((1 + xx - yy + zz) / 4, abs=1e-12)
    assert found[0] == pytest.approx(float(fidelity(from_density_matrix(to_density_matrix(vector)))), abs=1e-12)


axis = st.floats(-1, 1)


@given(axis, axis, axis, weights)
def test_no_possible_vector_is_nearer_than_the_estimate(xx: float, yy: float, zz: float, other: list[float]) -> None:
    found = np.array(estimated_vector(xx, yy, zz))
    assert found.min() >= 0
    assert found.sum() == pytest.approx(1)

    def distance(vector: object) -> float:
        return float(np.linalg.norm(np.subtract(exact(vector), (xx, yy, zz))))

    assert distance(found) <= distance(np.array(other) / sum(other)) + 1e-12


def test_measured_outcomes_give_a_vector_that_is_near() -> None:
    """Each correlator is off by more than `off` with probability 1e-9 / 3 (Hoeffding); a swapped sign is caught."""
    vector, stream = (0.85, 0.02, 0.1, 0.03), np.random.default_rng(1)
    measured = []
    for mean in exact(vector):
        mine = stream.integers(0, 2, PAIRS)
        theirs = mine ^ (stream.random(PAIRS) < (1 - mean) / 2)
        measured.append(correlator([int(a) for a in mine], [int(b) for b in theirs]))
    off = sqrt(2 * log(2 * 3 / 1e-9) / PAIRS)
    assert estimated_vector(*measured) == pytest.approx(vector, abs=3 * off / 4)
