"""Figures as a table, as JSON, and as the generated part of a page."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from importlib.metadata import version
from math import floor, log10
from pathlib import Path
from statistics import median
from typing import Final

from benchmarks.measure import Effort, Figure

FORMAT: Final = 1
BEGIN: Final = "<!-- begin of what `python -m benchmarks --markdown` writes -->"
END: Final = "<!-- end of what `python -m benchmarks --markdown` writes -->"
MARKERS: Final = f"{BEGIN}\n{END}"
HEADINGS: Final = ("benchmark", "case", "median", "min", "max", "unit", "yardstick", "ratio", "target", "met")
PACKAGES: Final = ("qnode", "msgpack", "msgspec", "numpy", "pyzmq", "stim")
_NUMERIC: Final = frozenset(("median", "min", "max", "yardstick", "ratio"))


def machine() -> dict[str, object]:
    """What a figure depends on, without saying whose machine it is."""
    return {
        "cpu_count": os.cpu_count(),
        "system": platform.system(),
        "architecture": platform.machine(),
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "versions": {package: version(package) for package in PACKAGES},
    }


def as_json(figures: Sequence[Figure], effort: Effort) -> str:
    document = {
        "format": FORMAT,
        "machine": machine(),
        "effort": {"name": effort.name, "repetitions": effort.repetitions},
        "figures": [figure.as_json() for figure in figures],
    }
    return json.dumps(document, indent=2) + "\n"


def as_table(figures: Sequence[Figure]) -> str:
    """For a terminal."""
    rows = [HEADINGS, *map(_row, figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if heading in _NUMERIC else cell.ljust(width)
            for heading, cell, width in zip(HEADINGS, row, widths, strict=True)
        ).rstrip()
        for row in rows
    )


def as_markdown(figures: Sequence[Figure], effort: Effort) -> str:
    """For a page: where it was measured, the table, what the yardsticks are."""
    rows = [HEADINGS, tuple("---:" if heading in _NUMERIC else "---" for heading in HEADINGS), *map(_row, figures)]
    yardsticks = {figure.benchmark: figure.yardstick_name for figure in figures if figure.yardstick_name}
    about = machine()
    lines = [
        f"{about['cpu_count']} cores, {about['implementation']} {about['python']}, "
        + ", ".join(f"{package} {version(package)}" for package in PACKAGES)
        + f"; effort {effort.name}: {effort.repetitions} repetitions.",
        "",
        *("| " + " | ".join(row) + " |" for row in rows),
        "",
        "Yardsticks: " + "; ".join(f"{benchmark}: {name}" for benchmark, name in yardsticks.items()) + ".",
    ]
    return "\n".join(lines)


def has_section(page: Path) -> bool:
    """Whether a page has a generated section."""
    if not page.is_file():
        return False
    begin, end = (page.read_text(encoding="utf-8").find(marker) for marker in (BEGIN, END))
    return 0 <= begin < end


def rewrite(page: Path, generated: str) -> None:
    """Replace what stands between the two markers of a page that has a generated section."""
    text = page.read_text(encoding="utf-8")
    before, after = text.partition(BEGIN)[0], text.partition(END)[2]
    page.write_text(f"{before}{BEGIN}\n\n{generated}\n\n{END}{after}", encoding="utf-8")


def _row(figure: Figure) -> tuple[str, ...]:
    ratio = figure.ratio
    return (
        figure.benchmark,
        figure.case,
        number(figure.value),
        number(min(figure.samples)),
        number(max(figure.samples)),
        figure.unit,
        number(median(figure.yardstick)) if figure.yardstick else "-",
        "-" if ratio is None else f"{number(ratio)} x",
        "-" if figure.target is None else str(figure.target),
        {True: "yes", False: "no", None: "-"}[figure.met],
    )


def number(value: float) -> str:
    """Three digits that mean something: 0.00123, 0.123, 1.23, 12.3, 123, 12,300."""
    rounded = float(f"{value:.3g}")
    if rounded == 0 or abs(rounded) < 1e-4:
        return f"{rounded:g}"
    decimals = 2 - floor(log10(abs(rounded)))
    return f"{rounded:,.{max(0, decimals)}f}"
