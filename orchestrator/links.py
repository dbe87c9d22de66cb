"""What a configuration may say about links: who is joined, over which length, by which source of pairs. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, ConfigDict, Field

from orchestrator import shapes, units
from orchestrator.near import nearest_name
from orchestrator.photons import PhotonsConfig
from orchestrator.problems import Finding, Path
from orchestrator.values import (
    ComplexRows,
    DecibelsPerMetre,
    Members,
    Metres,
    Model,
    Number,
    Probability,
    ProbabilityAtEnds,
    Radians,
    Seconds,
)

C_M_PER_S: Final = 299_792_458.0
FIBRE_M_PER_S: Final = C_M_PER_S * 2 / 3


class PairsOfLink(Model):
    """What all models share."""

    attempt_dephasing: Probability = Field(
        0.0, description="Probability of a Z on every other stored qubit of both nodes, in each attempt."
    )


class AbstractSource(PairsOfLink):
    """What the models share that say which state a pair is in, and not how it is made."""

    success_probability: Probability | None = Field(None, description="Of an attempt, losses included; left out: 1.")
    duration: Seconds | None = Field(None, description="Of an attempt; left out: what light takes over the link.")

    def findings(self) -> Iterator[Finding]:
        if self.success_probability == 0:
            yield Finding(("success_probability",), "must be more than 0; leave it out for a source that never fails")


class PerfectSource(AbstractSource):
    """Phi+, whenever it is asked for."""

    model_config = ConfigDict(json_schema_extra={"required": ["model"]})  # a default here, but not in a file

    model: Literal["perfect"] = "perfect"


class WernerSource(AbstractSource):
    """Phi+ mixed with white noise: a Werner state. What gives a fidelity and no model is one, too."""

    model: Literal["werner"] = "werner"
    fidelity: Probability = Field(description="Fidelity to Phi+ of a pair when it is made.")


class BellDiagonalSource(AbstractSource):
    """A mixture of the four Bell states; the probabilities sum to 1."""

    model: Literal["bell_diagonal"]
    phi_plus: Probability = Field(0.0, description="Probability of Phi+.")
    phi_minus: Probability = Field(0.0, description="Probability of Phi-.")
    psi_plus: Probability = Field(0.0, description="Probability of Psi+.")
    psi_minus: Probability = Field(0.0, description="Probability of Psi-.")

    def findings(self) -> Iterator[Finding]:
        yield from super().findings()
        total = self.phi_plus + self.phi_minus + self.psi_plus + self.psi_minus
        if abs(total - 1) > 1e-9:
            detail = f"phi_plus, phi_minus, psi_plus and psi_minus sum to {total:.6g}; probabilities sum to 1"
            yield Finding((), detail)


class DensityMatrixSource(AbstractSource):
    """Pairs in any state of two qubits."""

    model: Literal["density_matrix"]
    matrix: ComplexRows = Field(
        description="Four rows of four numbers, complex ones as text (`0.1-0.2i`); |00>, |01>, |10>, |11>."
    )

    def findings(self) -> Iterator[Finding]:
        yield from super().findings()
        import numpy as np  # lazy: most links need none of it

        from qnode.quantum.fidelity import is_density_matrix  # lazy: the same

        if not is_density_matrix(np.array(self.matrix, np.complex128)):
            detail = "is no state: it must be Hermitian, of trace 1, and without negative eigenvalues (to 1e-9)"
            yield Finding(("matrix",), detail)


class StationSource(PairsOfLink):
    """What the models share in which photons travel; one factor each on the way of a photon."""

    station: Metres | None = Field(None, description="Where the station is, from the first end; left out: midway.")
    preparation: Seconds = Field(0.0, description="From the beginning of an attempt until photons are emitted.")
    coupling: ProbabilityAtEnds = Field(1.0, description="Probability that a photon gets into the fibre.")
    detector: ProbabilityAtEnds = Field(1.0, description="Probability that a photon which arrives makes a click.")
    dark_clicks: Probability = Field(0.0, description="Probability of a click without a photon, in one window.")
    window: Seconds | None = Field(None, description="How long clicks are counted; left out: until all photons came.")
    lifetime: Seconds = Field(0.0, description="Decay time of a photon; 0: it is as short as can be.")
    jitter: Seconds = Field(0.0, description="Standard deviation of the time at which a photon is emitted.")
    resolution: Seconds = Field(0.0, description="Standard deviation of the time that a detector reports.")

    def findings(self) -> Iterator[Finding]:
        if self.resolution and self.window is None:
            detail = "matters for clicks that are counted in a window only; give `window`, too"
            yield Finding(("resolution",), detail, needs=(("window",),))


class HeraldedSource(StationSource):
    """What the two photon-interference models share."""

    emission: ProbabilityAtEnds = Field(1.0, description="Probability that an excited memory emits into the mode.")
    visibility: Probability = Field(1.0, description="How alike the photons of both ends are, but for their jitter.")

    def findings(self) -> Iterator[Finding]:
        yield from super().findings()
        if self.jitter and not self.lifetime:
            detail = "photons that are as short as can be never meet if they jitter; give their `lifetime`, too"
            yield Finding(("jitter",), detail, needs=(("lifetime",),))


class SingleClickSource(HeraldedSource):
    """Both ends emit with a small probability, and one click in the middle heralds a pair."""

    model: Literal["single_click"]
    bright_state: ProbabilityAtEnds = Field(description="Share of the bright state, at both ends or at each.")
    phase_noise: Radians = Field(0.0, description="Standard deviation of the phase between both ways.")


class DoubleClickSource(HeraldedSource):
    """Both ends emit, and two clicks in the middle herald a pair."""

    model: Literal["double_click"]
    encoding: Literal["time_bin", "polarisation"] = Field(
        "time_bin", description="Two rounds one after another, or two polarisations at once."
    )
    bins: Seconds = Field(0.0, description="Time between the two rounds.")

    def findings(self) -> Iterator[Finding]:
        yield from super().findings()
        if self.bins and self.encoding != "time_bin":
            yield Finding(("bins",), "only time bins come one after another", needs=(("encoding",),))


class MidpointSource(StationSource):
    """A source of photon pairs in the middle."""

    model: Literal["midpoint_source"]
    mean_pairs: Annotated[Number, Field(gt=0)] = Field(description="Mean number of pairs in one pulse.")
    encoding: Literal["polarisation", "time_bin"] = Field(
        "polarisation", description="time_bin: half of the photons miss the bin in which their ways interfere."
    )


def _fidelity_alone(value: object) -> object:
    if isinstance(value, dict) and "fidelity" in value and not nearest_name("model", map(str, value)):
        return {"model": "werner", **value}
    return value


Source = Annotated[
    Annotated[
        PerfectSource
        | WernerSource
        | BellDiagonalSource
        | DensityMatrixSource
        | SingleClickSource
        | DoubleClickSource
        | MidpointSource,
        Field(discriminator="model"),
    ],
    BeforeValidator(_fidelity_alone),
]


class GridConfig(Model):
    """Rows of so many columns, filled row by row; each node is joined to its right and its lower neighbour."""

    nodes: Members = Field(description="The nodes, row by row.")
    columns: Annotated[int, Field(ge=1)] = Field(description="How many nodes make a row.")

    def edges(self) -> tuple[shapes.Edge, ...]:
        return shapes.grid(shapes.expand_all(self.nodes), self.columns)


class TreeConfig(Model):
    """The first node is the root, and the tree is filled level by level."""

    nodes: Members = Field(description="The nodes, the root first.")
    branching: Annotated[int, Field(ge=1)] = Field(description="How many children a node has at most.")

    def edges(self) -> tuple[shapes.Edge, ...]:
        return shapes.tree(shapes.expand_all(self.nodes), self.branching)


class RandomConfig(Model):
    """Each two nodes are joined with the same probability. Its seed is its own: whatever the seed of the run."""

    nodes: Members = Field(description="The nodes.")
    probability: Probability = Field(description="Of a link between any two of them.")
    seed: int = Field(0, description="Another seed, another network.")

    def edges(self) -> tuple[shapes.Edge, ...]:
        return shapes.random_graph(shapes.expand_all(self.nodes), self.probability, self.seed)


SHAPES: Final = ("between", "chain", "ring", "star", "complete", "grid", "tree", "random")


def _is_given(key: str) -> dict[str, Any]:
    return {"required": [key], "properties": {key: {"not": {"type": "null"}}}}


class LinkConfig(Model):
    """One link, or as many alike as its shape makes: exactly one of between, chain, ring, ..., random."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [{"type": "null"}, *map(_is_given, SHAPES)],
            "not": {"allOf": [_is_given("fidelity"), {"required": ["source"]}]},
        }
    )

    between: Members | None = Field(None, description="Two nodes.")
    chain: Members | None = Field(None, description="A line, each node joined to the next.")
    ring: Members | None = Field(None, description="A line whose last node is joined to its first.")
    star: Members | None = Field(None, description="The first node in the middle, joined to all the others.")
    complete: Members | None = Field(None, description="Everybody joined to everybody.")
    grid: GridConfig | None = Field(None, description="Rows and columns, each node joined to its neighbours.")
    tree: TreeConfig | None = Field(None, description="A root, its children, their children.")
    random: RandomConfig | None = Field(None, description="Each two nodes joined with the same probability.")
    length: Metres = Field(0.0, description="Of the fibre; light in it travels at two thirds of c.")
    delay: Seconds | None = Field(
        None, description="How long light and messages take, one way; left out: that of fibre of this length."
    )
    attenuation: DecibelsPerMetre = Field(0.0, description="Of the fibre.")
    source: Source = Field(PerfectSource(), description="How pairs are made.")
    fidelity: Probability | None = Field(None, description="Short for source: {model: werner, fidelity: ...}.")
    photons: PhotonsConfig | None = Field(None, description="Pulses of light, for programs that send and receive them.")

    def findings(self) -> Iterator[Finding]:
        given = self.given_shapes
        if len(given) != 1:
            found = f"it has {' and '.join(given)}" if given else "it has none"
            yield Finding((), f"a link needs exactly one of {', '.join(SHAPES)}; {found}")
        if self.fidelity is not None and "source" in self.model_fields_set:
            detail = "`fidelity: F` is short for `source: {model: werner, fidelity: F}`; use one of the two"
            yield Finding(("fidelity",), detail)
        least_ns = units.to_ns(self.length / C_M_PER_S)
        if self.delay is not None and units.to_ns(self.delay) < least_ns:
            detail = (
                f"{units.to_ns(self.delay)} ns is less than light needs for {self.length:g} m ({least_ns} ns); leave it"
                f" out for the delay of fibre, {units.to_ns(self.length / FIBRE_M_PER_S)} ns"
            )
            yield Finding(("delay",), detail)
        yield from self._findings_of_source()

    def _findings_of_source(self) -> Iterator[Finding]:
        source = self.source
        station = source.station if isinstance(source, StationSource) else None
        if isinstance(source, AbstractSource) and source.success_probability is None and self._has_given_source:
            if self.loss_db > 0:
                detail = (
                    f"pairs of model {source.model if self.fidelity is None else 'werner'} have no photons to lose; say"
                    " source: {success_probability: ...}, losses included, or take a model with photons: single_click,"
                    " double_click or midpoint_source"
                )
                needs = tuple(("source", key) for key in ("model", "success_probability"))
                yield Finding(("attenuation",), detail, needs=(*needs, ("source",), ("length",)))
        elif station is not None and station > self.length:
            detail = f"{station:g} m from the first end is beyond the other, {self.length:g} m away"
            yield Finding(("source", "station"), detail, needs=(("length",),))

    @property
    def _has_given_source(self) -> bool:
        return self.fidelity is not None or "source" in self.model_fields_set

    @property
    def is_perfect(self) -> bool:
        """Whether a pair is Phi+ and there when light could be, whenever it is asked for."""
        source = self.source
        plain = isinstance(source, PerfectSource) and source.model_fields_set <= {"model"}
        return plain and self.fidelity is None and (self._has_given_source or not self.loss_db)

    @property
    def given_source(self) -> Source:
        """Its source, the short forms written out. A lossy link that says nothing loses halves of perfect pairs."""
        if self.fidelity is not None:
            return WernerSource(model="werner", fidelity=self.fidelity)
        if self.loss_db > 0 and not self._has_given_source:
            return PerfectSource(success_probability=10 ** (-self.loss_db / 10))
        return self.source

    def of_length(self, metres: float) -> LinkConfig:
        """The same link, longer or shorter: a station and a delay that were given move in proportion."""
        scale = metres / self.length if self.length else 0.0
        changes: dict[str, object] = {"length": metres, "delay": None if self.delay is None else self.delay * scale}
        if isinstance(self.source, StationSource) and self.source.station is not None:
            changes["source"] = self.source.model_copy(update={"station": self.source.station * scale})
        return self.model_copy(update=changes)

    @property
    def station_share(self) -> float:
        """How far along the link its source's station is, 0 to 1 from the first end."""
        station = self.source.station if isinstance(self.source, StationSource) else None
        return 0.5 if station is None or self.length == 0 else station / self.length

    @property
    def given_shapes(self) -> tuple[str, ...]:
        """Exactly one, unless the link is wrong."""
        return tuple(shape for shape in SHAPES if getattr(self, shape) is not None)

    @property
    def shape(self) -> str:
        return self.given_shapes[0]

    @property
    def members(self) -> tuple[tuple[Path, str], ...]:
        """The names and patterns that its shape joins, each with its path from there."""
        spec = getattr(self, self.shape)
        if isinstance(spec, tuple):
            return tuple(((nth,), member) for nth, member in enumerate(spec))
        return tuple((("nodes", nth), member) for nth, member in enumerate(spec.nodes))

    @cached_property
    def edges(self) -> tuple[shapes.Edge, ...]:
        """The pairs of nodes that it joins.

        Raises:
            ShapeError: If its nodes make no such shape.
        """
        spec = getattr(self, self.shape)
        if isinstance(spec, GridConfig | TreeConfig | RandomConfig):
            return spec.edges()
        return shapes.LISTED[self.shape](shapes.expand_all(spec))

    @property
    def one_way_seconds(self) -> float:
        """How long light and messages take; fibre, unless a delay is given."""
        return self.length / FIBRE_M_PER_S if self.delay is None else self.delay

    @property
    def loss_db(self) -> float:
        return self.attenuation * self.length
