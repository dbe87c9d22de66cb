"""What a configuration may say about links: who is joined, over which length, by which source of pairs. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Annotated, Any, Final, Literal

from pydantic import ConfigDict, Field

from orchestrator import shapes, units
from orchestrator.photons import PhotonsConfig
from orchestrator.problems import Finding, Path
from orchestrator.values import DecibelsPerMetre, Members, Metres, Model, Number, Probability, Radians, Seconds

C_M_PER_S: Final = 299_792_458.0
FIBRE_M_PER_S: Final = C_M_PER_S * 2 / 3


class PerfectSource(Model):
    """Phi+ at once, whenever it is asked for."""

    model_config = ConfigDict(json_schema_extra={"required": ["model"]})  # a default here, but not in a file

    model: Literal["perfect"] = "perfect"


class WernerSource(Model):
    """Phi+ mixed with white noise: a Werner state."""

    model: Literal["werner"]
    fidelity: Probability = Field(description="Fidelity to Phi+ of a pair when it is made.")


class BellDiagonalSource(Model):
    """A mixture of the four Bell states; the probabilities sum to 1."""

    model: Literal["bell_diagonal"]
    phi_plus: Probability = Field(0.0, description="Probability of Phi+.")
    phi_minus: Probability = Field(0.0, description="Probability of Phi-.")
    psi_plus: Probability = Field(0.0, description="Probability of Psi+.")
    psi_minus: Probability = Field(0.0, description="Probability of Psi-.")

    def findings(self) -> Iterator[Finding]:
        total = self.phi_plus + self.phi_minus + self.psi_plus + self.psi_minus
        if abs(total - 1) > 1e-9:
            detail = f"phi_plus, phi_minus, psi_plus and psi_minus sum to {total:.6g}; probabilities sum to 1"
            yield Finding((), detail)


class HeraldedSource(Model):
    """What the two photon-interference models share; one factor each on the way of a photon."""

    preparation: Seconds = Field(0.0, description="Time from one attempt to the next, beside the way of the photons.")
    emission: Probability = Field(1.0, description="Probability that an excited memory emits into the right mode.")
    coupling: Probability = Field(1.0, description="Probability that a photon gets into the fibre.")
    detector: Probability = Field(1.0, description="Probability that a photon which arrives makes a click.")
    dark_clicks: Probability = Field(0.0, description="Probability of a click without a photon, in one window.")
    visibility: Probability = Field(1.0, description="How alike the photons of both ends are.")


class SingleClickSource(HeraldedSource):
    """Both ends emit with a small probability, and one click in the middle heralds a pair."""

    model: Literal["single_click"]
    bright_state: Probability = Field(description="Share of the bright state, at both ends.")
    phase_noise: Radians = Field(0.0, description="Standard deviation of the phase between both ways.")


class DoubleClickSource(HeraldedSource):
    """Both ends emit, and two clicks in the middle herald a pair."""

    model: Literal["double_click"]


class MidpointSource(Model):
    """A source of photon pairs in the middle."""

    model: Literal["midpoint_source"]
    mean_pairs: Annotated[Number, Field(gt=0)] = Field(description="Mean number of pairs in one pulse.")
    coupling: Probability = Field(1.0, description="Probability that a photon gets into the fibre.")
    detector: Probability = Field(1.0, description="Probability that a photon which arrives makes a click.")
    dark_clicks: Probability = Field(0.0, description="Probability of a click without a photon, in one window.")


Source = Annotated[
    PerfectSource | WernerSource | BellDiagonalSource | SingleClickSource | DoubleClickSource | MidpointSource,
    Field(discriminator="model"),
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
