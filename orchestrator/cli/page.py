"""The page about the command line: made of what the commands' own help is made of.

`python -m orchestrator.cli.page` prints it; `--write docs` writes it into the page in that folder.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from orchestrator.cli.arguments import parser_of
from orchestrator.cli.commands import COMMANDS, GROUPS, Command, overview
from orchestrator.generated import Part, row

PAGE_FILE: Final = "command-line.md"
PART: Final = Part("python -m orchestrator.cli.page --write docs")

Row = tuple[str, str]  # an argument, and what it is


def text() -> str:
    """The overview, what all commands accept, and a section for each command."""
    rows = {name: list(_rows(parser_of(command))) for name, command in COMMANDS.items()}
    first, *others = rows.values()
    common = [one for one in first if all(one in other for other in others)]
    parts = [f"```text\n{overview().rstrip()}\n```", "All commands accept:", _table(common)]
    for group, commands in GROUPS.items():
        parts.append(f"## {group}")
        for command in commands:
            parts += _section(command, [one for one in rows[command.name] if one not in common])
    return "\n\n".join(parts)


def _section(command: Command, rows: Sequence[Row]) -> Iterator[str]:
    parser = parser_of(command)
    yield f"### `qnode {command.usage}`"
    yield str(parser.description)
    if rows:
        yield _table(rows)
    if parser.epilog:
        yield f"```text\n{parser.epilog}\n```"


def _table(rows: Iterable[Row]) -> str:
    return "\n".join([row("argument", "what it is"), "|---|---|", *(row(f"`{name}`", what) for name, what in rows)])


def _rows(parser: argparse.ArgumentParser) -> Iterator[Row]:
    """Arguments by their place first, as in the help."""
    for action in sorted(parser._actions, key=lambda action: bool(action.option_strings)):
        choices = "|".join(map(str, action.choices or ()))
        value = action.metavar or choices or (action.dest.upper() if action.nargs != 0 else "")
        names = ", ".join(action.option_strings)
        yield " ".join(filter(None, (names, str(value)))), str(action.help)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the generated part, or write it; the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m orchestrator.cli.page", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--write", type=Path, metavar="FOLDER", help=f"write it into {PAGE_FILE} there")
    options = parser.parse_args(arguments)
    if options.write is None:
        sys.stdout.write(text() + "\n")
    else:
        page = options.write / PAGE_FILE
        page.write_text(PART.rewritten(page.read_text(encoding="utf-8"), text()), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
