"""What a person sees of a run: one plain table, or the same as JSON or as comma-separated values."""

from __future__ import annotations

import csv
import io
import json
import shlex
import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from orchestrator.plain import plain
from orchestrator.requested import summed_up
from orchestrator.topology import Network, NodeDescription
from qnode.core.memory import NO_FREE_SLOT
from qnode.runtime.logs import format_time

if TYPE_CHECKING:  # a run in a notebook shows itself by way of this
    from orchestrator.run import Run
from orchestrator.text import columns, count, from_here, shortened, span

_WIDEST: Final = 40  # characters of a result
_DIGITS: Final = 6  # of a number in it
_MANY_ROWS: Final = 24  # from here on, nodes with equal rows share one
_FIRST, _LAST = 16, 4  # of the rows that are shown if there are still too many

HEADER: Final = ("node", "program", "result", "network time", "qubits")


class Row(NamedTuple):
    """One line of the table: of a node's program, of a value that it recorded, or of what the observer saw."""

    node: str
    what: str
    value: str
    when: str
    qubits: str = ""


def heading(network: Network, *, drawn: bool = False) -> str:
    """One line: what is about to run; or could be, with a seed that would be drawn."""
    nodes, links = len(network.nodes), len(network.links)
    seed = "" if drawn else f", seed {network.seed}"
    return f"{network.name}: {count(nodes, 'node')}, {count(links, 'link')}, {network.clock} clock{seed}"


def table(run: Run, *, width: int | None = None, whole: bool = False) -> str:
    """Results, what was recorded and what the observer saw.

    Args:
        width: Lines are cut to it; None: they are as long as it takes.
        whole: A row for each program of each node, however many there are; otherwise many nodes are summed up.
    """
    return columns([HEADER, *rows(run, whole=whole)], width=width)


def rows(run: Run, *, whole: bool = False) -> list[Row]:
    """The table's rows without its header; many nodes are summed up unless the whole is asked for."""
    ends = _ends(run)
    blocks = [_rows_of(run, node, ends) for node in run.network.nodes.values()]
    found = [row for block in blocks for row in block]
    checks = list(_checks(run, whole=whole))
    if not whole and len(found) > _MANY_ROWS:
        found = _shortened_list(_grouped(blocks), "nodes")
    if not whole and len(checks) > _MANY_ROWS:
        checks = _shortened_list(checks, "evaluations")
    return [*found, *checks]


def warnings(run: Run) -> list[str]:
    """What may be a mistake in a program, though the run ended well. A sentence each.

    Of a run that failed, only lost qubits: the failure is what there is to look at, and they may be its reason; and
    what others did not get to see of it.
    """
    summary, network = run.summary, run.network
    found = [*_lost(summary.lost), *_unpublished(run)]
    if run.failure is not None:
        return found
    if summary.how == "done":  # a run that ends at a time, or that is stopped, leaves things half done
        found += _per_node(summary.unread, "never received", "message")
        found += _per_node(summary.left_over, "never measured or discarded", "qubit")
    seen = {one.label for one in run.observed}
    never = dict.fromkeys(one.mark for one in network.observe if one.mark not in seen)
    found += [f"nothing was observed at {mark!r}: no program called node.mark({mark!r}, qubit)" for mark in never]
    found += [f"{count(n, 'message')} refused: {reason}" for reason, n in summary.frames_refused.items()]
    if network.clock == "virtual" and not summary.reproducible:
        found.append("something from outside came in (a socket, a thread, a signal): another run may differ")
    return found


def requests(run: Run) -> list[str]:
    """What became of requests for pairs with any node, a sentence for each program and peer; many are shortened."""
    lines = summed_up(run.requests)
    if len(lines) > _MANY_ROWS:
        lines = [*lines[:_FIRST], f"... and {len(lines) - _FIRST} more: run.requests has them all"]
    return lines


def closing(run: Run) -> str:
    """The last lines: how long it took, and where it is kept."""
    counts = run.summary.counts
    parts = [
        count(counts["steps"], "step"),
        count(counts["messages"], "message"),
        count(counts["pairs"], "Bell pair"),
    ]
    if counts.get("absorbed"):  # it is in no run that an earlier version saved
        parts.append(f"{counts['absorbed']} of {count(counts['transfers'], 'qubit')} absorbed on the way")
    how = "done" if run.failure is None else run.summary.how.replace("_", " ")
    lines = [f"{how} in {run.wall_s:.2f} s: {', '.join(parts)}, {format_time(run.summary.at_ns)} of network time"]
    if run.summary.lateness_ns:
        worst = max(run.summary.lateness_ns, key=lambda node: run.summary.lateness_ns[node])
        lines.append(f"real clock: {worst} was late by up to {format_time(run.summary.lateness_ns[worst])}")
    if run.summary.clock_bound_ns:
        bound = format_time(max(run.summary.clock_bound_ns.values()))
        lines.append(f"real clock: no node's time was off by more than {bound}")
    lines.append(f"saved in {from_here(run.folder)}")
    node = _to_look_at(run)
    if node is not None:
        lines.append(f"step through it: qnode replay {node} {shlex.quote(str(from_here(run.folder)))} --pdb")
    return "\n".join(lines)


def _to_look_at(run: Run) -> str | None:
    """Whose program failed first, or waits in vain; None if that is nobody's, or cannot be replayed."""
    summary = run.summary
    if run.network.clock == "real" or run.failure is None:
        return None
    if summary.failures:
        return summary.failures[0].node
    return summary.waits[0].node if summary.waits and summary.how in ("deadlock", "stall") else None


def as_json(run: Run) -> str:
    """Everything that the table shows, for programs."""
    return json.dumps(run.as_data(), indent=2)


def as_csv(run: Run) -> str:
    """A line for each result, recorded value and evaluation, with a header; values are written as in JSON."""
    ended = {(one.node, one.program): one.at_ns for one in run.summary.results}
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("node", "kind", "name", "value", "network_time_ns"))
    for node, programs in run.results.items():
        for program, value in programs.items():
            writer.writerow((node, "result", program, _cell(value), ended[node, program]))
    for node, notes in run.notes.items():
        writer.writerows((node, "record", name, _cell(value), "") for name, value in notes.items())
    for one in run.observed:
        writer.writerow((one.node, "observed", f"{one.label}[{one.nth}] {one.quantity}", _cell(one.value), ""))
    return text.getvalue()


def as_number(value: object) -> float | None:
    """A value that a mean can be taken of, as a number: bool, int, float and NumPy's; else None."""
    if isinstance(value, bool | int | float):
        return float(value)
    if isinstance(value, np.ndarray) and value.shape == () and value.dtype.kind in "biuf":
        return float(value)
    return None


def _ends(run: Run) -> dict[tuple[str, str], int]:
    """When each program that is over ended, by node and program."""
    failed = {(one.node, one.program): one.at_ns for one in run.summary.failures}
    failed |= {(node, program): run.summary.at_ns for node, program, _ in run.summary.peer_lost}
    stopped = {(node, program): at_ns for node, program, at_ns in run.summary.stopped}
    return failed | stopped | {(one.node, one.program): one.at_ns for one in run.summary.results}


def _rows_of(run: Run, node: NodeDescription, ends: Mapping[tuple[str, str], int]) -> list[Row]:
    found: list[Row] = []
    results = run.results.get(node.name, {})
    failed = {one.program for one in run.summary.failures if one.node == node.name}
    used = run.summary.used.get(node.name, 0)
    lost = {program: peer for name, program, peer in run.summary.peer_lost if name == node.name}
    stopped = {program for name, program, _ in run.summary.stopped if name == node.name}
    for program in node.programs:
        at_ns = ends.get((node.name, program.name))
        if program.name in results:
            result = _short(results[program.name])
        elif node.name in run.summary.gone and at_ns is None:
            result = "lost"
        elif program.name in lost:
            result = f"PeerLost: {lost[program.name]}"
        elif program.name in stopped and program.name not in failed:
            result = "stopped"
        elif at_ns is not None:
            result = "failed"
        else:
            result = "service" if program.service else "unfinished"
        qubits = f"{used:,} used" if used and not found else ""
        what = program.run if len(node.programs) == 1 else f"{program.name}: {program.run}"
        found.append(Row(node.name, what, result, "" if at_ns is None else format_time(at_ns), qubits))
    known = {program.name for program in node.programs}
    for name in [name for name in results if name not in known]:  # somebody started it while the network ran
        found.append(Row(node.name, name, _short(results[name]), format_time(ends[node.name, name])))
    found += [Row(node.name, name, _short(value), "") for name, value in run.notes.get(node.name, {}).items()]
    return found


def _grouped(blocks: Sequence[Sequence[Row]]) -> list[Row]:
    """One block for all nodes whose rows differ only in the node's name; in the order of the first of each."""
    names: dict[tuple[tuple[str, ...], ...], list[str]] = {}
    for block in blocks:
        if block:
            names.setdefault(tuple(row[1:] for row in block), []).append(block[0].node)
    return [Row(span(nodes), *row) for block, nodes in names.items() for row in block]


def _shortened_list(found: list[Row], of_what: str) -> list[Row]:
    if len(found) <= _MANY_ROWS:
        return found
    left_out = len(found) - _FIRST - _LAST
    return [
        *found[:_FIRST],
        Row("...", f"{left_out:,} more rows of {of_what}", "--all shows them", ""),
        *found[-_LAST:],
    ]


def _per_node(numbers: dict[str, int], did: str, thing: str) -> Iterator[str]:
    if len(numbers) > 3:
        names = span(list(numbers))
        yield f"{names} {did} {count(sum(numbers.values()), thing)}"
    else:
        yield from (f"{node} {did} {count(n, thing)}" for node, n in numbers.items())


def _lost(lost: Mapping[str, Mapping[str, int]]) -> Iterator[str]:
    for reason in dict.fromkeys(reason for reasons in lost.values() for reason in reasons):
        numbers = {node: reasons[reason] for node, reasons in lost.items() if reason in reasons}
        remedy = "; raise qubits:" if reason == NO_FREE_SLOT else ""
        yield from (f"{text}: {reason}{remedy}" for text in _per_node(numbers, "lost", "qubit"))


def _unpublished(run: Run) -> Iterator[str]:
    asked, outcome = run.source.config.telemetry, run.telemetry
    if outcome is None and (asked.mqtt or asked.prometheus):
        yield "telemetry did not get to its end; nobody knows what was published"
    elif outcome is not None and outcome.dropped:
        why = f" ({outcome.problem})" if outcome.problem else ""
        yield f"telemetry: the broker did not take {outcome.dropped:,} of {count(outcome.offered, 'event')}{why}"
    elif outcome is not None and outcome.problem:
        yield f"telemetry: {outcome.problem}"


def _checks(run: Run, *, whole: bool) -> Iterator[Row]:
    """What the observer saw: each evaluation, or one row for all of a mark's."""
    values: dict[str, list[float | None]] = {}
    for one in run.observed:
        values.setdefault(f"{one.quantity} at {one.label!r}", []).append(one.value)
    for what, seen in values.items():
        texts = map(_number, seen) if whole else [_summed_up(seen)]
        yield from (Row("check", what, text, "observer only") for text in texts)


def _summed_up(values: Sequence[float | None]) -> str:
    there = [value for value in values if value is not None]
    if len(values) == 1 or not there:
        return _number(values[0]) if len(values) == 1 else f"- ({len(values):,} times)"
    missing = len(values) - len(there)
    mean, least, most = (f"{value:.6g}" for value in (statistics.fmean(there), min(there), max(there)))
    text = f"{mean} (all {len(there):,})" if least == most else f"{mean} (mean of {len(there):,}, {least} to {most})"
    return f"{text}; {missing:,} without a value" if missing else text


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.10g}"


def _short(value: object) -> str:
    return "-" if value is None else shortened(repr(_rounded(value)), _WIDEST)


def _rounded(value: object) -> object:
    """A value as the table shows it: of each float so many digits; JSON and comma-separated values have them all."""
    if type(value) is float:
        return float(f"{value:.{_DIGITS}g}")
    if type(value) is list:
        return [_rounded(each) for each in value]
    if type(value) is tuple:
        return tuple(_rounded(each) for each in value)
    if type(value) is dict:
        return {key: _rounded(each) for key, each in value.items()}
    return value


def _cell(value: object) -> str:
    return "" if value is None else json.dumps(plain(value))
