"""What the operating system allows a user, checked before anything starts."""

from __future__ import annotations

import contextlib
import resource
from typing import Final

from qnode.errors import ConfigError

_OF_ITS_OWN: Final = 64  # what a process holds without its connections
_MACOS_MOST: Final = 10_240  # a higher soft limit is refused there, whatever the hard one says


def descriptors_for(processes: int) -> int:
    """How many files the process with the most of them may hold: the oracle has a connection to each node process."""
    return processes + _OF_ITS_OWN


def require_descriptors(processes: int) -> None:
    """Raises ConfigError, with a remedy, if a run of so many node processes cannot work here."""
    needed = descriptors_for(processes)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise ConfigError(
            place="open files",
            detail=f"{processes} node processes need {needed} open files in one process, and this user may have {hard}:"
            f" put several nodes into one (`nodes_per_process: {_fewer(processes, hard)}`), or allow more"
            f" (`ulimit -n {needed}` as root, or /etc/security/limits.conf)",
        )


def allow_descriptors() -> None:
    """Raise this process's soft limit as far as it may go; its children inherit that."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for limit in (hard, _MACOS_MOST):
        if soft == resource.RLIM_INFINITY or 0 <= limit <= soft:
            return
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
            return


def _fewer(processes: int, hard: int) -> int:
    """So many nodes in a process that the processes fit."""
    return -(-processes // max(1, hard - _OF_ITS_OWN))
