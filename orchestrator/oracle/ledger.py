"""Who owns which qubit, and the joint states of all that are or were entangled across nodes.

One writer, no copies: a qubit is in the register once, has one owner, and only its owner acts on it. What a node did
not make or get does not exist for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import isfinite

import numpy as np
import numpy.typing as npt

from qnode.core.coins import Coins
from qnode.errors import InvalidOperation, MalformedMessage, NotOwner, UnknownQubit
from qnode.ids import NodeName, PairId, QubitId, half_id, pair_id
from qnode.quantum.register import ComponentState, Register


class Ledger:
    """The joint states that the oracle holds, and their owners."""

    def __init__(self, register: Register, coins: Coins) -> None:
        self.register = register
        self.owner: dict[QubitId, NodeName] = {}
        self._coins = coins
        self._pairs: dict[tuple[NodeName, NodeName], int] = {}
        self._draws: dict[QubitId, int] = {}

    def adopt(self, node: NodeName, state: ComponentState) -> None:
        """Take over a component that a node computed so far.

        Raises:
            NotOwner: If it names a qubit that the node cannot have made, or one that exists already.
            MalformedMessage: If the state is none.
        """
        for qubit in state.qubits:
            maker, _, number = qubit.rpartition(".")
            if maker.partition("!")[0] != node or not number.isdecimal():
                raise NotOwner(caller=node, qubit=qubit, owner="another node")
            if qubit in self.owner:
                raise NotOwner(caller=node, qubit=qubit, owner=f"{self.owner[qubit]} already")
        self.register.adopt(state)
        for qubit in state.qubits:
            self.owner[qubit] = node

    def create_pair(self, one: NodeName, other: NodeName) -> tuple[PairId, QubitId, QubitId]:
        """A new pair in Phi+; its id, and the halves of the two nodes in the order given."""
        key = (one, other) if one < other else (other, one)
        nth = self._pairs.get(key, 0)
        self._pairs[key] = nth + 1
        pair = pair_id(one, other, nth)
        first, second = half_id(pair, one), half_id(pair, other)
        self.register.create_pair(first, second)
        self.owner[first] = one
        self.owner[second] = other
        return pair, first, second

    def apply(self, node: NodeName, gate: str, qubits: tuple[QubitId, ...], params: Sequence[float]) -> None:
        """Raises NotOwner, UnknownQubit, InvalidOperation, StateError; then nothing has changed."""
        self._check(node, qubits)
        for param in params:
            if not isfinite(param):
                raise InvalidOperation(detail=f"{gate} needs finite angles; got {param}")
        self.register.apply(gate, qubits, params)

    def apply_unitary(self, node: NodeName, unitary: bytes, qubits: tuple[QubitId, ...]) -> None:
        """A unitary as complex128 bytes. Raises as `apply`."""
        self._check(node, qubits)
        size = 2 ** len(qubits)
        if len(unitary) != 16 * size * size:
            raise MalformedMessage(
                detail=f"a unitary on {len(qubits)} qubits has 16 * 4**{len(qubits)} bytes, not {len(unitary)}"
            )
        matrix: npt.NDArray[np.complex128] = np.frombuffer(unitary, np.complex128).reshape(size, size)
        self.register.apply_unitary(matrix, qubits)

    def measure(self, node: NodeName, qubits: Sequence[QubitId], basis: str, *, keep: bool) -> tuple[int, ...]:
        """Measure qubits one after the other; without keep they are gone."""
        self._check(node, qubits)
        outcomes = []
        for qubit in qubits:
            outcomes.append(self.register.measure(qubit, self._coin("measure", qubit), basis, keep))
            if keep:
                self._count_draw(qubit)
            else:
                self._forget(qubit)
        return tuple(outcomes)

    def reset(self, node: NodeName, qubit: QubitId) -> None:
        self._check(node, (qubit,))
        self.register.reset(qubit, self._coin("reset", qubit))
        self._count_draw(qubit)

    def discard(self, node: NodeName, qubits: Iterable[QubitId]) -> None:
        """Trace qubits out: nobody holds them any more."""
        gone = tuple(qubits)
        self._check(node, gone)
        for qubit in gone:
            self.register.discard(qubit, self._coin("discard", qubit))
            self._forget(qubit)

    def transfer(self, node: NodeName, qubit: QubitId, to: NodeName) -> None:
        """A qubit changes its owner; its state stays where it is."""
        self._check(node, (qubit,))
        self.owner[qubit] = to

    def check_invariants(self) -> None:
        """Every qubit has one owner and is in one component, and every state is one. For tests."""
        if set(self.owner) != set(self.register.qubits()):
            raise AssertionError(f"owners {sorted(self.owner)} but states of {sorted(self.register.qubits())}")
        self.register.check_invariants()

    def _check(self, node: NodeName, qubits: Sequence[QubitId]) -> None:
        owner = self.owner
        for qubit in qubits:
            has = owner.get(qubit)
            if has != node:
                if has is None:
                    raise UnknownQubit(caller=node, qubit=qubit)
                raise NotOwner(caller=node, qubit=qubit, owner=has)
        if len(qubits) > 1 and len(set(qubits)) != len(qubits):
            raise InvalidOperation(detail=f"{node} named a qubit twice in one operation: {', '.join(qubits)}")

    def _forget(self, qubit: QubitId) -> None:
        del self.owner[qubit]
        if self._draws:
            self._draws.pop(qubit, None)

    def _coin(self, verb: str, qubit: QubitId) -> float:
        return self._coins(f"{verb} {qubit}", self._draws.get(qubit, 0))

    def _count_draw(self, qubit: QubitId) -> None:
        self._draws[qubit] = self._draws.get(qubit, 0) + 1
