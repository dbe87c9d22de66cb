"""Outcomes are a function of the draws that are passed in, with exactly the probabilities of the state."""

from __future__ import annotations

import ast
from itertools import product
from math import nextafter, pi, sin
from pathlib import Path
from typing import Final

import numpy as np
import pytest
import stim
from hypothesis import given
from hypothesis import strategies as st

import qnode.quantum
from qnode.core.coins import Coins
from qnode.quantum.bell import Pauli
from qnode.quantum.component import IMPOSSIBLE, drawn
from qnode.quantum.dense import DenseRegister
from qnode.quantum.fidelity import trace_distance
from qnode.quantum.gates import GATES
from qnode.quantum.register import CLIFFORD_ONLY, FORMALISMS, Register
from qnode.quantum.small_states import SmallState
from qnode.testing import assert_frequency
from tests.quantum.worlds import CLIFFORD_GATES, qubits, random_unitary

A, B, C = qubits("a", "b", "c")
LARGEST: Final = nextafter(1.0, 0.0)
every_formalism = pytest.mark.parametrize("formalism", FORMALISMS)
exact_formalisms = pytest.mark.parametrize("formalism", ["auto", "state_vector", "density_matrix"])


# --- one draw --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("draw", "p_one", "outcome"),
    [
        (0.0, 0.5, 0), (nextafter(0.5, 0), 0.5, 0), (0.5, 0.5, 1), (LARGEST, 0.5, 1),
        (0.0, 0.25, 0), (nextafter(0.75, 0), 0.25, 0), (0.75, 0.25, 1),
        # certain, and certain but for rounding
        (0.0, 0.0, 0), (LARGEST, 0.0, 0), (0.0, 1.0, 1), (LARGEST, 1.0, 1),
        (LARGEST, -1e-16, 0), (0.0, 1 + 1e-16, 1),
        # impossible outcomes are those below 1e-12, and only those
        (LARGEST, 0.9 * IMPOSSIBLE, 0), (LARGEST, 1.1 * IMPOSSIBLE, 1),
        (0.0, 1 - 0.9 * IMPOSSIBLE, 1), (0.0, 1 - 1.1 * IMPOSSIBLE, 0),
    ],
)  # fmt: skip
def test_a_draw_selects_an_outcome(draw: float, p_one: float, outcome: int) -> None:
    assert drawn(draw, p_one) == outcome


@given(draw=st.floats(0, 1, exclude_max=True), p_one=st.floats(0, 1))
def test_the_outcome_is_0_below_its_probability_and_never_impossible(draw: float, p_one: float) -> None:
    outcome = drawn(draw, p_one)
    probability = p_one if outcome else 1 - p_one
    assert probability >= IMPOSSIBLE
    if IMPOSSIBLE <= p_one <= 1 - 2 * IMPOSSIBLE:
        assert outcome == (draw >= 1 - p_one)


# --- measurements ----------------------------------------------------------------------------------------------------


@exact_formalisms
@pytest.mark.parametrize("basis", list(Pauli))
def test_the_threshold_of_a_measurement_is_its_probability(formalism: str, basis: Pauli) -> None:
    """P(1) = sin^2(theta/2) after ry; in x and y it is turned there first. Checked on both sides of the threshold."""
    turns: dict[str, list[tuple[str, tuple[float, ...]]]] = {"x": [("h", ())], "y": [("rx", (-pi / 2,))], "z": []}
    for theta in np.linspace(0.01, pi - 0.01, 25).tolist():
        threshold = 1 - sin(theta / 2) ** 2
        for draw, outcome in ((0.0, 0), (threshold - 1e-12, 0), (threshold + 1e-12, 1), (LARGEST, 1)):
            register = Register(formalism)
            register.create(A)
            register.apply("ry", (A,), (theta,))
            for gate, params in turns[basis]:
                register.apply(gate, (A,), params)
            assert register.measure(A, draw, basis) == outcome


@every_formalism
@pytest.mark.parametrize(("first", "second"), list(product((0, 1), repeat=2)))
def test_both_ends_of_a_pair_agree_whatever_the_second_draw(formalism: str, first: int, second: int) -> None:
    for edge in (0.0, nextafter(0.5, 0), 0.5, LARGEST):
        register = Register(formalism)
        register.create_pair(A, B)
        found = register.measure((A, B)[second], 0.5 * first)
        assert found == first
        assert register.measure((B, A)[second], edge) == found


@exact_formalisms
@given(seed=st.integers(0, 2**32))
def test_the_draws_divide_the_cube_as_the_joint_distribution_says(formalism: str, seed: int) -> None:
    """All outcomes of three qubits: each is found by the draws just inside its box, whose volume is its probability."""
    unitary = random_unitary(3, seed)
    p = np.abs(unitary[:, 0].reshape(2, 2, 2)) ** 2
    zero_first = p.sum(axis=(1, 2))[0]
    zero_second = p.sum(axis=2)[:, 0] / p.sum(axis=(1, 2))
    zero_third = p[:, :, 0] / p.sum(axis=2)
    for bits in product((0, 1), repeat=3):
        a, b, _ = bits
        thresholds = (zero_first, zero_second[a], zero_third[a, b])
        for inside in (1e-9, -1e-9):
            # just past the edge of the box on the side of the outcome, or at its far end
            draws = [
                float(edge + 1e-9 if bit else edge - 1e-9) if inside > 0 else (LARGEST if bit else 0.0)
                for bit, edge in zip(bits, thresholds, strict=True)
            ]
            register = Register(formalism)
            for name in (A, B, C):
                register.create(name)
            register.apply_unitary(unitary, (A, B, C))
            found = tuple(register.measure(name, draw) for name, draw in zip((A, B, C), draws, strict=True))
            assert found == bits


@every_formalism
@pytest.mark.parametrize("keep", [False, True])
def test_what_is_impossible_is_never_found(formalism: str, keep: bool) -> None:
    for bit, draw, steps in product((0, 1), (0.0, LARGEST), range(0, 48, 8)):
        register = Register(formalism)
        register.create(A)
        if bit:
            register.apply("x", (A,))
        for _ in range(steps):  # round trips that leave rounding errors where there are amplitudes
            for gate in ("h", "s", "sxdg", "sx", "sdg", "h"):
                register.apply(gate, (A,))
            if formalism not in CLIFFORD_ONLY:
                register.apply("ry", (A,), (0.1,))
                register.apply("ry", (A,), (-0.1,))
        assert register.measure(A, draw, keep=keep) == bit


@pytest.mark.parametrize("formalism", ["auto", "state_vector", "stabilizer"])
def test_losing_a_qubit_is_measuring_it_with_the_same_draw(formalism: str) -> None:
    for draw in (0.2, 0.8):
        told, untold = Register(formalism), Register(formalism)
        for register in (told, untold):
            register.create_pair(A, B)
            register.apply("h", (B,))
        told.measure(A, draw)
        untold.discard(A, draw)
        assert trace_distance(told.reduced_state((B,)), untold.reduced_state((B,))) < 1e-12


@pytest.mark.parametrize("formalism", ["density_matrix", "bell_diagonal"])
def test_an_exact_mixture_loses_a_qubit_without_a_draw(formalism: str) -> None:
    states = []
    for draw in (0.0, 0.2, LARGEST):
        register = Register(formalism)
        register.create_pair(A, B)
        register.discard(A, draw)
        states.append(register.reduced_state((B,)))
    for state in states:
        np.testing.assert_allclose(state, np.eye(2) / 2, atol=1e-15)


@exact_formalisms
def test_outcomes_of_coins_are_as_frequent_as_their_probability(formalism: str) -> None:
    """4000 trials at p = sin^2(0.5) = 0.2298: fails a right program once in 10^9 seeds, and catches a true 0.28."""
    coins, trials, hits = Coins(bytes(32)), 4000, 0
    for nth in range(trials):
        register = Register(formalism)
        register.create(A)
        register.apply("ry", (A,), (1.0,))
        hits += register.measure(A, coins("measure a", nth))
    assert_frequency(hits, trials, sin(0.5) ** 2)


# --- Stim never draws ------------------------------------------------------------------------------------------------


def large_clifford_run(seed: int) -> tuple[list[int], list[bytes]]:
    """A random circuit on 12 qubits with 40 measurements in all bases, and the bytes of what is left."""
    rng = np.random.default_rng(seed)
    names = qubits(*(f"q{k}" for k in range(12)))
    register, outcomes = Register("stabilizer"), []
    for name in names:
        register.create(name)
    for _ in range(40):
        for _ in range(12):
            gate = GATES[CLIFFORD_GATES[int(rng.integers(len(CLIFFORD_GATES)))]]
            register.apply(gate.name, [names[int(k)] for k in rng.permutation(12)[: gate.n_qubits]])
        measured = names[int(rng.integers(12))]
        outcomes.append(register.measure(measured, float(rng.random()), "xyz"[int(rng.integers(3))], keep=True))
        register.reset(names[int(rng.integers(12))], float(rng.random()))
    register.check_invariants()
    return outcomes, [register.snapshot(name).data for name in names]


@pytest.mark.parametrize("seed", range(5))
def test_the_same_draws_give_the_same_run_in_fresh_simulators(seed: int) -> None:
    """Simulators seed themselves from the machine's entropy: a single random outcome of theirs would show here."""
    first = large_clifford_run(seed)
    SmallState._forget()
    assert large_clifford_run(seed) == first
    assert {*first[0]} == {0, 1}


ASKED_OF_STIM: Final = {
    # what our modules ask of Stim, none of which draws; `postselect_z` is told the outcome
    "PauliString", "Tableau", "TableauSimulator", "after", "append", "canonical_stabilizers", "commutes", "copy",
    "current_inverse_tableau", "do_tableau", "from_conjugated_generators", "from_numpy", "from_stabilizers",
    "from_unitary_matrix", "inverse", "num_qubits", "pauli_indices", "peek_observable_expectation", "peek_z",
    "postselect_z", "set_inverse_tableau", "set_num_qubits", "sign", "swap", "to_numpy",
    "to_state_vector", "to_unitary_matrix", "weight", "x", "x_output",
}  # fmt: skip
SOURCES: Final = sorted(Path(qnode.quantum.__path__[0]).glob("*.py"))


def of_stim() -> set[str]:
    """Every name that Stim and its classes offer."""
    classes = (stim.TableauSimulator, stim.Tableau, stim.PauliString)
    return {name for owner in (stim, *classes) for name in dir(owner) if not name.startswith("_")}


def attributes(source: str) -> set[str]:
    """Names that a module uses as attributes and that Stim might have; only modules which import Stim count."""
    tree = ast.parse(source)
    if not any(isinstance(node, ast.Import) and node.names[0].name == "stim" for node in ast.walk(tree)):
        return set()
    return {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)} & of_stim()


def test_nothing_is_asked_of_stim_that_draws() -> None:
    asked = set().union(*(attributes(source.read_text(encoding="utf-8")) for source in SOURCES))
    assert asked <= ASKED_OF_STIM
    assert {"peek_z", "postselect_z"} <= asked


@pytest.mark.parametrize("call", ["simulator.measure(0)", "s.reset_z(0)", "stim.Tableau.random(3)", "s.do(circuit)"])
def test_a_call_that_draws_would_be_seen(call: str) -> None:
    assert attributes(f"import stim\n{call}") - ASKED_OF_STIM


def test_what_is_asked_of_stim_by_a_gate_s_name_is_a_unitary_gate() -> None:
    """The one call by a computed name: `LargeStabilizer.apply`."""
    for gate in GATES.values():
        if gate.stim is not None:
            assert stim.gate_data(gate.stim).is_unitary
            assert not stim.gate_data(gate.stim).produces_measurements


def test_a_dense_reference_agrees_about_the_threshold() -> None:
    for draw in (0.0, 0.4, 0.6, LARGEST):
        dense, register = DenseRegister(), Register("state_vector")
        outcomes = []
        for world in (dense, register):
            for name in (A, B):
                world.create(name)
            world.apply("ry", (A,), (pi / 2 + 0.1,))
            world.apply("cnot", (A, B))
            outcomes.append([world.measure(A, draw), world.measure(B, draw)])
        assert outcomes[0] == outcomes[1]
