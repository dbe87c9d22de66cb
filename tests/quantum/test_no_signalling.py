"""What Alice does with her half of a pair is not to be seen in Bob's: enumerated, in every formalism.

Her draws are taken both ways, each branch with its probability; Bob, who is told nothing, has the mean of the branches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from typing import Final

import numpy as np
import pytest

from qnode.ids import QubitId
from qnode.quantum.bell import Pauli
from qnode.quantum.gates import GATES, Gate
from qnode.quantum.register import CLIFFORD_ONLY, FORMALISMS, Register
from tests.quantum.worlds import qubits, random_clifford, random_unitary

HALF, BOB, LOCAL, OTHER, CAROL = qubits("half", "bob", "local", "other", "carol")
ANGLES: Final = (0.7, 1.9, -0.4)
MOST_DRAWS: Final = 3
EXACT: Final = 1e-10


class Alice:
    """Alice in one branch: whether each draw falls low or high is given, and how probable all that was is kept."""

    def __init__(self, formalism: str, falls: Iterator[bool]) -> None:
        self.register = Register(formalism)
        self.probability = 1.0
        self._falls = falls
        self.register.create_pair(HALF, BOB)
        self.register.create(LOCAL)

    def draw(self, qubit: QubitId, basis: str = "z") -> float:
        zero = (1 + self.register.pauli_expectation({qubit: Pauli[basis.upper()]})) / 2
        high = next(self._falls)
        self.probability *= 1 - zero if high else zero
        return float(np.nextafter(1.0, 0.0)) if high else 0.0

    def measure(self, qubit: QubitId, basis: str = "z", *, keep: bool = False) -> None:
        self.register.measure(qubit, self.draw(qubit, basis), basis, keep)

    def apply(self, gate: Gate, *operands: QubitId) -> None:
        """With angles that make it Clifford, if the formalism has room for nothing else."""
        angles = (np.pi / 2,) * 3 if self.register.formalism in CLIFFORD_ONLY else ANGLES
        self.register.apply(gate.name, operands, angles[: gate.n_params])

    def unitary(self, *operands: QubitId) -> None:
        some = random_clifford if self.register.formalism in CLIFFORD_ONLY else random_unitary
        self.register.apply_unitary(some(len(operands), 5), operands)


Action = Callable[[Alice], None]


def nothing(alice: Alice) -> None:
    pass


def gate_on_half(gate: Gate, alice: Alice) -> None:
    alice.apply(gate, HALF)


def gate_on_both(gate: Gate, half_first: bool, alice: Alice) -> None:
    alice.apply(GATES["ry"], LOCAL)
    alice.apply(gate, *((HALF, LOCAL) if half_first else (LOCAL, HALF)))
    alice.measure(LOCAL, "x")


def measure(basis: str, keep: bool, alice: Alice) -> None:
    alice.measure(HALF, basis, keep=keep)


def reset(alice: Alice) -> None:
    alice.register.reset(HALF, alice.draw(HALF))


def discard(alice: Alice) -> None:
    alice.register.discard(HALF, alice.draw(HALF))


def unitary(alice: Alice) -> None:
    alice.unitary(HALF)


def entangle_and_measure(basis: str, alice: Alice) -> None:
    """Both of two qubits after a unitary on them, in bases of which one does not commute with what went before."""
    alice.unitary(HALF, LOCAL)
    alice.measure(HALF, basis)
    alice.measure(LOCAL, basis)


def entangle_and_lose(alice: Alice) -> None:
    alice.unitary(HALF, LOCAL)
    alice.register.discard(LOCAL, alice.draw(LOCAL))
    alice.register.reset(HALF, alice.draw(HALF))


def swap_entanglement(alice: Alice) -> None:
    """A Bell measurement on her halves of two pairs, of which she tells nobody the outcome."""
    alice.register.create_pair(OTHER, CAROL)
    alice.register.apply("cnot", (HALF, OTHER))
    alice.register.apply("h", (HALF,))
    alice.measure(HALF)
    alice.measure(OTHER)


ACTIONS: dict[str, Action] = {
    "nothing": nothing,
    **{f"gate {one.name}": partial(gate_on_half, one) for one in GATES.values() if one.n_qubits == 1},
    **{
        f"gate {one.name}, half {'first' if half_first else 'second'}": partial(gate_on_both, one, half_first)
        for one in GATES.values() if one.n_qubits == 2 for half_first in (True, False)
    },
    **{f"measure {basis}{', keep' * keep}": partial(measure, basis, keep) for basis in "xyz" for keep in (False, True)},
    "reset": reset,
    "discard": discard,
    "unitary": unitary,
    **{f"entangle and measure {basis}": partial(entangle_and_measure, basis) for basis in "xyz"},
    "entangle and lose": entangle_and_lose,
    "swap entanglement": swap_entanglement,
}  # fmt: skip


def is_possible(action: str, formalism: str) -> bool:
    return formalism not in CLIFFORD_ONLY or action not in {f"gate {name}" for name in ("t", "tdg")}


@pytest.mark.parametrize(("action", "formalism"), [both for both in product(ACTIONS, FORMALISMS) if is_possible(*both)])
def test_bob_sees_nothing_of_what_alice_does(action: str, formalism: str) -> None:
    mean = np.zeros((2, 2), np.complex128)
    for falls in product((False, True), repeat=MOST_DRAWS):  # draws that an action does not need count as even
        left = iter(falls)
        alice = Alice(formalism, left)
        ACTIONS[action](alice)
        alice.register.check_invariants()
        mean += alice.probability * 0.5 ** len(list(left)) * alice.register.reduced_state((BOB,))
    np.testing.assert_allclose(mean, np.eye(2) / 2, rtol=0, atol=EXACT)


@pytest.mark.parametrize("formalism", FORMALISMS)
def test_bob_would_see_an_outcome_if_he_were_told_it(formalism: str) -> None:
    alice = Alice(formalism, iter((True,)))
    alice.measure(HALF)
    np.testing.assert_allclose(alice.register.reduced_state((BOB,)), np.diag((0, 1)), rtol=0, atol=EXACT)
