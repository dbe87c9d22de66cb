"""Where what lasts is kept: in the folder in which a command is typed."""

from __future__ import annotations

from pathlib import Path
from typing import Final

_OURS: Final = Path(".qnode")
RUNS_FOLDER: Final = _OURS / "runs"
NETWORKS_FOLDER: Final = _OURS / "networks"


def make(folder: Path) -> None:
    """One of these, or another in its place; git ignores ours by itself."""
    folder.mkdir(parents=True, exist_ok=True)
    ignore = folder.parent / ".gitignore"
    if folder.parent.name == _OURS.name and not ignore.exists():
        ignore.write_text("*\n")
