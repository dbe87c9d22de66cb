"""Photons by themselves, against closed forms and against sums over photon numbers that are obviously right.

Statistics of sources, yields, gains, error rates, dead times, afterpulses, jitter, and entangled pairs.
"""

from __future__ import annotations

from itertools import product
from math import comb, erf, exp, factorial, sqrt
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qnode.errors import InvalidOperation
from qnode.photons import blind as blind_module
from qnode.photons import theory
from qnode.photons.blind import Recovery, _Possible, seen, settle
from qnode.photons.detection import (
    ONE,
    ZERO,
    Analyser,
    Gates,
    analyser,
    click_probabilities,
    detect,
    gated,
    offsets,
    outcomes_of,
    window_share,
)
from qnode.photons.hardware import Channel, Detector, Encoding, Source
from qnode.photons.light import at_least, draw_numbers, of_numbers, of_source
from qnode.photons.pairs import detect_pairs, patterns
from qnode.photons.sampling import bernoulli_places, draw_bits, draw_classes
from qnode.testing import assert_frequency

EXACT = 1e-12
CHANCES = st.floats(0.0, 1.0)
RNG = np.random.default_rng

# --- statistics, yields, gains, error rates --------------------------------------------------------------------------

LINKS = [  # mean, eta, dark, misalignment
    (0.5, 0.1, 1e-6, 0.01),
    (0.1, 1e-4, 1e-5, 0.033),
    (2.0, 0.7, 0.01, 0.1),
    (12.0, 1.0, 0.0, 0.0),
    (0.0, 0.3, 1e-3, 0.02),
    (0.48, 0.045, 1.7e-6, 0.033),
]


@pytest.mark.parametrize("mean", [0.0, 0.02, 0.5, 3.0, 16.0])
def test_photon_numbers_of_a_laser_have_poissons_distribution(mean: float) -> None:
    assert theory.poisson(0, mean) == pytest.approx(exp(-mean), abs=EXACT)
    for n in range(1, 60):
        assert theory.poisson(n, mean) == pytest.approx(exp(-mean) * mean**n / factorial(n), abs=EXACT)
    tails = at_least(Source("weak_coherent", (0.3, mean)))[1]
    for n in range(1, 60):
        beyond = sum(theory.poisson(more, mean) for more in range(n, 120))
        assert (tails[n - 1] if n <= len(tails) else 0.0) == pytest.approx(beyond, abs=EXACT)


@pytest.mark.parametrize(("mean", "eta", "dark", "misalignment"), LINKS)
def test_gain_and_error_rate_are_sums_of_yields_over_photon_numbers(
    mean: float, eta: float, dark: float, misalignment: float
) -> None:
    weights = [theory.poisson(n, mean) for n in range(150)]
    gain = sum(p * theory.yield_of(n, eta, dark) for n, p in enumerate(weights))
    error = sum(p * theory.error_yield(n, eta, dark, misalignment) for n, p in enumerate(weights))
    assert theory.gain(mean, eta, dark) == pytest.approx(gain, abs=EXACT)
    assert theory.error_gain(mean, eta, dark, misalignment) == pytest.approx(error, abs=EXACT)
    assert theory.yield_of(0, eta, dark) == pytest.approx(theory.background_yield(dark), abs=EXACT)
    assert theory.error_yield(0, eta, dark, misalignment) == pytest.approx(theory.background_yield(dark) / 2, abs=EXACT)


def test_the_first_order_form_is_not_what_is_used() -> None:
    """Y0 + 1 - exp(-eta mu) (Ma 2005, eq. 9) differs in the fourth digit where darks and light are both frequent."""
    first_order = theory.background_yield(0.01) + 1 - exp(-0.5 * 0.1)
    assert abs(theory.gain(0.5, 0.1, 0.01) - first_order) > 5e-4


def by_counting(n: int, q: list[float], dark: float) -> dict[int, float]:
    """The masks of clicks of n photons, each of which goes to detector 0, to detector 1 or nowhere: one by one."""
    found = dict.fromkeys(range(4), 0.0)
    lost = 1 - sum(q)
    for zeros in range(n + 1):
        for ones in range(n + 1 - zeros):
            ways = comb(n, zeros) * comb(n - zeros, ones)
            weight = ways * q[0] ** zeros * q[1] ** ones * lost ** (n - zeros - ones)
            for dark_zero, dark_one in product((0, 1), repeat=2):
                chance = (dark if dark_zero else 1 - dark) * (dark if dark_one else 1 - dark)
                found[ZERO * bool(zeros or dark_zero) + ONE * bool(ones or dark_one)] += weight * chance
    return found


def masks_of(
    survival: Any, prepared: int, level: int, basis: int, eta: float, optics: Analyser, dark: float
) -> list[float]:
    """Probabilities of no click, only 0, only 1, both."""
    cell = np.array(prepared), np.array(level), np.array(basis)
    found = click_probabilities(survival, *cell, eta, optics, dark)
    only_zero, only_one, some = map(float, found)
    return [1 - some, only_zero, only_one - only_zero, some - only_one]


@pytest.mark.parametrize(("prepared", "basis"), list(product(range(6), range(3))))
@pytest.mark.parametrize("n", range(5))
def test_clicks_of_n_photons_are_those_that_counting_them_one_by_one_gives(n: int, prepared: int, basis: int) -> None:
    eta, dark = 0.6, 0.03
    optics = Analyser((0.5, 0.4, 0.3), (0.02, 0.05, 0.07))
    bit, own = prepared & 1, prepared >> 1
    wrong = optics.error[basis] if own == basis else 0.5
    q = [eta * optics.transmission[basis] * share for share in (1 - wrong, wrong)]
    expected = by_counting(n, q[::-1] if bit else q, dark)
    found = masks_of(of_numbers, prepared, n, basis, eta, optics, dark)
    assert found == pytest.approx([expected[mask] for mask in range(4)], abs=EXACT)


@pytest.mark.parametrize(
    ("source", "weights"),
    [
        (Source("weak_coherent", (0.7,)), [theory.poisson(n, 0.7) for n in range(40)]),
        (Source("single_photon", (), 0.8, 0.05), [0.2, 0.75, 0.05]),
        (Source("single_photon"), [0.0, 1.0]),
    ],
)
def test_clicks_of_a_source_are_the_mean_over_its_photon_numbers(source: Source, weights: list[float]) -> None:
    optics, dark, eta = Analyser((0.5,) * 3, (0.04,) * 3), 0.01, 0.9
    for prepared, basis in product(range(6), range(3)):
        found = masks_of(of_source(source), prepared, 0, basis, eta, optics, dark)
        numbers = [masks_of(of_numbers, prepared, n, basis, eta, optics, dark) for n in range(len(weights))]
        expected = np.einsum("n,nm->m", weights, np.array(numbers))
        assert found == pytest.approx(list(expected), abs=EXACT)


@pytest.mark.parametrize(("mean", "eta", "dark", "misalignment"), LINKS)
def test_what_is_sampled_has_the_gain_and_the_error_rate_of_the_closed_forms(
    mean: float, eta: float, dark: float, misalignment: float
) -> None:
    optics = Analyser((eta,) * 3, (misalignment,) * 3)
    only_zero, only_one, some = click_probabilities(
        of_source(Source("weak_coherent", (mean,))), np.array(0), np.array(0), np.array(0), 1.0, optics, dark
    )
    both = float(some - only_one)
    assert float(some) == pytest.approx(theory.gain(mean, eta, dark), abs=EXACT)
    wrong = float(only_one - only_zero) + both / 2
    assert wrong == pytest.approx(theory.error_gain(mean, eta, dark, misalignment), abs=EXACT)


# --- sampling: everything is drawn as often as it should be ----------------------------------------------------------


@pytest.mark.parametrize("p", [0.0, 1e-7, 1e-3, 0.3, 0.97, 1.0])
def test_places_of_rare_things_are_ascending_and_as_many_as_they_should_be(p: float) -> None:
    n = 400_000
    places = bernoulli_places(n, p, RNG(1))
    assert places.dtype == np.int64
    assert (np.diff(places) > 0).all()
    assert len(places) == 0 or (places[0] >= 0 and places[-1] < n)
    assert_frequency(len(places), n, p)
    if 0 < p < 1 and len(places) > 1000:
        assert_frequency(int((np.diff(places) == 1).sum()), len(places) - 1, p)  # the gaps are geometric


@pytest.mark.parametrize("n", [0, 1, 2, 3])
def test_places_in_arrays_of_hardly_any_length(n: int) -> None:
    rng = RNG(2)
    hits = np.zeros(n, np.int64)
    for _ in range(4000):
        hits[bernoulli_places(n, 0.25, rng)] += 1
    for hit in hits:
        assert_frequency(int(hit), 4000, 0.25)


@pytest.mark.parametrize("probabilities", [(0.7, 0.2, 0.1), (1e-5, 1 - 1e-5), (0.5, 0.0, 0.5), (1.0,), (0.0, 1.0)])
def test_classes_are_exact_and_not_rounded_to_16_bits(probabilities: tuple[float, ...]) -> None:
    """At 1e-5, in 2e7 draws, 200 are expected; the next multiples of 2**-16 would give 0 and 305."""
    n = 20_000_000 if 1e-5 in probabilities else 1_000_000
    counts = np.bincount(draw_classes(n, probabilities, RNG(3)), minlength=len(probabilities))
    assert len(counts) == len(probabilities)
    for count, p in zip(counts, probabilities, strict=True):
        assert_frequency(int(count), n, p)


@pytest.mark.parametrize("probabilities", [(), (0.5,), (0.5, 0.6), (-0.1, 1.1)])
def test_what_are_no_probabilities_is_refused(probabilities: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="sum to 1"):
        draw_classes(10, probabilities, RNG(1))


def test_bits_are_fair() -> None:
    bits = draw_bits(1_000_003, RNG(4))
    assert len(bits) == 1_000_003
    assert set(np.unique(bits)) == {0, 1}
    assert_frequency(int(bits.sum()), len(bits), 0.5)


def test_drawn_photon_numbers_are_those_of_their_class() -> None:
    source = Source("weak_coherent", (0.5, 0.0, 3.0))
    classes = draw_classes(600_000, (0.5, 0.2, 0.3), RNG(5))
    numbers = draw_numbers(classes, source, RNG(6))
    for level, mean in enumerate(source.intensities):
        of_level = numbers[classes == level]
        for n in range(6):
            assert_frequency(int((of_level == n).sum()), len(of_level), theory.poisson(n, mean))
    flawed = draw_numbers(classes, Source("single_photon", (), 0.8, 0.05), RNG(7))
    for n, p in enumerate((0.2, 0.75, 0.05, 0.0)):
        assert_frequency(int((flawed == n).sum()), len(flawed), p)


@pytest.mark.parametrize("passive", [True, False])
def test_each_kind_of_pulse_in_each_basis_clicks_as_often_as_it_should(passive: bool) -> None:
    """All 18 x 2 x 3 cells of (bit, basis, intensity), receiver's basis, and which detectors."""
    n, dark = 3_000_000, 0.01
    source = Source("weak_coherent", (0.8, 0.2, 0.0))
    optics, channel = Analyser((0.6, 0.5, 0.4), (0.03, 0.05, 0.1)), Channel(3.0, 0.9)
    rng = RNG(8)
    codes = (rng.integers(0, 6, n) + 8 * rng.integers(0, 3, n)).astype(np.uint8)
    bases = rng.integers(0, 3, n, dtype=np.uint8)
    found = detect(
        codes,
        None,
        of_source(source),
        (0.2, 0.3, 0.5) if passive else bases,
        Gates(0, 1000),
        channel,
        optics,
        dark,
        rng,
    )
    assert (np.diff(found.gates) > 0).all()
    if not passive:
        assert (found.bases == bases[found.gates]).all()
    eta = 0.9 * 10**-0.3
    for code in np.unique(codes):
        for basis, share in enumerate((0.2, 0.3, 0.5)):
            trials = int((codes == code).sum()) if passive else int(((codes == code) & (bases == basis)).sum())
            expected = masks_of(of_source(source), int(code) & 7, int(code) >> 3, basis, eta, optics, dark)
            masks = found.masks[(codes[found.gates] == code) & (found.bases == basis)]
            for mask in (1, 2, 3):
                p = expected[mask] * (share if passive else 1.0)
                assert_frequency(int((masks == mask).sum()), trials, p, false_alarm=1e-11)


def test_double_clicks_get_a_fair_coin_and_single_ones_their_bit() -> None:
    masks = np.repeat(np.array([1, 2, 3], np.uint8), 50_000)
    outcomes, double = outcomes_of(masks, RNG(9))
    assert (outcomes[masks == 1] == 0).all()
    assert (outcomes[masks == 2] == 1).all()
    assert (double == (masks == 3)).all()
    assert_frequency(int(outcomes[double].sum()), 50_000, 0.5)


def test_loss_that_changes_with_time_is_that_of_each_pulses_own_time() -> None:
    """A pass of 100 s at 10 kHz: in each tenth, the clicks that the sum over its own pulses gives; none outside."""
    times, losses = (10.0, 40.0, 90.0), (20.0, 3.0, 15.0)
    channel = Channel(1.0, 0.8, times, losses)
    n, optics = 1_000_000, Analyser((0.9,) * 3, (0.0,) * 3)
    codes = np.zeros(n, np.uint8)
    gates = Gates(0, 10**8)  # 10 kHz: 100 s
    found = detect(codes, None, of_source(Source()), (1.0, 0.0, 0.0), gates, channel, optics, 0.0, RNG(10))
    at = np.arange(n) * 1e-4
    loss = np.interp(at, times, losses) + 1.0
    chances = np.where((at < 10) | (at > 90), 0.0, 0.9 * 0.8 * 10 ** (-loss / 10))
    clicked = np.zeros(n, bool)
    clicked[found.gates] = True
    assert not clicked[chances == 0].any()
    for start in range(100_000, 900_000, 100_000):
        part = slice(start, start + 100_000)
        # a sum of unequal Bernoullis is closer to its mean than one of equal ones (Hoeffding 1956): the test is valid
        assert_frequency(int(clicked[part].sum()), 100_000, float(chances[part].mean()))


@pytest.mark.parametrize("basis", range(3))
def test_no_basis_of_a_sender_with_random_bits_can_be_seen(basis: int) -> None:
    """No signalling: of single photons, a receiver in any basis sees the same whatever the sender's is; exactly.

    (Pulses of several photons do tell: they make double clicks where the bases differ.)
    """
    optics = Analyser((0.6, 0.5, 0.4), (0.03, 0.05, 0.1))
    numbers = [
        np.mean([masks_of(of_numbers, bit + 2 * own, 1, basis, 0.7, optics, 0.0) for bit in (0, 1)], axis=0)
        for own in range(3)
    ]
    for other in numbers[1:]:
        assert other == pytest.approx(numbers[0], abs=EXACT)


# --- dead time and afterpulses ---------------------------------------------------------------------------------------


@given(gaps=st.lists(st.integers(1, 12), max_size=80), blind=st.integers(0, 30), free=st.integers(0, 40))
def test_who_is_seen_is_what_going_through_one_by_one_gives(gaps: list[int], blind: int, free: int) -> None:
    gates = np.cumsum(np.array(gaps, np.int64))
    expected, next_free = [], free
    for gate in gates:
        expected.append(bool(gate >= next_free))
        if gate >= next_free:
            next_free = gate + blind + 1
    assert seen(gates, blind, free).tolist() == expected


@pytest.mark.parametrize(("p", "blind"), [(0.01, 0), (0.3, 1), (0.02, 50), (0.9, 7)])
def test_dead_time_leaves_p_over_1_plus_kp(p: float, blind: int) -> None:
    """The chance to be seen at gate t is p times the chance that none of the last k gates was: it settles there."""
    chances: list[float] = []
    for _ in range(60_000):
        chances.append(p * (1 - sum(chances[-blind:] if blind else ())))
    assert chances[-1] == pytest.approx(theory.rate_with_dead_time(p, blind), abs=1e-10)
    gates = bernoulli_places(400_000, p, RNG(11))
    kept = gates[seen(gates, blind)]
    gaps = np.diff(kept) - blind - 1  # what is left of a gap beyond the dead time is geometric again
    assert (gaps >= 0).all()
    assert_frequency(int((gaps == 0).sum()), len(gaps), p)
    assert_frequency(len(kept) - 1, int(kept[-1] - kept[0]) - blind * (len(kept) - 1), p)


@pytest.mark.parametrize(
    ("dead", "rate", "blind"), [(0.0, 1e9, 0), (1e-9, 1e9, 0), (1.5e-9, 1e9, 1), (10e-9, 1e9, 9), (1e-6, 80e6, 79)]
)
def test_gates_in_the_dead_time(dead: float, rate: float, blind: int) -> None:
    assert theory.blind_gates(dead, rate) == blind


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**32),
    p=st.sampled_from([0.05, 0.3, 0.9]),
    blind=st.integers(0, 6),
    free=st.integers(0, 5),
    afterpulse=st.sampled_from([0.05, 0.5, 0.9]),
    pending=st.lists(st.tuples(st.integers(0, 60), st.sampled_from([1, 2])), max_size=4),
)
def test_afterpulses_are_what_going_through_all_that_could_happen_in_order_gives(
    seed: int, p: float, blind: int, free: int, afterpulse: float, pending: list[tuple[int, int]]
) -> None:
    rng = RNG(seed)
    gates = bernoulli_places(40, p, rng)
    masks = rng.integers(1, 4, len(gates)).astype(np.uint8)
    waiting = np.array(pending, np.int64).reshape(-1, 2)
    before = Recovery(free, waiting[:, 0], waiting[:, 1].astype(np.uint8))
    possible = _Possible(gates, masks, before, afterpulse, 3.0, rng)
    gate, bit, kept = possible.resolve(blind, free)
    causing = possible._causing
    next_free, happened = free, [False] * len(gate)
    clicked: set[tuple[int, int]] = set()
    for nth in range(len(gate)):
        alive = causing[nth] < 0 or happened[causing[nth]]
        again = (gate[nth], bit[nth]) in clicked
        together = any(there == gate[nth] for there, _ in clicked)
        if alive and not again and (together or gate[nth] >= next_free):
            happened[nth] = True
            clicked.add((gate[nth], bit[nth]))
            next_free = gate[nth] + blind + 1
    assert kept.tolist() == happened


def test_a_click_causes_another_as_often_and_as_late_as_it_should() -> None:
    chance, mean, runs = 0.3, 4.0, 8_000
    rng = RNG(12)
    first: list[int] = []
    for _ in range(runs):
        gates, masks, left = settle(np.array([0]), np.array([2], np.uint8), 6, 0, chance, mean, Recovery(), rng)
        assert (masks == 2).all()
        first.append(int(gates[1]) if len(gates) > 1 else int(min(left.pending_gates, default=-1)))
    assert_frequency(first.count(-1), runs, 1 - chance)
    for after in range(1, 6):
        expected = chance * (exp(-(after - 1) / mean) - exp(-after / mean))
        assert_frequency(first.count(after), runs, expected)


def test_what_a_train_leaves_behind_meets_the_next_one() -> None:
    """Cut into trains, one stream of clicks has the same dead times; afterpulses come in a later train."""
    gates = bernoulli_places(5_000, 0.2, RNG(13))
    masks = np.ones(len(gates), np.uint8)
    whole, _, _ = settle(gates, masks, 5_000, 13, 0.0, 0.0, Recovery(), RNG(1))
    parts, left = [], Recovery()
    for start in range(0, 5_000, 100):
        mine = (gates >= start) & (gates < start + 100)
        told, _, left = settle(gates[mine] - start, masks[mine], 100, 13, 0.0, 0.0, left, RNG(1))
        parts.append(told + start)
        left = Recovery(max(0, left.free_gate - 100))
    assert np.concatenate(parts).tolist() == whole.tolist()
    none = np.empty(0, np.int64), np.empty(0, np.uint8)
    told, bits, left = settle(
        *none, 10, 0, 0.0, 0.0, Recovery(0, np.array([3, 12]), np.array([1, 2], np.uint8)), RNG(1)
    )
    assert (told.tolist(), bits.tolist()) == ([3], [1])
    assert (left.pending_gates.tolist(), left.pending_masks.tolist()) == ([12], [2])


def test_trains_longer_than_what_is_worked_on_at_a_time_lose_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut at each gate or never: the same dead times, and as many afterpulses, at the same distances."""
    gates = bernoulli_places(30_000, 0.02, RNG(16))
    masks = np.ones(len(gates), np.uint8)
    many = []
    for chunk in (1_000, 2**18):
        monkeypatch.setattr(blind_module, "CHUNK", chunk)
        told, _, left = settle(gates, masks, 30_000, 5, 0.4, 30.0, Recovery(), RNG(17))
        assert (np.diff(told) > 5).all()
        assert left.free_gate == told[-1] + 6
        many.append(len(told))
    alone = int(seen(gates, 5).sum())
    assert many[0] == pytest.approx(many[1], rel=0.1)
    assert min(many) > 1.2 * alone


# --- time: jitter, windows, bins -------------------------------------------------------------------------------------


def normal_between(low: float, high: float, sigma: float) -> float:
    """By Simpson's rule, so that it is not the same expression again."""
    x = np.linspace(low, high, 20_001)
    y = np.exp(-0.5 * (x / sigma) ** 2) / (sigma * sqrt(2 * np.pi))
    return float((y[0] + y[-1] + 4 * y[1:-1:2].sum() + 2 * y[2:-1:2].sum()) * (x[1] - x[0]) / 3)


@pytest.mark.parametrize("window", [0, 300, 1000])
@pytest.mark.parametrize("sigma", [50.0, 200.0, 450.0])
def test_jitter_moves_clicks_into_the_other_bin(window: int, sigma: float) -> None:
    apart, efficiency, misalignment, visibility, out = 1000, 0.3, 0.02, 0.95, 0.8
    encoding = Encoding("time_bin", apart, out, visibility)
    found = analyser(encoding, Detector(efficiency, jitter_ps=sigma, window_ps=window), misalignment)
    half = (window or apart) / 2
    right, wrong = normal_between(-half, half, sigma), normal_between(apart - half, apart + half, sigma)
    assert found.transmission[0] == pytest.approx(efficiency * (right + wrong), abs=1e-10)
    z_error = (right * misalignment + wrong * (1 - misalignment)) / (right + wrong)
    assert found.error[0] == pytest.approx(z_error, abs=1e-10)
    # of x: half of the photons in the middle slot, a quarter in each outer one, from where they have one neighbour
    middle, leaked = right / 2, 2 * wrong / 4
    flip = misalignment * (1 + visibility) / 2 + (1 - misalignment) * (1 - visibility) / 2
    for basis in (1, 2):
        assert found.transmission[basis] == pytest.approx(efficiency * out * (middle + leaked), abs=1e-10)
        assert found.error[basis] == pytest.approx((middle * flip + leaked / 2) / (middle + leaked), abs=1e-10)


def test_a_window_ends_where_the_next_one_begins() -> None:
    polarised, binned = Encoding(), Encoding("time_bin", 400)
    assert gated(Detector(), polarised, 1000).window_ps == 1000
    assert gated(Detector(window_ps=300), polarised, 1000).window_ps == 300
    assert gated(Detector(window_ps=3000), polarised, 1000).window_ps == 1000
    assert gated(Detector(), binned, 1000).window_ps == 400
    assert gated(Detector(window_ps=300), binned, 800).window_ps == 300
    with pytest.raises(InvalidOperation, match="two time bins, 400 ps from one to the other"):
        gated(Detector(), binned, 799)


def test_time_bins_without_jitter_lose_half_in_the_interferometer() -> None:
    found = analyser(Encoding("time_bin", 1000, 0.7, 0.9), Detector(0.5), 0.01)
    assert found.transmission == pytest.approx((0.5, 0.175, 0.175), abs=EXACT)
    assert found.error == pytest.approx((0.01, 0.05 + 0.01 - 2 * 0.05 * 0.01, 0.05 + 0.01 - 2 * 0.05 * 0.01), abs=EXACT)


@pytest.mark.parametrize(("sigma", "window"), [(100.0, 0), (100.0, 1000), (100.0, 60), (100.0, 300)])
def test_offsets_have_the_widths_that_they_should(sigma: float, window: int) -> None:
    detector = Detector(jitter_ps=sigma, window_ps=window, resolution_ps=10)
    off = offsets(200_000, detector, RNG(14))
    assert off is not None
    if window:
        assert np.abs(off).max() <= window / 20
    inside = erf(25 / (sqrt(2) * sigma)) / window_share(detector)  # up to half a step beyond 20 ps
    assert_frequency(int((np.abs(off) <= 2).sum()), len(off), inside)
    assert_frequency(int((off > 2).sum()), len(off), (1 - inside) / 2)
    assert offsets(3, Detector(), RNG(1)) is None


# --- entangled pairs -------------------------------------------------------------------------------------------------

Z, X, Y = (
    np.array(rows, complex) / norm
    for rows, norm in (([[1, 0], [0, 1]], 1), ([[1, 1], [1, -1]], sqrt(2)), ([[1, 1], [1j, -1j]], sqrt(2)))
)


def lifted(matrix: np.ndarray[Any, Any], n: int) -> np.ndarray[Any, Any]:
    """How n photons in two modes transform if each one does by this matrix: on the states |k, n-k>, k = 0..n."""
    found = np.zeros((n + 1, n + 1), complex)
    for k in range(n + 1):
        polynomial = np.array([1.0 + 0j])
        for mode, times in ((0, k), (1, n - k)):
            for _ in range(times):
                polynomial = np.convolve(polynomial, [matrix[1, mode], matrix[0, mode]])  # powers of mode 0, ascending
        for j in range(n + 1):
            norm = sqrt(factorial(j) * factorial(n - j) / (factorial(k) * factorial(n - k)))
            found[j, k] = polynomial[j] * norm
    return found


def quiet_by_photon_numbers(
    mean_pairs: float, mine: list[float], theirs: list[float], bases: tuple[Any, Any], most: int = 24
) -> float:
    """<Psi| prod (1-q)^n |Psi>, summed over photon numbers: |Psi> = (1-t) sum t^(n/2) sum_k |k, n-k>|k, n-k>."""
    t = mean_pairs / 2 / (1 + mean_pairs / 2)
    left, right = (
        basis @ np.diag([1 - q for q in qs]) @ basis.conj().T for basis, qs in zip(bases, (mine, theirs), strict=True)
    )
    total = 0.0
    for n in range(most):
        total += (1 - t) ** 2 * t**n * np.einsum("jk,jk->", lifted(left, n), lifted(right, n)).real
    return total


@pytest.mark.parametrize(("mine", "theirs"), list(product(range(3), repeat=2)))
def test_patterns_of_pairs_are_those_of_the_state_in_fock_space(mine: int, theirs: int) -> None:
    mean_pairs, dark, eta = 0.3, 0.02, 0.4
    optics = Analyser((0.5, 0.6, 0.7), (0.03, 0.06, 0.1))
    found = patterns(mean_pairs, np.array(mine), np.array(theirs), eta, optics, dark)
    assert found.sum() == pytest.approx(1.0, abs=EXACT)

    def shares(basis: int, clicked: int, extra: float) -> list[float]:
        right, wrong = ((1 - optics.error[basis]), optics.error[basis])
        seen_ = optics.transmission[basis] * extra
        return [
            seen_ * (right * (clicked & 1) + wrong * (clicked >> 1)),
            seen_ * (wrong * (clicked & 1) + right * (clicked >> 1)),
        ]

    axes = (Z, X, Y)
    for here, there in product(range(4), repeat=2):  # nothing in these detectors, whatever the others do
        expected = quiet_by_photon_numbers(
            mean_pairs, shares(mine, here, 1.0), shares(theirs, there, eta), (axes[mine], axes[theirs])
        ) * (1 - dark) ** (here.bit_count() + there.bit_count())
        quiet = sum(found[a + 4 * b] for a in range(4) for b in range(4) if not a & here and not b & there)
        assert quiet == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("basis", [0, 1, 2])
def test_coincidences_and_errors_of_pairs_are_those_of_ma_fung_and_lo(basis: int) -> None:
    pairs, one, other, dark = 0.04, 0.3, 0.12, 1e-3
    found = patterns(2 * pairs, np.array(basis), np.array(basis), other / one, Analyser((one,) * 3, (0.0,) * 3), dark)
    both = one + other - one * other
    p = (
        1
        - (1 - dark) ** 2 / (1 + one * pairs) ** 2
        - (1 - dark) ** 2 / (1 + other * pairs) ** 2
        + (1 - dark) ** 4 / (1 + both * pairs) ** 2
    )
    spoiled = (1 - dark) ** 2 * one * other * pairs * (1 + pairs)
    wrong = p / 2 - spoiled / ((1 + one * pairs) * (1 + other * pairs) * (1 + both * pairs))
    clicks = {(a, b): found[a + 4 * b] for a in (1, 2, 3) for b in (1, 2, 3)}
    assert sum(clicks.values()) == pytest.approx(p, abs=EXACT)
    unequal = clicks[1, 2] + clicks[2, 1] + sum(p / 2 for (a, b), p in clicks.items() if 3 in (a, b))
    if basis == 2:
        unequal = sum(clicks.values()) - unequal  # in y, outcomes of Phi+ are opposite
    assert unequal == pytest.approx(wrong, abs=EXACT)


@pytest.mark.parametrize("channel", [Channel(2.0), Channel(0.0, 1.0, (-1.0, 1.0), (2.0, 2.0))], ids=["steady", "pass"])
def test_drawn_patterns_of_pairs_are_as_often_as_they_should_and_no_end_signals(channel: Channel) -> None:
    n, optics = 200_000, Analyser((0.6, 0.5, 0.7), (0.02, 0.04, 0.06))
    rng = RNG(15)
    mine, theirs = rng.integers(0, 3, n, dtype=np.uint8), rng.integers(0, 3, n, dtype=np.uint8)
    here, there = detect_pairs(mine, theirs, 0.4, Gates(0, 1000), channel, optics, 0.01, rng)
    pattern = np.zeros(n, np.int64)
    pattern[here.gates] += here.masks
    pattern[there.gates] += 4 * there.masks.astype(np.int64)
    for a, b in product(range(3), repeat=2):
        chosen = pattern[(mine == a) & (theirs == b)]
        expected = patterns(0.4, np.array(a), np.array(b), 10**-0.2, optics, 0.01)
        for nth, p in enumerate(expected):
            assert_frequency(int((chosen == nth).sum()), len(chosen), float(p), false_alarm=1e-11)
    for a in range(3):  # exactly: what the one end sees does not depend on the other one's basis
        marginals = [
            patterns(0.4, np.array(a), np.array(b), 10**-0.2, optics, 0.01).reshape(4, 4).sum(axis=0) for b in range(3)
        ]
        assert marginals[0] == pytest.approx(marginals[1], abs=EXACT)
        assert marginals[0] == pytest.approx(marginals[2], abs=EXACT)
