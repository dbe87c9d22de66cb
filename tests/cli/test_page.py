"""The page about the command line says what the commands' own help says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

from orchestrator.cli import page
from orchestrator.cli.arguments import parser_of
from orchestrator.cli.commands import COMMANDS, overview
from tests.cli.commands import typed

DOCS: Final = Path(__file__).parents[2] / "docs"
TEXT: Final = (DOCS / page.PAGE_FILE).read_text(encoding="utf-8")


def test_the_page_is_what_the_commands_say() -> None:
    assert page.PART.rewritten(TEXT, page.text()) == TEXT, "run: python -m orchestrator.cli.page --write docs"


def test_a_stale_page_is_written_anew_and_the_rest_of_it_stays(tmp_path: Path) -> None:
    (tmp_path / page.PAGE_FILE).write_text(f"before\n{page.PART.begin}\nstale\n{page.PART.end}\nafter\n")
    assert page.main(["--write", str(tmp_path)]) == 0
    written = (tmp_path / page.PAGE_FILE).read_text()
    assert written == f"before\n{page.PART.begin}\n\n{page.text()}\n\n{page.PART.end}\nafter\n"


def test_a_page_without_a_part_to_rewrite_is_refused() -> None:
    with pytest.raises(ValueError, match="no part to rewrite"):
        page.PART.rewritten("all by hand\n", "text")


def test_it_begins_with_the_overview_and_has_a_section_for_each_command() -> None:
    assert overview().rstrip() in TEXT
    assert re.findall(r"^### `qnode ([a-z]+)", TEXT, re.MULTILINE) == list(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_whatever_the_help_of_a_command_names_is_in_its_section(name: str, tmp_path: Path) -> None:
    help_text = typed(name, "--help", cwd=tmp_path).out
    section = re.split(r"^##", TEXT.partition(f"### `qnode {COMMANDS[name].usage}`")[2], flags=re.MULTILINE)[0]
    common = TEXT.partition("All commands accept:")[2].partition("##")[0]
    options = set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", help_text.partition("\n\n")[0]))
    assert options
    assert {option for option in options if option not in section + common} == set()
    assert str(parser_of(COMMANDS[name]).description) in section
