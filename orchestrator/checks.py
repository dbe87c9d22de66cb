"""What only the whole configuration can tell: parts that are right by themselves and wrong together. Pure.

A configuration that is checked may have lost parts that were refused. Nothing here fails because of that, and each
finding says what it rests on, so that no consequence of an earlier mistake is told as one of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from orchestrator import shapes, units
from orchestrator.near import nearest
from orchestrator.problems import Finding, Path

if TYPE_CHECKING:  # the models call these checks
    from orchestrator.config import Config
    from orchestrator.hardware import HardwareConfig
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


def _of_settings(config: Config) -> Iterator[Finding]:
    if config.until is not None and units.to_ns(config.until) < 1:
        yield Finding(("until",), "must be at least 1 ns; leave it out to run until every program has returned")
    if not config.nodes:
        yield Finding(_NODES, "a network needs at least one node", needs=_MORE_NODES)
    if not config.events and (config.telemetry.mqtt or config.telemetry.prometheus):
        yield Finding(("events",), "telemetry is made of the event log; leave one of the two out", (("telemetry",),))
    if config.graphs:
        yield Finding(("graphs",), "files of graphs are read where a configuration is loaded from a file or a mapping")


def _of_kinds(config: Config) -> Iterator[Finding]:
    for name, kind in config.kinds.items():
        yield from _of_memory(("kinds", name), kind, kind, ())


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
            yield from _of_memory(path, node, config.hardware(node), kind)
        for name in shapes.expand(pattern):
            if name in seen:
                yield Finding(path, f"node {name!r} is already there, from {seen[name]!r}", key=True)
                break
            seen[name] = pattern


def _of_memory(path: Path, given: HardwareConfig, merged: HardwareConfig, kind: Path) -> Iterator[Finding]:
    if merged.t1 is None or merged.t2 is None or merged.t2 <= 2 * merged.t1:
        return
    key = next((key for key in ("t2", "t1") if key in given.model_fields_set), None)
    if key is not None:  # otherwise the kind is to blame, and was
        detail = f"t2 ({merged.t2:g} s) cannot be longer than twice t1 ({merged.t1:g} s): decay also dephases"
        places = (path, kind) if kind else (path,)
        yield Finding((*path, key), detail, needs=tuple((*place, time) for place in places for time in ("t1", "t2")))


def _of_links(config: Config) -> Iterator[Finding]:
    nodes = {name for pattern in config.nodes for name in shapes.expand(pattern)}
    joined: dict[frozenset[str], str] = {}
    for name, link in config.links.items():
        if len(link.given_shapes) == 1:  # otherwise that is what is wrong
            path: Path = ("links", name, link.shape)
            unknown = tuple(_unknown_members(path, link, nodes))
            yield from unknown or _of_edges(path, link, name, joined)
            yield from _of_tap(("links", name), link, nodes)


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


# --- what this version does not simulate ---------------------------------------------------------------------------

_IDEAL_ONLY: Final = "this version simulates ideal links only; remove it for now"


def unsupported(config: Config) -> Iterator[Finding]:
    """What a configuration may ask for and this version would have to leave out: a finding for each."""
    for link_name, link in config.links.items():
        yield from _noise_of_link(("links", link_name), link)


def _noise_of_link(path: Path, link: LinkConfig) -> Iterator[Finding]:
    asked = (
        (("attenuation",), link.loss_db > 0 and link.photons is None),
        (("source", "model"), link.source.model != "perfect"),
        (("fidelity",), link.fidelity is not None and link.fidelity < 1),
    )
    yield from (Finding((*path, *key), _IDEAL_ONLY) for key, is_asked in asked if is_asked)
