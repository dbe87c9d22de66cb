"""The observer compares what it saw at marks with what was asked for, and changes nothing by looking."""

from __future__ import annotations

import pytest

from orchestrator.inspect import MarkObserver
from qnode.ids import NodeName, QubitId, half_id, pair_id
from qnode.quantum.bell import BELL_STATES, PHI_PLUS, BellState
from qnode.quantum.fidelity import NAMED_STATES, fidelity, named_state
from qnode.quantum.register import Register
from tests.quantum.worlds import qubits

ALICE, BOB = NodeName("alice"), NodeName("bob")
PAIR = pair_id(ALICE, BOB, 0)
HALVES = {ALICE: half_id(PAIR, ALICE), BOB: half_id(PAIR, BOB)}
(DATA,) = qubits("alice.0")


def with_pair(bell: BellState = PHI_PLUS) -> Register:
    register = Register()
    register.create_pair(HALVES[ALICE], HALVES[BOB], bell)
    return register


def seen(observer: MarkObserver) -> dict[str, float | None]:
    return {one.quantity: one.value for one in observer.evaluate()}


@pytest.mark.parametrize("name", ["0", "1", "+", "-", "i", "-i"])
def test_a_qubit_is_compared_with_every_state_that_has_a_name(name: str) -> None:
    observer = MarkObserver({"here": tuple(NAMED_STATES)})
    register = Register()
    register.create(DATA)
    for gate in {"1": "x", "+": "h", "-": "xh", "i": "hs", "-i": "xhs"}.get(name, ""):
        register.apply(gate, (DATA,))
    observer.at_mark("here", ALICE, DATA, register)
    cardinal = [other for other in NAMED_STATES if named_state(other).size == 2]
    expected = {f"fidelity to {other}": abs(named_state(name).conj() @ named_state(other)) ** 2 for other in cardinal}
    assert {quantity: value for quantity, value in seen(observer).items() if value is not None} == pytest.approx(
        expected
    )


@pytest.mark.parametrize("bell", BELL_STATES, ids=lambda bell: bell.name)
@pytest.mark.parametrize("end", [ALICE, BOB])
def test_a_half_is_compared_with_its_partner_to_every_bell_state(bell: BellState, end: NodeName) -> None:
    observer = MarkObserver({"half": ("", *(other.name.lower() for other in BELL_STATES), "0")})
    observer.at_mark("half", end, HALVES[end], with_pair(bell))
    expected = {f"fidelity to {other.name.lower()}": float(other == bell) for other in BELL_STATES}
    expected |= {"fidelity": float(bell == PHI_PLUS), "fidelity to 0": 0.5}
    assert seen(observer) == pytest.approx(expected, abs=1e-12)


def test_a_half_whose_partner_is_gone_has_no_fidelity_but_a_state() -> None:
    observer = MarkObserver({"half": ("", "psi-", "1")})
    register = with_pair()
    assert register.measure(HALVES[BOB], 0.9) == 1
    observer.at_mark("half", ALICE, HALVES[ALICE], register)
    assert seen(observer) == {"fidelity": None, "fidelity to psi-": None, "fidelity to 1": pytest.approx(1)}


def test_a_qubit_that_is_no_half_has_no_partner() -> None:
    observer = MarkObserver({"here": ("", "phi+")})
    register = Register()
    register.create(DATA)
    observer.at_mark("here", ALICE, DATA, register)
    assert seen(observer) == {"fidelity": None, "fidelity to phi+": None}


def test_the_nth_mark_is_compared_with_the_nth_of_its_target() -> None:
    observer = MarkObserver({"received": ("sent",)})
    register = Register()
    angles = (0.3, 1.2, 2.9)
    for nth, angle in enumerate(angles):
        qubit = QubitId(f"alice.{nth}")
        register.create(qubit)
        register.apply("ry", (qubit,), (angle,))
        observer.at_mark("sent", ALICE, qubit, register)
    for nth in (0, 1, 1, 2):
        observer.at_mark("received", BOB, QubitId(f"alice.{nth}"), register)
    values = [one.value for one in observer.evaluate()]
    sight = [register.reduced_state((QubitId(f"alice.{nth}"),)) for nth in range(3)]
    assert values[:2] == [pytest.approx(1, abs=1e-12)] * 2
    assert values[2] == pytest.approx(fidelity(sight[1], sight[2]))
    assert values[3] is None  # there was no fourth `sent`
    assert [one.nth for one in observer.evaluate()] == [0, 1, 2, 3]


def test_a_mark_that_nobody_asked_about_or_that_never_came_has_no_value() -> None:
    observer = MarkObserver({"received": ("sent",), "half": ("",)})
    assert observer.labels == {"received", "sent", "half"}
    register = with_pair()
    observer.at_mark("elsewhere", ALICE, HALVES[ALICE], register)
    observer.at_mark("received", BOB, HALVES[BOB], register)
    assert [(one.label, one.value) for one in observer.evaluate()] == [("received", None)]


def test_looking_changes_nothing() -> None:
    register = with_pair()
    before = register.snapshot(HALVES[ALICE])
    observer = MarkObserver({"half": ("", "0")})
    observer.at_mark("half", ALICE, HALVES[ALICE], register)
    observer.evaluate()
    assert register.snapshot(HALVES[ALICE]) == before
    register.apply("x", (HALVES[ALICE],))
    assert seen(observer)["fidelity"] == pytest.approx(1)  # what was seen then
