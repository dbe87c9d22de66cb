"""What every formalism can do: the joint state of some qubits that may be entangled with each other.

A register asks; it has checked the names, the sizes and the draw before, so nothing here fails half-way. Adding a kind
of operation (a noise channel, say) means adding one method here and one answer per formalism.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, Final, NamedTuple, Self

from qnode.ids import QubitId
from qnode.quantum.channels import Channel
from qnode.quantum.gates import Matrix
from qnode.quantum.kernels import Targets
from qnode.quantum.operations import Operation

IMPOSSIBLE: Final = 1e-12
"""Outcomes less likely than this are never drawn: they are rounding errors of zero."""

NORM: Final = 1e-9
"""How far the norm (or trace) of a state that arrives from outside may be from 1."""


class ComponentState(NamedTuple):
    """A component on its way to another process: plain values only.

    Attributes:
        qubits: Names, in the order of the tensor factors of `data`.
        formalism: "stabilizer", "state_vector" or "density_matrix".
        data: The formalism's own bytes; the module of each formalism says what they are.
    """

    qubits: tuple[QubitId, ...]
    formalism: str
    data: bytes


def drawn(draw: float, p_one: float) -> int:
    """The outcome that a draw in [0, 1) selects: 0 if draw < P(0), else 1, but never an impossible one."""
    if p_one < IMPOSSIBLE:
        return 0
    p_zero = 1.0 - p_one
    if p_zero < IMPOSSIBLE:
        return 1
    return 0 if draw < p_zero else 1


class Component(ABC):
    """The joint state of the qubits in `places`.

    Attributes:
        places: For each qubit its index in this component, in ascending order or not; indices may have gaps.
        formalism: The name of the representation.
        clifford_only: Whether it can hold Clifford operations only.
    """

    __slots__ = ("places",)
    places: dict[QubitId, int]
    formalism: ClassVar[str]
    clifford_only: ClassVar[bool] = False

    @abstractmethod
    def apply(self, operation: Operation, targets: Targets) -> None:
        """Apply an operation to the qubits at these indices, in this order."""

    def unravel(self, channel: Channel, targets: Targets, draw: float) -> None:
        """Send qubits through a channel that is no mixture. Only formalisms that are not `clifford_only` can.

        A sampled one goes one of the ways of its Kraus operators, which the draw in [0, 1) selects; an exact one goes
        all of them.
        """
        raise NotImplementedError(self.formalism)

    @abstractmethod
    def take(self, qubit: QubitId, draw: float) -> tuple[int, Component]:
        """Measure a qubit in the Z basis and forget it.

        Returns:
            The outcome, and the component that holds the other qubits from now on (often this one).
        """

    def trace_out(self, qubit: QubitId, draw: float) -> Component:
        """Forget a qubit: a sampled formalism measures it and tells nobody, an exact one takes the partial trace."""
        return self.take(qubit, draw)[1]

    @abstractmethod
    def absorb(self, other: Component) -> Component:
        """Take in the qubits of another component of the same formalism (tensor product); it is dead afterwards.

        Returns:
            The component that holds the qubits of both.
        """

    @abstractmethod
    def factors(self) -> list[Component]:
        """Components with the same joint state, as small as this formalism can find; this one is left alone."""

    @abstractmethod
    def reduced(self, targets: Targets) -> Matrix:
        """The density matrix of some qubits in the given order, shape (2**m, 2**m). Observers and tests only."""

    @abstractmethod
    def expectation(self, paulis: Mapping[int, str]) -> float:
        """The mean of a product of Paulis ("x", "y" or "z" at each index). Observers and tests only."""

    @abstractmethod
    def copy(self) -> Self:
        """An independent component in the same state."""

    @abstractmethod
    def dump(self) -> bytes:
        """The state as bytes, factors in the order of `places`."""

    @abstractmethod
    def check(self) -> None:
        """Raise AssertionError if this is not a state of these qubits (norm, sizes)."""

    def state(self) -> ComponentState:
        """Everything that another process needs to go on with this component."""
        return ComponentState(tuple(self.places), self.formalism, self.dump())

    def close_gap(self, gap: int) -> None:
        """Move the indices above a removed one down."""
        places = self.places
        for qubit, index in places.items():
            if index > gap:
                places[qubit] = index - 1
