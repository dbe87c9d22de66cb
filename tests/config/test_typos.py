"""Every key of a configuration, misspelt in several ways: the right one is suggested, at the place of the wrong one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import networkx as nx
import pytest

from orchestrator.loader import loads
from orchestrator.problems import ConfigErrors
from orchestrator.schema import schema
from tests.config.full import FAULTS, FULL, GRAPH, REAL, TELEMETRY

CHOSEN: Final = {  # keys that are names of somebody's choice, and can be anything
    "end", "alice", "bob", "main", "theta", "n", "received", "net",
    "repeater", "between-two", "a-chain", "a-ring", "a-star", "given-state", "all", "a-grid", "a-tree", "by-chance",
    "lab1", "lab2", "oracle", "short",
}  # fmt: skip


class Key(NamedTuple):
    text: str
    line: int
    column: int
    key: str


def keys(text: str) -> Iterator[Key]:
    for number, line in enumerate(text.splitlines()):
        found = re.match(r"[ -]*([a-z_0-9-]+):", line)
        if found and found[1] not in CHOSEN:
            yield Key(text, number, found.start(1), found[1])


KEYS: Final = [key for text in (FULL, REAL, GRAPH, TELEMETRY, FAULTS) for key in keys(text)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("graphs")
    graph = nx.Graph()
    graph.add_node(0, label="zero", slots=2)
    graph.add_node(1, label="one", slots=2)
    graph.add_edge(0, 1)
    nx.write_graphml(graph, folder / "net.graphml")
    return folder


def problems(text: str, folder: Path) -> list[str]:
    try:
        loads(text, "net.yaml", base=folder)
    except ConfigErrors as errors:
        return [str(problem) for problem in errors.problems]
    return []


@pytest.mark.parametrize(
    "text", [FULL, REAL, GRAPH, TELEMETRY, FAULTS], ids=["full", "real", "graph", "telemetry", "faults"]
)
def test_the_files_are_right_before_they_are_misspelt(text: str, folder: Path) -> None:
    assert problems(text, folder) == []


def test_the_files_hold_every_key_that_there_is() -> None:
    """Of every model, under each name that the schema gives it."""
    found = schema()
    models = [found, *found["$defs"].values()]
    assert {name for model in models for name in model.get("properties", ())} <= {key.key for key in KEYS}


def misspelt(word: str) -> set[str]:
    """Letters doubled, left out, exchanged, replaced; nothing that is a key itself."""
    return set(_misspelt(word)) - {key.key for key in KEYS}


def _misspelt(word: str) -> Iterator[str]:
    yield word + word[-1]
    yield word[0] + word
    yield word.upper()
    if len(word) >= 4:
        yield word[0] + word[2:]
        yield word[:-1]
        yield word[:-2] + word[-1] + word[-2]
        yield word[:-1] + "x"


@pytest.mark.parametrize("key", KEYS, ids=[f"{key.key}-{nth}" for nth, key in enumerate(KEYS)])
def test_of_a_misspelt_key_the_right_one_is_suggested_where_it_stands(key: Key, folder: Path) -> None:
    lines = key.text.splitlines()
    for wrong in sorted(misspelt(key.key)):
        line = lines[key.line]
        changed = line[: key.column] + wrong + line[key.column + len(key.key) :]
        text = "\n".join([*lines[: key.line], changed, *lines[key.line + 1 :]])
        place = f"net.yaml:{key.line + 1}:{key.column + 1}: "
        found = problems(text, folder)
        assert len(found) == 1, found
        if key.key in ("attribute", "unit", "default"):  # they are read for each node, and told of where the value is
            assert found[0].startswith("net.yaml:8:7: ")
        else:
            assert found[0].startswith(place)
        meant = "programs?" if key.key == "programs" else key.key  # of which `program` is a misspelling as well
        assert re.search(rf"unknown key \(did you mean '{meant}'\?\)", found[0]), found[0]
