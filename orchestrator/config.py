"""What a configuration file may say, as frozen models that keep what was written. Pure.

A model holds the user's words: ranges unexpanded, kinds unmerged, what was not given left out. `topology.describe`
turns them into the network that is launched. What is not given is ideal: no decay, durations 0, errors 0, length 0, a
perfect source; the one default that is a size is `DEFAULT_QUBITS` memory slots for each node.

Keys that begin with `x-` are the user's own and are dropped everywhere; any other unknown key is an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Final, Literal, Self

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator

from orchestrator import checks, units
from orchestrator.links import LinkConfig
from orchestrator.values import (
    Arguments,
    Model,
    Name,
    NodePattern,
    Probability,
    Refused,
    Run,
    Seconds,
    is_name,
    without_own_keys,
)

DEFAULT_QUBITS: Final = 16
DEFAULT_MAX_STATE_VECTOR_QUBITS: Final = 24

NAMED_STATES: Final = ("0", "1", "+", "-", "i", "-i", "phi+", "phi-", "psi+", "psi-")


class GateConfig(Model):
    """How long an operation takes, and its average gate infidelity 1 - F_avg (depolarising)."""

    most_error: ClassVar[float] = 2 / 3  # where the probability of a non-identity Pauli, r (d + 1) / d, reaches 1

    duration: Seconds = 0.0
    error: Probability = 0.0

    @model_validator(mode="after")
    def _error_is_possible(self) -> Self:
        if self.error > self.most_error:
            raise Refused(f"{self.error} is more than full depolarisation allows ({self.most_error:.4g})", "error")
        return self


class TwoQubitGateConfig(GateConfig):
    most_error: ClassVar[float] = 4 / 5


class ReadoutConfig(Model):
    """Wrong reports: `p01` reads 0 though the truth is 1, `p10` reads 1 though it is 0."""

    p01: Probability = 0.0
    p10: Probability = 0.0


class MeasureConfig(GateConfig):
    readout: ReadoutConfig = ReadoutConfig()


class GatesConfig(Model):
    single: GateConfig = GateConfig()
    two: TwoQubitGateConfig = TwoQubitGateConfig()
    measure: MeasureConfig = MeasureConfig()


class HardwareConfig(Model):
    """What a kind and a node have in common; a time that is not given is infinite."""

    qubits: Annotated[int, Field(ge=1)] = DEFAULT_QUBITS
    t1: Seconds | None = None
    t2: Seconds | None = None
    gates: GatesConfig = GatesConfig()

    @model_validator(mode="after")
    def _times_are_times(self) -> Self:
        for key in ("t1", "t2"):
            if getattr(self, key) == 0:
                raise Refused("must be longer than 0; leave it out for a memory that never decays", key)
        return self


class ProgramConfig(Model):
    run: Run
    args: Arguments = Field(default_factory=dict)
    service: bool = False


class NodeConfig(HardwareConfig):
    kind: Name | None = None
    program: Run | None = None
    args: Arguments = Field(default_factory=dict)
    programs: Annotated[dict[Name, ProgramConfig], BeforeValidator(without_own_keys)] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_way_of_saying_it(self) -> Self:
        if self.program and "programs" in self.model_fields_set:
            raise Refused("`program` is short for `programs: {main: {run: ...}}`; use one of the two", "program")
        if "args" in self.model_fields_set and not self.program:
            raise Refused("`args` belongs to `program`; inside `programs` each program has its own `args`", "args")
        return self

    @property
    def all_programs(self) -> Mapping[str, ProgramConfig]:
        """The programs by name, the short form written out."""
        return {"main": ProgramConfig(run=self.program, args=self.args)} if self.program else self.programs


class ClockConfig(Model):
    """`virtual` or `real`; network time runs at `speed` on the real clock, on a grid of `tick` on the virtual one."""

    mode: Literal["virtual", "real"] = "virtual"
    speed: Annotated[float, Field(gt=0)] = 1.0
    tick: Seconds | None = None

    @model_validator(mode="after")
    def _fits_the_mode(self) -> Self:
        if self.mode == "virtual" and "speed" in self.model_fields_set:
            raise Refused("only the real clock has a speed; the virtual one runs as fast as it can", "speed")
        if self.mode == "real" and self.tick is not None:
            raise Refused("only the virtual clock has a tick", "tick")
        if self.tick is not None and units.to_ns(self.tick) < 1:
            raise Refused("must be at least 1 ns", "tick")
        return self


class DelayMatrix(Model):
    matrix: Annotated[str, Field(min_length=1)]


def _classical_delay(value: object) -> object:
    if value == "along_links" or isinstance(value, dict | DelayMatrix):
        return value
    try:
        return units.parse(value, units.TIME)
    except units.UnitError as error:
        raise Refused(f"{error}; or along_links, or {{matrix: file.csv}}") from None


def _sort_of_delay(value: object) -> str:
    return "word" if isinstance(value, str) else "time" if isinstance(value, float) else "table"


ClassicalDelay = Annotated[
    Annotated[Literal["along_links"], Tag("word")]
    | Annotated[float, Tag("time")]
    | Annotated[DelayMatrix, Tag("table")],
    Discriminator(_sort_of_delay),
    BeforeValidator(_classical_delay),
]


class ClassicalConfig(Model):
    delay: ClassicalDelay = "along_links"


class ObservedConfig(Model):
    """Evaluated at a mark: `fidelity` to a named state or another mark's state; None (bare) to Phi+ of its pair."""

    fidelity: str | None

    @model_validator(mode="after")
    def _known(self) -> Self:
        if self.fidelity is not None and self.fidelity not in NAMED_STATES and not is_name(self.fidelity):
            states = " ".join(NAMED_STATES)
            raise Refused(f"{self.fidelity!r} is neither a named state ({states}) nor the name of a mark", "fidelity")
        return self


def _observation(value: object) -> object:
    if value == "fidelity":
        return {"fidelity": None}
    if isinstance(value, dict) and type(value.get("fidelity")) is int:  # `fidelity: 0` means |0>
        return {**value, "fidelity": str(value["fidelity"])}
    if isinstance(value, dict | ObservedConfig):
        return value
    raise Refused(f"{value!r} cannot be observed; write fidelity or {{fidelity: phi+}}")


def _observations(value: object) -> object:
    if not isinstance(value, list | tuple):
        raise Refused("must be a list of what to evaluate, such as [fidelity] or [{fidelity: phi+}]")
    return tuple(value)


Observed = Annotated[ObservedConfig, BeforeValidator(_observation)]


def _clock(value: object) -> object:
    if isinstance(value, str) and value in ("virtual", "real"):
        return {"mode": value}
    if value is None or isinstance(value, dict | ClockConfig):
        return value
    raise Refused(f"{value!r} is not a clock; write virtual, real or {{mode: ..., speed: ..., tick: ...}}")


def _nodes_per_process(value: object) -> object:
    if value == "all" or (isinstance(value, int) and not isinstance(value, bool) and value >= 1):
        return value
    raise Refused(f"{value!r} is not a number of nodes; write a whole number from 1, or all")


def _version(value: object) -> object:
    if value == 1 and not isinstance(value, bool):
        return 1
    raise Refused(f"{value!r} is not a version that this program reads; write version: 1")


class Config(Model):
    """A whole file."""

    version: Annotated[Literal[1], BeforeValidator(_version)]
    name: Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\r\n\t]+$")] = "network"
    seed: Annotated[int, Field(ge=0, lt=2**63)] | None = None
    clock: Annotated[ClockConfig, BeforeValidator(_clock)] = ClockConfig()
    until: Seconds | None = None
    kinds: Annotated[dict[Name, HardwareConfig], BeforeValidator(without_own_keys)] = Field(default_factory=dict)
    nodes: Annotated[dict[NodePattern, NodeConfig], BeforeValidator(without_own_keys)]
    links: Annotated[dict[Name, LinkConfig], BeforeValidator(without_own_keys)] = Field(default_factory=dict)
    classical: ClassicalConfig = ClassicalConfig()
    observe: Annotated[
        dict[Name, Annotated[tuple[Observed, ...], BeforeValidator(_observations)]], BeforeValidator(without_own_keys)
    ] = Field(default_factory=dict)
    formalism: Literal["auto", "stabilizer", "state_vector", "density_matrix"] = "auto"
    max_state_vector_qubits: Annotated[int, Field(ge=1, le=32)] = DEFAULT_MAX_STATE_VECTOR_QUBITS
    nodes_per_process: Annotated[int | Literal["all"], BeforeValidator(_nodes_per_process)] = 1
    events: bool = True

    @model_validator(mode="after")
    def _hangs_together(self) -> Self:
        for problem in checks.problems(self):
            raise Refused(problem.detail, *problem.path)
        return self

    def hardware(self, node: NodeConfig) -> HardwareConfig:
        """What a node is made of: its kind's values, its own laid over them."""
        base = self.kinds[node.kind] if node.kind is not None else HardwareConfig()
        merged: HardwareConfig = node.over(base)
        return merged
