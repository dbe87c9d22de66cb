"""The event log of real runs: every line is as the schema says, and the ids tell what belongs together."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import jsonschema
import pytest

from orchestrator.oracle.event_writer import FLUSH_EVENTS, EventWriter
from orchestrator.oracle.events import Event, encode_events, schema
from orchestrator.run import Run
from qnode.wire.operations import Local, Op, Receive
from tests.oracle.cores import ALICE, BOB, Bench, entangle, send, spec
from tests.oracle.test_replay import EVERYTHING, LIGHT_NS, recorded

VALID: Final = jsonschema.Draft202012Validator(schema())
CLOCKS: Final[dict[str, dict[str, Any]]] = {
    "inline": {"inline": True},
    "virtual": {"inline": False},
    "real": {"inline": False, "clock": {"mode": "real", "speed": 0.01}},
}


@pytest.fixture(params=CLOCKS)
async def run(request: pytest.FixtureRequest, tmp_path: Path) -> Run:
    """A bit of everything."""
    found = await recorded(tmp_path, EVERYTHING, **CLOCKS[request.param])
    assert found.failure is None
    return found


def of_kind(run: Run, *kinds: str) -> list[Event]:
    return [event for event in run.events if event.event in kinds]


async def test_every_line_is_as_the_schema_says_and_what_belongs_together_has_one_id(run: Run) -> None:
    lines = run.events_bytes.splitlines()
    for line in lines:
        VALID.validate(json.loads(line))
    assert {event.event for event in run.events} >= {
        *("run_started", "run_ended", "program_returned", "create", "gate", "measure", "adopt", "note"),
        *("request", "withdraw", "generate", "deliver", "send_qubit", "receive_qubit", "send", "receive", "mark"),
    }
    (sent,), (received,) = of_kind(run, "send"), of_kind(run, "receive")
    assert sent.message == received.message == "alice:bob#0"
    assert (sent.node, sent.peer, received.node, received.peer) == ("alice", "bob", "bob", "alice")
    assert (sent.program, sent.bytes, sent.pair) == (received.program, received.bytes, received.pair)
    assert received.t >= sent.t + LIGHT_NS

    asked = {(one.node, one.request): one for one in of_kind(run, "request")}
    got = Counter((one.node, one.request) for one in of_kind(run, "deliver"))
    withdrawn = {(one.node, one.request) for one in of_kind(run, "withdraw")}
    assert {key: one.n for key, one in asked.items() if key not in withdrawn} == got
    assert withdrawn == {("carol", 1)}
    ends = Counter(one.pair for one in of_kind(run, "deliver"))
    assert ends == {one.pair: 2 for one in of_kind(run, "generate")} == {"alice~bob#0": 2, "alice~bob#1": 2}
    for one in of_kind(run, "deliver"):
        assert one.t >= LIGHT_NS
        assert one.peer == asked[one.node, one.request].peer
        assert one.program == "main"


def test_both_ends_of_a_request_that_will_not_be_served_are_logged() -> None:
    bench = Bench()
    bench.round({ALICE: [entangle(4, BOB, 1)], BOB: [entangle(9, ALICE, 2)]})
    failed = bench.of_kind("request_failed")
    assert [(one.node, one.request, one.n, one.peer, one.name) for one in failed] == [
        (ALICE, 4, 1, BOB, "RequestMismatch"),
        (BOB, 9, 2, ALICE, "RequestMismatch"),
    ]


@pytest.mark.parametrize(
    "lie",
    [
        Local("generate", ("alice~bob#0@alice",), 0),
        Local("no such kind", (), 0),
        Receive(0, BOB, "main", "", "", 0, 5),
        Local("gate", ("alice.0",), 0, "rx", (float("nan"),)),
        Local("gate", ("alice.0",), 0, "rx", (float("inf"),)),
    ],
    ids=str,
)
def test_what_no_node_can_have_done_alone_is_not_logged(lie: Op) -> None:
    bench = Bench()
    bench.round({ALICE: [lie]})
    assert [event.event for event in bench.events if event.node == ALICE] == ["refused"]


def test_a_message_of_the_real_clock_has_the_times_of_its_two_nodes_whoever_tells_first() -> None:
    bench = Bench(spec(clock="real"))
    bench.core.time.go_to(1_000)
    bench.core.report(bench.report(BOB, Receive(700, ALICE, "main", "c", "", 3, 5)))
    bench.execute()
    bench.core.report(bench.report(ALICE, send(BOB, number=3, sent_ns=500)))
    bench.execute()
    received, sent = bench.of_kind("send", "receive")
    assert (received.event, received.t, sent.event, sent.t) == ("receive", 700, "send", 500)
    assert received.message == sent.message == "alice:bob#3"


# ---------------------------------------------------------------- writing


def events(n: int) -> Sequence[Event]:
    return [Event(nth, 0, "alice", "note", name=f"n{nth}") for nth in range(n)]


def test_many_events_are_written_without_waiting_for_the_clock_and_the_rest_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    writer = EventWriter(path)
    writer.flush()  # from here on, nothing is due for a while
    several = events(FLUSH_EVENTS + 1)
    for event in several[:FLUSH_EVENTS]:
        writer.emit(event)
    writer.settle()
    writer.flush_if_due()
    assert path.read_bytes() == encode_events(several[:FLUSH_EVENTS])
    writer.emit(several[-1])
    writer.settle()
    writer.close()
    assert path.read_bytes() == encode_events(several)


def test_only_what_the_record_has_is_written(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    writer = EventWriter(path)
    several = events(4)
    writer.emit(several[0])
    writer.settle()
    writer.emit(several[1])
    writer.flush()
    assert path.read_bytes() == encode_events(several[:1])
    writer.settle()
    writer.emit(several[2])
    writer.close()
    assert path.read_bytes() == encode_events(several[:2])
