"""`qnode events`: what happened in a run, filtered and counted, and followed while it happens."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Final

import jsonschema
import pytest

from orchestrator.oracle.events import KINDS, decode_events, schema
from tests.cli.commands import (
    DEADLINE_S,
    carried_out,
    command,
    ended,
    err,
    out,
    qnode,
    started,
    typed,
    wait_for_file,
)
from tests.cli.programs import COUNTS

TALK: Final = """
import asyncio

from qnode import Node


async def alice(node: Node):
    own = node.qubit()
    own.rx(0.5)
    first, second = await node.entangle("bob", 2)
    await asyncio.sleep(1e-6)
    own.cnot(first)
    outcomes = await node.measure(own, first)
    await node.send("bob", outcomes, about=first)
    await node.send("bob", "and more")
    await second.measure("x")


async def bob(node: Node):
    first, second = await node.entangle("alice", 2)
    await node.receive("alice", about=first)
    await node.receive("alice")
    await first.measure()
    await second.measure("x")
    await node.send("alice", "thanks")
"""

STANDS_STILL: Final = """
import asyncio

from qnode import Node


async def alice(node: Node):
    await node.send("bob", "before")
    await asyncio.sleep(1e-3)
    with open("door"):  # for as long as nobody opens it for writing
        pass
    await node.send("bob", "after")


async def bob(node: Node):
    await node.receive("alice")
    await node.receive("alice")
"""

MANY: Final = """
from qnode import Node


async def alice(node: Node):
    own = node.qubit()
    for _ in range(5_000):
        own.h()
"""


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the run talk-1."""
    folder = tmp_path_factory.mktemp("talk")
    (folder / "talk.py").write_text(TALK)
    done = qnode("run", "talk.py", "--seed", "1", "-q", cwd=folder)
    assert done.code == 0, done.err
    return folder


def log_of(folder: Path, name: str) -> Path:
    return folder / ".qnode" / "runs" / name / "events.jsonl"


def shown(folder: Path, *options: str) -> list[str]:
    done = typed("events", *options, cwd=folder)
    assert (done.code, done.err) == (0, "")
    return done.out.splitlines()


def kinds(folder: Path, *options: str) -> list[tuple[str, str]]:
    """Node and kind of what is shown."""
    lines = shown(folder, *options, "--json")
    return [(event.node, event.event) for event in decode_events("".join(f"{line}\n" for line in lines).encode())]


# --- what is shown -------------------------------------------------------------------------------------------------


def test_all_events_are_shown_a_line_each_or_as_they_are_in_the_log(talk: Path) -> None:
    raw = log_of(talk, "talk-1").read_text()
    for which in ((), ("talk-1",), ("talk",), (".qnode/runs/talk-1",)):
        assert typed("events", *which, "--json", cwd=talk).out == raw
    lines = shown(talk)
    assert len(lines) == raw.count("\n")
    for line, event in zip(lines, decode_events(raw.encode()), strict=True):
        assert event.event in line
        assert event.node in line
        assert all(qubit in line for qubit in event.qubits)
    assert any(
        line.startswith("         1 us  alice    measure           z alice.0 alice~bob#0@alice -> ") for line in lines
    )
    assert sum("message alice:bob#1" in line for line in lines) == 2


def test_filters_keep_what_they_name(talk: Path) -> None:
    assert {node for node, _ in kinds(talk, "--node", "bob")} == {"bob"}
    assert kinds(talk, "--event", "send") == [("alice", "send"), ("alice", "send"), ("bob", "send")]
    assert kinds(talk, "--message", "alice:bob#0") == [("alice", "send"), ("bob", "receive")]
    assert kinds(talk, "--message", "bob:alice#0") == [("bob", "send")]  # alice has returned, and the run is over
    assert kinds(talk, "--event", "send", "--event", "receive", "--peer", "alice") == [
        *[("bob", "receive")] * 2,
        ("bob", "send"),
    ]
    assert kinds(talk, "--qubit", "alice.0") == [
        ("alice", kind) for kind in ("create", "gate", "adopt", "gate", "measure")
    ]
    assert kinds(talk, "--request", "1", "--node", "bob") == [
        ("bob", kind) for kind in ("request", "deliver", "deliver")
    ]
    assert ("alice", "request") in kinds(talk, "--program", "main")
    assert kinds(talk, "--program", "nobody") == []


def test_a_pair_is_followed_from_its_generation_to_its_last_half(talk: Path) -> None:
    assert kinds(talk, "--pair", "alice~bob#0") == [
        ("alice", "generate"),
        ("alice", "deliver"),
        ("bob", "deliver"),
        ("alice", "gate"),
        ("alice", "measure"),
        ("alice", "send"),
        ("bob", "receive"),
        ("bob", "measure"),
    ]


def test_a_span_of_time_and_the_last_few(talk: Path) -> None:
    everything = shown(talk)
    early = shown(talk, "--to", "999.5 ns")
    assert early + shown(talk, "--from", "999.5ns") == early + shown(talk, "--from", "1 us") == everything
    assert 5 < len(early) < len(everything)
    assert shown(talk, "--from", "1 us", "--to", "1e-6 s") == everything[len(early) :]
    assert shown(talk, "--last", "3") == everything[-3:]
    assert shown(talk, "--last", "0") == []
    assert shown(talk, "-n", "1", "--event", "request") == shown(talk, "--event", "request")[-1:]


def test_events_are_counted_by_kind_and_node(talk: Path) -> None:
    table = json.loads(typed("events", "--count", "--json", cwd=talk).out)
    assert table["send"] == {"alice": 2, "bob": 1}
    assert table["run_started"] == {"": 1}
    assert sum(n for by_node in table.values() for n in by_node.values()) == len(shown(talk))
    assert [kind for kind in KINDS if kind in table] == list(table)
    lines = [line.split() for line in shown(talk, "--count")]
    assert lines[0] == ["event", "the", "run", "alice", "bob", "all"]
    assert ["send", "0", "2", "1", "3"] in lines
    assert shown(talk, "--count", "--event", "lost") == ["no event is like that"]


def test_of_many_nodes_it_is_counted_at_how_many(tmp_path: Path) -> None:
    nodes = "".join(f"async def n{nth}(node):\n    await node.entangle('n{nth ^ 1}')\n" for nth in range(8))
    (tmp_path / "many.py").write_text(nodes)
    assert qnode("run", "many.py", "-q", cwd=tmp_path).code == 0
    lines = [line.split() for line in shown(tmp_path, "--count")]
    assert lines[0] == ["event", "nodes", "most", "at", "one", "all"]
    assert ["request", "8", "1", "8"] in lines


def test_the_schema_that_is_printed_is_the_schema(tmp_path: Path) -> None:
    printed = json.loads(typed("events", "--schema", cwd=tmp_path).out)
    assert printed == schema()
    jsonschema.Draft202012Validator.check_schema(printed)


# --- what is wrong -------------------------------------------------------------------------------------------------


def refused(folder: Path, *options: str) -> str:
    done = typed("events", *options, cwd=folder)
    assert (done.code, done.out) == (2, "")
    return done.err


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("nobody",), "there is no run 'nobody'"),
        (
            ("--event", "measur"),
            "--event: there is no event 'measur' (did you mean 'measure'?); there are: run_started,",
        ),
        (("--node", "alic"), "talk-1: no node 'alic' (did you mean 'alice'?); there are: alice, bob"),
        (("--peer", "bobb"), "no node 'bobb' (did you mean 'bob'?)"),
        (("--from", "3"), "--from: '3' needs a unit; write a number and one of s, ms,"),
        (("--to", "3 m"), "--to: '3 m': 'm' is not a unit of time"),
        (("--request", "x"), "'x' is not a whole number from 1"),
        (("--count", "-f"), "--count and --follow exclude each other"),
        (("--evnt", "gate"), "did you mean '--event'?"),
    ],
)
def test_mistakes_are_told_with_the_remedy(options: tuple[str, ...], told: str, talk: Path) -> None:
    assert told in refused(talk, *options)


def test_a_run_without_a_log_says_why(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(MANY)
    assert "no run is saved here" in refused(tmp_path)
    assert qnode("run", "net.py", "--set", "events=false", "-q", cwd=tmp_path).code == 0
    for options in ((), ("-f",)):
        assert "this run wrote no event log, for its configuration says `events: false`" in refused(tmp_path, *options)


def test_a_damaged_line_is_named_and_those_before_it_are_shown(talk: Path, tmp_path: Path) -> None:
    log = log_of(talk, "talk-1")
    lines = log.read_bytes().splitlines(keepends=True)
    copy = tmp_path / "talk-1"
    copy.mkdir()
    for file in ("run.json", "config.yaml"):
        (copy / file).write_bytes((log.parent / file).read_bytes())
    damaged = copy / "events.jsonl"
    for nonsense in (b"\n", b'{"t":1}\n', b'{"t":-1,"round":0,"node":"","event":"x"}\n', b"\xff\n"):
        damaged.write_bytes(b"".join([*lines[:3], nonsense, *lines[3:]]))
        done = typed("events", "talk-1", "--json", cwd=tmp_path)
        assert (done.code, done.out.encode()) == (2, b"".join(lines[:3]))
        assert done.err.startswith("qnode: talk-1/events.jsonl:4: this line is damaged, it is no event: ")
    damaged.write_bytes(b"".join(lines)[:-5])
    done = typed("events", "talk-1", "--json", cwd=tmp_path)
    assert (done.code, done.out.encode()) == (0, b"".join(lines[:-1]))
    assert done.err == "the last line is cut off: the oracle was killed while it wrote it\n"
    damaged.unlink()
    assert "events.jsonl: the run ended before anything happened, or it was removed" in refused(tmp_path, "talk-1")


# --- while the run goes on -----------------------------------------------------------------------------------------


def run_that_goes_on(folder: Path) -> None:
    wait_for_file(folder / ".qnode" / "runs" / "net-1" / "run.json")


def test_a_run_that_is_just_starting_is_followed_until_it_ends(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(COUNTS)
    with started("run", "net.py", "-q", cwd=tmp_path) as run:
        run_that_goes_on(tmp_path)
        with started("events", "-f", "--json", cwd=tmp_path) as follower:
            first = out(follower).readline()
            assert json.loads(first)["event"] == "run_started"
            run.send_signal(signal.SIGINT)
            assert ended(run).code == 130
            done = ended(follower)
    assert (done.code, done.err) == (0, "")
    assert first + done.out == log_of(tmp_path, "net-1").read_text()


@pytest.mark.parametrize("clock", ["virtual", "real"])
def test_what_has_happened_is_shown_while_nothing_happens(clock: str, tmp_path: Path) -> None:
    """A program holds the network up at a door, until the follower has shown all that led there."""
    (tmp_path / "net.py").write_text(STANDS_STILL)
    os.mkfifo(tmp_path / "door")
    with (
        started("run", "net.py", "-q", "--set", f"clock={clock}", cwd=tmp_path) as run,
        started(
            "events", "-f", "--message", "alice:bob#0", "--message", "alice:bob#1", cwd=following(tmp_path)
        ) as follower,
    ):
        shown = {out(follower).readline().split()[3] for _ in range(2)}  # on the real clock either may be told first
        assert shown == {"send", "receive"}
        assert run.poll() is None
        so_far = typed("events", "--event", "run_ended", cwd=tmp_path)
        assert (so_far.code, so_far.out, so_far.err) == (0, "", "")
        (tmp_path / "door").write_text("")
        assert ended(run).code == 0
        done = ended(follower)
    assert (done.code, done.err) == (0, "")
    rest = [line.split()[3] for line in done.out.splitlines()]
    assert (rest if clock == "virtual" else sorted(rest, reverse=True)) == ["send", "receive"]


def following(folder: Path) -> Path:
    """The folder, once there is a run in it."""
    run_that_goes_on(folder)
    return folder


def test_the_last_few_are_followed_by_all_that_come(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(STANDS_STILL)
    os.mkfifo(tmp_path / "door")
    with started("run", "net.py", "-q", cwd=tmp_path) as run:
        run_that_goes_on(tmp_path)
        with started("events", "-f", "--event", "receive", cwd=tmp_path) as first:
            assert out(first).readline()  # so that there is one to be the last
            with started("events", "-f", "-n", "1", "--event", "receive", "--json", cwd=tmp_path) as follower:
                assert json.loads(out(follower).readline())["message"] == "alice:bob#0"
                (tmp_path / "door").write_text("")
                assert ended(run).code == 0
                assert [json.loads(line)["message"] for line in ended(follower).out.splitlines()] == ["alice:bob#1"]
            assert ended(first).code == 0


def test_ctrl_c_ends_the_follower_and_not_the_run(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(COUNTS)
    with started("run", "net.py", "-q", cwd=tmp_path) as run:
        run_that_goes_on(tmp_path)
        with started("events", "-f", cwd=tmp_path) as follower:
            assert "run_started" in out(follower).readline()
            follower.send_signal(signal.SIGINT)
            done = ended(follower)
        assert (done.code, done.err) == (130, "interrupted\n")
        assert run.poll() is None
        run.send_signal(signal.SIGINT)
        ended(run)


# --- much of it ----------------------------------------------------------------------------------------------------


def test_whoever_reads_only_the_beginning_ends_it_quietly(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(MANY)
    assert qnode("run", "net.py", "-q", cwd=tmp_path).code == 0
    for options in ((), ("--json",)):
        with started("events", *options, cwd=tmp_path) as process:
            assert "run_started" in out(process).readline()
            out(process).close()
            assert process.wait(DEADLINE_S) == 141
            assert err(process).read() == ""


PEAK: Final = """
import os, subprocess, sys
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, status, usage = os.wait4(process.pid, 0)
print(os.waitstatus_to_exitcode(status), usage.ru_maxrss)
"""


def peak_kib(*arguments: str, cwd: Path) -> int:
    """The memory of a command at its most; one that this process started itself would begin with as much as it has."""
    script = [sys.executable, "-c", PEAK, *command(*arguments)]
    done = carried_out(script, cwd=cwd)
    assert done.code == 0, done.err
    code, kib = map(int, done.out.split())
    assert code == 0
    return kib


def test_a_long_log_takes_no_more_memory_than_a_short_one(talk: Path, tmp_path: Path) -> None:
    """200,000 lines are 20 MB, and some times as much as objects of Python."""
    log = log_of(talk, "talk-1")
    lines = log.read_bytes().splitlines(keepends=True)
    peaks = []
    for n in (20_000, 200_000):
        folder = tmp_path / str(n)
        folder.mkdir()
        for file in ("run.json", "config.yaml"):
            (folder / file).write_bytes((log.parent / file).read_bytes())
        (folder / "events.jsonl").write_bytes(b"".join(lines) * (n // len(lines)))
        peaks.append(peak_kib("events", str(n), "--node", "bob", cwd=tmp_path))
    assert peaks[1] < peaks[0] + 8 * 1024
