"""Components travel as bytes and arrive equal; bytes that are damaged or lie are refused and change nothing."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qnode.errors import ComponentTooLarge, MalformedMessage
from qnode.ids import QubitId
from qnode.quantum.bell import BELL_STATES, PSI_MINUS, BellState
from qnode.quantum.density_matrix import DensityMatrix
from qnode.quantum.fidelity import is_density_matrix
from qnode.quantum.register import CLIFFORD_ONLY, FORMALISMS, ComponentState, Register
from qnode.quantum.state_vector import StateVector
from qnode.quantum.syndromes import SyndromeMixture
from tests.quantum.worlds import qubits, random_clifford, random_unitary

A, B, C = qubits("a", "b", "c")
NAMES: Final = qubits(*"abcdefg")
REPRESENTATIONS: Final = ("stabilizer", "state_vector", "density_matrix", "bell_diagonal")
every_representation = pytest.mark.parametrize("formalism", REPRESENTATIONS)


def component(formalism: str, n_qubits: int, seed: int) -> Register:
    """A register with one random component of so many qubits."""
    register = Register(formalism)
    for name in NAMES[:n_qubits]:
        register.create(name)
    if formalism in CLIFFORD_ONLY:
        for nth in range(2):
            for first in range(0, n_qubits, 2):
                block = NAMES[first : min(first + 3, n_qubits)]
                register.apply_unitary(random_clifford(len(block), seed + 100 * nth + first), block)
    else:
        register.apply_unitary(random_unitary(n_qubits, seed), NAMES[:n_qubits])
    if formalism == "density_matrix":
        register.create(QubitId("lost"))
        register.apply_unitary(random_unitary(2, seed), (NAMES[0], QubitId("lost")))
        register.discard(QubitId("lost"), 0.5)
    mixture = register._at(A, "")
    if isinstance(mixture, SyndromeMixture):
        for target in range(len(mixture.places)):
            mixture.mix(((0.7, "I"), (0.1, "X"), (0.1, "Y"), (0.1, "Z")), (target,))
    return register


def matrix_bytes(rows: Any) -> bytes:
    return np.array(rows, "<c16").tobytes()


def reals(*numbers: float) -> bytes:
    return np.array(numbers, "<f8").tobytes()


# --- round trips -----------------------------------------------------------------------------------------------------


@every_representation
@given(n_qubits=st.integers(1, 6), seed=st.integers(0, 2**32))
@settings(max_examples=30)
def test_what_is_exported_is_gone_and_arrives_equal(formalism: str, n_qubits: int, seed: int) -> None:
    source = component(formalism, n_qubits, seed)
    names = source.members(A)
    before = source.reduced_state(names)
    state = source.export(A)
    assert not set(names) & set(source.qubits())
    assert state.qubits == names
    assert state.formalism == formalism
    arrived = Register(formalism)
    arrived.adopt(state)
    np.testing.assert_allclose(arrived.reduced_state(names), before, rtol=0, atol=1e-12)
    assert arrived.members(A) == names
    assert arrived.snapshot(A) == state  # byte for byte
    arrived.check_invariants()


@pytest.mark.parametrize("formalism", FORMALISMS)
@pytest.mark.parametrize("bell", BELL_STATES, ids=lambda bell: bell.name)
def test_a_pair_travels_in_every_formalism(formalism: str, bell: BellState) -> None:
    source, arrived = Register(formalism), Register(formalism)
    source.create_pair(A, B, bell)
    arrived.adopt(source.export(B))
    np.testing.assert_allclose(arrived.reduced_state((A, B)), np.outer(bell.ket(), bell.ket().conj()), atol=1e-14)
    assert len(source) == 0


@given(n_qubits=st.integers(1, 7), seed=st.integers(0, 2**32))
@settings(max_examples=30)
def test_equal_stabilizer_states_have_equal_bytes(n_qubits: int, seed: int) -> None:
    """Whatever gates made them: applied and undone again, the bytes are the same."""
    register = component("stabilizer", n_qubits, seed)
    before = {name: register.snapshot(name) for name in register.qubits()}
    block = register.members(A)[:3]
    unitary = random_clifford(len(block), seed)
    register.apply_unitary(unitary, block)
    register.apply_unitary(unitary.conj().T, block)
    assert {name: register.snapshot(name) for name in register.qubits()} == before


def test_the_bytes_of_a_state_vector_are_its_amplitudes_qubit_0_leftmost() -> None:
    register = Register("state_vector")
    register.create_pair(A, B, PSI_MINUS)
    data = register.snapshot(A).data
    amplitudes = np.frombuffer(data, "<c16")
    np.testing.assert_allclose(
        np.outer(amplitudes, amplitudes.conj()), np.outer(PSI_MINUS.ket(), PSI_MINUS.ket()), atol=1e-15
    )


def test_the_bytes_of_a_stabilizer_state_are_x_parts_z_parts_and_signs() -> None:
    register = Register("stabilizer")
    register.create_pair(A, B, PSI_MINUS)
    # the generators -XX and -ZZ, a row of two bits to a byte
    assert register.snapshot(A).data == bytes([0b11, 0b00, 0b00, 0b11, 0b11])


@pytest.mark.parametrize("formalism", FORMALISMS)
def test_a_snapshot_is_a_copy_that_evolves_alone(formalism: str) -> None:
    register = Register(formalism)
    register.create_pair(A, B)
    before = register.reduced_state((A, B))
    observer = Register(formalism)
    observer.adopt(register.snapshot(A))
    observer.apply("x", (A,))
    assert observer.measure(A, 0.7, "x") == 1
    np.testing.assert_array_equal(register.reduced_state((A, B)), before)
    kept = register.snapshot(B)
    register.apply("cnot", (A, B))
    again = Register(formalism)
    again.adopt(kept)
    np.testing.assert_allclose(again.reduced_state((A, B)), before, atol=1e-14)


@every_representation
@pytest.mark.parametrize("n_qubits", [2, 6])
def test_a_copied_component_is_independent(formalism: str, n_qubits: int) -> None:
    register = component(formalism, n_qubits, 3)
    original = register._at(A, "")
    copy = original.copy()
    before = original.state()
    assert copy.state() == before
    other = Register(formalism)
    other._settle(copy)
    other.apply("h", (A,))
    other.measure(A, 0.3)
    assert original.state() == before
    assert A in original.places


@pytest.mark.parametrize("formalism", ["state_vector", "density_matrix"])
@pytest.mark.parametrize("drift", [1 - 1e-7, 1 + 1e-7, 1 + 1e-11])
def test_a_norm_that_rounding_has_moved_does_not_travel(formalism: str, drift: float) -> None:
    register = component(formalism, 3, 5)
    moved = register._at(A, "")
    expected = register.reduced_state(register.members(A))
    if isinstance(moved, StateVector):
        moved.amplitudes = moved.amplitudes * drift
    elif isinstance(moved, DensityMatrix):
        moved.rho = moved.rho * drift
    arrived = Register(formalism)
    arrived.adopt(register.export(A))
    np.testing.assert_allclose(arrived.reduced_state(arrived.members(A)), expected, rtol=0, atol=1e-13)


# --- what is refused -------------------------------------------------------------------------------------------------


def refused(register: Register, state: ComponentState, match: str = "") -> None:
    """Adopting raises MalformedMessage, and the register is as it was."""
    before = [register.snapshot(name) for name in register.qubits()]
    with pytest.raises(MalformedMessage, match=match):
        register.adopt(state)
    assert [register.snapshot(name) for name in register.qubits()] == before


VALID: Final = {formalism: component(formalism, 1, 0).snapshot(A).data for formalism in REPRESENTATIONS}


@every_representation
@pytest.mark.parametrize(
    ("names", "complaint"),
    [
        ((), "at least one"),
        (["a"], "a tuple of names"),
        ("a", "a tuple of names"),
        ((7,), "7, which is no new qubit"),
        ((None,), "None, which is no new qubit"),
        (("here",), "'here', which is no new qubit"),
        (("a", "a"), "one qubit twice"),
        (("a", "b"), "bytes are no"),
    ],
    ids=repr,
)
def test_names_that_cannot_be_are_refused(formalism: str, names: Any, complaint: str) -> None:
    register = Register(formalism)
    register.create(QubitId("here"))
    refused(register, ComponentState(names, formalism, VALID[formalism]), complaint)


@pytest.mark.parametrize("kept", FORMALISMS)
@pytest.mark.parametrize("arriving", [*REPRESENTATIONS, "auto", "", "bell_pairs"])
def test_a_formalism_that_a_register_does_not_keep_is_refused(kept: str, arriving: str) -> None:
    register = Register(kept)
    state = ComponentState((A,), arriving, VALID.get(arriving, VALID["stabilizer"]))
    if arriving == kept != "auto" or (kept == "auto" and arriving in ("stabilizer", "state_vector")):
        register.adopt(state)
        assert register.formalism_of(A) == arriving
    else:
        refused(register, state, f"formalism '{arriving}' arrived in a register that keeps {kept}")


@every_representation
@pytest.mark.parametrize("data", [None, "text", bytearray(b"1234"), [1, 0], 5], ids=repr)
def test_what_is_not_bytes_is_refused(formalism: str, data: Any) -> None:
    refused(Register(formalism), ComponentState((A,), formalism, data), "a state arrives as bytes")


@pytest.mark.parametrize("formalism", ["state_vector", "auto"])
def test_a_state_vector_beyond_the_limit_is_refused(formalism: str) -> None:
    state = component("state_vector", 3, 0).snapshot(A)
    register = Register(formalism, 2)
    with pytest.raises(ComponentTooLarge, match=r"adopt would make a joint state of 3 qubits .* at most 2 .*: a, b, c"):
        register.adopt(state)
    assert len(register) == 0


@pytest.mark.parametrize("n_qubits", [11, 41, 200, 10_000])
def test_a_lie_about_the_number_of_qubits_costs_nothing(n_qubits: int) -> None:
    names = tuple(QubitId(f"q{k}") for k in range(n_qubits))
    refused(
        Register("stabilizer"), ComponentState(names, "stabilizer", b"\0" * 100), "100 bytes are no stabilizer state"
    )
    for formalism in ("state_vector", "density_matrix"):
        with pytest.raises((MalformedMessage, ComponentTooLarge)):
            Register(formalism).adopt(ComponentState(names, formalism, b"\0" * 160))
    with pytest.raises(MalformedMessage, match="160 bytes are no state vector"):
        Register("state_vector", 100_000).adopt(ComponentState(names, "state_vector", b"\0" * 160))


LIES: Final = {
    "norm 0": ("state_vector", 1, matrix_bytes([0, 0]), "squared norm 1, not 0"),
    "norm 2": ("state_vector", 1, matrix_bytes([1, 1]), "squared norm 1, not 2"),
    "norm off by 1e-8": ("state_vector", 1, matrix_bytes([1 + 1e-8, 0]), "squared norm 1"),
    "no number": ("state_vector", 1, matrix_bytes([np.nan, 1]), "squared norm 1"),
    "infinite": ("state_vector", 1, matrix_bytes([np.inf, 0]), "squared norm 1"),
    "overflowing": ("state_vector", 1, matrix_bytes([1e300, 1e300]), "squared norm 1"),
    "trace 0": ("density_matrix", 1, matrix_bytes([[0, 0], [0, 0]]), "its trace is not 1"),
    "trace 2": ("density_matrix", 1, matrix_bytes([[1, 0], [0, 1]]), "its trace is not 1"),
    "trace i": ("density_matrix", 1, matrix_bytes([[1j, 0], [0, 0]]), "its trace is not 1"),
    "skewed": ("density_matrix", 1, matrix_bytes([[0.5, 0.5], [0.4, 0.5]]), "it is not Hermitian"),
    "imaginary": ("density_matrix", 1, matrix_bytes([[1, 1e-8j], [1e-8j, 0]]), "it is not Hermitian"),
    "negative": ("density_matrix", 1, matrix_bytes([[1.1, 0], [0, -0.1]]), "it has a negative eigenvalue"),
    "too coherent": ("density_matrix", 1, matrix_bytes([[0.5, 0.6], [0.6, 0.5]]), "it has a negative eigenvalue"),
    "matrix with no number": ("density_matrix", 1, matrix_bytes([[1, np.nan], [np.nan, 0]]), "are no numbers"),
    "infinite matrix": ("density_matrix", 1, matrix_bytes([[np.inf, 0], [0, 0]]), "are no numbers"),
    "huge matrix": ("density_matrix", 1, matrix_bytes([[0.5, 1e308], [1e308, 0.5]]), "eigenvalue"),
    "huge skewed matrix": ("density_matrix", 1, matrix_bytes([[0.5, 1e308], [-1e308, 0.5]]), "it is not Hermitian"),
    "no generator": ("stabilizer", 1, bytes([0, 0, 0]), "contradict or repeat"),
    "minus the identity": ("stabilizer", 1, bytes([0, 0, 1]), "contradict or repeat"),
    "a bit beyond": ("stabilizer", 1, bytes([2, 1, 0]), "bits beyond the last one"),
    "a sign beyond": ("stabilizer", 1, bytes([0, 1, 2]), "bits beyond the last one"),
    "anticommuting": ("stabilizer", 2, bytes([0b01, 0b00, 0b00, 0b01, 0]), "contradict or repeat"),
    "repeated": ("stabilizer", 2, bytes([0b11, 0b11, 0, 0, 0]), "contradict or repeat"),
    "contradicting": ("stabilizer", 2, bytes([0b11, 0b11, 0, 0, 0b10]), "contradict or repeat"),
    "too short": ("stabilizer", 2, bytes(4), "4 bytes are no stabilizer state of 2 qubits"),
    "too long": ("stabilizer", 2, bytes(6), "6 bytes are no stabilizer state of 2 qubits"),
    "nothing": ("stabilizer", 1, b"", "0 bytes"),
    "no probabilities": ("bell_diagonal", 1, bytes([0, 1, 0]), "3 bytes are no mixture over the syndromes of 1 qubits"),
    "too likely": ("bell_diagonal", 1, bytes([0, 1, 0]) + reals(0.5, 0.6), "sum to 1.1"),
    "less than impossible": ("bell_diagonal", 1, bytes([0, 1, 0]) + reals(-0.1, 1.1), "negative"),
    "probable as no number": ("bell_diagonal", 1, bytes([0, 1, 0]) + reals(np.nan, 1), "sum to nan"),
    "no generator of a mixture": ("bell_diagonal", 1, bytes([0, 0, 0]) + reals(0.5, 0.5), "contradict or repeat"),
    "no amplitudes": ("state_vector", 1, b"", "0 bytes are no state vector of 1 qubits"),
    "no matrix": ("density_matrix", 1, matrix_bytes([1, 0]), "32 bytes are no density matrix of 1 qubits"),
}  # fmt: skip


@pytest.mark.parametrize(("formalism", "n_qubits", "data", "complaint"), LIES.values(), ids=LIES.keys())
def test_bytes_that_lie_are_refused(formalism: str, n_qubits: int, data: bytes, complaint: str) -> None:
    refused(Register(formalism), ComponentState(NAMES[:n_qubits], formalism, data), complaint)


def adopted(formalism: str, names: tuple[QubitId, ...], data: bytes) -> Register | None:
    """The register that took these bytes, or None if it refused them as it should."""
    register = Register(formalism)
    try:
        register.adopt(ComponentState(names, formalism, data))
    except MalformedMessage:
        assert len(register) == 0
        return None
    register.check_invariants()
    assert is_density_matrix(register.reduced_state(names))
    return register


@every_representation
@given(data=st.binary(max_size=70), n_qubits=st.integers(1, 3))
def test_random_bytes_are_a_state_or_refused(formalism: str, data: bytes, n_qubits: int) -> None:
    adopted(formalism, NAMES[:n_qubits], data)


@every_representation
@given(
    n_qubits=st.integers(1, 3),
    seed=st.integers(0, 99),
    damage=st.lists(st.tuples(st.integers(0, 2**16), st.integers(1, 255)), min_size=1, max_size=3),
    cut=st.integers(0, 3),
)
def test_damaged_bytes_are_a_state_or_refused(
    formalism: str, n_qubits: int, seed: int, damage: list[tuple[int, int]], cut: int
) -> None:
    state = component(formalism, n_qubits, seed).export(A)
    data = bytearray(state.data)
    for position, flip in damage:
        data[position % len(data)] ^= flip
    if adopted(formalism, state.qubits, bytes(data[: len(data) - cut])) is not None:
        assert cut == 0


def independent_and_commuting(xs: npt.NDArray[np.uint8], zs: npt.NDArray[np.uint8]) -> bool:
    """Whether rows are n independent commuting Pauli strings, over the field of two elements."""
    symplectic = (xs @ zs.T + zs @ xs.T) % 2
    rows = np.concatenate([xs, zs], axis=1) % 2
    rank = 0
    for column in range(rows.shape[1]):
        pivots = [row for row in range(rank, len(rows)) if rows[row, column]]
        if pivots:
            rows[[rank, pivots[0]]] = rows[[pivots[0], rank]]
            for row in range(len(rows)):
                if row != rank and rows[row, column]:
                    rows[row] ^= rows[rank]
            rank += 1
    return not symplectic.any() and rank == len(rows)


@given(n_qubits=st.integers(1, 3), bits=st.lists(st.integers(0, 1), min_size=21, max_size=21))
def test_generators_are_accepted_exactly_if_they_commute_and_are_independent(n_qubits: int, bits: list[int]) -> None:
    """Random generators of one or two qubits are valid often enough; three seldom, so damage is tested too."""
    table = np.array(bits[: (2 * n_qubits + 1) * n_qubits], np.uint8).reshape(-1, n_qubits)
    data = np.packbits(table, axis=1, bitorder="little").tobytes()
    accepted = adopted("stabilizer", NAMES[:n_qubits], data)
    xs, zs = table[:n_qubits], table[n_qubits : 2 * n_qubits]
    assert (accepted is not None) == independent_and_commuting(xs, zs)


def test_generators_in_any_form_arrive_as_the_one_canonical_form() -> None:
    """XX and -YY fix Phi+ as XX and ZZ do."""
    register = adopted("stabilizer", (A, B), bytes([0b11, 0b11, 0b00, 0b11, 0b10]))
    assert register is not None
    expected = Register("stabilizer")
    expected.create_pair(A, B)
    assert register.snapshot(A) == expected.snapshot(A)
