"""Many requests at once, while links and nodes fail and return: each ends, and gets neither too much nor too little."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from orchestrator import Cluster
from orchestrator.run import Run
from tests.stack.requests_at_once import config, outcomes, wrongs

HERE = Path(__file__).parent
WALL_S = 600.0  # what hangs fails; nothing is measured by it


async def run(tmp_path: Path, network: dict[str, Any], *, inline: bool = True) -> Run:
    async with Cluster.from_dict(network, base=HERE, runs=tmp_path) as net:
        return await net.run(inline=inline, timeout=WALL_S, on_output=None)


def check(found: Run) -> None:
    """That nothing is wrong, and that something happened."""
    assert list(wrongs(found)) == []
    events = Counter(event.event for event in found.events)
    kinds = ("node_restarted", "network_broken", "network_served", "network_refused", "network_expired", "swap")
    assert all(events[kind] for kind in kinds), events
    assert sum(len(ends) == 2 for ends in outcomes(found).values()) > 20


@pytest.mark.parametrize(
    ("seed", "stack"),
    [
        (3, {}),
        (14, {"swap": "nested", "routing": "on_demand", "cutoff": "300 us", "swap_success": 0.8}),
        (10, {"swap": "sequential", "routing": "on_demand", "window": 4}),
    ],
)
async def test_every_request_ends_and_no_pair_or_slot_is_lost(
    seed: int, stack: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Nor does any stack say what another does not take."""
    check(await run(tmp_path, config(seed, 20, 14, breaks=20, kills=4, stack=stack)))
    assert caplog.messages == []


async def test_what_is_left_of_a_request_takes_another_way(tmp_path: Path) -> None:
    """A link of a ring breaks when some pairs are there, and stays so: all the others come over the other side."""
    ring = [f"n{nth}" for nth in range(6)]
    source = {"model": "werner", "fidelity": 1, "success_probability": 0.2}
    ends = {
        one: {"program": "request_programs.py:ask", "args": {"peer": other, "n": 8}}
        for one, other in (("n0", "n3"), ("n3", "n0"))
    }
    network = {
        "version": 1,
        "seed": 1,
        "nodes": {name: {"qubits": 8, **ends.get(name, {})} for name in ring},
        "links": {
            f"l{nth}": {"between": [name, ring[nth - 1]], "length": "10 km", "source": source}
            for nth, name in enumerate(ring)
        },
        "faults": [{"at": "1.2 ms", "break": "l2"}],
    }
    found = await run(tmp_path, network)
    assert found["n0"] == found["n3"]
    assert len(found["n0"]) == 8
    routes = [event.detail for event in found.events if event.event == "network_accepted"]
    assert routes == ["n0 n1 n2 n3", "n0 n5 n4 n3"]
    assert 0 < sum(pair.startswith("n0>n3#0") for pair in found["n0"]) < 8


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 3])
async def test_on_the_real_clock(seed: int, tmp_path: Path) -> None:
    """Without the audits, which begin at a time: how much is done by then is the machine's business."""
    network = config(seed, 12, 10, breaks=10, kills=3, clock={"mode": "real", "speed": 0.05})
    for node in network["nodes"].values():
        del node["programs"]["audit"]
    assert list(wrongs(await run(tmp_path, network, inline=False))) == []


@pytest.mark.slow
async def test_a_hundred_nodes_with_fifty_requests_as_processes(tmp_path: Path) -> None:
    network = config(3, 100, 50, breaks=60, kills=12)
    many = await run(tmp_path, network, inline=False)
    check(many)
    one = await run(tmp_path, network)
    assert one.results == many.results
    assert [*one.events] == [*many.events]
