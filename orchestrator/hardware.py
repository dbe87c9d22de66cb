"""What a node is made of, as a configuration says it, and the numbers that it means. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar, Final

from pydantic import Field

from orchestrator import units
from orchestrator.problems import Finding
from orchestrator.values import Model, Probability, Seconds
from qnode.quantum.hardware import NEVER, ErrorModel, Hardware, Slots, Timing

DEFAULT_QUBITS: Final = 16


class GateConfig(Model):
    """How long an operation takes, and its average gate infidelity 1 - F_avg (depolarising)."""

    dimension: ClassVar[int] = 2

    duration: Seconds = Field(0.0, description="How long it takes.")
    error: Probability = Field(0.0, description="Average gate infidelity, 1 - F_avg.")

    def findings(self) -> Iterator[Finding]:
        most = self.dimension / (self.dimension + 1)
        if self.error > most:
            yield Finding(("error",), f"{self.error} is more than full depolarisation allows ({most:.4g})")

    def timing(self) -> Timing:
        """In numbers: an average infidelity r is a non-identity Pauli with r (d + 1) / d (Nielsen 2002)."""
        depolarise = min(self.error * (self.dimension + 1) / self.dimension, 1.0)
        return Timing(units.to_ns(self.duration), ErrorModel(depolarise))


class TwoQubitGateConfig(GateConfig):
    """How long an operation on several qubits takes, and its average gate infidelity."""

    dimension: ClassVar[int] = 4


class ReadoutConfig(Model):
    """Wrong reports of a measurement."""

    p01: Probability = Field(0.0, description="Probability to read 0 though the truth is 1.")
    p10: Probability = Field(0.0, description="Probability to read 1 though the truth is 0.")


class MeasureConfig(GateConfig):
    """How long a measurement takes, and what goes wrong in it."""

    readout: ReadoutConfig = Field(ReadoutConfig(), description="Wrong reports.")


class GatesConfig(Model):
    """What a node's operations cost."""

    single: GateConfig = Field(GateConfig(), description="Gates of one qubit.")
    two: TwoQubitGateConfig = Field(TwoQubitGateConfig(), description="Gates of two or more qubits.")
    measure: MeasureConfig = Field(MeasureConfig(), description="Measurements.")


class HardwareConfig(Model):
    """What a node is made of."""

    qubits: Annotated[int, Field(ge=1)] = Field(DEFAULT_QUBITS, description="Memory slots.")
    t1: Seconds | None = Field(None, description="Relaxation time of a memory; left out: it never decays.")
    t2: Seconds | None = Field(None, description="Dephasing time, at most twice t1; left out: it never dephases.")
    gates: GatesConfig = Field(GatesConfig(), description="How long operations take, and how often they go wrong.")

    def findings(self) -> Iterator[Finding]:
        for key in ("t1", "t2"):
            if getattr(self, key) == 0:
                yield Finding((key,), "must be longer than 0; leave it out for a memory that never decays")

    def numbers(self) -> Hardware:
        """What node and oracle are told."""
        gates, readout = self.gates, self.gates.measure.readout
        return Hardware(
            memory=Slots(self.qubits, _in_ns(self.t1), _in_ns(self.t2)),
            single=gates.single.timing(),
            two=gates.two.timing(),
            measure=gates.measure.timing(),
            move=gates.two.timing(),
            p01=readout.p01,
            p10=readout.p10,
        )


def _in_ns(seconds: float | None) -> float:
    """Not rounded: of times within a nanosecond T2 must not come out as more than 2 T1."""
    return NEVER if seconds is None else seconds * units.NS_PER_S
