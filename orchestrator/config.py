"""What a configuration file may say, as frozen models that keep what was written. Pure.

A model holds the user's words: ranges unexpanded, kinds unmerged, what was not given left out. `topology.describe`
turns them into the network that is launched. What is not given is ideal: no decay, durations 0, errors 0, length 0, a
perfect source; the one default that is a size is `hardware.DEFAULT_QUBITS` memory slots for each node.

Keys that begin with `x-` are the user's own and are dropped everywhere; any other unknown key is an error.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Final, Literal

from pydantic import BeforeValidator, ConfigDict, Discriminator, Field, Tag, WithJsonSchema

from orchestrator import checks, units
from orchestrator.failures import DEFAULT_RESTARTS, NEVER, Failures, Restart
from orchestrator.faults import FaultConfig
from orchestrator.graphs import GraphConfig
from orchestrator.hardware import HardwareConfig
from orchestrator.limits import LimitsConfig
from orchestrator.links import LinkConfig
from orchestrator.placing import Hosts, Place
from orchestrator.presets import over_preset
from orchestrator.problems import Finding
from orchestrator.recording import RecordConfig
from orchestrator.stacks import StackConfig
from orchestrator.telemetry.settings import TelemetryConfig
from orchestrator.values import (
    NAME_PATTERN,
    Also,
    Arguments,
    Model,
    Name,
    NameOfOther,
    NodePattern,
    Run,
    Seconds,
    as_text,
    is_name,
    refused,
    without_own_keys,
)

DEFAULT_MAX_STATE_VECTOR_QUBITS: Final = 24

NAMED_STATES: Final = ("0", "1", "+", "-", "i", "-i", "phi+", "phi-", "psi+", "psi-")


class ProgramConfig(Model):
    """What to call, and with which arguments."""

    run: Run = Field(description="file.py:function, from the configuration's folder, or package.module:function.")
    args: Arguments = Field(default_factory=dict, description="Keyword arguments of the function.")
    service: bool = Field(False, description="The run does not wait for its end.")
    start: Seconds = Field(0.0, description="Network time at which it begins.")
    stop: Seconds | None = Field(
        None, description="Network time at which it is stopped, unless it has returned; left out: never."
    )
    memories: Annotated[int, Field(ge=0)] = Field(
        0, description="How many of the node's slots are its own, from the beginning until it is over."
    )
    communication: Annotated[int, Field(ge=0)] = Field(0, description="The same of the node's communication slots.")

    def findings(self) -> Iterator[Finding]:
        if self.stop is not None and units.to_ns(self.stop) <= units.to_ns(self.start):
            detail = f"must be later than its start, {units.written(self.start, units.TIME)}"
            yield Finding(("stop",), detail, needs=(("start",),))


class NodeConfig(HardwareConfig):
    """A node, or as many alike as the ranges in its name make; its own values win over its kind's."""

    model_config = ConfigDict(
        json_schema_extra={
            "dependencies": {"args": ["program"]},
            "not": {
                "type": "object",
                "required": ["program", "programs"],
                "properties": {"program": {"type": "string"}},
            },
        }
    )

    kind: NameOfOther | None = Field(None, description="One of `kinds`, whose values it has where it gives none.")
    program: Run | None = Field(None, description="Short for programs: {main: {run: ...}}.")
    args: Arguments = Field(default_factory=dict, description="Keyword arguments of `program`.")
    programs: Annotated[dict[Name, ProgramConfig], BeforeValidator(without_own_keys)] = Field(
        default_factory=dict, description="Several programs, by name; each talks to those of its name."
    )
    restart: Restart | None = Field(None, description="When its process is lost; left out: what `failures` says.")

    def findings(self) -> Iterator[Finding]:
        yield from super().findings()
        if self.program and "programs" in self.model_fields_set:
            detail = "`program` is short for `programs: {main: {run: ...}}`; use one of the two"
            yield Finding(("program",), detail)
        if "args" in self.model_fields_set and not self.program:
            detail = "`args` belongs to `program`; inside `programs` each program has its own `args`"
            yield Finding(("args",), detail, needs=(("program",),))

    @property
    def all_programs(self) -> Mapping[str, ProgramConfig]:
        """The programs by name, the short form written out."""
        return {"main": ProgramConfig(run=self.program, args=self.args)} if self.program else self.programs


class ClockConfig(Model):
    """What network time is tied to."""

    mode: Literal["virtual", "real"] = Field(
        "virtual", description="virtual: as fast as it can, reproducibly; real: tied to the wall clock."
    )
    speed: Annotated[float, Field(gt=0)] = Field(1.0, description="Network seconds in a second, on the real clock.")
    tick: Seconds | None = Field(None, description="Grid to which the virtual clock rounds every time up.")

    def findings(self) -> Iterator[Finding]:
        if self.mode == "virtual" and "speed" in self.model_fields_set:
            detail = "only the real clock has a speed; the virtual one runs as fast as it can"
            yield Finding(("speed",), detail, needs=(("mode",),))
        if self.mode == "real" and self.tick is not None:
            yield Finding(("tick",), "only the virtual clock has a tick", needs=(("mode",),))
        elif self.tick is not None and units.to_ns(self.tick) < 1:
            yield Finding(("tick",), "must be at least 1 ns")


class DelayMatrix(Model):
    """A table of delays."""

    matrix: Annotated[str, Field(min_length=1)] = Field(
        description="A CSV file: receivers in the first row, senders in the first column, times in the cells."
    )


def _classical_delay(value: object) -> object:
    if value == "along_links" or isinstance(value, dict | DelayMatrix):
        return value
    try:
        return units.parse(value, units.TIME)
    except units.UnitError as error:
        raise refused(f"{error}; or along_links, or {{matrix: file.csv}}") from None


def _sort_of_delay(value: object) -> str:
    return "word" if isinstance(value, str) else "time" if isinstance(value, float) else "table"


ClassicalDelay = Annotated[
    Annotated[Literal["along_links"], Tag("word")]
    | Annotated[float, as_text(units.TIME), WithJsonSchema(units.json_schema(units.TIME)), Tag("time")]
    | Annotated[DelayMatrix, Tag("table")],
    Discriminator(_sort_of_delay),
    BeforeValidator(_classical_delay),
]


class ClassicalConfig(Model):
    """Classical messages, between any two nodes."""

    delay: ClassicalDelay = Field(
        "along_links", description="along_links: the shortest way; or one time for all; or {matrix: file.csv}."
    )


class FailuresConfig(Model):
    """When a node's process is lost."""

    restart: Restart = Field(
        NEVER,
        description="never: it stays away; fresh: it begins again, its qubits lost; resume: executed from the record.",
    )
    restarts: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        DEFAULT_RESTARTS, description="How often a node may be restarted in a run."
    )
    restart_delay: Seconds = Field(0.0, description="Network time from a loss to the new life of a fresh node.")
    detection_delay: Seconds = Field(
        0.0, description="Network time until peers learn of a loss; at least what a message takes."
    )

    def numbers(self) -> Failures:
        return Failures(self.restarts, units.to_ns(self.restart_delay), units.to_ns(self.detection_delay))


class ObservedConfig(Model):
    """What the observer evaluates at a mark."""

    fidelity: Annotated[
        str | None,
        WithJsonSchema({"anyOf": [{"enum": [*NAMED_STATES, 0, 1, None]}, {"type": "string", "pattern": NAME_PATTERN}]}),
    ] = Field(description="To a named state or to the state at another mark; null: of a pair's half, to Phi+.")

    def findings(self) -> Iterator[Finding]:
        if self.fidelity is not None and self.fidelity not in NAMED_STATES and not is_name(self.fidelity):
            states = " ".join(NAMED_STATES)
            detail = f"{self.fidelity!r} is neither a named state ({states}) nor the name of a mark"
            yield Finding(("fidelity",), detail)


def _observation(value: object) -> object:
    if value == "fidelity":
        return {"fidelity": None}
    if isinstance(value, dict) and type(value.get("fidelity")) is int:  # `fidelity: 0` means |0>
        return {**value, "fidelity": str(value["fidelity"])}
    if isinstance(value, dict | ObservedConfig):
        return value
    raise refused(f"{value!r} cannot be observed; write fidelity or {{fidelity: phi+}}")


def _observations(value: object) -> object:
    if not isinstance(value, list | tuple):
        raise refused("must be a list of what to evaluate, such as [fidelity] or [{fidelity: phi+}]")
    return tuple(value)


Observed = Annotated[ObservedConfig, BeforeValidator(_observation), Also({"const": "fidelity"})]
Observations = Annotated[tuple[Observed, ...], BeforeValidator(_observations)]


def _clock(value: object) -> object:
    if isinstance(value, str) and value in ("virtual", "real"):
        return {"mode": value}
    if value is None or isinstance(value, dict | ClockConfig):
        return value
    raise refused(f"{value!r} is not a clock; write virtual, real or {{mode: ..., speed: ..., tick: ...}}")


def _nodes_per_process(value: object) -> object:
    if value == "all" or (isinstance(value, int) and not isinstance(value, bool) and value >= 1):
        return value
    raise refused(f"{value!r} is not a number of nodes; write a whole number from 1, or all")


def _faults(value: object) -> object:
    if value is None:
        return ()
    if not isinstance(value, list | tuple):
        raise refused("must be a list of faults, such as [{at: 3 ms, kill: bob}]")
    return tuple(value)


def _version(value: object) -> object:
    if value == 1 and not isinstance(value, bool):
        return 1
    raise refused(f"{value!r} is not a version that this program reads; write version: 1")


class Config(Model):
    """A network and what runs in it."""

    version: Annotated[Literal[1], BeforeValidator(_version)] = Field(description="Of this format: 1.")
    name: Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\r\n\t]+$")] = Field(
        "network", description="What runs and tables call it."
    )
    seed: Annotated[int, Field(ge=0, lt=2**63)] | None = Field(
        None, description="The same seed, the same run; left out: drawn, printed and saved."
    )
    clock: Annotated[ClockConfig, BeforeValidator(_clock), Also({"enum": ["virtual", "real"]})] = Field(
        ClockConfig(), description="virtual, real or {mode: ..., speed: ..., tick: ...}."
    )
    until: Seconds | None = Field(
        None, description="Network time at which the run ends; left out: when every program has returned."
    )
    kinds: Annotated[dict[Name, HardwareConfig], BeforeValidator(without_own_keys)] = Field(
        default_factory=dict, description="Hardware that nodes share, by name."
    )
    nodes: Annotated[dict[NodePattern, NodeConfig], BeforeValidator(without_own_keys)] = Field(
        description="The nodes by name: letters (a-z, A-Z), digits, _ and -; r[000..997] is 998 of them."
    )
    links: Annotated[dict[Name, LinkConfig], BeforeValidator(without_own_keys)] = Field(
        default_factory=dict, description="Who is joined with whom, by name."
    )
    graphs: Annotated[dict[Name, GraphConfig], BeforeValidator(without_own_keys)] = Field(
        default_factory=dict, description="Nodes and links from files of graphs: GraphML and what NetworkX reads."
    )
    classical: ClassicalConfig = Field(ClassicalConfig(), description="Classical messages.")
    observe: Annotated[dict[Name, Observations], BeforeValidator(without_own_keys)] = Field(
        default_factory=dict, description="What the observer evaluates where a program says node.mark(...), by mark."
    )
    formalism: Literal["auto", "stabilizer", "state_vector", "density_matrix", "bell_diagonal"] = Field(
        "auto", description="How states are kept; auto: each in the cheapest exact way."
    )
    max_state_vector_qubits: Annotated[int, Field(ge=1, le=32)] = Field(
        DEFAULT_MAX_STATE_VECTOR_QUBITS, description="Largest joint state; a larger one is an error."
    )
    nodes_per_process: Annotated[
        int | Literal["all"],
        BeforeValidator(_nodes_per_process),
        WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 1}, {"const": "all"}]}),
    ] = Field(1, description="How many nodes share a process; all: the whole network in one.")
    limits: LimitsConfig = Field(LimitsConfig(), description="What nodes may have of the oracle, and strangers.")
    stack: StackConfig = Field(StackConfig(), description="How nodes that are no neighbours come to share pairs.")
    failures: FailuresConfig = Field(FailuresConfig(), description="What is done when a node's process is lost.")
    record: RecordConfig = Field(RecordConfig(), description="How the record of the run is kept.")
    faults: Annotated[tuple[FaultConfig, ...], BeforeValidator(_faults)] = Field(
        (), description="What happens to the network, and when: a list of faults."
    )
    hosts: Hosts = Field(default_factory=dict, description="Machines by name, or a list of names; for `place`.")
    place: Place = Field(
        default_factory=dict,
        description="The host of `oracle` and of nodes; what is not placed is spread evenly over all hosts.",
    )
    events: bool = Field(True, description="Whether the event log is written.")
    telemetry: TelemetryConfig = Field(
        TelemetryConfig(), description="Events, metrics and statuses over MQTT, and metrics for Prometheus."
    )

    def findings(self) -> Iterator[Finding]:
        return checks.findings(self)

    def hardware(self, node: NodeConfig) -> HardwareConfig:
        """What a node is made of: its kind's values, its own laid over them, and both over a preset."""
        base = self.kinds[node.kind] if node.kind in self.kinds else HardwareConfig()
        return over_preset(node.over(base))
