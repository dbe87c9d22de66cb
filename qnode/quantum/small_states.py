"""The stabilizer states of up to four qubits, each made once, each remembering its neighbours.

There are only 6, 60, 1080 and 36720 of them, and a network meets the same few all day: Bell pairs, what is left of
them after one measurement. So a gate is a step in a graph: computed by Stim the first time, looked up ever after.
The count of stabilizer states: Aaronson & Gottesman 2004, section VI.
"""

from __future__ import annotations

from typing import Final, NamedTuple
from weakref import WeakSet

import stim

from qnode.quantum.bell import BELL_STATES, BellState
from qnode.quantum.circuits import BELL_PREPARATION
from qnode.quantum.clifford import Clifford, state_vector
from qnode.quantum.gates import GATES, Matrix
from qnode.quantum.generators import Generators, of_qubits, pack
from qnode.quantum.kernels import Targets
from qnode.quantum.operations import FIXED

MAX_QUBITS: Final = 4
KEPT: Final = 4096
"""After so many states the graph is forgotten and grows again: memory stays below some tens of megabytes."""


class Halves(NamedTuple):
    """What a Z measurement of one qubit can do: P(1), and the state of the others after a 0 and after a 1."""

    p_one: float
    after_zero: SmallState | None
    after_one: SmallState | None


class SmallState:
    """One stabilizer state up to global phase; immutable but for what it remembers.

    Attributes:
        generators: Its canonical generators.
        data: The same as bytes.
        inverse: The inverse of a tableau that makes it of |0...0>, as Stim's simulator wants it.
    """

    __slots__ = (
        "__weakref__", "_after", "_halves", "_products", "_vector", "data", "generators", "inverse", "n_qubits",
        "tableau",
    )  # fmt: skip
    _known: Final[dict[tuple[int, bytes], SmallState]] = {}
    _alive: Final[WeakSet[SmallState]] = WeakSet()

    def __init__(self, generators: Generators, data: bytes) -> None:
        self.generators = generators
        self.data = data
        self.n_qubits = len(generators)
        self.tableau = stim.Tableau.from_stabilizers(generators)
        self.inverse = self.tableau.inverse()
        self._after: dict[tuple[Clifford, Targets], SmallState] = {}
        self._halves: dict[int, Halves] = {}
        self._products: dict[SmallState, SmallState] = {}
        self._vector: Matrix | None = None
        SmallState._alive.add(self)

    @classmethod
    def of(cls, generators: Generators) -> SmallState:
        """The one object for the state that these canonical generators fix."""
        key = len(generators), pack(generators)
        found = cls._known.get(key)
        if found is None:
            if len(cls._known) >= KEPT:
                cls._forget()
            found = cls._known[key] = cls(generators, key[1])
        return found

    @classmethod
    def named(cls, n_qubits: int, data: bytes) -> SmallState | None:
        """The state with these bytes, if it was met before."""
        return cls._known.get((n_qubits, data))

    @classmethod
    def _forget(cls) -> None:
        for state in list(cls._alive):  # also those in use, which are no longer known but would keep their neighbours
            state._after.clear()
            state._halves.clear()
            state._products.clear()
        cls._known.clear()

    def after(self, clifford: Clifford, targets: Targets) -> SmallState:
        """The state after a Clifford operation on the qubits at these indices."""
        found = self._after.get((clifford, targets))
        if found is None:
            simulator = self.simulator()
            simulator.do_tableau(clifford.tableau, targets)
            found = SmallState.of(simulator.canonical_stabilizers())
            if clifford.n_qubits <= 2:  # a larger one is no object that would be met again
                self._after[clifford, targets] = found
        return found

    def halves(self, target: int) -> Halves:
        """What measuring a qubit in the Z basis can do; `after_...` is None if impossible, or if no qubit is left."""
        found = self._halves.get(target)
        if found is None:
            eigenvalue = self.simulator().peek_z(target)
            rests = [self._projected(target, bit) if eigenvalue != 2 * bit - 1 else None for bit in (0, 1)]
            found = self._halves[target] = Halves((1 - eigenvalue) / 2, *rests)
        return found

    def _projected(self, target: int, outcome: int) -> SmallState | None:
        others = [index for index in range(self.n_qubits) if index != target]
        if not others:
            return None
        simulator = self.simulator()
        simulator.postselect_z(target, desired_value=bool(outcome))
        return SmallState.of(of_qubits(simulator, others))

    def times(self, other: SmallState) -> SmallState:
        """The joint state of these qubits followed by the other's."""
        found = self._products.get(other)
        if found is None:
            simulator = stim.TableauSimulator()
            simulator.set_inverse_tableau(self.inverse + other.inverse)
            found = self._products[other] = SmallState.of(simulator.canonical_stabilizers())
        return found

    def simulator(self) -> stim.TableauSimulator:
        """A new simulator in this state."""
        simulator = stim.TableauSimulator()
        simulator.set_inverse_tableau(self.inverse)
        return simulator

    def vector(self) -> Matrix:
        """The state vector, shape (2**n,), read-only; its global phase is arbitrary but always the same."""
        if self._vector is None:
            self._vector = state_vector(self.tableau)
            self._vector.setflags(write=False)
        return self._vector


def _prepared(n_qubits: int, *steps: tuple[str, Targets]) -> SmallState:
    simulator = stim.TableauSimulator()
    simulator.set_num_qubits(n_qubits)
    for gate, targets in steps:
        operation = FIXED[gate]
        assert operation.clifford is not None
        simulator.do_tableau(operation.clifford.tableau, targets)
    return SmallState.of(simulator.canonical_stabilizers())


_FROM_Z: Final = {"z": (), "x": ("h",), "y": ("h", "s")}

EIGENSTATES: Final = {
    (basis, outcome): _prepared(1, *[(gate, (0,)) for gate in (*("x",) * outcome, *turn)])
    for basis, turn in _FROM_Z.items()
    for outcome in (0, 1)
}
"""By Pauli and outcome, e.g. ("x", 1) is |->."""

ZERO: Final = EIGENSTATES["z", 0]

PAIRS: Final[dict[BellState, SmallState]] = {
    bell: _prepared(2, *BELL_PREPARATION, *[(GATES[gate].inverse, (0,)) for gate in reversed(bell.correction)])
    for bell in BELL_STATES
}
"""The four Bell states."""
