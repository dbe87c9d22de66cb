"""The joint states of named qubits in one process: what a node and the oracle compute with.

Each qubit is in exactly one component. An operation on qubits of several components joins them first; a measurement
takes its qubit out. Every method either does all of it or raises and changes nothing. With formalism "auto" a
component is `stabilizer` until an operation needs amplitudes; then it alone becomes a `state_vector`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np

from qnode.errors import (
    ComponentTooLarge,
    ConfigError,
    InvalidOperation,
    MalformedMessage,
    NotClifford,
    NotPauli,
    NotStabilizer,
    UnknownQubit,
)
from qnode.ids import QubitId
from qnode.quantum import density_matrix, stabilizer, state_vector, syndromes
from qnode.quantum.bell import PHI_PLUS, BellState, Pauli
from qnode.quantum.channels import Channel, relaxation
from qnode.quantum.component import IMPOSSIBLE, Component, ComponentState
from qnode.quantum.density_matrix import DensityMatrix
from qnode.quantum.gates import Matrix
from qnode.quantum.operations import FIXED, ROTATE_TO_Z, Operation, from_matrix, resolve
from qnode.quantum.pair_states import PairState
from qnode.quantum.small_states import EIGENSTATES, PAIRS, ZERO, SmallState
from qnode.quantum.stabilizer import SmallStabilizer, Stabilizer
from qnode.quantum.state_vector import StateVector

__all__ = ["FORMALISMS", "ComponentState", "Register"]


def _vector_born(places: dict[QubitId, int], state: SmallState) -> Component:
    return StateVector(places, state.vector())


def _matrix_born(places: dict[QubitId, int], state: SmallState) -> Component:
    return DensityMatrix(places, np.outer(state.vector(), state.vector().conj()))


MIXED: Final = ("density_matrix", "bell_diagonal")
"""What holds mixed states: on request only, never by "auto"."""

_BORN: Final[Mapping[str, Callable[[dict[QubitId, int], SmallState], Component]]] = {
    "auto": SmallStabilizer,
    "stabilizer": SmallStabilizer,
    "state_vector": _vector_born,
    "density_matrix": _matrix_born,
    "bell_diagonal": syndromes.born,
}
_LOAD: Final[Mapping[str, Callable[[Sequence[QubitId], bytes], Component]]] = {
    "stabilizer": stabilizer.load,
    "state_vector": state_vector.load,
    "density_matrix": density_matrix.load,
    "bell_diagonal": syndromes.load,
}
_LIMIT: Final = {"density_matrix": density_matrix.MAX_QUBITS, "bell_diagonal": syndromes.MAX_QUBITS}

CLIFFORD_ONLY: Final = ("stabilizer", "bell_diagonal")
"""What refuses gates that are not Clifford, instead of becoming something else."""

FORMALISMS: Final = tuple(_BORN)
"""What a register can be told to keep its states in."""


class Register:
    """Joint states of named qubits.

    Args:
        formalism: One of `FORMALISMS`; every one but "auto" is kept to.
        max_state_vector_qubits: The largest component that may become, or stay, a state vector.
    """

    def __init__(self, formalism: str = "auto", max_state_vector_qubits: int = 24) -> None:
        if formalism not in FORMALISMS:
            raise ConfigError(place="formalism", detail=f"{formalism!r} is not one of: {', '.join(FORMALISMS)}")
        if max_state_vector_qubits < 2:
            raise ConfigError(
                place="max_state_vector_qubits", detail=f"a Bell pair needs 2, not {max_state_vector_qubits}"
            )
        self.formalism: Final = formalism
        self.max_state_vector_qubits: Final = max_state_vector_qubits
        self._auto = formalism == "auto"
        self._born = _BORN[formalism]
        self._home: dict[QubitId, Component] = {}

    # --- birth ------------------------------------------------------------------------------------------------------

    def create(self, qubit: QubitId) -> None:
        """A new qubit in |0>."""
        if qubit in self._home:
            raise _taken(qubit)
        self._home[qubit] = self._born({qubit: 0}, ZERO)

    def create_pair(self, first: QubitId, second: QubitId, bell: BellState = PHI_PLUS) -> None:
        """Two new qubits in a Bell state (`first` is its qubit 0)."""
        self._check_new(first, second)
        self._home[first] = self._home[second] = self._born({first: 0, second: 1}, PAIRS[bell])

    def create_mixed_pair(self, first: QubitId, second: QubitId, state: PairState, draw: float) -> None:
        """Two new qubits in any state; where states are sampled, in the piece of it that a draw in [0, 1) selects.

        Raises as `check_holds`.
        """
        self._check_new(first, second)
        self.check_holds(state, first, second)
        places = {first: 0, second: 1}
        if self.formalism == "density_matrix":
            born: Component = DensityMatrix(places, state.rho)
        elif self.formalism == "bell_diagonal":
            assert state.bell_diagonal is not None
            born = syndromes.born_pair(places, state.bell_diagonal)
        else:
            piece = state.drawn(draw)
            if piece.stabilizer is not None:
                born = self._born(places, piece.stabilizer)
            else:
                born = StateVector(places, piece.amplitudes)
        self._home[first] = self._home[second] = born

    def check_holds(self, state: PairState, first: str, second: str) -> None:
        """Whether pairs of two names can be in a state, whichever of its pieces is drawn.

        Raises:
            NotStabilizer: If the formalism is "stabilizer" and a piece is none of its states.
            NotPauli: If the formalism is "bell_diagonal" and the state is no mixture of Bell states.
        """
        if self.formalism == "stabilizer" and any(piece.stabilizer is None for piece in state.pieces):
            raise NotStabilizer(what="their source", qubits=f"{first}, {second}")
        if self.formalism == "bell_diagonal" and state.bell_diagonal is None:
            raise NotPauli(what="their source", qubits=f"{first}, {second}")

    def _check_new(self, first: QubitId, second: QubitId) -> None:
        if first in self._home or first == second:
            raise _taken(first)
        if second in self._home:
            raise _taken(second)

    # --- operations -------------------------------------------------------------------------------------------------

    def apply(self, gate: str, qubits: Sequence[QubitId], params: Sequence[float] = ()) -> None:
        """Apply a gate of `GATES`.

        Raises:
            InvalidOperation: If there is no such gate, or it takes other qubits or parameters.
            UnknownQubit: If one of the qubits is not here.
            NotClifford: If the formalism is one of `CLIFFORD_ONLY` and the gate is not Clifford at these parameters.
            ComponentTooLarge: If the qubits it joins do not fit into one component.
        """
        self._apply(_operation(gate, params), qubits)

    def check_gate(self, gate: str, qubits: Sequence[QubitId], params: Sequence[float] = ()) -> None:
        """Whether `apply` would do this, but for the size of what it joins. Raises as it does."""
        self._check_operands(_operation(gate, params), qubits)

    def check_unitary(self, matrix: Matrix, qubits: Sequence[QubitId]) -> None:
        """The same for `apply_unitary`."""
        self._check_operands(from_matrix(matrix), qubits)

    def apply_unitary(self, matrix: Matrix, qubits: Sequence[QubitId]) -> None:
        """Apply any unitary, shape (2**m, 2**m), m = len(qubits), first qubit leftmost. Raises as `apply` does."""
        self._apply(from_matrix(matrix), qubits)

    def suffer(self, channel: Channel, qubits: Sequence[QubitId], draw: float) -> None:
        """Send qubits through a noise channel; where states are sampled, one of its ways, selected by a draw in [0, 1).

        Raises as `apply` does: a channel that is no mixture of Clifford operations is itself not Clifford.
        """
        if channel.ways is None or self.formalism in MIXED:
            component = self._together(channel, qubits)
            component.unravel(channel, tuple([component.places[qubit] for qubit in qubits]), draw)
            return
        chosen = channel.ways[0]
        for way in channel.ways:
            if way.probability >= IMPOSSIBLE:
                chosen = way
                if draw < way.probability:
                    break
            draw -= way.probability
        if chosen.reset:
            self.reset(qubits[0], _rescaled(draw, chosen.probability))
        for operation, places in chosen.steps:
            self._apply(operation, [qubits[place] for place in places])

    def relax(self, qubit: QubitId, e1: float, e2: float, draw: float) -> None:
        """What `suffer(relaxation(e1, e2), ...)` does, for the many times at which nothing happens."""
        if abs(e2) > e1 or self.formalism in MIXED:
            self.suffer(relaxation(e1, e2), (qubit,), draw)
        elif draw >= (e1 + e2) / 2:
            if draw < e1:
                self._apply(FIXED["z"], (qubit,))
            elif 1.0 - e1 >= IMPOSSIBLE:
                self.reset(qubit, _rescaled(draw - e1, 1.0 - e1))

    def measure(self, qubit: QubitId, draw: float, basis: str = "z", keep: bool = False) -> int:
        """Measure a qubit.

        Args:
            draw: Uniform in [0, 1); the outcome is 0 if draw < P(0), else 1, but never one with P < 1e-12.
            basis: "x", "y" or "z"; outcome 0 is the eigenvalue +1.
            keep: Leave the qubit here, alone, in the eigenstate that was found; otherwise it is gone.
        """
        component = self._at(qubit, "measure")
        if not 0.0 <= draw < 1.0:
            raise InvalidOperation(detail=f"a draw is in [0, 1), not {draw}")
        if basis != "z":
            if basis not in ROTATE_TO_Z:
                raise InvalidOperation(detail=f"{basis!r} is no basis; use 'x', 'y' or 'z'")
            for turn in ROTATE_TO_Z[basis]:
                component.apply(turn, (component.places[qubit],))
        outcome, rest = component.take(qubit, draw)
        del self._home[qubit]
        if rest is not component:
            self._settle(rest)
        if keep:
            self._home[qubit] = self._born({qubit: 0}, EIGENSTATES[basis, outcome])
        return outcome

    def discard(self, qubit: QubitId, draw: float) -> None:
        """Lose a qubit: where states are sampled, somebody measures it and tells nobody."""
        component = self._at(qubit, "discard")
        if not 0.0 <= draw < 1.0:
            raise InvalidOperation(detail=f"a draw is in [0, 1), not {draw}")
        rest = component.trace_out(qubit, draw)
        del self._home[qubit]
        if rest is not component:
            self._settle(rest)

    def reset(self, qubit: QubitId, draw: float) -> None:
        """Lose a qubit and put |0> in its place."""
        self.discard(qubit, draw)
        self.create(qubit)

    # --- moving -----------------------------------------------------------------------------------------------------

    def export(self, qubit: QubitId) -> ComponentState:
        """Take the whole component of a qubit out of this register."""
        state = self.snapshot(qubit)
        for member in state.qubits:
            del self._home[member]
        return state

    def snapshot(self, qubit: QubitId) -> ComponentState:
        """A copy of the component of a qubit; for observers, who evolve it elsewhere."""
        return self._at(qubit, "snapshot").state()

    def snapshots(self) -> tuple[ComponentState, ...]:
        """A copy of every component."""
        components = {id(component): component for component in self._home.values()}
        return tuple(component.state() for component in components.values())

    def adopt(self, state: ComponentState) -> None:
        """Take in a component that another register exported.

        Raises:
            MalformedMessage: If it is not a valid state of new qubits in a formalism that this register keeps.
            ComponentTooLarge: If it is larger than this register allows.
        """
        qubits, formalism, data = state
        _check_names(qubits, self._home)
        if formalism not in _LOAD or (formalism != self.formalism and (not self._auto or formalism in MIXED)):
            raise MalformedMessage(detail=f"formalism {formalism!r} arrived in a register that keeps {self.formalism}")
        if not isinstance(data, bytes):
            raise MalformedMessage(detail=f"a state arrives as bytes, not as {type(data).__name__}")
        limit = self._limit(formalism)
        if limit is not None and len(qubits) > limit:
            raise self._too_large("adopt", len(qubits), formalism, qubits)
        self._settle(_LOAD[formalism](qubits, data))

    # --- looking ----------------------------------------------------------------------------------------------------

    def __contains__(self, qubit: object) -> bool:
        return qubit in self._home

    def __len__(self) -> int:
        return len(self._home)

    def qubits(self) -> tuple[QubitId, ...]:
        """All qubits that are here."""
        return tuple(self._home)

    def members(self, qubit: QubitId) -> tuple[QubitId, ...]:
        """The qubits of its component, itself included."""
        return tuple(self._at(qubit, "members").places)

    def formalism_of(self, qubit: QubitId) -> str:
        """The formalism that its component is in now."""
        return self._at(qubit, "formalism_of").formalism

    def reduced_state(self, qubits: Sequence[QubitId]) -> Matrix:
        """The density matrix of some qubits, shape (2**m, 2**m), first qubit leftmost. Observers and tests only."""
        parts: dict[Component, list[QubitId]] = {}
        for qubit in dict.fromkeys(qubits):
            parts.setdefault(self._at(qubit, "reduced_state"), []).append(qubit)
        rho: Matrix = np.ones((1, 1), np.complex128)
        order: list[QubitId] = []
        for component, names in parts.items():
            reduced = component.reduced(tuple([component.places[name] for name in names]))
            rho = np.kron(rho, reduced).astype(np.complex128, copy=False)
            order += names
        whole = DensityMatrix({name: index for index, name in enumerate(order)}, rho)
        return whole.reduced(tuple([whole.places[qubit] for qubit in qubits]))

    def pauli_expectation(self, paulis: Mapping[QubitId, Pauli]) -> float:
        """The mean of a product of Paulis, one per named qubit. Observers and tests only."""
        parts: dict[Component, dict[int, str]] = {}
        for qubit, pauli in paulis.items():
            component = self._at(qubit, "pauli_expectation")
            parts.setdefault(component, {})[component.places[qubit]] = str(pauli)
        mean = 1.0
        for component, factors in parts.items():
            mean *= component.expectation(factors)
        return mean

    def check_invariants(self) -> None:
        """Raise AssertionError unless components partition the qubits and every one is a state. Tests only."""
        for component in dict.fromkeys(self._home.values()):
            assert all(self._home.get(qubit) is component for qubit in component.places)
            limit = self._limit(component.formalism)
            assert limit is None or len(component.places) <= limit
            assert component.formalism == self.formalism or (self._auto and component.formalism not in MIXED)
            component.check()
        assert all(qubit in component.places for qubit, component in self._home.items())

    # --- inside -----------------------------------------------------------------------------------------------------

    def _apply(self, operation: Operation, qubits: Sequence[QubitId]) -> None:
        home = self._home
        if len(qubits) == operation.n_qubits:
            component = home.get(qubits[0])
            if component is not None and (operation.clifford is not None or not component.clifford_only):
                places = component.places
                if operation.n_qubits == 1:
                    component.apply(operation, (places[qubits[0]],))
                    return
                if operation.n_qubits == 2 and qubits[1] in places and qubits[0] != qubits[1]:
                    component.apply(operation, (places[qubits[0]], places[qubits[1]]))
                    return
        component = self._together(operation, qubits)
        component.apply(operation, tuple([component.places[qubit] for qubit in qubits]))

    def _together(self, operation: Operation | Channel, qubits: Sequence[QubitId]) -> Component:
        """The one component, able to hold the operation, that has all operands afterwards."""
        parts = self._check_operands(operation, qubits)
        target = self.formalism
        if self._auto:
            clifford = operation.clifford is not None and all([part.clifford_only for part in parts])
            target = "stabilizer" if clifford else "state_vector"
        limit = self._limit(target)
        if limit is not None and sum([len(part.places) for part in parts]) > limit:
            parts = self._split(operation, qubits, parts, target)
        return self._join(parts, to_vector=target == "state_vector")

    def _check_operands(self, operation: Operation | Channel, qubits: Sequence[QubitId]) -> list[Component]:
        """The components of the operands, each once."""
        if len(qubits) != operation.n_qubits or (len(qubits) > 1 and len(set(qubits)) != len(qubits)):
            wanted = f"{operation.n_qubits} different qubit{'s' if operation.n_qubits > 1 else ''}"
            raise InvalidOperation(detail=f"{operation.name} acts on {wanted}, not on {', '.join(qubits) or 'none'}")
        parts = [self._at(qubit, operation.name) for qubit in qubits]
        if len(parts) > 1:
            parts = list(dict.fromkeys(parts))
        if operation.clifford is None and self.formalism in CLIFFORD_ONLY:
            self._check_channel(operation, qubits)
        return parts

    def _check_channel(self, operation: Operation | Channel, qubits: Sequence[QubitId]) -> None:
        """Whether what is not Clifford as a whole is noise that this formalism can hold."""
        names = ", ".join(qubits)
        if not isinstance(operation, Channel):
            raise NotClifford(gate=operation.name, qubits=names, formalism=self.formalism)
        if self.formalism == "stabilizer":
            raise NotStabilizer(what=operation.name, qubits=names)
        if operation.paulis is None:
            raise NotPauli(what=operation.name, qubits=names)

    def _join(self, parts: list[Component], *, to_vector: bool) -> Component:
        ready = [_as_vector(part) for part in parts] if to_vector else parts
        joined = ready[0]
        for part in ready[1:]:  # the larger takes in the smaller
            joined = joined.absorb(part) if len(joined.places) >= len(part.places) else part.absorb(joined)
        for part in parts:
            if part is not joined:
                for qubit in part.places:
                    self._home[qubit] = joined
        return joined

    def _split(
        self, operation: Operation | Channel, qubits: Sequence[QubitId], parts: list[Component], formalism: str
    ) -> list[Component]:
        """Separate what is not entangled, now that space is short; nothing is kept of it if that is not enough."""
        pieces = [piece for part in parts for piece in part.factors()]
        needed = [piece for piece in pieces if not piece.places.keys().isdisjoint(qubits)]
        size = sum([len(piece.places) for piece in needed])
        limit = self._limit(formalism)
        if limit is not None and size > limit:
            names = [name for piece in needed for name in piece.places]
            raise self._too_large(operation.name, size, formalism, names)
        for piece in pieces:
            self._settle(piece)
        return needed

    def _settle(self, component: Component) -> None:
        for qubit in component.places:
            self._home[qubit] = component

    def _at(self, qubit: QubitId, operation: str) -> Component:
        component = self._home.get(qubit)
        if component is None:
            raise UnknownQubit(caller=operation, qubit=str(qubit))
        return component

    def _limit(self, formalism: str) -> int | None:
        if formalism == "stabilizer":
            return None
        return _LIMIT.get(formalism, self.max_state_vector_qubits)

    def _too_large(self, operation: str, size: int, formalism: str, names: Sequence[QubitId]) -> ComponentTooLarge:
        shown = ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
        limit = self._limit(formalism)
        assert limit is not None
        setting = "" if formalism in _LIMIT else " (max_state_vector_qubits)"
        return ComponentTooLarge(
            operation=operation, size=size, formalism=formalism, limit=limit, setting=setting, component=shown
        )


def _operation(gate: str, params: Sequence[float]) -> Operation:
    operation = None if params else FIXED.get(gate)
    return operation or resolve(gate, params)


def _rescaled(draw: float, width: float) -> float:
    """A draw that was found to lie in an interval is uniform in it: what it says beyond that is a new draw."""
    return min(draw / width, LAST_DRAW)


LAST_DRAW: Final = 1.0 - 2.0**-53
SHOWN: Final = 12
"""An error names so many qubits of a component."""


def _as_vector(part: Component) -> Component:
    if not isinstance(part, Stabilizer):
        return part
    return StateVector({qubit: index for index, qubit in enumerate(part.places)}, part.vector())


def _taken(qubit: QubitId) -> InvalidOperation:
    return InvalidOperation(detail=f"qubit {qubit} exists already")


def _check_names(qubits: object, present: Mapping[QubitId, Component]) -> None:
    if not isinstance(qubits, tuple) or not qubits:
        raise MalformedMessage(detail="the qubits of a component are a tuple of names, at least one")
    for qubit in qubits:
        if not isinstance(qubit, str) or qubit in present:
            raise MalformedMessage(detail=f"a component with {qubit!r}, which is no new qubit")
    if len(qubits) > 1 and len(set(qubits)) != len(qubits):
        raise MalformedMessage(detail="a component with one qubit twice")
