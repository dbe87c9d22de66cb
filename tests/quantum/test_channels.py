"""Channels are what their definitions say, whichever way they are written."""

from __future__ import annotations

from math import exp, inf, log, sqrt
from typing import Final

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qnode.errors import ConfigError
from qnode.quantum import channels
from qnode.quantum.channels import Channel, decay_factors, error_channels, from_kraus, from_paulis, relaxation
from qnode.quantum.dense import embedded
from qnode.quantum.gates import GATES, Matrix
from qnode.quantum.hardware import NO_ERROR, ErrorModel
from tests.physics.noise import CHANNELS, MIXTURES, OTHERS, damping, decay_kraus, pauli_kraus, random_kraus
from tests.quantum.worlds import pauli_matrix, random_clifford, random_unitary

EXACT: Final = 1e-12
ONE: Final = np.eye(2, dtype=np.complex128)
RESET: Final = tuple(damping(1.0))
probabilities = st.floats(0, 1)


def superoperator(kraus: list[Matrix]) -> Matrix:
    return np.asarray(sum(np.kron(one, one.conj()) for one in kraus))


def of_ways(channel: Channel) -> Matrix:
    """The superoperator of a mixture: each way by its matrices."""
    assert channel.ways is not None
    total = np.zeros((4**channel.n_qubits,) * 2, np.complex128)
    for way in channel.ways:
        matrix = np.eye(2**channel.n_qubits, dtype=np.complex128)
        for operation, places in way.steps:
            matrix = embedded(operation.matrix, places, channel.n_qubits) @ matrix
        kraus = [matrix @ one for one in RESET] if way.reset else [matrix]
        total += way.probability * superoperator(kraus)
    return total


def assert_channel(channel: Channel, expected: Matrix, tolerance: float = EXACT) -> None:
    """Complete, and the same by its operators, by its superoperator and by its ways."""
    size = 2**channel.n_qubits
    complete = sum(one.conj().T @ one for one in channel.kraus)
    np.testing.assert_allclose(complete, np.eye(size), rtol=0, atol=tolerance)
    np.testing.assert_allclose(superoperator(list(channel.kraus)), expected, rtol=0, atol=tolerance)
    np.testing.assert_allclose(channel.superoperator, expected, rtol=0, atol=tolerance)
    if channel.ways is not None:
        np.testing.assert_allclose(of_ways(channel), expected, rtol=0, atol=tolerance)
        assert min(way.probability for way in channel.ways) >= 0


@pytest.mark.parametrize("name", CHANNELS)
def test_every_channel_is_complete_and_the_same_in_all_its_forms(name: str) -> None:
    assert_channel(CHANNELS[name], superoperator(list(CHANNELS[name].kraus)))


@pytest.mark.parametrize("name", CHANNELS)
def test_a_channel_is_a_mixture_of_paulis_exactly_if_it_is_diagonal_among_them(name: str) -> None:
    """Its Pauli transfer matrix is diagonal then (N&C, section 8.3.3), and its diagonal gives the probabilities."""
    channel = CHANNELS[name]
    strings = [a + b + c for a in "IXYZ" for b in "IXYZ" for c in "IXYZ"][:: 4 ** (3 - channel.n_qubits)]
    strings = sorted({string[: channel.n_qubits] for string in strings})
    basis = np.array([pauli_matrix(string).reshape(-1) for string in strings])
    transfer = basis.conj() @ channel.superoperator @ basis.T / 2**channel.n_qubits
    diagonal = bool(np.abs(transfer - np.diag(np.diag(transfer))).max() < EXACT)
    found = channel.paulis
    if channel.ways is None or any(way.reset and way.probability for way in channel.ways):
        assert found is None
        return
    assert (found is not None) == diagonal
    if found is not None:
        kraus = [sqrt(p) * pauli_matrix(string) for p, string in found]
        np.testing.assert_allclose(superoperator(kraus), channel.superoperator, rtol=0, atol=EXACT)


def test_the_tables_of_these_tests_say_truly_what_is_a_mixture_of_cliffords() -> None:
    for name, channel in MIXTURES.items():
        assert channel.ways is not None, name
        assert all(step.clifford is not None for way in channel.ways for step, _ in way.steps)
    for name, channel in OTHERS.items():
        steps = [step for way in channel.ways or () for step, _ in way.steps]
        assert channel.ways is None or any(step.clifford is None for step in steps), name


# --- relaxation ------------------------------------------------------------------------------------------------------

times = st.one_of(st.floats(1, 1e12), st.just(inf))


@given(times, st.floats(0, 2), st.floats(0, 1e12))
def test_a_memory_is_amplitude_damping_and_dephasing(t1: float, ratio: float, t: float) -> None:
    t2 = min(ratio * t1, 2 * t1) if t1 < inf else max(1.0, ratio * 1e9)
    if t2 * 1e6 < t or t2 < 1e-3:
        t2 = max(t / 1e6, 1e-3)
    if t2 > 2 * t1:
        return
    channel = relaxation(*decay_factors(t, t1, t2))
    assert_channel(channel, superoperator(decay_kraus(t, t1, t2)))
    assert (channel.ways is not None) == (decay_factors(t, t1, t2)[1] <= decay_factors(t, t1, t2)[0])


@given(st.floats(0.5, 1000), st.floats(0.01, 2))
def test_a_memory_that_is_asked_very_late_still_gives_a_channel(lifetimes: float, ratio: float) -> None:
    """exp(-t/T1) becomes a denormal number before it becomes 0."""
    e1, e2 = decay_factors(lifetimes * 1e9, 1e9, ratio * 1e9)
    channel = relaxation(e1, e2)
    complete = sum(one.conj().T @ one for one in channel.kraus)
    np.testing.assert_allclose(complete, ONE, rtol=0, atol=EXACT)


def test_from_denormal_numbers_comes_no_amplification() -> None:
    for nth in range(7080, 7460):
        channel = relaxation(*decay_factors(nth / 10 * 5e9, 5e9, 10e9))
        np.testing.assert_allclose(sum(k.conj().T @ k for k in channel.kraus), ONE, rtol=0, atol=EXACT)


@given(st.floats(1, 1e3), st.floats(0.01, 2), st.lists(st.floats(0, 300), min_size=2, max_size=6))
def test_storing_in_stretches_is_storing_at_once(t1: float, ratio: float, stretches: list[float]) -> None:
    t2 = ratio * t1
    whole = relaxation(*decay_factors(sum(stretches), t1, t2)).superoperator
    product = np.eye(4, dtype=np.complex128)
    for t in stretches:
        product = relaxation(*decay_factors(t, t1, t2)).superoperator @ product
    np.testing.assert_allclose(product, whole, rtol=0, atol=EXACT)


@given(st.floats(1, 1e3), st.floats(0.01, 2), st.floats(0, 1e3))
def test_decay_of_populations_and_coherences(t1: float, ratio: float, t: float) -> None:
    """X, Y -> e2 X, Y; Z -> e1 Z + (1 - e1) I (PHYSICS, section 3)."""
    e1, e2 = exp(-t / t1), exp(-t / (ratio * t1))
    channel = relaxation(*decay_factors(t, t1, ratio * t1))
    for letter, left, rest in (("I", 1.0, 1 - e1), ("X", e2, 0.0), ("Y", e2, 0.0), ("Z", e1, 0.0)):
        image = (channel.superoperator @ pauli_matrix(letter).reshape(-1)).reshape(2, 2)
        np.testing.assert_allclose(image, left * pauli_matrix(letter) + rest * pauli_matrix("Z"), rtol=0, atol=EXACT)


def test_dephasing_never_lasts_longer_than_decay_allows() -> None:
    assert decay_factors(3e9, 1e9, inf) == decay_factors(3e9, 1e9, 2e9)
    assert decay_factors(1e9, inf, inf) == (1.0, 1.0)
    assert decay_factors(0, 5.0, 5.0) == (1.0, 1.0)


# --- errors ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_qubits", [1, 2, 3])
@given(r=st.floats(0, 0.5))
def test_an_error_is_the_average_infidelity_whichever_way_it_is_counted(n_qubits: int, r: float) -> None:
    """q = r (d+1)/d for a non-identity Pauli, l = r d/(d-1) of white noise mixed in (PHYSICS, section 2)."""
    d = 2**n_qubits
    q, mixing = r * (d + 1) / d, r * d / (d - 1)
    channel = channels.depolarising(q, n_qubits)
    white = np.outer(np.eye(d).reshape(-1), np.eye(d).reshape(-1)) / d
    expected = (1 - mixing) * np.eye(d * d) + mixing * white
    np.testing.assert_allclose(channel.superoperator, expected, rtol=0, atol=EXACT)
    process = np.trace(channel.superoperator).real / d**2
    assert 1 - (d * process + 1) / (d + 1) == pytest.approx(r, abs=EXACT)


FIFTEEN: Final = tuple(0.2 * k / 120 for k in range(15))


def kraus_bytes(*operators: Matrix) -> tuple[bytes, ...]:
    return tuple(np.ascontiguousarray(one, np.complex128).tobytes() for one in operators)


MODELS: Final = {
    "depolarise": ErrorModel(depolarise=0.1),
    "three paulis": ErrorModel(paulis=(0.02, 0.0, 0.05)),
    "fifteen paulis": ErrorModel(paulis=FIFTEEN),
    "both": ErrorModel(0.1, (0.02, 0.01, 0.05)),
    "kraus of one": ErrorModel(kraus=kraus_bytes(*damping(0.2))),
    "kraus of two": ErrorModel(kraus=kraus_bytes(*random_kraus(3, 2))),
    "kraus of three": ErrorModel(kraus=kraus_bytes(*random_kraus(4, 3))),
}


@pytest.mark.parametrize("n_qubits", [1, 2, 3])
@pytest.mark.parametrize("name", MODELS)
def test_the_errors_of_an_operation(name: str, n_qubits: int) -> None:
    """All operands together where the error is for so many, each of them where it is for one."""
    model = MODELS[name]
    whole = np.eye(4**n_qubits, dtype=np.complex128)
    for channel, places in error_channels(model, n_qubits):
        kraus = [embedded(one, places, n_qubits) for one in channel.kraus]
        whole = superoperator(kraus) @ whole
    expected = np.eye(4**n_qubits, dtype=np.complex128)

    def then(kraus: list[Matrix], *places: int) -> None:
        nonlocal expected
        expected = superoperator([embedded(one, places, n_qubits) for one in kraus]) @ expected

    everybody = tuple(range(n_qubits))
    if model.depolarise:
        strings = 4**n_qubits - 1
        then(pauli_kraus([model.depolarise / strings] * strings, n_qubits), *everybody)
    given_for = {3: 1, 15: 2}.get(
        len(model.paulis), {16 * 4: 1, 16 * 16: 2, 16 * 64: 3}.get(len(b"".join(model.kraus[:1])), 0)
    )
    own = pauli_kraus(model.paulis, given_for) if model.paulis else []
    if model.kraus:
        own = [np.frombuffer(one, np.complex128).reshape(2**given_for, -1) for one in model.kraus]
    if given_for == 1:
        for place in everybody:
            then(own, place)
    elif given_for:
        for place in range(n_qubits - given_for + 1):
            then(own, *range(place, place + given_for))
    np.testing.assert_allclose(whole, expected, rtol=0, atol=EXACT)


def test_without_an_error_there_is_no_channel() -> None:
    assert not NO_ERROR
    assert not ErrorModel(paulis=(0.0, 0.0, 0.0))
    assert error_channels(NO_ERROR, 1) == error_channels(ErrorModel(paulis=(0.0,) * 3), 2) == ()


# --- given by operators ----------------------------------------------------------------------------------------------


@given(st.integers(0, 2**32), st.integers(1, 2), st.lists(st.floats(0.01, 1), min_size=1, max_size=4))
def test_unitaries_with_probabilities_are_a_mixture(seed: int, n_qubits: int, weights: list[float]) -> None:
    weights = [weight / sum(weights) for weight in weights]
    some = [random_clifford, random_unitary]
    kraus = [sqrt(p) * some[(seed + k) % 2](n_qubits, seed + k) for k, p in enumerate(weights)]
    channel = from_kraus(kraus)
    assert channel.ways is not None
    assert sorted(way.probability for way in channel.ways) == pytest.approx(sorted(weights))
    assert channel.ways[0].probability == pytest.approx(max(weights))
    assert_channel(channel, superoperator(kraus), 1e-10)


def test_operators_of_ten_digits_lose_nothing_in_many_gates() -> None:
    rough = from_kraus([np.round(one, 10) for one in random_kraus(8, 1)])
    turned = from_kraus([np.round(sqrt(p) * GATES[gate].unitary(), 10) for p, gate in ((0.3, "h"), (0.7, "x"))])
    for channel in (rough, turned):
        many = np.linalg.matrix_power(channel.superoperator, 100_000) @ np.diag((0.3, 0.7)).reshape(-1)
        assert np.trace(many.reshape(2, 2)).real == pytest.approx(1, abs=1e-10)
    assert turned.ways is not None
    assert all(step.clifford is not None for way in turned.ways for step, _ in way.steps)


def test_an_identity_with_a_phase_is_nothing_to_do() -> None:
    channel = from_kraus([1j * sqrt(0.6) * ONE, sqrt(0.4) * GATES["y"].unitary(), 0 * ONE])
    assert channel.ways is not None
    assert [len(way.steps) for way in channel.ways] == [0, 1]
    assert {letters: p for p, letters in channel.paulis or ()} == pytest.approx({"I": 0.6, "Y": 0.4})


@pytest.mark.parametrize("seed", range(6))
def test_other_operators_are_no_mixture(seed: int) -> None:
    channel = from_kraus(random_kraus(seed, 1 + seed % 3))
    assert channel.ways is None
    assert channel.paulis is None


@pytest.mark.parametrize(
    ("operators", "wrong"),
    [
        ([], "square matrices of one size"),
        ([np.zeros((2, 3))], "square matrices of one size"),
        ([np.eye(3)], "square matrices of one size"),
        ([np.eye(1)], "square matrices of one size"),
        ([np.eye(2) * sqrt(0.5), np.eye(4) * sqrt(0.5)], "square matrices of one size"),
        ([np.ones(4)], "square matrices of one size"),
        ([0.9 * np.eye(2)], "off by 0.19"),
        ([np.eye(2), np.eye(2)], "off by 1"),
        ([np.full((2, 2), np.nan)], "off by nan"),
    ],
)
def test_operators_that_make_no_channel_are_refused(operators: list[Matrix], wrong: str) -> None:
    with pytest.raises(ConfigError, match=wrong):
        from_kraus(operators)


@pytest.mark.parametrize(
    ("given_paulis", "wrong"),
    [
        ((), "has 3 probabilities"),
        ((0.1,) * 4, "not 4"),
        ((0.1, 0.1), "not 2"),
        ((0.5, 0.4, 0.2), "sum to at most 1, not 1.1"),
        ((-0.1, 0.1, 0.1), "not negative"),
        ((float("nan"), 0.0, 0.0), "not negative"),
    ],
)
def test_paulis_that_make_no_channel_are_refused(given_paulis: tuple[float, ...], wrong: str) -> None:
    with pytest.raises(ConfigError, match=wrong):
        from_paulis(given_paulis)


@given(st.lists(probabilities, min_size=3, max_size=3))
def test_pauli_channels_commute_and_their_signs_multiply(weights: list[float]) -> None:
    """A Pauli that anticommutes with those of probability p in all is left with 1 - 2p (N&C, section 8.3.3)."""
    total = 1.5 * sum(weights) or 1.0
    px, py, pz = (weight / total for weight in weights)
    channel = from_paulis((px, py, pz))
    for letter, against in (("X", py + pz), ("Y", px + pz), ("Z", px + py)):
        image = (channel.superoperator @ pauli_matrix(letter).reshape(-1)).reshape(2, 2)
        np.testing.assert_allclose(image, (1 - 2 * against) * pauli_matrix(letter), rtol=0, atol=EXACT)


def test_half_lives_are_half_lives() -> None:
    assert decay_factors(log(2) * 1e9, 1e9, 1e9) == pytest.approx((0.5, 0.5))
