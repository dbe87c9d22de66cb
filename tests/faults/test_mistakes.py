"""Mistakes in scripts of faults: each is named with its place, what is allowed and what was probably meant."""

from __future__ import annotations

import pytest

from orchestrator import Cluster
from orchestrator.loader import loads
from orchestrator.problems import ConfigErrors
from qnode.errors import ConfigError
from tests.faults.worlds import PROGRAMS, network, program

HEAD = """\
version: 1
nodes: {alice: {}, bob: {}, "r[0..9]": {}}
links: {short: {between: [alice, bob]}, backbone: {chain: [bob, "r[0..9]"]}}
faults:
"""

MISTAKES = [
    ("{at: 3 ms, kill: bop}", "5:20: faults[0].kill[0]: no node 'bop' (did you mean 'bob'?)"),
    ("{at: 3 ms, kil: bob}", "5:14: faults[0].kil: unknown key (did you mean 'kill'?)"),
    ("{at: 3, kill: bob}", "5:8: faults[0].at: 3 needs a unit"),
    ("{at: 3 sm, kill: bob}", "5:8: faults[0].at: "),
    ("{kill: bob}", "5:3: faults[0]: a fault needs `at`, a network time, or `on`, an event; it has neither"),
    ("{at: 3 ms}", "5:3: faults[0]: a fault needs exactly one of kill, pause, cut"),
    ("{at: 3 ms, kill: bob, pause: bob}", "5:3: faults[0]: a fault needs exactly one of kill, pause, cut"),
    (
        "{at: 3 ms, kill: bob, restart: frehs}",
        "faults[0].restart: must be 'never' or 'fresh', not 'frehs'",
    ),
    ("{at: 3 ms, kill: bob, restart: resume}", "faults[0].restart: must be 'never' or 'fresh', not 'resume'"),
    ("{at: 3 ms, pause: bob, restart: fresh}", "faults[0].restart: belongs to `kill`, not to `pause`"),
    ("{at: 3 ms, kill: bob, for: 2 ms}", "faults[0].for: `kill` is done at once, and lasts no time"),
    ("{at: 3 ms, pause: bob, for: 2 ms, until: 9 ms}", "faults[0].until: `for` says already how long it lasts"),
    ("{at: 3 ms, pause: bob, until: 2 ms}", "faults[0].until: must be later than `at`, 0.003 s"),
    ("{at: 3 ms, after: 1 us, kill: bob}", "faults[0].after: is how long after an event"),
    ("{on: {event: pair}, kill: bob}", "faults[0].on.event: 'pair' is no event"),
    ("{on: {event: delivr}, kill: bob}", "faults[0].on.event: 'delivr' is no event (did you mean 'deliver'?)"),
    ("{on: {event: deliver, node: alcie}, kill: bob}", "faults[0].on.node: no node 'alcie' (did you mean 'alice'?)"),
    ("{on: {event: deliver, nth: 0}, kill: bob}", "faults[0].on.nth: must be at least 1, not 0"),
    ("{at: 0, cut: [alice]}", "faults[0].cut.between: is between two, each a name, a range or *; not 1"),
    ("{at: 0, cut: {from: alice}}", "faults[0].cut: needs `between: [alice, bob]` for both ways, or `from` and `to`"),
    ("{at: 0, cut: {form: alice, to: bob}}", "faults[0].cut.form: unknown key (did you mean 'from'?)"),
    ("{at: 0, cut: [alice, bop]}", "faults[0].cut.between[1]: no node 'bop' (did you mean 'bob'?)"),
    ("{at: 0, slow: {between: [alice, bob]}}", "faults[0].slow.by: is missing"),
    ("{at: 0, slow: {between: [alice, bob], by: 3 km}}", "faults[0].slow.by: "),
    ("{at: 0, lose: {between: [alice, bob], probability: 2}}", "faults[0].lose.probability: 2 is outside [0, 1]"),
    ("{at: 0, lose: {between: [alice, bob], probabilty: 1}}", "probabilty: unknown key (did you mean 'probability'?)"),
    ("{at: 0, break: shrot}", "faults[0].break[0]: no link 'shrot' (did you mean 'short'?)"),
    ("{at: 0, break: 'backbone[10]'}", "faults[0].break[0]: no link 'backbone[10]' (did you mean 'backbone["),
    ("{at: 0, heal: bop}", "faults[0].heal[0]: no link or node 'bop' (did you mean 'bob'?)"),
    ("{at: 0, pause: 'r[9..11]'}", "faults[0].pause[0]: no node 'r10', nor 1 more of 'r[9..11]' (did you mean 'r1'?)"),
    ("bob", "faults[0]: must be a mapping of keys to values, not 'bob'"),
]


def told(text: str) -> list[str]:
    with pytest.raises(ConfigErrors) as caught:
        loads(text, "net.yaml")
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(("entry", "expected"), MISTAKES, ids=[entry for entry, _ in MISTAKES])
def test_a_mistake_is_named_with_its_place(entry: str, expected: str) -> None:
    found = told(f"{HEAD}- {entry}\n")
    assert len(found) == 1, found
    assert expected in found[0]
    assert found[0].startswith("net.yaml:5:")


def test_all_mistakes_are_told_at_once() -> None:
    entries = [entry for entry, _ in MISTAKES]
    found = told(HEAD + "".join(f"- {entry}\n" for entry in entries))
    assert [int(one.split(":")[1]) - 5 for one in found] == list(range(len(entries)))


def test_a_process_with_several_nodes_cannot_be_killed_for_one() -> None:
    (found,) = told(f"{HEAD}- {{at: 1 ms, kill: bob}}\nnodes_per_process: 2\n")
    assert "faults[0].kill: a process with several nodes cannot be killed for one of them" in found


@pytest.mark.parametrize("entry", ["pause: bob", "cut: '*'", "slow: {between: [alice, bob], by: 1 us}", "reorder: '*'"])
def test_what_only_the_virtual_clock_can_do_is_refused_on_the_real_one(entry: str) -> None:
    (found,) = told(f"{HEAD}- {{at: 1 ms, {entry}}}\nclock: real\n")
    assert f"faults[0].{entry.split(':')[0]}: on the real clock there are kill, break and heal" in found


async def test_by_hand_the_same_mistakes_are_told() -> None:
    async with Cluster.from_dict(network({"alice": program("sleeps"), "bob": {}}), base=PROGRAMS) as net:
        for call in (net.kill("bop"), net.cut("alice", "bop"), net.heal("bop")):
            with pytest.raises(ConfigError, match=r"no (link or )?node 'bop'.*did you mean 'bob'"):
                await call
