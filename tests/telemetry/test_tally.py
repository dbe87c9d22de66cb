"""What is made of the event log: counts, messages, statuses; and reading it while it is written."""

from __future__ import annotations

from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from orchestrator.oracle.events import KINDS, Event, encode_events
from orchestrator.telemetry.tail import Tail
from orchestrator.telemetry.tally import Tally, batches
from orchestrator.telemetry.topics import Topics

PROGRAMS = {"alice": ("main", "more"), "bob": ("main",), "relay": ()}


def log(*events: tuple[str, str], **fields: str) -> bytes:
    return encode_events([Event(0, 0, node, kind, **fields) for node, kind in events])  # type: ignore[arg-type]


def test_every_kind_of_event_is_counted_under_its_node() -> None:
    tally = Tally({"a-1": ()})
    by_node = tally.take(log(*[("a-1", kind) for kind in KINDS if not kind.startswith("run_")]))
    assert set(by_node) == {"a-1"}
    assert set(tally.events) == {("a-1", kind) for kind in KINDS if not kind.startswith("run_")}


def test_text_in_an_event_is_not_mistaken_for_its_node() -> None:
    tally = Tally(PROGRAMS)
    tally.take(encode_events([Event(0, 0, "bob", "note", detail='"node":"eve","event":"gate"')]))
    assert tally.events == {("bob", "note"): 1}


def test_what_is_no_event_is_counted_too_and_published_as_it_is() -> None:
    tally = Tally(PROGRAMS)
    assert tally.take(b"???\n") == {"": [b"???"]}
    assert tally.totals() == {"?": 1}


def test_counts_are_sums_of_events() -> None:
    tally = Tally(PROGRAMS)
    tally.take(log(("alice", "generate"), ("alice", "send"), ("bob", "receive"), ("bob", "gate"), ("bob", "measure")))
    assert tally.counts() == {"pairs": 1, "messages": 1, "quantum_operations": 2, "refused": 0}


def test_a_node_is_done_when_all_its_programs_have_returned() -> None:
    tally = Tally(PROGRAMS)
    assert set(tally.status.values()) == {"starting"}
    tally.take(log(("", "run_started")))
    assert set(tally.status.values()) == {"running"}
    tally.take(log(("alice", "program_returned"), program="main"))
    assert tally.status["alice"] == "running"
    tally.take(log(("alice", "program_returned"), program="more"))
    tally.take(log(("bob", "program_failed"), program="main"))
    assert tally.status == {"alice": "done", "bob": "failed", "relay": "running"}
    tally.take(log(("", "run_ended"), name="failed"))
    tally.ended([])
    assert (tally.how, tally.status["relay"]) == ("failed", "stopped")


def test_a_run_that_nobody_could_end_was_lost_and_so_are_the_nodes_that_are_named() -> None:
    tally = Tally(PROGRAMS)
    tally.started()
    tally.ended(["bob"])
    assert (tally.how, tally.status["bob"], tally.status["alice"]) == ("lost", "lost", "stopped")


def test_messages_are_whole_lines_of_one_node_and_too_large_only_where_one_line_is() -> None:
    lines = [b"x" * 30_000, b"y" * 30_000, b"z" * 30_000, b"w" * 100_000, b"v"]
    found = list(batches({"alice": lines, "": [b"r"]}, Topics("qnode", "run-1")))
    assert [(one.topic, one.events) for one in found] == [
        ("qnode/run-1/node/alice/events", 2),
        ("qnode/run-1/node/alice/events", 1),
        ("qnode/run-1/node/alice/events", 1),
        ("qnode/run-1/node/alice/events", 1),
        ("qnode/run-1/events", 1),
    ]
    assert b"".join(one.payload for one in found[:-1]) == b"\n".join(lines) + b"\n"


@pytest.mark.parametrize(("length", "messages"), [(2**15 - 1, 1), (2**15, 2)])
def test_a_message_has_at_most_64_kib_with_the_ends_of_its_lines(length: int, messages: int) -> None:
    found = list(batches({"alice": [b"x" * (2**15 - 1), b"y" * length]}, Topics("qnode", "run-1")))
    assert len(found) == messages
    assert max(len(one.payload) for one in found) <= 2**16


def test_a_log_is_read_as_it_grows_by_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    with closing(Tail(path)) as tail, ExitStack() as later:
        assert tail.read() == b""
        file = later.enter_context(path.open("wb", buffering=0))
        file.write(b"one\ntw")
        assert (tail.read(), tail.read()) == (b"one\n", b"")
        file.write(b"o")
        assert tail.read() == b""
        file.write(b"\nthree\n")
        assert (tail.read(), tail.read()) == (b"two\nthree\n", b"")


def test_lines_longer_than_what_is_read_at_once_stay_whole(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    text = b"".join(b"%d" % nth * 100_000 + b"\n" for nth in range(9))
    path.write_bytes(text)
    read = []
    with closing(Tail(path)) as tail:
        while chunk := tail.read():
            assert chunk.endswith(b"\n")
            read.append(chunk)
    assert len(read) > 1
    assert b"".join(read) == text
