"""What only the whole configuration can tell: parts that are right by themselves and wrong together. Pure.

A configuration that is checked may have lost parts that were refused. Nothing here fails because of that, and each
finding says what it rests on, so that no consequence of an earlier mistake is told as one of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from pydantic import BaseModel

from orchestrator import placing, shapes, units
from orchestrator.failures import RESUME
from orchestrator.faults import ALL, WaysConfig, expand_or_itself
from orchestrator.near import nearest
from orchestrator.presets import over_preset
from orchestrator.problems import Finding, Path

if TYPE_CHECKING:  # the models call these checks
    from orchestrator.config import Config, NodeConfig
    from orchestrator.hardware import HardwareConfig, SlotsOfKind
    from orchestrator.links import LinkConfig

_NODES: Final[Path] = ("nodes",)
_FEW: Final = 8  # names that a sentence may list
_MORE_NODES: Final[tuple[Path, ...]] = (("nodes", "*"), ("graphs",))  # refused if there may be nodes nobody knows of


def findings(config: Config) -> Iterator[Finding]:
    """Everything that is wrong between parts which are each right by themselves."""
    yield from _of_settings(config)
    yield from _of_kinds(config)
    yield from _of_nodes(config)
    yield from _of_links(config)
    if config.faults:
        yield from _of_faults(config)
    names = (name for pattern in config.nodes for name in shapes.expand(pattern))
    yield from placing.findings(config.hosts, config.place, names)
    if config.formalism == "bell_diagonal":
        yield from _of_bell_diagonal(config)
    if config.formalism == "stabilizer":
        yield from _of_stabilizer(config)


def _of_settings(config: Config) -> Iterator[Finding]:
    if config.until is not None and units.to_ns(config.until) < 1:
        yield Finding(("until",), "must be at least 1 ns; leave it out to run until every program has returned")
    if not config.nodes:
        yield Finding(_NODES, "a network needs at least one node", needs=_MORE_NODES)
    if not config.events and (config.telemetry.mqtt or config.telemetry.prometheus):
        yield Finding(("events",), "telemetry is made of the event log; leave one of the two out", (("telemetry",),))
    if config.clock.mode == "real":
        resumed: list[Path] = [("nodes", name) for name, node in config.nodes.items() if node.restart == RESUME]
        for path in [*([("failures",)] if config.failures.restart == RESUME else []), *resumed]:
            detail = "only a run on the virtual clock can be executed again from its record; write fresh or never"
            yield Finding((*path, "restart"), detail, (("clock", "mode"),))
    if config.graphs:
        yield Finding(("graphs",), "files of graphs are read where a configuration is loaded from a file or a mapping")


def _of_kinds(config: Config) -> Iterator[Finding]:
    for name, kind in config.kinds.items():
        yield from _of_hardware(("kinds", name), kind, over_preset(kind), ())


def _of_nodes(config: Config) -> Iterator[Finding]:
    seen: dict[str, str] = {}
    for pattern, node in config.nodes.items():
        path: Path = ("nodes", pattern)
        kind = () if node.kind is None else ("kinds", node.kind)
        if node.kind is not None and node.kind not in config.kinds:
            known = f"known kinds: {', '.join(config.kinds)}" if config.kinds else "there are no kinds in this file"
            detail = f"no kind {node.kind!r}{nearest(node.kind, config.kinds)}; {known}"
            yield Finding((*path, "kind"), detail, needs=(("kinds",), kind))
        else:
            yield from _of_hardware(path, node, config.hardware(node), kind)
        yield from _of_own_slots(path, node, config)
        for name in shapes.expand(pattern):
            if name in seen:
                yield Finding(path, f"node {name!r} is already there, from {seen[name]!r}", key=True)
                break
            seen[name] = pattern


def _of_own_slots(path: Path, node: NodeConfig, config: Config) -> Iterator[Finding]:
    """Whether a node has the slots that its programs are to have for themselves."""
    for key, kind in (("memories", "memory"), ("communication", "communication")):
        wanted = {name: n for name, program in node.programs.items() if (n := getattr(program, key))}
        if not wanted:
            continue
        slots = config.hardware(node).slots("memory" if kind == "memory" else "communication").qubits or 0
        if sum(wanted.values()) > slots:
            few = " and ".join(f"{name} {n}" for name, n in wanted.items())
            detail = f"there are {slots} {kind} slots, and as their own want {few}"
            yield Finding((*path, "programs", list(wanted)[-1], key), detail, needs=((*path, "kind"), ("kinds",)))


def _of_hardware(path: Path, given: HardwareConfig, merged: HardwareConfig, kind: Path) -> Iterator[Finding]:
    """What is wrong with a node or a kind, blamed on what it says itself; else the kind is to blame, and was.

    Args:
        path: To it.
        given: What it says.
        merged: That, laid over its kind and preset.
        kind: The path to its kind; () if it has none.
    """
    if not (merged.communication.model_fields_set or merged.memory.model_fields_set or merged.t2):
        return  # the way of many nodes
    places = (path, kind) if kind else (path,)

    def blamed(detail: str, *candidates: Path, needs: tuple[Path, ...] = ()) -> Iterator[Finding]:
        candidates = (*candidates, ("hardware",))
        found = next((one for one in candidates if _is_given(given, one)), None)
        if found is not None:
            needs = tuple((*place, *one) for place in places for one in (*candidates, *needs))
            yield Finding((*path, *found), detail, needs=needs)

    communication, memory = merged.slots("communication"), merged.slots("memory")
    if communication.qubits and merged.memory.qubits is None:
        detail = (
            "`qubits` is for slots that are all alike, and here are communication slots, too; give"
            " `memory: {qubits: ...}`"
        )
        if not _is_given(given, ("qubits",)):
            detail = "communication slots need `memory: {qubits: ...}` beside them"
        yield from blamed(detail, ("qubits",), ("communication", "qubits"), needs=(("memory",), ("memory", "qubits")))
    if not communication.qubits and merged.communication.qubits is None and merged.communication.model_fields_set:
        yield from blamed(
            "there are none; say how many: `communication: {qubits: ...}`",
            ("communication",),
            needs=(("communication", "qubits"),),
        )
    for name, slots in (("memory", memory), ("communication", communication)):
        if slots.qubits and slots.t1 is not None and slots.t2 is not None and slots.t2 > 2 * slots.t1:
            detail = f"t2 ({slots.t2:g} s) cannot be longer than twice t1 ({slots.t1:g} s): decay also dephases"
            yield from blamed(detail, (name, "t2"), ("t2",), (name, "t1"), ("t1",))


def _of_bell_diagonal(config: Config) -> Iterator[Finding]:
    """What cannot be held as a mixture of Bell states, and can be told before a run is started."""
    path: Path = ("formalism",)
    for pattern, slots in _slots(config):
        if any(one.t1 is not None for one in slots):
            detail = f"bell_diagonal holds no relaxation, and {pattern} has a t1; leave that out, or use auto"
            yield Finding(path, detail, needs=(("nodes", pattern), ("kinds",)))
            break
    for name, link in config.links.items():
        if link.source.model == "single_click":
            detail = f"bell_diagonal holds mixtures of Bell states, and single_click of {name} makes others; use auto"
            yield Finding(path, detail, needs=(("links", name),))
            break


def _of_stabilizer(config: Config) -> Iterator[Finding]:
    """Memories in which no stabilizer state stays one."""
    for pattern, slots in _slots(config):
        if any(one.t1 is not None and (one.t2 is None or one.t2 > one.t1) for one in slots):
            detail = f"stabilizer holds relaxation with t2 <= t1, and {pattern} has a longer t2, or none; use auto"
            yield Finding(("formalism",), detail, needs=(("nodes", pattern), ("kinds",)))
            break


def _slots(config: Config) -> Iterator[tuple[str, list[SlotsOfKind]]]:
    """Of each node whose hardware is known, the kinds of slots that it has."""
    for pattern, node in config.nodes.items():
        if node.kind is None or node.kind in config.kinds:
            merged = config.hardware(node)
            yield pattern, [one for one in (merged.slots("memory"), merged.slots("communication")) if one.qubits]


def _is_given(given: object, path: Path) -> bool:
    for key in path:
        if not isinstance(given, BaseModel) or key not in given.model_fields_set:
            return False
        given = getattr(given, str(key))
    return True


def _of_links(config: Config) -> Iterator[Finding]:
    nodes = {name for pattern in config.nodes for name in shapes.expand(pattern)}
    joined: dict[frozenset[str], str] = {}
    for name, link in config.links.items():
        if len(link.given_shapes) == 1:  # otherwise that is what is wrong
            path: Path = ("links", name, link.shape)
            unknown = tuple(_unknown_members(path, link, nodes))
            yield from unknown or _of_edges(path, link, name, joined)
            yield from _of_tap(("links", name), link, nodes)
        yield from _of_source(("links", name), link)


def _of_source(path: Path, link: LinkConfig) -> Iterator[Finding]:
    if link.is_perfect or any(link.findings()) or any(link.source.findings()):  # otherwise that is what is wrong
        return
    from orchestrator import pair_sources  # lazy: NumPy, which configurations of perfect links do without

    never = pair_sources.why_never(link)
    if never:
        yield Finding((*path, "source"), never, needs=((*path, "length"), (*path, "attenuation")))


def _unknown_members(path: Path, link: LinkConfig, nodes: set[str]) -> Iterator[Finding]:
    """A finding for each item that names a node which is not there."""
    for place, member in link.members:
        missing = [name for name in shapes.expand(member) if name not in nodes]
        if missing:
            first, more = missing[0], f", nor {len(missing) - 1} more of {member!r}" if len(missing) > 1 else ""
            needs = (_NODES, *_MORE_NODES, *(("nodes", name) for name in missing))
            hint = nearest(first, nodes) or _listed(nodes)
            yield Finding((*path, *place), f"no node {first!r}{more}{hint}", needs=needs)


def _of_tap(path: Path, link: LinkConfig, nodes: set[str]) -> Iterator[Finding]:
    tap = None if link.photons is None else link.photons.tap
    if tap is None:
        return
    place: Path = (*path, "photons", "tap")
    if tap not in nodes:
        hint = nearest(tap, nodes) or _listed(nodes)
        yield Finding(place, f"no node {tap!r}{hint}", needs=(_NODES, *_MORE_NODES, ("nodes", tap)))
    elif any(tap in shapes.expand(member) for _, member in link.members):
        yield Finding(place, f"{tap!r} is an end of the link; who sits on a link is another node")


def _of_faults(config: Config) -> Iterator[Finding]:
    nodes = {name for pattern in config.nodes for name in shapes.expand(pattern)}
    links = set(_link_names(config))
    for nth, fault in enumerate(config.faults):
        path: Path = ("faults", nth)
        if any(fault.findings()):
            continue  # that is what is wrong
        action = fault.action
        for where, member in fault.members():
            yield from _unknown_nodes((*path, *where), member, nodes)
        on = fault.on
        for key in ("node", "peer") if on is not None else ():
            if getattr(on, key) is not None:
                yield from _unknown_nodes((*path, "on", key), getattr(on, key), nodes)
        named = fault.what
        if action in ("break", "heal") and not isinstance(named, WaysConfig):
            known = links | nodes if action == "heal" else links
            for place, name in enumerate(named):
                if name not in known and not (action == "heal" and set(expand_or_itself(name)) <= nodes):
                    kind = "link" if action == "break" else "link or node"
                    hint = nearest(name, known) or _listed(known - {ALL})
                    yield Finding((*path, action, place), f"no {kind} {name!r}{hint}", needs=(("links",), *_MORE_NODES))
        if action == "kill" and config.nodes_per_process != 1:
            detail = "a process with several nodes cannot be killed for one of them; leave `nodes_per_process` out"
            yield Finding((*path, "kill"), detail, (("nodes_per_process",),))
        if config.clock.mode == "real" and action not in ("kill", "break", "heal"):
            detail = f"on the real clock there are kill, break and heal; {action} needs the virtual one"
            yield Finding((*path, action), detail, (("clock", "mode"),), key=True)


def _unknown_nodes(path: Path, member: str, nodes: set[str]) -> Iterator[Finding]:
    missing = [name for name in shapes.expand(member) if name not in nodes and name != ALL]
    if missing:
        hint = nearest(missing[0], nodes) or _listed(nodes)
        more = f", nor {len(missing) - 1} more of {member!r}" if len(missing) > 1 else ""
        needs = (_NODES, *_MORE_NODES, *(("nodes", name) for name in missing))
        yield Finding(path, f"no node {missing[0]!r}{more}{hint}", needs=needs)


def _link_names(config: Config) -> Iterator[str]:
    """What `break` may name: links, those of a generator one by one or all at once, or all there are."""
    yield ALL
    for name, link in config.links.items():
        yield name
        if len(link.given_shapes) == 1 and link.shape != "between":
            with suppress(shapes.ShapeError):
                yield from (f"{name}[{nth}]" for nth in range(len(link.edges)))


def _listed(names: set[str]) -> str:
    return f"; there are: {', '.join(sorted(names))}" if 0 < len(names) <= _FEW else ""


def _of_edges(path: Path, link: LinkConfig, name: str, joined: dict[frozenset[str], str]) -> Iterator[Finding]:
    try:
        edges = link.edges
    except shapes.ShapeError as error:
        yield Finding(path, str(error))
        return
    for a, b in edges:
        if a == b:
            yield Finding(path, f"{a!r} cannot be linked with itself")
            return
        other = joined.setdefault(frozenset((a, b)), name)
        if other != name:
            detail = f"{a!r} and {b!r} are already joined by link {other!r}; keep one link between two nodes"
            yield Finding(path, detail, needs=(("links", other),))
            return
    if len(edges) != len({frozenset(edge) for edge in edges}):
        yield Finding(path, "joins the same two nodes twice; name each node once")
