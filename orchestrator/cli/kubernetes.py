"""`qnode kubernetes CONFIG`: print manifests, with a Job for the oracle and for each node."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from orchestrator.cli.elsewhere import as_seen, deployed
from orchestrator.cli.screen import Screen
from orchestrator.cluster import Cluster
from orchestrator.config import DelayMatrix
from orchestrator.deploy.kubernetes import kubernetes
from orchestrator.program_files import files_of
from qnode.errors import ConfigError

_QUANTITY: Final = re.compile(r"[1-9][0-9]*(Ki|Mi|Gi|Ti|Pi|k|M|G|T|P)?")


def run(options: argparse.Namespace, screen: Screen) -> int:
    """Carry out the command; the exit code."""
    if not _QUANTITY.fullmatch(options.storage):
        raise ConfigError(place="--storage", detail=f"{options.storage!r} is no size; write one such as 10Gi")
    cluster, what = deployed("kubernetes", options)
    files = {path: _text(cluster.base / path) for path in sorted(set(_files(cluster, options.config)))}
    screen.say(kubernetes(what, files, keys=as_seen(options.keys), storage=options.storage).removesuffix("\n"))
    return 0


def _files(cluster: Cluster, config: Path) -> Iterator[str]:
    """What a node reads: the configuration, what it names, and the programs with what they import from its folder."""
    yield config.name
    delay = cluster.config.classical.delay
    if isinstance(delay, DelayMatrix):
        yield delay.matrix
    yield from (graph.file for graph in cluster.config.graphs.values())
    for name, file in files_of(cluster.set_up(0), cluster.base).items():
        if file.is_relative_to(cluster.base):
            yield name


def _text(file: Path) -> str:
    try:
        return file.read_bytes().decode()
    except UnicodeDecodeError:
        raise ConfigError(
            place=str(file), detail="is no text in UTF-8, as a ConfigMap needs it; put it into an image of your own"
        ) from None
