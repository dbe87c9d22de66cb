"""`qnode init DIR`: a new project that runs, and whose tests pass, at once."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from orchestrator.cli.screen import Screen
from qnode.errors import ConfigError

TEMPLATES: Final = Path(__file__).with_name("templates")


def run(options: argparse.Namespace, screen: Screen) -> int:
    """Carry out the command; the exit code. Either all files are written or none."""
    folder: Path = options.folder
    templates = sorted(path for path in TEMPLATES.iterdir() if path.suffix == ".txt")
    files = {folder / path.stem: path.read_text(encoding="utf-8") for path in templates}
    there = [path.name for path in files if path.exists()]
    if there:
        raise ConfigError(place=str(folder), detail=f"{', '.join(there)} would be overwritten; choose another folder")
    _write(folder, files)
    screen.say(f"made {folder}: {', '.join(path.name for path in files)}")
    target = f"./{folder}" if str(folder).startswith("-") else str(folder)  # or `cd` takes it for an option
    go = "" if folder.resolve() == Path.cwd() else f"  cd {shlex.quote(target)}\n"
    screen.say(f"try:\n{go}  qnode run coin.yaml\n  python -m pytest")
    return 0


def _write(folder: Path, files: Mapping[Path, str]) -> None:
    with ExitStack() as unless_all_are_written:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for path, text in files.items():
                with path.open("x", encoding="utf-8") as file:
                    unless_all_are_written.callback(path.unlink)
                    file.write(text)
        except FileExistsError as error:
            detail = f"{error.filename} is in the way; choose another folder"
            raise ConfigError(place=str(folder), detail=detail) from None
        except OSError as error:
            detail = f"a project cannot be made here: {error.strerror or error}; choose another folder"
            raise ConfigError(place=str(folder), detail=detail) from None
        unless_all_are_written.pop_all()
