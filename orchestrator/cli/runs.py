"""`qnode runs`: the runs that are saved; `qnode runs prune` removes old ones."""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from orchestrator import saved
from orchestrator.cli.screen import Screen
from orchestrator.saved import Entry
from orchestrator.text import ago, columns, count, from_here
from qnode.exits import EXIT_USAGE

_NEWEST = 20  # of the runs that are listed for people


def run(options: argparse.Namespace, screen: Screen) -> int:
    """Carry out the command; the exit code."""
    if options.action == "prune":
        return _prune(options, screen)
    if options.keep is not None or options.older_than is not None:
        screen.tell("qnode runs: --keep and --older-than belong to `qnode runs prune`")
        return EXIT_USAGE
    return show(options, screen)


def show(options: argparse.Namespace, screen: Screen) -> int:
    """List them, the latest last, where the eye is."""
    entries = saved.listing(options.runs_folder)
    if options.json:
        screen.say(json.dumps([_as_data(entry) for entry in entries], indent=2))
    elif not entries:
        screen.say(f"no run is saved in {options.runs_folder}; make one with `qnode run CONFIG`")
    else:
        screen.say(_as_table(entries, screen))
    return 0


def _as_table(entries: list[Entry], screen: Screen) -> str:
    now = datetime.now(UTC)
    rows = [
        (
            entry.id,
            entry.name,
            str(entry.seed),
            entry.ended.replace("_", " ") + ("" if entry.is_saved else ", not saved"),
            "-" if entry.exit_code is None else str(entry.exit_code),
            "-" if entry.wall_s is None else f"{entry.wall_s:.2f} s",
            ago(entry.started, now),
        )
        for entry in entries[-_NEWEST:]
    ]
    text = columns(
        [("run", "network", "seed", "ended", "exit", "took", "started"), *rows], width=screen.width, right={2, 4, 5}
    )
    older = len(entries) - len(rows)
    return f"  {count(older, 'older run')}: --json lists all\n{text}" if older else text


def _as_data(entry: Entry) -> dict[str, object]:
    return {
        "id": entry.id,
        "name": entry.name,
        "seed": entry.seed,
        "started": entry.started.isoformat(),
        "ended": entry.ended,
        "exit_code": entry.exit_code,
        "wall_s": entry.wall_s,
        "saved": entry.is_saved,
        "folder": str(entry.folder),
    }


def _prune(options: argparse.Namespace, screen: Screen) -> int:
    if options.keep is None and options.older_than is None:
        screen.tell("qnode runs prune: say which may go: --keep 10 (the newest stay), --older-than 7d, or both")
        return EXIT_USAGE
    older_than = None if options.older_than is None else timedelta(seconds=options.older_than)
    gone = saved.prune(options.runs_folder, keep=options.keep, older_than=older_than)
    left = len(saved.listing(options.runs_folder))
    where = from_here(Path(options.runs_folder).resolve())
    screen.say(f"removed {count(len(gone), 'run')}; {count(left, 'run')} left in {where}")
    return 0
