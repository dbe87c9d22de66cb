"""What Prometheus reads of a run while it goes on."""

from __future__ import annotations

import asyncio
import re
import socket
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.broker import SilentServer
from orchestrator import Cluster, report
from qnode import __version__
from tests.telemetry.networks import HERE, until_told


def network(prometheus: object, nodes: dict[str, Any], **telemetry: object) -> dict[str, Any]:
    return {
        "version": 1,
        "name": "net",
        "seed": 7,
        "nodes": nodes,
        "telemetry": {"prometheus": prometheus, **telemetry},
    }


async def test_metrics_are_read_while_the_run_goes_on(tmp_path: Path) -> None:
    nodes, file = until_told(tmp_path)
    said: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def hear(line: str) -> None:
        if (found := re.search(r"http://\S+", line)) and not said.done():
            said.set_result(found[0])

    with SilentServer() as silent:
        net = Cluster.from_dict(network({"port": 0}, nodes, mqtt=silent.url), base=HERE, runs=tmp_path)
        running = asyncio.create_task(net.run(on_output=hear))
        url = await asyncio.wait_for(said, 60)
        names = {"qnode_steps_total", "qnode_quantum_operations_total", "qnode_network_time_seconds"}
        found = await asyncio.to_thread(read_until, url, names)
        file.touch()
        run = await running
    assert found["qnode_run_info"] == {("net", "net-1", "7", __version__): 1}
    assert found["qnode_events_total"]["create", "alice"] == 1
    assert 0 < found["qnode_events_total"]["gate", "alice"] <= run["alice"]
    assert found["qnode_quantum_operations_total"][()] >= found["qnode_events_total"]["gate", "alice"]
    assert found["qnode_nodes"] == {("running",): 1}
    assert found["qnode_network_time_seconds"][()] > 0
    assert found["qnode_broker_connected"] == {(): 0}
    assert found["qnode_telemetry_offered_total"][()] == found["qnode_telemetry_waiting"][()] > 0
    for name in ("pairs", "messages", "refused", "telemetry_published", "telemetry_dropped"):
        assert found[f"qnode_{name}_total"] == {(): 0}


def read_until(url: str, names: set[str]) -> dict[str, dict[tuple[str, ...], float]]:
    """What stands there once some metrics are more than 0; each reading waits for the answer to the one before."""
    while True:
        with urllib.request.urlopen(url, timeout=60) as answer:
            assert answer.headers["Content-Type"].startswith("text/plain; version=")
            text = answer.read().decode()
        found: dict[str, dict[tuple[str, ...], float]] = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                labels = tuple(value for _, value in sorted(sample.labels.items()))
                found.setdefault(sample.name, {})[labels] = sample.value
        if all(any(found.get(name, {}).values()) for name in names):
            return found


async def test_a_port_that_is_taken_is_said_and_the_run_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        run = await Cluster.from_dict(network(port, {"alice": {}}), base=HERE, runs=tmp_path).run()
    problem = f"no metrics for Prometheus at 127.0.0.1:{port}: Address already in use"
    assert report.warnings(run) == [f"telemetry: {problem}"]
    assert f"telemetry | {problem}; the run goes on\n" in capsys.readouterr().out
