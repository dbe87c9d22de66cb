"""What a configuration may say about telemetry. Pure."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from orchestrator.near import nearest
from orchestrator.telemetry.credentials import PASSWORD, USERNAME
from orchestrator.values import Also, Model, Seconds, refused

DEFAULT_PORTS: Final = {"mqtt": 1883, "mqtts": 8883}

BROKER_PATTERN: Final = r"^mqtts?://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:0*([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]))?/?$"
TOPIC_PATTERN: Final = r"^[A-Za-z0-9_.~-]+(/[A-Za-z0-9_.~-]+)*$"
_BROKER: Final = re.compile(BROKER_PATTERN.removesuffix("$") + r"\Z")
_TOPIC: Final = re.compile(TOPIC_PATTERN.removesuffix("$") + r"\Z")
_BROKER_SCHEMA: Final = {
    "title": "address",
    "type": "string",
    "pattern": BROKER_PATTERN,
    "examples": ["mqtt://localhost:1883"],
}
_PORT_SCHEMA: Final = {"type": "integer", "minimum": 0, "maximum": 65535}


def _broker(text: str) -> str:
    if _BROKER.match(text):
        return text
    scheme, found, rest = text.partition("://")
    if not found:
        raise refused(f"{text!r} is no broker's address; write mqtt://host:port, or mqtts://host:port for TLS")
    if scheme not in DEFAULT_PORTS:
        raise refused(f"{scheme!r} is no way to a broker{nearest(scheme, DEFAULT_PORTS)}; allowed: mqtt, mqtts (TLS)")
    if "@" in rest:
        raise refused(f"leave user name and password out of the file; set {USERNAME} and {PASSWORD}")
    raise refused(f"{text!r} is no broker's address; after {scheme}:// comes a host, and a port from 1 to 65535 if any")


def _topic(text: str) -> str:
    if not _TOPIC.match(text):
        raise refused(f"{text!r} cannot begin a topic; use letters (a-z, A-Z), digits and _.~- with / in between")
    return text


def _every(value: float) -> float:
    if not 0.01 <= value <= 60:
        raise refused("must be from 10 ms to 60 s")
    return value


def _linger(value: float) -> float:
    if value > 60:
        raise refused("must be at most 60 s: the end of the run waits for it")
    return value


Broker = Annotated[str, AfterValidator(_broker), WithJsonSchema(_BROKER_SCHEMA)]


class MqttConfig(Model):
    """Where a run publishes its events, metrics and statuses, and takes commands."""

    broker: Broker = Field(description="mqtt://host:port (1883 if left out), or mqtts:// for TLS (8883).")
    topic: Annotated[
        str,
        Field(max_length=200),
        AfterValidator(_topic),
        WithJsonSchema({"type": "string", "maxLength": 200, "pattern": TOPIC_PATTERN}),
    ] = Field("qnode", description="What all topics begin with; the run's id comes next.")
    qos: Literal[0, 1] = Field(
        1, description="Of events: 1 counts as published what the broker has acknowledged; 0 what was sent."
    )
    every: Annotated[Seconds, AfterValidator(_every)] = Field(
        0.2, description="Wall time between two looks at the event log; a node's events since the last go together."
    )
    queue: Annotated[int, Field(ge=1)] = Field(
        50_000, description="Events that wait for a slow broker; beyond, the oldest are dropped and counted."
    )
    linger: Annotated[Seconds, AfterValidator(_linger)] = Field(
        1.0, description="Wall time after the end of the run in which a broker that listens is still told."
    )
    commands: bool = Field(True, description="Whether whoever may publish to the broker may pause and stop the run.")
    clear: bool = Field(False, description="Whether what is retained is removed from the broker at the end of the run.")


class PrometheusConfig(Model):
    """Where Prometheus reads the metrics of a run."""

    port: Annotated[int, Field(ge=0, le=65535)] = Field(9464, description="For /metrics; 0: any that is free.")
    host: Annotated[str, Field(min_length=1)] = Field("127.0.0.1", description="The address to listen at.")


def _mqtt(value: object) -> object:
    return {"broker": value} if isinstance(value, str) else value


def _prometheus(value: object) -> object:
    return {"port": value} if isinstance(value, int) and not isinstance(value, bool) else value


class TelemetryConfig(Model):
    """What a run tells the outside while it goes on. Nothing of it is on unless it is here."""

    mqtt: Annotated[MqttConfig | None, BeforeValidator(_mqtt), Also(_BROKER_SCHEMA)] = Field(
        None, description="A broker's address, or a mapping; left out: off."
    )
    prometheus: Annotated[PrometheusConfig | None, BeforeValidator(_prometheus), Also(_PORT_SCHEMA)] = Field(
        None, description="A port, or a mapping; left out: off."
    )


def address_of(broker: str) -> tuple[str, int, bool]:
    """Host, port and whether it speaks TLS."""
    parts = urlsplit(broker)
    return parts.hostname or "", parts.port or DEFAULT_PORTS[parts.scheme], parts.scheme == "mqtts"
