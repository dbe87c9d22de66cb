"""Requests on terms of their own, in whole networks: a way to go, a rate, and fair shares without one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import pytest

from orchestrator import Cluster
from orchestrator.run import Run
from qnode.api.requests import Progress

PROGRAMS: Final = Path(__file__).parent / "programs"
RING: Final = [["alice", "r1"], ["r1", "dave"], ["alice", "r2"], ["r2", "r3"], ["r3", "dave"], ["r1", "r3"]]
LONG: Final = ["alice", "r2", "r3", "dave"]


def network(
    programs: dict[str, tuple[str, dict[str, Any]]], links: list[list[str]], qubits: int = 8, **changes: Any
) -> dict[str, Any]:
    """Links of 1 km; those that `slow` names make a pair with this probability in each attempt, which takes so long."""
    slow: dict[str, tuple[float, str]] = changes.pop("slow", {})
    names = sorted({name for link in links for name in link})
    nodes: dict[str, dict[str, Any]] = {name: {"kind": "node"} for name in names}
    for name, (main, args) in programs.items():
        nodes[name] |= {"program": f"on_terms.py:{main}", "args": args}
    described: dict[str, dict[str, Any]] = {}
    for one, other in links:
        described[one + other] = {"between": [one, other], "length": "1 km"}
        if one + other in slow:
            probability, duration = slow[one + other]
            source = {"model": "perfect", "success_probability": probability, "duration": duration}
            described[one + other]["source"] = source
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
    args: dict[str, dict[str, Any]] = {
        name: ({"route": LONG} if name in given_by else {}) for name in ("alice", "dave")
    }
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
    assert re.match(says, done["alice"])
    assert done["dave"].startswith("NoRoute" if gone else "GenerationTimeout")


async def test_two_ways_that_differ_are_refused_at_both_ends(tmp_path: Path) -> None:
    short = ["dave", "r1", "alice"]
    done = await run(network(both("entangles", {"route": LONG}, {"route": short}), RING), tmp_path)
    mine, theirs = "over alice-r2-r3-dave", "over dave-r1-alice"
    said = "TermsMismatch: {} asked {} for pairs {}, and {} asked {} for pairs {}".format
    assert done["alice"] == said("alice", "dave", mine, "dave", "alice", theirs)
    assert done["dave"] == said("dave", "alice", theirs, "alice", "dave", mine)


async def test_no_other_way_is_gone_when_the_given_one_breaks(tmp_path: Path) -> None:
    programs = both("take", {"n": 1000, "route": LONG, "at_once": 2}, {"n": 1000, "at_once": 2})
    broken = [{"at": "1 ms", "break": "r2r3"}]
    done = await run(network(programs, RING, faults=broken), tmp_path)
    assert {done["alice"]["state"], done["dave"]["state"]} == {"refused"}
    assert "no route from alice to dave: the route alice-r2-r3-dave has no link from r2 to r3" in done["dave"]["said"]
    assert done["alice"]["came"]


METRICS: Final = {"hops": ["alice", "r1", "dave"], "time": LONG, "fidelity": ["alice", "r1", "r3", "dave"]}
"""The way that is best by each of them: of two links, over none that is slow, and over none that is bad."""


@pytest.mark.parametrize("routing", ["link_state", "on_demand"])
@pytest.mark.parametrize("metric", METRICS)
async def test_routes_are_short_in_what_is_configured(metric: str, routing: str, tmp_path: Path) -> None:
    """r1dave is short, slow and bad; r1r3 is slow, and the two links that go around it are worse than it."""
    slow = {"r1dave": (0.01, "10 us"), "r1r3": (0.02, "10 us")}
    config = network(both("take", {}), RING, slow=slow, stack={"metric": metric, "routing": routing})
    config["links"]["r1dave"]["source"] |= {"model": "werner", "fidelity": 0.8}
    for name in ("alicer2", "r2r3"):
        config["links"][name]["fidelity"] = 0.95
    done = await run(config, tmp_path)
    routes = {tuple(done[name]["route"]) for name in ("alice", "dave") if done[name]["route"]}
    assert {route if route[0] == "alice" else route[::-1] for route in routes} == {tuple(METRICS[metric])}


# ---------------------------------------------------------------- rates


def shared(ends: int, main: str, args: list[dict[str, Any]], **changes: Any) -> dict[str, Any]:
    """a0, a1, ... ask b0, b1, ...; all of them over one link, which makes 10,000 pairs a second."""
    pairs = [(f"a{nth}", f"b{nth}") for nth in range(ends)]
    programs: dict[str, tuple[str, dict[str, Any]]] = {}
    for (a, b), one in zip(pairs, args, strict=True):
        programs |= {a: (main, {"peer": b, **one}), b: (main, {"peer": a, **one})}
    links = [["left", "right"], *([a, "left"] for a, _ in pairs), *(["right", b] for _, b in pairs)]
    return network(programs, links, qubits=4 * ends, slow={"leftright": (1.0, "100 us")}, **changes)


@pytest.mark.parametrize(
    ("rate", "way"),
    [(5_000, ["alice", "r1", "dave"]), (20_000, LONG), (60_000, "RateUnreachable: .*; the link r2~r3 lets through 5e")],
)
@pytest.mark.parametrize("routing", ["link_state", "on_demand"])
async def test_the_first_way_is_gone_whose_links_make_enough(
    routing: str, rate: float, way: list[str] | str, tmp_path: Path
) -> None:
    slow = {"r1dave": (0.1, "10 us"), "r2r3": (0.5, "10 us"), "r1r3": (0.1, "10 us")}
    programs = both("take", {"rate": rate}, {"at": 1e-4})
    done = await run(network(programs, RING, slow=slow, stack={"routing": routing}), tmp_path)
    if isinstance(way, str):
        assert re.match(way, done["alice"]["said"])
        assert done["alice"]["said"] == done["dave"]["said"]
    else:
        assert list(done["alice"]["route"]) == way


async def test_failing_swaps_take_more_of_links(tmp_path: Path) -> None:
    """Over one repeater that fails every other time a link of 10,000 pairs a second lets half of them through."""
    slow = {"r1dave": (0.1, "10 us")}
    config = network(both("take", {"rate": 5_001}, {}), [["alice", "r1"], ["r1", "dave"]], slow=slow)
    done = await run({**config, "stack": {"swap_success": 0.5}}, tmp_path)
    assert "the link r1~dave lets through 5000" in done["alice"]["said"]


PAIRS: Final = 40
RATE: Final = 4_000


@pytest.mark.parametrize("rate", [RATE, None])
async def test_a_link_keeps_what_it_has_promised(rate: float | None, tmp_path: Path) -> None:
    """It takes one circuit more beside this one, so that half of its pairs is for each; without a promise, all four."""
    terms = {} if rate is None else {"rate": rate}
    first: dict[str, Any] = {"n": PAIRS, "at_once": 4, **terms}
    config = shared(4, "take", [first, *({"n": PAIRS, "at_once": 4, "at": 1e-4} for _ in range(3))])
    done = await run(config, tmp_path)
    took = done["a0"]["came"][-1]
    assert (took <= PAIRS / RATE + 1e-3) == (rate is not None)
    if rate is not None:
        late = [row for row in done.requests if row.node.startswith("a") and (row.first_ns or 0) > took * 1e9]
        assert len(late) == 2
        assert all(row.queued for row in late)
        assert {row.state for row in done.requests} == {"served"}


async def test_eight_requests_share_a_link_alike(tmp_path: Path) -> None:
    """Each is given a pair in turn, so that they differ by those of the beginning and the end."""
    config = shared(8, "until", [{"end": 20e-3}] * 8)
    done = await run(config, tmp_path)
    shares = [done[f"a{nth}"] for nth in range(8)]
    assert sum(shares) > 150
    assert max(shares) - min(shares) <= 2


async def test_progress_tells_what_was_tried_and_lost(tmp_path: Path) -> None:
    """Every other swap fails; what is expected of each pair is what two links of fidelity 0.95 and a swap leave."""
    links = [["alice", "r1"], ["r1", "dave"]]
    config = network(both("take", {"n": 10, "at_once": 2}), links, stack={"swap_success": 0.5})
    for link in config["links"].values():
        link["fidelity"] = 0.95
    done = await run(config, tmp_path)
    for end in ("alice", "dave"):
        progress = Progress(*done[end]["how"])
        assert progress.delivered == 10
        assert progress.tried >= 10 + progress.lost > 10
        w = (4 * 0.95 - 1) / 3
        assert progress.fidelity == pytest.approx((1 + 3 * w**2) / 4)
