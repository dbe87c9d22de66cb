"""`qnode down`: end networks that are up in the background, and wait until everything of them is gone."""

from __future__ import annotations

import argparse
import os
import signal
from contextlib import suppress
from pathlib import Path

from orchestrator.cli import networks
from orchestrator.cli.screen import Screen
from orchestrator.text import from_here
from qnode.exits import EXIT_FAILED, EXIT_USAGE


def run(options: argparse.Namespace, screen: Screen) -> int:
    """Carry out the command; the exit code."""
    if options.all and options.name is not None:
        screen.tell("qnode down: give a NAME or --all, not both")
        return EXIT_USAGE
    entries = networks.listing() if options.all else [networks.find(options.name)]
    if not entries:
        screen.say("no network is up here")
    watches = [networks.Watch(entry.name, entry.pid) for entry in entries]
    for entry in entries:
        _signal(entry, signal.SIGTERM)
    return max((_await_end(*one, screen) for one in zip(entries, watches, strict=True)), default=0)


def _await_end(entry: networks.Entry, watch: networks.Watch, screen: Screen) -> int:
    screen.status(f"ending {entry.name}")
    gone = networks.await_end(watch.is_gone, lambda: _signal(entry, signal.SIGKILL))
    watch.close()
    screen.status("")
    if not gone:
        screen.tell(f"qnode: the keeper of {entry.name}, process {entry.pid}, does not end")
        return EXIT_FAILED
    networks.listing()  # removes what a killed keeper could not
    screen.say(f"{entry.name} is down; saved in {from_here(Path(entry.folder))}")
    return 0


def _signal(entry: networks.Entry, number: signal.Signals) -> None:
    if networks.is_up(entry.name):  # its process's number is its own as long as it holds the lock
        with suppress(ProcessLookupError):
            os.kill(entry.pid, number)
