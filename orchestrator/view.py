"""The states of a network at one instant, as nobody inside it can see them: for tests, and for people who look.

A view works on copies and draws nothing from the run's randomness, so a watched run is the same as an unwatched one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from qnode.errors import InvalidOperation
from qnode.ids import NodeName, QubitId
from qnode.quantum.fidelity import NAMED_STATES, fidelity, named_state
from qnode.quantum.hardware import IDEAL
from qnode.quantum.noisy import Laboratory, NoisyRegister, SeenAt
from qnode.quantum.register import MIXED, ComponentState, Register
from qnode.wire.messages import Seen

Matrix = npt.NDArray[np.complex128]

_ANY_SIZE: Final = 64  # what a run could hold can be looked at
_ROUNDING: Final = 1e-9
_MOST_AT_ONCE: Final = 10  # qubits whose joint density matrix is looked at


class Mark(NamedTuple):
    """What could be seen where a program said `node.mark(label, qubit)`."""

    label: str
    node: NodeName
    qubit: QubitId
    state: Matrix
    entangled_with: frozenset[QubitId]


class Marks:
    """An observer that keeps all marks, in the order in which they were made."""

    def __init__(self) -> None:
        self.seen: list[Mark] = []

    def at_mark(self, label: str, node: NodeName, qubit: QubitId, states: SeenAt) -> None:
        """Look at a marked qubit. The states are read and not changed."""
        state = states.reduced_state((qubit,))
        self.seen.append(Mark(label, node, qubit, state, entangled_in(qubit, states.register)))

    def swapped(self, one: QubitId, other: QubitId) -> None:
        """A mark keeps the state of its qubit, whoever is its partner."""

    def owes(self, half: QubitId, frame: int) -> None:
        """Nor does it matter who owes a correction."""

    def corrected(self, half: QubitId) -> None:
        """Or has made it."""

    def of(self, label: str, nth: int = 0) -> Mark:
        """The nth mark of a label. Raises InvalidOperation if there is none."""
        marks = [mark for mark in self.seen if mark.label == label]
        if not marks:
            known = ", ".join(dict.fromkeys(mark.label for mark in self.seen)) or "none"
            raise InvalidOperation(detail=f"no qubit was marked {label!r} that could be seen; marks: {known}")
        if not -len(marks) <= nth < len(marks):
            raise InvalidOperation(detail=f"{len(marks)} qubits were marked {label!r}; there is no number {nth}")
        return marks[nth]


class View:
    """The states of a network at an instant; everything that is due then has happened.

    A qubit is named by its id, as the event log has it, or by the node that holds it if that holds just one.

    Attributes:
        at_ns: Network time.

    Args:
        labs: What each node works with: its qubits have aged in that until now.
    """

    def __init__(self, at_ns: int, seen: Seen, labs: Mapping[NodeName, Laboratory]) -> None:
        self.at_ns = at_ns
        self._owners = seen.owners
        mixed = {component.formalism for component in seen.components}.intersection(MIXED)
        self._register = Register(next(iter(mixed), "auto"), _ANY_SIZE)  # a network keeps to one of them
        noisy = NoisyRegister(self._register, _no_coins)
        for component in seen.components:
            names = tuple(map(QubitId, component.qubits))
            state = ComponentState(names, component.formalism, component.data)
            noisy.adopt(Laboratory(IDEAL), state)
            for name, clock in zip(names, component.clocks, strict=False):
                lab = labs.get(NodeName(seen.owners[name]))
                if lab is not None:
                    noisy.continue_at(lab, name, clock)
        self._states = noisy.seen_at(at_ns, {QubitId(name): left for name, left in seen.left.items()})

    def qubits(self, node: str) -> tuple[QubitId, ...]:
        """The ids of the qubits that a node holds, sorted."""
        return tuple(sorted(qubit for qubit in self._register.qubits() if self._owners[qubit] == node))

    def node_of(self, qubit: str) -> NodeName:
        """Who holds a qubit."""
        return NodeName(self._owners[self._id(qubit)])

    def reduced_state(self, *qubits: str) -> Matrix:
        """The density matrix of one or more qubits, shape (2**n, 2**n), the first qubit leftmost."""
        names = [self._id(qubit) for qubit in qubits]
        if not names or len(set(names)) != len(names):
            raise InvalidOperation(detail=f"one or more different qubits have a state, not {names or 'none'}")
        return self._states.reduced_state(names)

    def fidelity(self, *qubits: str, to: str | npt.ArrayLike = "phi+") -> float:
        """Of one or more qubits to a named state (0 1 + - i -i phi+ phi- psi+ psi-), a ket or a density matrix."""
        return fidelity_to(self.reduced_state(*qubits), to)

    def entangled_with(self, qubit: str) -> frozenset[QubitId]:
        """The qubits that share an entangled state with this one; see `entangled_in`."""
        return entangled_in(self._id(qubit), self._register)

    def _id(self, qubit: str) -> QubitId:
        name = QubitId(qubit)
        if name in self._register:
            return name
        held = self.qubits(qubit)
        if len(held) == 1:
            return held[0]
        if held:
            raise InvalidOperation(detail=f"node {qubit} holds {len(held)} qubits; name one: {', '.join(held)}")
        there = ", ".join(sorted(self._register.qubits())) or "none"
        raise InvalidOperation(
            detail=f"at {self.at_ns} ns there is no qubit {qubit!r}, nor does a node of that name hold one;"
            f" the qubits: {there}"
        )


def _no_coins(name: str, nth: int) -> float:
    raise AssertionError(f"whoever looks draws nothing, not even {name} {nth}")


def fidelity_to(state: Matrix, to: str | npt.ArrayLike) -> float:
    """Of a density matrix to a named state, a ket or a density matrix.

    Raises:
        InvalidOperation: If there is no such name, or the sizes differ.
    """
    if isinstance(to, str):
        if to.lower() not in NAMED_STATES:
            raise InvalidOperation(detail=f"{to!r} names no state; these do: {' '.join(NAMED_STATES)}")
        target = named_state(to)
    else:
        target = np.asarray(to, np.complex128)
    if target.shape not in (state.shape, state.shape[:1]):
        raise InvalidOperation(
            detail=f"a state of shape {state.shape} has a fidelity to one of shape {state.shape} or {state.shape[:1]},"
            f" not {target.shape}"
        )
    return fidelity(state, target)


def entangled_in(qubit: QubitId, register: Register) -> frozenset[QubitId]:
    """The qubits of a register that share an entangled state with a qubit, none of which can be split off from it.

    Exact for pure states of the formalisms that sample noise. Of a mixed state it is what is correlated with the qubit:
    classical correlation counts too.
    """
    mixed = [one for one in register.members(qubit) if _purity(register, (one,)) < 1 - _ROUNDING]
    if qubit not in mixed:
        return frozenset()
    groups = _correlated(mixed, register)
    own = next(group for group in groups if qubit in group)
    if len(own) > 1 and _is_pure(own, register):
        return own - {qubit}
    # Correlated only in larger sets, as in a cluster state: everything that is not a factor by itself.
    factors = [group for group in groups if len(group) > 1 and _is_pure(group, register)]
    return frozenset(mixed).difference(*factors, {qubit})


def _correlated(qubits: list[QubitId], register: Register) -> list[frozenset[QubitId]]:
    """Groups that are connected by correlations of two qubits."""
    groups: list[set[QubitId]] = []
    for qubit in qubits:
        near = [group for group in groups if any(_are_correlated(qubit, other, register) for other in group)]
        groups = [group for group in groups if group not in near]
        groups.append({qubit}.union(*near))
    return [frozenset(group) for group in groups]


def _are_correlated(one: QubitId, other: QubitId, register: Register) -> bool:
    both = register.reduced_state((one, other))
    apart = np.kron(register.reduced_state((one,)), register.reduced_state((other,)))
    return float(np.abs(both - apart).max()) > _ROUNDING


def _is_pure(qubits: Iterable[QubitId], register: Register) -> bool:
    names = tuple(qubits)
    return len(names) <= _MOST_AT_ONCE and _purity(register, names) > 1 - _ROUNDING


def _purity(register: Register, qubits: tuple[QubitId, ...]) -> float:
    state = register.reduced_state(qubits)
    return float(np.vdot(state, state).real)
