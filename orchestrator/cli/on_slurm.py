"""`qnode run CONFIG --on slurm`: in a new allocation, or on the hosts of the one that the command is in."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NoReturn, Self

from orchestrator.cli.elsewhere import changes_of
from orchestrator.cli.loading import cluster_of
from orchestrator.cli.up import network_name
from orchestrator.cluster import Cluster
from orchestrator.launch import slurm
from orchestrator.on_slurm import Job, placed
from orchestrator.run import Run
from qnode.errors import ConfigError
from qnode.wire.messages import Progress


class OnSlurm:
    """The network of a command on the hosts of the allocation that it is in; runs as a `Cluster` does on one machine.

    Raises ConfigError, also if there are fewer hosts than the configuration has.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._hosts: Mapping[str, str] = placed(tuple(cluster_of(options).config.hosts), slurm.hosts())
        changes = [*options.set, f"hosts=[{', '.join(self._hosts)}]"]
        self._changed = argparse.Namespace(**{**vars(options), "set": changes})
        self._config = str(Path(options.config).resolve())
        self.cluster = cluster_of(self._changed)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    async def run(
        self,
        *,
        seed: int,
        name: str | None,
        timeout: float | None,
        inline: bool,
        check: bool,
        on_start: Callable[[], None],
        on_progress: Callable[[Progress], None],
        on_output: Callable[[str], None],
    ) -> Run:
        """One run. Its failure is not raised, and nothing is ever inline."""
        assert not inline
        assert not check
        changed = argparse.Namespace(**{**vars(self._changed), "seed": seed})
        job = Job(
            self.cluster.set_up(seed),
            [self._config, *changes_of(changed)],
            self._hosts,
            self._options.runs_folder,
        )
        return await job.run(
            name=name, timeout=timeout, on_start=on_start, on_progress=on_progress, on_output=on_output
        )


def here_or_allocated(options: argparse.Namespace) -> OnSlurm:
    """On the hosts of this allocation; outside of one this process becomes `salloc`, which comes back to here."""
    if options.inline:
        raise ConfigError(place="--inline", detail="runs everything in this process; leave it out, or --on slurm")
    if slurm.is_inside():
        return OnSlurm(options)
    _allocate(options, cluster_of(options))


def _allocate(options: argparse.Namespace, cluster: Cluster) -> NoReturn:
    cluster.set_up(options.seed).network  # noqa: B018  raises what is wrong with it, before it waits for hosts
    n_hosts = options.hosts or len(cluster.config.hosts) or 1
    slurm.allocate(n_hosts, network_name(cluster.config.name), _own(options), ["run", *again(options)])


def _own(options: argparse.Namespace) -> list[str]:
    try:
        return [*(["--quiet"] if options.quiet or options.json else []), *shlex.split(options.slurm)]
    except ValueError as error:
        raise ConfigError(place="--slurm", detail=f"these are no options: {error}") from None


def again(options: argparse.Namespace) -> list[str]:
    """The arguments of `qnode run` that do the same in an allocation."""
    words = [str(options.config), *changes_of(options)]
    for option in ("runs", "name", "timeout", "runs_folder"):
        if getattr(options, option) is not None:
            words += [f"--{option.replace('_', '-')}", str(getattr(options, option))]
    words += [f"--{option}" for option in ("json", "all", "quiet", "debug") if getattr(options, option)]
    return [*words, "--on", "slurm"]
