"""What a configuration may say about links: who is joined, over which length, by which source of pairs. Pure."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Final, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from orchestrator import shapes, units
from orchestrator.values import DecibelsPerMetre, Members, Metres, Model, Probability, Radians, Refused, Seconds

C_M_PER_S: Final = 299_792_458.0
FIBRE_M_PER_S: Final = C_M_PER_S * 2 / 3


class PerfectSource(Model):
    model: Literal["perfect"] = "perfect"


class WernerSource(Model):
    model: Literal["werner"]
    fidelity: Probability


class BellDiagonalSource(Model):
    """Probabilities of the four Bell states, summing to 1."""

    model: Literal["bell_diagonal"]
    phi_plus: Probability = 0.0
    phi_minus: Probability = 0.0
    psi_plus: Probability = 0.0
    psi_minus: Probability = 0.0

    @model_validator(mode="after")
    def _sums_to_one(self) -> Self:
        total = self.phi_plus + self.phi_minus + self.psi_plus + self.psi_minus
        if abs(total - 1) > 1e-9:
            raise Refused(f"phi_plus, phi_minus, psi_plus and psi_minus sum to {total:.6g}; probabilities sum to 1")
        return self


class HeraldedSource(Model):
    """What the two photon-interference models share; one factor each on the way of a photon."""

    preparation: Seconds = 0.0
    emission: Probability = 1.0
    coupling: Probability = 1.0
    detector: Probability = 1.0
    dark_clicks: Probability = 0.0
    visibility: Probability = 1.0


class SingleClickSource(HeraldedSource):
    model: Literal["single_click"]
    bright_state: Probability
    phase_noise: Radians = 0.0


class DoubleClickSource(HeraldedSource):
    model: Literal["double_click"]


class MidpointSource(Model):
    model: Literal["midpoint_source"]
    mean_pairs: Annotated[float, BeforeValidator(lambda value: units.parse(value, units.NUMBER)), Field(gt=0)]
    coupling: Probability = 1.0
    detector: Probability = 1.0
    dark_clicks: Probability = 0.0


Source = Annotated[
    PerfectSource | WernerSource | BellDiagonalSource | SingleClickSource | DoubleClickSource | MidpointSource,
    Field(discriminator="model"),
]


class GridConfig(Model):
    nodes: Members
    columns: Annotated[int, Field(ge=1)]

    def edges(self) -> tuple[shapes.Edge, ...]:
        return shapes.grid(shapes.expand_all(self.nodes), self.columns)


class TreeConfig(Model):
    nodes: Members
    branching: Annotated[int, Field(ge=1)]

    def edges(self) -> tuple[shapes.Edge, ...]:
        return shapes.tree(shapes.expand_all(self.nodes), self.branching)


class RandomConfig(Model):
    """Its seed is its own: the same network whatever the seed of the run."""

    nodes: Members
    probability: Probability
    seed: int = 0

    def edges(self) -> tuple[shapes.Edge, ...]:
        return shapes.random_graph(shapes.expand_all(self.nodes), self.probability, self.seed)


SHAPES: Final = ("between", "chain", "ring", "star", "complete", "grid", "tree", "random")


class LinkConfig(Model):
    """One link, or as many alike as its shape makes."""

    between: Members | None = None
    chain: Members | None = None
    ring: Members | None = None
    star: Members | None = None
    complete: Members | None = None
    grid: GridConfig | None = None
    tree: TreeConfig | None = None
    random: RandomConfig | None = None
    length: Metres = 0.0
    delay: Seconds | None = None
    attenuation: DecibelsPerMetre = 0.0
    source: Source = PerfectSource()
    fidelity: Probability | None = None

    @model_validator(mode="after")
    def _one_shape(self) -> Self:
        given = [shape for shape in SHAPES if getattr(self, shape) is not None]
        if len(given) != 1:
            found = f"it has {' and '.join(given)}" if given else "it has none"
            raise Refused(f"a link needs exactly one of {', '.join(SHAPES)}; {found}")
        return self

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if self.fidelity is not None and "source" in self.model_fields_set:
            raise Refused(
                "`fidelity: F` is short for `source: {model: werner, fidelity: F}`; use one of the two", "fidelity"
            )
        return self

    @model_validator(mode="after")
    def _nothing_outruns_light(self) -> Self:
        least_ns = units.to_ns(self.length / C_M_PER_S)
        if self.delay is not None and units.to_ns(self.delay) < least_ns:
            raise Refused(
                f"{units.to_ns(self.delay)} ns is less than light needs for {self.length:g} m ({least_ns} ns); leave it"
                f" out for the delay of fibre, {units.to_ns(self.length / FIBRE_M_PER_S)} ns",
                "delay",
            )
        return self

    @property
    def shape(self) -> str:
        return next(shape for shape in SHAPES if getattr(self, shape) is not None)

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
