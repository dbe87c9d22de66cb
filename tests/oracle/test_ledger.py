"""The ledger: any node doing anything to any qubit, compared with one dense density matrix and a list of owners."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from math import inf, nan, pi
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from orchestrator.oracle.ledger import Ledger
from qnode.core.coins import Coins, derive_key
from qnode.errors import (
    InvalidOperation,
    MalformedMessage,
    NotOwner,
    QnodeError,
    UnknownQubit,
)
from qnode.ids import NodeName, PairId, QubitId, half_id, local_qubit_id, pair_id
from qnode.quantum.dense import DenseRegister
from qnode.quantum.gates import GATES
from qnode.quantum.register import ComponentState, Register

NODES = tuple(map(NodeName, ("alice", "bob", "carol")))
ALICE, BOB, CAROL = NODES
MOST = 7
ANGLES = (0.3, 1.1, pi / 2, pi)

nodes = st.sampled_from(NODES)


def new_ledger(formalism: str = "auto") -> Ledger:
    return Ledger(Register(formalism), Coins(derive_key(7, "oracle")))


def holdings(ledger: Ledger) -> tuple[dict[QubitId, NodeName], dict[QubitId, tuple[QubitId, ...]], list[np.ndarray]]:
    """Everything that an operation could change: owners, components, their states."""
    register = ledger.register
    members = {qubit: register.members(qubit) for qubit in register.qubits()}
    return dict(ledger.owner), members, [register.reduced_state(parts) for parts in dict.fromkeys(members.values())]


def same(one: Any, other: Any) -> bool:
    return one[:2] == other[:2] and all(np.array_equal(a, b) for a, b in zip(one[2], other[2], strict=True))


def component_of(name: NodeName, first: int, n: int, formalism: str = "auto") -> ComponentState:
    """A chain of n entangled qubits as their node computed it."""
    register = Register(formalism)
    names = [local_qubit_id(name, 0, first + index) for index in range(n)]
    for qubit in names:
        register.create(qubit)
        register.apply("ry", (qubit,), (0.7,))
    for left, right in pairwise(names):
        register.apply("cnot", (left, right))
    return register.export(names[0])


def new_pair(ledger: Ledger, one: NodeName, other: NodeName) -> tuple[PairId, QubitId, QubitId]:
    pair, mine, theirs = ledger.next_pair(one, other)
    ledger.create_pair((one, other), (mine, theirs))
    ledger.delivered(mine)
    ledger.delivered(theirs)
    return pair, mine, theirs


class AnyNodeDoesAnything(RuleBasedStateMachine):
    """Random operations by random nodes. What a node may not do must change nothing; the rest is compared."""

    def __init__(self) -> None:
        super().__init__()
        self.ledger = new_ledger()
        self.dense = DenseRegister()
        self.owner: dict[QubitId, NodeName] = {}
        self.flying: list[QubitId] = []
        self.gone: list[QubitId] = []
        self.made = dict.fromkeys(NODES, 0)
        self.pairs = 0
        self.kinds: set[str] = set()

    def fits(self, n: int) -> bool:
        return len(self.owner) + n <= MOST

    def pick(self, data: st.DataObject, n: int = 1) -> tuple[QubitId, ...]:
        """Qubits that exist, or one that does no more or never did."""
        known: list[QubitId] = [*self.owner, *self.gone[-2:], QubitId("alice.999")]
        return tuple(data.draw(st.lists(st.sampled_from(known), min_size=n, max_size=n), label="qubits"))

    def may(self, node: NodeName, qubits: tuple[QubitId, ...], action: Callable[[], object]) -> bool:
        """True, and do it, if a node may do this; else it is refused with the right error and nothing changes."""
        wrong = next((qubit for qubit in qubits if self.owner.get(qubit) != node or qubit in self.flying), None)
        twice = len(set(qubits)) != len(qubits)
        if wrong is None and not twice:
            return True
        before = holdings(self.ledger)
        expected = (
            InvalidOperation if wrong is None else NotOwner if self.owner.get(wrong, node) != node else UnknownQubit
        )
        with pytest.raises(expected) as caught:
            action()
        assert caught.type is expected
        assert same(holdings(self.ledger), before)
        return False

    @precondition(lambda self: self.fits(2))
    @rule(one=nodes, other=nodes)
    def create_pair(self, one: NodeName, other: NodeName) -> None:
        if one == other:
            return
        pair, mine, theirs = new_pair(self.ledger, one, other)
        assert (mine, theirs) == (half_id(pair, one), half_id(pair, other))
        self.dense.create_pair(mine, theirs)
        self.owner |= {mine: one, theirs: other}

    @rule(node=nodes, maker=nodes, n=st.integers(1, 2), fresh=st.booleans())
    def adopt(self, node: NodeName, maker: NodeName, n: int, fresh: bool) -> None:
        if not self.fits(n):
            return
        first = self.made[maker] if fresh else max(0, self.made[maker] - n)
        state = component_of(maker, first, n)
        if node != maker or any(qubit in self.owner for qubit in state.qubits):
            before = holdings(self.ledger)
            with pytest.raises(NotOwner):
                self.ledger.adopt(node, state)
            assert same(holdings(self.ledger), before)
            return
        self.ledger.adopt(node, state)
        self.made[maker] = max(self.made[maker], first + n)
        for qubit in state.qubits:
            self.dense.create(qubit)
            self.dense.apply("ry", (qubit,), (0.7,))
            self.owner[qubit] = node
        for left, right in pairwise(state.qubits):
            self.dense.apply("cnot", (left, right))

    @rule(node=nodes, data=st.data(), gate=st.sampled_from(sorted(GATES)), angle=st.sampled_from(ANGLES))
    def apply(self, node: NodeName, data: st.DataObject, gate: str, angle: float) -> None:
        qubits = self.pick(data, GATES[gate].n_qubits)
        params = (angle,) * GATES[gate].n_params
        if self.may(node, qubits, lambda: self.ledger.apply(node, gate, qubits, params)):
            self.ledger.apply(node, gate, qubits, params)
            self.dense.apply(gate, qubits, params)

    @rule(node=nodes, data=st.data(), seed=st.integers(0, 5))
    def apply_unitary(self, node: NodeName, data: st.DataObject, seed: int) -> None:
        qubits = self.pick(data, 2)
        rng = np.random.default_rng(seed)
        unitary = np.linalg.qr(rng.normal(size=(4, 4)) + 1j * rng.normal(size=(4, 4)))[0].astype(np.complex128)
        if self.may(node, qubits, lambda: self.ledger.apply_unitary(node, unitary.tobytes(), qubits)):
            self.ledger.apply_unitary(node, unitary.tobytes(), qubits)
            self.dense.apply_unitary(unitary, qubits)

    @rule(node=nodes, data=st.data(), n=st.integers(1, 2), basis=st.sampled_from("xyz"), keep=st.booleans())
    def measure(self, node: NodeName, data: st.DataObject, n: int, basis: str, keep: bool) -> None:
        qubits = self.pick(data, n)
        if not self.may(node, qubits, lambda: self.ledger.measure(node, qubits, basis, keep=keep)):
            return
        outcomes = self.ledger.measure(node, qubits, basis, keep=keep)
        for qubit, outcome in zip(qubits, outcomes, strict=True):
            self.follow(qubit, outcome, basis, keep=keep)

    def follow(self, qubit: QubitId, outcome: int, basis: str, *, keep: bool) -> None:
        """The reference sees the outcome that was found: it must have been a possible one."""
        assert self.dense.probability(qubit, outcome, basis) > 1e-12
        p_zero = self.dense.probability(qubit, 0, basis)
        draw = 0.0 if outcome == 0 else min(p_zero, 1 - 1e-9)
        assert self.dense.measure(qubit, draw, basis, keep) == outcome
        if not keep:
            self.forget(qubit)

    def forget(self, qubit: QubitId) -> None:
        del self.owner[qubit]
        self.gone.append(qubit)

    @rule(node=nodes, data=st.data(), verb=st.sampled_from(("reset", "discard")))
    def lose(self, node: NodeName, data: st.DataObject, verb: str) -> None:
        """Only what is measured before is lost here: nobody is told how a trace-out went (see the exact test below)."""
        (qubit,) = self.pick(data)

        def action() -> None:
            if verb == "reset":
                self.ledger.reset(node, qubit)
            else:
                self.ledger.discard(node, (qubit,))

        if not self.may(node, (qubit,), action):
            return
        (outcome,) = self.ledger.measure(node, (qubit,), "z", keep=True)
        self.follow(qubit, outcome, "z", keep=True)
        action()
        self.dense.discard(qubit, 0.5)
        if verb == "reset":
            self.dense.create(qubit)
        else:
            self.forget(qubit)

    @rule(node=nodes, data=st.data(), to=nodes)
    def transfer(self, node: NodeName, data: st.DataObject, to: NodeName) -> None:
        (qubit,) = self.pick(data)
        if self.may(node, (qubit,), lambda: self.ledger.transfer(node, qubit, to)):
            self.ledger.transfer(node, qubit, to)
            self.owner[qubit] = to
            self.flying.append(qubit)

    @precondition(lambda self: self.flying)
    @rule(data=st.data())
    def arrive(self, data: st.DataObject) -> None:
        qubit = data.draw(st.sampled_from(self.flying), label="arrives")
        self.ledger.arrive(qubit, 0)
        self.flying.remove(qubit)

    @invariant()
    def ledger_agrees_with_the_reference(self) -> None:
        self.ledger.check_invariants()
        assert self.ledger.owner == self.owner
        assert self.ledger.under_way == set(self.flying)
        names = tuple(self.owner)
        difference = self.ledger.register.reduced_state(names) - self.dense.reduced_state(names)
        assert np.abs(difference).max() < 1e-9


TestAnyNodeDoesAnything = AnyNodeDoesAnything.TestCase
TestAnyNodeDoesAnything.settings = settings(max_examples=30, stateful_step_count=30)


# ---------------------------------------------------------------- homes and components


def test_an_operation_on_two_components_merges_them_and_a_measurement_splits_off_its_qubit() -> None:
    ledger = new_ledger()
    _, a1, b1 = new_pair(ledger, ALICE, BOB)
    _, a2, b2 = new_pair(ledger, ALICE, BOB)
    assert set(ledger.register.members(a1)) == {a1, b1}
    ledger.apply(ALICE, "cnot", (a1, a2), ())
    assert set(ledger.register.members(b2)) == {a1, b1, a2, b2}
    ledger.measure(ALICE, (a2,), "z", keep=False)
    assert a2 not in ledger.register
    assert set(ledger.register.members(b2)) <= {a1, b1, b2}
    ledger.measure(ALICE, (a1,), "x", keep=True)
    assert ledger.register.members(a1) == (a1,)
    ledger.check_invariants()


def test_a_lost_qubit_leaves_the_others_in_the_partial_trace() -> None:
    ledger, dense = new_ledger("density_matrix"), DenseRegister()
    _, a1, b1 = new_pair(ledger, ALICE, BOB)
    _, a2, b2 = new_pair(ledger, ALICE, BOB)
    dense.create_pair(a1, b1)
    dense.create_pair(a2, b2)
    for gate, qubits, params in (("ry", (a1,), (0.4,)), ("cnot", (a1, a2), ()), ("t", (b1,), ()), ("h", (a2,), ())):
        node = ALICE if qubits[0] in (a1, a2) else BOB
        ledger.apply(node, gate, qubits, params)
        dense.apply(gate, qubits, params)
    ledger.discard(ALICE, (a1,))
    dense.trace_out(a1)
    assert np.allclose(ledger.register.reduced_state((b1, a2, b2)), dense.reduced_state((b1, a2, b2)), atol=1e-12)
    ledger.reset(BOB, b1)
    dense.trace_out(b1)
    dense.create(b1)
    assert np.allclose(ledger.register.reduced_state((b1, a2, b2)), dense.reduced_state((b1, a2, b2)), atol=1e-12)
    assert ledger.owner == {b1: BOB, a2: ALICE, b2: BOB}


def test_pairs_of_two_nodes_are_numbered_whoever_asks_first() -> None:
    ledger = new_ledger()
    ids = [new_pair(ledger, one, other)[0] for one, other in ((BOB, ALICE), (ALICE, BOB), (CAROL, BOB), (BOB, ALICE))]
    assert ids == [pair_id(ALICE, BOB, 0), pair_id(ALICE, BOB, 1), pair_id(BOB, CAROL, 0), pair_id(ALICE, BOB, 2)]


# ---------------------------------------------------------------- names and owners


@pytest.mark.parametrize(
    "name",
    [
        "bob.0",  # another's
        "alice",  # no number
        "alice.x",
        "alice.-1",
        "alice.",
        ".0",
        "",
        "0",
        "alice~bob#0@alice",  # a half: only the oracle makes those
        "alice~bob#0@alice.0",
        "alice.1.0",  # of a node called alice.1
        "xalice.0",
        "bob!1.0",
        "alice!.0",
        "alice!01.0",
        "alice!x~bob#0@bob.0",  # whose other half would be bob's
        "alice.00",
        "alice.\u0663",  # a digit, but none of ours
    ],
)
def test_a_name_that_the_node_cannot_have_made_is_refused_and_nothing_of_its_component_is_adopted(name: str) -> None:
    ledger = new_ledger()
    new_pair(ledger, ALICE, BOB)
    before = holdings(ledger)
    good = component_of(ALICE, 0, 2)
    with pytest.raises(NotOwner):
        ledger.adopt(ALICE, good._replace(qubits=(good.qubits[0], QubitId(name))))
    assert same(holdings(ledger), before)
    ledger.check_invariants()


@pytest.mark.parametrize(
    "broken",
    [
        lambda state: state._replace(qubits=()),
        lambda state: state._replace(qubits=(state.qubits[0],) * 2),
        lambda state: state._replace(qubits=state.qubits[:1]),
        lambda state: state._replace(formalism="bell_pairs"),
        lambda state: state._replace(formalism="density_matrix"),
        lambda state: state._replace(data=b""),
        lambda state: state._replace(data=state.data[:-1]),
        lambda state: state._replace(data=bytes(len(state.data))),
        lambda state: state._replace(data=b"\xff" * len(state.data)),
    ],
)
def test_what_is_no_state_is_refused_and_changes_nothing(broken: Callable[[ComponentState], ComponentState]) -> None:
    ledger = new_ledger()
    new_pair(ledger, ALICE, BOB)
    before = holdings(ledger)
    with pytest.raises(MalformedMessage):
        ledger.adopt(ALICE, broken(component_of(ALICE, 0, 2)))
    assert same(holdings(ledger), before)
    ledger.check_invariants()


def test_names_of_a_later_life_of_the_node_are_its_own() -> None:
    ledger = new_ledger()
    state = component_of(ALICE, 0, 1)._replace(qubits=(local_qubit_id(ALICE, 2, 0),))
    with pytest.raises(NotOwner):
        ledger.adopt(ALICE, state)
    ledger.lives = {ALICE: 2}
    ledger.adopt(ALICE, state)
    assert ledger.owner == {QubitId("alice!2.0"): ALICE}
    with pytest.raises(NotOwner):  # those of an earlier one are not
        ledger.adopt(ALICE, component_of(ALICE, 0, 1))


Step = Callable[[Ledger, QubitId], object]


@pytest.mark.parametrize(
    ("step", "error"),
    [
        (lambda ledger, half: ledger.apply(ALICE, "rx", (half,), (nan,)), InvalidOperation),
        (lambda ledger, half: ledger.apply(ALICE, "rx", (half,), (inf,)), InvalidOperation),
        (lambda ledger, half: ledger.apply(ALICE, "rx", (half,), ()), InvalidOperation),
        (lambda ledger, half: ledger.apply(ALICE, "h", (half,), (0.1,)), InvalidOperation),
        (lambda ledger, half: ledger.apply(ALICE, "h", (), ()), InvalidOperation),
        (lambda ledger, half: ledger.apply(ALICE, "cnot", (half,), ()), InvalidOperation),
        (lambda ledger, half: ledger.apply(ALICE, "cnot", (half, half), ()), InvalidOperation),
        (lambda ledger, half: ledger.apply(ALICE, "no gate", (half,), ()), InvalidOperation),
        (lambda ledger, half: ledger.apply_unitary(ALICE, b"", (half,)), MalformedMessage),
        (lambda ledger, half: ledger.apply_unitary(ALICE, np.eye(4).tobytes(), (half,)), MalformedMessage),
        (lambda ledger, half: ledger.apply_unitary(ALICE, np.ones(1, complex).tobytes(), ()), InvalidOperation),
        (lambda ledger, half: ledger.apply_unitary(ALICE, np.ones(4, complex).tobytes(), (half,)), InvalidOperation),
        (
            lambda ledger, half: ledger.apply_unitary(ALICE, np.full(4, np.inf, complex).tobytes(), (half,)),
            InvalidOperation,
        ),
        (lambda ledger, half: ledger.measure(ALICE, (half,), "w", keep=True), InvalidOperation),
        (lambda ledger, half: ledger.measure(ALICE, (half, half), "z", keep=False), InvalidOperation),
        (lambda ledger, half: ledger.measure(ALICE, (half, QubitId("alice.7")), "z", keep=False), UnknownQubit),
        (lambda ledger, half: ledger.measure(BOB, (half,), "z", keep=False), NotOwner),
        (lambda ledger, half: ledger.discard(ALICE, (half, half)), InvalidOperation),
        (lambda ledger, half: ledger.discard(ALICE, (half, QubitId("alice~bob#0@bob"))), NotOwner),
        (lambda ledger, half: ledger.reset(BOB, half), NotOwner),
        (lambda ledger, half: ledger.transfer(BOB, half, BOB), NotOwner),
    ],
)
def test_a_refused_operation_changes_nothing_not_even_later_outcomes(step: Step, error: type[QnodeError]) -> None:
    refused, untouched = new_ledger(), new_ledger()
    halves = [new_pair(ledger, ALICE, BOB)[1] for ledger in (refused, untouched)]
    before = holdings(refused)
    with pytest.raises(error):
        step(refused, halves[0])
    assert same(holdings(refused), before)
    # A draw that was wasted would show in one of 40 later outcomes but once in 2**40.
    later = [
        [ledger.measure(ALICE, (half,), "xz"[nth % 2], keep=True) for nth in range(40)]
        for ledger, half in zip((refused, untouched), halves, strict=True)
    ]
    assert later[0] == later[1]


def test_a_sent_qubit_belongs_to_the_receiver_alone_and_its_state_is_where_it_was() -> None:
    ledger = new_ledger()
    _, half, other = new_pair(ledger, ALICE, BOB)
    ledger.transfer(ALICE, half, CAROL)
    with pytest.raises(NotOwner):
        ledger.apply(ALICE, "x", (half,), ())
    with pytest.raises(UnknownQubit, match="on its way"):  # or its receiver would learn of it before light could come
        ledger.measure(CAROL, (half,), "z", keep=False)
    ledger.arrive(half, 50)
    assert ledger.measure(CAROL, (half,), "z", keep=False) == ledger.measure(BOB, (other,), "z", keep=False)


def test_outcomes_belong_to_the_qubit_and_not_to_the_moment() -> None:
    """The order in which different nodes measure different qubits decides no outcome."""

    def outcomes(order: tuple[int, ...]) -> list[int]:
        ledger = new_ledger()
        halves = [new_pair(ledger, ALICE, BOB)[1] for _ in range(20)]
        found = {nth: ledger.measure(ALICE, (halves[nth],), "x", keep=False)[0] for nth in order}
        return [found[nth] for nth in range(20)]

    forward = outcomes(tuple(range(20)))
    assert forward == outcomes(tuple(reversed(range(20))))
    assert len(set(forward)) == 2


def test_check_invariants_notices_what_is_wrong() -> None:
    ledger = new_ledger()
    _, half, _ = new_pair(ledger, ALICE, BOB)
    del ledger.owner[half]
    with pytest.raises(AssertionError, match="owners"):
        ledger.check_invariants()
