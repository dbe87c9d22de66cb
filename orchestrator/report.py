"""What a person sees of a run: one plain table, or the same as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from orchestrator.run import Run
from orchestrator.topology import Network
from qnode.runtime.logs import format_time

_WIDEST = 40


def heading(network: Network) -> str:
    """One line: what is about to run."""
    nodes, links = len(network.nodes), len(network.links)
    return (
        f"{network.name}: {_count(nodes, 'node')}, {_count(links, 'link')}, {network.clock} clock, seed {network.seed}"
    )


def table(run: Run, network: Network) -> str:
    """Results, what was recorded and what the observer saw; a row for each program and evaluation."""
    ended = {(one.node, one.program): one.at_ns for one in run.summary.results}
    rows: list[Sequence[str]] = [("node", "program", "result", "network time")]
    for node in network.nodes.values():
        for program in node.programs:
            at_ns = ended.get((node.name, program.name))
            result = "unfinished" if at_ns is None else _short(run.results[node.name][program.name])
            if at_ns is None and program.service:
                result = "service"
            rows.append((node.name, program.run, result, "" if at_ns is None else format_time(at_ns)))
        rows.extend((node.name, name, _short(value), "") for name, value in run.notes.get(node.name, {}).items())
    for one in run.observed:
        what = f"{one.quantity} at {one.label!r}"
        rows.append(("check", what, "-" if one.value is None else f"{one.value:.10g}", "observer only"))
    return _align(rows)


def closing(run: Run) -> str:
    """The last lines: how long it took, and how to have it again."""
    counts = run.summary.counts
    parts = [
        _count(counts["steps"], "step"),
        _count(counts["messages"], "message"),
        _count(counts["pairs"], "Bell pair"),
    ]
    lines = [f"done in {run.wall_s:.2f} s: {', '.join(parts)}, {format_time(run.summary.at_ns)} of network time"]
    if run.summary.lateness_ns:
        worst = max(run.summary.lateness_ns, key=lambda node: run.summary.lateness_ns[node])
        lines.append(f"real clock: {worst} was late by up to {format_time(run.summary.lateness_ns[worst])}")
    if run.summary.clock_bound_ns:
        bound = format_time(max(run.summary.clock_bound_ns.values()))
        lines.append(f"real clock: no node's time was off by more than {bound}")
    if run.summary.how != "until":
        lines.extend(f"warning: {node} never received {_count(n, 'message')}" for node, n in run.summary.unread.items())
    lines.append(f"saved in {_from_here(run.folder)}")
    return "\n".join(lines)


def as_json(run: Run) -> str:
    """Everything that the table shows, for programs."""
    summary = run.summary
    data = {
        "name": run.name,
        "seed": run.seed,
        "ended": summary.how,
        "network_time_ns": summary.at_ns,
        "wall_s": round(run.wall_s, 6),
        "results": run.results,
        "records": run.notes,
        "observed": [
            {"mark": one.label, "nth": one.nth, "node": one.node, "quantity": one.quantity, "value": one.value}
            for one in run.observed
        ],
        "counts": summary.counts,
        "reproducible": summary.reproducible,
        "lateness_ns": summary.lateness_ns,
        "clock_bound_ns": summary.clock_bound_ns,
        "folder": str(run.folder),
    }
    return json.dumps(data, default=_plain, indent=2)


def _plain(value: object) -> Any:
    match value:
        case np.ndarray():
            return value.tolist()
        case complex():
            return [value.real, value.imag]
        case bytes():
            return value.hex()
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def _from_here(folder: Path) -> Path:
    """A path as one would type it."""
    here = Path.cwd()
    return folder.relative_to(here) if folder.is_relative_to(here) else folder


def _short(value: object) -> str:
    if value is None:
        return "-"
    text = " ".join(repr(value).split())
    return text if len(text) <= _WIDEST else text[: _WIDEST - 3] + "..."


def _count(n: int, thing: str) -> str:
    return f"{n} {thing}{'' if n == 1 else 's'}"


def _align(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  " + "   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
