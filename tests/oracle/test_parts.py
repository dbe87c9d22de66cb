"""Reports in parts: the oracle works while a node still runs, and what comes of it is the same."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator import Cluster, Program
from orchestrator.oracle.record import read_record
from orchestrator.oracle.replay import replay
from orchestrator.oracle.spec import record_path
from qnode.errors import MalformedMessage
from qnode.ids import NodeName
from qnode.wire.items import Failed
from qnode.wire.messages import Grant, Part, Report, decode_to_oracle
from qnode.wire.operations import Apply, Op
from tests.oracle import parts
from tests.oracle.cores import ALICE, BOB, CAROL, NAMES, Bench, done, entangle, measure, send

N = 4


def bench() -> Bench:
    """alice and bob share four pairs, and everybody is about to run."""
    one = Bench()
    one.round({ALICE: [entangle(1, BOB, N)], BOB: [entangle(1, ALICE, N)]}, alice=50, bob=50, carol=50)
    return one


def halves(node: NodeName) -> list[str]:
    return [f"alice~bob#{nth}@{node}" for nth in range(N)]


def wishes(node: NodeName) -> tuple[Op, ...]:
    """Many things that depend on the order in which they are done; one of them is refused."""
    mine = halves(node)
    return (
        *(Apply("h", (qubit,), (), 50) for qubit in mine),
        Apply("cnot", (mine[0], mine[1]), (), 50),
        Apply("x", ("alice~bob#9@carol",), (), 50),
        *(measure(2 + nth, qubit, basis="xyzx"[nth], end_ns=50) for nth, qubit in enumerate(mine)),
        send(CAROL),
    )


def outcome(
    one: Bench, reports: dict[NodeName, Report], order: list[NodeName], cuts: dict[NodeName, list[int]]
) -> object:
    """What comes of a round whose reports are cut, and arrive as interleaved as that allows."""
    core = one.core
    frames: dict[NodeName, list[Part | Report]] = {}
    for node, report in reports.items():
        edges = [0, *sorted(cuts[node]), len(report.ops)]
        pieces = [report.ops[start:end] for start, end in pairwise(edges)]
        frames[node] = [Part(node, 0, report.step, number, piece) for number, piece in enumerate(pieces[:-1])]
        frames[node].append(msgspec.structs.replace(report, ops=pieces[-1], parts=len(pieces) - 1))
    for node in order:
        if not frames[node]:
            continue
        frame = frames[node].pop(0)
        if isinstance(frame, Part):
            assert core.check_part(frame)
            core.part(frame)
            assert not core.check_part(frame)  # the same once more is known
        else:
            assert core.check(frame) is None
            core.report(frame)
    assert not core.time.awaited
    one.execute()
    return core.grants(), one.events, vars(core.counts), core.results


def reports_of(one: Bench) -> dict[NodeName, Report]:
    return {
        ALICE: one.report(ALICE, *wishes(ALICE), ended=done()),
        BOB: one.report(BOB, *wishes(BOB)),
        CAROL: one.report(CAROL),
    }


@given(st.data())
def test_however_reports_are_cut_and_arrive_the_same_comes_of_them(data: st.DataObject) -> None:
    whole = bench()
    expected = outcome(whole, reports_of(whole), list(NAMES), {node: [] for node in NAMES})
    cut = bench()
    reports = reports_of(cut)
    cuts = {
        node: data.draw(st.lists(st.integers(0, len(report.ops)), max_size=5), label=f"cuts of {node}")
        for node, report in reports.items()
    }
    order = data.draw(st.permutations([node for node in NAMES for _ in range(len(cuts[node]) + 1)]), label="arrival")
    assert outcome(cut, reports, order, cuts) == expected


def test_an_operation_that_is_refused_is_named_by_its_place_in_the_whole_report() -> None:
    one = bench()
    ops = wishes(ALICE)
    step = one.steps[ALICE] + 1
    one.core.part(Part(ALICE, 0, step, 0, ops[:3]))
    one.core.report(one.report(ALICE, *ops[3:], parts=1))
    one.core.report(one.report(BOB))
    one.core.report(one.report(CAROL))
    one.execute()
    grant: Grant = one.core.grants()[ALICE]
    assert [item.op for item in grant.items if isinstance(item, Failed)] == [N + 1]


def test_work_begins_before_the_round_is_complete_but_not_out_of_turn() -> None:
    one = bench()
    step = one.steps[ALICE] + 1
    before = len(one.events)
    one.core.part(Part(BOB, 0, step, 0, wishes(BOB)[:2]))
    assert len(one.events) == before
    one.core.part(Part(ALICE, 0, step, 0, wishes(ALICE)[:2]))
    assert [(event.node, event.event) for event in one.events[before:]] == [("alice", "gate")] * 2
    one.core.report(one.report(ALICE, parts=1))
    assert [event.node for event in one.events[before:]] == ["alice"] * 2 + ["bob"] * 2


@pytest.mark.parametrize(
    ("step", "number", "what"),
    [
        (2, 1, "sent part 1 of step 2; expected 0 of 2"),
        (3, 0, "sent part 0 of step 3"),
        (-1, 0, "step -1"),
        (2, -1, "part -1"),
    ],
)
def test_parts_that_nobody_expects_are_refused(step: int, number: int, what: str) -> None:
    one = bench()
    with pytest.raises(MalformedMessage, match=what):
        one.core.check_part(Part(ALICE, 0, step, number, ()))
    assert not one.core.check_part(Part(ALICE, 0, 1, 7, ()))  # of a step that is over


def test_a_report_that_misses_parts_is_refused() -> None:
    one = bench()
    with pytest.raises(MalformedMessage, match="alice sent 2 parts of step 2; 0 came"):
        one.core.check(one.report(ALICE, parts=2))


async def test_a_run_with_parts_is_the_run_without(tmp_path: Path) -> None:
    nodes = {
        "alice": {"program": Program(parts.measuring, peer="bob"), "qubits": 300},
        "bob": {"program": Program(parts.measuring, peer="alice"), "qubits": 300},
    }
    async with Cluster(nodes, links=[("alice", "bob")], seed=3, runs=tmp_path) as net:
        apart = await net.run()
        together = await net.run(inline=True)
    assert apart.events_bytes == together.events_bytes
    assert apart["alice"] == apart["bob"]
    assert len(set(apart["alice"])) == 2
    _, rounds = read_record(record_path(apart.folder))
    frames = [decode_to_oracle(bytes(frame)) for entry in rounds for frame in entry.reports]
    assert {frame.node for frame in frames if isinstance(frame, Part)} == {"alice", "bob"}
    events: list[object] = []
    assert replay(record_path(apart.folder), emit=events.append).divergence is None
    assert events == apart.events
