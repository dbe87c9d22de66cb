"""`qnode compose CONFIG`: print a compose.yaml, with a service for the oracle and for each node."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from orchestrator.cli.elsewhere import as_seen, deployed
from orchestrator.cli.screen import Screen
from orchestrator.deploy.compose import FOLDER, Places, compose
from qnode.errors import ConfigError


def run(options: argparse.Namespace, screen: Screen) -> int:
    """Carry out the command; the exit code."""
    _, what = deployed("compose", options)
    folder, keys = options.config.parent.resolve(), options.keys.resolve()
    if keys == folder or folder.is_relative_to(keys):
        raise ConfigError(
            place="--keys", detail=f"{options.keys} holds the configuration, which every container sees; choose another"
        )
    if options.build is not None and not (options.build / "docker" / "Dockerfile").is_file():
        raise ConfigError(place="--build", detail=f"{options.build} has no docker/Dockerfile; name qnode's own folder")
    places = Places(
        folder=as_seen(folder),
        keys=as_seen(keys),
        hidden=f"{FOLDER}/{keys.relative_to(folder).as_posix()}" if keys.is_relative_to(folder) else "",
        owner=_owner(keys),
        context="" if options.build is None else as_seen(options.build),
    )
    screen.say(compose(what, places).removesuffix("\n"))
    return 0


def _owner(keys: Path) -> str:
    """Whoever has the keys, or will have; "" for root, which no container's process should be."""
    try:
        status = keys.stat()
        user, group = status.st_uid, status.st_gid
    except FileNotFoundError:
        user, group = os.getuid(), os.getgid()
    return f"{user}:{group}" if user else ""
