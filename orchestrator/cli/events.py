"""`qnode events`: the event log of a run, filtered; `-f` goes on until the run ends."""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from fractions import Fraction
from math import ceil, floor
from pathlib import Path
from typing import Final

from orchestrator import saved
from orchestrator.cli.screen import Screen
from orchestrator.eventlog import EVERY_S, EventLog, Layout, Line, Wanted
from orchestrator.near import nearest
from orchestrator.oracle.events import KINDS, schema_text
from orchestrator.oracle.spec import events_path
from orchestrator.text import columns, from_here
from orchestrator.units import NS_PER_S, TIME, UnitError, parse_exact
from qnode.errors import ConfigError
from qnode.exits import EXIT_USAGE

_MOST_COLUMNS: Final = 6  # of nodes, in the table of counts


def run(options: argparse.Namespace, screen: Screen) -> int:
    """Carry out the command; the exit code."""
    if options.schema:
        screen.say(schema_text().rstrip("\n"))
        return 0
    if options.count and options.follow:
        screen.tell("qnode events: --count and --follow exclude each other; give one of them")
        return EXIT_USAGE
    wanted = _wanted(options)
    folder = saved.find(options.runs_folder, options.which)
    if options.node or options.peer:
        saved.require_nodes(folder, [*options.node, *options.peer])
    if not _is_there(folder, wait=options.follow):
        screen.tell("the run is just starting, and nothing has happened yet; -f waits for it")
        return 0
    log = EventLog(events_path(folder))
    blocks = log.blocks((lambda: saved.is_under_way(folder)) if options.follow else (lambda: False))
    found = _last(_filtered(blocks, wanted), options.last)
    if options.count:
        _count(found, options, screen)
    else:
        _show(found, options, screen)
    if log.torn and not saved.is_under_way(folder):
        screen.tell("the last line is cut off: the oracle was killed while it wrote it")
    return 0


# --- what is wanted ------------------------------------------------------------------------------------------------


def _wanted(options: argparse.Namespace) -> Wanted:
    for kind in options.event:
        if kind not in KINDS:
            detail = f"there is no event {kind!r}{nearest(kind, KINDS)}; there are: {', '.join(KINDS)}"
            raise ConfigError(place="--event", detail=detail)
    until = _ns("--to", options.to)
    return Wanted(
        nodes=frozenset(options.node),
        kinds=frozenset(options.event),
        programs=frozenset(options.program),
        peers=frozenset(options.peer),
        pairs=frozenset(options.pair),
        qubits=frozenset(options.qubit),
        messages=frozenset(options.message),
        requests=frozenset(options.request),
        from_ns=ceil(_ns("--from", options.from_) or 0),
        to_ns=None if until is None else floor(until),
    )


def _ns(option: str, text: str | None) -> Fraction | None:
    try:
        return None if text is None else parse_exact(text, TIME) * NS_PER_S
    except UnitError as error:
        raise ConfigError(place=option, detail=str(error)) from None


def _is_there(folder: Path, *, wait: bool) -> bool:
    """Whether the log has been begun. Raises ConfigError if it never will be."""
    log = events_path(folder)
    while not log.is_file():
        if not saved.load_source(folder).config.events:
            detail = "this run wrote no event log, for its configuration says `events: false`"
            raise ConfigError(place=str(from_here(folder)), detail=detail)
        if not saved.is_under_way(folder) and not log.is_file():
            raise ConfigError(
                place=str(from_here(log)), detail="the run ended before anything happened, or it was removed"
            )
        if not wait:
            return False
        time.sleep(EVERY_S)  # the oracle makes it, and tells us nothing
    return True


# --- what is shown -------------------------------------------------------------------------------------------------


def _filtered(blocks: Iterable[list[Line]], wanted: Wanted) -> Iterator[list[Line]]:
    """An empty block stays one: it says that all that there is has been read. Others that become empty are left out."""
    for block in blocks:
        found = [line for line in block if wanted(line.event)]
        if found or not block:
            yield found


def _last(blocks: Iterable[list[Line]], most: int | None) -> Iterator[list[Line]]:
    """Only the last few lines of what there is, and all that come after them."""
    kept: deque[Line] | None = None if most is None else deque(maxlen=most)
    for block in blocks:
        if kept is None:
            yield block
        elif block:
            kept.extend(block)
        else:
            yield list(kept)
            kept = None
    if kept is not None:
        yield list(kept)


def _show(blocks: Iterable[list[Line]], options: argparse.Namespace, screen: Screen) -> None:
    layout = Layout()
    for block in blocks:
        if block:
            lines = [line.raw.decode() if options.json else layout.line(line.event) for line in block]
            screen.say("\n".join(lines))


def _count(blocks: Iterable[list[Line]], options: argparse.Namespace, screen: Screen) -> None:
    counts: Counter[tuple[str, str]] = Counter()
    for block in blocks:
        counts.update((line.event.event, line.event.node) for line in block)
    table = {kind: {node: n for (one, node), n in sorted(counts.items()) if one == kind} for kind in KINDS}
    table = {kind: by_node for kind, by_node in table.items() if by_node}
    screen.say(json.dumps(table, indent=2) if options.json else _as_table(table, screen.width))


def _as_table(table: dict[str, dict[str, int]], width: int | None) -> str:
    nodes = sorted({node for by_node in table.values() for node in by_node})
    if not nodes:
        return "no event is like that"
    if len(nodes) <= _MOST_COLUMNS:
        heading = ["event", *(node or "the run" for node in nodes), "all"]
        rows = [[kind, *(str(by.get(node, 0)) for node in nodes), str(sum(by.values()))] for kind, by in table.items()]
    else:
        heading = ["event", "nodes", "most at one", "all"]
        rows = [[kind, str(len(by)), str(max(by.values())), str(sum(by.values()))] for kind, by in table.items()]
    return columns([heading, *rows], width=width, right=range(1, len(heading)))
