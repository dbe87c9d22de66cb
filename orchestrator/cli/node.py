"""`qnode node`: one node's process alone, for an oracle that `qnode oracle` started."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import NoReturn

from orchestrator.cli.by_hand import Addresses, addresses, plan_by_hand, socket_file
from orchestrator.cli.loading import cluster_of
from orchestrator.cli.screen import Screen
from orchestrator.cli.signals import at_signals
from orchestrator.launch.rundir import RunDirectory
from orchestrator.near import nearest
from orchestrator.run import Source
from qnode.errors import ConfigError, ProcessLost, ProtocolViolation, TransportError
from qnode.exits import EXIT_INTERRUPTED
from qnode.runtime.process import run_process


def run(options: argparse.Namespace, screen: Screen) -> int:
    """Carry out the command; the exit code."""
    cluster = cluster_of(options)
    if options.seed is None and cluster.config.seed is None:
        raise ConfigError(
            place="--seed", detail="the configuration gives none; give the oracle and every node the same"
        )
    source = cluster.set_up(options.seed)
    names = [str(name) for name in source.network.nodes]
    if options.node not in names:
        raise ConfigError(place=options.node, detail=f"the network has no such node{nearest(options.node, names)}")
    where = addresses(options.address, len(names))
    return _be(options, source, where, names.index(options.node))


def _be(options: argparse.Namespace, source: Source, where: Addresses, nth: int) -> int:
    secret = os.environ.get("QNODE_TOKEN", "")
    plan_by_hand(source.network, where, secret)  # raises before there is anything to remove
    directory = RunDirectory()
    parcels = str(directory.path / "p")
    plan = plan_by_hand(source.network, where, secret, parcels=parcels, path=source.path)
    process = plan.processes[nth]
    leave_nothing = _LeaveNothing(directory, socket_file(plan.run.peers.format(process.number)))
    try:
        return run_process(plan.run, process, alone_s=options.wait)
    except ProtocolViolation as error:
        raise ConfigError(
            place=f"the oracle at {where.oracle}",
            detail=f"{error}; configuration, --set, --seed, version and QNODE_TOKEN must be the same for all processes",
        ) from None
    except TransportError as error:
        raise ProcessLost(name="the oracle", reason=str(error)) from None
    finally:
        leave_nothing()


class _LeaveNothing:
    """Removes what the process has made; and ends it at a signal, which no program may take for an error of its own."""

    def __init__(self, directory: RunDirectory, socket: Path | None) -> None:
        self._directory = directory
        self._socket = socket
        at_signals(self._end)

    def __call__(self) -> None:
        self._directory.remove()
        if self._socket is not None:
            self._socket.unlink(missing_ok=True)

    def _end(self) -> NoReturn:
        self()
        os._exit(EXIT_INTERRUPTED)
