"""The oracle's core: reports in, grants out; each report executed once, in an order that arrival does not decide."""

from __future__ import annotations

from itertools import permutations

import msgspec
import pytest

from orchestrator.oracle.events import encode_events
from qnode.errors import MalformedMessage
from qnode.ids import NodeName
from qnode.wire.items import Failed, Outcomes, Paired
from qnode.wire.messages import NOT_REPRODUCIBLE, NOT_RESUMABLE, OUTSIDE, Ended, Grant, Wake, encode
from qnode.wire.operations import Apply, Note, Op, Transfer
from tests.oracle.cores import ALICE, BOB, CAROL, LINK_NS, NAMES, Bench, done, entangle, measure, send, spec

# ---------------------------------------------------------------- who may report what


def test_everybody_is_granted_time_zero() -> None:
    bench = Bench()
    assert bench.granted == {node: Grant(node, 0, 0, ()) for node in NAMES}


def test_a_resent_report_gets_the_same_grant_again_and_is_not_executed_again() -> None:
    bench = Bench()
    bench.round({ALICE: [entangle(1, BOB)], BOB: [entangle(1, ALICE)]})
    core = bench.core
    first = {node: bench.report(node, measure(2, f"alice~bob#0@{node}", basis="x")) for node in (ALICE, BOB)}
    for report in first.values():
        core.report(report)
    bench.execute()
    grants = core.grants()
    events = list(bench.events)
    for node, report in first.items():
        assert core.check(report) == grants[node]
        assert grants[node].items
    assert bench.events == events
    assert core.counts.operations == 4


def test_a_resent_report_whose_round_is_not_complete_is_neither_refused_nor_taken_again() -> None:
    bench = Bench()
    report = bench.report(ALICE, Note("main", "n", b"1"))
    assert bench.core.check(report) is None
    assert not bench.core.report(report)
    again = bench.core.check(report)
    assert again is not None
    assert again.step < 0  # nothing to answer yet


def test_a_resent_report_of_a_node_that_has_nothing_to_do_yet_gets_its_grant_when_it_comes() -> None:
    bench = Bench()
    reports = {node: bench.report(node, timer_ns=ns) for node, ns in ((ALICE, 10), (BOB, 20), (CAROL, None))}
    for report in reports.values():
        bench.core.report(report)
    bench.execute()
    assert list(bench.core.grants()) == [ALICE]
    for node in (BOB, CAROL):
        again = bench.core.check(reports[node])
        assert again is not None
        assert again.step < 0
    bench.round()
    assert bench.granted == {BOB: Grant(BOB, 1, 20, ())}
    assert bench.core.check(reports[BOB]) == bench.granted[BOB]


@pytest.mark.parametrize("step", [-1, 0, 4, 10**9])
def test_a_report_out_of_step_is_refused_and_changes_nothing(step: int) -> None:
    bench = Bench()
    bench.round(alice=10, bob=10, carol=10)
    bench.round(alice=20, bob=20, carol=20)
    wrong = msgspec.structs.replace(bench.report(ALICE), step=step)  # 3 is next, and 2 would be a resent one
    with pytest.raises(MalformedMessage, match="alice reported step"):
        bench.core.check(wrong)
    assert bench.core.time.awaited == set(NAMES)
    assert bench.core.counts.reports == 6


def test_a_node_that_was_not_granted_cannot_report() -> None:
    bench = Bench()
    bench.round(alice=10)
    with pytest.raises(MalformedMessage):
        bench.core.check(bench.report(BOB))
    assert bench.core.check(bench.report(ALICE)) is None


def test_a_round_is_complete_with_its_last_report_and_not_before() -> None:
    bench = Bench()
    assert [bench.core.report(bench.report(node)) for node in (CAROL, ALICE, BOB)] == [False, False, True]


# ---------------------------------------------------------------- order


def conversation(order: tuple[int, ...]) -> tuple[list[bytes], bytes]:
    """A run of a few rounds in which every round's reports arrive in one order of the three nodes."""
    bench = Bench()
    core = bench.core
    grants: list[bytes] = []
    half = {ALICE: "alice~bob#0@alice", BOB: "alice~bob#0@bob", CAROL: "bob~carol#0@carol"}
    script: list[dict[NodeName, list[Op]]] = [
        {ALICE: [entangle(1, BOB)], BOB: [entangle(1, ALICE), entangle(2, CAROL)], CAROL: [entangle(1, BOB)]},
        {node: [measure(9, half[node], basis="x", keep=True), send(BOB), send(ALICE)] for node in NAMES},
        {
            ALICE: [Apply("t", (half[ALICE],), (), 0), measure(10, half[ALICE], basis="y")],
            BOB: [Apply("cnot", (half[BOB], "bob~carol#0@bob"), (), 0), Transfer("main", half[BOB], CAROL, 0)],
            CAROL: [Apply("x", (half[BOB],), (), 0), measure(11, half[CAROL])],  # it is hers only a round later
        },
    ]
    for ops in script:
        reports = {node: bench.report(node, *ops.get(node, ()), timer_ns=200) for node in sorted(core.time.awaited)}
        for index in order:
            if NAMES[index] in reports:
                core.report(reports[NAMES[index]])
        bench.execute()
        grants += [encode(grant) for grant in core.grants().values()]
    return grants, encode_events(bench.events)


@pytest.mark.parametrize("order", list(permutations(range(3)))[1:])
def test_grants_and_event_log_do_not_depend_on_the_order_of_arrival(order: tuple[int, ...]) -> None:
    grants, events = conversation((0, 1, 2))
    assert len(grants) > 6
    assert b"measure" in events
    assert b"send_qubit" in events
    assert (grants, events) == conversation(order)


def test_of_two_that_ask_in_one_round_the_first_by_name_is_the_requester_whoever_reports_first() -> None:
    bench = Bench()
    for node, ops in ((BOB, [entangle(1, ALICE)]), (CAROL, []), (ALICE, [entangle(1, BOB)])):
        bench.core.report(bench.report(node, *ops))
    bench.execute()
    (event,) = bench.of_kind("generate")
    assert (event.node, event.peer) == (ALICE, BOB)


def test_two_runs_of_one_seed_are_equal_to_the_byte_and_of_another_seed_are_not() -> None:
    def outcomes(seed: int) -> tuple[list[int], bytes]:
        bench = Bench(spec(seed=seed))
        found = []
        for number in range(30):
            bench.round({ALICE: [entangle(number, BOB)], BOB: [entangle(number, ALICE)]}, carol=10**6)
            later_ns = bench.core.time.now_ns + 1
            bench.round({ALICE: [measure(number, f"alice~bob#{number}@alice")]}, bob=later_ns)
            found += [one.outcomes[0] for one in bench.items(ALICE) if isinstance(one, Outcomes)]
            bench.round(alice=later_ns)
        return found, encode_events(bench.events)

    assert outcomes(1) == outcomes(1)
    assert outcomes(1)[0] != outcomes(2)[0]
    assert len(outcomes(1)[0]) == 30


# ---------------------------------------------------------------- how a run ends


def end(bench: Bench, **fields: tuple[Ended, ...]) -> None:
    for node in sorted(bench.core.time.awaited):
        bench.core.report(bench.report(node, ended=fields.get(node, ())))
    bench.execute()


def how_it_ended(bench: Bench) -> tuple[str, int] | None:
    outcome = bench.core.outcome
    return outcome and (outcome.how, outcome.at_ns)


def test_a_run_is_done_when_every_program_has_returned() -> None:
    bench = Bench()
    for node, timer_ns in ((ALICE, None), (BOB, 30), (CAROL, None)):
        bench.core.report(bench.report(node, timer_ns=timer_ns, ended=done(node.encode()) if node != BOB else ()))
    bench.execute()
    assert how_it_ended(bench) is None
    assert list(bench.core.grants()) == [BOB]
    end(bench, bob=done(b"bob"))
    assert how_it_ended(bench) == ("done", 30)
    assert bench.core.grants() == {}
    assert [(one.node, one.at_ns, one.ended.result) for one in bench.core.results] == [
        (ALICE, 0, b"alice"), (CAROL, 0, b"carol"), (BOB, 30, b"bob"),
    ]  # fmt: skip


def test_a_run_is_not_done_before_a_node_has_learnt_of_what_it_was_refused() -> None:
    """It may be what makes its program fail, though that has returned."""
    bench = Bench(spec(formalism="stabilizer", programs={ALICE: ("main",), BOB: (), CAROL: ()}))
    bench.round({ALICE: [entangle(1, BOB)], BOB: [entangle(1, ALICE)]})
    (paired,) = bench.items(ALICE)
    assert isinstance(paired, Paired)
    gate = Apply("t", (paired.qubit,), (), 0)
    for node in sorted(bench.core.time.awaited):
        is_alice = node == ALICE
        bench.core.report(bench.report(node, *[gate, gate] * is_alice, ended=done() * is_alice))
    bench.execute()
    assert how_it_ended(bench) is None
    bench.granted = bench.core.grants()
    told = [(one.op, one.step) for one in bench.items(ALICE) if isinstance(one, Failed)]
    assert told == [(0, bench.steps[ALICE]), (1, bench.steps[ALICE])]
    for heard in (1, -1, 1):
        assert how_it_ended(bench) is None
        bench.core.report(bench.report(ALICE, heard=heard, timer_ns=LINK_NS))
        bench.execute()
        bench.granted = bench.core.grants()
    assert how_it_ended(bench) == ("done", LINK_NS)


def test_programs_that_are_services_keep_no_run_alive() -> None:
    bench = Bench(spec(programs={ALICE: ("main",), BOB: (), CAROL: ()}))
    end(bench, alice=done())
    assert bench.core.outcome is not None
    assert bench.core.outcome.how == "done"


def test_the_first_failure_ends_the_run_and_names_its_node() -> None:
    bench = Bench()
    failed = (Ended("main", b"", failed=True, traceback="Traceback\n  line\nKeyError: 'x'\n"),)
    end(bench, bob=failed, carol=failed, alice=done())
    assert bench.core.outcome is not None
    assert (bench.core.outcome.how, bench.core.outcome.nodes) == ("failed", (BOB,))
    assert [event.detail for event in bench.of_kind("program_failed")] == ["KeyError: 'x'"] * 2
    assert bench.core.grants() == {}


@pytest.mark.parametrize(
    ("timer_ns", "until_ns", "how", "at_ns"),
    [(None, None, "deadlock", 0), (None, 100, "deadlock", 0), (101, 100, "until", 0), (100, 100, None, 100)],
)
def test_a_run_that_cannot_go_on_says_why(
    timer_ns: int | None, until_ns: int | None, how: str | None, at_ns: int
) -> None:
    bench = Bench(spec(until_ns=until_ns))
    for node in NAMES:
        bench.core.report(bench.report(node, timer_ns=timer_ns))
    bench.execute()
    bench.core.grants()
    assert (bench.core.outcome and bench.core.outcome.how) == how
    assert bench.core.time.now_ns == at_ns


def test_waiting_for_the_outside_is_no_end_and_a_wake_goes_on() -> None:
    bench = Bench()
    for node in NAMES:
        bench.core.report(bench.report(node, flags=OUTSIDE if node == BOB else 0))
    bench.execute()
    assert bench.core.grants() == {}
    assert bench.core.outcome is None
    bench.core.wake(Wake(BOB, 0))
    assert bench.core.grants() == {BOB: Grant(BOB, 1, 0, ())}
    assert bench.core.time.last_woken == (BOB,)


@pytest.mark.parametrize("flag", [0, OUTSIDE, NOT_REPRODUCIBLE, NOT_RESUMABLE, NOT_REPRODUCIBLE | NOT_RESUMABLE])
def test_what_entered_from_outside_marks_the_run_for_good(flag: int) -> None:
    bench = Bench()
    for node in NAMES:
        bench.core.report(bench.report(node, flags=flag if node == BOB else 0, timer_ns=10))
    bench.execute()
    bench.core.grants()
    bench.round()
    assert bench.core.reproducible is not bool(flag & NOT_REPRODUCIBLE)
    assert bench.core.resumable is not bool(flag & NOT_RESUMABLE)


# ---------------------------------------------------------------- the real clock


def test_on_the_real_clock_every_report_is_executed_as_it_arrives_and_results_carry_their_time() -> None:
    bench = Bench(spec(clock="real"))
    core = bench.core
    for node, ops, at_ns in ((BOB, [entangle(1, ALICE)], 5), (ALICE, [entangle(1, BOB), send(BOB)], 7)):
        core.time.go_to(at_ns)
        report = bench.report(node, *ops)
        assert core.check(report) is None
        core.report(report)
        bench.execute()
    handed = list(core.scheduled_grants())
    assert [(one.now_ns, one.node) for one in handed] == [
        (7 + LINK_NS, BOB),
        (7 + LINK_NS, ALICE),
    ]
    assert core.counts.messages == 1


def test_on_the_real_clock_reports_that_came_before_are_not_executed_and_not_answered() -> None:
    bench = Bench(spec(clock="real"))
    reports = [bench.report(ALICE) for _ in range(2)]
    for report in reports:
        assert bench.core.check(report) is None
        bench.core.report(report)
        bench.execute()
    for report in reports:
        again = bench.core.check(report)
        assert again is not None
        assert again.step < 0  # nothing to answer
    with pytest.raises(MalformedMessage):
        bench.core.check(msgspec.structs.replace(reports[0], step=0))
