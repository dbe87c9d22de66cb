"""Link tomography: what is found is right, and routes follow it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from math import log, sqrt

import pytest

from orchestrator import Cluster, Program
from qnode import Node
from qnode.errors import InvalidOperation, NotANeighbour
from qnode.protocols.link_tomography import measure_link, watch_link

Nets = Callable[..., Cluster]
FALSE_ALARM = 1e-9
PAIRS = 20_000
BEST, OTHER = 0.96, 0.94
READ_WRONGLY = 0.05


def off(n: int, means: int) -> float:
    """The mean of n signs is off by more than this with probability FALSE_ALARM / means (Hoeffding)."""
    return sqrt(2 * log(2 * means / FALSE_ALARM) / n)


@pytest.mark.parametrize("nth", range(4))
def test_perfect_pairs_are_found_to_be_what_they_are(nth: int, qnode_cluster: Nets) -> None:
    """Each Bell state, and with certainty, for its outcomes agree or differ along each axis."""
    names = ("phi_plus", "psi_plus", "phi_minus", "psi_minus")
    source = {"model": "bell_diagonal"} | {name: float(i == nth) for i, name in enumerate(names)}
    links = {"fibre": {"between": ["a", "b"], "length": "1 km", "source": source}}
    nodes = {one: Program(measure_link, peer=other, n=10) for one, other in (("a", "b"), ("b", "a"))}
    run = qnode_cluster(nodes=nodes, links=links).run_sync(inline=True)
    assert run["a"] == run["b"] == (nth == 0)


async def over_the_better_way(alice: Node) -> list[str]:
    routes = []
    for measures in (False, True):
        if measures:
            await measure_link(alice, peer="upper", n=PAIRS)
        request = alice.request("bob", 1)
        for half in await request:
            await half.measure()
        routes.append(request.progress.route[1])
    return routes


async def bobs(bob: Node) -> None:
    for _ in range(2):
        for half in await bob.request("alice", 1):
            await half.measure()


def test_a_way_that_turns_out_to_be_worse_is_left(qnode_cluster: Nets) -> None:
    """Alice reads wrongly, so her link over the better way looks worse than the other one does unmeasured.

    Each correlator is off with probability 1e-9 / 3, so F by more than 3/4 of that with 1e-9.
    """
    reading = {"gates": {"measure": {"error": READ_WRONGLY}}}
    run = qnode_cluster(
        nodes={
            "alice": {"qubits": 4, "program": Program(over_the_better_way), **reading},
            "bob": {"qubits": 4, "program": Program(bobs)},
            "upper": {"qubits": 4, "program": Program(measure_link, peer="alice", n=PAIRS)},
            "lower": {"qubits": 4},
        },
        links={
            "good": {"chain": ["alice", "upper", "bob"], "length": "10 km", "fidelity": BEST},
            "fair": {"chain": ["alice", "lower", "bob"], "length": "10 km", "fidelity": OTHER},
        },
        stack={"metric": "fidelity"},
        seed=5,
    ).run_sync(inline=True)
    assert run["alice"] == ["upper", "lower"]
    w = (4 * BEST - 1) / 3 * (1 - 2 * READ_WRONGLY)
    assert run["upper"] == pytest.approx((1 + 3 * w) / 4, abs=3 * off(PAIRS, 3) / 4)
    assert run["upper"] + 3 * off(PAIRS, 3) / 4 < OTHER


async def announces(node: Node) -> list[str]:
    said = []
    for peer, xx in (("nobody", 1.0), ("b", 1.5), ("b", float("nan"))):
        try:
            node.link_measured(peer, xx=xx, yy=-1.0, zz=1.0)
        except (NotANeighbour, InvalidOperation) as error:
            said.append(type(error).__name__)
    return [*said, str(node.link_measured("b", xx=1.0, yy=-0.8, zz=0.8))]


def test_what_cannot_have_been_measured_is_refused(qnode_cluster: Nets) -> None:
    links = {"fibre": {"between": ["a", "b"], "length": "1 km"}}
    run = qnode_cluster(nodes={"a": Program(announces), "b": None}, links=links).run_sync(inline=True)
    assert run["a"][:3] == ["NotANeighbour", "InvalidOperation", "InvalidOperation"]
    assert float(run["a"][3]) == pytest.approx(0.9)


@pytest.mark.qnode("../../configs/link_tomography.yaml")
def test_the_configuration_finds_what_its_links_are_like(net: Cluster) -> None:
    """Four links, each measured by both ends together: all as near as 20,000 pairs an axis are but in 1e-9 / 4 each."""
    run = net.run_sync()
    for end in ("alice", "bob"):
        for way, fidelity in (("upper", BEST), ("lower", OTHER)):
            assert run[end][way] == run[way][end]
            assert run[end][way] == pytest.approx(fidelity, abs=3 * off(PAIRS, 12) / 4)


async def is_watched(alice: Node) -> list[str]:
    """Ask now and then for a way to bob, while the links of alice are being measured."""
    routes = []
    for _ in range(3):
        request = alice.request("bob", 1)
        for half in await request:
            await half.measure()
        routes.append(request.progress.route[1])
        await asyncio.sleep(20e-3)
    return routes


async def is_asked(bob: Node) -> None:
    for _ in range(3):
        for half in await bob.request("alice", 1):
            await half.measure()


def test_a_link_that_is_watched_is_left_once_its_outcomes_say_so(qnode_cluster: Nets) -> None:
    """A service measures every 10 ms; alice's readout makes the better way look worse, from the first time on."""
    watch = {"n": PAIRS, "every": 10e-3}
    nodes = {
        "alice": {
            "qubits": 4,
            "gates": {"measure": {"error": READ_WRONGLY}},
            "programs": {
                "main": {"run": Program(is_watched)},
                "watch": {"run": Program(watch_link, peer="upper", **watch), "service": True},
            },
        },
        "bob": {"qubits": 4, "programs": {"main": {"run": Program(is_asked)}}},
        "upper": {
            "qubits": 4,
            "programs": {"watch": {"run": Program(watch_link, peer="alice", **watch), "service": True}},
        },
        "lower": {"qubits": 4},
    }
    links = {
        "good": {"chain": ["alice", "upper", "bob"], "length": "10 km", "fidelity": BEST},
        "fair": {"chain": ["alice", "lower", "bob"], "length": "10 km", "fidelity": OTHER},
    }
    run = qnode_cluster(nodes=nodes, links=links, stack={"metric": "fidelity"}, seed=5).run_sync(inline=True)
    assert run["alice.main"] == ["upper", "lower", "lower"]
    measured = [event for event in run.events if event.event == "measure_directly" and event.node == "alice"]
    assert len(measured) > 9  # three axes, again and again
