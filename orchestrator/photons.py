"""What a configuration may say of a link's photons: source, channel, detectors, and who sits on the link. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, ConfigDict, Field

from orchestrator import units
from orchestrator.problems import Finding
from orchestrator.values import Decibels, Hertz, Model, NameOfOther, Number, Probability, Seconds, refused
from qnode.photons.hardware import (
    MOST_CLASSES,
    MOST_PHOTONS,
    PS_PER_S,
    Channel,
    Detector,
    Encoding,
    PhotonLink,
    Source,
)

_OFFSETS: Final = 2**15 - 1  # what a click can be off the time of its pulse, in units of the resolution
_REACH: Final = 6.0  # standard deviations beyond which no click is, in any run


def _mean_photons(value: float) -> float:
    if not 0 <= value <= MOST_PHOTONS:
        raise refused(f"{value:g} photons on average; 0 to {MOST_PHOTONS:g} are simulated")
    return value


MeanPhotons = Annotated[Number, AfterValidator(_mean_photons)]


class SourceOfPulses(Model):
    """What all sources of pulses share."""

    rate: Hertz | None = Field(None, description="Pulses a second, unless a program says otherwise.")

    @property
    def period_ps(self) -> int:
        return round(PS_PER_S / self.rate) if self.rate else 0

    def findings(self) -> Iterator[Finding]:
        if self.rate is not None and not 1e-3 <= self.rate <= PS_PER_S:
            yield Finding(("rate",), f"{self.rate:g} Hz is not a rate of pulses; 0.001 Hz to 1000 GHz are")


class SinglePhotonSource(SourceOfPulses):
    """Single photons, with flaws: empty pulses and pulses of two."""

    model: Literal["single_photon"]
    efficiency: Probability = Field(1.0, description="Probability that a pulse is not empty.")
    multiphoton: Probability = Field(0.0, description="Probability that a pulse has two photons.")

    def findings(self) -> Iterator[Finding]:
        yield from super().findings()
        if self.multiphoton > self.efficiency:
            detail = f"{self.multiphoton:g} of the pulses cannot have two photons: {self.efficiency:g} have any"
            yield Finding(("multiphoton",), detail, needs=(("efficiency",),))

    @property
    def hardware(self) -> Source:
        return Source("single_photon", (), self.efficiency, self.multiphoton, self.period_ps)


class WeakCoherentSource(SourceOfPulses):
    """A laser, attenuated and with random phase: photon numbers have Poisson's distribution."""

    model: Literal["weak_coherent"]
    intensities: Annotated[list[MeanPhotons], Field(min_length=1, max_length=MOST_CLASSES)] = Field(
        description="Mean photon numbers that the sender can choose from for each pulse: signal, decoys, vacuum."
    )

    @property
    def hardware(self) -> Source:
        return Source("weak_coherent", tuple(self.intensities), period_ps=self.period_ps)


class EntangledSource(SourceOfPulses):
    """Pairs of entangled photons: the sender measures one of each two, and the other one travels."""

    model: Literal["entangled"]
    mean_pairs: Annotated[MeanPhotons, Field(gt=0)] = Field(description="Mean number of pairs in one pulse.")

    @property
    def hardware(self) -> Source:
        return Source("entangled", (self.mean_pairs,), period_ps=self.period_ps)


PulseSource = Annotated[SinglePhotonSource | WeakCoherentSource | EntangledSource, Field(discriminator="model")]


class FibreChannel(Model):
    """The link's own fibre: its length and its attenuation."""

    model_config = ConfigDict(json_schema_extra={"required": ["model"]})  # a default here, but not in a file

    model: Literal["fibre"] = "fibre"

    def hardware(self, fibre_db: float, coupling: float) -> Channel:
        return Channel(fibre_db, coupling)


class FreeSpaceChannel(Model):
    """Free space, with a loss that stays as it is; the link's length still gives the delay."""

    model: Literal["free_space"]
    loss: Decibels = Field(description="From end to end.")

    def hardware(self, fibre_db: float, coupling: float) -> Channel:
        del fibre_db
        return Channel(self.loss, coupling)


class PassPoint(Model):
    """The loss at one time of a satellite's pass."""

    at: Seconds = Field(description="Network time.")
    loss: Decibels = Field(description="From end to end, at that time.")


class PassChannel(Model):
    """A satellite that passes: loss over time, linear in dB between the given times, and no light before and after."""

    model: Literal["pass"]
    table: Annotated[list[PassPoint], Field(min_length=2)] = Field(description="Times, ascending, each with its loss.")

    def findings(self) -> Iterator[Finding]:
        for nth, (one, other) in enumerate(zip(self.table, self.table[1:], strict=False), 1):
            if other.at <= one.at:
                yield Finding(("table", nth, "at"), f"{other.at:g} s does not come after {one.at:g} s")

    def hardware(self, fibre_db: float, coupling: float) -> Channel:
        del fibre_db
        return Channel(
            0.0, coupling, tuple(point.at for point in self.table), tuple(point.loss for point in self.table)
        )


PulseChannel = Annotated[FibreChannel | FreeSpaceChannel | PassChannel, Field(discriminator="model")]


class PolarisationEncoding(Model):
    """Bits as polarisation: z, x and y are three pairs of orthogonal ones."""

    model_config = ConfigDict(json_schema_extra={"required": ["model"]})  # a default here, but not in a file

    model: Literal["polarisation"] = "polarisation"

    @property
    def hardware(self) -> Encoding:
        return Encoding()


class TimeBinEncoding(Model):
    """Bits as an early or a late photon; x and y are phases between both, seen by an interferometer."""

    model: Literal["time_bin"]
    separation: Seconds = Field(description="From the early bin to the late one.")
    interferometer: Probability = Field(
        1.0,
        description="Share of the light that comes out of the interferometer, beside the half that cannot interfere",
    )
    visibility: Probability = Field(1.0, description="Of the interference.")

    def findings(self) -> Iterator[Finding]:
        if units.to_ps(self.separation) < 1:
            yield Finding(("separation",), "must be at least 1 ps")

    @property
    def hardware(self) -> Encoding:
        return Encoding("time_bin", units.to_ps(self.separation), self.interferometer, self.visibility)


PulseEncoding = Annotated[PolarisationEncoding | TimeBinEncoding, Field(discriminator="model")]


class DetectorConfig(Model):
    """Each of the two threshold detectors of a receiver."""

    efficiency: Probability = Field(1.0, description="Probability that a photon that arrives makes a click.")
    dark_clicks: Probability = Field(0.0, description="Probability of a click without a photon, in one window.")
    dead_time: Seconds = Field(0.0, description="How long both detectors are blind after a click.")
    afterpulse: Probability = Field(0.0, description="Probability that a click causes one more in the same detector.")
    afterpulse_time: Seconds = Field(0.0, description="Mean of the exponential time after which it does.")
    jitter: Seconds = Field(0.0, description="Standard deviation of a click's time.")
    resolution: Seconds = Field(0.0, description="Times of clicks are told as multiples of this.")
    window: Seconds = Field(0.0, description="Width of what counts; 0: from pulse to pulse, or from bin to bin.")

    def findings(self) -> Iterator[Finding]:
        if self.afterpulse > 0.9:
            yield Finding(("afterpulse",), "at most 0.9: with more, clicks hardly ever stop causing others")
        if self.afterpulse > 0 and not self.afterpulse_time:
            detail = "afterpulses need `afterpulse_time`, the mean time after which they come"
            yield Finding(("afterpulse",), detail, needs=(("afterpulse_time",),))
        unit = max(units.to_ps(self.resolution), 1)
        if _REACH * self.jitter * PS_PER_S > _OFFSETS * unit:
            detail = f"at most {_OFFSETS / _REACH:.0f} times the resolution, which is {unit} ps"
            yield Finding(("jitter",), detail, needs=(("resolution",),))

    @property
    def hardware(self) -> Detector:
        return Detector(
            self.efficiency,
            self.dark_clicks,
            units.to_ps(self.dead_time),
            self.afterpulse,
            units.to_ps(self.afterpulse_time),
            self.jitter * PS_PER_S,
            units.to_ps(self.resolution),
            units.to_ps(self.window),
        )


class PhotonsConfig(Model):
    """Pulses of light over a link: what sends, carries and detects them. Both ways alike."""

    encoding: PulseEncoding = Field(PolarisationEncoding(), description="How a bit sits on a photon.")
    source: PulseSource = Field(SinglePhotonSource(model="single_photon"), description="What sends pulses.")
    channel: PulseChannel = Field(FibreChannel(), description="The way of the light.")
    coupling: Probability = Field(1.0, description="Share of the light that gets into the channel.")
    misalignment: Probability = Field(0.0, description="Probability that a photon goes to the wrong detector.")
    detector: DetectorConfig = Field(DetectorConfig(), description="Each of the receiver's two.")
    tap: NameOfOther | None = Field(None, description="A node that sits on the link; its program decides what passes.")
    tap_at: Probability = Field(0.0, description="Where it sits: a share of the way from the link's first node.")

    def findings(self) -> Iterator[Finding]:
        if isinstance(self.encoding, TimeBinEncoding):
            if self.detector.window > self.encoding.separation:
                detail = f"at most the separation of the bins, {self.encoding.separation:g} s: windows cannot overlap"
                yield Finding(("detector", "window"), detail, needs=(("encoding",),))
            if self.source.period_ps and self.source.period_ps < 2 * units.to_ps(self.encoding.separation):
                detail = f"two bins {self.encoding.separation:g} s apart do not fit between pulses at this rate"
                yield Finding(("source", "rate"), detail, needs=(("encoding",),))
        if self.tap is not None and isinstance(self.source, EntangledSource):
            yield Finding(("tap",), "a tap needs a source whose photons are prepared: single_photon or weak_coherent")

    def hardware(self, fibre_db: float, first: str) -> PhotonLink:
        """As it travels to the oracle.

        Args:
            fibre_db: Loss of the link's fibre.
            first: The link's first node.
        """
        return PhotonLink(
            self.source.hardware,
            self.channel.hardware(fibre_db, self.coupling),
            self.detector.hardware,
            self.encoding.hardware,
            self.misalignment,
            self.tap or "",
            self.tap_at,
            first,
        )
