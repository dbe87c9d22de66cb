"""What the commands that write files for other engines have in common: CONFIG, and what stays the same of it there."""

from __future__ import annotations

import argparse
import re
import shlex
from pathlib import Path
from typing import Final

from orchestrator.cli.loading import cluster_of
from orchestrator.cluster import Cluster
from orchestrator.deploy.parts import Deployed
from qnode import __version__
from qnode.errors import ConfigError

DEFAULT_IMAGE: Final = f"qnode:{__version__}"
_IMAGE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:@-]*")


def deployed(command: str, options: argparse.Namespace) -> tuple[Cluster, Deployed]:
    """The cluster, and what is to run of it. A seed that nobody has given is drawn now: all processes need the same."""
    if options.image is not None and not _IMAGE.fullmatch(options.image):
        raise ConfigError(
            place="--image", detail=f"{options.image!r} is no name; write one such as lab.example/qnode:1"
        )
    cluster = cluster_of(options)
    source = cluster.set_up(options.seed)
    changes = changes_of(options)
    if options.seed is None and cluster.config.seed is None:
        changes += ["--seed", str(source.seed)]
    what = Deployed(
        source.network,
        options.config.name,
        tuple(changes),
        image=options.image or DEFAULT_IMAGE,
        made_by=made_by(command, options),
    )
    return cluster, what


def changes_of(options: argparse.Namespace) -> list[str]:
    """The options that change CONFIG, as every command of the same run must have them."""
    changes = [word for change in options.set for word in ("--set", change)]
    return changes if options.seed is None else [*changes, "--seed", str(options.seed)]


def made_by(command: str, options: argparse.Namespace) -> str:
    """What was typed, in one line."""
    text = shlex.join(["qnode", command, str(options.config), *changes_of(options)])
    return "".join(char if char.isprintable() else " " for char in text)


def as_seen(folder: Path) -> str:
    """A folder as it is written in a file that is kept here: relative, if that is short."""
    here = Path.cwd()
    folder = folder.resolve()
    for above, prefix in ((here, "./"), (here.parent, "../")):
        if folder.is_relative_to(above):
            return (prefix + folder.relative_to(above).as_posix()).removesuffix("/.")
    return folder.as_posix()
