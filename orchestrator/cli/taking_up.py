"""`qnode oracle --take-up`: what whoever starts an oracle again means, and cannot say, such as an engine of containers.

It starts the same command after a crash, after a run that has ended badly, and when somebody wants another run.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple

from orchestrator import program_files, saved
from orchestrator.cluster import Cluster
from orchestrator.dumping import dump
from orchestrator.head import CONFIG_FILE, KILLED, Head, read_head
from orchestrator.run import Source
from qnode.exits import EXIT_DONE

_INTERRUPTED: Final = "interrupted"  # somebody has ended it, and may want another


class Earlier(NamedTuple):
    """A run of the same network, the same in everything, whose end was not a good one."""

    folder: Path
    head: Head

    @property
    def is_killed(self) -> bool:
        """Whether it can go on; else it has ended, and would end so again."""
        return self.head.ended == KILLED


def earlier(cluster: Cluster, runs: Path, seed: int | None) -> Earlier | None:
    """The network's latest run, if its oracle was killed, or if it failed and neither configuration nor programs are
    others since; None: a new one is wanted.

    Raises ConfigError if a run there cannot be read.
    """
    found = [entry.folder for entry in saved.listing(runs) if entry.name == cluster.config.name]
    if not found:
        return None
    last = Earlier(found[-1], read_head(found[-1]))
    if not last.is_killed and (last.head.ended == _INTERRUPTED or last.head.exit_code in (None, EXIT_DONE)):
        return None
    wanted = cluster.config.seed if seed is None else seed
    return last if wanted in (None, last.head.seed) and _is_same(cluster.set_up(last.head.seed), last.folder) else None


def _is_same(source: Source, folder: Path) -> bool:
    kept = {name: one.digest for name, one in program_files.kept(folder).items()}
    now = {name: program_files.digest_now(file) for name, file in program_files.files_of(source, folder).items()}
    return (folder / CONFIG_FILE).read_text(encoding="utf-8") == dump(source.config) and kept == now
