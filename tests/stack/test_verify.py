"""`qnode verify`: it finds nothing in runs, and each invariant notices when a log breaks it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from shutil import copytree
from typing import Any, Final

import pytest
from msgspec.structs import replace

from orchestrator import Cluster, saved
from orchestrator.invariants import (
    AFTER,
    CHAIN,
    ENDED,
    HALF,
    INVARIANTS,
    LEAK,
    LIVES,
    MESSAGES,
    SLOTS,
    TWICE,
    Checker,
    Facts,
)
from orchestrator.oracle.events import Event, decode_events, encode_events
from orchestrator.oracle.spec import events_path
from tests.cli.commands import typed
from tests.stack.verified import assert_verified

PROGRAMS: Final = Path(__file__).parent / "programs"
N: Final = 3

NETWORK: Final[dict[str, Any]] = {
    "version": 1,
    "name": "verified",
    "seed": 3,
    "failures": {"detection_delay": "1 us"},
    "stack": {"cutoff": "300 us", "swap_success": 0.7},
    "nodes": {
        "alice": {"qubits": 8, "program": "verified.py:asks", "args": {"peer": "dave", "n": N}},
        "rob": {"qubits": 4},
        "sue": {"qubits": 4},
        "dave": {"qubits": 8, "program": "verified.py:answers", "args": {"peer": "alice", "n": N}},
        "eve": {"qubits": 2, "program": "verified.py:dies"},
    },
    "links": {
        "way": {
            "chain": ["alice", "rob", "sue", "dave"],
            "length": "10 km",
            "source": {"model": "werner", "fidelity": 0.98, "success_probability": 0.4},
        },
        "aside": {"between": ["sue", "eve"], "length": "10 km"},
    },
    "faults": [{"at": "1 ms", "kill": "eve", "restart": "fresh"}],
}


@dataclass
class Log:
    folder: Path
    events: list[Event]
    facts: Facts


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Log:
    """The run of that network."""

    async def ran() -> Path:
        runs = tmp_path_factory.mktemp("runs")
        async with Cluster.from_dict(NETWORK, base=PROGRAMS, runs=runs) as net:
            run = await net.run(inline=True, on_output=None, timeout=120)
            assert run["dave"] is True
            assert run.folder is not None
            return run.folder

    folder = asyncio.run(ran())
    network = saved.load_source(folder).network
    slots = {str(node): of.hardware.qubits for node, of in network.nodes.items()}
    events = decode_events(events_path(folder).read_bytes())
    return Log(folder, events, Facts(slots, network.delays.delay_ns))  # type: ignore[arg-type]


def broken(events: list[Event], facts: Facts) -> set[str]:
    checker = Checker(facts)
    for event in events:
        checker.see(event)
    checker.end()
    return {one.invariant for one in checker.violations}


def test_the_run_has_all_that_is_looked_at(log: Log) -> None:
    kinds = {event.event for event in log.events}
    assert kinds >= {"swap", "network_deliver", "network_served", "network_expired", "node_lost", "node_restarted"}
    assert any(event.event == "discard" and event.node in ("rob", "sue") for event in log.events)
    assert_verified(log.folder)


def test_qnode_verify_tells_what_it_has_counted(log: Log) -> None:
    done = typed("verify", str(log.folder), cwd=log.folder)
    assert (done.code, done.err) == (0, "")
    assert "requests   1 expired, 2 served" in done.out
    assert f"{N} end to end" in done.out
    assert done.out.endswith(f"all {len(INVARIANTS)} invariants hold\n")


def test_qnode_verify_shows_the_line_and_fails(log: Log, tmp_path: Path) -> None:
    copy = copytree(log.folder, tmp_path / "copy")
    nth = index(log.events, "network_served")
    events_path(copy).write_bytes(encode_events([*log.events[: nth + 1], *log.events[nth:]]))
    done = typed("verify", "copy", cwd=tmp_path)
    assert done.code == 1
    assert (
        f"events.jsonl:{nth + 2}: {ENDED}: {log.events[nth].node}, request 1: it is served, and was served" in done.out
    )
    assert "network_served" in done.out
    assert f"1 invariant of {len(INVARIANTS)} broken, 1 time" in done.out


def test_a_log_that_stops_somewhere_is_not_held_against_the_run(log: Log) -> None:
    for length in range(0, len(log.events), 7):
        assert not broken(log.events[:length], log.facts)


# --- what is planted -----------------------------------------------------------------------------------------------


def index(events: list[Event], kind: str, **fields: object) -> int:
    """Of the first event of that kind, with these fields."""
    return next(
        nth
        for nth, event in enumerate(events)
        if event.event == kind and all(getattr(event, name) == value for name, value in fields.items())
    )


def again(kind: str, **fields: object) -> Callable[[list[Event]], None]:
    def plant(events: list[Event]) -> None:
        nth = index(events, kind, **fields)
        events.insert(nth + 1, events[nth])

    return plant


def without(kind: str, **fields: object) -> Callable[[list[Event]], None]:
    def plant(events: list[Event]) -> None:
        del events[index(events, kind, **fields)]

    return plant


def changed(kind: str, change: Callable[[Event], Event], **fields: object) -> Callable[[list[Event]], None]:
    def plant(events: list[Event]) -> None:
        nth = index(events, kind, **fields)
        events[nth] = change(events[nth])

    return plant


def exchanged(events: list[Event]) -> None:
    """Dave gets the halves of two pairs the wrong way round."""
    nth = index(events, "network_deliver", node="dave")
    other = index(events[nth + 1 :], "network_deliver", node="dave") + nth + 1
    one, two = events[nth], events[other]
    events[nth], events[other] = replace(one, pair=two.pair), replace(two, pair=one.pair)


def after_its_end(events: list[Event]) -> None:
    nth = index(events, "discard", node="rob")
    gone = events[nth]
    events.insert(nth + 1, Event(gone.t, gone.round, "rob", "gate", qubits=gone.qubits[:1], gate="x"))


def from_elsewhere(events: list[Event]) -> None:
    nth = index(events, "deliver", node="alice")
    came = events[nth]
    events.insert(nth + 1, Event(came.t, came.round, "eve", "gate", qubits=came.qubits, gate="x"))


def before_it_is_there(events: list[Event]) -> None:
    nth = index(events, "generate")
    made = events[nth]
    events.insert(nth + 1, Event(made.t, made.round, made.node, "gate", qubits=made.qubits[:1], gate="x"))


def kept(events: list[Event]) -> None:
    """Rob's stack discards nothing any more; a memory that is large enough shows nothing else."""
    events[:] = [event for event in events if not (event.event == "discard" and event.node == "rob")]


def too_many(events: list[Event]) -> None:
    nth = index(events, "create", node="alice")
    made = events[nth]
    events[nth + 1 : nth + 1] = [replace(made, qubits=(f"alice.{100 + one}",)) for one in range(8)]


def arrives_before(events: list[Event]) -> None:
    nth = index(events, "receive")
    sent = index(events, "send", message=events[nth].message)
    events.insert(sent, events.pop(nth))


def lives_on(events: list[Event]) -> None:
    nth = index(events, "node_lost")
    lost = events[nth]
    events.insert(nth + 1, Event(lost.t, lost.round, lost.node, "note", name="still here"))


PLANTED: Final[dict[str, tuple[str, Callable[[list[Event]], None]]]] = {
    "a request that ends twice": (ENDED, again("network_served")),
    "an end without a request": (ENDED, without("network_request", node="dave")),
    "fewer pairs than it tells": (ENDED, without("network_deliver", node="dave")),
    "more pairs than were wanted": (ENDED, changed("network_request", lambda event: replace(event, n=1), node="dave")),
    "an end-to-end pair twice": (TWICE, again("network_deliver")),
    "a link pair twice": (TWICE, again("deliver")),
    "only one of its halves": (HALF, without("network_deliver", node="alice")),
    "halves of different pairs": (CHAIN, exchanged),
    "a swap that never was": (CHAIN, without("swap", node="sue")),
    "too many qubits": (SLOTS, too_many),
    "a qubit after its end": (AFTER, after_its_end),
    "a qubit of another node": (AFTER, from_elsewhere),
    "a qubit before it is there": (AFTER, before_it_is_there),
    "halves that a stack keeps": (LEAK, kept),
    "a message before it was sent": (MESSAGES, arrives_before),
    "a message twice": (MESSAGES, again("receive")),
    "a message of nobody": (MESSAGES, without("send")),
    "faster than light": (MESSAGES, changed("receive", lambda event: replace(event, t=event.t - 1))),
    "to somebody else": (MESSAGES, changed("receive", lambda event: replace(event, node="eve"))),
    "a dead node's doings": (LIVES, lives_on),
    "a life that was left out": (LIVES, changed("node_restarted", lambda event: replace(event, n=2))),
    "another life's end": (LIVES, changed("node_lost", lambda event: replace(event, n=4))),
}


@pytest.mark.parametrize("what", PLANTED)
def test_an_invariant_notices(what: str, log: Log) -> None:
    invariant, plant = PLANTED[what]
    events = list(log.events)
    plant(events)
    facts = log.facts._replace(slots={}) if invariant == LEAK else log.facts
    assert invariant in broken(events, facts)


def test_every_invariant_can_fail() -> None:
    assert {invariant for invariant, _ in PLANTED.values()} == set(INVARIANTS)


def test_a_kept_qubit_may_be_used_after_its_measurement() -> None:
    own = ("alice.0",)
    events = [Event(0, 0, "alice", kind, qubits=own) for kind in ("create", "measure", "gate", "measure")]
    assert not broken(events, Facts({"alice": 1}, lambda one, other: 0))
    events += [Event(0, 0, "alice", kind, qubits=own) for kind in ("discard", "gate")]
    assert broken(events, Facts({"alice": 1}, lambda one, other: 0)) == {AFTER}


def test_on_the_real_clock_lines_may_stand_in_another_order() -> None:
    events = [
        Event(5, 0, "bob", "receive", peer="alice", message="alice:bob#0"),
        Event(0, 0, "alice", "send", peer="bob", message="alice:bob#0"),
    ]
    facts = Facts({}, lambda one, other: 100, ordered=False)
    assert not broken(events, facts)
    assert broken(events, facts._replace(ordered=True)) == {MESSAGES}
    assert broken(events[:1], facts) == {MESSAGES}
