"""Components: when qubits share one, in which formalism it is, how large it may be, and what a refusal leaves."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise, permutations
from typing import Final

import numpy as np
import pytest

from qnode.errors import ComponentTooLarge, ConfigError, InvalidOperation, NotClifford, QnodeError, UnknownQubit
from qnode.ids import QubitId
from qnode.quantum import density_matrix, state_vector
from qnode.quantum.bell import BELL_STATES, PHI_PLUS, Pauli
from qnode.quantum.dense import DenseRegister
from qnode.quantum.fidelity import fidelity, named_state
from qnode.quantum.register import FORMALISMS, ComponentState, Register
from qnode.quantum.stabilizer import LargeStabilizer, SmallStabilizer
from tests.quantum.worlds import qubits, random_unitary

A, B, C, D, E = qubits("a", "b", "c", "d", "e")
every_formalism = pytest.mark.parametrize("formalism", FORMALISMS)
exact_formalisms = pytest.mark.parametrize("formalism", ["auto", "state_vector", "density_matrix"])


def with_qubits(formalism: str, *names: QubitId, limit: int = 24) -> Register:
    register = Register(formalism, limit)
    for name in names:
        register.create(name)
    return register


def ghz(register: Register | DenseRegister, *names: QubitId) -> None:
    """Bring qubits in |0> into (|0...0> + |1...1>)/sqrt(2)."""
    register.apply("h", names[:1])
    for pair in pairwise(names):
        register.apply("cnot", pair)


def groups(register: Register) -> set[frozenset[QubitId]]:
    return {frozenset(register.members(qubit)) for qubit in register.qubits()}


def of(*names: str) -> set[frozenset[QubitId]]:
    return {frozenset(qubits(*name)) for name in names}


def everything(register: Register) -> list[tuple[QubitId, ComponentState, str]]:
    """All that can be seen of a register, bytes included."""
    return [(qubit, register.snapshot(qubit), register.formalism_of(qubit)) for qubit in register.qubits()]


# --- joining and separating ------------------------------------------------------------------------------------------


@every_formalism
def test_qubits_share_a_component_from_the_operation_that_joins_them(formalism: str) -> None:
    register = with_qubits(formalism, A, B, C)
    register.create_pair(D, E)
    assert groups(register) == of("a", "b", "c", "de")
    register.apply("cnot", (A, B))  # they are not entangled by it, but they might be
    assert groups(register) == of("ab", "c", "de")
    register.apply("cz", (B, D))
    assert groups(register) == of("abde", "c")
    register.apply("swap", (C, E))
    assert groups(register) == of("abcde")
    register.check_invariants()


@every_formalism
@pytest.mark.parametrize("keep", [False, True])
def test_a_measured_qubit_leaves_its_component(formalism: str, keep: bool) -> None:
    register = with_qubits(formalism, A, B, C)
    ghz(register, A, B, C)
    register.measure(B, 0.7, keep=keep)
    assert groups(register) == (of("ac", "b") if keep else of("ac"))
    assert (B in register) == keep
    assert register.formalism_of(A) == ("stabilizer" if formalism == "auto" else formalism)


@every_formalism
@pytest.mark.parametrize("operation", ["discard", "reset"])
def test_a_lost_qubit_leaves_its_component(formalism: str, operation: str) -> None:
    register = with_qubits(formalism, A, B, C)
    ghz(register, A, B, C)
    getattr(register, operation)(C, 0.2)
    assert groups(register) == (of("ab", "c") if operation == "reset" else of("ab"))


@every_formalism
@pytest.mark.parametrize("basis", list(Pauli))
@pytest.mark.parametrize("draw", [0.1, 0.9])
def test_a_kept_qubit_is_alone_in_the_eigenstate_that_was_found(formalism: str, basis: Pauli, draw: float) -> None:
    register = Register(formalism)
    register.create_pair(A, B)
    outcome = register.measure(A, draw, basis, keep=True)
    assert outcome == (draw >= 0.5)
    kets = {"x": "+-", "z": "01"}.get(basis)
    name = kets[outcome] if kets else ("i", "-i")[outcome]
    assert fidelity(register.reduced_state((A,)), named_state(name)) == pytest.approx(1, abs=1e-12)
    assert [register.measure(A, again, basis, keep=True) for again in (0.0, 0.5, 0.99)] == [outcome] * 3
    # the partner is where the correlators of Phi+ put it
    assert register.measure(B, 0.5, basis) == (1 - outcome if basis == "y" else outcome)


@every_formalism
def test_the_last_qubit_leaves_nothing(formalism: str) -> None:
    register = with_qubits(formalism, A)
    assert register.measure(A, 0.3) == 0
    assert len(register) == 0
    assert A not in register
    register.create(A)  # its name is free
    assert register.qubits() == (A,)


# --- what is found to be separate only when space is short -----------------------------------------------------------


@pytest.mark.parametrize("formalism", ["auto", "state_vector"])
def test_what_a_measurement_has_separated_is_found_when_space_is_short(formalism: str) -> None:
    register = with_qubits(formalism, A, B, C, limit=3)
    ghz(register, A, B, C)
    register.measure(A, 0.9)
    assert groups(register) == of("bc")  # |11>: a product, and not looked for
    register.create(D)
    register.create(E)
    ghz(register, D, E)
    register.apply("t", (D,))
    register.apply("cnot", (B, D))  # 4 qubits, but c is not entangled with b
    assert groups(register) == of("bde", "c")
    dense = DenseRegister()
    for name in (B, C, D, E):
        dense.create(name)
    for name in (B, C):
        dense.apply("x", (name,))
    ghz(dense, D, E)
    dense.apply("t", (D,))
    dense.apply("cnot", (B, D))
    np.testing.assert_allclose(register.reduced_state((B, C, D, E)), dense.rho, atol=1e-12)
    register.check_invariants()


def test_density_matrices_separate_too() -> None:
    names = qubits(*(f"q{k}" for k in range(density_matrix.MAX_QUBITS)))
    register = with_qubits("density_matrix", *names)
    ghz(register, *names)
    register.measure(names[0], 0.2)
    for name in names[1:]:
        register.apply("h", (name,))
    register.create(A)
    register.create(B)
    register.apply("cnot", (names[1], A))
    register.apply("cnot", (A, B))  # 11 qubits in two components, of which 3 are needed
    assert groups(register) == {frozenset((names[1], A, B)), *(frozenset((name,)) for name in names[2:])}
    for name in names[2:]:
        assert fidelity(register.reduced_state((name,)), named_state("+")) == pytest.approx(1, abs=1e-12)


def test_entangled_pairs_are_kept_together_when_space_is_short() -> None:
    """A stabilizer component splits into its entangled groups, whatever gates joined them."""
    register = Register("auto", 4)
    for first, second in ((A, B), (C, D)):
        register.create_pair(first, second)
    register.create(E)
    for pair in ((A, C), (A, C), (B, E), (B, E)):
        register.apply("cnot", pair)
    assert groups(register) == of("abcde")
    register.apply("t", (A,))
    assert groups(register) == of("ab", "cd", "e")
    assert [register.formalism_of(name) for name in (A, C, E)] == ["state_vector", "stabilizer", "stabilizer"]


# --- auto ------------------------------------------------------------------------------------------------------------


def test_auto_is_stabilizer_until_an_operation_needs_amplitudes() -> None:
    register = with_qubits("auto", A, B, C)
    ghz(register, A, B, C)
    register.apply("rx", (A,), (np.pi / 2,))
    register.apply_unitary(np.diag([1, 1j]), (B,))
    register.measure(C, 0.4, "y", keep=True)
    assert {register.formalism_of(name) for name in (A, B, C)} == {"stabilizer"}
    register.apply("t", (A,))
    assert [register.formalism_of(name) for name in (A, B, C)] == ["state_vector", "state_vector", "stabilizer"]


def test_auto_joins_a_stabilizer_component_to_amplitudes() -> None:
    register = with_qubits("auto", A, B, C)
    register.apply("t", (A,))
    assert register.formalism_of(B) == "stabilizer"
    register.apply("cnot", (B, A))
    assert register.formalism_of(B) == "state_vector"
    assert register.formalism_of(C) == "stabilizer"


def test_auto_does_not_go_back_but_measured_and_reset_qubits_begin_anew() -> None:
    """t and then tdg leave a stabilizer state behind; nobody looks for it."""
    register = with_qubits("auto", A, B)
    register.apply("h", (A,))
    register.apply("t", (A,))
    register.apply("tdg", (A,))
    register.apply("cnot", (A, B))
    assert register.formalism_of(A) == "state_vector"
    register.measure(A, 0.2, keep=True)
    assert register.formalism_of(A) == "stabilizer"
    assert register.formalism_of(B) == "state_vector"
    register.reset(B, 0.2)
    assert register.formalism_of(B) == "stabilizer"


@pytest.mark.parametrize("formalism", ["state_vector", "density_matrix", "stabilizer"])
def test_a_formalism_that_was_asked_for_is_kept(formalism: str) -> None:
    register = with_qubits(formalism, A, B)
    ghz(register, A, B)
    register.measure(A, 0.4, keep=True)
    register.reset(B, 0.4)
    register.create_pair(C, D)
    assert {register.formalism_of(name) for name in register.qubits()} == {formalism}


# --- representations of a stabilizer component -----------------------------------------------------------------------


def test_a_stabilizer_component_grows_into_a_simulator_and_shrinks_again() -> None:
    names = qubits(*"abcdefgh")
    register = with_qubits("stabilizer", *names)
    kinds = []
    register.apply("h", (names[0],))
    for pair in pairwise(names):
        register.apply("cnot", pair)
        kinds.append(type(register._at(names[0], "")))
    assert kinds == [SmallStabilizer] * 3 + [LargeStabilizer] * 4
    kinds = []
    for name in names[:-1]:
        register.measure(name, 0.3, "x")
        kinds.append(type(register._at(names[-1], "")))
    assert kinds == [LargeStabilizer] * 5 + [SmallStabilizer] * 2
    # an even number of X outcomes 0 and all: the last qubit holds the parity
    assert fidelity(register.reduced_state(names[-1:]), named_state("+")) == pytest.approx(1)


def test_free_columns_of_a_simulator_are_used_again() -> None:
    names = qubits(*"abcdef")
    register = with_qubits("stabilizer", *names)
    ghz(register, *names)
    component = register._at(A, "")
    assert isinstance(component, LargeStabilizer)
    size = component.simulator.num_qubits
    for nth in range(20):
        register.measure(register.members(names[0])[-1], 0.6)
        fresh = QubitId(f"fresh{nth}")
        register.create(fresh)
        register.apply("cnot", (names[0], fresh))
    assert component.simulator.num_qubits == size
    register.check_invariants()


@pytest.mark.parametrize("sizes", [(5, 17), (17, 5), (17, 18), (3, 17), (17, 2), (5, 5)], ids=str)
def test_two_large_components_join_in_any_sizes(sizes: tuple[int, int]) -> None:
    """GHZ states joined by a controlled Z and measured: the parities that must hold, hold."""
    register = Register("stabilizer")
    left, right = (qubits(*(f"{side}{k}" for k in range(n))) for side, n in zip("lr", sizes, strict=True))
    for names in (left, right):
        for name in names:
            register.create(name)
        ghz(register, *names)
        register.apply("s", names[:1])
    register.apply("cz", (left[-1], right[0]))
    assert set(register.members(left[0])) == {*left, *right}
    register.check_invariants()
    # S turns X..X into Y X..X; the controlled Z multiplies it by a Z of the other side
    left_y = {**dict.fromkeys(left, Pauli.X), left[0]: Pauli.Y}
    assert register.pauli_expectation({**left_y, right[0]: Pauli.Z}) == 1
    assert register.pauli_expectation(left_y) == 0
    assert register.pauli_expectation({left[0]: Pauli.Z, left[-1]: Pauli.Z}) == 1
    assert register.pauli_expectation({left[0]: Pauli.Z, right[0]: Pauli.Z}) == 0
    outcomes = {name: register.measure(name, 0.6) for name in (*left, *right)}
    assert [{outcomes[name] for name in side} for side in (left, right)] == [{1}, {1}]


# --- refusals change nothing -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("formalism", ["auto", "state_vector"])
def test_a_component_too_large_names_operation_size_and_component_and_changes_nothing(formalism: str) -> None:
    register = with_qubits(formalism, A, B, C, D, limit=3)
    ghz(register, A, B)
    ghz(register, C, D)
    register.apply("t", (A,))
    register.apply("t", (C,))
    before = everything(register)
    with pytest.raises(
        ComponentTooLarge, match=r"^cnot would make a joint state of 4 qubits in formalism state_vector"
    ) as refused:
        register.apply("cnot", (B, C))
    fields = refused.value.fields
    assert (fields["operation"], fields["size"], fields["limit"]) == ("cnot", 4, 3)
    assert set(str(fields["component"]).split(", ")) == {A, B, C, D}
    assert everything(register) == before
    assert register.measure(A, 0.7) == register.measure(B, 0.1)  # and it goes on


def test_a_density_matrix_has_at_most_10_qubits() -> None:
    names = qubits(*(f"q{k}" for k in range(11)))
    register = with_qubits("density_matrix", *names)
    ghz(register, *names[:10])
    before = everything(register)
    with pytest.raises(
        ComponentTooLarge, match="cnot would make a joint state of 11 qubits in formalism density_matrix"
    ):
        register.apply("cnot", names[9:])
    assert everything(register) == before


def test_a_large_stabilizer_component_is_no_trouble_until_it_needs_amplitudes() -> None:
    names = qubits(*(f"q{k}" for k in range(30)))
    register = with_qubits("auto", *names, limit=8)
    ghz(register, *names)
    before = everything(register)
    with pytest.raises(ComponentTooLarge, match=r"t would make a joint state of 30 qubits .* and 18 more") as refused:
        register.apply("t", names[:1])
    assert refused.value.fields["size"] == 30
    assert everything(register) == before
    for name in names[8:]:
        register.measure(name, 0.3, "x")
    register.apply("t", names[:1])  # 8 are left
    assert register.formalism_of(names[7]) == "state_vector"
    outcomes = [register.measure(name, 0.7) for name in names[:8]]
    assert outcomes == [1] * 8


def test_only_what_an_operation_needs_counts() -> None:
    """A component of 30 in which the operand is alone: it leaves, and 29 stay."""
    names = qubits(*(f"q{k}" for k in range(30)))
    register = with_qubits("auto", *names, limit=2)
    ghz(register, *names[1:])
    register.apply("cnot", names[:2])  # names[0] is |0>
    assert len(register.members(names[0])) == 30
    register.apply("ry", names[:1], (0.3,))
    assert register.members(names[0]) == names[:1]
    assert len(register.members(names[1])) == 29


@pytest.mark.parametrize("gate", ["t", "rx", "unitary"])
def test_what_is_not_clifford_is_refused_by_name_and_changes_nothing(gate: str) -> None:
    register = with_qubits("stabilizer", A, B)
    ghz(register, A, B)
    before = everything(register)
    calls = {
        "t": lambda: register.apply("t", (A,)),
        "rx": lambda: register.apply("rx", (A,), (0.3,)),
        "unitary": lambda: register.apply_unitary(random_unitary(2, 1), (A, B)),
    }
    with pytest.raises(NotClifford, match=f"gate {gate} on a.* is not Clifford") as refused:
        calls[gate]()
    assert refused.value.fields["gate"] == gate
    assert everything(register) == before
    register.apply("rx", (A,), (np.pi,))


Z: Final = QubitId("nobody")
REFUSED: Final[dict[str, tuple[type[QnodeError], Callable[[Register], object]]]] = {
    "unknown gate": (InvalidOperation, lambda r: r.apply("toffoli", (A, B))),
    "too few qubits": (InvalidOperation, lambda r: r.apply("cnot", (A,))),
    "too many qubits": (InvalidOperation, lambda r: r.apply("h", (A, B))),
    "no qubits": (InvalidOperation, lambda r: r.apply("h", ())),
    "the same qubit twice": (InvalidOperation, lambda r: r.apply("cnot", (A, A))),
    "a unitary of another size": (InvalidOperation, lambda r: r.apply_unitary(random_unitary(2, 0), (A,))),
    "a unitary on one qubit twice": (InvalidOperation, lambda r: r.apply_unitary(random_unitary(3, 0), (A, B, A))),
    "gate on nobody": (UnknownQubit, lambda r: r.apply("h", (Z,))),
    "gate with nobody": (UnknownQubit, lambda r: r.apply("cnot", (A, Z))),
    "measuring nobody": (UnknownQubit, lambda r: r.measure(Z, 0.5)),
    "discarding nobody": (UnknownQubit, lambda r: r.discard(Z, 0.5)),
    "resetting nobody": (UnknownQubit, lambda r: r.reset(Z, 0.5)),
    "exporting nobody": (UnknownQubit, lambda r: r.export(Z)),
    "looking at nobody": (UnknownQubit, lambda r: r.reduced_state((A, Z))),
    "expecting of nobody": (UnknownQubit, lambda r: r.pauli_expectation({A: Pauli.X, Z: Pauli.X})),
    "members of nobody": (UnknownQubit, lambda r: r.members(Z)),
    "a name that is taken": (InvalidOperation, lambda r: r.create(A)),
    "a pair with a first name that is taken": (InvalidOperation, lambda r: r.create_pair(A, Z)),
    "a pair with a second name that is taken": (InvalidOperation, lambda r: r.create_pair(Z, A)),
    "a pair with itself": (InvalidOperation, lambda r: r.create_pair(Z, Z)),
    "a basis that is none": (InvalidOperation, lambda r: r.measure(A, 0.5, "w")),
    "a draw of 1": (InvalidOperation, lambda r: r.measure(A, 1.0)),
    "a draw below 0": (InvalidOperation, lambda r: r.measure(A, -1e-9, "x")),
    "a draw that is no number": (InvalidOperation, lambda r: r.measure(A, float("nan"))),
    "a discard with a draw of 1": (InvalidOperation, lambda r: r.discard(A, 1.0)),
    "a reset with a draw below 0": (InvalidOperation, lambda r: r.reset(A, -0.1)),
}  # fmt: skip


@every_formalism
@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED.keys())
def test_a_wrong_call_is_refused_and_changes_nothing(
    formalism: str, case: tuple[type[QnodeError], Callable[[Register], object]]
) -> None:
    error, call = case
    register = with_qubits(formalism, A, B, C)
    ghz(register, A, B)
    before = everything(register)
    with pytest.raises(error):
        call(register)
    assert everything(register) == before
    register.check_invariants()


@pytest.mark.parametrize(("formalism", "limit"), [("tensor", 24), ("", 24), ("auto", 1), ("state_vector", 0)])
def test_a_register_that_cannot_be_is_refused(formalism: str, limit: int) -> None:
    with pytest.raises(ConfigError):
        Register(formalism, limit)


# --- looking ---------------------------------------------------------------------------------------------------------


@exact_formalisms
def test_reduced_states_come_in_the_order_asked_for_over_components(formalism: str) -> None:
    register, dense = with_qubits(formalism, A, B, C), DenseRegister()
    for name in (A, B, C):
        dense.create(name)
    for world in (register, dense):
        world.create_pair(D, E, BELL_STATES[3])
        world.apply("u", (A,), (0.4, 1.0, 0.2))
        world.apply("ry", (C,), (1.3,))
        world.apply("cnot", (A, D))
    for names in permutations((A, B, C, D, E), 3):
        np.testing.assert_allclose(register.reduced_state(names), dense.reduced_state(names), atol=1e-12)
    assert register.reduced_state(()).tolist() == [[1]]


@every_formalism
def test_looking_changes_nothing(formalism: str) -> None:
    register = with_qubits(formalism, *qubits(*"abcdef"))
    ghz(register, *qubits(*"abcdef"))
    before = everything(register)
    register.reduced_state((A, C))
    register.pauli_expectation({A: Pauli.X, B: Pauli.Z})
    register.check_invariants()
    register.members(A)
    assert everything(register) == before


@pytest.mark.parametrize("what", ["amplitudes", "trace", "places", "home", "size"])
def test_check_invariants_notices_damage(what: str) -> None:
    """The checks that other tests rely on can fail."""
    register = with_qubits("density_matrix" if what == "trace" else "state_vector", A, B)
    ghz(register, A, B)
    component = register._at(A, "")
    if isinstance(component, state_vector.StateVector) and what in ("amplitudes", "size"):
        component.amplitudes = component.amplitudes * 1.001 if what == "amplitudes" else component.amplitudes[:2]
    elif isinstance(component, density_matrix.DensityMatrix):
        component.rho = component.rho * 0.99
    elif what == "places":
        component.places[B] = 5
    else:
        del register._home[B]
    with pytest.raises(AssertionError):
        register.check_invariants()


def test_a_pair_is_phi_plus_unless_told() -> None:
    register = Register()
    register.create_pair(A, B)
    assert fidelity(register.reduced_state((A, B)), PHI_PLUS.ket()) == pytest.approx(1, abs=1e-14)
