"""`qnode slurm CONFIG`: print a script for sbatch, which runs the network on the hosts that it asks for."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from orchestrator.cli.elsewhere import changes_of, made_by
from orchestrator.cli.loading import cluster_of
from orchestrator.cli.screen import Screen
from orchestrator.cli.up import network_name
from orchestrator.deploy.sbatch import script


def run(options: argparse.Namespace, screen: Screen) -> int:
    """Carry out the command; the exit code."""
    cluster = cluster_of(options)
    network = cluster.set_up(options.seed).network
    text = script(
        network.name,
        network_name(network.name),
        options.hosts or len(cluster.config.hosts) or 1,
        arguments=[str(options.config), *changes_of(options)],
        made_by=made_by("slurm", options),
        bin_folder=str(Path(sys.executable).parent),
    )
    screen.say(text.removesuffix("\n"))
    return 0
