"""From a configuration to the network that is launched: frozen, SI units, integer nanoseconds, every name written out.

Pure: the only file that is ever looked at is the matrix of delays, and only through the `read` that is passed in.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from msgspec.structs import replace

from orchestrator import placing, shapes, units
from orchestrator.config import Config, DelayMatrix
from orchestrator.delay_matrix import read_matrix
from orchestrator.delays import AlongLinks, ClassicalDelays, FromMatrix, SameForAll
from orchestrator.failures import NEVER, Failures, Restart
from orchestrator.faults import ALL
from orchestrator.links import LinkConfig
from orchestrator.oracle.limits import Limits, Strangers
from orchestrator.recording import Recording
from qnode.errors import ConfigError
from qnode.ids import NodeName, ProgramName
from qnode.photons.hardware import PhotonLink
from qnode.quantum.hardware import Hardware
from qnode.quantum.pair_source import PairSource, perfect
from qnode.wire.faults import Fault, Way
from qnode.wire.stack import StackSpec

ClockMode = Literal["virtual", "real"]
Formalism = Literal["auto", "stabilizer", "state_vector", "density_matrix", "bell_diagonal"]


@dataclass(frozen=True, slots=True)
class ProgramDescription:
    """A program of a node: what to call with which keyword arguments; a run does not wait for a service.

    `memories` are slots of its own: of those where qubits are made, and of those for communication, if there are any.
    """

    name: ProgramName
    run: str
    args: Mapping[str, Any]
    service: bool
    memories: tuple[int, int] = (0, 0)
    start_ns: int = 0
    stop_ns: int | None = None


@dataclass(frozen=True, slots=True)
class NodeDescription:
    """A node: what it is made of, its programs, and the folder their paths start from."""

    name: NodeName
    hardware: Hardware
    programs: tuple[ProgramDescription, ...]
    base: Path
    restart: Restart = NEVER
    limits: Limits = Limits()  # noqa: RUF009  # it is frozen

    @property
    def qubits(self) -> int:
        """How many it can hold."""
        return self.hardware.qubits


@dataclass(frozen=True, slots=True)
class LinkDescription:
    """A link between two nodes: light and messages take `delay_ns`, one way; pairs come from `source`."""

    name: str
    a: NodeName
    b: NodeName
    length_m: float
    delay_ns: int
    source: PairSource
    transmission: float = 1.0
    photons: PhotonLink | None = None


@dataclass(frozen=True, slots=True)
class Observation:
    """What the observer evaluates at a mark: the fidelity to a target, or (None) of a pair's half to Phi+."""

    mark: str
    target: str | None


@dataclass(frozen=True)
class Network:
    """Everything that a launch needs to know; `until_ns` None runs until every program that is no service returned.

    `hosts` are addresses of machines by name, "" where none is said; `place` is the host of the oracle and each node.
    """

    name: str
    seed: int
    nodes: Mapping[NodeName, NodeDescription]
    links: tuple[LinkDescription, ...]
    delays: ClassicalDelays
    base: Path
    clock: ClockMode
    speed: float
    tick_ns: int
    until_ns: int | None
    formalism: Formalism
    max_state_vector_qubits: int
    nodes_per_process: int
    observe: tuple[Observation, ...]
    events: bool
    failures: Failures
    recording: Recording
    limits: Limits
    strangers: Strangers
    stack: StackSpec
    faults: tuple[Fault, ...] = ()
    hosts: Mapping[str, str] = field(default_factory=dict)
    place: Mapping[str, str] = field(default_factory=dict)

    def neighbours(self, node: NodeName) -> tuple[NodeName, ...]:
        """The nodes that a node has a link with, in the order of the links."""
        return self._neighbours.get(node, ())

    def links_of(self, node: NodeName) -> tuple[LinkDescription, ...]:
        """The links that end at a node."""
        return tuple(self._links_by_ends[frozenset((node, peer))] for peer in self.neighbours(node))

    def link_between(self, a: NodeName, b: NodeName) -> LinkDescription | None:
        return self._links_by_ends.get(frozenset((a, b)))

    @cached_property
    def _neighbours(self) -> Mapping[NodeName, tuple[NodeName, ...]]:
        found: dict[NodeName, list[NodeName]] = {}
        for link in self.links:
            found.setdefault(link.a, []).append(link.b)
            found.setdefault(link.b, []).append(link.a)
        return {node: tuple(neighbours) for node, neighbours in found.items()}

    @cached_property
    def _links_by_ends(self) -> Mapping[frozenset[NodeName], LinkDescription]:
        return {frozenset((link.a, link.b)): link for link in self.links}


def _read_text(path: Path) -> str:
    return path.read_text(encoding="utf-8-sig")


def describe(config: Config, base: Path, seed: int, read: Callable[[Path], str] = _read_text) -> Network:
    """The network that a configuration means.

    Args:
        config: As it was loaded.
        base: The folder of the file: programs and the matrix of delays are looked for from there.
        seed: The seed of this run, whether the file gave it or not.
        read: How to read the matrix of delays, if there is one.
    Raises:
        ConfigError: If the matrix is no good, or none with which routes can be sought.
    """
    nodes = {node.name: node for node in _nodes(config, base)}
    links = tuple(_links(config))
    delays = _delays(config, base, tuple(nodes), links, read)
    return Network(
        name=config.name,
        seed=seed,
        nodes=nodes,
        links=links,
        delays=delays,
        base=base,
        clock=config.clock.mode,
        speed=config.clock.speed,
        tick_ns=1 if config.clock.tick is None else units.to_ns(config.clock.tick),
        until_ns=None if config.until is None else units.to_ns(config.until),
        formalism=config.formalism,
        max_state_vector_qubits=config.max_state_vector_qubits,
        nodes_per_process=len(nodes) if config.nodes_per_process == "all" else config.nodes_per_process,
        observe=tuple(_observations(config)),
        events=config.events,
        failures=config.failures.numbers(),
        recording=config.record.numbers(),
        limits=config.limits.numbers(),
        strangers=config.limits.strangers(),
        stack=_stack(config, tuple(nodes), links, delays),
        faults=tuple(_faults(config, nodes, links)),
        hosts={name: host.address or "" for name, host in config.hosts.items()},
        place=placing.spread(tuple(config.hosts), config.place, tuple(nodes)),
    )


def _faults(config: Config, nodes: Collection[NodeName], links: Iterable[LinkDescription]) -> Iterator[Fault]:
    if config.faults:
        ends: dict[str, tuple[Way, ...]] = {}
        for link in links:
            for name in dict.fromkeys((link.name, link.name.partition("[")[0], ALL)):
                ends[name] = (*ends.get(name, ()), (link.a, link.b))
        for fault in config.faults:
            yield fault.spec(nodes, ends)


def _nodes(config: Config, base: Path) -> Iterator[NodeDescription]:
    for pattern, node in config.nodes.items():
        made_of = config.hardware(node)
        hardware, limits = made_of.numbers(), made_of.limits.over(config.limits).numbers()
        programs = tuple(
            ProgramDescription(
                ProgramName(name),
                program.run,
                program.args,
                program.service,
                (program.memories, program.communication),
                units.to_ns(program.start),
                None if program.stop is None else units.to_ns(program.stop),
            )
            for name, program in node.all_programs.items()
        )
        restart = config.failures.restart if node.restart is None else node.restart
        for name in shapes.expand(pattern):
            yield NodeDescription(NodeName(name), hardware, programs, base, restart, limits)


def _links(config: Config) -> Iterator[LinkDescription]:
    """A link that stands alone keeps its name; those of a generator are numbered: `backbone[0]`, `backbone[1]`, ..."""
    for name, link in config.links.items():
        delay_ns = units.to_ns(link.one_way_seconds)
        source = perfect(delay_ns) if link.is_perfect else _source(link)
        for nth, (a, b) in enumerate(link.edges):
            own_name = name if link.shape == "between" else f"{name}[{nth}]"
            photons = None if link.photons is None else link.photons.hardware(link.loss_db, a)
            ends = NodeName(a), NodeName(b)
            yield LinkDescription(own_name, *ends, link.length, delay_ns, source, 10 ** (-link.loss_db / 10), photons)


def _source(link: LinkConfig) -> PairSource:
    from orchestrator import pair_sources  # lazy: NumPy, which networks of perfect links do without

    return pair_sources.of_link(link)


def _observations(config: Config) -> Iterator[Observation]:
    for mark, observed in config.observe.items():
        for item in observed:
            yield Observation(mark, item.fidelity)


def _delays(
    config: Config,
    base: Path,
    nodes: tuple[NodeName, ...],
    links: tuple[LinkDescription, ...],
    read: Callable[[Path], str],
) -> ClassicalDelays:
    delay = config.classical.delay
    if isinstance(delay, DelayMatrix):
        return FromMatrix(read_matrix(base / delay.matrix, nodes, read))
    if delay == "along_links":
        return AlongLinks((link.a, link.b, link.delay_ns) for link in links)
    return SameForAll(units.to_ns(delay))


def _stack(
    config: Config, nodes: tuple[NodeName, ...], links: tuple[LinkDescription, ...], delays: ClassicalDelays
) -> StackSpec:
    """Routes are sought only where everybody can answer the node that seeks; announcements go from link to link."""
    spec = config.stack.spec(len(nodes))
    if spec.flood or not isinstance(delays, FromMatrix):
        return spec
    apart = next(_apart(links, delays), None)
    if apart is None:
        return spec
    if config.stack.routing == "on_demand":
        one, other = apart
        detail = f"for on_demand, {one} has to answer {other}, and the matrix of delays has no way for its messages"
        raise ConfigError(place="stack.routing", detail=detail)
    return replace(spec, flood=True)


def _apart(links: tuple[LinkDescription, ...], delays: ClassicalDelays) -> Iterator[tuple[NodeName, NodeName]]:
    """Nodes that links lead from one to the other, and messages do not."""
    parts: dict[NodeName, set[NodeName]] = {}
    for link in links:
        part = parts.get(link.a, {link.a}) | parts.get(link.b, {link.b})
        parts.update(dict.fromkeys(part, part))
    for one, part in parts.items():
        yield from ((one, other) for other in sorted(part) if delays.delay_ns(one, other) is None)
