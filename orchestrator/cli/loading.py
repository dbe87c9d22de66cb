"""From CONFIG and the options that change it to a cluster."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

from orchestrator.cluster import Cluster
from orchestrator.folders import RUNS_FOLDER
from orchestrator.near import nearest
from qnode.errors import ConfigError


def cluster_of(options: argparse.Namespace, *, runs: Path = RUNS_FOLDER) -> Cluster:
    """The cluster that CONFIG and `--set` describe. Raises ConfigError."""
    file: Path = options.config
    if not file.is_file():
        raise ConfigError(place=str(file), detail=_missing(file))
    load = Cluster.from_python if file.suffix == ".py" else Cluster.from_yaml
    return load(file, set=options.set, runs=runs)


def repeated(command: str, options: argparse.Namespace, seed: int) -> str:
    """The command that does the same once more."""
    changes = [word for change in options.set for word in ("--set", change)]
    return shlex.join(["qnode", command, str(options.config), *changes, "--seed", str(seed)])


def _missing(file: Path) -> str:
    if file.is_dir():
        there = sorted(path.name for path in file.iterdir() if path.suffix in (".yaml", ".yml"))
        return f"this is a folder; name a file in it: {', '.join(there)}" if there else "this is a folder"
    folder = file.parent
    names = (
        [path.name for path in folder.iterdir() if path.suffix in (".yaml", ".yml", ".py")] if folder.is_dir() else []
    )
    if f"{file.name}.yaml" in names:
        return f"there is no such file (did you mean '{file}.yaml'?)"
    return f"there is no such file{nearest(file.name, names)}"
