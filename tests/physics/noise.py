"""Noise by the book: channels of every kind, a sampled mixture integrated over its draws, and a laboratory on paper."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from math import exp, inf, sqrt
from typing import Final

import numpy as np

from qnode.ids import QubitId
from qnode.quantum import channels
from qnode.quantum.channels import Channel
from qnode.quantum.dense import DenseRegister, embedded
from qnode.quantum.gates import GATES, Matrix
from qnode.quantum.hardware import ErrorModel, Hardware, Slots, Timing
from tests.quantum.worlds import pauli_matrix, random_clifford, random_unitary

EXACT: Final = 1e-10
ONE: Final = np.eye(2, dtype=np.complex128)
LAST_DRAW: Final = float(np.nextafter(1.0, 0.0))


# --- channels --------------------------------------------------------------------------------------------------------


def random_kraus(seed: int, n_qubits: int, count: int = 3) -> list[Matrix]:
    """Any channel: the first columns of a unitary on the qubits and an environment (N&C, section 8.2.2)."""
    size = 2**n_qubits
    rng = np.random.default_rng(seed)
    some = rng.normal(size=(count * size, size)) + 1j * rng.normal(size=(count * size, size))
    isometry, _ = np.linalg.qr(some)
    return [np.ascontiguousarray(block) for block in isometry.reshape(count, size, size)]


def damping(g: float) -> list[Matrix]:
    return [np.diag((1, sqrt(1 - g))).astype(complex), np.array(((0, sqrt(g)), (0, 0)), complex)]


def decay_kraus(t: float, t1: float, t2: float) -> list[Matrix]:
    """Amplitude damping, then what dephasing T2 asks for beyond it (PHYSICS, section 3)."""
    rate = (0.0 if t2 == inf else 1 / t2) - (0.0 if t1 == inf else 1 / (2 * t1))
    p = max(0.0, (1 - exp(-t * rate)) / 2)
    g = 0.0 if t1 == inf else 1 - exp(-t / t1)
    z = GATES["z"].unitary()
    return [np.asarray(d @ k) for d in (sqrt(1 - p) * ONE, sqrt(p) * z) for k in damping(g)]


PAULI_15: Final = tuple(0.06 * k / 120 for k in range(1, 16))
I_POWERS: Final = (1, 1j, -1, -1j)

MIXTURES: Final[dict[str, Channel]] = {
    "nothing": channels.from_paulis((0.0, 0.0, 0.0)),
    "paulis": channels.from_paulis((0.1, 0.0, 0.25)),
    "surely x": channels.from_paulis((1.0, 0.0, 0.0)),
    "fully mixed": channels.depolarising(0.75, 1),
    "depolarising": channels.depolarising(0.13, 1),
    "paulis on two": channels.from_paulis(PAULI_15),
    "depolarising two": channels.depolarising(0.4, 2),
    "depolarising three": channels.depolarising(0.5, 3),
    "cliffords": channels.from_kraus(
        [sqrt(p) * I_POWERS[k] * random_clifford(2, k) for k, p in enumerate((0.2, 0.5, 0.3))]
    ),
    "a sign and a hadamard": channels.from_kraus([-sqrt(0.7) * ONE, sqrt(0.3) * GATES["h"].unitary()]),
    "t2 < t1": channels.relaxation(0.7, 0.4),
    "t2 = t1": channels.relaxation(0.7, 0.7),
    "long after": channels.relaxation(0.0, 0.0),
    "only t2": channels.relaxation(1.0, 0.3),
    "attempts turn it": channels.relaxation(0.9, -0.4),
}
"""What a stabilizer state can suffer."""

OTHERS: Final[dict[str, Channel]] = {
    "t2 > t1": channels.relaxation(0.5, 0.6),
    "t2 = 2 t1": channels.relaxation(0.5, sqrt(0.5)),
    "t2 > t1, and turned": channels.relaxation(0.5, -0.6),
    "damping": channels.from_kraus(damping(0.35)),
    "forgetting": channels.from_kraus(damping(1.0)),
    "rotations": channels.from_kraus([sqrt(0.5) * random_unitary(1, k) for k in (1, 2)]),
    "unitaries of two": channels.from_kraus([sqrt(p) * random_unitary(2, k) for k, p in ((3, 0.15), (4, 0.85))]),
    "any": channels.from_kraus(random_kraus(5, 1)),
    "any of two": channels.from_kraus(random_kraus(6, 2)),
    "any of three": channels.from_kraus(random_kraus(7, 3)),
}
"""What needs amplitudes."""

CHANNELS: Final = MIXTURES | OTHERS


# --- a sampled state, integrated over its draw -----------------------------------------------------------------------


def integrated(state: Callable[[float], Matrix], steps: Sequence[float] = ()) -> Matrix:
    """The integral over a draw in [0, 1) of a state that depends on it step by step; steps are found by bisection.

    A step that lies between two equal states is found if it is wider than 1/32, or if `steps` name its ends. Whatever
    were missed would make the sum wrong.
    """

    def edges(low: float, high: float) -> Iterator[float]:
        first, last = state(low), state(high)
        while not _same(first, last):
            inside, outside = low, high
            while outside - inside > 2e-15:
                middle = (inside + outside) / 2
                inside, outside = (middle, outside) if _same(state(middle), first) else (inside, middle)
            yield outside
            low, first = outside, state(outside)

    known = sorted({0.0, 1.0, *[step for step in steps if 0 < step < 1]})
    if not steps:
        known = [k / 32 for k in range(33)]
    found = set(known)
    for low, high in pairwise(known):
        if high - low > 1e-13:
            found.update(edges(low + 1e-14, high - 1e-14))
    at = sorted(found)
    pieces = [(high - low) * state((low + high) / 2) for low, high in pairwise(at)]
    return np.asarray(sum(pieces))


def _same(one: Matrix, other: Matrix) -> bool:
    return bool(np.abs(one - other).max() < 1e-9)


# --- a laboratory on paper -------------------------------------------------------------------------------------------


def send_through(dense: DenseRegister, kraus: Sequence[Matrix], qubits: Sequence[QubitId]) -> None:
    """rho -> sum K rho K'."""
    places = [dense.names.index(qubit) for qubit in qubits]
    whole = [embedded(operator, places, len(dense.names)) for operator in kraus]
    dense.rho = np.asarray(sum(one @ dense.rho @ one.conj().T for one in whole))


def pauli_kraus(probabilities: Sequence[float], n_qubits: int) -> list[Matrix]:
    """Of all strings but the identity, in the order of their digits."""
    strings = [""]
    for _ in range(n_qubits):
        strings = [before + letter for before in strings for letter in "IXYZ"]
    whole = (1 - sum(probabilities), *probabilities)
    return [sqrt(p) * pauli_matrix(string) for p, string in zip(whole, strings, strict=True)]


class Paper:
    """Qubits in slots, each with its own time, every operator written out (PHYSICS, sections 2 and 3).

    `step_ns`: how finely decay is applied.
    """

    def __init__(self, hardware: Hardware, step_ns: int = 1_000_000_000) -> None:
        self.hardware = hardware
        self.dense = DenseRegister()
        self.at_ns: dict[QubitId, int] = {}
        self.slots: dict[QubitId, Slots] = {}
        self._step_ns = step_ns

    def put(self, qubit: QubitId, slots: Slots, at_ns: int) -> None:
        self.at_ns[qubit], self.slots[qubit] = at_ns, slots

    def create(self, qubit: QubitId, slots: Slots, at_ns: int) -> None:
        self.dense.create(qubit)
        self.put(qubit, slots, at_ns)
        self._finish(self.hardware.initialise, (qubit,), at_ns)

    def age(self, qubit: QubitId, to_ns: int) -> None:
        slots = self.slots[qubit]
        while self.at_ns[qubit] < to_ns:
            t = min(self._step_ns, to_ns - self.at_ns[qubit])
            self.at_ns[qubit] += t
            send_through(self.dense, decay_kraus(t, slots.t1_ns, slots.t2_ns), (qubit,))

    def apply(self, gate: str, qubits: Sequence[QubitId], params: Sequence[float], start_ns: int) -> None:
        for qubit in qubits:
            self.age(qubit, start_ns)
        self.dense.apply(gate, qubits, params)
        self._finish(self.hardware.single if len(qubits) == 1 else self.hardware.two, qubits, start_ns)

    def measured(self, qubit: QubitId, basis: str, start_ns: int) -> tuple[float, float]:
        """Probabilities of what is read, and the qubit is left as if nobody had read it: in the eigenstates mixed."""
        self.age(qubit, start_ns)
        for timing in (*((self.hardware.single,) if basis != "z" else ()), self.hardware.measure):
            self.err(timing.error, (qubit,))
        zero, one = (self.dense.probability(qubit, bit, basis) for bit in (0, 1))
        projectors = [self.dense.projector(qubit, bit, basis) for bit in (0, 1)]
        self.dense.rho = np.asarray(sum(p @ self.dense.rho @ p for p in projectors))
        self.age(qubit, start_ns + self.hardware.measure.duration_ns)
        p01, p10 = self.hardware.p01, self.hardware.p10
        return zero * (1 - p10) + one * p01, one * (1 - p01) + zero * p10

    def reset(self, qubit: QubitId, start_ns: int) -> None:
        send_through(self.dense, damping(1.0), (qubit,))
        self.at_ns[qubit] = start_ns
        self._finish(self.hardware.initialise, (qubit,), start_ns)

    def move(self, qubit: QubitId, slots: Slots, start_ns: int) -> None:
        self.age(qubit, start_ns)
        self.slots[qubit] = slots
        self._finish(self.hardware.move, (qubit,), start_ns)

    def _finish(self, timing: Timing, qubits: Sequence[QubitId], start_ns: int) -> None:
        for qubit in qubits:
            self.age(qubit, start_ns + timing.duration_ns)
        self.err(timing.error, qubits)

    def err(self, error: ErrorModel, qubits: Sequence[QubitId]) -> None:
        n_qubits = len(qubits)
        if error.depolarise:
            strings = 4**n_qubits - 1
            send_through(self.dense, pauli_kraus([error.depolarise / strings] * strings, n_qubits), qubits)
        if error.paulis and len(error.paulis) == 4**n_qubits - 1:
            send_through(self.dense, pauli_kraus(error.paulis, n_qubits), qubits)
        elif error.paulis:
            for qubit in qubits:
                send_through(self.dense, pauli_kraus(error.paulis, 1), (qubit,))
        kraus = [np.frombuffer(one, np.complex128) for one in error.kraus]
        if kraus and len(kraus[0]) == 4**n_qubits:
            send_through(self.dense, [one.reshape(2**n_qubits, -1) for one in kraus], qubits)
        elif kraus:
            for qubit in qubits:
                send_through(self.dense, [one.reshape(2, 2) for one in kraus], (qubit,))
