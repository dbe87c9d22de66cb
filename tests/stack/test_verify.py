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
from orchestrator.oracle.events import Event, decode_events, encode_events
from orchestrator.oracle.spec import events_path
from orchestrator.verification.checker import Checker
from orchestrator.verification.facts import (
    AFTER,
    CHAIN,
    DISTILLED,
    ENDED,
    FRAME,
    HALF,
    INVARIANTS,
    LEAK,
    LIVES,
    MESSAGES,
    RESERVED,
    SLOTS,
    TWICE,
    Facts,
)
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

GOOD: Final[dict[str, Any]] = {
    "version": 1,
    "name": "good",
    "seed": 5,
    "nodes": {
        "alice": {"qubits": 8, "program": "verified.py:wants", "args": {"peer": "dave", "n": N}},
        "rob": {"qubits": 4},
        "dave": {"qubits": 8, "program": "verified.py:wants", "args": {"peer": "alice", "n": N}},
    },
    "links": {
        "way": {
            "chain": ["alice", "rob", "dave"],
            "length": "10 km",
            "source": {"model": "werner", "fidelity": 0.92, "success_probability": 0.5},
        },
    },
}


@dataclass
class Log:
    folder: Path
    events: list[Event]
    facts: Facts


def logged(network: dict[str, Any], runs: Path) -> Log:
    async def ran() -> Path:
        async with Cluster.from_dict(network, base=PROGRAMS, runs=runs) as net:
            run = await net.run(inline=True, on_output=None, timeout=120)
            assert run["dave"] is True
            assert run.folder is not None
            return run.folder

    folder = asyncio.run(ran())
    loaded = saved.load_source(folder).network
    slots = {str(node): of.hardware.qubits for node, of in loaded.nodes.items()}
    events = decode_events(events_path(folder).read_bytes())
    return Log(folder, events, Facts(slots, loaded.delays.delay_ns))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Log:
    """The run of that network."""
    return logged(NETWORK, tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Log:
    """A run with pairs that are distilled, and others that are measured directly."""
    return logged(GOOD, tmp_path_factory.mktemp("runs"))


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


def test_the_good_run_has_what_is_looked_at(good: Log) -> None:
    kinds = {(event.event, event.detail) for event in good.events}
    assert kinds >= {("distil", "kept"), ("distil", "lost"), ("network_measure", "")}
    assert_verified(good.folder)


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


def test_a_good_log_that_stops_somewhere_is_not_held_against_the_run(good: Log) -> None:
    for length in range(0, len(good.events), 17):
        assert not broken(good.events[:length], good.facts)


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


def keeps_nobodys_slots(events: list[Event]) -> None:
    """Rob's stack gives less back than it took, while another request of the same ends goes on over another circuit."""
    nth = next(nth for nth, event in enumerate(events) if event.event == "network_slots" and event.n < 0)
    events[nth] = replace(events[nth], n=-3)
    open_to_the_end(events)


def open_to_the_end(events: list[Event]) -> None:
    """Alice's second request neither expires nor goes on, and the run is ended by somebody."""
    del events[index(events, "network_expired")]
    events[-1] = replace(events[-1], name="until")


def kept_by_pair_of_nodes(events: list[Event]) -> None:
    """Another request between the same nodes excuses nothing."""
    kept(events)
    open_to_the_end(events)


def read_unmeasured(events: list[Event]) -> None:
    """Alice tells an outcome of a half that she has not measured."""
    (half,) = events[index(events, "network_measure", node="alice")].qubits
    del events[index(events, "measure", node="alice", qubits=(half,))]


def measured_for_another(events: list[Event]) -> None:
    """A half that was measured to make another one better is delivered in its place."""
    _, target = events[index(events, "distil", node="alice")].qubits
    nth = index(events, "network_deliver", node="alice")
    events[nth] = replace(events[nth], qubits=(target,))


def lost_and_swapped(events: list[Event]) -> None:
    nth = index(events, "distil", detail="lost")
    lost = events[nth]
    events.insert(nth + 1, replace(lost, event="swap", detail="", peer=""))


def the_other_way_round(events: list[Event]) -> None:
    """One end keeps the half whose other half the other end has measured."""
    nth = index(events, "distil", detail="kept")
    control, target = events[nth].qubits
    events[nth] = replace(events[nth], qubits=(target, control))


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
    "though other requests of the same nodes are open": (LEAK, kept_by_pair_of_nodes),
    "a request of a run that is done": (ENDED, without("network_expired")),
    "slots that a stack keeps": (RESERVED, keeps_nobodys_slots),
    "slots that are never given back": (RESERVED, without("network_slots", node="rob", n=-4)),
    "slots that it gives back twice": (RESERVED, again("network_slots", node="sue", n=-4)),
    "slots that there are not": (SLOTS, changed("network_slots", lambda event: replace(event, n=5), node="rob")),
    "a correction too many": (FRAME, again("network_correct")),
    "a correction too few": (FRAME, without("network_correct")),
    "another correction": (FRAME, changed("network_correct", lambda event: replace(event, n=event.n ^ 1))),
    "a message before it was sent": (MESSAGES, arrives_before),
    "a message twice": (MESSAGES, again("receive")),
    "a message of nobody": (MESSAGES, without("send")),
    "faster than light": (MESSAGES, changed("receive", lambda event: replace(event, t=event.t - 1))),
    "to somebody else": (MESSAGES, changed("receive", lambda event: replace(event, node="eve"))),
    "a dead node's doings": (LIVES, lives_on),
    "a life that was left out": (LIVES, changed("node_restarted", lambda event: replace(event, n=2))),
    "another life's end": (LIVES, changed("node_lost", lambda event: replace(event, n=4))),
}


GOOD_PLANTED: Final[dict[str, tuple[str, Callable[[list[Event]], None]]]] = {
    "an outcome of nothing": (AFTER, read_unmeasured),
    "an outcome twice": (TWICE, again("network_measure")),
    "an outcome at one end": (HALF, without("network_measure", node="alice")),
    "a half that was measured for another": (DISTILLED, measured_for_another),
    "a half that a distillation lost": (DISTILLED, lost_and_swapped),
    "ends that keep different pairs": (DISTILLED, the_other_way_round),
    "ends that see different things": (
        DISTILLED,
        changed("distil", lambda event: replace(event, detail="lost"), detail="kept"),
    ),
}


@pytest.mark.parametrize("what", GOOD_PLANTED)
def test_an_invariant_notices_what_is_done_to_good_pairs(what: str, good: Log) -> None:
    invariant, plant = GOOD_PLANTED[what]
    events = list(good.events)
    plant(events)
    assert invariant in broken(events, good.facts)


@pytest.mark.parametrize("what", PLANTED)
def test_an_invariant_notices(what: str, log: Log) -> None:
    invariant, plant = PLANTED[what]
    events = list(log.events)
    plant(events)
    facts = log.facts._replace(slots={}) if invariant == LEAK else log.facts
    assert invariant in broken(events, facts)


def test_every_invariant_can_fail() -> None:
    assert {invariant for invariant, _ in (PLANTED | GOOD_PLANTED).values()} == set(INVARIANTS)


def test_a_kept_qubit_may_be_used_after_its_measurement() -> None:
    own = ("alice.0",)
    events = [Event(0, 0, "alice", kind, qubits=own) for kind in ("create", "measure", "gate", "measure")]
    assert not broken(events, Facts({"alice": 1}, lambda one, other: 0))
    events += [Event(0, 0, "alice", kind, qubits=own) for kind in ("discard", "gate")]
    assert broken(events, Facts({"alice": 1}, lambda one, other: 0)) == {AFTER}


def test_a_half_that_nobody_wants_any_more_is_lost_and_discarded() -> None:
    half = ("alice~bob#0@alice",)
    events = [
        Event(0, 0, "alice", "generate", qubits=(*half, "alice~bob#0@bob"), peer="bob"),
        Event(1, 0, "alice", "deliver", qubits=half),
        Event(1, 0, "alice", "lost", qubits=half, detail="its request was withdrawn", local=True),
        Event(1, 0, "alice", "discard", qubits=half),
    ]
    facts = Facts({"alice": 1}, lambda one, other: 0)
    assert not broken(events, facts)
    assert broken([*events, events[-1]], facts) == {AFTER}


def test_what_finds_no_place_is_not_held() -> None:
    own = [Event(0, 0, "alice", "create", qubits=(f"alice.{nth}",)) for nth in range(3)]
    sent = [Event(0, 0, "alice", "send_qubit", qubits=event.qubits, peer="bob") for event in own]
    came = [Event(5, 0, "bob", "receive_qubit", qubits=event.qubits, peer="alice") for event in own]
    lost = [Event(5, 0, "bob", "lost", qubits=event.qubits, local=True) for event in own[1:]]
    gone = [Event(5, 0, "bob", "discard", qubits=event.qubits) for event in own[1:]]
    later = [Event(6, 0, "bob", "create", qubits=("bob.0",))]
    over = [Event(7, 0, "", "run_ended", name="done")]
    facts = Facts({"bob": 2}, lambda one, other: 0)
    assert not broken([*own, *sent, *came, *lost, *gone, *later, *over], facts)
    assert broken([*own, *sent, *came, *later, *over], facts) == {SLOTS}
    assert broken([*own, *sent, *came, *over], facts) == {SLOTS}
    assert broken([*own, *sent, *came, *lost, *gone, *later, *came[1:], *over], facts) >= {AFTER}


CIRCUIT: Final = "alice>dave#0"


def ended(*events: Event, how: str = "until") -> list[Event]:
    """A run in which rob has taken slots for a circuit of alice's first request, and what else happened."""
    return [
        Event(0, 0, "alice", "network_request", n=1, request=1, peer="dave"),
        Event(0, 0, "alice", "network_slots", n=1, request=1, name=CIRCUIT),
        Event(0, 0, "rob", "network_slots", n=2, name=CIRCUIT),
        *events,
        Event(1000, 0, "", "run_ended", name=how),
    ]


def test_slots_are_kept_for_as_long_as_a_request_goes_over_their_circuit() -> None:
    facts = Facts({}, lambda one, other: 100)
    told = Event(900, 0, "alice", "send", program="~stack", peer="rob", message="alice:rob#0")
    other = Event(500, 0, "alice", "network_slots", n=1, request=1, name="alice>dave#1")
    given_back = Event(500, 0, "alice", "network_slots", n=-1, name=CIRCUIT)
    over = Event(500, 0, "alice", "network_withdrawn", n=1, request=1, peer="dave")
    broken_off = Event(500, 0, "alice", "network_broken", request=1, name=CIRCUIT)
    assert not broken(ended(), facts)
    assert not broken(ended(given_back, over, told), facts)
    assert not broken(ended(given_back, over), facts._replace(busy_ns={"rob": 1000}))
    for what in (
        (given_back, over),
        (given_back, other),
        (broken_off,),
        (given_back, over, replace(told, program="main")),
    ):
        assert broken(ended(*what), facts) == {RESERVED}


def test_requests_may_be_open_only_if_somebody_ended_the_run() -> None:
    facts = Facts({}, lambda one, other: 100)
    assert not broken(ended(), facts)
    assert broken(ended(how="done"), facts) == {ENDED}


def test_on_the_real_clock_lines_may_stand_in_another_order() -> None:
    events = [
        Event(5, 0, "bob", "receive", peer="alice", message="alice:bob#0"),
        Event(0, 0, "alice", "send", peer="bob", message="alice:bob#0"),
    ]
    facts = Facts({}, lambda one, other: 100, ordered=False)
    assert not broken(events, facts)
    assert broken(events, facts._replace(ordered=True)) == {MESSAGES}
    assert broken(events[:1], facts) == {MESSAGES}


def test_on_the_real_clock_a_swap_may_be_heard_of_after_the_ends_have_their_halves() -> None:
    """Its news travels from node to node, the report of it to the oracle. That there is one is checked at the end."""
    pair, ends = "alice>dave#0.0", (("alice", "dave", "a~r#0@a"), ("dave", "alice", "r~d#0@d"))
    made = [
        Event(0, 0, "alice", "generate", qubits=("a~r#0@a", "a~r#0@r"), peer="rob"),
        Event(0, 0, "rob", "generate", qubits=("r~d#0@r", "r~d#0@d"), peer="dave"),
        *[Event(0, 0, node, "network_request", n=1, request=1, peer=peer) for node, peer, _ in ends],
        *[Event(5, 0, node, "deliver", qubits=(half,)) for node, _, half in ends],
        *[Event(5, 0, "rob", "deliver", qubits=(half,)) for half in ("a~r#0@r", "r~d#0@r")],
    ]
    came = [Event(9, 0, node, "network_deliver", request=1, pair=pair, qubits=(half,)) for node, _, half in ends]
    swap = [Event(7, 0, "rob", "swap", qubits=("a~r#0@r", "r~d#0@r"))]
    over = [*(Event(9, 0, node, "network_served", n=1, request=1) for node, _, _ in ends)]
    over.append(Event(9, 0, "", "run_ended", name="done"))
    facts = Facts({}, lambda one, other: 0, ordered=False)
    assert CHAIN not in broken([*made, *swap, *came, *over], facts)
    assert CHAIN not in broken([*made, *came, *swap, *over], facts)
    assert CHAIN in broken([*made, *came, *over], facts)
    assert CHAIN not in broken([*made, *came], facts)  # its log stops: the swap may be what comes next
    assert CHAIN in broken([*made, *came, *swap, *over], facts._replace(ordered=True))


def test_on_the_real_clock_a_lost_node_may_have_sent_what_it_could_not_report() -> None:
    """Its message goes from node to node, its report is lost with it; that of another life, or of others, is not."""
    lost = [Event(5, 0, "alice", "node_lost"), Event(8, 0, "alice", "node_restarted", n=1)]
    came = [Event(6, 0, "bob", "receive", peer="alice", message="alice:bob#0")]
    later = [Event(9, 0, "bob", "receive", peer="alice", message="alice!1:bob#0")]
    over = [Event(9, 0, "", "run_ended", name="done")]
    facts = Facts({}, lambda one, other: 0, ordered=False)
    assert not broken([*lost, *came, *over], facts)
    assert broken([*came, *over], facts) == {MESSAGES}
    assert broken([*lost, *later, *over], facts) == {MESSAGES}
    assert broken([*lost, *came, *over], facts._replace(ordered=True)) == {MESSAGES}
