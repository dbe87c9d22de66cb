"""`qnode logs`: what the programs of a network or of a run print; `-f` goes on until it ends."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple, TextIO

from orchestrator import saved
from orchestrator.cli import networks
from orchestrator.cli.screen import Screen
from orchestrator.follow import LogFollower
from orchestrator.oracle.spec import log_path
from qnode.errors import ConfigError
from qnode.runtime.output import SEPARATOR

_EVERY_S: Final = 0.2  # how often it is looked whether the network is still there


class _Source(NamedTuple):
    log: Path
    goes_on: Callable[[], bool]


def run(options: argparse.Namespace, screen: Screen) -> int:
    """Carry out the command; the exit code."""
    source = _source(options)
    if options.node is not None:
        saved.require_nodes(source.log.parent, [options.node], "oracle")
    if not source.log.is_file():
        raise ConfigError(place=str(source.log), detail="nothing was printed, or the log was removed")
    lines = _Lines(screen, _skipped(options, source.log), options.node)
    if options.follow:
        asyncio.run(_follow(source, lines))
    else:
        with _opened(source.log) as log:
            for line in log:
                lines.take(line.removesuffix("\n"))
    return 0


def _source(options: argparse.Namespace) -> _Source:
    """A network that is up comes first; else a run of that name."""
    up = networks.listing()
    if options.name is None and up:
        entry = networks.find(None)
    elif any(one.name == options.name for one in up):
        entry = networks.find(options.name)
    else:
        folder = saved.find(options.runs_folder, options.name)
        return _Source(log_path(folder), lambda: saved.is_under_way(folder))
    return _Source(log_path(Path(entry.folder)), lambda: networks.is_up(entry.name))


def _opened(log: Path) -> TextIO:
    """Its lines end where those of `--follow` do: a carriage return is a part of what was printed."""
    return log.open(encoding="utf-8", errors="replace", newline="\n")


def _skipped(options: argparse.Namespace, log: Path) -> int:
    """How many lines at the beginning are not wanted."""
    if options.lines is None:
        return 0
    with _opened(log) as text:
        total = sum(_is_of(options.node, line) for line in text)
    return max(0, total - int(options.lines))


def _is_of(node: str | None, line: str) -> bool:
    return node is None or line.startswith(f"{node}{SEPARATOR}")


class _Lines:
    """Shows lines, those that are wanted. `unread` is set once nobody reads them any more."""

    def __init__(self, screen: Screen, skip: int, node: str | None) -> None:
        self._screen = screen
        self._skip = skip
        self._node = node
        self.unread: BrokenPipeError | None = None

    def take(self, line: str) -> None:
        if not _is_of(self._node, line):
            return
        if self._skip > 0:
            self._skip -= 1
            return
        try:
            self._screen.say(line)
        except BrokenPipeError as error:
            self.unread = error
            raise


async def _follow(source: _Source, lines: _Lines) -> None:
    with LogFollower(source.log, lines.take):
        while lines.unread is None and source.goes_on():  # noqa: ASYNC110  # another process ends it, and tells us nothing
            await asyncio.sleep(_EVERY_S)
