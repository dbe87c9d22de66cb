"""`qnode init DIR`: a new project that runs, and whose tests pass, at once."""

from __future__ import annotations

import argparse
import shlex
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
    folder.mkdir(parents=True, exist_ok=True)
    for path, text in files.items():
        path.write_text(text, encoding="utf-8")
    screen.say(f"made {folder}: {', '.join(path.name for path in files)}")
    go = "" if folder.resolve() == Path.cwd() else f"  cd {shlex.quote(str(folder))}\n"
    screen.say(f"try:\n{go}  qnode run coin.yaml\n  python -m pytest")
    return 0
