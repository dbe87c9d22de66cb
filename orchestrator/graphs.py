"""What a configuration may say about files of graphs, and what it takes from them: nodes and links. Pure.

The file is read elsewhere (`importers`); here its nodes and edges, with their attributes, become what one could have
written under `nodes` and `links`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field, JsonValue, ValidationError

from orchestrator.near import nearest, nearest_name
from orchestrator.problems import Finding
from orchestrator.values import RESERVED_NODE_NAMES, Model, is_name

FORMATS: Final[Mapping[str, str]] = {  # by the ending of the file's name
    ".graphml": "graphml",
    ".xml": "graphml",
    ".gml": "gml",
    ".gexf": "gexf",
    ".json": "node_link",
    ".adjlist": "adjlist",
    ".edgelist": "edgelist",
    ".net": "pajek",
    ".g6": "graph6",
    ".s6": "sparse6",
}
Format = Literal["graphml", "gml", "gexf", "node_link", "adjlist", "edgelist", "pajek", "graph6", "sparse6"]

_NOT_IN_NAMES: Final = re.compile(r"[^A-Za-z0-9_-]+")


class FromAttribute(Model):
    """A value that each node or edge of the file has for itself."""

    attribute: Annotated[str, Field(min_length=1)] = Field(description="Of the node or edge, in the file.")
    unit: str = Field("", description="Put behind the number, such as km; left out: the file says it.")
    default: JsonValue = Field(None, description="For those that have no such attribute; left out: that is an error.")


def _template(value: object) -> object:
    return {} if value is None else value


Template = Annotated[dict[str, JsonValue], BeforeValidator(_template)]


class GraphConfig(Model):
    """Nodes and links from a file. What stands under `nodes` and `links` by the same name wins over it."""

    file: Annotated[str, Field(min_length=1)] = Field(description="From the configuration's folder.")
    format: Format | None = Field(None, description="Left out: by the ending of the file's name.")
    name: str | None = Field(
        None, description="Attribute that holds a node's name; left out: the file's own identifier."
    )
    node: Template = Field(
        default_factory=dict, description="What each node gets, as under `nodes`; a value may be {attribute: ...}."
    )
    link: Template = Field(
        default_factory=dict, description="What each link gets, as under `links`; a value may be {attribute: ...}."
    )
    simplify: bool = Field(
        False, description="Of several edges between two nodes keep the first, and drop those from a node to itself."
    )


@dataclass(frozen=True)
class Graph:
    """What a file says: nodes by their identifiers, and edges, with attributes."""

    nodes: Mapping[str, Mapping[str, Any]]
    edges: Sequence[tuple[str, str, Mapping[str, Any]]]


@dataclass
class Imported:
    """What a graph adds to a configuration, as it would be written there, and what is wrong with it."""

    nodes: dict[str, dict[str, Any]] = field(default_factory=dict)
    links: dict[str, dict[str, Any]] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)


def imported(name: str, config: GraphConfig, graph: Graph) -> Imported:
    """The nodes and links of a graph; findings are about paths below the graph's entry.

    A node's name is its attribute or identifier, with `_` for everything that cannot be in a name; a link is called
    `graph-a-b`, or by its number where that would be too long.
    """
    found = Imported()
    names = _names(config, graph, found)
    fill = _Filling(config, found)
    for identifier, attributes in graph.nodes.items():
        if identifier in names:
            found.nodes[names[identifier]] = fill("node", f"node {identifier!r}", attributes)
    joined: set[frozenset[str]] = set()
    for nth, (a, b, attributes) in enumerate(graph.edges):
        if a not in names or b not in names:
            continue
        edge = f"the edge from {a!r} to {b!r}"
        if a == b or frozenset((a, b)) in joined:
            if not config.simplify:
                why = "leads from a node to itself" if a == b else "is there more than once"
                found.findings.append(Finding(("file",), f"{edge} {why}; `simplify: true` leaves such edges out"))
            continue
        joined.add(frozenset((a, b)))
        link = f"{name}-{names[a]}-{names[b]}"
        values = fill("link", edge, attributes)
        found.links[link if is_name(link) else f"{name}-{nth}"] = {"between": [names[a], names[b]], **values}
    return found


def _names(config: GraphConfig, graph: Graph, found: Imported) -> dict[str, str]:
    """By identifier."""
    names: dict[str, str] = {}
    owners: dict[str, str] = {}
    for identifier, attributes in graph.nodes.items():
        label = identifier
        if config.name is not None:
            if config.name not in attributes:
                found.findings.append(
                    Finding(("name",), _no_attribute(f"node {identifier!r}", config.name, attributes))
                )
                return {}
            label = str(attributes[config.name])
        cleaned = _NOT_IN_NAMES.sub("_", label).strip("_-")
        if not is_name(cleaned):
            detail = f"node {identifier!r} is called {label!r}, of which no name can be made"
            found.findings.append(Finding(("name",) if config.name else ("file",), detail))
        elif cleaned in RESERVED_NODE_NAMES:
            detail = f"node {identifier!r} would be called {cleaned!r}, as a process of the emulator is"
            found.findings.append(Finding(("name",) if config.name else ("file",), detail))
        elif cleaned in owners:
            detail = f"nodes {owners[cleaned]!r} and {identifier!r} would both be called {cleaned!r}"
            found.findings.append(Finding(("name",) if config.name else ("file",), detail))
        else:
            names[identifier] = cleaned
            owners[cleaned] = identifier
    return names


class _Filling:
    """Fills the templates of a graph with the attributes of its nodes and edges; a complaint is made once."""

    def __init__(self, config: GraphConfig, found: Imported) -> None:
        self._templates = {"node": config.node, "link": config.link}
        self._found = found
        self._blamed: set[tuple[str | int, ...]] = set()

    def __call__(self, section: str, whose: str, attributes: Mapping[str, Any]) -> dict[str, Any]:
        template = self._templates[section]
        return {key: value for key, value in self._filled((section,), template, whose, attributes)}

    def _filled(
        self, path: tuple[str | int, ...], template: Mapping[str, Any], whose: str, attributes: Mapping[str, Any]
    ) -> Iterator[tuple[str, Any]]:
        for key, value in template.items():
            here = (*path, key)
            if not isinstance(value, Mapping):
                yield key, value
            elif "attribute" not in value and nearest_name("attribute", value) is None:
                yield key, dict(self._filled(here, value, whose, attributes))
            else:
                try:
                    source = FromAttribute.model_validate(value)
                except ValidationError as error:
                    self._blame(here, _why(error))
                    continue
                if source.attribute in attributes:
                    yield key, _with_unit(attributes[source.attribute], source.unit)
                elif source.default is not None:
                    yield key, source.default
                else:
                    self._blame(here, _no_attribute(whose, source.attribute, attributes))

    def _blame(self, path: tuple[str | int, ...], detail: str) -> None:
        if path not in self._blamed:
            self._blamed.add(path)
            self._found.findings.append(Finding(path, detail))


def _with_unit(value: Any, unit: str) -> Any:
    return f"{value} {unit}" if unit else value


def _no_attribute(whose: str, name: str, attributes: Mapping[str, Any]) -> str:
    there = f"it has {', '.join(map(str, attributes))}" if attributes else "it has none"
    return f"{whose} has no attribute {name!r}{nearest(name, map(str, attributes))}; {there}"


def _why(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    cause = first.get("ctx", {}).get("error")
    where = ".".join(map(str, first["loc"]))
    return f"{where + ': ' if where else ''}{cause or first['msg']}; write {{attribute: name, unit: km}}"
