"""The oracle's shell over real sockets: what is refused, what is answered twice, and that nothing is done twice."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any, Final

import pytest

from orchestrator.oracle import records
from orchestrator.oracle.events import Event, encode_events
from orchestrator.oracle.record import read_record
from orchestrator.oracle.replay import replay
from orchestrator.oracle.service import OracleService, ended_frames
from orchestrator.oracle.spec import OracleSpec, Summary, decode_summary, events_path, record_path
from qnode.transport.control import Control
from qnode.transport.server import Server
from qnode.wire.messages import (
    PROTOCOL_VERSION,
    Farewell,
    Go,
    Gone,
    Grant,
    Hello,
    Progress,
    Refused,
    Replace,
    Report,
    RunEnded,
    Steer,
    Steered,
    Stop,
    Wake,
    Welcome,
    decode_to_cluster,
    decode_to_node,
    encode,
)
from qnode.wire.operations import Note
from tests.oracle.cores import ALICE, done, spec
from tests.oracle.strangers import Stranger

TOKEN: Final = b"the token of this run"
ENDS_S: Final = 30.0


class Oracle:
    """An oracle in a thread, and who started the run; a run of one node unless told otherwise."""

    def __init__(self, folder: Path, address: str, *, most_refusals: int = 10_000, **changes: Any) -> None:
        alone: dict[str, Any] = {"programs": {ALICE: ("main",)}, "incarnations": {ALICE: 2}, "links": ()}
        told: OracleSpec = spec(**{**alone, **changes}, folder=str(folder), address=address)
        self.folder = folder
        self.address = address
        self._service = OracleService(told, Server(address, TOKEN, most_refusals=most_refusals))
        self._summaries: list[Summary] = []
        self._thread = Thread(target=self._serve, daemon=True)  # a failed test does not wait for it
        self._thread.start()

    def _serve(self) -> None:
        try:
            self._summaries.append(self._service.serve())
        finally:
            self._service.close()

    def summary(self) -> Summary:
        """Of a run that is over."""
        self._thread.join(ENDS_S)
        assert not self._thread.is_alive()
        return self._summaries[0]


@pytest.fixture
def oracle(tmp_path: Path) -> Iterator[Oracle]:
    with tempfile.TemporaryDirectory(prefix="qn-", dir="/tmp") as short:
        yield Oracle(tmp_path, f"ipc://{short}/o")


def report(step: int, value: bytes, incarnation: int = 2, timer_ns: int | None = 10) -> Report:
    return Report(ALICE, incarnation, step, timer_ns, None, 0, (Note("main", "n", value),))


def hello(role: str, *nodes: tuple[str, int], session: bytes = b"", nth: int = 0) -> bytes:
    return encode(Hello(PROTOCOL_VERSION, TOKEN, role, nodes, session, nth=nth))


def test_reports_that_come_twice_are_answered_twice_and_executed_once_and_others_are_refused(oracle: Oracle) -> None:
    with Stranger(oracle.address) as starter, Stranger(oracle.address) as alice:
        assert isinstance(starter.ask(hello("cluster")), Welcome)
        assert isinstance(alice.ask(hello("node", (ALICE, 2))), Welcome)
        assert decode_to_node(alice.hear()[0]) == Grant(ALICE, 0, 0, ())

        first = encode(report(1, b"1"))
        alice.say(first)
        granted = alice.hear()
        assert decode_to_node(granted[0]) == Grant(ALICE, 1, 10, ())
        for _ in range(3):
            alice.say(first)
            assert alice.hear() == granted

        for wrong in (
            report(1, b"an older life", incarnation=1),
            report(2, b"a later life", incarnation=3),
            report(3, b"the future"),
            report(0, b"before the first"),
            Wake(ALICE, 1),
            Report("bob", 0, 1, None, None, 0, ()),
        ):
            answer = alice.ask(encode(wrong))
            assert isinstance(answer, Refused), wrong

        alice.say(encode(report(2, b"2")))
        assert decode_to_node(alice.hear()[0]) == Grant(ALICE, 2, 10, ())
        alice.say(first)  # late, and no reason to answer anything

        last = Report(ALICE, 2, 3, None, None, 0, (), done())
        assert alice.ask(encode(last)) == Stop("done", 10)
        alice.say(encode(Farewell(ALICE, 2, (), 0, 0, 0)))
        summary = oracle.summary()

    assert summary.how == "done"
    assert summary.notes == ((ALICE, "n", b"2"),)
    assert (summary.counts["reports"], summary.counts["operations"]) == (3, 2)
    assert summary.frames_refused == {"MalformedMessage": 5, "NotOwner": 1, "a report that came before": 1}
    _, rounds = read_record(record_path(oracle.folder))
    reports = [first, encode(report(2, b"2")), encode(last)]
    assert [[bytes(frame) for frame in one.reports] for one in rounds if not one.farewells] == [
        [frame] for frame in reports
    ]


def test_in_the_end_nobody_waits_for_who_is_not_listened_to_any_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.oracle.service.FAREWELL_S", 1e6)
    with tempfile.TemporaryDirectory(prefix="qn-", dir="/tmp") as short:
        oracle = Oracle(tmp_path, f"ipc://{short}/o", most_refusals=10)
        with Stranger(oracle.address) as starter, Stranger(oracle.address) as alice:
            assert isinstance(starter.ask(hello("cluster")), Welcome)
            assert isinstance(alice.ask(hello("node", (ALICE, 2))), Welcome)
            assert decode_to_node(alice.hear()[0]) == Grant(ALICE, 0, 0, ())
            assert alice.ask(encode(Report(ALICE, 2, 1, None, None, 0, (), done()))) == Stop("done", 0)
            for _ in range(11):  # the last one is one too many
                alice.say(b"garbage")
            assert oracle.summary().how == "done"


def test_whoever_follows_the_run_may_connect_again_and_is_told_there_what_becomes_of_a_lost_node(
    oracle: Oracle,
) -> None:
    with (
        Stranger(oracle.address) as before,
        Stranger(oracle.address, once=False) as now,
        Stranger(oracle.address) as alice,
    ):
        assert isinstance(before.ask(hello("cluster", session=b"one")), Welcome)
        assert isinstance(now.ask(hello("cluster", session=b"one", nth=1)), Welcome)
        alice.say(hello("node", (ALICE, 2)))
        heard = [decode_to_cluster(now.hear()[0])]
        assert isinstance(heard[0], Progress)
        now.say(encode(Gone({ALICE: "killed"}, {ALICE: 2})))
        while not isinstance(heard[-1], RunEnded):
            heard += map(decode_to_cluster, now.hear())
        assert Replace({ALICE: -1}) in heard
        assert not before.socket.poll(0)
    summary = oracle.summary()
    assert (summary.how, summary.gone) == ("lost", {ALICE: "killed"})


def test_what_a_node_said_to_a_paused_oracle_over_a_connection_that_was_replaced_is_passed_over(tmp_path: Path) -> None:
    """It once ended an oracle that had been started again."""
    with tempfile.TemporaryDirectory(prefix="qn-", dir="/tmp") as short:
        alone: dict[str, Any] = {"programs": {ALICE: ("main",)}, "incarnations": {ALICE: 2}, "links": ()}
        how: dict[str, Any] = {**alone, "folder": str(tmp_path), "address": f"ipc://{short}/o", "paused": True}
        records.writer(spec(**how), None).close()  # as one leaves it that was killed before anybody ran
        oracle = Oracle(tmp_path, how["address"], paused=True, resume=True)
        with Stranger(oracle.address) as starter, Stranger(oracle.address) as old, Stranger(oracle.address) as new:
            assert isinstance(starter.ask(hello("cluster")), Welcome)
            assert isinstance(old.ask(hello("node", (ALICE, 2), session=b"one")), Welcome)
            assert isinstance(decode_to_cluster(starter.hear()[0]), Progress)
            last = encode(Report(ALICE, 2, 1, None, None, 0, (), done()))
            old.say(last)
            assert isinstance(old.ask(encode(Hello(PROTOCOL_VERSION, b"", "node", ()))), Refused)  # both are taken now
            assert isinstance(new.ask(hello("node", (ALICE, 2), session=b"one", nth=1)), Welcome)
            starter.say(encode(Steer(1, Go(None))))
            assert decode_to_cluster(starter.hear()[0]) == Steered(1)
            assert decode_to_node(new.hear()[0]) == Grant(ALICE, 0, 0, ())
            new.say(last)
            while (answer := decode_to_node(new.hear()[0])) != Stop("done", 0):
                assert answer == Grant(ALICE, 0, 0, ())  # again, for it may not know of the first
            new.say(encode(Farewell(ALICE, 2, (), 0, 0, 0)))
            summary = oracle.summary()
    assert (summary.how, summary.counts["reports"]) == ("done", 1)


def test_a_node_that_is_lost_before_the_run_has_begun_ends_it(oracle: Oracle) -> None:
    control = Control(oracle.address, TOKEN)
    control.gone({ALICE: "killed"}, {ALICE: 2})
    summary = oracle.summary()
    heard = list(control.news())
    control.close()
    assert (summary.how, summary.at_ns, summary.gone) == ("lost", 0, {ALICE: "killed"})
    events: list[Event] = []
    replayed = replay(record_path(oracle.folder), emit=events.append)  # its record leads to the same end
    assert replayed.divergence is None
    assert [event.event for event in events] == ["run_started", "node_lost", "run_ended"]
    assert encode_events(events) == events_path(oracle.folder).read_bytes()
    assert isinstance(heard[-1], RunEnded)
    assert decode_summary(heard[-1].summary) == summary


@pytest.mark.parametrize(("length", "frames"), [(1, 1), (10, 1), (11, 2), (95, 10)])
def test_the_end_of_a_run_is_told_in_as_many_frames_as_it_takes(length: int, frames: int) -> None:
    summary = bytes(range(length))
    told = [decode_to_cluster(frame) for frame in ended_frames(summary, cut_bytes=10)]
    ends = [message for message in told if isinstance(message, RunEnded)]
    assert b"".join(message.summary for message in ends) == summary
    assert [message.more for message in ends] == [True] * (frames - 1) + [False]
