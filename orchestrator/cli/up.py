"""`qnode up CONFIG`: a network in the background. Returns once all its processes have started and are connected."""

from __future__ import annotations

import argparse
import os
import signal
from pathlib import Path

import msgspec

from orchestrator.cli import networks
from orchestrator.cli.arguments import LONGEST_NAME
from orchestrator.cli.commands import KEEPER
from orchestrator.cli.loading import cluster_of
from orchestrator.cli.screen import Screen
from orchestrator.cli.signals import raise_at_signals
from orchestrator.folders import as_file_name
from orchestrator.launch.detached import Detached, start_detached
from orchestrator.text import count, from_here


class Told(msgspec.Struct):
    """What the keeper tells whoever waits for it: that the network is up, or why it is not."""

    entry: networks.Entry | None = None
    error: str = ""
    code: int = 1


def run(options: argparse.Namespace, screen: Screen) -> int:
    """Carry out the command; the exit code."""
    cluster = cluster_of(options, runs=options.runs_folder)
    cluster.set_up(options.seed).network  # noqa: B018  raises what is wrong with it, here where it is seen
    name = options.name or network_name(cluster.config.name)
    if networks.is_up(name):
        raise networks.taken(name)
    screen.status(f"starting {name}")
    told = _start(options, name)
    screen.status("")
    if told.entry is None:
        screen.tell(told.error)
        return told.code
    entry = told.entry
    screen.say(
        f"{name} is up: {count(entry.nodes, 'node')}, seed {entry.seed}; saved in {from_here(Path(entry.folder))}"
    )
    screen.say(f"look: qnode ps {name}; qnode logs {name} -f   end: qnode down {name}")
    return 0


def network_name(name: str) -> str:
    """A configuration's name as the name of a network, which is one of files."""
    return as_file_name(name).lstrip("-").encode()[:LONGEST_NAME].decode(errors="ignore") or "network"


def _start(options: argparse.Namespace, name: str) -> Told:
    ours, theirs = os.pipe()
    output = networks.output_path(name)
    raise_at_signals()
    with open(ours, "rb") as pipe:
        try:
            keeper = start_detached("orchestrator.cli", *_arguments(options, name, theirs), output=output, keep=theirs)
        finally:
            os.close(theirs)
        try:
            said = pipe.read()
        except BaseException:  # we are not waited for any more: nor is the network
            keeper.signal(signal.SIGTERM)
            leave_nothing(name, keeper)
            raise
    if said and (told := msgspec.json.decode(said, type=Told)).entry is not None:
        keeper.let_go()
        return told
    words = output.read_text(errors="replace") if output.exists() else ""
    leave_nothing(name, keeper)
    return told if said else Told(error=f"qnode: {name} did not start\n{words}".rstrip())


def leave_nothing(name: str, keeper: Detached) -> None:
    """Wait for the end of a keeper that has nothing to keep up, and may not have come to remove its files."""
    networks.await_end(keeper.is_gone, lambda: keeper.signal(signal.SIGKILL))
    networks.sweep(name)


def _arguments(options: argparse.Namespace, name: str, pipe: int) -> list[str]:
    more = [word for change in options.set for word in ("--set", change)]
    if options.seed is not None:
        more += ["--seed", str(options.seed)]
    if options.timeout is not None:
        more += ["--timeout", str(options.timeout)]
    if options.debug:
        more.append("--debug")
    folder = str(options.runs_folder)
    return [KEEPER.name, str(options.config), "--name", name, "--tell", str(pipe), "--runs-folder", folder, *more]
