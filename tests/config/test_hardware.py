"""What a configuration says of a node, and the numbers that it means: slots, layers, errors."""

from __future__ import annotations

import re
from itertools import product
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import qnode
from orchestrator import hardware as models
from orchestrator.gate_errors import error_model, moved
from orchestrator.hardware import PRESETS, HardwareConfig, PresetName
from orchestrator.loader import loads
from orchestrator.presets import preset, text
from qnode.errors import ConfigError
from qnode.quantum.channels import error_channels
from qnode.quantum.gates import GATES, Matrix
from qnode.quantum.hardware import IDEAL, NEVER, ErrorModel, Hardware, Slots, Timing

PAULIS: Final[dict[str, Matrix]] = {"i": np.eye(2, dtype=np.complex128)} | {
    name: GATES[name].unitary() for name in "xyz"
}


def node(text: str, **kinds: str) -> Hardware:
    """What the node is made of that says this."""
    written = ", ".join(f"{name}: {{{kind}}}" for name, kind in kinds.items())
    config = loads(f"version: 1\nkinds: {{{written}}}\nnodes: {{a: {{{text}}}}}")
    return config.hardware(config.nodes["a"]).numbers()


def single(text: str) -> ErrorModel:
    return node(f"gates: {{single: {{{text}}}}}").single.error


def two(text: str) -> ErrorModel:
    return node(f"gates: {{two: {{{text}}}}}").two.error


# --- slots and layers ------------------------------------------------------------------------------------------------


def test_what_is_not_given_is_ideal() -> None:
    assert node("") == IDEAL


def test_slots_that_are_all_alike() -> None:
    assert node("qubits: 3, t1: 2 s, t2: 1 s, cutoff: 5 ms").memory == Slots(3, 2e9, 1e9, 5_000_000)
    assert node("qubits: 3") == Hardware(Slots(3))


def test_each_kind_of_slots_has_times_of_its_own_or_those_of_the_node() -> None:
    found = node("t1: 4 s, t2: 3 s, cutoff: 1 s, communication: {qubits: 1, t2: 1 ms}, memory: {qubits: 7, cutoff: ~}")
    assert found.communication == Slots(1, 4e9, 1e6, 10**9)
    assert found.memory == Slots(7, 4e9, 3e9, None)
    assert found.qubits == 8


def test_times_below_a_nanosecond_are_not_rounded() -> None:
    found = node("t1: 0.3 ns, t2: 0.6 ns").memory
    assert found.t2_ns <= 2 * found.t1_ns
    assert found.t1_ns == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("own", "kind", "memory", "communication"),
    [
        ("", "memory: {qubits: 2, t2: 1 s}", Slots(2, t2_ns=1e9), Slots()),
        ("t2: 3 s", "memory: {qubits: 2, t2: 1 s}", Slots(2, t2_ns=3e9), Slots()),
        ("memory: {t2: 3 s}", "t2: 1 s, qubits: 2", Slots(2, t2_ns=3e9), Slots()),
        ("memory: {t2: ~}", "t2: 1 s, qubits: 2", Slots(2), Slots()),
        ("t2: 3 s", "t2: 1 s, memory: {qubits: 2}, communication: {qubits: 1, t2: 1 ms}",
         Slots(2, t2_ns=3e9), Slots(1, t2_ns=3e9)),
        ("t1: 3 s", "memory: {qubits: 2, t2: 1 s}", Slots(2, 3e9, 1e9), Slots()),
        ("qubits: 5", "memory: {qubits: 2, t2: 1 s}", Slots(5, t2_ns=1e9), Slots()),
        ("memory: {qubits: 3}, communication: {qubits: 1}", "qubits: 2", Slots(3), Slots(1)),
        ("communication: {qubits: 0}", "memory: {qubits: 2}, communication: {qubits: 1, t2: 1 s}", Slots(2), Slots()),
    ],
)  # fmt: skip
def test_what_a_node_says_replaces_what_its_kind_says_of_the_same_thing(
    own: str, kind: str, memory: Slots, communication: Slots
) -> None:
    found = node(f"kind: k, {own}", k=kind)
    assert (found.memory, found.communication) == (memory, communication)


def test_of_errors_too() -> None:
    kind = "gates: {single: {duration: 1 us, error: 0.1, flip: 0.2}}"
    kraus = node("kind: k, gates: {single: {kraus: [[[1, 0], [0, 1]]]}}", k=kind).single
    assert (kraus.duration_ns, kraus.error.paulis, len(kraus.error.kraus)) == (1000, (), 1)
    kind = "gates: {single: {kraus: [[[1, 0], [0, 1]]]}}"
    assert node("kind: k, gates: {single: {dephase: 0.25}}", k=kind).single.error == ErrorModel(paulis=(0, 0, 0.25))


def test_everything_else_arrives_as_it_was_written() -> None:
    found = node("gates: {measure: {duration: 3 us, readout: {p01: 1 %, p10: 2 %}}, initialise: {duration: 7 ns,"
                 " error: 0.25}}, gate_set: [x, h, x, unitary], parallel: 2")  # fmt: skip
    assert found == Hardware(
        measure=Timing(3000),
        initialise=Timing(7, ErrorModel(paulis=(0.25, 0.0, 0.0))),
        p01=0.01,
        p10=0.02,
        gate_set=("x", "h", "unitary"),
        parallel=2,
    )


def test_a_gate_set_holds_every_gate_that_there_is() -> None:
    assert {*models.GATES} == {*GATES, "unitary"}


# --- errors ----------------------------------------------------------------------------------------------------------


def superoperator(model: ErrorModel, n_qubits: int) -> Matrix:
    """Of everything in it, by the engine's own channels."""
    whole = np.eye(16**n_qubits // 4**n_qubits, dtype=np.complex128)
    for channel, operands in error_channels(model, n_qubits):
        kraus = [_on(k, operands, n_qubits) for k in channel.kraus]
        whole = sum((np.kron(k, k.conj()) for k in kraus), np.zeros_like(whole)) @ whole
    return whole


def _on(operator: Matrix, operands: tuple[int, ...], n_qubits: int) -> Matrix:
    if len(operands) == n_qubits:
        return operator
    factors = [operator if place == operands[0] else np.eye(2) for place in range(n_qubits)]
    return np.kron(factors[0], factors[1]).astype(np.complex128)


def in_turn(*models: ErrorModel, n_qubits: int) -> Matrix:
    whole = np.eye(4**n_qubits, dtype=np.complex128)
    for model in models:
        whole = superoperator(model, n_qubits) @ whole
    return whole


@pytest.mark.parametrize(("written", "q"), [("single", 3 / 2), ("two", 5 / 4), ("measure", 3 / 2), ("move", 3 / 2)])
def test_an_average_infidelity_r_is_a_pauli_with_r_times_d_plus_1_over_d(written: str, q: float) -> None:
    found: Timing = getattr(node(f"gates: {{{written}: {{error: 0.01}}}}"), written)
    assert found.error.depolarise == pytest.approx(0.01 * q, abs=1e-15)
    assert not found.error.paulis


@pytest.mark.parametrize("n_qubits", [1, 2])
def test_the_infidelity_that_was_asked_for_is_what_the_engine_does(n_qubits: int) -> None:
    """F_avg = (d F_e + 1) / (d + 1), F_e the trace of the superoperator over d**2 (Horodecki et al. 1999)."""
    found = (single if n_qubits == 1 else two)("error: 0.013")
    d = 2**n_qubits
    process = np.trace(superoperator(found, n_qubits)).real / d**2
    assert 1 - (d * process + 1) / (d + 1) == pytest.approx(0.013, abs=1e-12)


probability = st.floats(0, 0.3)


@given(probability, probability, probability, st.lists(st.floats(0, 0.3), min_size=3, max_size=3))
def test_several_errors_of_a_qubit_are_the_same_as_one_after_the_other(
    q: float, dephase: float, flip: float, pauli: list[float]
) -> None:
    together = error_model(depolarise=q, dephase=dephase, flip=flip, pauli=pauli, n_qubits=1)
    apart = in_turn(
        ErrorModel(q),
        ErrorModel(paulis=(0, 0, dephase)),
        ErrorModel(paulis=(flip, 0, 0)),
        ErrorModel(paulis=tuple(pauli)),
        n_qubits=1,
    )
    assert np.allclose(superoperator(together, 1), apart, atol=1e-12)


@given(probability, probability, probability, st.sampled_from([3, 15]), st.data())
def test_several_errors_of_two_qubits_too(q: float, dephase: float, flip: float, size: int, data: Any) -> None:
    pauli = data.draw(st.lists(st.floats(0, 1 / size), min_size=size, max_size=size))
    together = error_model(depolarise=q, dephase=dephase, flip=flip, pauli=pauli, n_qubits=2)
    apart = in_turn(
        ErrorModel(q),
        ErrorModel(paulis=(0, 0, dephase)),
        ErrorModel(paulis=(flip, 0, 0)),
        ErrorModel(paulis=tuple(pauli)),
        n_qubits=2,
    )
    assert np.allclose(superoperator(together, 2), apart, atol=1e-12)


def test_what_happens_to_each_of_two_qubits_stays_apart_from_what_happens_to_both() -> None:
    """So it means the same for a gate of three."""
    found = two("error: 0.01, dephase: 0.1")
    assert found.depolarise == pytest.approx(0.0125)
    assert found.paulis == pytest.approx((0, 0, 0.1))


def test_one_distribution_is_drawn_from_where_one_will_do() -> None:
    assert not single("error: 0.02").paulis
    found = single("error: 0.01, flip: 0.1")
    assert not found.depolarise
    assert sum(found.paulis) == pytest.approx(1 - (1 - 0.015) * (1 - 0.1) - 0.005 * 0.1)


def test_fifteen_paulis_are_in_the_order_of_their_digits() -> None:
    place = 1 + [first + second for first, second in product("ixyz", repeat=2)][1:].index("yz")
    paulis = [0.0] * 15
    paulis[place - 1] = 0.5
    yz = np.kron(PAULIS["y"], PAULIS["z"])
    expected = 0.5 * np.eye(16) + 0.5 * np.kron(yz, yz.conj())
    assert np.allclose(superoperator(two(f"pauli: {paulis}"), 2), expected)


@pytest.mark.parametrize("row", ["[0.6, 0.8j]", "[0.6, '0.8j']", "['0.6', [0, 0.8]]", "[[0.6, 0], ' +.8 j ']"])
def test_a_complex_number_is_written_in_three_ways(row: str) -> None:
    (unitary,) = single(f"kraus: [[{row}, [0.8j, 0.6]]]").kraus
    assert np.allclose(np.frombuffer(unitary, np.complex128), [0.6, 0.8j, 0.8j, 0.6])


@pytest.mark.parametrize(
    ("written", "value"),
    [("1", 1), ("-j", -1j), ("j", 1j), ("1e-3-2.5E1j", 1e-3 - 25j), ("1 + 2 j", 1 + 2j), ("+.5", 0.5), ("1.j", 1j)],
)
def test_complex_numbers_as_text(written: str, value: complex) -> None:
    config = HardwareConfig.model_validate({"gates": {"single": {"kraus": [[[written]]]}}}, context="collect")
    assert config.gates.single.kraus == (((value,),),)


# --- a qubit that is moved -------------------------------------------------------------------------------------------


def test_a_move_is_one_gate_of_two_unless_it_says_otherwise() -> None:
    swap = "two: {duration: 5 us, error: 0.08}"
    of_one = moved(two("error: 0.08"))
    assert of_one.depolarise == pytest.approx(0.1 * 12 / 15)
    assert node(f"gates: {{{swap}}}").move == Timing(5000, of_one)
    assert node(f"gates: {{{swap}, move: {{duration: 1 us}}}}").move == Timing(1000, of_one)
    assert node(f"gates: {{{swap}, move: {{error: 0}}}}").move == Timing(5000)
    assert node(f"gates: {{{swap}, move: {{dephase: 0.1}}}}").move == Timing(5000, ErrorModel(paulis=(0, 0, 0.1)))


SQRT: Final = np.sqrt(0.5)
TWO_QUBIT_ERRORS: Final = {
    "depolarising": ErrorModel(0.2),
    "paulis of each": ErrorModel(paulis=(0.1, 0.2, 0.3)),
    "paulis of both": ErrorModel(paulis=tuple(n / 200 for n in range(1, 16))),
    "kraus of each": ErrorModel(
        kraus=tuple(np.array(k, np.complex128).tobytes() for k in ([[1, 0], [0, 0.8]], [[0, 0.6], [0, 0]]))
    ),
    "kraus of both": ErrorModel(
        kraus=tuple(
            (np.diag([1, SQRT, SQRT, 0.5]) if n == 0 else k).astype(np.complex128).tobytes()
            for n, k in enumerate(
                np.kron(a, b)
                for a, b in product((np.diag([1, SQRT]), np.array([[0, SQRT], [0, 0]])), repeat=2)
            )
        )
    ),
}  # fmt: skip


@pytest.mark.parametrize("model", TWO_QUBIT_ERRORS.values(), ids=TWO_QUBIT_ERRORS.keys())
def test_a_moved_qubit_suffers_its_part_of_the_error_of_two(model: ErrorModel) -> None:
    """By the definition: |0><0| beside it, the error of two, the other one traced out."""
    rng = np.random.default_rng(5)
    ket = rng.normal(size=2) + 1j * rng.normal(size=2)
    ket /= np.linalg.norm(ket)
    rho = np.outer(ket, ket.conj())
    both = np.kron(np.diag([1, 0]), rho).reshape(16)
    expected = np.trace((superoperator(model, 2) @ both).reshape(2, 2, 2, 2), axis1=0, axis2=2)
    found = (superoperator(moved(model), 1) @ rho.reshape(4)).reshape(2, 2)
    assert np.allclose(found, expected, atol=1e-12)


# --- presets ---------------------------------------------------------------------------------------------------------


def test_the_presets_are_the_files_that_come_with_qnode() -> None:
    folder = Path(qnode.__file__).parent / "hardware"
    assert sorted(PRESETS) == sorted(path.stem for path in folder.glob("*.yaml"))


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_loads_and_is_not_ideal(name: PresetName) -> None:
    found = node(f"hardware: {name}")
    assert found == preset(name).numbers()
    assert found != IDEAL._replace(memory=found.memory)
    for slots in (found.memory, found.communication):
        assert slots.t2_ns <= 2 * slots.t1_ns


@pytest.mark.parametrize("name", PRESETS)
def test_every_value_of_a_preset_has_a_source(name: PresetName) -> None:
    """In a comment above it, within its section: an author or a paper, and a year."""
    written = text(name)
    assert re.search(r"\((19|20)\d\d\)|\b(SIGCOMM|arXiv\S*) \d{4}", written)
    source = above = False
    for line in written.splitlines():
        value, _, comment = line.partition("#")
        told = bool(re.search(r"\b(19|20)\d\d\b|doi:", comment))
        if not value.strip():
            above = above or told
            continue
        source = told or above or (source and value.startswith(" "))  # a new section has sources of its own
        above = False
        if re.search(r"t1:|t2:|error:|readout:|duration:", value):
            assert source, line


def test_a_preset_is_laid_under_a_kind_and_that_under_a_node() -> None:
    nv = preset("nv_center").numbers()
    kind = "hardware: nv_center, gates: {two: {error: 0}}"
    found = node("kind: k, memory: {t2: 5 s}, gates: {measure: {readout: {p01: 0}}}", k=kind)
    assert found == nv._replace(
        memory=nv.memory._replace(t2_ns=5e9), two=Timing(nv.two.duration_ns), p01=0.0
    )  # fmt: skip


def test_a_time_of_the_node_holds_for_all_slots_of_its_preset() -> None:
    found = node("hardware: nv_center, t2: 5 ms")
    assert (found.memory.t2_ns, found.communication.t2_ns) == (5e6, 5e6)
    assert found.communication.t1_ns == 3600e9


def test_a_node_may_have_another_preset_than_its_kind() -> None:
    found = node("kind: k, hardware: neutral_atom", k="hardware: nv_center, t1: 100 s")
    assert found == preset("neutral_atom").numbers()._replace(memory=Slots(24, 100e9, 12.6e9))


def test_what_a_preset_allows_all_of_can_be_taken_back() -> None:
    assert node("hardware: rare_earth_ensemble, gate_set: ~").gate_set == ()
    assert node("hardware: trapped_ion, memory: {t1: ~}").memory.t1_ns == NEVER


def test_an_own_time_that_does_not_go_with_a_preset_is_blamed() -> None:
    with pytest.raises(ConfigError, match=r"memory.t2: t2 \(5 s\) cannot be longer than twice t1 \(0.958 s\)"):
        node("hardware: trapped_ion, memory: {t2: 5 s}")
    with pytest.raises(ConfigError, match=r"nodes.a.hardware: t2 \(5 s\) cannot be longer than twice t1 \(0.958 s\)"):
        node("kind: k, hardware: trapped_ion", k="memory: {qubits: 1, t2: 5 s}")
