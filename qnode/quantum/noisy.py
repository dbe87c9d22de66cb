"""Qubits in real memories under real operations: a register whose qubits age, and whose gates err.

Noise is applied lazily: a qubit is brought to the time of an operation just before it, on its own timeline. That is
exact, because what a memory does in one stretch is what it does in any two that make it up, and because what happens
to other qubits meanwhile commutes with it. The order around an operation on [s, s + d] is: idle noise of each operand
up to s, the ideal operation, idle noise for d, then the operation's error. A measurement projects at s.

Where nothing decays and nothing errs, this costs a few comparisons and draws nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
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

MANY_STRETCHES: Final = 64
"""Of attempts, until those that no qubit needs are looked for."""

Channels = tuple[tuple[Channel, tuple[int, ...]], ...]


class Stretch:
    """Attempts one after the other: from start_ns, every_ns, so many, each with what it leaves of X and Y."""

    __slots__ = ("every_ns", "left", "n", "number", "start_ns")

    def __init__(self, number: int, start_ns: int, every_ns: int, n: int, left: float) -> None:
        self.number = number
        self.start_ns = start_ns
        self.every_ns = every_ns
        self.n = n
        self.left = left

    def begun(self, at_ns: int) -> int:
        """How many of them have begun by then."""
        if at_ns < self.start_ns:
            return 0
        return min(self.n, (at_ns - self.start_ns) // self.every_ns + 1) if self.every_ns else self.n

    def stop(self, at_ns: int) -> None:
        """They are given up: none begins any more."""
        self.n = self.begun(at_ns)


class Attempts:
    """When a node's hardware tries to make pairs, each try dephasing what else it stores.

    Attempts that have begun before what is issued on a qubit is over dephase it after that.

    Attributes:
        known: How many stretches there have been.

    Source: Kalb et al., Phys. Rev. A 97, 062330 (2018): p in an attempt, (1 - (1 - 2p)^k)/2 in k of them.
    """

    def __init__(self) -> None:
        self.known = 0
        self._stretches: list[Stretch] = []
        self._many = MANY_STRETCHES

    def begin(self, start_ns: int, every_ns: int, n: int, p: float) -> Stretch:
        """So many attempts begin at start_ns and then every_ns, each a Z with probability p on what is stored."""
        stretch = Stretch(self.known, start_ns, every_ns, n, 1.0 - 2.0 * p)
        self._stretches.append(stretch)
        self.known += 1
        return stretch

    @property
    def many(self) -> bool:
        """Whether it is time to look for what can be forgotten."""
        return len(self._stretches) > self._many

    def forget(self, over_ns: int, known: int) -> None:
        """What was over by then, and is among the first `known` that all qubits have been brought through."""
        self._stretches = [one for one in self._stretches if one.number >= known or one.begun(over_ns) < one.n]
        self._many = max(MANY_STRETCHES, 2 * len(self._stretches))

    def left(self, clock: Clock, to_ns: int) -> float:
        """What the attempts that begin until to_ns, and that a qubit has not been brought through, leave of X and Y.

        An attempt at the very time that the clock shows counts if it was not known when the clock was set. So each
        counts once, whatever happens at the same instant; but none of those that made the qubit, which come before it.
        """
        left = 1.0
        for stretch in self._stretches:
            seen_ns = clock.at_ns if stretch.number < clock.known else clock.since_ns - 1
            left *= stretch.left ** (max(0, stretch.begun(to_ns) - stretch.begun(seen_ns)))
        return left


class Decay(NamedTuple):
    """What a slot does to its qubit."""

    t1_ns: float
    t2_ns: float
    attempts: Attempts | None = None


class Laboratory:
    """A node's hardware, ready for use.

    Attributes:
        hardware: What it is made of.
        decays: What slots of each kind do, `MEMORY` and `COMMUNICATION`; None: nothing.
        ages: Whether a qubit in any of its slots decays.
        arrival: The kind of slot in which pairs and flying qubits arrive.
    """

    def __init__(self, hardware: Hardware, attempts: Attempts | None = None) -> None:
        self.hardware = hardware
        self.attempts = attempts
        self.decays = (_decay(hardware.memory, attempts), _decay(hardware.communication, attempts))
        self.ages = self.decays != (None, None)
        self.arrival = COMMUNICATION if hardware.communication.size else MEMORY
        self._single = error_channels(hardware.single.error, 1)
        self._measured = error_channels(hardware.measure.error, 1)
        self._initial = error_channels(hardware.initialise.error, 1)
        self._moved = error_channels(hardware.move.error, 1)
        self._reads_wrong = hardware.p01 > 0 or hardware.p10 > 0
        wrong = (hardware.single.error, hardware.two.error, hardware.measure.error)
        self._errs = any(map(bool, wrong)) or self._reads_wrong

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
    """Up to when a qubit's noise has been applied, in which kind of slot it sits, since when, and what that does."""

    __slots__ = ("at_ns", "decay", "kind", "known", "since_ns")

    def __init__(self, at_ns: int, kind: int, decay: Decay) -> None:
        self.at_ns = at_ns
        self.since_ns = at_ns
        self.kind = kind
        self.decay = decay
        self.known = decay.attempts.known if decay.attempts is not None else 0

    def factors(self, to_ns: int) -> tuple[float, float]:
        """What is left of Z (towards |0>), and of X and Y, by then, of what was when the clock was set."""
        decay = self.decay
        e1, e2 = decay_factors(to_ns - self.at_ns, decay.t1_ns, decay.t2_ns)
        if decay.attempts is not None:
            e2 *= decay.attempts.left(self, to_ns)
        return e1, e2

    def set(self, to_ns: int) -> None:
        """All noise until then has been applied."""
        self.at_ns = to_ns
        if self.decay.attempts is not None:
            self.known = self.decay.attempts.known


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
        self._finish(lab._initial, (qubit,), at_ns + lab.hardware.initialise.duration_ns)

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
            self.register.check_gate(gate, qubits, params)  # before its operands age
            self._bring(qubits, start_ns)
        self.register.apply(gate, qubits, params)
        if lab._errs or self._clocks:
            self._after_gate(lab, qubits, start_ns)

    def apply_unitary(self, lab: Laboratory, matrix: Matrix, qubits: Sequence[QubitId], start_ns: int) -> None:
        """Any unitary. Raises as `Register.apply_unitary`."""
        if self._clocks:
            self.register.check_unitary(matrix, qubits)
            self._bring(qubits, start_ns)
        self.register.apply_unitary(matrix, qubits)
        self._after_gate(lab, qubits, start_ns)

    def measure(self, lab: Laboratory, qubit: QubitId, basis: str, start_ns: int, *, keep: bool) -> int:
        """Measure; the outcome as it is read. A kept qubit is in the eigenstate of the true one.

        In the bases x and y the qubit is turned first, with the error of a gate.
        """
        if self._clocks:
            self._bring((qubit,), start_ns)
        if lab._errs:
            if basis != "z":
                self._finish(lab._single, (qubit,), start_ns)
            self._finish(lab._measured, (qubit,), start_ns)
        nth = self._draws.get(qubit, 0)
        outcome = self.register.measure(qubit, self._coins(f"measure {qubit}", nth), basis, keep)
        if lab._reads_wrong:
            wrong = lab.hardware.p01 if outcome else lab.hardware.p10
            outcome ^= self._coins(f"readout {qubit}", nth) < wrong
        if keep:
            self._draws[qubit] = nth + 1
            self._finish((), (qubit,), start_ns + lab.hardware.measure.duration_ns)
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
            clock.set(max(clock.at_ns, start_ns))
        self._finish(lab._initial, (qubit,), start_ns + lab.hardware.initialise.duration_ns)

    def discard(self, qubit: QubitId) -> None:
        """Trace a qubit out; what it would have suffered meanwhile does not matter to the others."""
        self.register.discard(qubit, self._coins(f"discard {qubit}", self._draws.get(qubit, 0)))
        self._forget(qubit)

    def move(self, lab: Laboratory, qubit: QubitId, kind: int, start_ns: int) -> None:
        """Into a slot of a kind."""
        self._bring((qubit,), start_ns)
        self._clocks.pop(qubit, None)
        self._begin(lab, qubit, kind, start_ns)
        self._finish(lab._moved, (qubit,), start_ns + lab.hardware.move.duration_ns)

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

    def settle(self, attempts: Attempts, qubits: Sequence[QubitId], now_ns: int) -> None:
        """Bring the qubits of a node to now, so that attempts which are over can be forgotten."""
        self._bring(qubits, now_ns)
        clocks = [clock for qubit in qubits if (clock := self._clocks.get(qubit)) is not None]
        attempts.forget(now_ns, min((one.known for one in clocks if one.since_ns <= now_ns), default=attempts.known))

    def pending(self, qubits: Iterable[QubitId], at_ns: int) -> dict[QubitId, float]:
        """What attempts that qubits have not been brought through leave of X and Y by then, where they do anything."""
        found = {}
        for qubit in qubits:
            clock = self._clocks.get(qubit)
            if clock is not None and clock.decay.attempts is not None:
                left = clock.decay.attempts.left(clock, at_ns)
                if left != 1.0:
                    found[qubit] = left
        return found

    # --- looking ----------------------------------------------------------------------------------------------------

    def seen_at(self, at_ns: int, left: Mapping[QubitId, float] | None = None) -> SeenAt:
        """The states at a time; for observers only. `left`: what attempts leave of X and Y beside."""
        return SeenAt(self, at_ns, left or {})

    # --- inside -----------------------------------------------------------------------------------------------------

    def _begin(self, lab: Laboratory, qubit: QubitId, kind: int, at_ns: int) -> None:
        decay = lab.decays[kind]
        if decay is not None:
            self._clocks[qubit] = Clock(at_ns, kind, decay)

    def _bring(self, qubits: Sequence[QubitId], to_ns: int) -> None:
        for qubit in qubits:
            clock = self._clocks.get(qubit)
            if clock is not None and (clock.at_ns < to_ns or (clock.at_ns == to_ns and clock.decay.attempts)):
                e1, e2 = clock.factors(to_ns)
                if e1 != 1.0 or e2 != 1.0:
                    self.register.relax(qubit, e1, e2, self._noise(qubit))
                clock.set(to_ns)

    def _after_gate(self, lab: Laboratory, qubits: Sequence[QubitId], start_ns: int) -> None:
        n_qubits = len(qubits)
        self._finish(lab.errors(n_qubits), qubits, start_ns + lab.gate(n_qubits).duration_ns)

    def _finish(self, channels: Channels, qubits: Sequence[QubitId], end_ns: int) -> None:
        """An operation is over: its operands have aged meanwhile, and then its errors come."""
        if self._clocks:
            self._bring(qubits, end_ns)
        for channel, operands in channels:
            names = [qubits[operand] for operand in operands]
            self.register.suffer(channel, names, self._noise(names[0]))

    def _noise(self, qubit: QubitId) -> float:
        nth = self._noise_draws.get(qubit, 0)
        self._noise_draws[qubit] = nth + 1
        return self._coins(f"noise {qubit}", nth)

    def _forget(self, qubit: QubitId) -> None:
        if self._clocks:
            self._clocks.pop(qubit, None)
        if self._draws:
            self._draws.pop(qubit, None)
        if self._noise_draws:
            self._noise_draws.pop(qubit, None)


class SeenAt:
    """What an observer sees of a noisy register at a time: reduced states, aged without drawing anything.

    All that was issued counts as done: a qubit on which an operation is still under way is seen at the end of that.

    Attributes:
        register: The states as they have been brought so far, pure where noise is sampled.
    """

    def __init__(self, noisy: NoisyRegister, at_ns: int, left: Mapping[QubitId, float]) -> None:
        self.register = noisy.register
        self._noisy = noisy
        self._at_ns = at_ns
        self._left = left

    def __contains__(self, qubit: object) -> bool:
        return qubit in self.register

    def reduced_state(self, qubits: Sequence[QubitId]) -> Matrix:
        """The density matrix of some qubits, shape (2**m, 2**m), first qubit leftmost."""
        rho = self.register.reduced_state(qubits)
        whole = DensityMatrix({qubit: index for index, qubit in enumerate(qubits)}, rho)
        for index, qubit in enumerate(qubits):
            clock = self._noisy._clocks.get(qubit)
            if clock is not None:
                e1, e2 = clock.factors(max(clock.at_ns, self._at_ns))
                e2 *= self._left.get(qubit, 1.0)
                if e1 != 1.0 or e2 != 1.0:
                    whole.unravel(relaxation(e1, e2), (index,), 0.0)
        return whole.rho
