"""What Prometheus reads: text at /metrics, made when it is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Protocol

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from orchestrator.telemetry.backlog import Backlog
from orchestrator.telemetry.orders import Prometheus, Spec
from orchestrator.telemetry.tally import Tally

_COUNTS: Final = {
    "pairs": "Bell pairs that were made.",
    "messages": "Classical messages that were sent.",
    "quantum_operations": "Qubits made, gates, measurements, resets and discards in the log.",
    "refused": "Whatever nodes asked for that was refused.",
}


class Watched(Protocol):
    """The broker, as far as it is told of."""

    @property
    def backlog(self) -> Backlog: ...
    @property
    def connected(self) -> bool: ...


class Metrics(Collector):
    """The metrics of one run. Read by the server's threads, while the loop's thread counts on.

    Args:
        spec: The run.
        tally: What its log tells.
        broker: None without one.
    """

    def __init__(self, spec: Spec, tally: Tally, broker: Watched | None) -> None:
        self._spec = spec
        self._tally = tally
        self._broker = broker

    def collect(self) -> Iterator[Metric]:
        spec, tally = self._spec, self._tally
        labels = {"run": spec.run, "name": spec.name, "seed": str(spec.seed), "version": spec.version}
        yield InfoMetricFamily("qnode_run", "The run that these metrics are of.", value=labels)
        yield GaugeMetricFamily("qnode_network_time_seconds", "Network time.", value=tally.now_ns / 1e9)
        yield CounterMetricFamily("qnode_steps", "Steps of the virtual clock.", value=tally.steps)
        events = CounterMetricFamily("qnode_events", "Events in the log.", labels=["node", "kind"])
        for (node, kind), n in list(tally.events.items()):
            events.add_metric([node, kind], n)
        yield events
        for name, n in tally.counts().items():
            yield CounterMetricFamily(f"qnode_{name}", _COUNTS[name], value=n)
        nodes = GaugeMetricFamily("qnode_nodes", "Nodes by their status.", labels=["status"])
        statuses = list(tally.status.values())
        for status in dict.fromkeys(statuses):
            nodes.add_metric([status], statuses.count(status))
        yield nodes
        if self._broker is not None:
            connected = self._broker.connected
            yield GaugeMetricFamily("qnode_broker_connected", "1 while the broker is connected.", value=connected)
            yield from _of_backlog(self._broker.backlog)


def _of_backlog(backlog: Backlog) -> Iterator[Metric]:
    for name, what, n in (
        ("offered", "Events that were to be published.", backlog.offered),
        ("published", "Events that the broker took.", backlog.published),
        ("dropped", "Events that the broker could not take.", backlog.dropped),
    ):
        yield CounterMetricFamily(f"qnode_telemetry_{name}", what, value=n)
    yield GaugeMetricFamily("qnode_telemetry_waiting", "Events that wait for the broker.", value=backlog.waiting)


def serve(metrics: Metrics, where: Prometheus) -> int:
    """Answer Prometheus, in threads, until this process ends; the port. Raises OSError if the port cannot be had."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(metrics)
    server, _ = start_http_server(where.port, where.host, registry)
    return int(server.server_port)
