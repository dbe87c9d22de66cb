"""The quantum side of a node: which qubits it holds, where their states live, and what it wants done.

A qubit that has only met qubits of this node is computed here, at once, without a message. When it meets one that
the oracle holds, or leaves, its whole component is adopted by the oracle in the same batch as the operation that
needs it there. What has to be done lies in the outbox until the node's next report.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Generic, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from qnode.core.coins import Coins
from qnode.core.memory import HeldQubit, Memory, Where, place
from qnode.errors import DeadQubit, InvalidOperation, NotANeighbour, OutOfMemory, PairExpired, QnodeError
from qnode.ids import NUMBERS_OF_A_LIFE, NodeName, PairId, QubitId, local_qubit_id
from qnode.quantum.hardware import Hardware
from qnode.quantum.noisy import COMMUNICATION, MEMORY, Attempts, Laboratory, NoisyRegister
from qnode.quantum.register import Register
from qnode.wire.operations import (
    Adopt,
    Apply,
    ApplyUnitary,
    Discard,
    Entangle,
    Executed,
    Expire,
    FixBases,
    Local,
    Mark,
    Measure,
    MeasureDirectly,
    Move,
    Note,
    Op,
    Reset,
    Send,
    Transfer,
    Withdraw,
)

W = TypeVar("W")

Bases = tuple[str, bytes]
"""One basis for all pairs, or one for each of them, packed."""

Issued = tuple[Where, tuple[HeldQubit, ...]]
"""The line that issued an operation, and the qubits that it was issued on."""

MARKED_QUBITS: Final = 8  # a larger state travels only if the configuration asks for it
ANY_UNITARY: Final = "unitary"  # what a gate set calls `apply`
EXPIRED: Final = "discarded at its cut-off"
OPS_PER_PART: Final = 96  # so many that working on them takes longer than sending them does
LOCAL_EVENTS_PER_REPORT: Final = 100_000  # a program that computes for long must not fill the memory with its log


class Measured(NamedTuple):
    """A measurement under way: what is known here, which request brings the rest, and when it may be told."""

    outcomes: tuple[int | None, ...]
    request: int | None
    end_ns: int


class NodeMachine(Generic[W]):
    """One node's qubits and operations. Times are integers in nanoseconds; `now_ns` is set by whoever drives it.

    `reports_under_way` is how many reports may have left before it is known whether the first was refused anything.

    Attributes:
        outbox: What has to be done since the last report, in order.
        on_part: Called when so much lies in the outbox that a part of it may well go ahead of the report.
    """

    def __init__(
        self,
        name: NodeName,
        incarnation: int,
        *,
        hardware: Hardware,
        coins: Coins,
        register: Register,
        neighbours: frozenset[NodeName],
        observed: frozenset[str],
        log_local: bool,
        reports_under_way: int = 1,
        all_shared: bool = False,
    ) -> None:
        self.name = name
        self.incarnation = incarnation
        self.now_ns = 0
        self.outbox: list[Op] = []
        self.on_part: Callable[[], None] | None = None
        self.hardware = hardware
        self.memories: tuple[Memory[W], Memory[W]] = (
            Memory(hardware.memory.size),
            Memory(hardware.communication.size),
        )
        self.held: dict[QubitId, HeldQubit] = {}
        self.used = 0
        self.noisy = NoisyRegister(register, coins)
        self.register = register
        self.neighbours = neighbours
        self.arrival = COMMUNICATION if hardware.communication.size else MEMORY
        self.home = MEMORY if hardware.memory.size else COMMUNICATION
        # Where attempts dephase what is stored, every qubit has a clock for the oracle to go on with.
        self._lab = Laboratory(hardware, Attempts() if all_shared else None)
        self._gate_set = hardware.gate_set
        self._single_ns = hardware.single.duration_ns
        self._two_ns = hardware.two.duration_ns
        self._measure_ns = hardware.measure.duration_ns
        self._lanes = [0] * hardware.parallel  # until when each of the operations that can go on at once takes
        self._all_shared = all_shared
        self._observed = observed
        self._log_local = log_local
        self._reports_under_way = reports_under_way
        self._local_events = 0
        self._ahead = 0
        self._made = 0
        self._requests = 0
        self._sent: dict[NodeName, int] = {}
        self._issued: dict[int, Issued] = {}
        self._reported: dict[int, dict[int, Issued]] = {}

    # ------------------------------------------------------------ what the outbox becomes

    def next_part(self) -> tuple[Op, ...]:
        """What is to be done since the last part, in order."""
        return tuple(self.outbox[self._ahead :])

    def part_left(self) -> None:
        """The next part has gone ahead of the report."""
        self._ahead = len(self.outbox)

    def take_outbox(self, step: int = 0) -> tuple[Op, ...]:
        """All that is to be done since the last report or part, in order; it leaves with the report of this step."""
        ops = tuple(self.outbox[self._ahead :] if self._ahead else self.outbox)
        self._ahead = 0
        self.outbox.clear()
        if self._issued:
            self._reported[step], self._issued = self._issued, {}
            if len(self._reported) > self._reports_under_way:
                del self._reported[next(iter(self._reported))]
        self._local_events = 0
        return ops

    def refused(self, step: int, op: int, error: QnodeError) -> tuple[HeldQubit, ...]:
        """An operation of a report was refused. The error tells the line that issued it; its qubits are returned."""
        where, qubits = self._reported.get(step, {}).get(op, (None, ()))
        if where is not None:  # nobody's line issued what a link does
            error.add_note(f"issued at {place(where)}")
        return qubits

    # ------------------------------------------------------------ qubits come

    @property
    def memory(self) -> Memory[W]:
        """Where new qubits are made."""
        return self.memories[self.home]

    @property
    def arrivals(self) -> Memory[W]:
        """Where pairs and flying qubits arrive."""
        return self.memories[self.arrival]

    def next_id(self, where: Where, program: str = "") -> tuple[QubitId, int]:
        """Take a free slot for a new local qubit in |0>; its name, and when it is ready. Raises OutOfMemory."""
        if not self.memory.take(program):
            error = self.out_of_memory(self.home, program=program)
            error.add_note(f"asked for at {place(where)}")
            raise error
        qubit = local_qubit_id(self.name, self.incarnation, self._made)
        self._made += 1
        start_ns, end_ns = self._occupy(self.now_ns, self.hardware.initialise.duration_ns)
        self.noisy.create(self._lab, qubit, self.home, start_ns)
        if self._log_local:
            self._log("create", (qubit,), start_ns)
        return qubit, end_ns

    def out_of_memory(self, kind: int, wanted: int = 1, program: str = "", why: str = "") -> OutOfMemory:
        """The error for more slots of a kind than are free for a program; it says who has them.

        `why` says it instead, where it is not for want of free slots.
        """
        memory = self.memories[kind]
        if not why and (memory.own() or any(qubit.program != program for qubit in self.held.values())):
            why = self._who_has_what(kind)
        return OutOfMemory(
            node=self.name,
            slots=memory.slots,
            free=memory.free_for(program),
            wanted=wanted,
            held=f" ({why})" if why else "",
        )

    def _who_has_what(self, kind: int) -> str:
        holds = Counter(qubit.program for qubit in self.held.values() if qubit.kind == kind)
        own = self.memories[kind].own()
        return "; ".join(
            f"{program} holds {holds[program]}" + (f" and has {own[program]} of its own" if program in own else "")
            for program in sorted({*holds, *own})
        )

    def hold(self, qubit: HeldQubit) -> None:
        self.held[qubit.id] = qubit
        self.used += 1
        if self._all_shared:
            self._to_oracle((qubit,))

    # ------------------------------------------------------------ operations

    def apply(self, gate: str, qubits: tuple[HeldQubit, ...], params: tuple[float, ...], where: Where) -> None:
        """Issue a gate of the table. It takes its place on the qubits' timelines; nothing is awaited."""
        start_ns, remote = self._begin(gate, qubits, where)
        if self._gate_set and gate not in self._gate_set:
            raise self._no_gate(gate)
        end_ns = start_ns + (self._single_ns if len(qubits) == 1 else self._two_ns)
        if self._lanes:
            start_ns, end_ns = self._occupy(start_ns, end_ns - start_ns)
        ids = tuple([qubit.id for qubit in qubits])
        if remote:
            self._to_oracle(qubits)
            self._issued[len(self.outbox)] = (where, qubits)
            self.outbox.append(Apply(gate, ids, params, start_ns))
        else:
            self.noisy.apply(self._lab, gate, ids, params, start_ns)
            if self._log_local:
                self._log("gate", ids, start_ns, gate=gate, params=params)
        for qubit in qubits:
            qubit.busy_ns = end_ns

    def apply_unitary(self, unitary: npt.ArrayLike, qubits: tuple[HeldQubit, ...], where: Where) -> None:
        """Issue any unitary of shape (2**n, 2**n) on n qubits. Raises InvalidOperation unless it is one."""
        size = 2 ** len(qubits)
        try:
            matrix = np.asarray(unitary, dtype=np.complex128)
        except (TypeError, ValueError) as error:  # rows of unequal length, or no numbers
            raise InvalidOperation(
                detail=f"apply() needs a unitary matrix of shape ({size}, {size}) for {len(qubits)} qubit(s): {error}"
            ) from None
        if matrix.shape != (size, size) or not np.allclose(matrix @ matrix.conj().T, np.eye(size), rtol=0, atol=1e-10):
            raise InvalidOperation(
                detail=f"apply() needs a unitary matrix of shape ({size}, {size}) for {len(qubits)} qubits;"
                f" got shape {matrix.shape}{'' if matrix.shape != (size, size) else ', which is not unitary'}"
            )
        start_ns, remote = self._begin("apply", qubits, where)
        if self._gate_set and ANY_UNITARY not in self._gate_set:
            raise self._no_gate(ANY_UNITARY)
        start_ns, end_ns = self._occupy(start_ns, self._single_ns if len(qubits) == 1 else self._two_ns)
        ids = tuple([qubit.id for qubit in qubits])
        if remote:
            self._to_oracle(qubits)
            self._issued[len(self.outbox)] = (where, qubits)
            self.outbox.append(ApplyUnitary(matrix.tobytes(), ids, start_ns))
        else:
            self.noisy.apply_unitary(self._lab, matrix, ids, start_ns)
            if self._log_local:
                self._log("gate", ids, start_ns, gate=ANY_UNITARY)
        for qubit in qubits:
            qubit.busy_ns = end_ns

    def measure(self, qubits: tuple[HeldQubit, ...], basis: str, *, keep: bool, where: Where) -> Measured:
        """Issue one measurement of each qubit, all at the same time.

        Without keep the qubits are gone at once; their slots are free at `end_ns`, which the caller sees to.
        """
        start_ns, remote = self._begin("measure", qubits, where)
        end_ns = start_ns + self._measure_ns
        if self._lanes:
            start_ns, end_ns = self._occupy(start_ns, self._measure_ns)
        request = self.next_request() if remote else None
        outcomes: list[int | None] = []
        ids = []
        for qubit in qubits:
            if qubit.local:
                outcomes.append(self._measure_here(qubit, basis, start_ns, keep=keep))
            else:
                outcomes.append(None)
                ids.append(qubit.id)
        if request is not None:
            self._issued[len(self.outbox)] = (where, qubits)
            self.outbox.append(Measure(request, tuple(ids), basis, keep, start_ns, end_ns))
            if self.on_part is not None and len(self.outbox) - self._ahead >= OPS_PER_PART:
                self.on_part()
        for qubit in qubits:
            qubit.busy_ns = end_ns
            if not keep:
                self._end(qubit, "measured", where)
        return Measured(tuple(outcomes), request, end_ns)

    def _measure_here(self, qubit: HeldQubit, basis: str, start_ns: int, *, keep: bool) -> int:
        outcome = self.noisy.measure(self._lab, qubit.id, basis, start_ns, keep=keep)
        if self._log_local:
            self._log("measure", (qubit.id,), start_ns, gate=basis, outcomes=(outcome,))
        return outcome

    def reset(self, qubit: HeldQubit, where: Where) -> None:
        """Return a qubit to |0>, whatever it was entangled with."""
        start_ns, remote = self._begin("reset", (qubit,), where)
        start_ns, end_ns = self._occupy(start_ns, self.hardware.initialise.duration_ns)
        if remote:
            self._issued[len(self.outbox)] = (where, (qubit,))
            self.outbox.append(Reset(qubit.id, start_ns))
        else:
            self.noisy.reset(self._lab, qubit.id, start_ns)
            if self._log_local:
                self._log("reset", (qubit.id,), start_ns)
        qubit.busy_ns = end_ns

    def move(self, qubit: HeldQubit, kind: int, where: Where) -> int:
        """Bring a qubit into a slot of the other kind, which is taken. Returns when the old slot is free.

        Raises OutOfMemory if there is no free slot of that kind.
        """
        start_ns, remote = self._begin("move", (qubit,), where)
        if not self.memories[kind].take(qubit.program):
            raise self.out_of_memory(kind, program=qubit.program)
        start_ns, end_ns = self._occupy(start_ns, self.hardware.move.duration_ns)
        if remote:
            self._issued[len(self.outbox)] = (where, (qubit,))
            self.outbox.append(Move(qubit.id, kind, start_ns))
        else:
            self.noisy.move(self._lab, qubit.id, kind, start_ns)
            if self._log_local:
                self._log("move", (qubit.id,), start_ns)
        qubit.kind = kind
        qubit.busy_ns = end_ns
        return end_ns

    @property
    def has_cutoffs(self) -> bool:
        """Whether halves are given up in any of its slots."""
        return any([slots.cutoff_ns is not None for slots in (self.hardware.memory, self.hardware.communication)])

    def cutoff_ns(self, kind: int) -> int | None:
        """For how long a half may be stored in a slot of a kind."""
        return (self.hardware.memory, self.hardware.communication)[kind].cutoff_ns

    def expire(self, qubit: HeldQubit) -> int:
        """A half has been stored for as long as it may be: give it up, and let the pair's other end be told.

        Returns when its slot is free.
        """
        start_ns, _ = self._begin("expire", (qubit,), None)
        self._end(qubit, EXPIRED, None)
        self.outbox.append(Expire(qubit.id, start_ns))
        return start_ns

    def other_expired(self, pair: PairId, qubit: QubitId) -> bool:
        """The pair's other end has given its half up: whoever awaits ours next is told. False if we do not hold it."""
        held = self.held.get(qubit)
        if held is not None and held.error is None:
            held.error = PairExpired(pair=pair)
        return held is not None

    def discard(self, qubits: Iterable[HeldQubit], where: Where | None) -> tuple[int, ...]:
        """Trace qubits out, once what was issued on them is over: their slots are free then, which the caller sees to.

        Returns the time of each.
        """
        starts = []
        gone: dict[int, list[QubitId]] = {}
        for qubit in qubits:
            start_ns, _ = self._begin("discard", (qubit,), where)
            self._end(qubit, "discarded", where)
            starts.append(start_ns)
            if qubit.local:
                self.noisy.discard(qubit.id)
                if self._log_local:
                    self._log("discard", (qubit.id,), start_ns)
            else:
                gone.setdefault(start_ns, []).append(qubit.id)
        for start_ns, ids in gone.items():
            self.outbox.append(Discard(tuple(ids), start_ns))
        return tuple(starts)

    def transfer(self, qubit: HeldQubit, peer: NodeName, where: Where) -> int:
        """Send a qubit over the link to a neighbour. Returns the time at which it departs."""
        self.check_neighbour(peer)
        start_ns, _ = self._begin("send_qubit", (qubit,), where)
        self._to_oracle((qubit,))
        self._issued[len(self.outbox)] = (where, (qubit,))
        self.outbox.append(Transfer(qubit.program, qubit.id, peer, start_ns))
        self._end(qubit, "sent away", where)
        return start_ns

    def lose(self, qubit: QubitId, reason: str) -> None:
        """A qubit arrived and there is no place for it: it is gone."""
        self.outbox.append(Local("lost", (qubit,), self.now_ns, reason))
        self.outbox.append(Discard((qubit,), self.now_ns))

    def mark(self, program: str, label: str, qubit: HeldQubit, where: Where) -> None:
        """Tell the observer that it may look at this qubit here."""
        self._begin("mark", (qubit,), where)
        state = None
        if qubit.local and (label in self._observed or len(self.register.members(qubit.id)) <= MARKED_QUBITS):
            copied = self.register.snapshot(qubit.id)
            state = Adopt(*copied, self.noisy.clocks(copied.qubits))
        self.outbox.append(Mark(program, label, qubit.id, state))

    def own_states(self) -> tuple[Adopt, ...]:
        """Copies of all joint states that are computed here, for the observer."""
        return tuple(Adopt(*state, self.noisy.clocks(state.qubits)) for state in self.register.snapshots())

    # ------------------------------------------------------------ requests and the rest of the outbox

    def next_request(self) -> int:
        self._requests += 1
        return self._requests

    def check_neighbour(self, peer: NodeName) -> None:
        """Raises NotANeighbour, with the names that would do."""
        if peer not in self.neighbours:
            raise NotANeighbour(node=self.name, peer=peer, neighbours=", ".join(sorted(self.neighbours)) or "none")

    def entangle(self, program: str, peer: NodeName, tag: str, n: int, min_fidelity: float, priority: int = 0) -> int:
        """Ask for n pairs; their slots have been taken. Returns the request's number."""
        request = self.next_request()
        self.outbox.append(Entangle(request, program, peer, tag, n, min_fidelity, priority))
        return request

    def measure_directly(
        self, program: str, peer: NodeName, tag: str, n: int, bases: Bases | None, priority: int = 0
    ) -> int:
        """Ask for n pairs that are measured at birth; None: `fix_bases` will say how. Returns the request's number."""
        request = self.next_request()
        wanted = Entangle(request, program, peer, tag, n, 0.0, priority)
        self.outbox.append(MeasureDirectly(wanted, *(bases or ())))
        return request

    def fix_bases(self, request: int, bases: Bases) -> None:
        self.outbox.append(FixBases(request, *bases))

    def withdraw(self, request: int) -> None:
        self.outbox.append(Withdraw(request))

    def send(
        self, program: str, peer: NodeName, peer_program: str, channel: str, about: PairId | str, payload: bytes
    ) -> None:
        number = self._sent.get(peer, self.incarnation * NUMBERS_OF_A_LIFE)
        self._sent[peer] = number + 1
        self.outbox.append(Send(program, peer, peer_program, channel, about, payload, b"", len(payload), number))

    def note(self, program: str, name: str, value: bytes) -> None:
        self.outbox.append(Note(program, name, value))

    def executed(self, outcome: Executed) -> None:
        self.outbox.append(outcome)

    # ------------------------------------------------------------ the parts

    def _begin(self, verb: str, qubits: tuple[HeldQubit, ...], where: Where | None) -> tuple[int, bool]:
        """Check the handles; the time at which all are free, and whether the oracle holds any of them."""
        start_ns = self.now_ns
        remote = False
        for qubit in qubits:
            if qubit.fate:
                raise self._dead(qubit, verb, where)
            if qubit.node_name != self.name:
                raise self._elsewhere(qubit, verb)
            if not qubit.local:
                remote = True
            if qubit.busy_ns > start_ns:
                start_ns = qubit.busy_ns
        if len(qubits) > 1:
            program = qubits[0].program
            for qubit in qubits:
                if qubit.program != program:
                    raise self._of_another(program, qubit, verb)
            if len(set(map(id, qubits))) != len(qubits):
                twice = next(qubit for index, qubit in enumerate(qubits) if qubit in qubits[:index])
                raise InvalidOperation(detail=f"{verb} needs different qubits; {twice.id} was given twice")
        return start_ns, remote

    def _occupy(self, start_ns: int, duration_ns: int) -> tuple[int, int]:
        """When an operation that could begin at a time does, and ends: some nodes do only so many at once."""
        lanes = self._lanes
        if lanes:
            # One that has been free for the shortest time leaves the others to what can begin earlier.
            free_ns = max([lane for lane in lanes if lane <= start_ns], default=min(lanes))
            start_ns = max(start_ns, free_ns)
            lanes[lanes.index(free_ns)] = start_ns + duration_ns
        return start_ns, start_ns + duration_ns

    def _no_gate(self, gate: str) -> InvalidOperation:
        return InvalidOperation(
            detail=f"node {self.name} has no gate {gate!r}; its gate_set is: {', '.join(self.hardware.gate_set)}"
        )

    def _elsewhere(self, qubit: HeldQubit, verb: str) -> InvalidOperation:
        return InvalidOperation(
            detail=f"{verb} at node {self.name} was given qubit {qubit.id}, which node {qubit.node_name} holds;"
            " use send_qubit() or teleportation to bring it here"
        )

    def _of_another(self, program: str, qubit: HeldQubit, verb: str) -> InvalidOperation:
        return InvalidOperation(
            detail=f"{verb} of program {program} of node {self.name} was given qubit {qubit.id}, which program"
            f" {qubit.program} holds; programs share no qubits"
        )

    def _dead(self, qubit: HeldQubit, verb: str, where: Where | None) -> QnodeError:
        if qubit.fate == EXPIRED:
            return PairExpired(pair=qubit.pair or qubit.id)
        error = DeadQubit(qubit=qubit.id, fate=qubit.fate, where=place(qubit.fate_where))
        error.add_note(f"used again by {verb} at {place(where)}")
        return error

    def _to_oracle(self, qubits: Sequence[HeldQubit]) -> None:
        for qubit in qubits:
            if qubit.local:
                state, clocks = self.noisy.export(qubit.id)
                self.outbox.append(Adopt(*state, clocks))
                for member in state.qubits:
                    self.held[member].local = False

    def _end(self, qubit: HeldQubit, fate: str, where: Where | None) -> None:
        qubit.fate = fate
        qubit.fate_where = where
        self.held.pop(qubit.id, None)

    def _log(
        self,
        event: str,
        qubits: tuple[QubitId, ...],
        start_ns: int,
        *,
        gate: str = "",
        params: tuple[float, ...] = (),
        outcomes: tuple[int, ...] = (),
    ) -> None:
        self._local_events += 1
        if self._local_events < LOCAL_EVENTS_PER_REPORT:
            self.outbox.append(Local(event, qubits, start_ns, gate, params, outcomes))
        elif self._local_events == LOCAL_EVENTS_PER_REPORT:
            self.outbox.append(Local("omitted", (), start_ns))
