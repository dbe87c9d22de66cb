"""States and channels: exact where states are seen, counted over all outcomes where they are measured."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import product
from math import prod
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qnode.quantum.bell import BELL_STATES, PHI_PLUS, BellState, Pauli
from qnode.quantum.fidelity import NAMED_STATES, density_matrix, named_state
from qnode.quantum.gates import GATES, Matrix
from qnode.testing import assert_channel, assert_fidelity_at_least, assert_same_distribution, detectable_fidelity
from qnode.testing.physics import ErrorRate
from tests.testing.exact import binomial, holds

ALARMS = (0.5, 0.1, 0.01)
CARDINAL = {"0": ("z", 0), "1": ("z", 1), "+": ("x", 0), "-": ("x", 1), "i": ("y", 0), "-i": ("y", 1)}
ONE_QUBIT = tuple(gate for gate in GATES.values() if gate.n_qubits == 1 and not gate.n_params)


def werner(fidelity_: float) -> Matrix:
    """Phi+ with this weight, the rest shared by the three others."""
    others = sum(density_matrix(bell.ket()) for bell in BELL_STATES[1:])
    return np.asarray(fidelity_ * density_matrix(PHI_PLUS.ket()) + (1 - fidelity_) / 3 * others, np.complex128)


def pairs(bell: BellState, wrong: tuple[int, ...], sizes: tuple[int, ...]) -> dict[str, dict[tuple[int, int], int]]:
    """Outcomes of a Bell state in three bases, so many of them with the wrong parity."""
    counts = {}
    for basis, sign, errors, size in zip(("xx", "yy", "zz"), bell.correlators, wrong, sizes, strict=True):
        right = int(sign < 0)
        counts[basis] = {
            (0, right): (size - errors + 1) // 2,
            (1, 1 - right): (size - errors) // 2,
            (0, 1 - right): errors,
        }
    return counts


# --- fidelity of states ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bound", [0.25, 0.7, 0.999999, 1.0])
def test_a_state_passes_from_the_bound_on(bound: float) -> None:
    assert_fidelity_at_least(werner(bound), "phi+", bound)
    assert_fidelity_at_least(werner(bound - 1e-10), "phi+", bound)
    with pytest.raises(
        AssertionError, match=rf"^the fidelity to phi\+ is .*, and at least {bound:.9g} is right \(exact:"
    ):
        assert_fidelity_at_least(werner(bound - 1e-8), "phi+", bound)
    assert_fidelity_at_least(werner(bound - 1e-8), "phi+", bound, tolerance=1e-7)


@pytest.mark.parametrize("bell", BELL_STATES)
def test_every_way_to_write_a_state_is_the_same_state(bell: BellState) -> None:
    forms: list[Any] = [bell, bell.name, bell.name.lower(), bell.ket(), density_matrix(bell.ket()), bell.ket().tolist()]
    for form, target in product(forms, repeat=2):
        assert_fidelity_at_least(form, target, 1.0)
        assert not holds(assert_fidelity_at_least, form, BELL_STATES[0] ^ bell ^ BellState(0, 1), 0.1)


@pytest.mark.parametrize(
    ("state", "target", "bound", "sentence"),
    [
        ("up", "0", 0.5, "a state is a name"),
        ("0", [1, 1], 0.5, "a state is a name"),
        ([1], "0", 0.5, "a state is a name"),
        ([1, 0, 0], "0", 0.5, "a state is a name"),
        ([[1, 0], [0]], "0", 0.5, "a state is a name"),
        (np.diag([0.5, 0.6]), "0", 0.5, "a state is a name"),
        (1.0, "0", 0.5, "a state is a name"),
        (None, "0", 0.5, "a state is a name"),
        ("0", "phi+", 0.5, "1 qubit cannot be compared with one of 2 qubits"),
        ("0", "0", 1.5, "a fidelity is 0 to 1"),
        ("0", "0", float("nan"), "a fidelity is 0 to 1"),
    ],
)
def test_what_is_no_state_is_refused(state: Any, target: Any, bound: float, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        assert_fidelity_at_least(state, target, bound)


# --- fidelity of what was measured -----------------------------------------------------------------------------------


@pytest.mark.parametrize("weights", [(8, 0, 0, 0), (5, 1, 1, 1), (2, 3, 2, 1), (0, 4, 4, 0), (0, 0, 0, 8)])
@pytest.mark.parametrize("target", BELL_STATES)
def test_the_estimate_is_the_fidelity(weights: tuple[int, ...], target: BellState) -> None:
    """Mixtures of Bell states in eighths, measured as often as to show each exactly: the weight of the target."""
    counts: dict[str, dict[tuple[int, int], int]] = {"xx": {}, "yy": {}, "zz": {}}
    for bell, weight in zip(BELL_STATES, weights, strict=True):
        for basis, sign in zip(counts, bell.correlators, strict=True):
            for a in (0, 1):
                key = (a, a ^ int(sign < 0))
                counts[basis][key] = counts[basis].get(key, 0) + 500 * weight
    expected = weights[BELL_STATES.index(target)] / 8
    assert_fidelity_at_least(counts, target, expected)
    if expected < 1:
        with pytest.raises(AssertionError, match=rf" is {expected:g} by the errors \(\d* of 8000 in xx, "):
            assert_fidelity_at_least(counts, target.name, min(expected + 0.2, 1.0))


@pytest.mark.parametrize(("name", "basis", "bit"), [(name, *place) for name, place in CARDINAL.items()])
def test_the_fidelity_of_a_qubit_is_the_rate_of_right_outcomes(name: str, basis: str, bit: int) -> None:
    assert_fidelity_at_least({basis: [bit] * 50}, name, 1.0)
    assert_fidelity_at_least({Pauli(basis): {str(bit): 50}}, name, 1.0)
    with pytest.raises(AssertionError, match=re.escape(f"to {name} is 0.98 by the errors (1 of 50 in {basis})")):
        assert_fidelity_at_least({basis: [bit] * 49 + [1 - bit]}, name, 1.0)


@pytest.mark.parametrize("false_alarm", ALARMS)
@pytest.mark.parametrize("bound", [0.5, 0.8, 1.0])
@pytest.mark.parametrize("sizes", [(4, 4, 4), (2, 5, 8), (9, 9, 1), (11,)])
def test_a_right_state_is_rejected_no_more_often_than_stated(
    sizes: tuple[int, ...], bound: float, false_alarm: float
) -> None:
    """All numbers of errors in each basis, for several ways to spread the infidelity over the bases."""
    target: Any = PHI_PLUS if len(sizes) == 3 else "0"
    rejected = [
        wrong
        for wrong in product(*(range(size + 1) for size in sizes))
        if not holds(
            assert_fidelity_at_least,
            pairs(PHI_PLUS, wrong, sizes) if len(sizes) == 3 else {"z": {0: sizes[0] - wrong[0], 1: wrong[0]}},
            target, bound, false_alarm=false_alarm,
        )
    ]  # fmt: skip
    spreads = ((2 / 3, 2 / 3, 2 / 3), (1, 1, 0), (0, 1, 1), (1, 0.5, 0.5)) if len(sizes) == 3 else ((1,),)
    for spread in spreads:
        rates = [share * (1 - bound) for share in spread]
        alarms = sum(
            prod(binomial(errors, size, rate) for errors, size, rate in zip(wrong, sizes, rates, strict=True))
            for wrong in rejected
        )
        assert alarms <= false_alarm * (1 + 1e-9)


@pytest.mark.parametrize("sizes", [(25, 25, 25), (40, 20, 20), (60,)])
def test_a_detectable_fidelity_is_caught_as_often_as_stated(sizes: tuple[int, ...]) -> None:
    bound, false_alarm = 0.95, 0.05
    low = detectable_fidelity(sizes, bound, false_alarm=false_alarm)
    assert 0.5 < low < bound
    test = ErrorRate(sizes)
    for spread in ((2 / 3, 2 / 3, 2 / 3), (1, 1, 0)) if len(sizes) == 3 else ((1,),):
        rates = [share * (1 - low) for share in spread]
        accepted = sum(
            prod(binomial(errors, size, rate) for errors, size, rate in zip(wrong, sizes, rates, strict=True))
            for wrong in product(*(range(size + 1) for size in sizes))
            if test.accepts(
                sum(errors / size for errors, size in zip(wrong, sizes, strict=True)) / len(sizes),
                test.of_fidelity(bound), false_alarm,
            )
        )  # fmt: skip
        assert accepted <= 0.01


def test_the_documented_fidelity_is_right_and_few_trials_catch_nothing() -> None:
    """A thousand in each of three bases, bound 0.95: 0.8947."""
    assert round(detectable_fidelity([1000] * 3, 0.95), 4) == 0.8947
    assert detectable_fidelity([5], 0.5) == -np.inf
    assert detectable_fidelity([20, 20, 20], 0.3) == -np.inf
    with pytest.raises(AssertionError, match="so few trials catch none reliably"):
        assert_fidelity_at_least(pairs(PHI_PLUS, (20, 20, 20), (20, 20, 20)), "phi+", 0.3)


def test_a_failure_of_outcomes_says_all_that_is_promised() -> None:
    expected = (
        r"^the fidelity to phi\+ is 0\.85 by the errors \(100 of 1000 in xx, 90 of 1000 in yy, 110 of 1000 in zz\), but"
        r" 0\.95 accepts estimates of 0\.91\d* or more; a true fidelity of at most 0\.8947\d* is caught with"
        r" probability 0\.99 \(.*probability 1e-09 at most\)$"
    )
    with pytest.raises(AssertionError, match=expected):
        assert_fidelity_at_least(pairs(PHI_PLUS, (100, 90, 110), (1000,) * 3), "phi+", 0.95)


@pytest.mark.parametrize(
    ("samples", "target", "sentence"),
    [
        ({"xx": ["00"]}, "phi+", "outcomes in xx, yy, zz, and these are in xx"),
        ({}, "0", "outcomes in z, and these are in no basis"),
        ({"x": [0]}, "0", "outcomes in z, and these are in x"),
        ({"z": [2]}, "0", "2 is not"),
        ({"z": [(0, 1)]}, "0", r"\(0, 1\) is not"),
        ({"z": []}, "0", "at least one outcome"),
        ({"z": [0]}, [1, 0], "fidelity to a named state"),
        ({"z": [0]}, "up", "fidelity to a named state"),
    ],
)
def test_outcomes_that_tell_no_fidelity_are_refused(samples: Any, target: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        assert_fidelity_at_least(samples, target, 0.5)


@pytest.mark.parametrize(("trials", "bound"), [([0], 0.5), ([], 0.5), ([1, 1], 0.5), ([1], 1.5)])
def test_what_is_no_test_of_a_fidelity_is_refused(trials: list[int], bound: float) -> None:
    with pytest.raises(ValueError, match="no test of a fidelity"):
        detectable_fidelity(trials, bound)


# --- channels on states ----------------------------------------------------------------------------------------------


def test_half_of_a_pair_tells_all_gates_of_one_qubit_apart() -> None:
    """Equal up to a phase if |tr(U^dagger V)| = 2."""
    for done, wanted in product(ONE_QUBIT, repeat=2):
        output = np.kron(done.unitary(), np.eye(2)) @ PHI_PLUS.ket()
        same = abs(np.trace(done.unitary().conj().T @ wanted.unitary())) == pytest.approx(2)
        assert holds(assert_channel, {"phi+": output}, wanted.name) == same
        assert holds(assert_channel, {PHI_PLUS: density_matrix(output)}, [wanted.unitary()]) == same


@given(st.floats(0, 1), st.sampled_from(sorted(CARDINAL)))
def test_depolarising_mixes_with_the_maximally_mixed_state(p: float, name: str) -> None:
    rho = density_matrix(named_state(name))
    assert_channel({name: (1 - p) * rho + p * np.eye(2) / 2}, "depolarising", p=p)
    assert_channel([(rho, (1 - p) * rho + p * np.eye(2) / 2)], "depolarising", p=p)
    assert_channel({"phi+": werner(1 - 3 * p / 4)}, "depolarising", p=p)
    assert not holds(assert_channel, {name: (1 - p) * rho + p * np.eye(2) / 2}, "depolarising", p=abs(p - 0.01))


def test_kraus_operators_act_on_the_leftmost_qubits() -> None:
    """Amplitude damping (Nielsen & Chuang, section 8.3.5), of the first of two qubits."""
    damping = [np.diag([1, 0.6]).astype(complex), np.array([[0, 0.8], [0, 0]], complex)]
    assert_channel({"1": np.diag([0.64, 0.36]), "0": "0"}, damping)
    assert_channel(
        [(np.kron(named_state("1"), named_state("+")), np.kron(np.diag([0.64, 0.36]), np.full((2, 2), 0.5)))], damping
    )
    assert not holds(assert_channel, {"1": np.diag([0.36, 0.64])}, damping)


def test_a_gate_of_two_qubits_takes_the_first_as_control() -> None:
    assert_channel([(np.kron(named_state("+"), named_state("0")), "phi+")], "cnot")
    assert not holds(assert_channel, [(np.kron(named_state("0"), named_state("+")), "phi+")], "cnot")


def test_the_input_whose_output_is_wrong_is_named_with_its_distance() -> None:
    dephased = {"0": "0", "1": "1", "+": np.eye(2) / 2, "i": "i"}
    with pytest.raises(
        AssertionError, match=r"^the output for input \+ has trace distance 0\.5 from .* 1e-09 is caught"
    ):
        assert_channel(dephased, "identity")
    assert_channel(dephased, "identity", tolerance=0.6)


# --- channels by what was measured -----------------------------------------------------------------------------------


@pytest.mark.parametrize("false_alarm", ALARMS)
@pytest.mark.parametrize("p", [0.0, 0.3])
def test_the_right_channel_is_rejected_no_more_often_than_stated(p: float, false_alarm: float) -> None:
    """Depolarising, in four settings: the probability of a wrong outcome is p/2, or 1/2 in another basis."""
    rates = {("0", "z"): p / 2, ("+", "x"): p / 2, ("i", "Y"): p / 2, ("0", "x"): 0.5}
    alarms = sum(
        prod(binomial(k, 4, rate) for k, rate in zip(wrong, rates.values(), strict=True))
        for wrong in product(range(5), repeat=4)
        if not holds(
            assert_channel, {key: {0: 4 - k, 1: k} for key, k in zip(rates, wrong, strict=True)}, "depolarising", p=p,
            false_alarm=false_alarm,
        )
    )  # fmt: skip
    assert alarms <= false_alarm


def test_each_setting_has_its_share_of_the_false_alarm() -> None:
    others = {("1", "z"): [1], ("i", "y"): [0]}
    verdicts = []
    for wrong in range(31):
        counts = {0: 30 - wrong, 1: wrong}
        verdicts.append(holds(assert_channel, {("+", "z"): counts, **others}, "identity", false_alarm=0.1))
        shared = holds(assert_same_distribution, counts, probabilities={0: 0.5, 1: 0.5}, false_alarm=0.1 / 3)
        alone = holds(assert_channel, {("+", "z"): counts, "0": "0"}, "identity", false_alarm=0.1)
        assert verdicts[-1] == shared
        assert alone == holds(assert_same_distribution, counts, probabilities={0: 0.5, 1: 0.5}, false_alarm=0.1)
    assert 0 < sum(verdicts) < 31


def test_what_a_channel_never_does_is_not_excused_by_rounding() -> None:
    """H on half of Phi+: X and Z agree, but for a probability of 1e-33. Once is once too often, however few alarms."""
    sample = {"00": 5, "11": 5}
    assert_channel({("phi+", "xz"): sample}, "h")
    assert not holds(assert_channel, {("phi+", "xz"): sample | {"01": 1}}, "h", false_alarm=1e-100)


def test_outcomes_of_a_wrong_channel_are_caught_and_their_setting_is_named() -> None:
    flipped = {("0", "z"): [1] * 60, ("+", "x"): {(0,): 60}, ("i", "y"): "1" * 60}
    assert_channel(flipped, "x")
    expected = (
        r"^for input 0, measured in z, of outcome 1, 60 of 60 trials are 1, but p = 0 accepts 0 to 0; a true p of"
        r" at least 0\.07\d* is caught with probability 0\.99 \(.*probability 1e-09 at most\)$"
    )
    with pytest.raises(AssertionError, match=expected):
        assert_channel(flipped, "identity")
    with pytest.raises(AssertionError, match=r"^for input i, measured in y, "):
        assert_channel({**flipped, ("0", "z"): [0] * 60}, "identity")


def test_outcomes_of_two_qubits_are_compared_in_every_basis() -> None:
    plus_zero = np.kron(named_state("+"), named_state("0"))
    assert_channel([((plus_zero, "zz"), ["00", "11"] * 50), ((plus_zero, "xx"), [(0, 0), (1, 1)] * 50)], "cnot")
    assert_channel([((plus_zero, "yy"), ["01", "10"] * 50), ((plus_zero, "zx"), ["00", "01", "10", "11"])], "cnot")
    with pytest.raises(AssertionError, match="measured in yy, of outcome 00, 50 of"):
        assert_channel([((plus_zero, "yy"), ["00", "11"] * 50)], "cnot")


def test_states_and_outcomes_may_be_mixed() -> None:
    assert_channel({"0": "1", ("1", "z"): [0] * 9}, "x")
    assert not holds(assert_channel, {"0": "1", ("1", "z"): [1] * 9}, "x")
    assert not holds(assert_channel, {"0": "0", ("1", "z"): [0] * 9}, "x")


@pytest.mark.parametrize(
    ("seen", "channel", "options", "sentence"),
    [
        ({}, "identity", {}, "at least one"),
        ({"0": "0"}, "damping", {}, "no channel 'damping'; there are identity, depolarising, x, "),
        ({"0": "0"}, "rx", {}, "no channel 'rx'"),
        ({"0": "0"}, "depolarising", {}, "depolarising has a probability p"),
        ({"0": "0"}, "depolarising", {"p": 1.5}, "depolarising has a probability p"),
        ({"0": "0"}, "x", {"p": 0.5}, "other channels have none"),
        ({"0": "0"}, [np.eye(2)], {"p": 0.5}, "Kraus operators say all"),
        ({"0": "0"}, [], {}, "Kraus operators are square"),
        ({"0": "0"}, [np.eye(3)], {}, "Kraus operators are square"),
        ({"0": "0"}, [np.eye(2), np.eye(4)], {}, "Kraus operators are square"),
        ({"0": "0"}, [np.ones((2, 4))], {}, "Kraus operators are square"),
        ({"0": "0"}, [1.0], {}, "Kraus operators are square"),
        ({"0": "0"}, [np.eye(2) / 2], {}, "complete"),
        ({"0": "0"}, "cnot", {}, "a channel of 2 qubits does nothing to an input of 1 qubit"),
        ({"0": "phi+"}, "x", {}, "2 qubits cannot be compared with one of 1 qubit"),
        ({"up": "0"}, "x", {}, "a state is a name"),
        ({("0", "zz"): [0]}, "x", {}, "a letter x, y or z for each qubit"),
        ({("0", "w"): [0]}, "x", {}, "a letter x, y or z for each qubit"),
        ({("0", "z"): ["a"]}, "x", {}, "'a' is not"),
        ({"0": "1"}, "x", {"false_alarm": 2.0}, "a false alarm"),
    ],
)  # fmt: skip
def test_what_is_no_channel_or_nothing_seen_is_refused(
    seen: Any, channel: Any, options: Mapping[str, Any], sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        assert_channel(seen, channel, **options)


def test_every_named_state_can_be_an_input() -> None:
    for name in NAMED_STATES:
        assert_channel({name: name}, "identity")
