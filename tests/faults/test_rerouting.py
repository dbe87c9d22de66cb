"""Links that break: both ends learn of it, and what needs them goes another way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from orchestrator.oracle.network import build_core
from orchestrator.run import Run
from qnode.ids import NodeName
from qnode.wire.faults import Fault
from qnode.wire.items import LinkDown, LinkUp
from qnode.wire.messages import Report
from tests.faults.test_random_scripts import described
from tests.faults.worlds import both, network, program, run

MS = 1_000_000


def diamond(faults: list[dict[str, Any]], **stack: Any) -> dict[str, Any]:
    """alice and dave, with bob and carol between them."""
    ends = {"alice": program("meets", peer="dave"), "dave": program("meets", peer="alice")}
    links = {
        "short": {"chain": ["alice", "bob", "dave"], "length": "10 km"},
        "long": {"chain": ["alice", "carol", "dave"], "length": "11 km"},
    }
    return {**network({**ends, "bob": {}, "carol": {}}, faults), "links": links, "stack": stack}


def ways(done: Run) -> list[str]:
    """Who swapped for the pairs, in order."""
    assert done["alice"] == done["dave"]
    return [event.node for event in done.events if event.event == "swap"]


@pytest.mark.parametrize("link", ["short[0]", "short[1]"])
async def test_requests_go_round_a_broken_link_and_back_when_it_is_mended(link: str, tmp_path: Path) -> None:
    done = await both(diamond([{"at": "3 ms", "break": link, "for": "4 ms"}]), tmp_path)
    assert ways(done) == ["bob", "bob", "carol", "bob"]


async def test_who_seeks_routes_seeks_another_when_one_is_broken(tmp_path: Path) -> None:
    config = diamond([{"at": "3 ms", "break": "short[1]"}], routing="on_demand")
    assert ways(await run(config, tmp_path, inline=True)) == ["bob", "bob", "carol", "carol"]


async def test_requests_go_round_a_node_that_is_gone_and_through_its_next_life(tmp_path: Path) -> None:
    config = diamond([{"at": "3 ms", "kill": "bob", "restart": "fresh"}])
    done = await run({**config, "failures": {"restart_delay": "4 ms"}}, tmp_path, inline=True)
    assert ways(done) == ["bob", "bob", "carol", "bob"]


@pytest.mark.parametrize("routing", ["link_state", "on_demand"])
async def test_without_any_way_a_request_is_refused_at_both_ends(routing: str, tmp_path: Path) -> None:
    faults = [{"at": "1 ms", "break": "*", "for": "4 ms"}]
    done = await run(diamond(faults, routing=routing), tmp_path, inline=True)
    assert (done.summary.how, done.exit_code) == ("done", 0)
    assert [event.node for event in done.events if event.event == "swap"] == ["bob", "bob"]
    for me, peer in (("alice", "dave"), ("dave", "alice")):
        why = {"link_state": f"{me} reaches only: nobody", "on_demand": f"nobody that {me} can ask knows a way"}
        assert done[me][1:-1] == [f"no route from {me} to {peer}: {why[routing]}"] * 2
    assert done["alice"][::3] == done["dave"][::3]


def told(script: list[Fault], detection_ns: int = 0) -> dict[str, list[tuple[int, object]]]:
    """What becomes of links, as each of alice, bob and carol, 50 ns apart in a row, hears of it, and when."""
    core = build_core(described(script, 1, -1, detection_ns=detection_ns, restart_ns=10), None, None)
    heard: dict[str, list[tuple[int, object]]] = {"alice": [], "bob": [], "carol": []}
    grants, steps = core.first_grants(), dict.fromkeys(map(NodeName, heard), 0)
    while grants:
        for node, grant in grants.items():
            heard[node] += [(grant.now_ns, item) for item in grant.items if isinstance(item, LinkDown | LinkUp)]
            steps[node] = grant.step + 1
            life = core.lives.current[node]
            core.report(Report(node, life, steps[node], grant.now_ns + 7, None, 0, ()))
        core.execute()
        grants = core.grants()
    return heard


@pytest.mark.parametrize(("detection_ns", "late"), [(0, 50), (30, 50), (200, 200)])
def test_both_ends_learn_of_it_when_it_is_noticed_and_light_could_tell(detection_ns: int, late: int) -> None:
    script = [Fault("break", 100, for_ns=20, links=(("bob", "alice"),)), Fault("heal", 500, links=(("bob", "carol"),))]
    news = {peer: [(100 + late, LinkDown(peer)), (120 + late, LinkUp(peer))] for peer in ("alice", "bob")}
    assert told(script, detection_ns) == {"alice": news["bob"], "bob": news["alice"], "carol": []}


def test_breaks_that_overlap_are_one() -> None:
    links = (("alice", "bob"),)
    script = [Fault("break", 100, for_ns=500, links=links), Fault("break", 200, for_ns=900, links=links)]
    assert told(script)["alice"] == [(150, LinkDown("bob")), (1150, LinkUp("bob"))]


def test_the_next_life_of_a_node_is_told_at_once_what_is_broken() -> None:
    links = (("alice", "bob"),)
    script = [
        Fault("break", 100, for_ns=900, links=links),
        Fault("kill", 120, nodes=("alice",), fresh=True),
        Fault("kill", 500, nodes=("alice",), fresh=True),
        Fault("kill", 995, nodes=("alice",), fresh=True),
    ]
    assert told(script)["alice"] == [(130, LinkDown("bob")), (510, LinkDown("bob"))]
    assert told(script)["bob"] == [(150, LinkDown("alice")), (1050, LinkUp("alice"))]
