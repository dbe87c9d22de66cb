"""Formalism `stabilizer`: Clifford operations only, exact and cheap, a thousand entangled qubits if need be.

Up to four qubits a state is a node of the graph in `small_states`; above that it is one of Stim's simulators. Stim
never draws: a random outcome shows as `peek_z` 0, our own draw decides, `postselect_z` projects.

Its bytes: the canonical generators, as `generators.pack` writes them.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar, Final, Self

import stim

from qnode.ids import QubitId
from qnode.quantum import generators
from qnode.quantum.clifford import state_vector
from qnode.quantum.component import Component, drawn
from qnode.quantum.gates import Matrix
from qnode.quantum.generators import Generators
from qnode.quantum.kernels import Targets
from qnode.quantum.operations import Operation
from qnode.quantum.small_states import MAX_QUBITS, SmallState

FEW: Final = 2
"""A simulator that holds so few qubits is given up for a small state (not at 4: a growing one would flutter)."""

APPENDED: Final = 16
"""A component this small is prepared in free columns of a larger simulator; two larger ones are joined as tableaus."""


class Stabilizer(Component):
    """What both representations share. Both can say their canonical generators; all slow questions use them."""

    __slots__ = ()
    formalism: ClassVar[str] = "stabilizer"
    clifford_only: ClassVar[bool] = True

    def generators(self, columns: Sequence[int]) -> Generators:
        """Canonical generators of the stabilizers that act on these columns only, in their order."""
        return generators.of_qubits(self.simulator_copy(), columns)

    @abstractmethod
    def simulator_copy(self) -> stim.TableauSimulator:
        """A simulator in this state that the caller may change."""

    def vector(self) -> Matrix:
        """The state vector in the order of `places`, shape (2**n,); its global phase is arbitrary."""
        return state_vector(stim.Tableau.from_stabilizers(self.generators(tuple(self.places.values()))))

    def factors(self) -> list[Component]:
        """The finest split there is, Bell pairs and larger entangled groups included."""
        names = tuple(self.places)
        rows = self.generators(tuple(self.places.values()))
        return [
            from_generators([names[site] for site in block], generators.within(rows, block))
            for block in generators.blocks(rows)
        ]

    def reduced(self, targets: Targets) -> Matrix:
        return generators.density(self.generators(targets), len(targets))

    def expectation(self, paulis: Mapping[int, str]) -> float:
        simulator = self.simulator_copy()
        observable = stim.PauliString(simulator.num_qubits)
        for index, letter in paulis.items():
            observable[index] = letter.upper()
        return float(simulator.peek_observable_expectation(observable))


class SmallStabilizer(Stabilizer):
    """Up to four qubits: the state is a node of the graph."""

    __slots__ = ("node",)

    def __init__(self, places: dict[QubitId, int], node: SmallState) -> None:
        self.places = places
        self.node = node

    def apply(self, operation: Operation, targets: Targets) -> None:
        assert operation.clifford is not None
        self.node = self.node.after(operation.clifford, targets)

    def take(self, qubit: QubitId, draw: float) -> tuple[int, Component]:
        places = self.places
        target = places.pop(qubit)
        p_one, after_zero, after_one = self.node.halves(target)
        outcome = drawn(draw, p_one)
        rest = after_one if outcome else after_zero
        if rest is not None:
            self.node = rest
            if target < rest.n_qubits:
                self.close_gap(target)
        return outcome, self

    def absorb(self, other: Component) -> Component:
        size = len(self.places)
        if not isinstance(other, SmallStabilizer):
            return other.absorb(self)
        if size + len(other.places) > MAX_QUBITS:
            return LargeStabilizer(dict(self.places), self.node.simulator()).absorb(other)
        self.node = self.node.times(other.node)
        for qubit, index in other.places.items():
            self.places[qubit] = size + index
        return self

    def simulator_copy(self) -> stim.TableauSimulator:
        return self.node.simulator()

    def vector(self) -> Matrix:
        return self.node.vector()

    def copy(self) -> Self:
        return type(self)(dict(self.places), self.node)

    def dump(self) -> bytes:
        return self.node.data

    def check(self) -> None:
        n_qubits = len(self.places)
        assert list(self.places.values()) == list(range(n_qubits))
        assert 1 <= n_qubits <= MAX_QUBITS
        assert self.node.n_qubits == n_qubits


class LargeStabilizer(Stabilizer):
    """More than a few qubits: one simulator, in which measured qubits leave free columns in |0> to be used again."""

    __slots__ = ("free", "simulator")

    def __init__(self, places: dict[QubitId, int], simulator: stim.TableauSimulator) -> None:
        self.places = places
        self.simulator = simulator
        used = set(places.values())
        self.free = [column for column in range(simulator.num_qubits) if column not in used]

    def apply(self, operation: Operation, targets: Targets) -> None:
        if operation.stim is not None:
            getattr(self.simulator, operation.stim)(*targets)
        else:
            assert operation.clifford is not None
            self.simulator.do_tableau(operation.clifford.tableau, targets)

    def take(self, qubit: QubitId, draw: float) -> tuple[int, Component]:
        simulator, column = self.simulator, self.places.pop(qubit)
        eigenvalue = simulator.peek_z(column)
        outcome = drawn(draw, (1 - eigenvalue) / 2)
        if eigenvalue == 0:
            simulator.postselect_z(column, desired_value=bool(outcome))
        if outcome:
            simulator.x(column)
        self.free.append(column)
        if len(self.places) > FEW:
            return outcome, self
        rows = generators.of_qubits(simulator, tuple(self.places.values()))
        return outcome, from_generators(tuple(self.places), rows)

    def absorb(self, other: Component) -> Component:
        assert isinstance(other, Stabilizer)
        if isinstance(other, LargeStabilizer) and len(other.places) > APPENDED:
            return self._joined(other)
        names, columns = tuple(other.places), self._allocate(len(other.places))
        if isinstance(other, SmallStabilizer):
            tableau = other.node.tableau
        else:
            tableau = stim.Tableau.from_stabilizers(other.generators(tuple(other.places.values())))
        self.simulator.do_tableau(tableau, columns)
        self.places.update(zip(names, columns, strict=True))
        return self

    def _joined(self, other: LargeStabilizer) -> LargeStabilizer:
        """The direct sum of both tableaus."""
        offset = self.simulator.num_qubits
        mine, theirs = self.simulator.current_inverse_tableau(), other.simulator.current_inverse_tableau()
        self.simulator.set_inverse_tableau(mine + theirs)
        self.places.update((qubit, column + offset) for qubit, column in other.places.items())
        self.free.extend(column + offset for column in other.free)
        return self

    def _allocate(self, count: int) -> list[int]:
        """Take free columns, and double the simulator if there are too few: growing copies all of it."""
        if len(self.free) < count:
            size = self.simulator.num_qubits
            grown = max(2 * size, size + count)
            self.simulator.set_num_qubits(grown)
            self.free.extend(range(grown - 1, size - 1, -1))
        return [self.free.pop() for _ in range(count)]

    def simulator_copy(self) -> stim.TableauSimulator:
        return self.simulator.copy()

    def copy(self) -> Self:
        return type(self)(dict(self.places), self.simulator.copy())

    def dump(self) -> bytes:
        return generators.pack(self.generators(tuple(self.places.values())))

    def check(self) -> None:
        columns = list(self.places.values())
        assert len(columns) > FEW
        assert sorted(columns + self.free) == list(range(self.simulator.num_qubits))
        assert all(self.simulator.peek_z(column) == 1 for column in self.free)


def from_generators(names: Sequence[QubitId], rows: Generators) -> Stabilizer:
    """The component of qubits in the state that canonical generators fix."""
    places = {name: index for index, name in enumerate(names)}
    if len(rows) <= MAX_QUBITS:
        return SmallStabilizer(places, SmallState.of(rows))
    simulator = stim.TableauSimulator()
    simulator.set_inverse_tableau(stim.Tableau.from_stabilizers(rows).inverse())
    return LargeStabilizer(places, simulator)


def load(qubits: Sequence[QubitId], data: bytes) -> Stabilizer:
    """The component that `dump` described.

    Raises:
        MalformedMessage: If the bytes are no stabilizer state of so many qubits.
    """
    known = SmallState.named(len(qubits), data)
    if known is not None:
        return SmallStabilizer({name: index for index, name in enumerate(qubits)}, known)
    return from_generators(qubits, generators.unpack(data, len(qubits)))
