"""What a program does with its qubits, against matrices written out here; and where their time and their slots go."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import permutations, product
from math import cos, pi, sin
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator import report
from orchestrator.run import Run
from tests.api.networks import network, run

FILE = "gates.py"
LINK_NS = 50_035
Matrix = npt.NDArray[np.complex128]

both_ways = pytest.mark.parametrize("inline", [True, False], ids=["inline", "processes"])
both_homes = pytest.mark.parametrize("remote", [False, True], ids=["local", "at the oracle"])


def program(name: str, **args: object) -> dict[str, object]:
    return {"program": f"{FILE}:{name}", "args": args}


def shares(n: int) -> dict[str, object]:
    """Bob, who only holds the other halves of alice's pairs."""
    return {**program("shares_in_turn", n=n), "qubits": n + 1}


async def act(runs: Path, *, inline: bool = True, **options: Any) -> Run:
    programs: dict[str, Any] = {name: options.pop(name) for name in ("alice", "bob") if name in options}
    return await run(network(FILE, programs, **options), runs, inline=inline)


# ---------------------------------------------------------------- matrices, from their definitions

ONE = np.eye(2, dtype=np.complex128)
X = np.array([[0, 1], [1, 0]], np.complex128)
Y = np.array([[0, -1j], [1j, 0]])
Z = np.array([[1, 0], [0, -1]], np.complex128)


def rotation(pauli: Matrix, angle: float) -> Matrix:
    """exp(-i angle P / 2), for P squares to 1."""
    return cos(angle / 2) * ONE - 1j * sin(angle / 2) * pauli


def controlled(unitary: Matrix) -> Matrix:
    return np.kron(np.diag([1, 0]), ONE) + np.kron(np.diag([0, 1]), unitary)


def general(theta: float, phi: float, lam: float) -> Matrix:
    """U(theta, phi, lambda) is Rz(phi) Ry(theta) Rz(lambda) up to a phase (OpenQASM 3)."""
    return rotation(Z, phi) @ rotation(Y, theta) @ rotation(Z, lam)


FIXED: dict[str, Matrix] = {
    "x": X,
    "y": Y,
    "z": Z,
    "h": (X + Z) / np.sqrt(2),
    "s": np.diag([1, 1j]),
    "sdg": np.diag([1, -1j]),
    "t": np.diag([1, np.exp(1j * pi / 4)]),
    "tdg": np.diag([1, np.exp(-1j * pi / 4)]),
    "sx": rotation(X, pi / 2),
    "cnot": controlled(X),
    "cz": controlled(Z),
    "swap": (np.kron(ONE, ONE) + np.kron(X, X) + np.kron(Y, Y) + np.kron(Z, Z)) / 2,
}
TURNS = {"rx": X, "ry": Y, "rz": Z}


def on(unitary: Matrix, operands: Sequence[int], n: int) -> Matrix:
    """A unitary on some of n qubits, its first factor on the first operand: rearrange, act, arrange back."""
    rest = [number for number in range(n) if number not in operands]
    order = [*operands, *rest]
    arrange = np.zeros((2**n, 2**n), np.complex128)
    for bits in product((0, 1), repeat=n):
        target = [bits[number] for number in order]
        arrange[int("".join(map(str, target)), 2), int("".join(map(str, bits)), 2)] = 1
    whole: Matrix = arrange.T @ np.kron(unitary, np.eye(2 ** len(rest))) @ arrange
    return whole


def flat(unitary: Matrix) -> list[list[float]]:
    return [[float(part) for entry in row for part in (entry.real, entry.imag)] for row in unitary]


def random_unitary(size: int, rng: np.random.Generator) -> Matrix:
    q, _ = np.linalg.qr(rng.normal(size=(size, size)) + 1j * rng.normal(size=(size, size)))
    return q.astype(np.complex128)


def case(effect: Matrix, operands: Sequence[int], n: int, rng: np.random.Generator, **what: object) -> dict[str, Any]:
    """Random rotations that prepare a state, what is then done, and the inverse of all that: it brings |0..0> back."""
    prepared = rng.uniform(-pi, pi, (n, 3)).tolist()
    start: Matrix = np.eye(1, dtype=np.complex128)
    for angles in prepared:
        start = np.kron(start, general(*angles)).astype(np.complex128)
    undo = (on(effect, operands, n) @ start).conj().T
    return {"qubits": n, "operands": list(operands), "prepared": prepared, "undo": flat(undo), **what}


def gate_cases() -> list[dict[str, Any]]:
    rng = np.random.default_rng(5)
    cases = []
    for gate, unitary in FIXED.items():
        size = 1 if unitary.shape[0] == 2 else 2
        for operands in permutations(range(2), size):
            cases.append(case(unitary, operands, 2, rng, gate=gate, params=[]))
    for gate, pauli in TURNS.items():
        for angle in (0.0, pi / 2, pi, 0.3, -2.0, 7.5):
            cases.append(case(rotation(pauli, angle), [0], 1, rng, gate=gate, params=[angle]))
    for angles in [(0.0, 0.0, 0.0), (pi, 0.0, pi), (pi / 2, 0.0, pi), (0.3, -1.2, 2.5)]:
        cases.append(case(general(*angles), [0], 1, rng, gate="u", params=list(angles)))
    return cases


def unitary_cases() -> list[dict[str, Any]]:
    rng = np.random.default_rng(6)
    cases = []
    for n in (1, 2, 3):
        for operands in [one for size in range(1, n + 1) for one in permutations(range(n), size)]:
            unitary = random_unitary(2 ** len(operands), rng)
            cases.append(case(unitary, operands, n, rng, unitary=flat(unitary)))
    return cases


@both_homes
@pytest.mark.parametrize(
    ("cases", "formalism"),
    [(gate_cases, "auto"), (unitary_cases, "auto"), (gate_cases, "state_vector"), (gate_cases, "density_matrix")],
)
async def test_every_gate_and_any_unitary_does_what_its_matrix_says(
    cases: Any, formalism: str, remote: bool, tmp_path: Path
) -> None:
    """On random states, in every order of operands; fidelity 1 to |0> of each qubit is fidelity 1 to |0..0>."""
    given_cases = cases()
    bob = shares(len(given_cases) if remote else 0)
    found = await act(
        tmp_path,
        alice=program("performs", cases=given_cases, remote=remote),
        bob=bob,
        observe={"undone": [{"fidelity": "0"}]},
        formalism=formalism,
    )
    seen = [one.value for one in found.observed]
    assert len(seen) == sum(one["qubits"] for one in given_cases)
    assert seen == [pytest.approx(1, abs=1e-9)] * len(seen)


def test_every_gate_of_a_qubit_is_among_the_cases() -> None:
    from qnode import Qubit

    others = {"apply", "correct", "measure", "move", "reset", "discard"}
    gates = {name for name, value in vars(Qubit).items() if not name.startswith("_") and callable(value)} - others
    assert {one["gate"] for one in gate_cases()} == gates


FRAMES = [list(frame) for frame in product((0, 1), repeat=2)]


async def test_correct_undoes_a_bell_state_on_the_half_that_has_it(tmp_path: Path) -> None:
    alice = program("corrects", peer="bob", frames=FRAMES)
    observe = {"corrupted": ["fidelity"], "corrected": ["fidelity"]}
    found = await act(tmp_path, alice=alice, bob=shares(4), observe=observe)
    assert [one.value for one in found.observed] == pytest.approx([1, 0, 0, 0, 1, 1, 1, 1], abs=1e-12)


async def test_correct_undoes_a_bell_state_on_the_other_half_as_well(tmp_path: Path) -> None:
    found = await act(
        tmp_path,
        alice=program("is_corrected_elsewhere", peer="bob", frames=FRAMES),
        bob=program("corrects_the_others", peer="alice", frames=FRAMES),
        observe={"corrected": ["fidelity"]},
    )
    assert [one.value for one in found.observed] == [pytest.approx(1, abs=1e-12)] * 4


# ---------------------------------------------------------------- measuring and resetting


@both_homes
async def test_a_reset_qubit_is_in_zero_whatever_it_was(remote: bool, tmp_path: Path) -> None:
    bob = shares(3 if remote else 0)
    found = await act(tmp_path, alice=program("resets", remote=remote), bob=bob, observe={"reset": [{"fidelity": "0"}]})
    assert [one.value for one in found.observed] == [pytest.approx(1, abs=1e-12)] * 3
    assert found["alice"][::2] == [0, 0, 0]


@both_homes
@both_ways
async def test_a_kept_qubit_gives_the_same_outcome_again(remote: bool, inline: bool, tmp_path: Path) -> None:
    times = 10
    bob = shares(3 * times if remote else 0)
    alice = program("measures_again", remote=remote, times=times)
    found = (await act(tmp_path, alice=alice, bob=bob, inline=inline))["alice"]
    for same, other in found:
        assert len(set(same)) == 1
        assert len(set(other)) == 1
    # All 30 pairs of bits alike would mean that the outcome does not depend on the state: p < 2**-29.
    assert len({(same[0], other[0]) for same, other in found}) > 1


@both_ways
async def test_a_measurement_of_qubits_of_both_homes_tells_each_outcome_in_its_place(
    inline: bool, tmp_path: Path
) -> None:
    found = await act(
        tmp_path, alice=program("measures_mixed_company"), bob=program("shares", peer="alice", n=2), inline=inline
    )
    assert found["alice"] == [(1, 1, 1, 0, 0), (0, 0, 1, 1, 1), 1, (1, 1, 0, 0)]


# ---------------------------------------------------------------- time

SLOW = {"single": {"duration": "1 ns"}, "two": {"duration": "10 ns"}, "measure": {"duration": "100 ns"}}


@both_homes
@both_ways
async def test_gates_on_a_busy_qubit_take_their_place_on_its_timeline(
    remote: bool, inline: bool, tmp_path: Path
) -> None:
    alice = {**program("takes_its_time", remote=remote), "gates": SLOW}
    bob = program("shares", peer="alice", n=2) if remote else program("idle")
    found = await act(tmp_path, alice=alice, bob=bob, inline=inline)
    assert found["alice"] == [0, 0, 123, 224]  # a reset is an initialisation, which takes no time here
    begun = LINK_NS if remote else 0
    happened = [
        (one.gate if one.event == "gate" else one.event, one.t - begun)
        for one in found.events
        if one.node == "alice" and one.event in ("gate", "reset", "measure")
    ]
    assert happened[:8] == [
        *(("x", 0), ("h", 1), ("s", 0), ("cnot", 2), ("t", 12), ("unitary", 12), ("cz", 13), ("reset", 23))
    ]
    assert happened[8:10] == [("measure", 23), ("y", 123)]
    assert {time for what, time in happened[10:] if what == "measure"} == {124}


@both_homes
async def test_a_cancelled_measurement_has_happened(remote: bool, tmp_path: Path) -> None:
    alice = {**program("cancels_its_measurement", remote=remote), "gates": SLOW}
    bob = program("shares_twice", peer="alice", remote=remote)
    found = await act(tmp_path, alice=alice, bob=bob)
    # 30 of the 100 ns have passed; entangle() gets its slot after the other 70, and a pair takes the light's time.
    assert found["alice"] == ["CancelledError", "DeadQubit", "no slot yet", 70 + LINK_NS]
    measured = [one for one in found.events if one.event == "measure" and one.node == "alice"]
    assert len(measured) == 2
    assert len(measured[0].outcomes) == 1


async def test_a_qubit_departs_when_its_gates_are_done_and_its_slot_is_free_then(tmp_path: Path) -> None:
    gates = {"single": {"duration": "1 us"}}
    found = await act(
        tmp_path,
        alice={**program("sends_a_busy_qubit", to="bob"), "gates": gates},
        bob=program("lands", sender="alice"),
    )
    assert found["bob"] == [3_000 + LINK_NS, 1]
    assert found.notes["alice"] == {"kept": True}


# ---------------------------------------------------------------- slots


@both_ways
async def test_a_flying_qubit_that_finds_no_slot_is_lost_with_an_event(inline: bool, tmp_path: Path) -> None:
    slots = 3
    alice = program("sends_one_too_many", to="bob", slots=slots)
    bob = {**program("lands_few", sender="alice", slots=slots), "qubits": slots}
    found = await act(tmp_path, alice=alice, bob=bob, inline=inline)
    assert found["bob"] == [0, 1, 0, 0]
    lost = [one for one in found.events if one.event == "lost"]
    assert [(one.node, one.detail) for one in lost] == [("bob", "no free memory slot")] * 2
    assert [one.t for one in lost] == [LINK_NS + 3_000, LINK_NS + 4_000]
    assert "bob lost 2 qubits: no free memory slot; raise qubits:" in report.warnings(found)
    gone = [one.qubits for one in found.events if one.event == "discard" and one.node == "bob"]
    assert gone == [one.qubits for one in lost]


async def test_a_qubit_that_arrives_after_its_program_has_returned_is_lost_and_takes_no_slot(tmp_path: Path) -> None:
    alice = program("sends_many", to="bob", n=2)
    bob = {"programs": {"main": {"run": f"{FILE}:idle"}, "other": {"run": f"{FILE}:waits"}}}
    found = await act(tmp_path, alice=alice, bob=bob)
    lost = [one for one in found.events if one.event == "lost"]
    assert [(one.node, one.detail) for one in lost] == [("bob", "its program has returned")] * 2
    assert found.summary.lost == {"bob": {"its program has returned": 2}}
    gone = [one.qubits for one in found.events if one.event == "discard" and one.node == "bob"]
    assert gone == [one.qubits for one in lost]


@both_ways
async def test_what_a_program_holds_is_freed_when_it_returns(inline: bool, tmp_path: Path) -> None:
    alice = {"programs": {"main": {"run": f"{FILE}:leaves_qubits_behind"}, "heir": {"run": f"{FILE}:inherits_slots"}}}
    found = await act(
        tmp_path, alice=alice, bob={"program": f"{FILE}:shares", "args": {"peer": "alice"}}, inline=inline
    )
    assert found["alice.heir"] == 1
    discarded = [name for one in found.events if one.event == "discard" and one.node == "alice" for name in one.qubits]
    assert len(discarded) == len(set(discarded)) >= 4


@settings(max_examples=40)
@given(patience=st.lists(st.integers(0, 5), max_size=12), n=st.integers(1, 6))
def test_readers_that_give_up_lose_no_qubit(patience: list[int], n: int) -> None:
    with TemporaryDirectory() as folder:
        links = {"all": {"chain": ["alice", "bob", "carol"], "length": "0 m"}}
        alice = program("sends_many", to="bob", n=n)
        bob = program("lands_impatiently", sender="alice", patience_us=patience, n=n)
        found = asyncio.run(act(Path(folder), alice=alice, bob=bob, links=links))
    assert found["bob"] == [number % 2 for number in range(n)]


# ---------------------------------------------------------------- for the observer and the table


@both_ways
async def test_marks_are_seen_in_order_and_records_become_columns(inline: bool, tmp_path: Path) -> None:
    observe = {"a": [{"fidelity": "0"}, {"fidelity": "b"}], "b": [{"fidelity": "+"}, "fidelity"]}
    found = await act(tmp_path, alice=program("marks_and_records"), observe=observe, inline=inline)
    seen = [(one.label, one.nth, one.node, one.quantity, one.value) for one in found.observed]
    half = pytest.approx(0.5, abs=1e-12)
    one, zero = pytest.approx(1, abs=1e-12), pytest.approx(0, abs=1e-12)
    assert seen == [
        ("a", 0, "alice", "fidelity to 0", one),
        ("a", 0, "alice", "fidelity to b", one),
        ("a", 1, "alice", "fidelity to 0", half),
        ("a", 1, "alice", "fidelity to b", None),
        ("a", 2, "alice", "fidelity to 0", zero),
        ("a", 2, "alice", "fidelity to b", None),
        ("b", 0, "alice", "fidelity to +", half),
        ("b", 0, "alice", "fidelity", None),  # no half of a pair
    ]
    assert found.notes == {"alice": {"rounds": 5, "state": [1, 1j], "rate": 0.25}}
    assert [event.name for event in found.events if event.event == "mark"] == ["a", "b", "a", "a", "unseen"]
