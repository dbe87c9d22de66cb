"""What only the whole configuration can tell: parts that are right by themselves and wrong together. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from orchestrator import shapes, units
from orchestrator.values import nearest

if TYPE_CHECKING:  # the models call these checks
    from orchestrator.config import Config, HardwareConfig


class Problem(NamedTuple):
    path: tuple[str | int, ...]
    detail: str


def problems(config: Config) -> Iterator[Problem]:
    """Everything that is wrong between parts which are each right by themselves, in the order of the file."""
    yield from _problems_of_settings(config)
    yield from _problems_of_kinds(config)
    yield from _problems_of_nodes(config)
    yield from _problems_of_links(config)


def _problems_of_settings(config: Config) -> Iterator[Problem]:
    if config.until is not None and units.to_ns(config.until) < 1:
        yield Problem(("until",), "must be at least 1 ns; leave it out to run until every program has returned")
    if not config.nodes:
        yield Problem(("nodes",), "a network needs at least one node")


def _problems_of_kinds(config: Config) -> Iterator[Problem]:
    for name, kind in config.kinds.items():
        yield from _problems_of_memory(("kinds", name), kind, kind)


def _problems_of_nodes(config: Config) -> Iterator[Problem]:
    seen: dict[str, str] = {}
    for pattern, node in config.nodes.items():
        if node.kind is not None and node.kind not in config.kinds:
            known = f"known kinds: {', '.join(config.kinds)}" if config.kinds else "there are no kinds in this file"
            detail = f"no kind {node.kind!r}{nearest(node.kind, config.kinds)}; {known}"
            yield Problem(("nodes", pattern, "kind"), detail)
        else:
            yield from _problems_of_memory(("nodes", pattern), node, config.hardware(node))
        for name in shapes.expand(pattern):
            if name in seen:
                yield Problem(("nodes", pattern), f"node {name!r} is already there, from {seen[name]!r}")
                break
            seen[name] = pattern


def _problems_of_memory(path: tuple[str, ...], given: HardwareConfig, merged: HardwareConfig) -> Iterator[Problem]:
    if merged.t1 is None or merged.t2 is None or merged.t2 <= 2 * merged.t1:
        return
    key = next((key for key in ("t2", "t1") if key in given.model_fields_set), None)
    if key is not None:  # otherwise the kind is to blame, and was
        detail = f"t2 ({merged.t2:g} s) cannot be longer than twice t1 ({merged.t1:g} s): decay also dephases"
        yield Problem((*path, key), detail)


def _problems_of_links(config: Config) -> Iterator[Problem]:
    nodes = {name for pattern in config.nodes for name in shapes.expand(pattern)}
    joined: dict[frozenset[str], str] = {}
    for name, link in config.links.items():
        path = ("links", name, link.shape)
        try:
            edges = link.edges
        except shapes.ShapeError as error:
            yield Problem(path, str(error))
            continue
        problem = _first_bad_edge(edges, nodes, joined, name)
        if problem:
            yield Problem(path, problem)


def _first_bad_edge(
    edges: tuple[shapes.Edge, ...], nodes: set[str], joined: dict[frozenset[str], str], link: str
) -> str | None:
    for a, b in edges:
        for end in (a, b):
            if end not in nodes:
                return f"no node {end!r}{nearest(end, nodes)}"
        if a == b:
            return f"{a!r} cannot be linked with itself"
        other = joined.setdefault(frozenset((a, b)), link)
        if other != link:
            return f"{a!r} and {b!r} are already joined by link {other!r}; keep one link between two nodes"
    if len(edges) != len({frozenset(edge) for edge in edges}):
        return "joins the same two nodes twice; name each node once"
    return None
