"""Nodes and links from files of graphs, as NetworkX writes and reads them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.config import Config
from orchestrator.graphs import FORMATS, Graph, GraphConfig, imported
from orchestrator.loader import load
from orchestrator.problems import ConfigErrors
from orchestrator.topology import describe


def cities() -> nx.Graph:
    graph = nx.Graph()
    for number, (label, kind) in enumerate([("New York", "hub"), ("Boston", "end"), ("Washington D.C.", "end")]):
        graph.add_node(number, label=label, kind=kind, slots=number + 2)
    graph.add_edge(0, 1, km=306.5, name="north")
    graph.add_edge(0, 2, km=328)
    return graph


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    nx.write_graphml(cities(), tmp_path / "us.graphml")
    return tmp_path


def loaded(folder: Path, text: str) -> Config:
    (folder / "net.yaml").write_text(f"version: 1\n{text}")
    return load(folder / "net.yaml")


def problems(folder: Path, text: str) -> list[str]:
    with pytest.raises(ConfigErrors) as refused:
        loaded(folder, text)
    return [str(problem).removeprefix(f"{folder / 'net.yaml'}:") for problem in refused.value.problems]


def test_nodes_and_edges_become_nodes_and_links(folder: Path) -> None:
    config = loaded(folder, "graphs: {us: {file: us.graphml}}\nnodes: {}\n")
    assert list(config.nodes) == ["0", "1", "2"]
    assert {name: link.edges for name, link in config.links.items()} == {
        "us-0-1": (("0", "1"),),
        "us-0-2": (("0", "2"),),
    }
    assert not config.graphs


def test_attributes_fill_what_each_node_and_link_gets(folder: Path) -> None:
    config = loaded(
        folder,
        """
kinds: {hub: {gates: {two: {duration: 1 us}}}, end: {}}
graphs:
  us:
    file: us.graphml
    name: label
    node:
      kind: {attribute: kind}
      qubits: {attribute: slots}
      gates: {single: {duration: {attribute: slots, unit: ns}}}
    link: {length: {attribute: km, unit: km}}
nodes:
""",
    )
    assert list(config.nodes) == ["New_York", "Boston", "Washington_D_C"]
    assert [(node.kind, node.qubits) for node in config.nodes.values()] == [("hub", 2), ("end", 3), ("end", 4)]
    assert config.nodes["Boston"].gates.single.duration == 3e-9
    assert {name: link.length for name, link in config.links.items()} == {
        "us-New_York-Boston": 306_500.0,
        "us-New_York-Washington_D_C": 328_000.0,
    }


def test_an_attribute_that_some_lack_has_a_default(folder: Path) -> None:
    text = "graphs: {us: {file: us.graphml, link: {x-name: {attribute: name, default: none}}}}\nnodes:\n"
    assert len(loaded(folder, text).links) == 2
    assert problems(folder, text.replace(", default: none", "")) == [
        "2:40: graphs.us.link.x-name: the edge from '0' to '2' has no attribute 'name'; it has km"
    ]


def test_what_is_written_by_the_same_name_wins(folder: Path) -> None:
    config = loaded(
        folder,
        """
graphs: {us: {file: us.graphml, node: {qubits: 3, gates: {single: {duration: 1 ns}}}, link: {length: 9 km}}}
nodes:
  0: {program: "p.py:f", gates: {two: {duration: 2 ns}}}
  other: {}
links:
  us-0-1: {length: 5 km}
  more: {between: ["1", other]}
""",
    )
    zero = config.nodes["0"]
    assert (zero.qubits, zero.program, zero.gates.single.duration, zero.gates.two.duration) == (3, "p.py:f", 1e-9, 2e-9)
    assert [link.length for link in config.links.values()] == [5_000.0, 0.0, 9_000.0]
    assert len(describe(config, folder, 1).links) == 3


def test_values_can_be_laid_over_graphs_too(folder: Path) -> None:
    (folder / "net.yaml").write_text("version: 1\ngraphs: {us: {file: us.graphml}}\nnodes:\n")
    config = load(folder / "net.yaml", ["graphs.us.name=label", "graphs.us.node.qubits=2"])
    assert {name: node.qubits for name, node in config.nodes.items()} == {
        "New_York": 2,
        "Boston": 2,
        "Washington_D_C": 2,
    }


WRITERS: Final[dict[str, Any]] = {
    "net.graphml": nx.write_graphml,
    "net.gml": nx.write_gml,
    "net.gexf": nx.write_gexf,
    "net.json": lambda graph, path: path.write_text(json.dumps(nx.node_link_data(graph, edges="links"))),
    "net.adjlist": nx.write_adjlist,
    "net.edgelist": nx.write_edgelist,
    "net.net": nx.write_pajek,
    "net.g6": nx.write_graph6,
    "net.s6": nx.write_sparse6,
}


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.filterwarnings("ignore:Node attribute .* is not processed")  # Pajek knows no numbers
def test_every_format_is_read(tmp_path: Path, name: str) -> None:
    WRITERS[name](nx.convert_node_labels_to_integers(nx.petersen_graph()), tmp_path / name)
    config = loaded(tmp_path, f"graphs: {{g: {{file: {name}}}}}\nnodes:\n")
    joined = {frozenset(map(int, edge)) for link in config.links.values() for edge in link.edges}
    assert joined == {frozenset(edge) for edge in nx.petersen_graph().edges}


def test_the_table_of_formats_is_tested() -> None:
    assert {Path(name).suffix for name in WRITERS} | {".xml"} == set(FORMATS)


def test_a_format_can_be_given(folder: Path) -> None:
    (folder / "us.graphml").rename(folder / "us.data")
    assert len(loaded(folder, "graphs: {us: {file: us.data, format: graphml}}\nnodes:\n").nodes) == 3


# --- mistakes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("graph", "problem"),
    [
        ("{file: us.graphmk}", "2:21: graphs.us.file: 'us.graphmk' does not end in .graphml, .xml, .gml"),
        ("{file: su.graphml}", "2:21: graphs.us.file: there is no file 'su.graphml' in {} (did you mean"),
        ("{file: us.graphml, format: gml}", "2:21: graphs.us.file: 'us.graphml' is no graph in format gml: "),
        ("{file: us.graphml, name: lable}", "2:39: graphs.us.name: node '0' has no attribute 'lable' (did you mean"),
        ("{file: us.graphml, name: kind}", "2:39: graphs.us.name: nodes '1' and '2' would both be called 'end'"),
        (
            "{file: us.graphml, link: {length: {attribute: miles}}}",
            "2:40: graphs.us.link.length: the edge from '0' to '1' has no attribute 'miles'; it has km, name",
        ),
        (
            "{file: us.graphml, link: {length: {attribute: km}}}",
            "2:40: graphs.us.link.length: 306.5 needs a unit; write a number and one of m, km, cm, mm, um, nm",
        ),
        (
            "{file: us.graphml, link: {length: {attribute: km, units: km}}}",
            "2:40: graphs.us.link.length: unknown key (did you mean 'unit'?)",
        ),
        ("{file: us.graphml, link: {lenght: 1 km}}", "2:40: graphs.us.link.lenght: unknown key (did you mean 'length'"),
        ("{file: us.graphml, node: {qubits: 0}}", "2:48: graphs.us.node.qubits: must be at least 1, not 0"),
        ("{fiel: us.graphml}", "2:15: graphs.us.fiel: unknown key (did you mean 'file'?)"),
        ("{}", "2:10: graphs.us.file: is missing"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_once_and_without_consequences(folder: Path, graph: str, problem: str) -> None:
    (found,) = problems(folder, f"graphs: {{us: {graph}}}\nnodes: {{a: }}\nlinks: {{l: {{between: [a, '0']}}}}\n")
    assert found.startswith(problem.replace("{}", str(folder)))


def test_several_edges_between_two_nodes_are_refused_or_left_out(tmp_path: Path) -> None:
    graph = nx.MultiDiGraph([("a", "b"), ("b", "a"), ("a", "a"), ("b", "c")])
    nx.write_graphml(graph, tmp_path / "multi.graphml")
    text = "graphs: {g: {file: multi.graphml}}\nnodes:\n"
    assert problems(tmp_path, text)[0] == (
        "2:20: graphs.g.file: the edge from 'a' to 'a' leads from a node to itself; `simplify: true`"
        " leaves such edges out"
    )
    config = loaded(tmp_path, text.replace("multi.graphml", "multi.graphml, simplify: true"))
    assert list(config.links) == ["g-a-b", "g-b-c"]


def test_a_name_that_is_there_already_by_a_range_is_refused(folder: Path) -> None:
    (found,) = problems(folder, "graphs: {us: {file: us.graphml}}\nnodes: {'[0..1]': {}}\n")
    assert found.endswith("node '0' is already there, from '[0..1]'")


def test_without_networkx_the_remedy_is_named(folder: Path) -> None:
    """In an interpreter that has none: an empty module path but for what qnode itself needs."""
    (folder / "net.yaml").write_text("version: 1\ngraphs: {us: {file: us.graphml}}\nnodes:\n")
    program = (
        "import sys; sys.modules['networkx'] = None\n"
        "from orchestrator.loader import load\n"
        f"try: load({str(folder / 'net.yaml')!r})\n"
        "except Exception as error: print(error)\n"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=root, capture_output=True, text=True, timeout=60, check=True
    )
    assert "NetworkX reads files of graphs, and is not installed: pip install 'qnode[graphs]'" in done.stdout


def test_networkx_is_imported_for_files_of_graphs_only() -> None:
    program = (
        "import sys; from orchestrator.loader import loads\n"
        "loads('version: 1\\nnodes: {a: }'); print('networkx' in sys.modules)"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=root, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "False"


def test_a_name_of_a_process_of_ours_is_refused_for_a_node() -> None:
    found = imported("g", GraphConfig(file="x.gml"), Graph({"7": {}, "oracle": {}}, []))
    assert list(found.nodes) == ["7"]
    (finding,) = found.findings
    assert "node 'oracle' would be called 'oracle', as a process of the emulator is" in finding.detail


labels = st.text(max_size=12)


@given(st.lists(labels, max_size=6, unique=True), st.data())
def test_whatever_a_graph_holds_becomes_right_names_or_findings(names: list[str], data: st.DataObject) -> None:
    edges = data.draw(
        st.lists(st.tuples(st.sampled_from(names), st.sampled_from(names)), max_size=6) if names else st.just([])
    )
    graph = Graph({name: {"label": name[::-1]} for name in names}, [(a, b, {}) for a, b in edges])
    for config in (GraphConfig(file="x.gml", simplify=True), GraphConfig(file="x.gml", name="label", simplify=True)):
        found = imported("g", config, graph)
        text = {"version": 1, "nodes": {"a-node": {}, **found.nodes}, "links": found.links}
        Config.model_validate(text)
        assert found.findings or len(found.nodes) == len(names)
