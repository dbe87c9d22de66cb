"""What the tests have done to the emulator, by kind: counted wherever they run, told once, at their end."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Final

FOLDER: Final = "QNODE_TALLY"  # in the environment: where it is counted; nowhere, if that is not set
FAULT: Final = "fault"
INPUT: Final = "input"
_TOLD: Final = {FAULT: "faults injected", INPUT: "bad inputs tried"}


def count(kind: str, n: int = 1, *, of: str = FAULT) -> None:
    """So many more of this kind. Of faults, unless it says otherwise."""
    if n and (folder := os.environ.get(FOLDER)):
        with Path(folder, str(os.getpid())).open("a") as file:  # each process its own: nobody writes in between
            file.write(f"{of}\t{kind}\t{int(n)}\n")


def bad_inputs(kind: str, n: int = 1) -> None:
    """So many more bad inputs of this kind."""
    count(kind, n, of=INPUT)


def counted(folder: Path) -> Mapping[str, Counter[str]]:
    """By kind, of faults and of bad inputs, by all processes together."""
    found = {of: Counter[str]() for of in _TOLD}
    for path in folder.iterdir():
        for line in path.read_text().splitlines():
            of, kind, n = line.split("\t")
            found[of][kind] += int(n)
    return found


def told(folder: Path) -> str:
    """A line for people, or "" if nothing was counted."""
    parts = [
        f"{_TOLD[of]}: " + ", ".join(f"{kind} {n:,}" for kind, n in sorted(kinds.items()))
        for of, kinds in counted(folder).items()
        if kinds
    ]
    return "; ".join(parts)
