"""Reading files of graphs by NetworkX, which is imported when there is one to read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from orchestrator.graphs import FORMATS, Graph, GraphConfig
from orchestrator.near import nearest

REMEDY: Final = "pip install 'qnode[graphs]'"


class UnreadableGraph(ValueError):
    """A file of which no graph comes; the sentence says why."""


def read_graph(config: GraphConfig, base: Path) -> Graph:
    """The nodes and edges of a file, directions left out.

    Args:
        config: Which file, in which format.
        base: The folder that its path is relative to.
    Raises:
        UnreadableGraph: If there is no such file, it is not of its format, or NetworkX is not installed.
    """
    path = base / config.file
    kind = config.format or FORMATS.get(path.suffix.lower())
    if kind is None:
        endings = ", ".join(FORMATS)
        raise UnreadableGraph(f"{config.file!r} does not end in {endings}; say `format: graphml`, or what it is")
    if not path.is_file():
        near = nearest(path.name, sorted(one.name for one in path.parent.glob("*"))) if path.parent.is_dir() else ""
        raise UnreadableGraph(f"there is no file {config.file!r} in {base}{near}")
    try:
        import networkx as nx  # lazy: an extra, and 0.2 s to import
    except ImportError:
        raise UnreadableGraph(f"NetworkX reads files of graphs, and is not installed: {REMEDY}") from None
    try:
        graph = _READERS[kind](nx, path)
    except OSError as error:
        raise UnreadableGraph(f"{config.file!r} cannot be read: {error.strerror or error}") from None
    except Exception as error:  # noqa: BLE001  parsers of ten formats raise whatever they like about a bad file
        detail = " ".join(str(error).split()) or type(error).__name__
        raise UnreadableGraph(f"{config.file!r} is no graph in format {kind}: {detail}") from None
    return Graph(
        nodes={str(node): {str(key): value for key, value in graph.nodes[node].items()} for node in graph.nodes},
        edges=[
            (str(a), str(b), {str(key): value for key, value in attributes.items()})
            for a, b, attributes in graph.edges(data=True)
        ],
    )


def _gml(nx: Any, path: Path) -> Any:
    return nx.read_gml(path, label="id")


def _node_link(nx: Any, path: Path) -> Any:
    data = json.loads(path.read_text(encoding="utf-8"))
    return nx.node_link_graph(data, edges="edges" if "edges" in data else "links")


_READERS: Final[dict[str, Callable[[Any, Path], Any]]] = {
    "graphml": lambda nx, path: nx.read_graphml(path),
    "gml": _gml,
    "gexf": lambda nx, path: nx.read_gexf(path),
    "node_link": _node_link,
    "adjlist": lambda nx, path: nx.read_adjlist(path),
    "edgelist": lambda nx, path: nx.read_edgelist(path),
    "pajek": lambda nx, path: nx.read_pajek(path),
    "graph6": lambda nx, path: nx.read_graph6(path),
    "sparse6": lambda nx, path: nx.read_sparse6(path),
}
