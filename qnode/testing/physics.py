"""Which states and channels a protocol made: exact for what the observer saw, with stated errors for what was measured.

For tests only: no node can look at a state.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from itertools import product
from math import inf, log, sqrt
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from qnode.quantum.bell import BELL_STATES, BellState
from qnode.quantum.fidelity import NAMED_STATES, density_matrix, fidelity, is_density_matrix, trace_distance
from qnode.quantum.gates import GATES, Matrix
from qnode.testing.distributions import Counts, Sample, counted, unlike
from qnode.testing.statistics import FALSE_ALARM, POWER, caught, check_false_alarm, promise, relative_entropy
from qnode.testing.tails import last_inside

State = str | BellState | Matrix | Sequence[Any]
"""The name of a state, a Bell state, a ket of shape (2**n,) or a density matrix of shape (2**n, 2**n)."""

TOLERANCE: Final = 1e-9

_EIGENSTATES: Final = MappingProxyType({"x": ("+", "-"), "y": ("i", "-i"), "z": ("0", "1")})
_BITS: Final = MappingProxyType({0: 0, 1: 1, "0": 0, "1": 1})
_NEVER: Final = 1e-12  # probabilities below this are rounding errors of zero


# --- fidelity --------------------------------------------------------------------------------------------------------


def assert_fidelity_at_least(
    state: State | Mapping[str, Sample],
    target: State,
    bound: float,
    *,
    tolerance: float = TOLERANCE,
    false_alarm: float = FALSE_ALARM,
) -> None:
    """A state, or that which was measured, has at least this fidelity (the squared overlap) to the target.

    A state is compared exactly. Outcomes, of one copy of the state each, are independent estimates: of a Bell state
    the infidelity is half the sum of the three error rates (F = (1 + XX - YY + ZZ) / 4 for Phi+), of a one-qubit state
    it is the error rate. If the fidelity is `bound` or more (on average, should the copies differ), this fails with
    probability at most false_alarm, by Chernoff's bound for variables that are not alike (Hoeffding 1963, theorem 1);
    if it is `detectable_fidelity` or less, with probability at least 0.99.

    Args:
        state: What the observer saw; or outcomes by basis, {"xx": [(0, 0), (1, 1), ...], "yy": ..., "zz": ...} of a
            pair, {"z": [0, 0, 1, ...]} of a qubit whose target is an eigenstate of that Pauli.
        target: What it should be. For outcomes: a named state.
        bound: The least fidelity that is right.
        tolerance: How much less a state may have, for rounding.
        false_alarm: The probability with which outcomes of a right state may fail.
    """
    __tracebackhide__ = True
    if not (0 <= bound <= 1 and 0 < false_alarm < 1):
        raise ValueError(f"a fidelity is 0 to 1, a false alarm between 0 and 1, unlike {bound} and {false_alarm}")
    if isinstance(state, Mapping):
        if sentence := _too_many_errors(state, target, bound, false_alarm):
            raise AssertionError(f"{sentence} {promise(false_alarm)}")
        return
    found = fidelity(*_alike(_state(state), _state(target)))
    if found < bound - tolerance:
        raise AssertionError(
            f"the fidelity to {target} is {found:.9g}, and at least {bound:.9g} is right"
            f" (exact: whatever is lower by more than {tolerance:.3g} is caught)"
        )


def detectable_fidelity(
    trials: Sequence[int], bound: float, *, power: float = POWER, false_alarm: float = FALSE_ALARM
) -> float:
    """The highest true fidelity that `assert_fidelity_at_least` surely notices to be below the bound.

    At 1,000 trials in each of three bases and a bound of 0.95: 0.8947.

    Args:
        trials: How many outcomes there are in each basis: three numbers for a pair, one for a qubit.
        bound: What is asserted.
        power: The least probability with which it fails; -inf is returned if no fidelity fails as often.
        false_alarm: That of the assertion.
    """
    if not (len(trials) in (1, 3) and min(trials) > 0 and 0 <= bound <= 1 and 0 < power < 1 and 0 < false_alarm < 1):
        raise ValueError(
            f"no test of a fidelity: {trials} trials (one number or three), bound {bound}, power {power},"
            f" false alarm {false_alarm}"
        )
    test = ErrorRate(trials)
    most = test.most_accepted(test.of_fidelity(bound), false_alarm)
    if test.surprise(most, 1.0) < log(1 / (1 - power)):
        return -inf
    noticed = last_inside(most, 1.0, lambda rate: test.surprise(most, rate) < log(1 / (1 - power)))[1]
    return test.fidelity(noticed) if test.fidelity(noticed) >= 0 else -inf


class ErrorRate:
    """The mean over bases of the rates of wrong outcomes, and its Chernoff bound.

    Each wrong outcome counts (fewest trials of a basis) / (trials in its basis), at most 1: the mean of these counts
    over all trials is `scale` times the mean of the rates, and its tails are bounded by the relative entropy.
    """

    def __init__(self, trials: Sequence[int]) -> None:
        self._trials = sum(trials)
        self._scale = len(trials) * min(trials) / self._trials
        self._infidelity = 1.5 if len(trials) == 3 else 1.0  # of an error rate of 1

    def fidelity(self, rate: float) -> float:
        return 1 - self._infidelity * rate

    def of_fidelity(self, fidelity: float) -> float:
        return (1 - fidelity) / self._infidelity

    def surprise(self, seen: float, true: float) -> float:
        """At most exp(-this) is the probability to see a rate so far from the true one, on its side."""
        return self._trials * relative_entropy(self._scale * seen, self._scale * true)

    def accepts(self, rate: float, allowed: float, false_alarm: float) -> bool:
        return rate <= allowed or self.surprise(rate, allowed) <= log(1 / false_alarm)

    def most_accepted(self, allowed: float, false_alarm: float) -> float:
        if self.accepts(1.0, allowed, false_alarm):
            return 1.0
        return last_inside(allowed, 1.0, lambda rate: self.accepts(rate, allowed, false_alarm))[0]


def _too_many_errors(samples: Mapping[str, Sample], target: State, bound: float, false_alarm: float) -> str | None:
    wanted = _parities(target)
    counts = {basis.lower(): counted(sample) for basis, sample in samples.items()}
    if set(counts) != set(wanted):
        raise ValueError(
            f"the fidelity to {target} is known from outcomes in {', '.join(wanted)}, and these are in"
            f" {', '.join(counts) or 'no basis'}"
        )
    trials = [counts[basis].total() for basis in wanted]
    wrong = [_wrong(counts[basis], len(basis), parity) for basis, parity in wanted.items()]
    rate = sum(errors / n for errors, n in zip(wrong, trials, strict=True)) / len(trials)
    test = ErrorRate(trials)
    if test.accepts(rate, test.of_fidelity(bound), false_alarm):
        return None
    least = test.fidelity(test.most_accepted(test.of_fidelity(bound), false_alarm))
    noticed = detectable_fidelity(trials, bound, false_alarm=false_alarm)
    seen = ", ".join(f"{errors} of {n} in {basis}" for errors, n, basis in zip(wrong, trials, wanted, strict=True))
    power = caught(f"a true fidelity of at most {noticed:.6g}") if noticed >= 0 else "so few trials catch none reliably"
    return (
        f"the fidelity to {target} is {test.fidelity(rate):.6g} by the errors ({seen}), but {bound:.6g} accepts"
        f" estimates of {least:.6g} or more; {power}"
    )


def _parities(target: State) -> dict[str, int]:
    """In which bases the outcomes of a named state have a parity for sure, and which."""
    name = str(target.name if isinstance(target, BellState) else target).lower()
    for bell in BELL_STATES:
        if bell.name.lower() == name:
            return {basis: int(sign < 0) for basis, sign in zip(("xx", "yy", "zz"), bell.correlators, strict=True)}
    for basis, names in _EIGENSTATES.items():
        if name in names:
            return {basis: names.index(name)}
    raise ValueError(f"outcomes tell the fidelity to a named state ({', '.join(NAMED_STATES)}) and not to {target}")


def _wrong(counts: Counts, n_qubits: int, parity: int) -> int:
    return sum(n for outcome, n in counts.items() if sum(_bits(outcome, n_qubits)) % 2 != parity)


# --- channels --------------------------------------------------------------------------------------------------------


def assert_channel(
    seen: Mapping[Any, Any] | Iterable[tuple[Any, Any]],
    channel: str | Sequence[Matrix],
    *,
    p: float | None = None,
    tolerance: float = TOLERANCE,
    false_alarm: float = FALSE_ALARM,
) -> None:
    """A device turns states into what a channel makes of them.

    States are compared exactly, by their trace distance. Outcomes of Pauli measurements are compared with the
    channel's probabilities as in `assert_same_distribution`, with an equal share of false_alarm for each setting.
    It sees the given inputs only: "0", "1", "+" and "i" together, or one half of "phi+", determine a channel of one
    qubit (Nielsen & Chuang, section 8.4.2); with fewer, some wrong channels pass.

    Args:
        seen: From input to output, {"+": rho, ...}; or from input and basis to outcomes, {("+", "x"): [0, 0, 1], ...}
            with a letter of the basis and a bit of the outcome for each qubit. A list of such pairs has room for
            inputs that are arrays.
        channel: Kraus operators, or "identity", "depolarising" (with p: to the maximally mixed state with that
            probability, section 8.3.4), or the name of a gate without parameters. It acts on the leftmost qubits of
            the input and leaves the others alone.
        p: Of "depolarising".
        tolerance: How far an output may be from the right one, for rounding.
        false_alarm: The probability with which outcomes of the right channel may fail.
    """
    __tracebackhide__ = True
    check_false_alarm(false_alarm)
    kraus = _kraus(channel, p)
    items = list(seen.items() if isinstance(seen, Mapping) else seen)
    if not items:
        raise ValueError("a channel is seen by what it does to inputs, at least one")
    settings = sum(_is_setting(key) for key, _ in items)
    for key, found in items:
        state, basis = key if _is_setting(key) else (key, None)
        output = _sent_through(_density_matrix(state), kraus)
        if basis is None:
            distance = trace_distance(*_alike(_state(found), output))
            if distance > tolerance:
                raise AssertionError(
                    f"the output for input {state} has trace distance {distance:.6g} from the right one"
                    f" (exact: whatever is more than {tolerance:.3g} is caught)"
                )
        elif sentence := _unlike_state(found, basis, output, false_alarm / settings):
            raise AssertionError(f"for input {state}, measured in {basis}, {sentence} {promise(false_alarm)}")


def _is_setting(key: object) -> bool:
    return isinstance(key, tuple) and len(key) == 2 and isinstance(key[1], str)


def _unlike_state(sample: Sample, basis: str, rho: Matrix, false_alarm: float) -> str | None:
    """Why outcomes in a basis are not those of a state; None if they may be."""
    letters = basis.lower()
    if set(letters) - set(_EIGENSTATES) or 1 << len(letters) != len(rho):
        raise ValueError(f"a basis has a letter x, y or z for each qubit, unlike {basis!r} for {_qubits(rho)}")
    counts: Counts = Counter()
    for outcome, n in counted(sample).items():
        counts[_text(_bits(outcome, len(letters)))] += n
    return unlike(counts, _outcome_probabilities(letters, rho), false_alarm)


def _outcome_probabilities(basis: str, rho: Matrix) -> dict[str, float]:
    probabilities = {}
    for bits in product((0, 1), repeat=len(basis)):
        ket = np.ones(1, np.complex128)
        for letter, bit in zip(basis, bits, strict=True):
            ket = np.kron(ket, np.array(NAMED_STATES[_EIGENSTATES[letter][bit]]))
        chance = fidelity(rho, ket)
        probabilities[_text(bits)] = chance if chance > _NEVER else 0.0
    return probabilities


def _text(bits: Iterable[int]) -> str:
    return "".join(map(str, bits))


def _kraus(channel: str | Sequence[Matrix], p: float | None) -> list[Matrix]:
    if isinstance(channel, str):
        return _named_channel(channel, p)
    if p is not None:
        raise ValueError(f"p = {p} belongs to the channel 'depolarising'; Kraus operators say all by themselves")
    kraus = [np.asarray(operator, np.complex128) for operator in channel]
    shapes = {operator.shape for operator in kraus}
    size = max((side for shape in shapes for side in shape), default=0)
    if shapes != {(size, size)} or size.bit_count() != 1:
        raise ValueError(f"Kraus operators are square, all of one size, a power of two; these have shapes {shapes}")
    if np.abs(sum(operator.conj().T @ operator for operator in kraus) - np.eye(size)).max() > TOLERANCE:
        raise ValueError(
            "Kraus operators of a channel are complete: the sum of all K^dagger K is 1, and here it is not"
        )
    return kraus


def _named_channel(name: str, p: float | None) -> list[Matrix]:
    one = np.eye(2, dtype=np.complex128)
    if (p is not None) != (name == "depolarising") or not 0 <= (p or 0) <= 1:
        raise ValueError(f"depolarising has a probability p from 0 to 1, other channels have none: {name}, p = {p}")
    if name == "identity":
        return [one]
    if p is not None:
        return [sqrt(1 - 3 * p / 4) * one, *(sqrt(p / 4) * GATES[pauli].unitary() for pauli in "xyz")]
    gates = [gate.name for gate in GATES.values() if not gate.n_params]
    if name not in gates:
        raise ValueError(f"no channel {name!r}; there are identity, depolarising, {', '.join(gates)}")
    return [GATES[name].unitary()]


def _sent_through(rho: Matrix, kraus: Sequence[Matrix]) -> Matrix:
    """The sum of K rho K^dagger, each K on the leftmost qubits (Nielsen & Chuang, equation 8.10)."""
    if len(kraus[0]) > len(rho):
        raise ValueError(f"a channel of {_qubits(kraus[0])} does nothing to an input of {_qubits(rho)}")
    rest = np.eye(len(rho) // len(kraus[0]))
    output = np.zeros_like(rho)
    for operator in kraus:
        whole = np.kron(operator, rest)
        output += whole @ rho @ whole.conj().T
    return output


# --- states and outcomes as people write them ------------------------------------------------------------------------


def _state(state: Any) -> Matrix:
    """Any way to write a state, as a ket or a density matrix."""
    try:
        if isinstance(state, str):
            state = NAMED_STATES[state.lower()]
        array = state.ket() if isinstance(state, BellState) else np.asarray(state, np.complex128)
        if len(array) > 1 and len(array).bit_count() == 1 and is_density_matrix(density_matrix(array)):
            return array
    except (KeyError, TypeError, ValueError):  # no such name, no numbers, no rectangle: the sentence below is for all
        pass
    raise ValueError(
        f"a state is a name ({', '.join(NAMED_STATES)}), a Bell state, a ket or a density matrix of trace 1 over some"
        f" qubits, and this is none: {state}"
    )


def _density_matrix(state: Any) -> Matrix:
    return density_matrix(_state(state))


def _alike(one: Matrix, other: Matrix) -> tuple[Matrix, Matrix]:
    if len(one) != len(other):
        raise ValueError(f"a state of {_qubits(one)} cannot be compared with one of {_qubits(other)}")
    return one, other


def _qubits(array: Matrix) -> str:
    n_qubits = len(array).bit_length() - 1
    return f"{n_qubits} qubit{'s' * (n_qubits != 1)}"


def _bits(outcome: Hashable, n_qubits: int) -> tuple[int, ...]:
    """The bits of an outcome: a tuple, a text of digits, or for one qubit the bit itself."""
    written = outcome if isinstance(outcome, tuple | str) else (outcome,)
    bits = tuple(_BITS[bit] for bit in written if bit in _BITS)
    if len(written) != n_qubits or len(bits) != n_qubits:
        raise ValueError(f"an outcome is a tuple of bits, one for each of {n_qubits} qubits, and {outcome!r} is not")
    return bits
