"""The library as a whole: each protocol has idea and source, a configuration that runs, a test, a line of the docs."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
SHARED: Final = {"__init__", "broadcast", "comparing", "eavesdropping", "sharing"}
"""What protocols have in common: parts of them, without a configuration of their own."""
FILES: Final = sorted(path for path in (ROOT / "qnode/protocols").glob("*.py") if path.stem not in SHARED)
CONFIGURATIONS: Final = sorted((ROOT / "configs").glob("*.yaml"))
OF_THE_STACK: Final = {"min_fidelity"}
"""A configuration of what the network does by itself."""

named = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)


def all_tests(folder: str = "tests") -> str:
    return "\n".join(path.read_text() for path in (ROOT / folder).rglob("test_*.py") if path != Path(__file__))


@named
def test_a_protocol_tells_its_idea_and_its_source(path: Path) -> None:
    said = ast.get_docstring(ast.parse(path.read_text())) or ""
    assert len(re.split(r"[.:]\s", said)) >= 3
    assert re.search(r"^Sources?: .*\d{4}", said, re.MULTILINE | re.DOTALL)


@named
def test_a_protocol_has_a_configuration_a_test_and_a_line_of_the_docs(path: Path) -> None:
    used = re.compile(rf"\bqnode\.protocols\.{path.stem}\b|\bfrom qnode\.protocols import .*\b{path.stem}\b")
    assert used.search(all_tests("tests/protocols"))
    sources = [*CONFIGURATIONS, *(ROOT / "configs").glob("*.py")]
    assert any(used.search(source.read_text()) for source in sources)
    assert f"(../qnode/protocols/{path.name})" in (ROOT / "docs/protocols.md").read_text()


@pytest.mark.parametrize("path", CONFIGURATIONS, ids=lambda path: path.stem)
def test_a_configuration_is_run_by_a_test_and_is_in_the_docs(path: Path) -> None:
    tests = all_tests()
    by_name = re.search(r"mark\.parametrize\(\"name\", (\[.*?\])\)\ndef test_every_example_configuration_runs", tests)
    assert by_name is not None
    assert f"configs/{path.name}" in tests or f'"configs" / "{path.name}"' in tests or f'"{path.stem}"' in by_name[1]
    if path.stem not in OF_THE_STACK:
        assert f"`qnode run configs/{path.name}`" in (ROOT / "docs/protocols.md").read_text()
