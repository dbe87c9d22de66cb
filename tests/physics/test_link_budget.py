"""What is expected of a link, against closed forms (the same ones that storage is tested with elsewhere)."""

from __future__ import annotations

from math import exp, inf, log2, sqrt
from typing import Final

import numpy as np
import pytest

from orchestrator.link_budget import Budget, tried, worth
from qnode.quantum.bell import BELL_STATES, PHI_PLUS, BellState
from qnode.quantum.hardware import IDEAL, ErrorModel, Hardware, Slots, Timing
from qnode.quantum.key_fraction import six_state_fraction
from qnode.quantum.pair_source import Herald, PairSource, perfect
from qnode.quantum.sources import abstract, werner_state

SECOND: Final = 10**9


def stored(t1: float, t2: float) -> Hardware:
    return Hardware(memory=Slots(4, t1 * SECOND, t2 * SECOND))


def heralding(frame: BellState, age_ns: tuple[int, int], p: float = 0.25) -> PairSource:
    """A source of perfect pairs in one frame, whose halves are delivered at these ages."""
    ket = frame.ket()
    herald = Herald(p, frame, np.outer(ket, ket.conj()).tobytes())
    return PairSource((herald,), max(age_ns), (0, 0), age_ns, sequential=True)


@pytest.mark.parametrize("frame", BELL_STATES, ids=lambda bell: bell.name)
def test_pairs_age_uncorrected_until_they_are_delivered(frame: BellState) -> None:
    """Storage of both halves: Phi (1 + gA gB + eA eB + 2 e2A e2B)/4, Psi (eA + eB + 2 e2A e2B)/4 (g = 1 - e)."""
    budget = Budget(heralding(frame, (SECOND, SECOND // 2)), (stored(1.0, 0.8), stored(3.0, 5.0)))
    e_a, e_b, f = exp(-1), exp(-0.5 / 3), exp(-1 / 0.8 - 0.5 / 5)
    phi = (1 + (1 - e_a) * (1 - e_b) + e_a * e_b + 2 * f) / 4
    psi = (e_a + e_b + 2 * f) / 4
    assert budget.delivered().fidelity == pytest.approx(psi if frame.x else phi, abs=1e-12)


@pytest.mark.parametrize(("frame", "expected"), [(BellState(0, 0), 0.5915), (BellState(1, 1), 0.5436)])
def test_when_the_correction_is_applied_matters(frame: BellState, expected: float) -> None:
    """T1 = 1, T2 = 0.8, 0.37 of storage; afterwards all are Phi+, and fade as Phi+ does."""
    ends = (stored(1.0, 0.8), stored(1.0, 0.8))
    budget = Budget(heralding(frame, (37 * SECOND // 100,) * 2), ends)
    assert budget.delivered().fidelity == pytest.approx(expected, abs=5e-5)
    fresh = Budget(perfect(0), ends)
    assert fresh.stored_for([0.0, 0.37]) == pytest.approx([1.0, 0.5915], abs=5e-5)


def test_pairs_arrive_in_communication_slots_where_there_are_any() -> None:
    both = Hardware(memory=Slots(4, inf, 1.0 * SECOND), communication=Slots(1, inf, 0.1 * SECOND))
    budget = Budget(heralding(PHI_PLUS, (SECOND // 100, 0)), (both, IDEAL))
    assert budget.delivered().fidelity == pytest.approx((1 + exp(-0.1)) / 2, abs=1e-12)


def test_rates_are_attempts_times_their_success() -> None:
    budget = Budget(heralding(PHI_PLUS, (50_000, 40_000), p=0.25), (IDEAL, IDEAL))
    assert budget.attempts_hz == pytest.approx(20_000)
    assert budget.rate_hz == pytest.approx(5_000)
    assert budget.ages_ns == (50_000, 40_000)
    assert Budget(perfect(0), (IDEAL, IDEAL)).rate_hz == inf


def test_what_is_measured_has_the_errors_of_readouts_and_rotations() -> None:
    """Readout flips p at one end: outcomes agree by (1 - 2p) less; a rotation's error spoils X and Y alone."""
    single = Timing(0, ErrorModel(depolarise=0.03))
    ends = (Hardware(p01=0.1, p10=0.1), Hardware(single=single))
    pairs = abstract(werner_state(0.9), duration_ns=0)
    (w,) = {round(1 - 2 * error, 12) for error in Budget(pairs, ends).delivered().errors}
    assert w == pytest.approx((4 * 0.9 - 1) / 3)
    x, y, z = Budget(pairs, ends).measured().errors
    assert z == pytest.approx((1 - 0.8 * w) / 2, abs=1e-12)
    assert [x, y] == pytest.approx([(1 - 0.8 * w * (1 - 4 / 3 * 0.03)) / 2] * 2, abs=1e-12)


def test_the_end_that_corrects_pays_for_its_gate() -> None:
    """Depolarising with total probability q leaves 1 - q of a perfect pair; half of the pairs need no correction."""
    costly = Hardware(memory=Slots(4, inf, 1.0 * SECOND), single=Timing(SECOND // 10, ErrorModel(depolarise=0.06)))
    kets = {frame: frame.ket() for frame in (PHI_PLUS, BellState(0, 1))}
    heralds = tuple(Herald(0.5, frame, np.outer(ket, ket.conj()).tobytes()) for frame, ket in kets.items())
    source = PairSource(heralds)
    kept = (1 + exp(-0.1)) / 2
    shrunk = (1 + 2 * exp(-0.1) * 0.92 + 0.92) / 4  # what dephased meanwhile, then depolarised by 4q/3 = 0.08
    assert kept > shrunk
    for at, ends in enumerate(((costly, IDEAL), (IDEAL, costly))):
        assert Budget(source, ends, corrects=at).delivered().fidelity == pytest.approx((1 + shrunk) / 2, abs=1e-12)
        assert Budget(source, ends, corrects=1 - at).delivered().fidelity == pytest.approx(1, abs=1e-12)


def test_key_fractions_of_a_werner_pair() -> None:
    found = Budget(abstract(werner_state(0.97), duration_ns=0), (IDEAL, IDEAL)).delivered()
    q = 0.02
    h = -q * log2(q) - (1 - q) * log2(1 - q)
    assert found.errors == pytest.approx((q, q, q))
    assert found.bb84 == pytest.approx(1 - 2 * h)
    assert found.six_state == pytest.approx(six_state_fraction(q))


def test_a_trial_is_read_as_it_was_measured() -> None:
    """Three bases in turn, four pairs each, one wrong in X (unequal), one in Y (equal), none in Z."""
    a = [0, 0, 0] * 4
    b = [1, 0, 0, *[0, 1, 0] * 3]
    there = [0.5 * nth for nth in range(1, 13)]
    trial = tried((a, there), (b, [time - 0.1 for time in there]))
    assert trial.measured == worth(0.5, -0.5, 1.0)
    assert trial.fidelity_error == pytest.approx(sqrt(2 * (1 - 0.25) / 4) / 4)
    assert trial.pairs == 12
    assert trial.rate_hz == pytest.approx(2.0)
    assert trial.rate_error == pytest.approx(0, abs=1e-12)


def test_the_rate_of_a_trial_has_the_error_of_the_times_between_its_pairs() -> None:
    times = [1.0, 4.0, 6.0, 12.0]
    trial = tried(([0] * 4, times), ([0] * 4, times))
    assert trial.rate_hz == pytest.approx(1 / 3)
    assert trial.rate_error == pytest.approx(np.std([1, 3, 2, 6], ddof=1) / 2 / 9)
    assert tried(([0] * 4, [0.0] * 4), ([0] * 4, [0.0] * 4)).rate_hz == inf
