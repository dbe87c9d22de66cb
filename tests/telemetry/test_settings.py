"""What a configuration says about telemetry, and what is said of it when it cannot be."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from orchestrator import Cluster, dumping, saved
from orchestrator.loader import load, loads
from orchestrator.problems import ConfigErrors
from orchestrator.telemetry.settings import address_of
from qnode.errors import ConfigError
from tests.cli.commands import qnode
from tests.telemetry.networks import cluster

HEAD = "version: 1\nnodes: {alice: {}}\ntelemetry: "


def test_short_forms_are_written_out() -> None:
    config = loads(HEAD + "{mqtt: 'mqtt://host', prometheus: 9000}")
    assert config.telemetry.mqtt is not None
    assert config.telemetry.prometheus is not None
    assert (config.telemetry.mqtt.topic, config.telemetry.mqtt.every) == ("qnode", 0.2)
    assert (config.telemetry.prometheus.port, config.telemetry.prometheus.host) == (9000, "127.0.0.1")


@pytest.mark.parametrize("text", ["{}", "null", "{mqtt: null, prometheus: null}"])
def test_nothing_is_on_by_itself(text: str) -> None:
    telemetry = loads(HEAD + text).telemetry
    assert (telemetry.mqtt, telemetry.prometheus) == (None, None)


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("mqtt://host", ("host", 1883, False)),
        ("mqtts://a.example:88/", ("a.example", 88, True)),
        ("mqtts://[::1]", ("::1", 8883, True)),
    ],
)
def test_addresses(url: str, address: tuple[str, int, bool]) -> None:
    config = loads(HEAD + f"{{mqtt: '{url}'}}")
    assert config.telemetry.mqtt is not None
    assert address_of(config.telemetry.mqtt.broker) == address


def test_it_is_set_from_the_command_line_like_anything_else_and_saved(tmp_path: Path) -> None:
    (tmp_path / "net.yaml").write_text("version: 1\nnodes: {alice: {}}\n")
    config = load(tmp_path / "net.yaml", ["telemetry.mqtt.broker=mqtt://host", "telemetry.mqtt.every=1 s"])
    assert loads(dumping.dump(config)) == config
    assert load(tmp_path / "net.yaml", ["telemetry.mqtt=mqtt://host"]).telemetry.mqtt is not None


WRONG = {
    "{mqtt: {}}": "3:13: telemetry.mqtt.broker: is missing",
    "{mqtt: 'localhost:1883'}": (
        "3:19: telemetry.mqtt: 'localhost:1883' is no broker's address; write mqtt://host:port, or "
        "mqtts://host:port for TLS"
    ),
    "{mqtt: 'mqts://host'}": (
        "telemetry.mqtt: 'mqts' is no way to a broker (did you mean 'mqtts'?); allowed: mqtt, mqtts (TLS)"
    ),
    "{mqtt: 'mqtt://me:secret@host'}": (
        "telemetry.mqtt: leave user name and password out of the file; set QNODE_MQTT_USERNAME and QNODE_MQTT_PASSWORD"
    ),
    "{mqtt: 'mqtt://host:70000'}": "after mqtt:// comes a host, and a port from 1 to 65535 if any",
    "{mqtt: {broker: 'mqtt://h', topic: 'a/#'}}": "telemetry.mqtt.topic: 'a/#' cannot begin a topic",
    "{mqtt: {broker: 'mqtt://h', qos: 2}}": "telemetry.mqtt.qos: ",
    "{mqtt: {broker: 'mqtt://h', every: 0 s}}": "telemetry.mqtt.every: must be from 10 ms to 60 s",
    "{mqtt: {broker: 'mqtt://h', linger: 2 min}}": "telemetry.mqtt.linger: must be at most 60 s",
    "{mqtt: {broker: 'mqtt://h', evry: 1 s}}": "telemetry.mqtt.evry: unknown key (did you mean 'every'?)",
    "{mqtt: {broker: 'mqtt://h', queue: 0}}": "telemetry.mqtt.queue: must be at least 1, not 0",
    "{prometheus: 70000}": "telemetry.prometheus: must be at most 65535, not 70000",
    "{mqqt: 'mqtt://host'}": "telemetry.mqqt: unknown key (did you mean 'mqtt'?); allowed here: mqtt, prometheus",
    "{prometheus: 9464}\nevents: false": ("4:9: events: telemetry is made of the event log; leave one of the two out"),
}


@pytest.mark.parametrize(("text", "expected"), WRONG.items(), ids=WRONG)
def test_what_is_wrong_is_said(text: str, expected: str) -> None:
    with pytest.raises(ConfigErrors) as refused:
        loads(HEAD + text, "net.yaml")
    assert expected in str(refused.value)


@pytest.mark.parametrize(("key", "module"), [("mqtt", "aiomqtt"), ("prometheus", "prometheus_client")])
async def test_a_package_that_is_missing_is_said_before_anything_starts(
    key: str, module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)  # as if it were not installed
    value: object = {"mqtt": "mqtt://host", "prometheus": 0}[key]
    data = {"version": 1, "nodes": {"alice": {}}, "telemetry": {key: value}}
    with pytest.raises(ConfigError) as refused:
        await Cluster.from_dict(data, runs=tmp_path / "runs").run()
    assert f"telemetry.{key}: {module} is needed for it, and is not installed: pip install 'qnode[{key}]'" in str(
        refused.value
    )
    assert not (tmp_path / "runs").exists()


async def test_a_run_in_one_process_publishes_too(tmp_path: Path) -> None:
    run = await cluster(tmp_path, "mqtt://127.0.0.1:1").run(inline=True)
    assert run.telemetry is not None
    assert run.telemetry.dropped == run.telemetry.offered == run.events_bytes.count(b"\n")
    assert saved.load(run.folder).telemetry == run.telemetry


def test_doctor_knows_of_it(tmp_path: Path) -> None:
    doctor = qnode("doctor", cwd=tmp_path).out
    assert "aiomqtt" in doctor
    assert "prometheus-client" in doctor
