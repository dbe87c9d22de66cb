"""A circuit of any operations, carried out twice: by registers as in a network, and by the dense reference.

An `Instruction` names its qubits by numbers that are taken modulo how many there are, so that every list of
instructions means something, and Hypothesis can shorten it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from itertools import product
from math import pi
from typing import Final, NamedTuple

import numpy as np
from hypothesis import strategies as st

from qnode.errors import ComponentTooLarge
from qnode.ids import QubitId
from qnode.quantum.bell import BELL_STATES, Pauli
from qnode.quantum.dense import DenseRegister, embedded, tensor
from qnode.quantum.gates import GATES, Matrix
from qnode.quantum.register import CLIFFORD_ONLY, ComponentState, Register

AGREE: Final = 1e-10
MOST_QUBITS: Final = 6
PAULIS: Final[Mapping[str, Matrix]] = {
    "I": np.eye(2, dtype=np.complex128),
    "X": np.array([[0, 1], [1, 0]], np.complex128),
    "Y": np.array([[0, -1j], [1j, 0]], np.complex128),
    "Z": np.array([[1, 0], [0, -1]], np.complex128),
}
CLIFFORD_GATES: Final = tuple(name for name, gate in GATES.items() if gate.pauli_images)


def qubits(*names: str) -> tuple[QubitId, ...]:
    return tuple(QubitId(name) for name in names)


def pauli_matrix(letters: str) -> Matrix:
    """The tensor product of Paulis, e.g. "XIZ", first letter leftmost."""
    return tensor(*(PAULIS[letter] for letter in letters))


def random_unitary(n_qubits: int, seed: int) -> Matrix:
    """A unitary from the Haar measure (Mezzadri 2007)."""
    rng = np.random.default_rng(seed)
    size = 2**n_qubits
    ginibre = rng.normal(size=(size, size)) + 1j * rng.normal(size=(size, size))
    q, r = np.linalg.qr(ginibre)
    return np.asarray(q * (np.diag(r) / np.abs(np.diag(r))), np.complex128)


def random_clifford(n_qubits: int, seed: int) -> Matrix:
    """A product of 6 gates for each qubit from the table, with any global phase."""
    rng = np.random.default_rng(seed)
    matrix: Matrix = np.eye(2**n_qubits, dtype=np.complex128) * np.exp(1j * rng.uniform(0, 2 * pi))
    names = [name for name in CLIFFORD_GATES if GATES[name].n_qubits <= n_qubits]
    for _ in range(6 * n_qubits):
        gate = GATES[names[rng.integers(len(names))]]
        targets = [int(target) for target in rng.permutation(n_qubits)[: gate.n_qubits]]
        matrix = embedded(gate.unitary(), targets, n_qubits) @ matrix
    return matrix


@cache
def pauli_basis(n_qubits: int) -> Matrix:
    """All Pauli strings, shape (4**n, 2**n, 2**n)."""
    return np.array([pauli_matrix("".join(letters)) for letters in product("IXYZ", repeat=n_qubits)], np.complex128)


def is_clifford(unitary: Matrix) -> bool:
    """From the definition: U P U^dagger is plus or minus a Pauli string for every generator P (to 1e-9)."""
    n_qubits = len(unitary).bit_length() - 1
    basis = pauli_basis(n_qubits)
    for site in range(n_qubits):
        for letter in "XZ":
            image = unitary @ pauli_matrix("I" * site + letter + "I" * (n_qubits - site - 1)) @ unitary.conj().T
            if np.abs(basis.reshape(len(basis), -1).conj() @ image.reshape(-1)).max() / 2**n_qubits < 1 - 1e-9:
                return False
    return True


class Instruction(NamedTuple):
    """One step of a circuit; what `choice` and `seed` mean depends on `kind`."""

    kind: str
    sites: tuple[int, int, int]
    choice: int
    seed: int
    draw: float


KINDS: Final = (
    *("gate",) * 4, *("joining",) * 8, *("rotation",) * 3, *("unitary",) * 2, *("clifford",) * 3,
    *("create",) * 2, *("pair",) * 5, *("measure",) * 3, "reset", "discard", *("move",) * 2,
)  # fmt: skip
CLIFFORD_KINDS: Final = tuple(kind for kind in KINDS if kind != "unitary")

# A draw close to 0 or 1 is where impossible outcomes would be met
draws = st.floats(0, 1, exclude_max=True) | st.sampled_from((0.0, 1e-13, 0.5, np.nextafter(1.0, 0.0).item()))


def instructions(kinds: tuple[str, ...] = KINDS) -> st.SearchStrategy[list[Instruction]]:
    sites = st.tuples(*[st.integers(0, MOST_QUBITS - 1)] * 3)
    one = st.builds(Instruction, st.sampled_from(kinds), sites, st.integers(0, 62), st.integers(0, 2**32), draws)
    return st.lists(one, min_size=15, max_size=40)


@dataclass
class World:
    """Two registers of one formalism, between which components move, and the dense reference.

    Attributes:
        components: What the registers should say: for each qubit its component's qubits, and whether that has
            met an operation which is not Clifford.
    """

    formalism: str
    max_state_vector_qubits: int = 24
    refused: int = 0
    born: int = 0
    registers: tuple[Register, Register] = field(init=False)
    dense: DenseRegister = field(default_factory=DenseRegister)
    components: dict[QubitId, tuple[frozenset[QubitId], bool]] = field(default_factory=dict)
    sampled: bool = field(init=False)

    def __post_init__(self) -> None:
        first, second = (Register(self.formalism, self.max_state_vector_qubits) for _ in range(2))
        self.registers = first, second
        self.sampled = self.formalism not in ("density_matrix", "bell_diagonal")

    def run(self, instruction: Instruction) -> None:
        """Carry it out everywhere, and compare."""
        doing: dict[str, Callable[[Instruction], None]] = {
            "create": self._create, "pair": self._pair, "gate": self._gate, "joining": self._joining,
            "rotation": self._rotation, "unitary": self._unitary, "clifford": self._clifford,
            "measure": self._measure, "reset": self._reset, "discard": self._discard, "move": self._move,
        }  # fmt: skip
        if not self.dense.names and instruction.kind != "pair":
            instruction = instruction._replace(kind="create")
        doing[instruction.kind](instruction)

    def where(self, qubit: QubitId) -> Register:
        return next(register for register in self.registers if qubit in register)

    def joint(self) -> Matrix:
        """The density matrix of all qubits, in the reference's order."""
        whole = DenseRegister()
        whole.names = [name for register in self.registers for name in register.qubits()]
        whole.rho = tensor(*(register.reduced_state(register.qubits()) for register in self.registers))
        return whole.reduced_state(self.dense.names)

    def compare(self) -> None:
        """The joint state, the invariants, and the components are as they should be."""
        assert {*self.registers[0].qubits(), *self.registers[1].qubits()} == set(self.dense.names)
        np.testing.assert_allclose(self.joint(), self.dense.rho, rtol=0, atol=AGREE)
        for register in self.registers:
            register.check_invariants()

    def compare_components(self) -> None:
        for qubit, (members, amplitudes) in self.components.items():
            register = self.where(qubit)
            assert set(register.members(qubit)) == members
            formalism = self.formalism
            if formalism == "auto":
                formalism = "state_vector" if amplitudes else "stabilizer"
            assert register.formalism_of(qubit) == formalism

    def compare_parts(self, instruction: Instruction) -> None:
        """Some qubits in any order, and some product of Paulis."""
        rng = np.random.default_rng(instruction.seed)
        for register in self.registers:
            here = register.qubits()
            some = [here[int(k)] for k in rng.permutation(len(here))[: int(rng.integers(0, len(here) + 1))]]
            np.testing.assert_allclose(
                register.reduced_state(some), self.dense.reduced_state(some), rtol=0, atol=AGREE
            )  # fmt: skip
            paulis = {qubit: list(Pauli)[int(rng.integers(3))] for qubit in some}
            assert abs(register.pauli_expectation(paulis) - self.dense.pauli_expectation(paulis)) < AGREE

    # --- the operations, each in both worlds ---------------------------------------------------------------------

    def _new(self) -> QubitId:
        self.born += 1
        return QubitId(f"q{self.born}")

    def _create(self, instruction: Instruction) -> None:
        if len(self.dense.names) + 1 > MOST_QUBITS:
            return
        qubit = self._new()
        self.registers[instruction.choice % 2].create(qubit)
        self.dense.create(qubit)
        self.components[qubit] = frozenset({qubit}), False

    def _pair(self, instruction: Instruction) -> None:
        if len(self.dense.names) + 2 > MOST_QUBITS:
            return
        first, second, bell = self._new(), self._new(), BELL_STATES[instruction.seed % 4]
        self.registers[instruction.choice % 2].create_pair(first, second, bell)
        self.dense.create_pair(first, second, bell)
        self.components[first] = self.components[second] = frozenset({first, second}), False

    def _operands(self, instruction: Instruction, count: int) -> tuple[QubitId, ...]:
        remaining = list(self.dense.names)
        count = min(count, len(remaining))
        return tuple(remaining.pop(site % len(remaining)) for site in instruction.sites[:count])

    def _gate(self, instruction: Instruction) -> None:
        names = (
            CLIFFORD_GATES if self.formalism in CLIFFORD_ONLY else [name for name in GATES if not GATES[name].n_params]
        )
        name = names[instruction.choice % len(names)]
        self._apply(name, (), self._operands(instruction, GATES[name].n_qubits))

    def _joining(self, instruction: Instruction) -> None:
        name = ("cnot", "cz", "swap")[(0, 0, 0, 1, 1, 2)[instruction.choice % 6]]
        self._apply(name, (), self._operands(instruction, 2))

    def _rotation(self, instruction: Instruction) -> None:
        name = ("rx", "ry", "rz", "u")[instruction.seed % 4]
        quarters = instruction.choice % 2 == 0 or self.formalism in CLIFFORD_ONLY
        step = pi / 2 if quarters else 0.1
        params = tuple(step * (instruction.choice + 5 * k) for k in range(GATES[name].n_params))
        self._apply(name, params, self._operands(instruction, 1))

    def _apply(self, name: str, params: tuple[float, ...], operands: tuple[QubitId, ...]) -> None:
        if len(operands) < GATES[name].n_qubits:
            return
        unitary = GATES[name].unitary(*params)
        self._together(operands)
        if self._allowed(lambda register: register.apply(name, operands, params), operands, unitary):
            self.dense.apply(name, operands, params)

    def _unitary(self, instruction: Instruction) -> None:
        operands = self._operands(instruction, 1 + instruction.choice % 3)
        self._apply_matrix(random_unitary(len(operands), instruction.seed), operands)

    def _clifford(self, instruction: Instruction) -> None:
        operands = self._operands(instruction, 1 + instruction.choice % 3)
        self._apply_matrix(random_clifford(len(operands), instruction.seed), operands)

    def _apply_matrix(self, matrix: Matrix, operands: tuple[QubitId, ...]) -> None:
        self._together(operands)
        if self._allowed(lambda register: register.apply_unitary(matrix, operands), operands, matrix):
            self.dense.apply_unitary(matrix, operands)

    def _allowed(self, do: Callable[[Register], None], operands: tuple[QubitId, ...], unitary: Matrix) -> bool:
        """Do it, or see that nothing has changed after it was refused."""
        register = self.where(operands[0])
        before = {qubit: (register.snapshot(qubit), register.members(qubit)) for qubit in register.qubits()}
        component: set[str] | None = None
        try:
            do(register)
        except ComponentTooLarge as error:
            component = set(str(error.fields["component"]).split(", "))
        if component is not None:
            assert self.max_state_vector_qubits < len(component)
            assert set(operands) <= component
            assert before == {q: (register.snapshot(q), register.members(q)) for q in register.qubits()}
            self.refused += 1
            return False
        members = frozenset[QubitId]().union(*(self.components[qubit][0] for qubit in operands))
        amplitudes = not is_clifford(unitary) or any(self.components[qubit][1] for qubit in operands)
        for qubit in members:
            self.components[qubit] = members, amplitudes
        return True

    def _together(self, operands: tuple[QubitId, ...]) -> None:
        """Operands of one operation must be in one register: move what is elsewhere to where the first one is."""
        register = self.where(operands[0])
        for qubit in operands[1:]:
            if qubit not in register:
                self._carry(qubit, register)

    def _carry(self, qubit: QubitId, to: Register) -> None:
        names, formalism, data = self.where(qubit).export(qubit)
        assert all(name not in register for register in self.registers for name in names)
        to.adopt(ComponentState(names, formalism, bytes(bytearray(data))))

    def _move(self, instruction: Instruction) -> None:
        (qubit,) = self._operands(instruction, 1)
        here = self.where(qubit)
        self._carry(qubit, self.registers[1] if here is self.registers[0] else self.registers[0])

    def _measure(self, instruction: Instruction) -> None:
        (qubit,) = self._operands(instruction, 1)
        basis, keep = list(Pauli)[instruction.choice % 3], instruction.seed % 2 == 0
        draw = self._clear_draw(instruction, qubit, basis)
        expected = self.dense.probability(qubit, 0, basis)
        outcome = self.where(qubit).measure(qubit, draw, basis, keep)
        assert self.dense.probability(qubit, outcome, basis) > AGREE
        if min(expected, 1 - expected) > AGREE:
            assert outcome == (0 if draw < expected else 1)
        self.dense.project(qubit, outcome, basis)
        self._leave(qubit)
        if keep:
            self.components[qubit] = frozenset({qubit}), False
        else:
            self.dense.trace_out(qubit)

    def _discard(self, instruction: Instruction) -> None:
        (qubit,) = self._operands(instruction, 1)
        draw = self._clear_draw(instruction, qubit, "z")
        self.where(qubit).discard(qubit, draw)
        self._lose(qubit, draw)

    def _reset(self, instruction: Instruction) -> None:
        (qubit,) = self._operands(instruction, 1)
        draw = self._clear_draw(instruction, qubit, "z")
        self.where(qubit).reset(qubit, draw)
        self._lose(qubit, draw)
        self.dense.create(qubit)
        self.components[qubit] = frozenset({qubit}), False

    def _lose(self, qubit: QubitId, draw: float) -> None:
        if self.sampled:
            self.dense.discard(qubit, draw)
        else:
            self.dense.trace_out(qubit)
        self._leave(qubit)

    def _leave(self, qubit: QubitId) -> None:
        members, amplitudes = self.components.pop(qubit)
        for other in members - {qubit}:
            self.components[other] = members - {qubit}, amplitudes

    def _clear_draw(self, instruction: Instruction, qubit: QubitId, basis: str) -> float:
        """The draw, or one just beside the threshold on either side; never so near that rounding decides."""
        threshold = self.dense.probability(qubit, 0, basis)
        offset = (1e-9, -1e-9)[instruction.choice % 2]
        if (instruction.choice % 5 == 0 or abs(instruction.draw - threshold) < 1e-9) and 0 <= threshold + offset < 1:
            return threshold + offset
        return instruction.draw
