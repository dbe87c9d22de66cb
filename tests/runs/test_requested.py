"""What a log tells of requests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from orchestrator import Cluster, report
from orchestrator.oracle.events import Event
from orchestrator.requested import LOST, OPEN, requested, summed_up


def tells(t: int, node: str, event: str, request: int = 1, **more: object) -> Event:
    return Event(t, 0, node, event, program="main", request=request, **more)  # type: ignore[arg-type]


def test_each_way_that_a_request_can_go() -> None:
    ways: dict[str, list[tuple[str, dict[str, Any]]]] = {
        "served": [
            ("network_queued", {}),
            ("network_accepted", {"detail": "a r b"}),
            ("network_broken", {}),
            ("network_accepted", {"detail": "a s b"}),
            ("network_deliver", {}),
            ("network_deliver", {}),
            ("network_served", {}),
        ],
        "refused": [("network_refused", {"detail": "no way"})],
        "withdrawn": [("network_withdrawn", {})],
        "expired": [("network_deliver", {}), ("network_expired", {})],
        OPEN: [],
    }
    for state, events in ways.items():
        log = [tells(5, "a", "network_request", peer="b", n=2, name="tag")]
        log += [tells(10 + nth, "a", event, **more) for nth, (event, more) in enumerate(events)]
        (row,) = requested([tells(1, "a", "gate"), *log, tells(90, "c", "network_served")])
        assert (row.node, row.peer, row.tag, row.wanted, row.asked_ns) == ("a", "b", "tag", 2, 5)
        assert row.state == state
        assert row.delivered == sum(event == "network_deliver" for event, _ in events)
        assert (row.ended_ns is None) == (state == OPEN)
        if state == "served":
            assert row[10:] == (("a", "s", "b"), 2, 1, 14, 15, 16)
            assert row.waited_ns == 9
        if state == "refused":
            assert row.reason == "no way"


def test_a_node_that_begins_again_counts_its_requests_anew() -> None:
    log = [
        tells(1, "a", "network_request", peer="b", n=1),
        Event(3, 0, "a", "node_lost"),
        tells(5, "a", "network_request", peer="b", n=1),
        tells(7, "a", "network_deliver"),
        tells(7, "a", "network_served"),
    ]
    assert [row.state for row in requested(log)] == [LOST, "served"]
    sentence = "2 requests of a's main with b: 1 served, 1 lost; 1 pair, the first after 2 ns on average"
    assert summed_up(requested(log)) == [sentence]


async def test_a_run_tells_of_its_requests(tmp_path: Path) -> None:
    nodes = {
        name: {"qubits": 4, "program": "far.py:measure", "args": {"peer": peer, "n": 2, "times": 3}}
        for name, peer in (("a", "b"), ("b", "a"))
    }
    config = {
        "version": 1,
        "name": "asked",
        "seed": 1,
        "nodes": {**nodes, "r": {"qubits": 4}},
        "links": {"all": {"chain": ["a", "r", "b"], "length": "10 km"}},
    }
    base = Path(__file__).parents[1] / "stack" / "programs"
    run = await Cluster.from_dict(config, base=base, runs=tmp_path).run(inline=True)
    assert [(row.state, row.delivered) for row in run.requests] == [("served", 2)] * 6
    assert {row.route for row in run.requests if row.route} == {("a", "r", "b")}
    assert all(0 < row.waited_ns <= row.last_ns - row.asked_ns for row in run.requests)  # type: ignore[operator]
    said = report.requests(run)
    assert [line.partition(":")[0] for line in said] == [
        "3 requests of a's main with b",
        "3 requests of b's main with a",
    ]
    assert all("3 served; 6 pairs, the first after" in line for line in said)
