"""Where what lasts is kept: in the folder in which a command is typed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

_OURS: Final = Path(".qnode")
RUNS_FOLDER: Final = _OURS / "runs"
NETWORKS_FOLDER: Final = _OURS / "networks"


def as_file_name(name: str) -> str:
    """A name as a file may have it: whatever is no letter, no digit, no - and no _ becomes a dash."""
    return "".join(char if char.isalnum() or char in "-_" else "-" for char in name)


def make(folder: Path) -> None:
    """One of these, or another in its place; git ignores ours by itself."""
    folder.mkdir(parents=True, exist_ok=True)
    ignore = folder.parent / ".gitignore"
    if folder.parent.name == _OURS.name and not ignore.exists():
        ignore.write_text("*\n")


def write_whole(path: Path, data: bytes) -> None:
    """All of it or nothing: whoever reads sees the old file or the new one."""
    new = path.with_name(f".{path.name}.new")
    try:
        new.write_bytes(data)
        os.replace(new, path)
    except OSError:
        new.unlink(missing_ok=True)  # half a file takes room, and is good for nothing
        raise
