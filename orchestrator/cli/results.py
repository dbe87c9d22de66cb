"""`qnode results [RUN]`: what a saved run returned, as a table, as JSON or as comma-separated values."""

from __future__ import annotations

import argparse

from orchestrator import report, saved
from orchestrator.cli import runs
from orchestrator.cli.screen import Screen
from orchestrator.run import Run
from qnode.exits import EXIT_USAGE


def run(options: argparse.Namespace, screen: Screen) -> int:
    """Carry out the command; the exit code: that of the command, whatever the run's was."""
    if options.list:
        return runs.show(options, screen)
    if options.json and options.csv is not None:
        screen.tell("qnode results: --json and --csv FILE exclude each other; give one of them")
        return EXIT_USAGE
    found = saved.load(saved.find(options.runs_folder, options.which))
    if options.json:
        screen.say(report.as_json(found))
    elif options.csv is None:
        screen.say(_as_table(found, screen, whole=options.all))
    elif str(options.csv) == "-":
        screen.say(report.as_csv(found).rstrip("\n"))
    else:
        options.csv.write_text(report.as_csv(found), encoding="utf-8")
        screen.tell(f"written to {options.csv}")
    return 0


def _as_table(found: Run, screen: Screen, *, whole: bool) -> str:
    lines = [
        screen.heading(report.heading(found.network)),
        report.table(found, width=screen.width, whole=whole),
        *report.requests(found),
        report.closing(found),
    ]
    if found.failure is not None:
        lines.append(f"failed: {found.failure}")
    return "\n".join([*lines, *(f"warning: {warning}" for warning in report.warnings(found))])
