"""Each kind of fault, in YAML and in Python: on processes and in one, the same bytes, and what it is to do is done."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from orchestrator import faults, loader
from orchestrator.run import Run
from orchestrator.written import Written
from tests.faults.worlds import LIGHT_NS, PROGRAMS, both, network, program, run

US: Final = 1_000
MS: Final = 1_000_000


class Case(NamedTuple):
    """A network with faults, in YAML and in Python, and what must come of them."""

    name: str
    nodes: Mapping[str, object]
    written: str
    made: Sequence[Mapping[str, object]]
    seen: Callable[[Run], None]
    more: Mapping[str, object] = {}


def events(done: Run, *kinds: str) -> list[dict[str, Any]]:
    lines = map(json.loads, done.events_bytes.splitlines())
    return [line for line in lines if line["event"] in kinds]


def result(done: Run, node: str) -> Any:
    return done.results[node]["main"]


ANSWERING: Final = {"programs": {"main": {"run": "programs.py:answers", "service": True}}}
ASKING: Final = {"alice": program("asks", times=30), "bob": ANSWERING}
TALKING: Final = {"alice": program("talks", peer="bob", times=40), "bob": program("listens", peer="alice", times=99)}


def killed(done: Run) -> None:
    assert done.summary.gone == {"bob": "a fault script killed it"}
    seen = result(done, "alice")
    lost_ns = 1_500 * US + LIGHT_NS
    assert seen[-1][1] == "node bob is gone: a fault script killed it"
    assert next(entry[0] for entry in seen if entry[1] == seen[-1][1]) == lost_ns
    assert all(entry[1] == entry[2] for entry in seen if len(entry) == 3)
    assert (done.summary.how, done.exit_code) == ("done", 0)


def begins_again(done: Run) -> None:
    assert [event["t"] for event in events(done, "node_lost", "node_restarted")] == [1500 * US, 2000 * US]
    seen = result(done, "alice")
    after = [entry for entry in seen if entry[0] > 2 * MS and len(entry) == 3]
    assert after
    assert all(entry[1] == entry[2] for entry in after)
    assert {event["message"].split(":")[0] for event in events(done, "send")} == {"alice", "bob", "bob!1"}
    assert done.summary.gone == {}


def paused(done: Run) -> None:
    ran = result(done, "bob")
    assert [at for at in ran if 2500 * US <= at < 4500 * US] == []
    assert ran[2] == 4500 * US  # what was due meanwhile
    assert result(done, "alice") == [n * MS for n in range(1, 9)]


def numbers_of(done: Run) -> list[int]:
    return [number for number, _ in result(done, "bob")]


def cut(done: Run) -> None:
    assert numbers_of(done) == [n for n in range(40) if not 10 <= n < 20]
    assert len(events(done, "drop")) == 10


def one_way(done: Run) -> None:
    heard = [number for number, _ in done.results["bob"]["talk"]]
    assert heard == [n for n in range(40) if not 10 <= n < 15]
    assert len(result(done, "alice")) == 40


def slowed(done: Run) -> None:
    late = {n: at - n * 100 * US - LIGHT_NS for n, at in result(done, "bob")}
    assert late == {n: 30 * US if 10 <= n < 20 else 0 for n in range(40)}


def lost(done: Run) -> None:
    missing = set(range(40)) - set(numbers_of(done))
    assert numbers_of(done) == sorted(numbers_of(done))
    assert 5 <= len(missing) <= 35  # of 40 at 1/2: outside with probability 2e-6, and the seed is fixed
    assert len(events(done, "drop")) == len(missing)


def duplicated(done: Run) -> None:
    twice = [n for n in range(40) if numbers_of(done).count(n) == 2]
    assert sorted(numbers_of(done)) == sorted([*range(40), *twice])
    assert len(events(done, "duplicate")) == len(twice)
    assert 5 <= len(twice) <= 35
    for number, at in result(done, "bob"):  # nothing outruns light
        assert 0 <= at - number * 100 * US - LIGHT_NS < 50 * US


def reordered(done: Run) -> None:
    assert sorted(numbers_of(done)) == list(range(40))
    assert numbers_of(done) != list(range(40))
    for number, at in result(done, "bob"):
        assert 0 <= at - number * 100 * US - LIGHT_NS <= 500 * US + 1


def broken(done: Run) -> None:
    made = [event["t"] for event in events(done, "generate")]
    assert made
    assert [at for at in made if 1200 * US <= at < 1700 * US] == []
    assert 1700 * US in made  # what waited for it
    assert all(entry[1] == entry[2] for entry in result(done, "alice"))


def broken_for_qubits(done: Run) -> None:
    assert result(done, "bob") == [(1, n * MS + LIGHT_NS) for n in (0, 1, 4)]
    assert [event["detail"] for event in events(done, "lost")] == ["the link is broken"] * 2


def broken_for_light(done: Run) -> None:
    first, dark, last = result(done, "bob")
    assert (first, dark, last) == (1000, 0, 1000)


def healed(done: Run) -> None:
    assert numbers_of(done) == [n for n in range(40) if not 10 <= n < 25]


def upon_an_event(done: Run) -> None:
    third = [event["t"] for event in events(done, "receive") if event["node"] == "alice"][2]
    (fault,) = events(done, "fault")
    assert fault["t"] == third + 7 * US
    assert events(done, "node_lost")[0]["t"] == fault["t"]


LIT: Final = {"photons": {"source": {"model": "single_photon"}}}
CASES: Final = [
    Case("kill", ASKING, "[{at: 1.5 ms, kill: bob}]", [faults.kill("bob", at="1.5 ms")], killed),
    Case(
        "kill and begin again",
        ASKING,
        "[{at: 1.5 ms, kill: bob, restart: fresh}]",
        [faults.kill("bob", at=1.5e-3, fresh=True)],
        begins_again,
        {"failures": {"restart_delay": "0.5 ms"}},
    ),
    Case(
        "pause",
        {"alice": program("ticks", times=8), "bob": program("ticks", times=4)},
        "[{at: 2.5 ms, pause: bob, for: 2 ms}]",
        [faults.pause("bob", at="2.5 ms", lasting="2 ms")],
        paused,
    ),
    Case(
        "cut",
        TALKING,
        "[{at: 0.95 ms, cut: [alice, bob], for: 1 ms}]",
        [faults.cut("alice", "bob", at="0.95 ms", lasting="1 ms")],
        cut,
    ),
    Case(
        "cut one way",
        {
            "alice": {
                "programs": {
                    "talk": {"run": "programs.py:talks", "args": {"peer": "bob", "times": 40}},
                    "main": {"run": "programs.py:listens", "args": {"peer": "bob", "times": 40}},
                }
            },
            "bob": {
                "programs": {
                    "talk": {"run": "programs.py:listens", "args": {"peer": "alice", "times": 99}},
                    "main": {"run": "programs.py:talks", "args": {"peer": "alice", "times": 40}},
                }
            },
        },
        "[{at: 0.95 ms, cut: {from: alice, to: '*'}, until: 1.45 ms}]",
        [faults.cut("alice", "*", both=False, at="0.95 ms", until="1.45 ms")],
        one_way,
    ),
    Case(
        "slow",
        TALKING,
        "[{at: 0.95 ms, slow: {between: [alice, bob], by: 30 us}, for: 1 ms}]",
        [faults.slow("alice", "bob", "30 us", at="0.95 ms", lasting="1 ms")],
        slowed,
    ),
    Case(
        "lose",
        TALKING,
        "[{at: 0, lose: {between: [alice, bob], probability: 0.5}}]",
        [faults.lose("alice", "bob", probability=0.5, at=0)],
        lost,
    ),
    Case(
        "duplicate",
        TALKING,
        "[{at: 0, duplicate: {from: alice, to: bob, probability: 50 %, within: 50 us}}]",
        [faults.duplicate("alice", "bob", both=False, probability=0.5, within="50 us", at=0)],
        duplicated,
    ),
    Case(
        "reorder",
        TALKING,
        "[{at: 0, reorder: {between: [alice, bob], probability: 0.5, within: 500 us}}]",
        [faults.reorder("alice", "bob", probability=0.5, within=5e-4, at=0)],
        reordered,
    ),
    Case(
        "break",
        ASKING,
        "[{at: 1.2 ms, break: line, for: 0.5 ms}]",
        [faults.break_link("line", at="1.2 ms", lasting="0.5 ms")],
        broken,
    ),
    Case(
        "break for qubits",
        {"alice": program("sends_qubits", peer="bob", times=5), "bob": program("gets_qubits", peer="alice")},
        "[{at: 1.5 ms, break: 'line[0]'}, {at: 3.5 ms, heal: line}]",
        [faults.break_link("line[0]", at="1.5 ms"), faults.heal("line", at="3.5 ms")],
        broken_for_qubits,
    ),
    Case(
        "break for light",
        {"alice": program("shines", peer="bob", times=3), "bob": program("sees", peer="alice", times=3)},
        "[{at: 0.9 ms, break: '*', for: 1 ms}]",
        [faults.break_link("*", at="0.9 ms", lasting="1 ms")],
        broken_for_light,
        {
            "links": {
                "line": {
                    "between": ["alice", "bob"],
                    "length": "10 km",
                    "photons": {"source": {"model": "single_photon", "rate": "10 MHz"}},
                }
            }
        },
    ),
    Case(
        "heal",
        TALKING,
        "[{at: 0.95 ms, cut: '*'}, {at: 2.45 ms, heal: [alice, '*']}, {at: 2.45 ms, heal: {between: [alice, bob]}}]",
        [
            faults.cut("*", "*", at="0.95 ms"),
            faults.heal("alice", "*", at="2.45 ms"),
            faults.heal_between("alice", "bob", at="2.45 ms"),
        ],
        healed,
    ),
    Case(
        "upon an event",
        ASKING,
        "[{on: {event: receive, node: alice, nth: 3}, after: 7 us, kill: bob}]",
        [faults.kill("bob", on=faults.upon("receive", node="alice", nth=3), after="7 us")],
        upon_an_event,
    ),
]


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
async def test_a_script_in_yaml_on_processes_and_in_python_inline_are_the_same_run(case: Case, tmp_path: Path) -> None:
    written = {**network(case.nodes, Written.from_text(case.written, "faults").data), **case.more}
    made = {**network(case.nodes, case.made), **case.more}
    assert loader.from_mapping(written, base=PROGRAMS).faults == loader.from_mapping(made, base=PROGRAMS).faults
    done = await both(written, tmp_path)
    again = await run(made, tmp_path / "again", inline=True)
    assert again.events_bytes == done.events_bytes
    case.seen(done)
    assert done.failure is None
