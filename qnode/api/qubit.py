"""Qubit: a program's handle on a qubit that its node holds."""

from __future__ import annotations

import sys
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from qnode.core.memory import HeldQubit
from qnode.errors import InvalidOperation
from qnode.ids import NodeName, PairId, QubitId
from qnode.quantum.bell import BellState, Pauli

if TYPE_CHECKING:
    import numpy.typing as npt

    from qnode.api.node import Node


class Qubit(HeldQubit):
    """A qubit in a memory slot of this node.

    Gates are issued, not awaited: they return at once and take their place on the qubit's timeline. Measuring,
    sending or discarding a qubit ends its handle. A qubit cannot be looked at or copied: nature cannot either.

    Attributes:
        pair: The id of the pair that it is a half of, the same at both ends; None if it is none.
        fidelity: Of a half: what the link's model expected of its pair when this end got it. It is computed from the
            link's and the memories' data, never from the state. None if it is no half of a pair.
        peer: Of a half: the node that the pair was asked for with; None if it is none.
        tag: Of a half: that of its request; a program may put another in its place, and ask `node.pairs` for it.
    """

    __slots__ = ("arrived_ns", "fidelity", "node", "peer", "tag")

    def __init__(
        self, node: Node, qubit: QubitId, pair: PairId | None, *, local: bool, busy_ns: int, kind: int, now_ns: int
    ) -> None:
        super().__init__(qubit, node.name, node.program, pair, local=local, busy_ns=busy_ns, kind=kind)
        self.node = node
        self.fidelity: float | None = None
        self.peer: NodeName | None = None
        self.tag = ""
        self.arrived_ns = now_ns

    def __repr__(self) -> str:
        return f"<Qubit {self.id}{' ' + self.fate if self.fate else ''}>"

    # ------------------------------------------------------------ gates of one qubit

    def x(self) -> None:
        """Pauli X, the bit flip."""
        self.node._apply("x", (self,))

    def y(self) -> None:
        """Pauli Y."""
        self.node._apply("y", (self,))

    def z(self) -> None:
        """Pauli Z, the phase flip."""
        self.node._apply("z", (self,))

    def h(self) -> None:
        """Hadamard."""
        self.node._apply("h", (self,))

    def s(self) -> None:
        """Phase gate, diag(1, i)."""
        self.node._apply("s", (self,))

    def sdg(self) -> None:
        """Inverse of the phase gate."""
        self.node._apply("sdg", (self,))

    def t(self) -> None:
        """diag(1, exp(i pi/4))."""
        self.node._apply("t", (self,))

    def tdg(self) -> None:
        """Inverse of t."""
        self.node._apply("tdg", (self,))

    def sx(self) -> None:
        """Square root of X."""
        self.node._apply("sx", (self,))

    def rx(self, angle: float) -> None:
        """Rotation about X by an angle in radians."""
        self.node._apply("rx", (self,), (angle,))

    def ry(self, angle: float) -> None:
        """Rotation about Y by an angle in radians."""
        self.node._apply("ry", (self,), (angle,))

    def rz(self, angle: float) -> None:
        """Rotation about Z by an angle in radians."""
        self.node._apply("rz", (self,), (angle,))

    def u(self, theta: float, phi: float, lam: float) -> None:
        """The general rotation U(theta, phi, lambda) of OpenQASM 3, in radians."""
        self.node._apply("u", (self,), (theta, phi, lam))

    # ------------------------------------------------------------ gates of several

    def cnot(self, target: Qubit) -> None:
        """Controlled X; this qubit is the control."""
        self.node._apply("cnot", (self, target))

    def cz(self, other: Qubit) -> None:
        """Controlled Z; symmetric."""
        self.node._apply("cz", (self, other))

    def swap(self, other: Qubit) -> None:
        """Exchange the states of two qubits."""
        self.node._apply("swap", (self, other))

    def apply(self, unitary: npt.ArrayLike, *others: Qubit) -> None:
        """Any unitary of shape (2**n, 2**n) on this qubit and others, this one leftmost."""
        self.node._apply_unitary(unitary, (self, *others))

    def correct(self, bell_state: BellState | tuple[int, int]) -> None:
        """Undo a Bell state on this half: X if its x is 1, then Z if its z is 1. What was that state is Phi+ then."""
        z, x = bell_state
        if x:
            self.node._apply("x", (self,))
        if z:
            self.node._apply("z", (self,))

    # ------------------------------------------------------------ slots

    def move(self, slot: str = "memory") -> None:
        """Bring it into a free slot of another kind, "memory" or "communication"; the handle stays the same.

        It takes what the node's `move` operation takes; then the old slot is free. Raises OutOfMemory if there is no
        free slot of that kind; nothing happens if it sits in one already.
        """
        self.node._move(self, slot, sys._getframe(1))

    # ------------------------------------------------------------ the end of a qubit

    def measure(self, basis: Pauli | str = Pauli.Z, *, keep: bool = False) -> Coroutine[Any, Any, int]:
        """Measure and await the outcome, 0 or 1. The slot is free afterwards, unless `keep`."""
        frame = sys._getframe(1)
        node = self.node
        return node._measure_one(self, *node._issue_measure((self,), basis, keep, (frame.f_code, frame.f_lineno)))

    def reset(self) -> None:
        """Return it to |0>."""
        self.node._reset(self)

    def discard(self) -> None:
        """Give the qubit up: it is traced out and its slot is free."""
        self.node._discard(self, sys._getframe(1))

    # ------------------------------------------------------------ no copies

    def __copy__(self) -> Qubit:
        raise InvalidOperation(detail=f"qubit {self.id} cannot be copied: no state can be cloned")

    def __deepcopy__(self, memo: dict[int, object]) -> Qubit:
        return self.__copy__()
