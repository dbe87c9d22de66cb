"""`qnode check CONFIG`: find every mistake, print the plan, start nothing."""

from __future__ import annotations

import argparse

from orchestrator.cli.loading import cluster_of
from orchestrator.cli.plan_text import plan_text
from orchestrator.cli.screen import Screen
from orchestrator.report import heading


def run(options: argparse.Namespace, screen: Screen) -> int:
    """Carry out the command; the exit code. Raises ConfigError with all mistakes."""
    cluster = cluster_of(options)
    source = cluster.set_up(options.seed)
    network = source.network
    given = "--seed" if options.seed is not None else "" if cluster.config.seed is None else "the configuration's"
    screen.say(screen.heading(heading(network, drawn=not given)))
    screen.say(plan_text(network, given_seed=given, width=screen.width, whole=options.all))
    screen.say("no mistakes found in configuration and programs' signatures; nothing was started")
    return 0
