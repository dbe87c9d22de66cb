"""Random circuits in every formalism give the states of the dense reference, wherever components move meanwhile."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.quantum.worlds import CLIFFORD_KINDS, KINDS, Instruction, World, instructions

EXAMPLES = 30


def follow(world: World, circuit: list[Instruction], *, components: bool = True) -> None:
    for instruction in circuit:
        world.run(instruction)
        world.compare()
        if components:
            world.compare_components()
    world.compare_parts(circuit[-1])


@pytest.mark.parametrize("formalism", ["auto", "state_vector", "density_matrix"])
@settings(max_examples=EXAMPLES)
@given(circuit=instructions(KINDS))
def test_any_circuit_agrees_with_the_dense_reference(formalism: str, circuit: list[Instruction]) -> None:
    follow(World(formalism), circuit)


@pytest.mark.parametrize("formalism", ["stabilizer", "auto", "bell_diagonal"])
@settings(max_examples=EXAMPLES)
@given(circuit=instructions(CLIFFORD_KINDS))
def test_a_circuit_of_clifford_gates_agrees_with_the_dense_reference(
    formalism: str, circuit: list[Instruction]
) -> None:
    follow(World(formalism), circuit)


@pytest.mark.parametrize("formalism", ["auto", "state_vector"])
@settings(max_examples=EXAMPLES)
@given(circuit=instructions(KINDS), limit=st.integers(2, 4))
def test_what_a_small_limit_refuses_has_changed_nothing(formalism: str, circuit: list[Instruction], limit: int) -> None:
    follow(World(formalism, limit), circuit, components=False)
