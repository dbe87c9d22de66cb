"""What a node is made of, as a configuration says it, and the numbers that it means. Pure.

A node is laid over its kind, and both over a preset, field by field. Where two fields speak of the same thing, such as
`t2` and `memory: {t2: ...}`, the one that is laid over replaces the other.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Final, Literal, NamedTuple, TypeVar, get_args

from pydantic import BeforeValidator, Field, WithJsonSchema

from orchestrator import units
from orchestrator.gate_errors import Kraus, Paulis, error_model, findings_of_kraus, findings_of_paulis, moved
from orchestrator.limits import NodeLimitsConfig
from orchestrator.near import nearest
from orchestrator.problems import Finding
from orchestrator.values import Model, Probability, Seconds, refused
from qnode.quantum.hardware import NEVER, ErrorModel, Hardware, Slots, Timing

DEFAULT_QUBITS: Final = 16

PresetName = Literal["nv_center", "trapped_ion", "neutral_atom", "rare_earth_ensemble", "telecom_qkd_terminal"]
PRESETS: Final = get_args(PresetName)

GATES: Final = (
    *("x", "y", "z", "h", "s", "sdg", "t", "tdg", "sx", "sxdg", "rx", "ry", "rz", "u"),
    *("cnot", "cz", "swap", "unitary"),
)
"""What a gate set may hold: the names of `qnode.quantum.gates` (which takes NumPy), and `unitary` for `apply`."""

_AnyModel = TypeVar("_AnyModel", bound=Model)


# --- operations ------------------------------------------------------------------------------------------------------


class GateConfig(Model):
    """How long an operation on a qubit takes, and what goes wrong in it; several errors of it are independent."""

    n_qubits: ClassVar[int] = 1
    _paulis: ClassVar[frozenset[str]] = frozenset({"error", "dephase", "flip", "pauli"})

    duration: Seconds = Field(0.0, description="How long it takes.")
    error: Probability = Field(0.0, description="Average gate infidelity, 1 - F_avg, of depolarising noise.")
    dephase: Probability = Field(0.0, description="Probability of a Z on each qubit.")
    flip: Probability = Field(0.0, description="Probability of an X on each qubit.")
    pauli: Paulis = Field((), description="Probabilities of X, Y and Z on each qubit.")
    kraus: Kraus = Field(
        (), description="Kraus operators, instead of the errors above: numbers, 0.5+0.5j, or [re, im]."
    )

    @property
    def most_error(self) -> float:
        """Where a qubit is left with nothing of its state but a Pauli: q = 1."""
        dimension: int = 2**self.n_qubits
        return dimension / (dimension + 1)

    def findings(self) -> Iterator[Finding]:
        if self.error > self.most_error:
            detail = f"{self.error} is more than full depolarisation allows ({self.most_error:.4g})"
            yield Finding(("error",), detail)
        yield from findings_of_paulis(self.pauli, self.n_qubits)
        yield from findings_of_kraus(self.kraus, self.n_qubits)
        beside = [key for key in ("error", "dephase", "flip", "pauli") if getattr(self, key)]
        if self.kraus and beside:
            needs = tuple((key,) for key in beside)
            yield Finding(("kraus",), f"says all that goes wrong; leave out `{beside[0]}` beside it", needs)

    def over(self, base: Model) -> Any:
        given = self.model_fields_set
        if given & {"kraus"}:
            base = _without(base, self._paulis)
        elif given & self._paulis:
            base = _without(base, {"kraus"})
        return super().over(base)

    @property
    def model(self) -> ErrorModel:
        """Of an average infidelity r a non-identity Pauli has the probability r (d + 1) / d (Nielsen 2002)."""
        return error_model(
            depolarise=min(self.error / self.most_error, 1.0),
            dephase=self.dephase,
            flip=self.flip,
            pauli=self.pauli,
            kraus=self.kraus,
            n_qubits=self.n_qubits,
        )

    @property
    def timing(self) -> Timing:
        return Timing(units.to_ns(self.duration), self.model) if self.model_fields_set else Timing()


class TwoQubitGateConfig(GateConfig):
    """How long an operation on several qubits takes, and what goes wrong in it."""

    n_qubits: ClassVar[int] = 2

    pauli: Paulis = Field(
        (), description="Probabilities of X, Y and Z on each qubit, or of IX, IY, IZ, XI, ..., ZZ on both."
    )


class ReadoutConfig(Model):
    """Wrong reports of a measurement."""

    p01: Probability = Field(0.0, description="Probability to read 0 though the truth is 1.")
    p10: Probability = Field(0.0, description="Probability to read 1 though the truth is 0.")


class MeasureConfig(GateConfig):
    """How long a measurement takes, and what goes wrong in it; its errors come before the projection."""

    readout: ReadoutConfig = Field(ReadoutConfig(), description="Wrong reports.")


class InitialiseConfig(Model):
    """A new qubit, and a reset."""

    duration: Seconds = Field(0.0, description="How long it takes.")
    error: Probability = Field(0.0, description="Probability of |1> in place of |0>.")

    @property
    def timing(self) -> Timing:
        paulis = (self.error, 0.0, 0.0) if self.error else ()
        return Timing(units.to_ns(self.duration), ErrorModel(paulis=paulis))


class MoveConfig(GateConfig):
    """A qubit's way from a communication slot into a memory slot or back; what is left out is that of a swap."""


class GatesConfig(Model):
    """What a node's operations cost."""

    single: GateConfig = Field(GateConfig(), description="Gates of one qubit.")
    two: TwoQubitGateConfig = Field(TwoQubitGateConfig(), description="Gates of two or more qubits.")
    measure: MeasureConfig = Field(MeasureConfig(), description="Measurements.")
    initialise: InitialiseConfig = Field(InitialiseConfig(), description="New qubits in |0>, and resets.")
    move: MoveConfig = Field(MoveConfig(), description="Between slots of different kinds; left out: one gate of two.")

    @property
    def move_timing(self) -> Timing:
        """What it says itself, and otherwise a swap in one gate of two qubits."""
        given, own, swap = self.move.model_fields_set, self.move.timing, self.two.timing
        return Timing(
            own.duration_ns if "duration" in given else swap.duration_ns,
            own.error if given - {"duration"} else moved(swap.error),
        )


# --- slots -----------------------------------------------------------------------------------------------------------

T1 = Annotated[Seconds | None, Field(description="Relaxation time towards |0>; left out: no decay.")]
T2 = Annotated[Seconds | None, Field(description="Dephasing time, at most twice t1; left out: only that of the decay.")]
Cutoff = Annotated[
    Seconds | None,
    Field(description="How long a pair's half is kept until it is discarded and its peer told; left out: for ever."),
]


def _findings_of_times(model: MemoryConfig | CommunicationConfig | HardwareConfig) -> Iterator[Finding]:
    for key in ("t1", "t2"):
        if getattr(model, key) == 0:
            yield Finding((key,), "must be longer than 0; leave it out for a memory that never decays")
    if model.cutoff is not None and units.to_ns(model.cutoff) < 1:
        yield Finding(("cutoff",), "must be at least 1 ns; leave it out to keep halves for ever")


class MemoryConfig(Model):
    """Slots in which qubits are kept; what is left out is that of the node."""

    qubits: Annotated[int, Field(ge=1)] | None = Field(None, description="How many there are.")
    t1: T1 = None
    t2: T2 = None
    cutoff: Cutoff = None

    def findings(self) -> Iterator[Finding]:
        return _findings_of_times(self)


class CommunicationConfig(Model):
    """Slots in which pairs arrive; what is left out is that of the node."""

    qubits: Annotated[int, Field(ge=0)] | None = Field(
        None, description="How many there are; 0: pairs arrive in memory slots."
    )
    t1: T1 = None
    t2: T2 = None
    cutoff: Cutoff = None

    def findings(self) -> Iterator[Finding]:
        return _findings_of_times(self)


def _gate_set(value: object) -> object:
    if value is None:
        return None
    if not isinstance(value, list | tuple):
        raise refused(f"must be a list of gates, such as [x, z, h, cnot], not {units.shown(value)}")
    for nth, name in enumerate(value):
        if name not in GATES:
            hint = nearest(name, GATES) if isinstance(name, str) else ""
            raise refused(f"there is no gate {units.shown(name)}{hint}; there are: {', '.join(GATES)}", nth)
    if not value:
        raise refused("must name at least one gate; leave it out for all")
    return tuple(value)


GateSet = Annotated[
    tuple[str, ...] | None,
    BeforeValidator(_gate_set),
    WithJsonSchema(
        {
            "title": "names of gates",
            "type": ["array", "null"],
            "minItems": 1,
            "items": {"enum": list(GATES)},
            "examples": [["x", "z", "h", "cnot"]],
        }
    ),
]


class SlotsOfKind(NamedTuple):
    """Slots of one kind in the configuration's units: seconds, None where nothing is given."""

    qubits: int
    t1: float | None
    t2: float | None
    cutoff: float | None


SlotKind = Literal["memory", "communication"]


# --- nodes -----------------------------------------------------------------------------------------------------------


class HardwareConfig(Model):
    """What a node is made of."""

    hardware: PresetName | None = Field(None, description="A preset, over which all the rest is laid.")
    qubits: Annotated[int, Field(ge=1)] = Field(DEFAULT_QUBITS, description="Memory slots, if they are all alike.")
    t1: T1 = None
    t2: T2 = None
    cutoff: Cutoff = None
    communication: CommunicationConfig = Field(
        CommunicationConfig(), description="Slots in which pairs arrive; left out: they arrive in any slot."
    )
    memory: MemoryConfig = Field(MemoryConfig(), description="Slots in which qubits are kept.")
    gates: GatesConfig = Field(GatesConfig(), description="How long operations take, and how often they go wrong.")
    gate_set: GateSet = Field(None, description="The gates that there are, `unitary` for `apply`; left out: all.")
    parallel: Annotated[int, Field(ge=1)] | None = Field(
        None, description="How many operations it can do at the same time; left out: any number."
    )
    limits: NodeLimitsConfig = Field(NodeLimitsConfig(), description="What it may have of the oracle, at most.")

    def findings(self) -> Iterator[Finding]:
        yield from _findings_of_times(self)
        for kind in ("memory", "communication"):
            if "qubits" in self.model_fields_set and getattr(self, kind).qubits:
                detail = f"`qubits` is for slots that are all alike, and there is `{kind}: {{qubits: ...}}`; use one"
                yield Finding(("qubits",), detail, needs=((kind, "qubits"),))
                return

    def over(self, base: Model) -> Any:
        for kind in ("memory", "communication"):
            given = self.model_fields_set & {"t1", "t2", "cutoff"}
            if kind == "memory" and "qubits" in self.model_fields_set:
                given |= {"qubits"}
            if getattr(self, kind).qubits is not None:
                base = _without(base, {"qubits"})
            below: MemoryConfig | CommunicationConfig = getattr(base, kind)
            if given & below.model_fields_set:
                base = base.model_copy(update={kind: _without(below, given)})
        return super().over(base)

    def slots(self, kind: SlotKind) -> SlotsOfKind:
        """All about slots of a kind, what is left out filled in."""
        own: MemoryConfig | CommunicationConfig = getattr(self, kind)
        default = self.qubits if kind == "memory" else 0
        t1, t2, cutoff = (getattr(own if key in own.model_fields_set else self, key) for key in ("t1", "t2", "cutoff"))
        return SlotsOfKind(default if own.qubits is None else own.qubits, t1, t2, cutoff)

    def numbers(self) -> Hardware:
        """What node and oracle are told."""
        gates, readout = self.gates, self.gates.measure.readout
        return Hardware(
            memory=_numbers(self.slots("memory")),
            communication=_numbers(self.slots("communication")),
            single=gates.single.timing,
            two=gates.two.timing,
            measure=gates.measure.timing,
            initialise=gates.initialise.timing,
            move=gates.move_timing,
            p01=readout.p01,
            p10=readout.p10,
            gate_set=tuple(dict.fromkeys(self.gate_set or ())),
            parallel=self.parallel or 0,
        )


def _numbers(slots: SlotsOfKind) -> Slots:
    if not slots.qubits:
        return Slots()
    cutoff_ns = None if slots.cutoff is None else units.to_ns(slots.cutoff)
    return Slots(slots.qubits, _in_ns(slots.t1), _in_ns(slots.t2), cutoff_ns)


def _in_ns(seconds: float | None) -> float:
    """Not rounded: of times within a nanosecond T2 must not come out as more than 2 T1."""
    return NEVER if seconds is None else seconds * units.NS_PER_S


def _without(model: _AnyModel, keys: set[str] | frozenset[str]) -> _AnyModel:
    """As if some of it had never been given."""
    kept = model.model_fields_set - keys
    if kept == model.model_fields_set:
        return model
    less: _AnyModel = type(model).model_construct(_fields_set=set(kept), **{key: getattr(model, key) for key in kept})  # type: ignore[assignment]
    return less
