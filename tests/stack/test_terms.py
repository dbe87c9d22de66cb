"""Requests on terms of their own, in whole networks: a way to go, a rate, and fair shares without one."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pytest

from orchestrator import Cluster
from orchestrator.run import Run

PROGRAMS: Final = Path(__file__).parent / "programs"
RING: Final = [["alice", "r1"], ["r1", "dave"], ["alice", "r2"], ["r2", "r3"], ["r3", "dave"], ["r1", "r3"]]
LONG: Final = ["alice", "r2", "r3", "dave"]


def network(
    programs: dict[str, tuple[str, dict[str, Any]]], links: list[list[str]], qubits: int = 8, **changes: Any
) -> dict[str, Any]:
    """Each link has a single-click source that succeeds once in ten attempts of 10 us, if `slow` names it."""
    slow = changes.pop("slow", {})
    names = sorted({name for link in links for name in link})
    nodes = {name: {"kind": "node"} for name in names}
    for name, (main, args) in programs.items():
        nodes[name] |= {"program": f"on_terms.py:{main}", "args": args}  # type: ignore[dict-item]
    described = {}
    for one, other in links:
        described[f"{one}{other}"] = {"between": [one, other], "length": "1 km", **slow.get(f"{one}{other}", {})}
    return {
        "version": 1,
        "seed": 3,
        "kinds": {"node": {"qubits": qubits}},
        "nodes": nodes,
        "links": described,
        **changes,
    }


async def run(config: dict[str, Any], runs: Path) -> Run:
    return await Cluster.from_dict(config, base=PROGRAMS, runs=runs).run(inline=True)


def both(main: str, alice: dict[str, Any], dave: dict[str, Any] | None = None) -> dict[str, tuple[str, dict[str, Any]]]:
    ends = {"alice": ({"peer": "dave", **alice}), "dave": {"peer": "alice", **(alice if dave is None else dave)}}
    return {name: (main, args) for name, args in ends.items()}


# ---------------------------------------------------------------- ways


@pytest.mark.parametrize("given_by", [("alice",), ("dave",), ("alice", "dave")], ids="+".join)
@pytest.mark.parametrize("later", ["alice", "dave"])
async def test_the_way_that_is_given_is_gone_whoever_gives_it(
    given_by: tuple[str, ...], later: str, tmp_path: Path
) -> None:
    """Whoever asks earlier is the requester; a way may be written from either end."""
    args = {name: ({"route": LONG} if name in given_by else {}) for name in ("alice", "dave")}
    args[later] |= {"at": 1e-3}
    done = await run(network(both("take", args["alice"], args["dave"]), RING), tmp_path)
    assert {done["alice"]["state"], done["dave"]["state"]} == {"served"}
    first = "dave" if later == "alice" else "alice"
    assert list(done[first]["route"]) == (LONG if first == "alice" else LONG[::-1])


@pytest.mark.parametrize("routing", ["link_state", "on_demand"])
@pytest.mark.parametrize(
    ("route", "says"),
    [
        (["alice", "r1", "r2", "dave"], "NoRoute: .* has no link from r1 to r2"),
        (["alice", "dave"], "NoRoute: .* has no link from alice to dave"),
        (["alice", "r1"], "InvalidOperation: .*from alice to dave"),
        (["alice", "r1", "r3", "r1", "dave"], "InvalidOperation: .*more than once"),
        (["alice", "bob", "dave"], "InvalidOperation: .*no node 'bob'"),
    ],
)
async def test_a_way_that_cannot_be_gone_is_refused_with_the_place(
    route: list[str], says: str, routing: str, tmp_path: Path
) -> None:
    args = {"route": route}
    gone = "NoRoute" in says
    done = await run(
        network(both("entangles", args, {} if gone else {"timeout": 1e-3}), RING, stack={"routing": routing}), tmp_path
    )
    import re

    assert re.match(says, done["alice"])
    assert done["dave"].startswith("NoRoute" if gone else "GenerationTimeout")


async def test_two_ways_that_differ_are_refused_at_both_ends(tmp_path: Path) -> None:
    short = ["dave", "r1", "alice"]
    done = await run(network(both("entangles", {"route": LONG}, {"route": short}), RING), tmp_path)
    mine, theirs = "over alice-r2-r3-dave", "over dave-r1-alice"
    assert (
        done["alice"]
        == f"TermsMismatch: alice asked dave for pairs {mine}, and dave asked alice for pairs {theirs.replace('dave-r1-alice', 'dave-r1-alice')}"
    )
    assert done["dave"] == f"TermsMismatch: dave asked alice for pairs {theirs}, and alice asked dave for pairs {mine}"


# ---------------------------------------------------------------- rates
