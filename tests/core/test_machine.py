"""A node's machine: local qubits cost no message; what meets a remote one moves to the oracle with its component."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from math import pi

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.oracle.network import build_core
from qnode.core.coins import Coins, derive_key
from qnode.core.machine import LOCAL_EVENTS_PER_REPORT, NodeMachine
from qnode.core.memory import HeldQubit, Where
from qnode.errors import (
    DeadQubit,
    InvalidOperation,
    NotANeighbour,
    NotOwner,
    OutOfMemory,
)
from qnode.ids import NodeName, QubitId
from qnode.quantum.dense import DenseRegister
from qnode.quantum.gates import GATES
from qnode.quantum.hardware import IDEAL, Hardware, Timing
from qnode.quantum.register import Register
from qnode.wire.items import Arrived, Failed, Outcomes, Paired
from qnode.wire.messages import Report, error_of
from qnode.wire.operations import Adopt, Apply, ApplyUnitary, Discard, Local, Mark, Measure, Op, Reset, Transfer
from tests.oracle.cores import ALICE, BOB, CAROL, NAMES, spec

Machine = NodeMachine[None]


def here() -> Where:
    frame = sys._getframe(1)
    return frame.f_code, frame.f_lineno


HERE = here()


def machine(
    name: NodeName = ALICE,
    *,
    incarnation: int = 0,
    hardware: Hardware = IDEAL,
    observed: Iterable[str] = (),
    log_local: bool = False,
    slots: int = 8,
    reports_under_way: int = 1,
) -> Machine:
    return NodeMachine(
        name,
        incarnation,
        hardware=hardware._replace(memory=hardware.memory._replace(size=slots)),
        coins=Coins(derive_key(7, "node", name)),
        register=Register(),
        neighbours=frozenset({BOB} if name != BOB else {ALICE, CAROL}),
        observed=frozenset(observed),
        log_local=log_local,
        reports_under_way=reports_under_way,
    )


def local(of: Machine) -> HeldQubit:
    name, busy_ns = of.next_id(HERE)
    qubit = HeldQubit(name, of.name, "main", None, local=True, busy_ns=busy_ns)
    of.hold(qubit)
    return qubit


def remote(of: Machine, name: str = "alice~bob#0@alice") -> HeldQubit:
    """A qubit that the oracle holds."""
    qubit = HeldQubit(QubitId(name), of.name, "main", None, local=False, busy_ns=of.now_ns)
    of.hold(qubit)
    return qubit


def kinds(ops: Sequence[Op]) -> list[str]:
    return [type(op).__name__ for op in ops]


# ---------------------------------------------------------------- local qubits


def everything_local(of: Machine) -> list[int]:
    one, two, three = (local(of) for _ in range(3))
    for gate, params in (("h", ()), ("t", ()), ("ry", (0.3,)), ("u", (0.1, 0.2, 0.3))):
        of.apply(gate, (one,), params, HERE)
    of.apply("cnot", (one, two), (), HERE)
    of.apply_unitary(np.eye(8)[::-1], (one, two, three), HERE)
    of.reset(three, HERE)
    outcomes = [*of.measure((one, two), "x", keep=True, where=HERE).outcomes]
    outcomes += of.measure((one,), "z", keep=False, where=HERE).outcomes
    of.discard((two, three), HERE)
    assert len(of.register) == 0
    return [outcome for outcome in outcomes if outcome is not None]


def test_local_operations_give_the_oracle_nothing_to_do() -> None:
    of = machine()
    assert len(everything_local(of)) == 3
    assert of.take_outbox() == ()


def test_with_an_event_log_local_operations_are_only_told_of() -> None:
    of = machine(log_local=True)
    outcomes = everything_local(of)
    ops = of.take_outbox()
    assert [op.event for op in ops if isinstance(op, Local)] == [
        *["create"] * 3, *["gate"] * 6, "reset", *["measure"] * 3, *["discard"] * 2,
    ]  # fmt: skip
    assert len(ops) == 15
    assert [op.outcomes[0] for op in ops if isinstance(op, Local) and op.outcomes] == outcomes
    assert outcomes == everything_local(machine())  # the log changes nothing


def test_a_program_that_does_very_much_at_one_instant_does_not_fill_the_memory_with_its_log() -> None:
    of = machine(log_local=True)
    qubit = local(of)
    for _ in range(LOCAL_EVENTS_PER_REPORT + 10):
        of.apply("x", (qubit,), (), HERE)
    ops = of.take_outbox()
    assert len(ops) == LOCAL_EVENTS_PER_REPORT
    assert [op.event for op in ops[-2:] if isinstance(op, Local)] == ["gate", "omitted"]
    of.apply("x", (qubit,), (), HERE)
    assert len(of.take_outbox()) == 1  # the next report has room again


def test_local_outcomes_belong_to_node_and_qubit() -> None:
    def outcomes(name: NodeName, order: Sequence[int]) -> list[int | None]:
        of = machine(name, slots=40)
        qubits = [local(of) for _ in range(40)]
        for qubit in qubits:
            of.apply("h", (qubit,), (), HERE)
        found = {nth: of.measure((qubits[nth],), "z", keep=False, where=HERE).outcomes[0] for nth in order}
        return [found[nth] for nth in range(40)]

    assert outcomes(ALICE, range(40)) == outcomes(ALICE, range(39, -1, -1))
    assert outcomes(ALICE, range(40)) != outcomes(BOB, range(40))


def test_a_kept_qubit_measured_again_says_the_same_and_another_basis_is_a_new_toss() -> None:
    of = machine()
    qubit = local(of)
    tosses = set()
    for _ in range(30):
        z = of.measure((qubit,), "z", keep=True, where=HERE).outcomes
        assert of.measure((qubit,), "z", keep=True, where=HERE).outcomes == z
        x = of.measure((qubit,), "x", keep=True, where=HERE).outcomes
        assert of.measure((qubit,), "x", keep=True, where=HERE).outcomes == x
        tosses.add((*z, *x))
    assert len(tosses) == 4


# ---------------------------------------------------------------- moving to the oracle


@pytest.mark.parametrize("remote_first", [False, True])
def test_a_component_moves_once_as_a_whole_immediately_before_the_operation_that_needs_it(remote_first: bool) -> None:
    of = machine()
    half = remote(of)
    one, two, alone = (local(of) for _ in range(3))
    of.apply("h", (one,), (), HERE)
    of.apply("cnot", (one, two), (), HERE)
    of.apply("x", (half,), (), HERE)
    of.apply("x", (one,), (), HERE)  # still here
    of.apply("cnot", (half, one) if remote_first else (one, half), (), HERE)
    of.apply("x", (two,), (), HERE)  # went along
    of.apply("cz", (two, half), (), HERE)
    of.apply("h", (alone,), (), HERE)
    ops = of.take_outbox()
    assert kinds(ops) == ["Apply", "Adopt", "Apply", "Apply", "Apply"]
    (adopt,) = (op for op in ops if isinstance(op, Adopt))
    assert set(adopt.qubits) == {one.id, two.id}
    assert not one.local
    assert not two.local
    assert alone.local
    assert of.register.qubits() == (alone.id,)


def test_two_local_components_that_meet_a_remote_qubit_both_move() -> None:
    of = machine()
    half, one, two = remote(of), local(of), local(of)
    of.apply_unitary(np.eye(8), (one, half, two), HERE)
    ops = of.take_outbox()
    assert kinds(ops) == ["Adopt", "Adopt", "ApplyUnitary"]
    assert isinstance(ops[2], ApplyUnitary)
    assert ops[2].qubits == (one.id, half.id, two.id)
    assert len(of.register) == 0


def test_a_qubit_that_leaves_takes_its_component_to_the_oracle() -> None:
    of = machine()
    one, two = local(of), local(of)
    of.apply("cnot", (one, two), (), HERE)
    assert of.transfer(one, BOB, HERE) == 0
    ops = of.take_outbox()
    assert kinds(ops) == ["Adopt", "Transfer"]
    assert isinstance(ops[1], Transfer)
    assert (ops[1].qubit, ops[1].peer) == (one.id, BOB)
    assert not two.local
    assert of.held == {two.id: two}


def test_a_refused_call_moves_nothing() -> None:
    of = machine()
    half, one = remote(of), local(of)
    with pytest.raises(NotANeighbour, match="bob"):
        of.transfer(one, CAROL, HERE)
    with pytest.raises(InvalidOperation):
        of.apply("cnot", (one, one), (), HERE)
    with pytest.raises(InvalidOperation):
        of.apply_unitary(np.ones((4, 4)), (one, half), HERE)
    with pytest.raises(InvalidOperation):
        of.apply_unitary(np.diag([1, 1, 1, 1 + 1e-7]), (one, half), HERE)  # far from unitary, for us
    with pytest.raises(InvalidOperation, match="holds"):
        of.apply("cnot", (half, local(machine(BOB))), (), HERE)
    assert of.take_outbox() == ()
    assert one.local
    assert (one.busy_ns, one.fate) == (0, "")


def test_a_measurement_of_local_and_remote_qubits_knows_some_and_asks_for_the_rest() -> None:
    of = machine()
    half, one, other = remote(of), local(of), remote(of, "alice~bob#1@alice")
    of.apply("x", (one,), (), HERE)
    measured = of.measure((half, one, other), "z", keep=False, where=HERE)
    assert measured.outcomes == (None, 1, None)
    (op,) = of.take_outbox()
    assert op == Measure(measured.request or 0, (half.id, other.id), "z", False, 0, 0)
    assert of.held == {}


def test_operations_on_remote_qubits_go_out_in_the_order_of_issue() -> None:
    of = machine()
    half = remote(of)
    of.now_ns = half.busy_ns = 7
    of.apply("rx", (half,), (0.5,), HERE)
    of.reset(half, HERE)
    of.mark("main", "seen", half, HERE)
    of.measure((half,), "y", keep=True, where=HERE)
    of.discard((half,), HERE)
    assert of.take_outbox() == (
        Apply("rx", (half.id,), (0.5,), 7),
        Reset(half.id, 7),
        Mark("main", "seen", half.id, None),
        Measure(1, (half.id,), "y", True, 7, 7),
        Discard((half.id,), 7),
    )
    assert of.take_outbox() == ()


def test_a_lost_arrival_is_told_and_traced_out() -> None:
    of = machine()
    of.now_ns = 5
    of.lose(QubitId("bob.0"), "no free memory slot")
    assert of.take_outbox() == (Local("lost", ("bob.0",), 5, "no free memory slot"), Discard(("bob.0",), 5))


@pytest.mark.parametrize(
    ("label", "qubits", "seen"), [("seen", 9, True), ("unseen", 9, False), ("seen", 8, True), ("unseen", 8, True)]
)
def test_a_mark_carries_a_copy_of_local_states_if_somebody_looks_or_it_is_small(
    label: str, qubits: int, seen: bool
) -> None:
    of = machine(observed=("seen",), slots=9)
    one, *others = (local(of) for _ in range(qubits))
    of.apply("h", (one,), (), HERE)
    for other in others:
        of.apply("cnot", (one, other), (), HERE)
    of.mark("main", label, one, HERE)
    (op,) = of.take_outbox()
    assert isinstance(op, Mark)
    assert (op.state is not None) is seen
    if op.state is not None:
        assert set(op.state.qubits) == {one.id, *(other.id for other in others)}
    assert one.local
    assert len(of.register.members(one.id)) == qubits


# ---------------------------------------------------------------- timelines

TIMES = IDEAL._replace(single=Timing(10), two=Timing(100), measure=Timing(1000))


@pytest.mark.parametrize("where", ["local", "remote"])
def test_operations_take_their_place_on_the_qubits_timelines(where: str) -> None:
    of = machine(hardware=TIMES, log_local=True)
    one, two = (local(of), local(of)) if where == "local" else (remote(of), remote(of, "alice~bob#1@alice"))
    of.take_outbox()
    of.apply("h", (one,), (), HERE)
    of.apply("x", (one,), (), HERE)
    assert (one.busy_ns, two.busy_ns) == (20, 0)
    of.apply("cnot", (two, one), (), HERE)  # starts when the later one is free
    assert (one.busy_ns, two.busy_ns) == (120, 120)
    of.now_ns = 115
    of.apply_unitary(np.eye(2), (two,), HERE)
    of.now_ns = 500
    of.reset(one, HERE)
    measured = of.measure((one, two), "z", keep=True, where=HERE)
    assert measured.end_ns == 1500
    assert (one.busy_ns, two.busy_ns) == (1500, 1500)
    starts = [op.start_ns for op in of.take_outbox() if isinstance(op, Local | Apply | ApplyUnitary | Reset | Measure)]
    assert starts == [0, 10, 20, 120, 500, *[500] * (2 if where == "local" else 1)]


@pytest.mark.parametrize(("parallel", "starts"), [(0, [0, 0, 0, 0]), (1, [0, 10, 20, 30]), (2, [0, 0, 10, 10])])
def test_no_more_operations_go_on_at_once_than_a_node_can_do(parallel: int, starts: list[int]) -> None:
    of = machine(hardware=TIMES._replace(parallel=parallel))
    qubits = [remote(of, f"alice~bob#{nth}@alice") for nth in range(4)]
    for qubit in qubits:
        of.apply("h", (qubit,), (), HERE)
    assert [op.start_ns for op in of.take_outbox() if isinstance(op, Apply)] == starts
    assert [qubit.busy_ns for qubit in qubits] == [start + 10 for start in starts]


def test_a_measurement_ends_after_its_duration_and_a_qubit_departs_when_it_is_free() -> None:
    of = machine(hardware=TIMES)
    one, two = remote(of), remote(of, "alice~bob#1@alice")
    of.apply("h", (one,), (), HERE)
    assert of.measure((one,), "z", keep=False, where=HERE).end_ns == 1010
    of.apply("h", (two,), (), HERE)
    assert of.transfer(two, BOB, HERE) == 10
    ops = of.take_outbox()
    assert isinstance(ops[1], Measure)
    assert (ops[1].start_ns, ops[1].end_ns) == (10, 1010)
    assert isinstance(ops[3], Transfer)
    assert ops[3].start_ns == 10


# ---------------------------------------------------------------- dead handles, slots, names

ENDS = {
    "measured": lambda of, qubit: of.measure((qubit,), "z", keep=False, where=HERE),
    "discarded": lambda of, qubit: of.discard((qubit,), HERE),
    "sent away": lambda of, qubit: of.transfer(qubit, BOB, HERE),
}
USES = {
    "x": lambda of, qubit, other: of.apply("x", (qubit,), (), HERE),
    "cnot": lambda of, qubit, other: of.apply("cnot", (other, qubit), (), HERE),
    "apply": lambda of, qubit, other: of.apply_unitary(np.eye(2), (qubit,), HERE),
    "measure": lambda of, qubit, other: of.measure((other, qubit), "z", keep=False, where=HERE),
    "reset": lambda of, qubit, other: of.reset(qubit, HERE),
    "discard": lambda of, qubit, other: of.discard((qubit,), HERE),
    "mark": lambda of, qubit, other: of.mark("main", "m", qubit, HERE),
    "send_qubit": lambda of, qubit, other: of.transfer(qubit, BOB, HERE),
}


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("at_home", [True, False])
def test_a_dead_handle_raises_says_what_ended_it_and_does_nothing(use: str, end: str, at_home: bool) -> None:
    of = machine()
    qubit, other = local(of) if at_home else remote(of), local(of)
    ENDS[end](of, qubit)
    of.take_outbox()
    with pytest.raises(DeadQubit) as caught:
        USES[use](of, qubit, other)
    assert caught.value.fields == {"qubit": qubit.id, "fate": end, "where": f"{__file__}:{HERE[1]}"}
    assert caught.value.__notes__ == [f"used again by {use} at {__file__}:{HERE[1]}"]
    assert of.take_outbox() == ()
    assert other.local
    assert of.held == {other.id: other}


def test_without_a_free_slot_there_is_no_qubit_and_nothing_is_made() -> None:
    of = machine(slots=2)
    made = [local(of), local(of)]
    with pytest.raises(OutOfMemory, match="1 wanted, 0 of 2 free"):
        of.next_id(HERE)
    assert set(of.register.qubits()) == {qubit.id for qubit in made}


def test_names_contain_node_and_incarnation_and_are_never_used_twice() -> None:
    first, second = machine(slots=3), machine(incarnation=2)
    names = []
    for _ in range(5):
        qubit = local(first)
        names.append(qubit.id)
        first.discard((qubit,), HERE)
        first.memory.release()
    assert names == [f"alice.{nth}" for nth in range(5)]
    assert local(second).id == "alice!2.0"


def test_a_qubit_is_discarded_when_what_was_issued_on_it_is_over() -> None:
    of = machine(hardware=TIMES, log_local=True)
    here, there, idle = local(of), remote(of), remote(of, "alice~bob#1@alice")
    of.apply("h", (here,), (), HERE)
    of.apply("x", (there,), (), HERE)
    of.apply("x", (there,), (), HERE)
    of.take_outbox()
    assert of.discard((here, there, idle), HERE) == (10, 20, 0)
    assert of.take_outbox() == (
        Local("discard", (here.id,), 10), Discard((there.id,), 20), Discard((idle.id,), 0)
    )  # fmt: skip


def test_a_refused_operation_is_told_of_its_qubits_and_names_the_line() -> None:
    of = machine()
    half, other, third = (remote(of, f"alice~bob#{nth}@alice") for nth in range(3))
    of.apply("x", (third,), (), HERE)
    of.apply("cnot", (half, other), (), HERE)
    of.take_outbox(1)
    for _ in range(2):
        of.apply("x", (third,), (), HERE)  # belong to the next report
    error = NotOwner(caller="alice", qubit=half.id, owner="bob")
    assert of.refused(1, 1, error) == (half, other)
    assert error.__notes__ == [f"issued at {__file__}:{HERE[1]}"]


def test_operations_are_known_by_their_report_and_only_for_so_many_reports() -> None:
    of = machine(reports_under_way=2)
    half, other = (remote(of, f"alice~bob#{nth}@alice") for nth in range(2))
    for step, qubit in enumerate((half, other, half), 1):
        of.apply("x", (qubit,), (), HERE)
        of.take_outbox(step)
        of.take_outbox(step)  # nothing was issued: nothing is forgotten for it
    error = NotOwner(caller="alice", qubit=half.id, owner="bob")
    assert [of.refused(step, 0, error) for step in (1, 2, 3)] == [(), (other,), (half,)]


# ---------------------------------------------------------------- two cores, joined by a list


class Play:
    """Rounds of one operation of a node each: its machine and the oracle do it, and the reference does it too."""

    def __init__(self) -> None:
        self.core = build_core(spec(), None, None)
        self.machines = {name: machine(name) for name in (ALICE, BOB)}
        self.dense = DenseRegister()
        self.steps = dict.fromkeys(NAMES, 0)
        self.brought: list[Outcomes] = []
        self.core.first_grants()
        self.exchange()

    def exchange(self) -> None:
        """One round of reports; then time goes on until everybody runs again, for everybody has set a timer."""
        until_ns = self.core.time.now_ns + 1000
        self.report(until_ns)
        while self.core.time.now_ns < until_ns:
            self.report(until_ns)

    def report(self, until_ns: int) -> None:
        for name in sorted(self.core.time.awaited):
            of = self.machines.get(name)
            self.steps[name] += 1
            report = Report(name, 0, self.steps[name], until_ns, None, 0, of.take_outbox() if of else ())
            assert self.core.check(report) is None
            self.core.report(report)
        self.core.execute()
        self.core.operations.ledger.check_invariants()
        for name, grant in self.core.grants().items():
            for item in grant.items:
                assert not isinstance(item, Failed), str(error_of(item))
                if isinstance(item, Paired | Arrived):
                    remote(self.machines[name], item.qubit)
                elif isinstance(item, Outcomes):
                    self.brought.append(item)
            if name in self.machines:
                self.machines[name].now_ns = grant.now_ns

    # ------------------------------------------------------------ moves

    def create(self, of: Machine) -> None:
        self.dense.create(local(of).id)

    def pair(self, of: Machine) -> None:
        for name, peer in ((ALICE, BOB), (BOB, ALICE)):
            self.machines[name].entangle("main", peer, "", 1, 0.0)
        before = set(self.core.operations.ledger.owner)
        self.exchange()
        first, second = sorted(set(self.core.operations.ledger.owner) - before)
        self.dense.create_pair(first, second)

    def gate(self, of: Machine, qubits: tuple[HeldQubit, ...], gate: str) -> None:
        params = (0.7,) * GATES[gate].n_params
        of.apply(gate, qubits, params, HERE)
        self.dense.apply(gate, [qubit.id for qubit in qubits], params)

    def measure(self, of: Machine, qubits: tuple[HeldQubit, ...], basis: str, *, keep: bool) -> None:
        measured = of.measure(qubits, basis, keep=keep, where=HERE)
        self.brought.clear()
        self.exchange()
        rest = iter(self.brought[0].outcomes if self.brought else ())
        for qubit, outcome in zip(qubits, measured.outcomes, strict=True):
            found = next(rest) if outcome is None else outcome
            p_zero = self.dense.probability(qubit.id, 0, basis)
            assert (1 - p_zero if found else p_zero) > 1e-12
            assert self.dense.measure(qubit.id, 1 - 1e-9 if found else 0.0, basis, keep) == found
        assert next(rest, None) is None

    def send(self, of: Machine, qubit: HeldQubit) -> None:
        of.transfer(qubit, BOB if of.name == ALICE else ALICE, HERE)

    # ------------------------------------------------------------ what must hold

    def agrees(self) -> None:
        """Each qubit has one home, and homes and reference hold the same state."""
        self.exchange()
        ledger = self.core.operations.ledger
        ledger.check_invariants()
        whole: np.ndarray = np.ones((1, 1))
        names: list[QubitId] = []
        for register in (ledger.register, *(of.register for of in self.machines.values())):
            register.check_invariants()
            whole = np.kron(whole, register.reduced_state(register.qubits()))
            names += register.qubits()
        assert sorted(names) == sorted(self.dense.names)
        assert np.abs(whole - self.dense.reduced_state(names)).max() < 1e-9
        for name, of in self.machines.items():
            for qubit in of.held.values():
                assert qubit.local is (qubit.id in of.register)
                assert qubit.local or ledger.owner[qubit.id] == name


moves = st.lists(
    st.tuples(
        st.sampled_from((ALICE, BOB)),
        st.sampled_from(("create", "pair", "one", "two", "two", "two", "measure", "keep", "send")),
        st.integers(0, 20),
    ),
    min_size=4,
    max_size=14,
)


@settings(max_examples=80)
@given(moves)
def test_nodes_and_oracle_together_are_one_quantum_state(script: list[tuple[NodeName, str, int]]) -> None:
    play = Play()
    play.pair(play.machines[ALICE])
    for name, move, number in script:
        of = play.machines[name]
        held = list(of.held.values())
        chosen = tuple(held[(number + nth) % len(held)] for nth in range(min(2, len(held)))) if held else ()
        match move:
            case "create" if len(play.dense.names) < 6 and of.memory.free:
                play.create(of)
            case "pair" if len(play.dense.names) < 5:
                play.pair(of)
            case "one" if chosen:
                play.gate(of, chosen[:1], ("h", "t", "ry", "s")[number % 4])
            case "two" if len(chosen) == 2:
                play.gate(of, chosen, ("cnot", "cz", "swap")[number % 3])
            case "measure" | "keep" if chosen:
                play.measure(of, chosen[: 1 + number % 2], "xyz"[number % 3], keep=move == "keep")
            case "send" if chosen:
                play.send(of, chosen[0])
        play.agrees()


def test_a_teleportation_of_machines_and_core_without_any_socket() -> None:
    play = Play()
    alice, bob = play.machines[ALICE], play.machines[BOB]
    play.pair(alice)
    data = local(alice)
    alice.apply("ry", (data,), (pi / 5,), HERE)
    (half,) = (qubit for qubit in alice.held.values() if not qubit.local)
    (other,) = bob.held.values()
    alice.apply("cnot", (data, half), (), HERE)
    alice.apply("h", (data,), (), HERE)
    alice.measure((data, half), "z", keep=False, where=HERE)
    play.brought.clear()
    play.exchange()
    ((z, x),) = (item.outcomes for item in play.brought)
    for gate in ("x",) * x + ("z",) * z:
        bob.apply(gate, (other,), (), HERE)
    bob.apply("ry", (other,), (-pi / 5,), HERE)
    play.exchange()
    rho = play.core.operations.ledger.register.reduced_state((other.id,))
    assert np.allclose(rho, [[1, 0], [0, 0]], atol=1e-12)
