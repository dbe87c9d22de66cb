"""Outcomes of pairs of nodes that are no neighbours, and requests that end at their time or come before others."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from orchestrator import Cluster
from orchestrator.run import Run
from qnode.testing import assert_frequency

PROGRAMS = Path(__file__).parent / "programs"
SOURCE = {"model": "werner", "fidelity": 0.95, "success_probability": 0.4}
PERFECT = {"model": "werner", "fidelity": 1.0, "success_probability": 0.4}


def chain(
    names: str,
    main: str,
    source: dict[str, Any] = PERFECT,
    qubits: int = 2,
    more: dict[str, Any] | None = None,
    **args: Any,
) -> dict[str, Any]:
    """Nodes in a row; the first and the last ask each other, and have room for two halves, or as said."""
    ends = {names[0]: names[-1], names[-1]: names[0]}
    nodes: dict[str, Any] = {name: {"qubits": 4} for name in names}
    for name, peer in ends.items():
        nodes[name] = {"qubits": qubits, "program": f"measuring.py:{main}", "args": {"peer": peer, **args}}
    return {
        "version": 1,
        "seed": 5,
        "nodes": nodes,
        "links": {"all": {"chain": list(names), "length": "10 km", "source": source}},
        **(more or {}),
    }


async def run(config: dict[str, Any], runs: Path) -> Run:
    return await Cluster.from_dict(config, base=PROGRAMS, runs=runs).run(inline=True)


def equal(done: Run, one: str, other: str) -> int:
    return sum(a == b for a, b in zip(done[one], done[other], strict=True))


@pytest.mark.parametrize("basis", ["x", "y", "z"])
async def test_outcomes_are_those_of_werner_pairs(basis: str, tmp_path: Path) -> None:
    """Equal with (1 + w^2)/2 over one repeater, opposite in Y; each alone is a coin. 1e-9 each."""
    n = 300
    done = await run(chain("abc", "end", SOURCE, n=n, basis=basis), tmp_path)
    right = equal(done, "a", "c")
    w = (4 * 0.95 - 1) / 3
    assert_frequency(n - right if basis == "y" else right, n, (1 + w * w) / 2)
    for end in "ac":
        assert_frequency(sum(done[end]), n, 0.5)


STACKS = [
    {},
    {"swap": "nested", "window": 4},
    {"swap": "sequential", "swap_success": 0.6, "cutoff": "300 us"},
    {"swap_success": 0.7, "cutoff": "200 us", "window": 3},
]


@pytest.mark.parametrize(("qubits", "stack"), [(1, STACKS[0]), (4, STACKS[1]), (1, STACKS[2]), (4, STACKS[3])])
async def test_each_outcome_is_in_its_basis_whatever_is_lost(
    qubits: int, stack: dict[str, Any], tmp_path: Path
) -> None:
    """Perfect pairs: where both bases agree, outcomes are equal, or opposite in Y. One slot at each end is enough."""
    done = await run(chain("abcde", "drawn", qubits=qubits, n=40, more={"stack": stack}), tmp_path)
    compared = 0
    for mine, theirs, a, b in zip(*(done[end][row] for row in (0, 1) for end in "ae"), strict=True):
        if mine == theirs:
            assert (a == b) == (mine != 1)
            compared += 1
    assert compared > 5
    assert done["a"][2] == done["e"][2]


async def test_a_circuit_that_breaks_goes_another_way_and_no_outcome_is_lost_or_there_twice(tmp_path: Path) -> None:
    """A ring of six; the link that the route takes breaks in between, and bases are drawn for each outcome."""
    config = chain("abcd", "drawn", n=60)
    config["nodes"] |= {"e": {"qubits": 4}, "f": {"qubits": 4}, "g": {"qubits": 4}}
    config["links"]["way"] = {"chain": ["a", "e", "f", "g", "d"], "length": "10 km", "source": PERFECT}
    config["faults"] = [{"at": "3 ms", "break": "all[1]"}]
    done = await run(config, tmp_path)
    kinds = Counter(event.event for event in done.events)
    assert kinds["network_broken"] >= 1
    assert kinds["network_measure"] == 120
    for mine, theirs, a, b in zip(*(done[end][row] for row in (0, 1) for end in "ad"), strict=True):
        assert mine != theirs or (a == b) == (mine != 1)


async def test_kept_and_measured_pairs_do_not_meet(tmp_path: Path) -> None:
    done = await run(chain("abc", "both", qubits=6, n=3), tmp_path)
    assert done["a"] == done["c"]
    assert list(map(len, done["a"])) == [3, 6]


@pytest.mark.parametrize("names", ["ab", "abc"], ids=["neighbours", "over a repeater"])
async def test_two_that_prepare_for_each_other_get_what_the_other_made(names: str, tmp_path: Path) -> None:
    config = chain(names, "swaps_states", qubits=6)
    config["nodes"]["a"]["args"]["flips"] = [True, False, True]
    config["nodes"][names[-1]]["args"]["flips"] = [False, False, True]
    done = await run(config, tmp_path)
    assert (done["a"], done[names[-1]]) == ([0, 0, 1], [1, 0, 1])


async def test_in_processes_of_their_own(tmp_path: Path) -> None:
    config = chain("abcd", "end", n=50, basis="y")
    inline = await run(config, tmp_path / "inline")
    spread = await Cluster.from_dict(config, base=PROGRAMS, runs=tmp_path / "spread").run()
    assert equal(spread, "a", "d") == 0
    assert spread["a"] == inline["a"]


async def test_bases_that_come_later_are_for_neighbours(tmp_path: Path) -> None:
    done = await run(chain("abc", "waits_for_bases"), tmp_path)
    assert "c is no neighbour of a" in done["a"]


# --- expiry ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["entangle", "request", "measure", "prepare", "receive"])
@pytest.mark.parametrize("names", ["ab", "abcd"], ids=["neighbours", "over repeaters"])
async def test_a_request_ends_at_its_timeout_and_leaves_nothing(names: str, kind: str, tmp_path: Path) -> None:
    """Links that hardly ever succeed; both ends ask. Links are asked for nothing more, and all memory is free."""
    hopeless = {**PERFECT, "success_probability": 1e-12}
    config = chain(names, "entangles", hopeless, kind=kind, timeout=0.01)
    config["nodes"][names[-1]]["args"]["kind"] = {"prepare": "receive", "receive": "prepare"}.get(kind, kind)
    done = await run(config, tmp_path)
    expected = "0" if kind == "request" else "timeout"
    assert [done[end] for end in (names[0], names[-1])] == [expected] * 2
    events = list(done.events)
    asked = Counter(event.node for event in events if event.event == "request")
    withdrawn = Counter(event.node for event in events if event.event == "withdraw")
    assert asked == withdrawn
    assert sum(asked.values()) >= 2
    assert not any(event.event == "deliver" for event in events)


async def test_the_other_end_is_told_and_waits_for_another_request(tmp_path: Path) -> None:
    """The first asks in vain for a while, and then again: the second request is what the other end meets."""
    config = chain("abc", "end", n=4)
    config["nodes"]["a"]["programs"] = {
        "main": {"run": "measuring.py:twice", "args": {"peer": "c", "n": 4, "timeout": 0.01}},
    }
    del config["nodes"]["a"]["program"], config["nodes"]["a"]["args"]
    config["nodes"]["c"]["args"]["late"] = 0.05
    done = await run(config, tmp_path)
    assert done["a"] == done["c"]


# --- priorities ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("main", ["urgent", "urgent_outcomes"], ids=["kept", "measured"])
async def test_a_higher_priority_is_served_first_from_end_to_end(main: str, tmp_path: Path) -> None:
    """Two requests over the same links; the later one is more urgent, and done when the other has hardly begun."""

    def programs(peer: str) -> dict[str, Any]:
        plain = {"peer": peer, "n": 20, "tag": "plain"}
        return {
            "plain": {"run": f"measuring.py:{main}", "args": plain},
            "soon": {"run": f"measuring.py:{main}", "args": {**plain, "tag": "soon", "late": 0.002, "priority": 1}},
        }

    def times(done: Run) -> tuple[float, float]:
        return done["a.plain"], done["a.soon"]

    slow = {**PERFECT, "success_probability": 0.03}  # so that links are all that there is to wait for
    config = chain("abc", main, slow)
    config["nodes"]["b"]["qubits"] = 16  # for both circuits at once
    for end, peer in (("a", "c"), ("c", "a")):
        config["nodes"][end] = {"qubits": 8, "programs": programs(peer)}
    plain, soon = times(await run(config, tmp_path / "urgent"))
    for end in "ac":
        config["nodes"][end]["programs"]["soon"]["args"]["priority"] = 0
    as_plain, as_soon = times(await run(config, tmp_path / "alike"))
    assert soon < 0.75 * as_soon
    assert soon < plain
    assert plain == pytest.approx(max(as_plain, as_soon), rel=0.2)  # the links have as much to do
