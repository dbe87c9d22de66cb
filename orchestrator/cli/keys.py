"""`qnode keys`: a file of keys for the oracle and for each node."""

from __future__ import annotations

import argparse

from orchestrator.cli.loading import cluster_of
from orchestrator.cli.screen import Screen
from orchestrator.keys import make_keys
from orchestrator.text import count, from_here


def run(options: argparse.Namespace, screen: Screen) -> int:
    """Carry out the command; the exit code."""
    source = cluster_of(options).set_up(0)
    files = make_keys(source.name, tuple(map(str, source.network.nodes)), options.folder, force=options.force)
    screen.say(
        f"made {count(len(files), 'file')} in {from_here(options.folder.resolve())}: {files[0].name} and one for each"
        " node\ngive each machine only its own, by a way that nobody else reads"
    )
    return 0
