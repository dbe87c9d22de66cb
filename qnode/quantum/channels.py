"""Noise channels: what a qubit suffers, as Kraus operators and, where it is one, as a mixture of simpler things.

A *mixture* happens in one of several ways whose probabilities do not depend on the state: nothing, Paulis on some of
the qubits, a unitary, or a reset to |0>. Sampled formalisms draw one of them, and a stabilizer state stays one if all
of them are Clifford. Any other channel is sampled with the probabilities <psi|K'K|psi> of its Kraus operators, which
needs amplitudes. A density matrix takes the whole channel at once, by its superoperator.

Source: Nielsen & Chuang, section 8.2.3 (operator-sum) and 8.3 (examples).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property, lru_cache, reduce
from itertools import product
from math import exp, inf, sqrt
from typing import Final, NamedTuple

import numpy as np

from qnode.errors import ConfigError
from qnode.quantum.gates import GATES, Matrix
from qnode.quantum.hardware import ErrorModel
from qnode.quantum.kernels import embed
from qnode.quantum.operations import FIXED, Operation, from_matrix

EXACT: Final = 1e-12
"""How far from 1 an overlap of equal unitaries may be."""

COMPLETE: Final = 1e-9
"""How far sum K'K may be from the identity, entry by entry."""

_PAULIS: Final = ("i", "x", "y", "z")


class Way(NamedTuple):
    """One way in which a mixture happens: with a probability, these operations on operands, in this order."""

    probability: float
    steps: tuple[tuple[Operation, tuple[int, ...]], ...] = ()
    reset: bool = False


class Channel:
    """A trace-preserving map of one or more qubits.

    Attributes:
        name: What errors call it.
        n_qubits: Number of operands.
        clifford: None: as a whole it is no Clifford operation, whatever its ways are.
        ways: The mixture, the likeliest first where that can be told; None if it is no mixture of such things.
    """

    def __init__(
        self, name: str, n_qubits: int, *, ways: tuple[Way, ...] | None, kraus: Callable[[], Sequence[Matrix]]
    ) -> None:
        self.name = name
        self.n_qubits = n_qubits
        self.ways = ways
        self.clifford = None
        self._kraus = kraus

    @cached_property
    def kraus(self) -> tuple[Matrix, ...]:
        """Kraus operators, each of shape (2**n_qubits, 2**n_qubits), qubit 0 leftmost."""
        return tuple(self._kraus())

    @cached_property
    def superoperator(self) -> Matrix:
        """sum K (x) K*, shape (4**n_qubits, 4**n_qubits): rho as a vector, row by row, goes to this times it."""
        total: Matrix = np.zeros((4**self.n_qubits,) * 2, np.complex128)
        for operator in self.kraus:
            total += np.kron(operator, operator.conj())
        return total

    @cached_property
    def paulis(self) -> tuple[tuple[float, str], ...] | None:
        """The channel as a mixture of Pauli strings "IXYZ", each with its probability; None if it is none."""
        found = []
        for way in self.ways or ():
            if not way.probability:
                continue
            matrix: Matrix = np.eye(2**self.n_qubits, dtype=np.complex128)
            for operation, places in way.steps:
                matrix = embed(operation.matrix, self.n_qubits, places) @ matrix
            letters = None if way.reset else _as_string(matrix, self.n_qubits)
            if letters is None:
                return None
            found.append((way.probability, letters))
        return tuple(found) or None


def from_paulis(probabilities: Sequence[float], name: str = "pauli channel") -> Channel:
    """A Pauli channel.

    Args:
        probabilities: Of every string but the identity, in the order of its digits I, X, Y, Z: 3 for one qubit, 15 for
            two, 4**m - 1 for m.
    Raises:
        ConfigError: If there are other than so many, one is negative, or their sum is over 1.
    Source: Nielsen & Chuang, section 8.3.3.
    """
    count = len(probabilities) + 1
    n_qubits = (count.bit_length() - 1) // 2
    if n_qubits < 1 or count != 4**n_qubits:
        raise ConfigError(place=name, detail=f"has 3 probabilities (15 for two qubits), not {count - 1}")
    total = sum(probabilities)
    if not (all(0 <= p <= 1 for p in probabilities) and total <= 1 + COMPLETE):
        raise ConfigError(place=name, detail=f"its probabilities are not negative and sum to at most 1, not {total:g}")
    strings = list(product(_PAULIS, repeat=n_qubits))
    all_of_them = (max(0.0, 1.0 - total), *probabilities)
    ways = tuple(Way(p, _pauli_steps(string)) for p, string in zip(all_of_them, strings, strict=True) if p)

    def kraus() -> list[Matrix]:
        return [sqrt(p) * _pauli_matrix(string) for p, string in zip(all_of_them, strings, strict=True) if p]

    return Channel(name, n_qubits, ways=ways, kraus=kraus)


def depolarising(q: float, n_qubits: int) -> Channel:
    """A Pauli that is not the identity with total probability q, each alike (Stim's DEPOLARIZE).

    Average gate infidelity r of d = 2**n_qubits levels is q = r (d + 1) / d.
    """
    strings = 4**n_qubits - 1
    return from_paulis((q / strings,) * strings, "depolarising")


def from_kraus(operators: Sequence[Matrix], name: str = "kraus") -> Channel:
    """A channel given by its operators.

    A mixture if each is a number times a unitary (or if there is only one).

    Args:
        operators: Each of shape (2**m, 2**m).
    Raises:
        ConfigError: If they have other shapes, or sum K'K is not the identity to 1e-9.
    """
    own = [np.array(operator, np.complex128) for operator in operators]
    size = own[0].shape[0] if own and own[0].ndim == 2 else 0
    if size < 2 or size & (size - 1) or any(operator.shape != (size, size) for operator in own):
        raise ConfigError(place=name, detail="Kraus operators are square matrices of one size, 2, 4, 8, ...")
    total: Matrix = np.asarray(sum(operator.conj().T @ operator for operator in own))
    off = np.abs(total - np.eye(size)).max()
    if not off <= COMPLETE:
        raise ConfigError(place=name, detail=f"the sum of K'K is the identity; these are off by {off:.2g}")
    weights, axes = np.linalg.eigh(total)
    complete = (axes / np.sqrt(weights)) @ axes.conj().T  # so that numbers of ten digits lose nothing in many gates
    own = [operator @ complete for operator in own]
    n_qubits = size.bit_length() - 1
    return Channel(name, n_qubits, ways=_as_ways(own, tuple(range(n_qubits))), kraus=lambda: own)


def relaxation(e1: float, e2: float) -> Channel:
    """What a memory does in a time t: e1 = exp(-t/T1), e2 = exp(-t/T2), |e2| <= sqrt(e1).

    e2 is negative where more is turned by pi than is not. For |e2| <= e1 (T2 <= T1) exactly a mixture: nothing with
    (e1 + e2)/2, Z with (e1 - e2)/2, a reset to |0> with 1 - e1. Otherwise amplitude damping and dephasing, which
    commute. Source: Nielsen & Chuang, sections 8.3.5 and 8.3.6.
    """
    ways = None
    if abs(e2) <= e1:
        stays, flips = Way((e1 + e2) / 2), Way((e1 - e2) / 2, ((FIXED["z"], (0,)),))
        ways = (stays, flips, Way(1.0 - e1, reset=True))

    def kraus() -> list[Matrix]:
        kept = max(-1.0, min(1.0, e2 / sqrt(e1))) if e1 else 0.0  # what dephasing beside the damping leaves
        damped = np.array(((1, 0), (0, sqrt(e1))), np.complex128)
        jump = np.array(((0, sqrt(max(0.0, 1.0 - e1))), (0, 0)), np.complex128)
        z = FIXED["z"].matrix
        return [sqrt((1 + kept) / 2) * damped, sqrt(max(0.0, 1 - kept) / 2) * (damped @ z), jump]

    return Channel("relaxation", 1, ways=ways, kraus=kraus)


def decay_factors(elapsed_ns: float, t1_ns: float, t2_ns: float) -> tuple[float, float]:
    """(exp(-t/T1), exp(-t/T2)); an infinite time does not decay, but T2 is never longer than 2 T1."""
    e1 = exp(-elapsed_ns / t1_ns) if t1_ns != inf else 1.0
    slower = min(t2_ns, 2 * t1_ns)
    return e1, exp(-elapsed_ns / slower) if slower != inf else 1.0


@lru_cache(maxsize=1024)
def error_channels(model: ErrorModel, n_qubits: int) -> tuple[tuple[Channel, tuple[int, ...]], ...]:
    """The channels of an error model for an operation on so many qubits, each with the operands that it acts on."""
    everybody = tuple(range(n_qubits))
    found: list[tuple[Channel, tuple[int, ...]]] = []
    if model.depolarise:
        found.append((depolarising(model.depolarise, n_qubits), everybody))
    for channel in _given(model):
        if channel.n_qubits == n_qubits:
            found.append((channel, everybody))
        elif channel.n_qubits == 1:
            found += [(channel, (operand,)) for operand in everybody]
        else:
            # A larger operation than the error was given for suffers it on all neighbours in turn.
            many = channel.n_qubits
            found += [(channel, everybody[first : first + many]) for first in range(n_qubits - many + 1)]
    return tuple(found)


def _given(model: ErrorModel) -> list[Channel]:
    channels = []
    if any(model.paulis):
        channels.append(from_paulis(model.paulis))
    if model.kraus:
        size = round(sqrt(len(model.kraus[0]) / 16))
        channels.append(from_kraus([np.frombuffer(one, np.complex128).reshape(size, size) for one in model.kraus]))
    return channels


def _pauli_steps(string: Sequence[str]) -> tuple[tuple[Operation, tuple[int, ...]], ...]:
    return tuple((FIXED[letter], (place,)) for place, letter in enumerate(string) if letter != "i")


def _pauli_matrix(string: Sequence[str]) -> Matrix:
    factors = [np.eye(2, dtype=np.complex128) if letter == "i" else GATES[letter].unitary() for letter in string]
    return reduce(np.kron, factors)  # type: ignore[arg-type]


def _as_string(matrix: Matrix, n_qubits: int) -> str | None:
    """The letters of the Pauli string that a unitary is, up to its phase; None if it is none."""
    for string in product(_PAULIS, repeat=n_qubits):
        if abs(np.vdot(_pauli_matrix(string), matrix)) > len(matrix) * (1 - EXACT):
            return "".join(string).upper()
    return None


def _as_ways(operators: Sequence[Matrix], everybody: tuple[int, ...]) -> tuple[Way, ...] | None:
    ways = []
    for operator in operators:
        square = operator.conj().T @ operator
        weight = float(np.trace(square).real) / len(operator)
        if np.abs(square - weight * np.eye(len(operator))).max() > COMPLETE:
            return None
        if weight > 0:
            unitary = operator / sqrt(weight)
            phase = unitary[0, 0]
            if np.abs(unitary - phase * np.eye(len(operator))).max() < COMPLETE:
                ways.append(Way(weight))
            else:
                ways.append(Way(weight, ((from_matrix(unitary), everybody),)))
    return tuple(sorted(ways, key=lambda way: -way.probability))
