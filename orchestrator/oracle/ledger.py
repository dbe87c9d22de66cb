"""Who owns which qubit, and the joint states of all that are or were entangled across nodes.

One writer, no copies: a qubit is in the register once, has one owner, and only its owner acts on it. What a node did
not make or get does not exist for it; nor does what is on its way to it, until it is there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from math import isfinite
from typing import Final

import numpy as np
import numpy.typing as npt

from qnode.core.coins import Coins
from qnode.errors import InvalidOperation, MalformedMessage, NotOwner, UnknownQubit
from qnode.ids import NodeName, PairId, QubitId, half_id, life_of, maker_of, pair_id
from qnode.quantum.bell import PHI_PLUS, BellState
from qnode.quantum.hardware import IDEAL
from qnode.quantum.noisy import NO_CLOCK, Laboratory, NoisyRegister, Stretch
from qnode.quantum.pair_source import PairSource
from qnode.quantum.pair_states import PairState
from qnode.quantum.register import ComponentState, Register
from qnode.wire.messages import NEVER_NS

BASES: Final = ("x", "y", "z")
_SHOWN_CHARS: Final = 200  # of a name that somebody made up
IDEAL_LABORATORY: Final = Laboratory(IDEAL)


class _Laboratories(dict[NodeName, Laboratory]):
    """What each node works with; ideal if nobody has said what."""

    def __missing__(self, node: NodeName) -> Laboratory:
        return IDEAL_LABORATORY


class Ledger:
    """The joint states that the oracle holds, and their owners.

    Attributes:
        owner: Whose each qubit is, or will be once it has arrived.
        held: How many qubits each node owns.
        under_way: Those that have not arrived: nobody can do anything to them.
    """

    def __init__(self, register: Register, coins: Coins, labs: Mapping[NodeName, Laboratory] | None = None) -> None:
        self.register = register
        self.noisy = NoisyRegister(register, coins)
        self.owner: dict[QubitId, NodeName] = {}
        self.under_way: set[QubitId] = set()
        self.held: Counter[NodeName] = Counter()
        self._coins = coins
        self.labs = _Laboratories(labs or {})
        self.lives: Mapping[NodeName, int] = {}  # which each node is in; 0 if it does not say
        self._pairs: dict[tuple[NodeName, NodeName], int] = {}

    def coin(self, name: str) -> float:
        """A uniform number in [0, 1) that belongs to a name."""
        return self._coins(name)

    def adopt(self, node: NodeName, state: ComponentState, clocks: Sequence[tuple[int, int]] = ()) -> None:
        """Take over a component that a node computed so far, with the clocks of its qubits.

        Raises:
            NotOwner: If it names a qubit that the node cannot have made, or one that exists already.
            MalformedMessage: If the state is none, or its clocks are none.
        """
        self.check_own(node, state.qubits)
        self.check_clocks(node, state.qubits, clocks)
        self.noisy.adopt(self.labs[node], state, clocks)
        for qubit in state.qubits:
            self.owner[qubit] = node
        self.held[node] += len(state.qubits)

    def check_own(self, node: NodeName, qubits: Iterable[str]) -> None:
        """Whether a node may be computing these by itself. Raises NotOwner if it did not make one, or it is here."""
        own = life_of(node, self.lives.get(node, 0))
        for qubit in qubits:
            if maker_of(qubit) != node or qubit.rpartition(".")[0] != own:
                raise NotOwner(caller=node, qubit=qubit[:_SHOWN_CHARS], owner="another node")
            owner = self.owner.get(QubitId(qubit))
            if owner is not None:
                raise NotOwner(caller=node, qubit=qubit, owner=f"{owner} already")

    def check_clocks(self, node: NodeName, qubits: Sequence[str], clocks: Sequence[tuple[int, int]]) -> None:
        """Whether these are what qubits may come with. Raises MalformedMessage."""
        for at_ns, kind in clocks:
            if len(clocks) != len(qubits) or not NO_CLOCK <= at_ns < NEVER_NS or kind not in (0, 1):
                raise MalformedMessage(detail=f"{node} sent the clocks {clocks[:8]!r} with {len(qubits)} qubits")

    def next_pair(self, one: NodeName, other: NodeName) -> tuple[PairId, QubitId, QubitId]:
        """The id of a pair that will be made, and of the halves of the two nodes in the order given."""
        key = (one, other) if one < other else (other, one)
        nth = self._pairs.get(key, 0)
        self._pairs[key] = nth + 1
        pair = pair_id(one, other, nth)
        return pair, half_id(pair, one), half_id(pair, other)

    def create_perfect_pair(self, one: NodeName, other: NodeName) -> tuple[PairId, QubitId, QubitId]:
        """A new pair in Phi+ in memories that do not age; its id, and the halves of the nodes in the order given."""
        pair, mine, theirs = self.next_pair(one, other)
        self.register.create_pair(mine, theirs)
        self.owner[mine] = one
        self.owner[theirs] = other
        self.held[one] += 1
        self.held[other] += 1
        self.under_way.add(mine)
        self.under_way.add(theirs)
        return pair, mine, theirs

    def create_pair(
        self,
        ends: tuple[NodeName, NodeName],
        halves: tuple[QubitId, QubitId],
        state: BellState | PairState = PHI_PLUS,
        born_ns: tuple[int, int] = (0, 0),
        *,
        turned: bool = False,
    ) -> None:
        """A new pair, whose halves age from birth in the slots where pairs arrive. `turned`: its state has them so."""
        self.noisy.create_pair(*(halves[::-1] if turned else halves), state)
        for node, qubit, at_ns in zip(ends, halves, born_ns, strict=True):
            self.owner[qubit] = node
            self.held[node] += 1
            self.under_way.add(qubit)
            lab = self.labs[node]
            self.noisy.put(lab, qubit, lab.arrival, at_ns)

    def correct(self, node: NodeName, qubit: QubitId, gate: str, at_ns: int) -> int:
        """Apply the gate that a node owes a new half of its; when that is over."""
        lab = self.labs[node]
        self.noisy.apply(lab, gate, (qubit,), (), at_ns)
        return at_ns + lab.hardware.single.duration_ns

    def attempted(self, node: NodeName, start_ns: int, source: PairSource, n: int, now_ns: int) -> Stretch | None:
        """A node's hardware makes so many attempts at a pair, and dephases what it stores meanwhile."""
        attempts = self.labs[node].attempts
        if attempts is None:
            return None
        if attempts.many:
            mine = [qubit for qubit, owner in self.owner.items() if owner == node]
            self.noisy.settle(attempts, mine, now_ns)
        return attempts.begin(start_ns, source.attempt_ns, n, source.attempt_dephasing)

    def delivered(self, half: QubitId) -> None:
        """A half of a pair has come: now its owner may act on it."""
        self.under_way.discard(half)

    def arrive(self, qubit: QubitId, at_ns: int) -> None:
        """A qubit that was sent has come, into a slot of its owner's."""
        self.under_way.discard(qubit)
        lab = self.labs[self.owner[qubit]]
        self.noisy.put(lab, qubit, lab.arrival, at_ns)

    def move(self, node: NodeName, qubit: QubitId, kind: int, start_ns: int) -> None:
        """Into a slot of another kind."""
        self.check(node, (qubit,))
        if kind not in (0, 1):
            raise MalformedMessage(detail=f"{node} named {kind} as a kind of slot; 0 and 1 are")
        self.noisy.move(self.labs[node], qubit, kind, start_ns)

    def apply(
        self, node: NodeName, gate: str, qubits: tuple[QubitId, ...], params: Sequence[float], start_ns: int = 0
    ) -> None:
        """Raises NotOwner, UnknownQubit, InvalidOperation, StateError; then nothing has changed."""
        self.check(node, qubits)
        for param in params:
            if not isfinite(param):
                raise InvalidOperation(detail=f"{gate} needs finite angles; got {param}")
        self.noisy.apply(self.labs[node], gate, qubits, params, start_ns)

    def apply_unitary(self, node: NodeName, unitary: bytes, qubits: tuple[QubitId, ...], start_ns: int = 0) -> None:
        """A unitary as complex128 bytes. Raises as `apply`."""
        self.check(node, qubits)
        size = 2 ** len(qubits)
        if len(unitary) != 16 * size * size:
            raise MalformedMessage(
                detail=f"a unitary on {len(qubits)} qubits has 16 * 4**{len(qubits)} bytes, not {len(unitary)}"
            )
        matrix: npt.NDArray[np.complex128] = np.frombuffer(unitary, np.complex128).reshape(size, size)
        self.noisy.apply_unitary(self.labs[node], matrix, qubits, start_ns)

    def measure(
        self, node: NodeName, qubits: Sequence[QubitId], basis: str, start_ns: int = 0, *, keep: bool
    ) -> tuple[int, ...]:
        """Measure qubits, each at the same time; without keep they are gone."""
        self.check(node, qubits)
        if basis not in BASES:  # before any noise of the measurement is drawn
            raise InvalidOperation(detail=f"{basis[:_SHOWN_CHARS]!r} is no basis; use 'x', 'y' or 'z'")
        lab, noisy = self.labs[node], self.noisy
        outcomes = []
        for qubit in qubits:
            outcomes.append(noisy.measure(lab, qubit, basis, start_ns, keep=keep))
            if not keep:
                del self.owner[qubit]
                self.held[node] -= 1
        return tuple(outcomes)

    def reset(self, node: NodeName, qubit: QubitId, start_ns: int = 0) -> None:
        self.check(node, (qubit,))
        self.noisy.reset(self.labs[node], qubit, start_ns)

    def discard(self, node: NodeName, qubits: Iterable[QubitId]) -> None:
        """A node gives qubits up: they are traced out."""
        gone = tuple(qubits)
        self.check(node, gone)
        self.trace_out(gone)

    def trace_out(self, qubits: Iterable[QubitId]) -> None:
        """Nobody holds these any more, under way or not."""
        for qubit in qubits:
            self.noisy.discard(qubit)
            self.held[self.owner.pop(qubit)] -= 1
            self.under_way.discard(qubit)

    def lose(self, node: NodeName) -> tuple[QubitId, ...]:
        """A node is gone: what it holds, and what is on its way to it, is traced out; which qubits that was."""
        gone = tuple(qubit for qubit, owner in self.owner.items() if owner == node)
        self.trace_out(gone)
        return gone

    def transfer(self, node: NodeName, qubit: QubitId, to: NodeName, at_ns: int = 0, transmission: float = 1.0) -> bool:
        """A qubit leaves for another owner; False if it is lost on the way."""
        self.check(node, (qubit,))
        self.noisy.leave(qubit, at_ns)
        if transmission < 1.0 and self._coins(f"loss {qubit} {node}") >= transmission:
            self.trace_out((qubit,))
            return False
        self.owner[qubit] = to
        self.held[node] -= 1
        self.held[to] += 1
        self.under_way.add(qubit)
        return True

    def check_invariants(self) -> None:
        """Every qubit has one owner and is in one component, and every state is one. For tests."""
        if set(self.owner) != set(self.register.qubits()):
            raise AssertionError(f"owners {sorted(self.owner)} but states of {sorted(self.register.qubits())}")
        if +self.held != Counter(self.owner.values()):
            raise AssertionError(f"{dict(self.held)} are held, and owned are {dict(Counter(self.owner.values()))}")
        if not self.under_way <= self.owner.keys():
            raise AssertionError(f"under way, but not there: {sorted(self.under_way - self.owner.keys())}")
        self.register.check_invariants()

    def check(self, node: NodeName, qubits: Sequence[QubitId]) -> None:
        """Whether a node holds these, each named once. Raises UnknownQubit, NotOwner, InvalidOperation."""
        owner, under_way = self.owner, self.under_way
        for qubit in qubits:
            has = owner.get(qubit)
            if has != node:
                if has is None:
                    raise UnknownQubit(caller=node, qubit=qubit[:_SHOWN_CHARS])
                raise NotOwner(caller=node, qubit=qubit, owner=has)
            if qubit in under_way:
                raise UnknownQubit(caller=node, qubit=f"{qubit} (on its way)")
        if len(qubits) > 1 and len(set(qubits)) != len(qubits):
            raise InvalidOperation(detail=f"{node} named a qubit twice in one operation: {', '.join(qubits)}")
