"""From what a configuration says of a link to its source of pairs, in numbers."""

from __future__ import annotations

from math import exp, sqrt
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import pytest

from orchestrator.loader import loads
from orchestrator.oracle.spec import decode_oracle, encode_oracle
from orchestrator.plan import plan
from orchestrator.problems import ConfigErrors
from orchestrator.stacks import facts
from orchestrator.topology import Network, describe
from qnode.quantum import sources
from qnode.quantum.bell import PHI_PLUS, PSI_MINUS, PSI_PLUS
from qnode.quantum.pair_source import PairSource, perfect
from qnode.quantum.sources import Arms, overlap
from tests.config.full import FULL

LIGHT_S_PER_M: Final = 1 / (299_792_458 * 2 / 3)


def network(links: str, nodes: str = "{a: , b: }") -> Network:
    return describe(loads(f"version: 1\nnodes: {nodes}\nlinks: {links}"), Path(), 1)


def source(link: str) -> PairSource:
    (found,) = network(f"{{l: {{between: [a, b], {link}}}}}").links
    return found.source


def test_a_link_that_says_nothing_is_perfect() -> None:
    assert source("length: 10 km") == perfect(50_035)
    assert source("length: 10 km, source: {model: perfect}") == perfect(50_035)
    assert source("length: 10 km, delay: 60 us") == perfect(60_000)


def test_a_fidelity_alone_is_a_werner_state_however_it_is_written() -> None:
    expected = sources.abstract(sources.werner_state(0.9), duration_ns=50_035)
    assert not expected.sequential
    for text in ("fidelity: 0.9", "source: {fidelity: 0.9}", "source: {model: werner, fidelity: 90 %}"):
        assert source(f"length: 10 km, {text}") == expected


def test_abstract_models_make_one_attempt_after_another_if_attempts_are_spoken_of() -> None:
    assert source("source: {model: perfect, success_probability: 0.1}").sequential
    timed = source("source: {model: werner, fidelity: 1, duration: 1 us, attempt_dephasing: 0.01}")
    assert timed == sources.abstract(
        sources.werner_state(1.0), duration_ns=1000, sequential=True, attempt_dephasing=0.01
    )
    assert timed.success_probability == 1


def test_bell_diagonal_and_density_matrix_are_the_states_they_say() -> None:
    mixed = source("source: {model: bell_diagonal, phi_plus: 0.4, phi_minus: 0.3, psi_plus: 0.2, psi_minus: 0.1}")
    assert mixed == sources.abstract(sources.bell_diagonal_state((0.4, 0.2, 0.3, 0.1)), duration_ns=0)
    rows = "[[0.5, 0, 0, 0.1-0.2i], [0, 0, 0, 0], [0, 0, 0, 0], [0.1 + 0.2j, 0, 0, 5e-1]]"
    (herald,) = source(f"source: {{model: density_matrix, matrix: {rows}}}").heralds
    rho = np.frombuffer(herald.rho, np.complex128).reshape(4, 4)
    assert rho[0, 3] == 0.1 - 0.2j
    assert rho[3, 0] == 0.1 + 0.2j
    assert (herald.probability, herald.frame) == (1.0, PHI_PLUS)


def test_single_click_with_everything_that_can_be_said() -> None:
    found = source(
        "length: 50 km, attenuation: 0.2 dB/km, source: {model: single_click, bright_state: [0.02, 0.08],"
        " station: 10 km, preparation: 5 us, emission: 0.5, coupling: [0.8, 0.7], detector: 90 %, dark_clicks: 1e-4,"
        " visibility: 0.9, phase_noise: 0.2 rad, lifetime: 10 ns, jitter: 1 ns, window: 30 ns, resolution: 1 ns,"
        " attempt_dephasing: 0.01}"
    )
    counted = 0.5 * 0.9 * sources.in_window(30e-9, 10e-9, sqrt(2) * 1e-9)
    expected = sources.single_click(
        Arms((10e3 * LIGHT_S_PER_M, 40e3 * LIGHT_S_PER_M), 5e-6),
        (10**-0.2 * 0.8 * counted, 10**-0.8 * 0.7 * counted),
        (0.02, 0.08),
        dark=1e-4,
        alike=overlap(0.9, jitter_s=1e-9, lifetime_s=10e-9),
        phase_noise=0.2,
        attempt_dephasing=0.01,
    )
    assert found._replace(heralds=()) == expected._replace(heralds=())
    assert [herald.frame for herald in found.heralds] == [PSI_PLUS, PSI_MINUS]
    for one, other in zip(found.heralds, expected.heralds, strict=True):
        assert one.probability == pytest.approx(other.probability, rel=1e-12)
        assert np.frombuffer(one.rho, complex) == pytest.approx(np.frombuffer(other.rho, complex), abs=1e-12)


def test_double_click_in_time_bins_and_in_polarisations() -> None:
    bins = source("length: 10 km, source: {model: double_click, bins: 2 us, window: 10 ns, lifetime: 10 ns}")
    assert bins.attempt_ns == 52_035
    assert bins.success_probability == pytest.approx((1 - exp(-1)) ** 2 / 2)
    at_once = source("length: 10 km, source: {model: double_click, encoding: polarisation}")
    assert at_once == source("length: 10 km, source: {model: double_click}")
    assert at_once.attempt_ns == 50_035


def test_time_bins_of_a_midpoint_source_lose_half_of_the_photons_at_each_end() -> None:
    half = source("source: {model: midpoint_source, mean_pairs: 0.1, encoding: time_bin}")
    assert half == source("source: {model: midpoint_source, mean_pairs: 0.1, detector: 0.5}")
    assert half != source("source: {model: midpoint_source, mean_pairs: 0.1}")


def test_a_delay_that_is_given_is_shared_by_the_arms() -> None:
    found = source("length: 50 km, delay: 500 us, source: {model: double_click, station: 10 km}")
    assert found.attempt_ns == 800_000


def test_a_fibre_that_loses_photons_and_has_no_source_loses_halves_of_perfect_pairs() -> None:
    found = source("length: 50 km, attenuation: 0.2 dB/km")
    assert found.success_probability == pytest.approx(0.1)
    assert found.sequential


@pytest.mark.parametrize("text", ["fidelity: 0.9", "source: {model: perfect}", "source: {fidelity: 0.9}"])
def test_losses_of_a_source_without_photons_are_refused_and_not_left_out(text: str) -> None:
    link = f"length: 50 km, attenuation: 0.2 dB/km, {text}"
    with pytest.raises(ConfigErrors, match="have no photons to lose"):
        source(link)
    assert source("length: 50 km, attenuation: 0.2 dB/km, source: {model: perfect, success_probability: 1}").sequential


# --- many links, few sources -----------------------------------------------------------------------------------------


def launched(net: Network) -> bytes:
    return encode_oracle(plan(net, run_id="r", token=b"", directory="d", folder="").oracle)


def test_the_oracle_is_told_every_source_once() -> None:
    chain = 'chain: [a, "r[000..997]", b], length: 25 km'
    text = f"{{l: {{{chain}, source: {{model: double_click}}}}, m: {{between: [a, b], fidelity: 0.9}}}}"
    net = network(text, '{a: , b: , "r[000..997]": }')
    spec = decode_oracle(launched(net))
    assert len(spec.sources) == 2
    assert [spec.source_of(link) for link in spec.links] == [link.source for link in net.links]
    assert msgspec.msgpack.decode(launched(net))  # plain data


def test_every_model_of_the_full_example_arrives_at_the_oracle() -> None:
    text = FULL.replace("delay:\n    matrix: delays.csv", "delay: along_links")
    for line in ("error", "p01", "p10", "t1", "t2"):
        text = "\n".join(one for one in text.splitlines() if not one.strip().startswith(f"{line}:"))
    net = describe(loads(text.replace("        readout:\n", "")), Path(), 1)
    spec = decode_oracle(launched(net))
    assert {spec.source_of(link) for link in spec.links} == {link.source for link in net.links}
    assert len(spec.sources) == 8


def test_stacks_reckon_with_the_gate_that_turns_what_a_link_heralds() -> None:
    """A double click heralds Psi+ or Psi-: one of two ends turns each pair, and of two that are alike either may."""
    slow = "gates: {single: {duration: 10 us, error: 1 %}}"
    link = "{l: {between: [a, b], length: 2 km, source: {model: double_click}}}"
    net = network(link, f"{{a: {{{slow}}}, b: {{{slow}}}}}")
    (made,) = net.links
    told = facts(made, "b", *(node.hardware for node in net.nodes.values()))
    assert made.source.turned == 1.0
    assert told.made_ns == max(made.source.delivered_ns) + 10_000
    aged = [then - born for born, then in zip(made.source.born_ns, made.source.delivered_ns, strict=True)]
    assert told.aged_ns == (aged[0] + 5_000, aged[1] + 5_000)
    assert told.vector == pytest.approx((0.985, 0.005, 0.005, 0.005))  # 1 % of infidelity is 1.5 % of X, Y and Z
