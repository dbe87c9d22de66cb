"""Text for people: aligned columns, numbers with their noun, names in a row, paths and times as one says them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

_GAP: Final = "   "
_MARGIN: Final = "  "
_NARROWEST: Final = 8  # a column is not cut below this


def columns(rows: Sequence[Sequence[str]], *, width: int | None = None, right: Collection[int] = ()) -> str:
    """The rows as lines, each cell padded to its column.

    Args:
        rows: All of the same length.
        width: Lines become no longer than this, by cutting the cells of the widest columns; None: as long as it takes.
        right: The columns whose cells stand at the right.
    """
    if not rows:
        return ""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    if width is not None:
        _narrow(widths, width - len(_MARGIN) - len(_GAP) * (len(widths) - 1))
    return "\n".join(_line(row, widths, right) for row in rows)


def shortened(text: str, most: int) -> str:
    """One line of at most so many characters."""
    text = " ".join(text.split())
    return text if len(text) <= most else text[: max(0, most - 3)] + "..."


def count(n: int, thing: str) -> str:
    """`1 node`, `2 nodes`."""
    return f"{n:,} {thing}{'' if n == 1 else 's'}"


def from_here(folder: Path) -> Path:
    """A path as one would type it."""
    here = Path.cwd()
    return folder.relative_to(here) if folder.is_relative_to(here) else folder


def span(names: Sequence[str], what: str = "node") -> str:
    """A few names, or the first and the last of many, and how many of what."""
    if len(names) <= 3:
        return ", ".join(names)
    return f"{names[0]} .. {names[-1]} ({count(len(names), what)})"


def names_of(names: Sequence[str]) -> str:
    """A few names as one says them, or the first and the last of many: `alice`, `bob and carol`, `a, b and c`."""
    if not 1 < len(names) <= 5:
        return span(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"


def ago(since: datetime, now: datetime) -> str:
    """How long ago, in one unit."""
    seconds = max(0.0, (now - since).total_seconds())
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit} ago"
    return f"{seconds:.0f} s ago"


def _line(row: Sequence[str], widths: Sequence[int], right: Collection[int]) -> str:
    cells = (
        shortened(cell, width).rjust(width) if nth in right else shortened(cell, width).ljust(width)
        for nth, (cell, width) in enumerate(zip(row, widths, strict=True))
    )
    return f"{_MARGIN}{_GAP.join(cells)}".rstrip()


def _narrow(widths: list[int], room: int) -> None:
    """Take from the widest until they fit, or until none can give any more."""
    while sum(widths) > room:
        widest = max(range(len(widths)), key=widths.__getitem__)
        if widths[widest] <= _NARROWEST:
            return
        widths[widest] -= 1
