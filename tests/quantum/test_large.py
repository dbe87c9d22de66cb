"""Stabilizer states of many qubits: a GHZ state of a thousand, graph states, and small states in a bounded memory."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

import numpy as np
import pytest
import stim
from hypothesis import given, settings
from hypothesis import strategies as st

from qnode.ids import QubitId
from qnode.quantum import small_states
from qnode.quantum.bell import Pauli
from qnode.quantum.clifford import Clifford
from qnode.quantum.dense import DenseRegister
from qnode.quantum.generators import Generators
from qnode.quantum.register import Register
from qnode.quantum.small_states import EIGENSTATES, PAIRS, SmallState
from tests.quantum.worlds import CLIFFORD_KINDS, Instruction, World, instructions, qubits

THOUSAND: Final = tuple(QubitId(f"q{k}") for k in range(1000))
formalisms = pytest.mark.parametrize("formalism", ["auto", "stabilizer"])


def ghz(formalism: str) -> Register:
    register = Register(formalism)
    for name in THOUSAND:
        register.create(name)
    register.apply("h", THOUSAND[:1])
    for pair in pairwise(THOUSAND):
        register.apply("cnot", pair)
    return register


@formalisms
def test_a_ghz_state_of_a_thousand_qubits_has_its_generators(formalism: str) -> None:
    """Every neighbouring ZZ *and* the product of all X: a classical mixture would pass the first alone."""
    register = ghz(formalism)
    assert register.pauli_expectation(dict.fromkeys(THOUSAND, Pauli.X)) == 1
    for one, other in list(pairwise(THOUSAND))[::50]:
        assert register.pauli_expectation({one: Pauli.Z, other: Pauli.Z}) == 1
    assert register.pauli_expectation({THOUSAND[0]: Pauli.Z, THOUSAND[-1]: Pauli.Z}) == 1
    assert register.pauli_expectation({THOUSAND[0]: Pauli.Z}) == 0
    assert register.pauli_expectation(dict.fromkeys(THOUSAND[1:], Pauli.X)) == 0


@formalisms
@pytest.mark.parametrize("draw", [0.2, 0.7])
def test_a_ghz_state_of_a_thousand_qubits_gives_a_thousand_equal_outcomes(formalism: str, draw: float) -> None:
    register = ghz(formalism)
    rest = iter(np.random.default_rng(1).random(1000).tolist())
    outcomes = [register.measure(name, draw if nth == 0 else next(rest)) for nth, name in enumerate(THOUSAND)]
    assert set(outcomes) == {int(draw >= 0.5)}


def test_x_outcomes_of_a_thousand_qubits_have_even_parity_and_are_otherwise_free() -> None:
    register = ghz("stabilizer")
    draws = np.random.default_rng(2).random(1000)
    outcomes = [register.measure(name, draw, "x") for name, draw in zip(THOUSAND, draws.tolist(), strict=True)]
    assert sum(outcomes) % 2 == 0
    assert outcomes[:-1] == (draws[:-1] >= 0.5).astype(int).tolist()


def test_a_thousand_qubits_travel_as_their_tableau() -> None:
    register = ghz("stabilizer")
    state = register.export(THOUSAND[0])
    assert len(state.data) == 2001 * 125  # X and Z parts, and signs
    arrived = Register("stabilizer")
    arrived.adopt(state)
    assert arrived.snapshot(THOUSAND[0]) == state
    assert {arrived.measure(name, 0.6) for name in THOUSAND} == {1}


def test_a_part_of_a_thousand_qubits_is_a_classical_mixture() -> None:
    register = ghz("stabilizer")
    some = (THOUSAND[700], THOUSAND[3], THOUSAND[999])
    np.testing.assert_allclose(register.reduced_state(some), np.diag([0.5, 0, 0, 0, 0, 0, 0, 0.5]), atol=1e-15)


@given(
    n_qubits=st.integers(1, 9),
    edges=st.sets(st.tuples(st.integers(0, 8), st.integers(0, 8)).filter(lambda edge: edge[0] < edge[1])),
)
def test_a_graph_state_has_the_stabilizers_of_its_graph(n_qubits: int, edges: set[tuple[int, int]]) -> None:
    """X_v times Z on its neighbours is +1 for every vertex (Hein, Eisert, Briegel 2004)."""
    names = qubits(*(f"v{k}" for k in range(n_qubits)))
    register = Register("stabilizer")
    inside = [(one, other) for one, other in sorted(edges) if other < n_qubits]
    for name in names:
        register.create(name)
        register.apply("h", (name,))
    for one, other in inside:
        register.apply("cz", (names[one], names[other]))
    for vertex in range(n_qubits):
        neighbours = [one + other - vertex for one, other in inside if vertex in (one, other)]
        factors = {names[vertex]: Pauli.X, **{names[k]: Pauli.Z for k in neighbours}}
        assert register.pauli_expectation(factors) == 1
        assert register.pauli_expectation({names[vertex]: Pauli.Y}) == 0
    register.check_invariants()


# --- small states ----------------------------------------------------------------------------------------------------


def reached(n_qubits: int) -> set[bytes]:
    """Every state that h, s and cnot can make of |0...0>."""
    names = qubits(*"abcd"[:n_qubits])
    gates: list[tuple[str, tuple[QubitId, ...]]] = [(gate, (name,)) for gate in ("h", "s") for name in names]
    gates += [("cnot", (one, other)) for one in names for other in names if one != other]
    register = Register("stabilizer")
    for name in names:
        register.create(name)
    for pair in pairwise(names):  # one component, still |0...0>
        register.apply("cnot", pair)
    start = register.snapshot(names[0])
    known, fresh = {start.data}, [start]
    while fresh:
        state = fresh.pop()
        for gate, operands in gates:
            register = Register("stabilizer")
            register.adopt(state)
            register.apply(gate, operands)
            after = register.snapshot(names[0])
            if after.data not in known:
                known.add(after.data)
                fresh.append(after)
    return known


@pytest.mark.parametrize(("n_qubits", "count"), [(1, 6), (2, 60), (3, 1080)])
def test_there_are_as_many_stabilizer_states_as_theory_says(n_qubits: int, count: int) -> None:
    """2^n times the product of (2^k + 1), k = 1..n (Aaronson & Gottesman 2004, proposition 1)."""
    assert len(reached(n_qubits)) == count


def test_eigenstates_and_pairs_are_what_they_are_called() -> None:
    for (basis, outcome), state in EIGENSTATES.items():
        dense = DenseRegister()
        dense.create(QubitId("a"))
        dense.rho = np.outer(state.vector(), state.vector().conj())
        assert dense.probability(QubitId("a"), outcome, basis) == pytest.approx(1, abs=1e-14)
    for bell, state in PAIRS.items():
        assert abs(np.vdot(state.vector(), bell.ket())) == pytest.approx(1, abs=1e-14)


def test_a_state_remembers_its_vector_and_nobody_can_change_it() -> None:
    state = EIGENSTATES["x", 1]
    assert state.vector() is state.vector()
    with pytest.raises(ValueError, match="read-only"):
        state.vector()[0] = 1


@settings(max_examples=15)
@given(circuit=instructions(CLIFFORD_KINDS))
def test_forgetting_the_graph_of_small_states_changes_nothing(circuit: list[Instruction]) -> None:
    """A tiny graph is forgotten all the time, in the middle of everything."""
    SmallState._forget()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(small_states, "KEPT", 3)
        world = World("stabilizer")
        for instruction in circuit:
            world.run(instruction)
            assert len(SmallState._known) <= 3
        world.compare()


def test_the_graph_of_small_states_does_not_grow_behind_the_states_that_live_for_ever() -> None:
    """|0> is there before and after all is forgotten; what it led to must not stay with it."""
    rng = np.random.default_rng(3)
    names = qubits(*"abcd")
    SmallState._forget()
    before = set(SmallState._alive)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(small_states, "KEPT", 8)
        for _ in range(200):
            register = Register("stabilizer")
            for name in names:
                register.create(name)
            for pair in rng.permuted(np.tile(np.arange(4), (8, 1)), axis=1)[:, :2].tolist():
                register.apply("h", [names[pair[0]]])
                register.apply("cnot", [names[k] for k in pair])
        del register
        SmallState._forget()
    assert before >= {*EIGENSTATES.values(), *PAIRS.values()}
    assert set(SmallState._alive) <= before


def test_operations_on_three_qubits_are_not_remembered() -> None:
    """Each is an object of its own, so none would ever be met again."""
    three = SmallState.of(ghz_generators(3))
    known = dict(three._after)  # of other tests
    tableau = stim.Tableau(3)
    for _ in range(10):
        assert three.after(Clifford.of(tableau), (0, 1, 2)) is three
    assert three._after == known


def ghz_generators(n_qubits: int) -> Generators:
    simulator = stim.TableauSimulator()
    simulator.h(0)
    simulator.cnot(*[k for target in range(1, n_qubits) for k in (0, target)])
    generators: Generators = simulator.canonical_stabilizers()
    return generators
