"""What whoever started a run tells the process beside it, a line of JSON each, and what that process leaves behind."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from orchestrator.folders import write_whole
from qnode.errors import ConfigError
from qnode.wire.keys import Keys
from qnode.wire.unreadable import UNREADABLE

_FILE: Final = "telemetry.json"


class Mqtt(msgspec.Struct, frozen=True):
    """The broker, and how it is spoken to."""

    host: str
    port: int
    tls: bool
    topic: str
    qos: int
    every_s: float
    queue: int
    commands: bool
    clear: bool


class Prometheus(msgspec.Struct, frozen=True):
    host: str
    port: int


class Spec(msgspec.Struct, frozen=True):
    """A run. `programs` are those that it waits for, by node."""

    run: str
    name: str
    seed: int
    clock: str
    version: str
    folder: str
    programs: dict[str, tuple[str, ...]]
    mqtt: Mqtt | None
    prometheus: Prometheus | None


class Reached(msgspec.Struct, frozen=True):
    """How far the run is."""

    now_ns: int
    steps: int


class Steer(msgspec.Struct, frozen=True):
    """Where commands for the run go, and what lets them in."""

    address: str
    token: bytes
    keys: Keys | None = None


class End(msgspec.Struct, frozen=True):
    """The run is over, and its event log is complete.

    Attributes:
        lost: Nodes whose processes were lost.
        limit_s: Wall time that is left to tell the broker.
    """

    lost: tuple[str, ...]
    limit_s: float


class Order(msgspec.Struct, omit_defaults=True, frozen=True):
    """One line: whichever is there."""

    spec: Spec | None = None
    reached: Reached | None = None
    steer: Steer | None = None
    end: End | None = None


class Outcome(msgspec.Struct, frozen=True):
    """What became of the events of a run, as it is kept with the run.

    Attributes:
        offered, published, dropped: Events; the first is the sum of the others.
        problem: What was wrong last, or "".
    """

    offered: int
    published: int
    dropped: int
    problem: str


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Order).decode
_decode_outcome = msgspec.json.Decoder(Outcome).decode


def encode_order(order: Order) -> bytes:
    return _encode(order) + b"\n"


def decode_order(line: bytes) -> Order:
    return _decode(line)


def write_outcome(folder: Path, outcome: Outcome) -> None:
    """Keep it with the run: all of it or nothing, for this process may be killed meanwhile. Raises OSError."""
    write_whole(folder / _FILE, _encode(outcome) + b"\n")


def read_outcome(folder: Path) -> Outcome | None:
    """What was kept; None if nothing is there. Raises ConfigError if it cannot be read."""
    file = folder / _FILE
    try:
        return _decode_outcome(file.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(place=str(file), detail=error.strerror or str(error)) from None
    except UNREADABLE as error:
        raise ConfigError(place=str(file), detail=f"this is not what telemetry leaves behind: {error}") from None
