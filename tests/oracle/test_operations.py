"""Executing what nodes want done: each operation does what it says, to its own node's things, or is refused alone."""

from __future__ import annotations

import numpy as np
import pytest

from orchestrator.inspect import MarkObserver
from orchestrator.oracle.operations import MOST_PAIRS
from qnode.ids import NodeName, QubitId
from qnode.quantum.register import Register
from qnode.wire.items import Arrived, Failed, Message, Outcomes, Paired
from qnode.wire.operations import (
    Adopt,
    Apply,
    ApplyUnitary,
    Discard,
    Executed,
    Local,
    Mark,
    Note,
    Op,
    Reset,
    Send,
    Transfer,
    Withdraw,
)
from tests.oracle.cores import ALICE, BOB, CAROL, LINK_NS, Bench, entangle, measure, send, spec

A, B = "alice~bob#0@alice", "alice~bob#0@bob"


def with_pair(bench: Bench | None = None) -> Bench:
    """Alice and bob have a pair, and both run."""
    bench = bench or Bench()
    bench.round({ALICE: [entangle(1, BOB)], BOB: [entangle(1, ALICE)]})
    assert bench.items(ALICE) == (Paired(1, "alice~bob#0", A),)
    assert bench.items(BOB) == (Paired(1, "alice~bob#0", B),)
    return bench


def adopted(*names: str, formalism: str = "auto") -> Adopt:
    """|+...+> as its node computed it, entangled by CZ."""
    register = Register(formalism)
    qubits = [QubitId(name) for name in names]
    for qubit in qubits:
        register.create(qubit)
        register.apply("h", (qubit,))
    for other in qubits[1:]:
        register.apply("cz", (qubits[0], other))
    state = register.export(qubits[0])
    return Adopt(state.qubits, state.formalism, state.data)


def refusals(bench: Bench, node: NodeName) -> list[tuple[int | None, int | None, str]]:
    return [(one.op, one.request, one.code) for one in bench.items(node) if isinstance(one, Failed)]


# ---------------------------------------------------------------- pairs


def test_a_pair_arrives_at_both_ends_when_light_could_have_crossed_the_link() -> None:
    bench = Bench()
    bench.round({ALICE: [entangle(1, BOB)], BOB: []}, bob=20)
    bench.round({BOB: [entangle(1, ALICE)]})
    assert bench.core.time.now_ns == 20 + LINK_NS
    assert bench.items(ALICE) == (Paired(1, "alice~bob#0", A),)
    assert bench.items(BOB) == (Paired(1, "alice~bob#0", B),)
    (generated,) = bench.of_kind("generate")
    assert (generated.t, generated.node, generated.peer, generated.qubits) == (20, ALICE, BOB, (A, B))


def test_a_new_pair_is_phi_plus() -> None:
    register = with_pair().core.operations.ledger.register
    rho = register.reduced_state((QubitId(A), QubitId(B)))
    assert np.allclose(rho, np.outer([1, 0, 0, 1], [1, 0, 0, 1]) / 2, atol=1e-12)


def test_several_pairs_of_one_request_arrive_together_in_order() -> None:
    bench = Bench()
    bench.round({BOB: [entangle(9, ALICE, 3)], ALICE: [entangle(4, BOB, 3)]})
    assert bench.items(ALICE) == tuple(Paired(4, f"alice~bob#{n}", f"alice~bob#{n}@alice") for n in range(3))
    assert bench.items(BOB) == tuple(Paired(9, f"alice~bob#{n}", f"alice~bob#{n}@bob") for n in range(3))
    assert bench.core.counts.pairs == 3


def test_ends_that_want_different_numbers_are_both_told_and_get_none() -> None:
    bench = Bench()
    bench.round({ALICE: [entangle(4, BOB, 1)], BOB: [entangle(9, ALICE, 2)]})
    told: list[tuple[NodeName, int, dict[str, str | int]]] = [
        (ALICE, 4, {"node": "alice", "peer": "bob", "wanted": 1, "offered": 2}),
        (BOB, 9, {"node": "bob", "peer": "alice", "wanted": 2, "offered": 1}),
    ]
    for node, request, fields in told:
        assert bench.items(node) == (Failed(None, request, "RequestMismatch", fields),)
    assert bench.core.counts.pairs == 0
    assert len(bench.core.operations.matching) == 0
    assert bench.core.time.now_ns == 0


def test_a_request_that_is_withdrawn_before_the_peer_asks_makes_no_pair() -> None:
    bench = Bench()
    bench.round({ALICE: [entangle(1, BOB), Withdraw(1)]}, bob=10)
    assert not bench.round({BOB: [entangle(1, ALICE)]})
    assert bench.core.counts.pairs == 0


def test_a_pair_that_was_made_already_is_discarded_at_the_end_that_withdrew_and_only_there() -> None:
    bench = Bench()
    bench.round({ALICE: [entangle(1, BOB)], BOB: [entangle(1, ALICE)]}, alice=10)
    assert list(bench.granted) == [ALICE]
    bench.round({ALICE: [Withdraw(1)]})
    assert (bench.core.time.now_ns, bench.items(BOB)) == (LINK_NS, (Paired(1, "alice~bob#0", B),))
    assert bench.items(ALICE) == ()
    ledger = bench.core.operations.ledger
    assert ledger.owner == {QubitId(B): BOB}
    ledger.check_invariants()
    assert [event.node for event in bench.of_kind("deliver")] == [BOB]
    (withdrawn,) = bench.of_kind("withdraw")
    assert withdrawn.qubits == (A,)


@pytest.mark.parametrize(
    ("op", "code"),
    [
        (entangle(1, CAROL), "NotANeighbour"),
        (entangle(1, ALICE), "NotANeighbour"),
        (entangle(1, NodeName("nobody")), "NotANeighbour"),
        (entangle(1, BOB, 0), "MalformedMessage"),
        (entangle(1, BOB, -1), "MalformedMessage"),
        (entangle(1, BOB, MOST_PAIRS + 1), "MalformedMessage"),
    ],
)
def test_a_request_that_cannot_be_served_is_refused_at_once(op: Op, code: str) -> None:
    bench = Bench()
    bench.round({ALICE: [Note("main", "before", b""), op]})
    assert refusals(bench, ALICE) == [(1, 1, code)]
    assert len(bench.core.operations.matching) == 0


# ---------------------------------------------------------------- qubits


def test_each_operation_on_qubits_reaches_the_state() -> None:
    bench = with_pair()
    turn = np.array([[0, 1], [1, 0]], np.complex128).tobytes()
    ops: list[Op] = [
        adopted("alice.0"),
        Apply("h", ("alice.0",), (), 50),  # |0>
        ApplyUnitary(turn, ("alice.0",), 50),  # |1>
        Apply("cnot", ("alice.0", A), (), 50),
        Apply("rx", (A,), (np.pi,), 50),  # both undo each other
        measure(7, "alice.0", keep=True, end_ns=70),
        measure(8, A, end_ns=60),
    ]
    bench.round({ALICE: ops, BOB: [measure(2, B, end_ns=60)]})
    assert bench.core.time.now_ns == 60
    ((mine,), (theirs,)) = (bench.items(node) for node in (ALICE, BOB))
    assert isinstance(mine, Outcomes)
    assert isinstance(theirs, Outcomes)
    assert (mine.request, theirs.request) == (8, 2)
    assert mine.outcomes == theirs.outcomes
    bench.round()
    assert (bench.core.time.now_ns, bench.items(ALICE)) == (70, (Outcomes(7, (1,)),))
    bench.round({ALICE: [Reset("alice.0", 70), measure(9, "alice.0", end_ns=70)]})
    assert bench.items(ALICE) == (Outcomes(9, (0,)),)
    assert bench.core.operations.ledger.owner == {}
    assert [event.event for event in bench.events if event.node == ALICE][-9:] == [
        "adopt", "gate", "gate", "gate", "gate", "measure", "measure", "reset", "measure",
    ]  # fmt: skip


def test_a_refused_operation_is_named_to_its_node_and_the_others_of_its_report_are_done() -> None:
    bench = with_pair()
    ops: list[Op] = [
        Apply("x", (A,), (), 0),
        Apply("x", (B,), (), 0),  # bob's
        measure(5, "alice.3"),  # nobody's
        Discard((A, B), 0),  # one of two is bob's
        Apply("x", (A,), (), 0),
        Reset(B, 0),
        Transfer("main", B, BOB, 0),
        Transfer("main", A, CAROL, 0),  # no link
        adopted("bob.0"),
        measure(6, A),
    ]
    bench.round({ALICE: ops, BOB: [measure(2, B)]})
    assert refusals(bench, ALICE) == [
        (1, None, "NotOwner"), (2, 5, "UnknownQubit"), (3, None, "NotOwner"), (5, None, "NotOwner"),
        (6, None, "NotOwner"), (7, None, "NotANeighbour"), (8, None, "NotOwner"),
    ]  # fmt: skip
    assert bench.core.counts.refused == 7
    assert [event.name for event in bench.of_kind("refused")] == [code for _, _, code in refusals(bench, ALICE)]
    outcomes = [one.outcomes for node in (ALICE, BOB) for one in bench.items(node) if isinstance(one, Outcomes)]
    assert outcomes[0] == outcomes[1]
    assert refusals(bench, BOB) == []


def test_a_sent_qubit_arrives_after_the_light_and_belongs_to_the_receiver() -> None:
    bench = with_pair()
    bench.round({BOB: [Transfer("main", B, CAROL, 70)]})
    assert bench.core.operations.ledger.owner == {QubitId(A): ALICE, QubitId(B): CAROL}
    assert (bench.core.time.now_ns, bench.items(CAROL)) == (70 + LINK_NS, (Arrived(BOB, "main", B),))
    bench.round({CAROL: [Apply("x", (B,), (), 0)]}, bob=0)
    assert refusals(bench, CAROL) == []
    assert bench.core.counts.transfers == 1


# ---------------------------------------------------------------- messages, notes, marks


def test_a_message_takes_as_long_as_light_along_the_links() -> None:
    bench = Bench()
    bench.round({ALICE: [send(CAROL, b"far"), send(BOB, b"near")]})
    assert (bench.core.time.now_ns, list(bench.granted)) == (LINK_NS, [BOB])
    assert bench.items(BOB) == (Message(ALICE, "main", "main", "", "", b"near", b"", 4),)
    bench.round()
    assert (bench.core.time.now_ns, list(bench.granted)) == (2 * LINK_NS, [CAROL])
    assert bench.core.counts.messages == 2


def test_a_message_to_nobody_is_refused() -> None:
    bench = Bench()
    bench.round({ALICE: [send(NodeName("nobody"))]})
    assert refusals(bench, ALICE) == [(0, None, "NotANeighbour")]


DIGEST = b"digest".ljust(32)


def test_a_digest_travels_in_the_place_of_a_long_payload() -> None:
    bench = Bench()
    bench.round({ALICE: [Send("main", BOB, "keys", "c", "p", b"", DIGEST, 10**6)]})
    assert bench.items(BOB) == (Message(ALICE, "main", "keys", "c", "p", b"", DIGEST, 10**6),)
    assert [event.bytes for event in bench.of_kind("send", "receive")] == [10**6] * 2


def test_notes_are_kept_and_the_last_of_a_name_counts() -> None:
    bench = Bench()
    bench.round({ALICE: [Note("main", "a", b"1"), Note("main", "a", b"2"), Executed(b"xyz")], BOB: []})
    assert bench.core.operations.noted == {(ALICE, "a"): b"2"}
    assert [event.bytes for event in bench.of_kind("note", "executed")] == [1, 1, 3]


def test_what_a_node_did_by_itself_is_logged_as_its_own() -> None:
    bench = Bench()
    bench.round({ALICE: [Local("gate", ("alice.0",), 5, "rx", (0.1 + 0.2,), ())]})
    (event,) = bench.of_kind("gate")
    assert (event.t, event.node, event.local, event.params) == (5, ALICE, True, (0.3,))


@pytest.mark.parametrize("formalism", ["auto", "stabilizer", "state_vector", "density_matrix"])
def test_a_mark_on_a_qubit_at_home_or_at_the_oracle_is_seen_in_every_formalism(formalism: str) -> None:
    observe = {"here": ("+",), "there": ("",)}
    observer = MarkObserver(observe)
    bench = with_pair(Bench(spec(formalism=formalism, observe=observe), observer))
    at_home = Mark("main", "here", "alice.0", adopted("alice.0", formalism=formalism))
    bench.round({ALICE: [at_home, Mark("main", "there", A, None)]})
    assert refusals(bench, ALICE) == []
    assert [one.value for one in observer.evaluate()] == [pytest.approx(1, abs=1e-12)] * 2


def test_nobody_sees_anothers_qubit_by_marking_it() -> None:
    observer = MarkObserver({"there": ("",)})
    bench = with_pair(Bench(observer=observer))
    bench.round({ALICE: [Mark("main", "there", B, None), Mark("main", "there", "alice.9", None)]})
    assert observer.evaluate() == ()


def test_looking_changes_nothing() -> None:
    seen = with_pair(Bench(observer=MarkObserver({"there": ("",)})))
    unseen = with_pair()
    for bench in (seen, unseen):
        bench.round({ALICE: [Mark("main", "there", A, None), measure(3, A, basis="x")]})
    assert seen.granted == unseen.granted
    assert seen.events == unseen.events
