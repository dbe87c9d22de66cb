"""Several runs of one network, each with a seed of its own: a row for each, and the means."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, Final

from orchestrator.report import as_number
from orchestrator.run import Run
from orchestrator.text import columns, shortened
from qnode.core.coins import derive_key

_WIDEST: Final = 24  # characters of one value
_MOST_COLUMNS: Final = 12
_MANY_RUNS, _FIRST, _LAST = 24, 16, 4


def seed_of(seed: int, nth: int) -> int:
    """The seed of the nth run (from 0) of a series: it depends on nothing else, so a longer series begins the same."""
    return int.from_bytes(derive_key(seed, "run of a series", nth)[:4], "big")


class Series:
    """Runs that ended well, in their order.

    Args:
        seed: What all their seeds are derived from.
        n: How many there are to be.
    """

    def __init__(self, seed: int, n: int) -> None:
        self.seed = seed
        self.seeds = [seed_of(seed, nth) for nth in range(n)]
        self.runs: list[Run] = []

    def add(self, run: Run) -> None:
        """The next of them."""
        self.runs.append(run)

    def table(self, *, width: int | None = None, whole: bool = False) -> str:
        """A row for each run, then the mean of each column of numbers and the mean's standard error."""
        return _Table([values_of(run) for run in self.runs], self.seeds, whole=whole).text(width)

    def as_json(self, failed: Run | None = None) -> str:
        """The same, with everything that each run tells; and the run that failed, or null."""
        values = [values_of(run) for run in self.runs]
        data = {
            "seed": self.seed,
            "runs": [run.as_data() for run in self.runs],
            "failed": None if failed is None else failed.as_data(),
            "means": {
                name: {"mean": mean, "standard_error": None if math.isnan(error) else error, "n": n}
                for name in _names(values)
                for mean, error, n in _mean([row.get(name) for row in values])
            },
        }
        return json.dumps(data, indent=2)


def values_of(run: Run) -> dict[str, Any]:
    """What one run has to show, by column: results, recorded values, evaluations; None where nothing was returned."""
    found: dict[str, Any] = {}
    nodes = run.network.nodes.values()  # in the order of the network: that of completion may be another in each run
    for node in nodes:
        results = run.results.get(node.name, {})
        for program in (one.name for one in node.programs if one.name in results):
            found[node.name if len(results) == 1 else f"{node.name}.{program}"] = results[program]
    for node in nodes:
        found.update({f"{node.name}.{name}": value for name, value in run.notes.get(node.name, {}).items()})
    seen: dict[str, list[float]] = {}
    for one in run.observed:
        if one.value is not None:
            seen.setdefault(f"{one.label}.{one.quantity.replace(' ', '_')}", []).append(one.value)
    found.update({name: statistics.fmean(values) for name, values in seen.items()})
    return found


class _Table:
    """Values of all runs, as far as there is room."""

    def __init__(self, rows: Sequence[Mapping[str, Any]], seeds: Sequence[int], *, whole: bool) -> None:
        self._rows = rows
        self._seeds = seeds
        self._whole = whole

    def text(self, width: int | None) -> str:
        names = self._shown
        numbers = [nth + 2 for nth, name in enumerate(names) if name in self._numbers]
        body = [
            (str(nth + 1), str(self._seeds[nth]), *(_cell(row.get(name)) for name in names))
            for nth, row in enumerate(self._rows)
        ]
        lines = [("run", "seed", *names), *self._some(body), *self._means(names)]
        text = columns(lines, width=width, right={0, 1, *numbers})
        left_out = len(self._names) - len(names)
        return f"{text}\n  {left_out} more columns: --json has them all" if left_out else text

    @cached_property
    def _names(self) -> list[str]:
        """Columns in the order in which they first appear, without those in which there is never anything."""
        return [name for name in _names(self._rows) if any(row.get(name) is not None for row in self._rows)]

    @cached_property
    def _numbers(self) -> set[str]:
        return {name for name in self._names if list(_mean([row.get(name) for row in self._rows]))}

    @property
    def _shown(self) -> list[str]:
        if self._whole or len(self._names) <= _MOST_COLUMNS:
            return self._names
        first = sorted(self._names, key=lambda name: name not in self._numbers)[:_MOST_COLUMNS]
        return [name for name in self._names if name in first]

    def _some(self, body: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
        if self._whole or len(body) <= _MANY_RUNS:
            return body
        dots = ("...", f"{len(body) - _FIRST - _LAST:,} more: --all", *[""] * (len(body[0]) - 2))
        return [*body[:_FIRST], dots, *body[-_LAST:]]

    def _means(self, names: Sequence[str]) -> Iterator[tuple[str, ...]]:
        if not self._numbers or len(self._rows) < 2:
            return
        columns_of = [list(_mean([row.get(name) for row in self._rows])) for name in names]
        yield ("", "mean", *(_cell(mean) for found in columns_of for mean in _only(found, 0)))
        yield ("", "std error", *(_cell(error) for found in columns_of for error in _only(found, 1)))


def _only(found: list[tuple[float, float, int]], nth: int) -> Iterator[object]:
    yield found[0][nth] if found else ""


def _names(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row))


def _mean(values: Sequence[object]) -> Iterator[tuple[float, float, int]]:
    """Mean, its standard error and how many, if all the values that are there are numbers; else nothing."""
    there = [value for value in values if value is not None]
    numbers = [number for number in map(as_number, there) if number is not None]
    if numbers and len(numbers) == len(there):
        spread = statistics.stdev(numbers) / math.sqrt(len(numbers)) if len(numbers) > 1 else math.nan
        yield statistics.fmean(numbers), spread, len(numbers)


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, str):
        return shortened(value, _WIDEST)
    number = as_number(value)
    return shortened(repr(value), _WIDEST) if number is None else f"{number:.6g}"
