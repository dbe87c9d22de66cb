"""Qubits in real memories under real operations: a register whose qubits age, and whose gates err.

Noise is applied lazily: a qubit is brought to the time of an operation just before it, on its own timeline. That is
exact, because what a memory does in one stretch is what it does in any two that make it up, and because what happens
to other qubits meanwhile commutes with it. The order around an operation on [s, s + d] is: idle noise of each operand
up to s, the ideal operation, idle noise for d, then the operation's error. A measurement projects at s.

Where nothing decays and nothing errs, this costs a few comparisons and draws nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

from qnode.ids import QubitId
from qnode.quantum.bell import PHI_PLUS, BellState
from qnode.quantum.channels import Channel, decay_factors, error_channels, relaxation
from qnode.quantum.density_matrix import DensityMatrix
from qnode.quantum.gates import Matrix
from qnode.quantum.hardware import NEVER, Hardware, Slots, Timing
from qnode.quantum.pair_states import PairState
from qnode.quantum.register import ComponentState, Register

MEMORY: Final = 0
COMMUNICATION: Final = 1

NO_CLOCK: Final = -1
"""Instead of a time, for a qubit that does not age."""

Channels = tuple[tuple[Channel, tuple[int, ...]], ...]


class Attempts:
    """When a node's hardware tries to make pairs, each try dephasing what else it stores.

    Source: Kalb et al., Phys. Rev. A 97, 062330 (2018): p in an attempt, (1 - (1 - 2p)^k)/2 in k of them.
    """

    def __init__(self) -> None:
        self._stretches: list[list[float]] = []  # first, from one to the next, last, what one leaves of X and Y

    def begin(self, start_ns: int, every_ns: int, last_ns: int, p: float) -> None:
        """Attempts begin at start_ns, and again each every_ns, until last_ns."""
        self._stretches.append([start_ns, max(1, every_ns), last_ns, 1.0 - 2.0 * p])

    def stop(self, start_ns: int, at_ns: int) -> None:
        """Those that began at start_ns are given up at a time."""
        for stretch in self._stretches:
            if stretch[0] == start_ns and stretch[2] > at_ns:
                stretch[2] = at_ns

    def forget(self, before_ns: int) -> None:
        """No qubit will be asked about that has not been brought to this time."""
        self._stretches = [stretch for stretch in self._stretches if stretch[2] > before_ns]

    def __len__(self) -> int:
        return len(self._stretches)

    def left(self, from_ns: int, to_ns: int) -> float:
        """What the attempts that begin in (from_ns, to_ns] leave of the mean of X and of Y.

        Not at from_ns: the half that an attempt makes is born when that begins, and is not what it dephases.
        """
        left = 1.0
        for start, every, last, one in self._stretches:
            until = min(to_ns, last)
            if until >= start and from_ns < until:
                before = (from_ns - start) // every + 1 if from_ns >= start else 0
                left *= one ** int((until - start) // every + 1 - before)
        return left


class Decay(NamedTuple):
    """What a slot does to its qubit."""

    t1_ns: float
    t2_ns: float
    attempts: Attempts | None = None

    def factors(self, from_ns: int, to_ns: int) -> tuple[float, float]:
        """What is left of Z (towards |0>), and of X and Y, after a stretch of time."""
        e1, e2 = decay_factors(to_ns - from_ns, self.t1_ns, self.t2_ns)
        if self.attempts is not None:
            e2 *= self.attempts.left(from_ns, to_ns)
        return e1, e2


class Laboratory:
    """A node's hardware, ready for use.

    Attributes:
        hardware: What it is made of.
        decays: What slots of each kind do, `MEMORY` and `COMMUNICATION`; None: nothing.
        arrival: The kind of slot in which pairs and flying qubits arrive.
    """

    def __init__(self, hardware: Hardware, attempts: Attempts | None = None) -> None:
        self.hardware = hardware
        self.attempts = attempts
        self.decays = (_decay(hardware.memory, attempts), _decay(hardware.communication, attempts))
        self.arrival = COMMUNICATION if hardware.communication.size else MEMORY
        self._single = error_channels(hardware.single.error, 1)
        self._measured = error_channels(hardware.measure.error, 1)
        self._initial = error_channels(hardware.initialise.error, 1)
        self._moved = error_channels(hardware.move.error, 1)
        self._reads_wrong = hardware.p01 > 0 or hardware.p10 > 0

    @property
    def ages(self) -> bool:
        """Whether a qubit in any of its slots decays."""
        return self.decays != (None, None)

    def gate(self, n_qubits: int) -> Timing:
        return self.hardware.single if n_qubits == 1 else self.hardware.two

    def errors(self, n_qubits: int) -> Channels:
        """Of a gate on so many qubits."""
        return self._single if n_qubits == 1 else error_channels(self.hardware.two.error, n_qubits)


def _decay(slots: Slots, attempts: Attempts | None) -> Decay | None:
    if slots.t1_ns == NEVER and slots.t2_ns == NEVER and attempts is None:
        return None
    return Decay(slots.t1_ns, slots.t2_ns, attempts)


class Clock:
    """Up to when a qubit's noise has been applied, in which kind of slot it sits, and what that does."""

    __slots__ = ("at_ns", "decay", "kind")

    def __init__(self, at_ns: int, kind: int, decay: Decay) -> None:
        self.at_ns = at_ns
        self.kind = kind
        self.decay = decay


class NoisyRegister:
    """Joint states of qubits that sit in slots.

    Attributes:
        register: Their states, as far as they have been brought.

    Args:
        coins: The uniform number in [0, 1) of a name and a count.
    """

    def __init__(self, register: Register, coins: Callable[[str, int], float]) -> None:
        self.register = register
        self._coins = coins
        self._clocks: dict[QubitId, Clock] = {}
        self._draws: dict[QubitId, int] = {}
        self._noise_draws: dict[QubitId, int] = {}

    # --- birth ------------------------------------------------------------------------------------------------------

    def create(self, lab: Laboratory, qubit: QubitId, kind: int, at_ns: int) -> None:
        """A new qubit, |0> but for the error of its initialisation."""
        self.register.create(qubit)
        self._begin(lab, qubit, kind, at_ns)
        self._err(lab._initial, (qubit,), at_ns + lab.hardware.initialise.duration_ns)

    def create_pair(self, first: QubitId, second: QubitId, state: BellState | PairState = PHI_PLUS) -> None:
        """Two new qubits in a joint state; neither ages before it is put somewhere."""
        if isinstance(state, PairState):
            self.register.create_mixed_pair(first, second, state, self._coins(f"pair {first} {second}", 0))
        else:
            self.register.create_pair(first, second, state)

    def put(self, lab: Laboratory, qubit: QubitId, kind: int, at_ns: int) -> None:
        """A qubit that is here gets into a slot, and ages in it from then on."""
        self._begin(lab, qubit, kind, at_ns)

    # --- operations -------------------------------------------------------------------------------------------------

    def apply(
        self, lab: Laboratory, gate: str, qubits: Sequence[QubitId], params: Sequence[float], start_ns: int
    ) -> None:
        """A gate of the table. Raises as `Register.apply`."""
        if self._clocks:
            self._bring(qubits, start_ns)
        self.register.apply(gate, qubits, params)
        self._after_gate(lab, qubits, start_ns)

    def apply_unitary(self, lab: Laboratory, matrix: Matrix, qubits: Sequence[QubitId], start_ns: int) -> None:
        """Any unitary. Raises as `Register.apply_unitary`."""
        if self._clocks:
            self._bring(qubits, start_ns)
        self.register.apply_unitary(matrix, qubits)
        self._after_gate(lab, qubits, start_ns)

    def measure(self, lab: Laboratory, qubit: QubitId, basis: str, start_ns: int, *, keep: bool) -> int:
        """Measure; the outcome as it is read. A kept qubit is in the eigenstate of the true one.

        In the bases x and y the qubit is turned first, with the error of a gate.
        """
        if self._clocks:
            self._bring((qubit,), start_ns)
        if basis != "z":
            self._err(lab._single, (qubit,), start_ns)
        self._err(lab._measured, (qubit,), start_ns)
        nth = self._draws.get(qubit, 0)
        outcome = self.register.measure(qubit, self._coins(f"measure {qubit}", nth), basis, keep)
        if lab._reads_wrong:
            wrong = lab.hardware.p01 if outcome else lab.hardware.p10
            outcome ^= self._coins(f"readout {qubit}", nth) < wrong
        if keep:
            self._draws[qubit] = nth + 1
        else:
            self._forget(qubit)
        return outcome

    def reset(self, lab: Laboratory, qubit: QubitId, start_ns: int) -> None:
        """Back to |0>, but for the error of its initialisation."""
        nth = self._draws.get(qubit, 0)
        self.register.reset(qubit, self._coins(f"reset {qubit}", nth))
        self._draws[qubit] = nth + 1
        clock = self._clocks.get(qubit)
        if clock is not None:
            clock.at_ns = max(clock.at_ns, start_ns)
        self._err(lab._initial, (qubit,), start_ns + lab.hardware.initialise.duration_ns)

    def discard(self, qubit: QubitId) -> None:
        """Trace a qubit out; what it would have suffered meanwhile does not matter to the others."""
        self.register.discard(qubit, self._coins(f"discard {qubit}", self._draws.get(qubit, 0)))
        self._forget(qubit)

    def move(self, lab: Laboratory, qubit: QubitId, kind: int, start_ns: int) -> None:
        """Into a slot of a kind."""
        self._bring((qubit,), start_ns)
        self._clocks.pop(qubit, None)
        self._begin(lab, qubit, kind, start_ns)
        self._err(lab._moved, (qubit,), start_ns + lab.hardware.move.duration_ns)

    def leave(self, qubit: QubitId, at_ns: int) -> None:
        """Out of its slot; under way it does not age."""
        self._bring((qubit,), at_ns)
        self._clocks.pop(qubit, None)

    # --- moving between processes -----------------------------------------------------------------------------------

    def clocks(self, qubits: Iterable[QubitId]) -> tuple[tuple[int, int], ...]:
        """(time, kind of slot) of each qubit; () if none of them ages."""
        if not self._clocks:
            return ()
        found = [self._clocks.get(qubit) for qubit in qubits]
        return tuple([(NO_CLOCK, MEMORY) if clock is None else (clock.at_ns, clock.kind) for clock in found])

    def export(self, qubit: QubitId) -> tuple[ComponentState, tuple[tuple[int, int], ...]]:
        """Take the component of a qubit out, with the clocks of its qubits."""
        state = self.register.export(qubit)
        clocks = self.clocks(state.qubits)
        for member in state.qubits:
            self._forget(member)
        return state, clocks

    def adopt(self, lab: Laboratory, state: ComponentState, clocks: Sequence[tuple[int, int]] = ()) -> None:
        """Take in a component that was exported; without clocks its qubits do not age. Raises as `Register.adopt`."""
        self.register.adopt(state)
        for qubit, clock in zip(state.qubits, clocks, strict=False):
            self.continue_at(lab, qubit, clock)

    def continue_at(self, lab: Laboratory, qubit: QubitId, clock: tuple[int, int]) -> None:
        """A qubit ages here from where it had been brought elsewhere."""
        at_ns, kind = clock
        if at_ns != NO_CLOCK:
            self._begin(lab, qubit, kind, at_ns)

    def earliest_ns(self, qubits: Iterable[QubitId]) -> int | None:
        """The time of the clock that is furthest behind."""
        return min((clock.at_ns for qubit in qubits if (clock := self._clocks.get(qubit)) is not None), default=None)

    # --- looking ----------------------------------------------------------------------------------------------------

    def seen_at(self, at_ns: int) -> SeenAt:
        """The states at a time; for observers only."""
        return SeenAt(self, at_ns)

    # --- inside -----------------------------------------------------------------------------------------------------

    def _begin(self, lab: Laboratory, qubit: QubitId, kind: int, at_ns: int) -> None:
        decay = lab.decays[kind]
        if decay is not None:
            self._clocks[qubit] = Clock(at_ns, kind, decay)

    def _bring(self, qubits: Sequence[QubitId], to_ns: int) -> None:
        for qubit in qubits:
            clock = self._clocks.get(qubit)
            if clock is not None and clock.at_ns < to_ns:
                e1, e2 = clock.decay.factors(clock.at_ns, to_ns)
                clock.at_ns = to_ns
                if e1 != 1.0 or e2 != 1.0:
                    self.register.relax(qubit, e1, e2, self._noise(qubit))

    def _after_gate(self, lab: Laboratory, qubits: Sequence[QubitId], start_ns: int) -> None:
        n_qubits = len(qubits)
        channels = lab._single if n_qubits == 1 else lab.errors(n_qubits)
        if channels:
            self._err(channels, qubits, start_ns + lab.gate(n_qubits).duration_ns)

    def _err(self, channels: Channels, qubits: Sequence[QubitId], after_ns: int) -> None:
        if not channels:
            return
        self._bring(qubits, after_ns)
        for channel, operands in channels:
            names = [qubits[operand] for operand in operands]
            self.register.suffer(channel, names, self._noise(names[0]))

    def _noise(self, qubit: QubitId) -> float:
        nth = self._noise_draws.get(qubit, 0)
        self._noise_draws[qubit] = nth + 1
        return self._coins(f"noise {qubit}", nth)

    def _forget(self, qubit: QubitId) -> None:
        for table in (self._clocks, self._draws, self._noise_draws):
            if table:
                table.pop(qubit, None)


class SeenAt:
    """What an observer sees of a noisy register at a time: reduced states, aged without drawing anything.

    Attributes:
        register: The states as they have been brought so far, pure where noise is sampled.
    """

    def __init__(self, noisy: NoisyRegister, at_ns: int) -> None:
        self.register = noisy.register
        self._noisy = noisy
        self._at_ns = at_ns

    def __contains__(self, qubit: object) -> bool:
        return qubit in self.register

    def reduced_state(self, qubits: Sequence[QubitId]) -> Matrix:
        """The density matrix of some qubits, shape (2**m, 2**m), first qubit leftmost."""
        rho = self.register.reduced_state(qubits)
        whole = DensityMatrix({qubit: index for index, qubit in enumerate(qubits)}, rho)
        for index, qubit in enumerate(qubits):
            clock = self._noisy._clocks.get(qubit)
            if clock is not None and clock.at_ns < self._at_ns:
                whole.unravel(relaxation(*clock.decay.factors(clock.at_ns, self._at_ns)), (index,), 0.0)
        return whole.rho
