"""`qnode ps`: the networks that are up in the background, or the processes of one of them."""

from __future__ import annotations

import argparse
import json
import os
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from orchestrator.cli import networks
from orchestrator.cli.screen import Screen
from orchestrator.text import ago, columns, span
from qnode.runtime.logs import format_time

_MANY = 24


def run(options: argparse.Namespace, screen: Screen) -> int:
    """Carry out the command; the exit code."""
    entries = networks.listing() if options.name is None else [networks.find(options.name)]
    if options.json:
        screen.say(json.dumps([msgspec.to_builtins(entry) for entry in entries], indent=2))
    elif options.name is not None:
        screen.say(_processes(entries[0], screen))
    elif entries:
        screen.say(_networks(entries, screen))
    else:
        screen.say("no network is up here; `qnode up CONFIG` starts one")
    return 0


def _networks(entries: list[networks.Entry], screen: Screen) -> str:
    now = datetime.now(UTC)
    rows = [
        (
            entry.name,
            entry.config,
            str(entry.nodes),
            str(len(set(entry.pids.values()))),
            format_time(entry.now_ns),
            entry.run,
            ago(datetime.fromisoformat(entry.started), now),
        )
        for entry in entries
    ]
    header = ("network", "configuration", "nodes", "processes", "network time", "run", "started")
    return columns([header, *rows], width=screen.width, right={2, 3, 4})


def _processes(entry: networks.Entry, screen: Screen) -> str:
    nodes_of: dict[int, list[str]] = {}
    for name, pid in entry.pids.items():
        nodes_of.setdefault(pid, []).append("the oracle" if name == "oracle" and pid == entry.pids["oracle"] else name)
    rows = [("the keeper", str(entry.pid), _memory(entry.pid))]
    rows += [(span(names), str(pid), _memory(pid)) for pid, names in nodes_of.items()]
    more = len(rows) - _MANY
    text = columns([("process", "pid", "memory"), *rows[:_MANY]], width=screen.width, right={1, 2})
    return f"{text}\n  {more} more: --json has them all" if more > 0 else text


def _memory(pid: int) -> str:
    """The resident set; what processes share counts for each of them."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return "-"
    return f"{pages * os.sysconf('SC_PAGE_SIZE') / 2**20:.0f} MiB"
