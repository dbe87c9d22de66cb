"""What heralding makes, against photons counted one by one; limits that papers quote; and when each end knows."""

from __future__ import annotations

from math import exp, inf, sqrt
from typing import Final

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qnode.quantum import sources
from qnode.quantum.bell import BELL_STATES, PHI_PLUS, PSI_MINUS, PSI_PLUS
from qnode.quantum.fidelity import fidelity, is_density_matrix
from qnode.quantum.gates import Matrix
from qnode.quantum.pair_source import Herald, PairSource
from qnode.quantum.sources import Arms, NeverSucceeds, Overlap, overlap
from tests.physics import stations

EXACT: Final = 1e-12
ARMS: Final = Arms((25e-6, 25e-6))

probabilities = st.floats(0, 1)
some = st.floats(0.01, 1)


def rho_of(herald: Herald) -> Matrix:
    return np.frombuffer(herald.rho, np.complex128).reshape(4, 4)


def fidelities(source: PairSource) -> list[float]:
    return [fidelity(rho_of(herald), herald.frame.ket()) for herald in source.heralds]


def assert_heralds(source: PairSource, expected: list[Matrix]) -> None:
    """The states, each of the probability that is its trace."""
    assert len(source.heralds) == len(expected)
    for herald, rho in zip(source.heralds, expected, strict=True):
        p = np.trace(rho).real
        assert herald.probability == pytest.approx(p, rel=1e-10, abs=EXACT)
        assert rho_of(herald) * p == pytest.approx(rho, abs=EXACT)
        assert is_density_matrix(rho_of(herald))


# --- single click ----------------------------------------------------------------------------------------------------


@given(st.tuples(some, some), st.tuples(probabilities, probabilities), probabilities, probabilities, st.floats(0, 2))
def test_single_click_is_what_counting_photons_gives(
    eta: tuple[float, float], bright: tuple[float, float], dark: float, visibility: float, sigma: float
) -> None:
    expected = [stations.single_click(eta, bright, dark, visibility, sigma, detector) for detector in (0, 1)]
    if sum(np.trace(rho).real for rho in expected) < 1e-6:
        return
    source = sources.single_click(ARMS, eta, bright, dark=dark, alike=overlap(visibility), phase_noise=sigma)
    assert_heralds(source, expected)
    assert [herald.frame for herald in source.heralds] == [PSI_PLUS, PSI_MINUS]


def test_single_click_off_centre_with_dark_counts() -> None:
    """The same at one point, to be seen at a glance: 10 km and 40 km at 0.2 dB/km, balanced bright states."""
    eta = (sources.transmission(0.2e-3, 10e3) * 0.5, sources.transmission(0.2e-3, 40e3) * 0.5)
    assert eta == pytest.approx((0.5 * 10**-0.2, 0.5 * 10**-0.8), rel=1e-14)
    source = sources.single_click(ARMS, eta, (0.02, 0.08), dark=1e-4, alike=overlap(0.9), phase_noise=0.2)
    assert_heralds(source, [stations.single_click(eta, (0.02, 0.08), 1e-4, 0.9, 0.2, click) for click in (0, 1)])


@pytest.mark.parametrize(("bright", "visibility", "sigma"), [(0.05, 1.0, 0.0), (0.2, 0.8, 0.3), (0.5, 0.5, 1.0)])
def test_single_click_with_much_loss_has_the_rate_and_fidelity_that_papers_quote(
    bright: float, visibility: float, sigma: float
) -> None:
    """p = 2 a eta and F = (1-a)(1 + sqrt(V) exp(-sigma**2/2))/2 (Humphreys et al. 2018), as eta goes to 0."""
    eta = 1e-9
    source = sources.single_click(ARMS, (eta, eta), (bright, bright), alike=overlap(visibility), phase_noise=sigma)
    assert source.success_probability == pytest.approx(2 * bright * eta, rel=1e-8)
    expected = (1 - bright) * (1 + sqrt(visibility) * exp(-(sigma**2) / 2)) / 2
    assert fidelities(source) == pytest.approx([expected, expected], abs=1e-8)


# --- double click ----------------------------------------------------------------------------------------------------


@given(st.tuples(some, some), probabilities, probabilities, st.floats(0, 6))
def test_double_click_is_what_counting_photons_gives(
    eta: tuple[float, float], dark: float, visibility: float, phase: float
) -> None:
    same, other = (
        sum(stations.double_click(eta, dark, visibility, clicks, phase) for clicks in both)
        for both in (((0, 0), (1, 1)), ((0, 1), (1, 0)))
    )
    expected = [np.asarray(same), np.asarray(other)]
    if sum(np.trace(rho).real for rho in expected) < 1e-6:
        return
    source = sources.double_click(ARMS, eta, dark=dark, alike=overlap(visibility))
    assert_heralds(source, expected)
    assert [herald.frame for herald in source.heralds] == [PSI_PLUS, PSI_MINUS]


@given(st.tuples(some, some), probabilities)
def test_double_click_without_dark_counts_is_as_good_as_the_photons_are_alike(
    eta: tuple[float, float], visibility: float
) -> None:
    source = sources.double_click(ARMS, eta, alike=overlap(visibility))
    assert source.success_probability == pytest.approx(eta[0] * eta[1] / 2, rel=1e-12)
    assert fidelities(source) == pytest.approx([(1 + visibility) / 2] * 2, abs=EXACT)


# --- a source in the middle ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("eta", "mean_pairs", "dark"),
    [
        ((1.0, 1.0), 0.1, 0.0),
        ((0.3, 0.3), 0.5, 0.0),
        ((0.8, 0.1), 0.2, 1e-3),
        ((0.05, 0.4), 0.02, 1e-6),
        ((0.9, 0.5), 1.0, 0.3),
        ((0.0, 0.5), 0.3, 0.01),
    ],
)
def test_midpoint_source_is_the_sum_over_pair_numbers(eta: tuple[float, float], mean_pairs: float, dark: float) -> None:
    p, error = stations.down_conversion(eta, mean_pairs, dark)
    (herald,) = sources.midpoint_source(ARMS, eta, mean_pairs, dark=dark).heralds
    assert herald.probability == pytest.approx(p, rel=1e-11)
    assert herald.frame == PHI_PLUS
    assert fidelity(rho_of(herald), PHI_PLUS.ket()) == pytest.approx(1 - 1.5 * error / p, abs=1e-11)
    assert rho_of(herald) == pytest.approx(sources.werner_state(1 - 1.5 * error / p), abs=1e-11)


def test_midpoint_source_loses_no_digits_where_pairs_are_rare() -> None:
    """One pair in 10**9 pulses, one photon in a million: p = etaA etaB mean, and every pair is right."""
    (herald,) = sources.midpoint_source(ARMS, (1e-6, 1e-6), 1e-9).heralds
    assert herald.probability == pytest.approx(1e-21, rel=1e-6)
    assert fidelity(rho_of(herald), PHI_PLUS.ket()) == pytest.approx(1, abs=1e-8)


# --- abstract models -------------------------------------------------------------------------------------------------


@given(probabilities)
def test_a_werner_state_has_its_fidelity_and_is_alike_in_all_other_directions(f: float) -> None:
    overlaps = [fidelity(sources.werner_state(f), bell.ket()) for bell in BELL_STATES]
    assert overlaps == pytest.approx([f, (1 - f) / 3, (1 - f) / 3, (1 - f) / 3], abs=EXACT)


def test_a_bell_diagonal_state_takes_its_weights_in_the_order_of_the_bell_states() -> None:
    rho = sources.bell_diagonal_state((0.4, 0.3, 0.2, 0.1))
    assert [fidelity(rho, bell.ket()) for bell in BELL_STATES] == pytest.approx([0.4, 0.3, 0.2, 0.1], abs=EXACT)


def test_an_abstract_source_is_born_when_it_is_delivered() -> None:
    source = sources.abstract(sources.werner_state(0.9), duration_ns=50, success_probability=0.25)
    (herald,) = source.heralds
    assert (herald.probability, herald.frame) == (0.25, PHI_PLUS)
    assert (source.attempt_ns, source.born_ns, source.delivered_ns) == (50, (50, 50), (50, 50))
    assert not source.sequential


@pytest.mark.parametrize("rho", [np.eye(4), np.diag([1.5, -0.5, 0, 0]), np.eye(2) / 2, np.diag([1, 0, 0, 0]) * 1j])
def test_what_is_no_state_of_two_qubits_is_refused(rho: Matrix) -> None:
    with pytest.raises(ValueError, match="Hermitian 4x4 matrix of trace 1"):
        sources.abstract(rho, duration_ns=1)


def test_what_can_never_succeed_is_refused() -> None:
    never = pytest.raises(NeverSucceeds, match="could ever succeed")
    with never:
        sources.single_click(ARMS, (0, 0), (0.1, 0.1))
    with never:
        sources.single_click(ARMS, (1, 1), (0, 0))
    with never:
        sources.double_click(ARMS, (1, 0))
    with never:
        sources.double_click(ARMS, (1, 1), dark=1)
    with never:
        sources.midpoint_source(ARMS, (0, 1), 0.1)


# --- when ------------------------------------------------------------------------------------------------------------


def test_a_station_in_the_middle_lets_both_halves_age_by_the_way_there_and_back() -> None:
    """10 km: 25.017 us to the station; photons are emitted after the preparation."""
    way = 5e3 / (299_792_458 * 2 / 3)
    source = sources.double_click(Arms((way, way), preparation_s=1e-6), (1, 1))
    assert source.attempt_ns == 1_000 + 50_035
    assert source.born_ns == (1_000, 1_000)
    assert source.delivered_ns == (51_035, 51_035)
    assert source.sequential


def test_the_nearer_end_emits_later_and_is_told_earlier() -> None:
    source = sources.single_click(Arms((10e-6, 40e-6), preparation_s=5e-6), (1, 1), (0.1, 0.1))
    assert source.attempt_ns == 85_000  # there and back over the longer arm
    assert source.born_ns == (35_000, 5_000)  # so that both photons are at the station after 45 us
    assert source.delivered_ns == (55_000, 85_000)


def test_two_rounds_take_the_time_between_them() -> None:
    source = sources.double_click(Arms((10e-6, 10e-6), bins_s=3e-6), (1, 1))
    assert (source.attempt_ns, source.born_ns, source.delivered_ns) == (23_000, (0, 0), (23_000, 23_000))


def test_of_a_source_in_the_middle_each_end_hears_from_the_other_over_the_whole_link() -> None:
    source = sources.midpoint_source(Arms((10e-6, 40e-6), preparation_s=5e-6), (1, 1), 0.1)
    assert source.born_ns == (15_000, 45_000)  # where each photon is absorbed
    assert source.delivered_ns == (95_000, 65_000)  # 50 us after the other end absorbed its own
    assert source.attempt_ns == 95_000


@given(st.floats(0, 1e-3), st.floats(0, 1e-3), st.floats(0, 1e-3))
def test_nothing_is_known_before_it_can_be(a: float, b: float, preparation: float) -> None:
    arms = Arms((a, b), preparation)
    for source in (sources.double_click(arms, (1, 1)), sources.midpoint_source(arms, (1, 1), 0.1)):
        for own in (0, 1):
            assert source.delivered_ns[own] >= source.born_ns[own]
            # What the other end's photon did is known no earlier than light from there could tell; 1 ns of rounding.
            assert source.delivered_ns[own] + 1 >= source.born_ns[1 - own] + round((a + b) * 1e9)
            assert source.attempt_ns >= source.delivered_ns[own]


def test_photons_that_are_sometimes_more_and_sometimes_less_alike_are_a_mixture() -> None:
    """One photon's coherence takes the mean of the overlap, two photons' interference that of its square."""
    eta, bright, dark, often, good, bad = (0.6, 0.9), (0.3, 0.2), 0.01, 0.7, 0.95, 0.2
    alike = Overlap(often * sqrt(good) + (1 - often) * sqrt(bad), often * good + (1 - often) * bad)
    mixture = [
        often * stations.single_click(eta, bright, dark, good, 0, click)
        + (1 - often) * stations.single_click(eta, bright, dark, bad, 0, click)
        for click in (0, 1)
    ]
    assert_heralds(sources.single_click(ARMS, eta, bright, dark=dark, alike=alike), mixture)


# --- windows, jitter, time resolution --------------------------------------------------------------------------------


@pytest.mark.parametrize(("jitter", "lifetime"), [(1e-9, 10e-9), (5e-9, 5e-9), (30e-9, 10e-9), (400e-9, 1e-9)])
def test_jitter_makes_photons_less_alike_as_the_integral_over_their_distance_says(
    jitter: float, lifetime: float
) -> None:
    distance = np.linspace(-12, 12, 2_000_001) * jitter * sqrt(2)
    density = np.exp(-(distance**2) / (4 * jitter**2))
    density /= density.sum()
    found = overlap(0.9, jitter_s=jitter, lifetime_s=lifetime)
    apart = np.abs(distance) / lifetime
    assert found.mean == pytest.approx(sqrt(0.9) * (density * np.exp(-apart / 2)).sum(), rel=1e-6)
    assert found.square == pytest.approx(0.9 * (density * np.exp(-apart)).sum(), rel=1e-6 if jitter < 1e-7 else 1e-4)


def test_jitter_at_its_limits() -> None:
    assert overlap(0.9) == Overlap(sqrt(0.9), 0.9)
    assert overlap(1.0, jitter_s=1e-9, lifetime_s=inf) == Overlap(1.0, 1.0)
    assert overlap(1.0, jitter_s=1e-9, lifetime_s=0.0) == Overlap(0.0, 0.0)
    # to second order 1 - 2 z/sqrt(pi) + z**2 with z = jitter/lifetime
    assert overlap(1.0, jitter_s=1e-12, lifetime_s=1e-9).square == pytest.approx(
        1 - 2e-3 / sqrt(np.pi) + 1e-6, abs=1e-8
    )
    # both forms of the scaled error function meet where one takes over
    below, above = (overlap(1.0, jitter_s=z, lifetime_s=1.0).square for z in (24.999999, 25.000001))
    assert below == pytest.approx(above, rel=1e-7)


@pytest.mark.parametrize(
    ("window", "lifetime", "blur"), [(30e-9, 10e-9, 1e-9), (5e-9, 10e-9, 8e-9), (1e-6, 1e-9, 1e-12), (2e-9, 0.0, 1e-9)]
)
def test_a_window_catches_what_the_integral_says(window: float, lifetime: float, blur: float) -> None:
    shift = np.linspace(-9, 9, 400_001) * blur
    density = np.exp(-((shift / blur) ** 2) / 2)
    density /= density.sum()
    inside = np.zeros_like(shift)
    for edge, sign in ((window - shift, 1), (-shift, -1)):
        arrived = -np.expm1(-np.maximum(edge, 0) / lifetime) if lifetime else (edge >= 0).astype(float)
        inside += sign * arrived
    assert sources.in_window(window, lifetime, blur) == pytest.approx((density * inside).sum(), abs=1e-5)


def test_a_window_without_any_blur() -> None:
    assert sources.in_window(20e-9, 10e-9, 0.0) == pytest.approx(1 - exp(-2), abs=EXACT)
    assert sources.in_window(20e-9, 0.0, 0.0) == 1.0
