"""The page about the configuration: every block in it is what it says."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Final

import jsonschema
import networkx as nx
import pytest

from orchestrator.loader import load, loads
from orchestrator.problems import ConfigErrors
from orchestrator.schema import SCHEMA_FILE, schema
from orchestrator.written import Written

DOCS: Final = Path(__file__).parents[2] / "docs"
PAGE: Final = (DOCS / "configuration.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    graph = nx.Graph()
    for number, label in enumerate(["Paris", "Berlin", "Praha"]):
        graph.add_node(number, label=label)
    graph.add_edge(0, 1, distance=878)
    graph.add_edge(1, 2)
    nx.write_graphml(graph, tmp_path / "europe.graphml")
    return tmp_path


def test_every_block_is_of_a_kind_that_is_tested() -> None:
    assert set(re.findall(r"^```(\w+)$", PAGE, re.MULTILINE)) == {"yaml", "sh", "text", "json"}


def test_configurations_can_be_loaded_and_the_schema_accepts_them(folder: Path) -> None:
    (mistakes,) = (text for text in blocks("yaml") if "qubit: 4" in text)
    for text in blocks("yaml"):
        if text != mistakes:
            assert loads(text, base=folder).nodes
            jsonschema.Draft7Validator(schema()).validate(Written.from_text(text, "page").data)


def test_mistakes_are_told_as_the_page_shows() -> None:
    (mistakes,) = (text for text in blocks("yaml") if "qubit: 4" in text)
    with pytest.raises(ConfigErrors) as refused:
        loads(mistakes, "net.yaml")
    assert blocks("text") == [f"{refused.value}\n"]


def test_the_graph_becomes_what_the_page_says(folder: Path) -> None:
    (text,) = (text for text in blocks("yaml") if "graphs:" in text)
    config = loads(text, base=folder)
    assert {name: link.length for name, link in config.links.items()} == {
        "europe-Paris-Berlin": 878_000.0,
        "europe-Berlin-Praha": 100_000.0,
    }
    assert config.nodes["Paris"].program == "qkd.py:alice"


def test_values_are_laid_over_as_the_page_shows(folder: Path) -> None:
    (folder / "backbone.yaml").write_text(blocks("yaml")[0])
    (line,) = blocks("sh")
    words = shlex.split(line)
    assert words[:3] == ["qnode", "check", "backbone.yaml"]
    assert words[3::2] == ["--set"] * 3
    config = load(folder / words[2], words[4::2])
    assert (config.seed, config.links["backup"].length, config.nodes["r[000..997]"].qubits) == (7, 25_000.0, 4)
    assert load(folder / words[2], re.findall(r'set=\["(.*?)"\]', PAGE)).links["backup"].length == 5_000.0


def test_the_paths_for_editors_lead_to_the_schema() -> None:
    (comment,) = re.findall(r"^# yaml-language-server: \$schema=(.*)$", PAGE, re.MULTILINE)
    (settings,) = map(json.loads, blocks("json"))
    assert {comment, *settings["yaml.schemas"]} == {f"docs/{SCHEMA_FILE}"}
    assert (DOCS / SCHEMA_FILE).is_file()
    (patterns,) = settings["yaml.schemas"].values()
    assert list(DOCS.parent.glob(patterns[0]))
