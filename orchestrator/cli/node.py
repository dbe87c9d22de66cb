"""`qnode node`: one node's process alone, for an oracle that `qnode oracle` started, here or on another machine."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import NoReturn

import msgspec

from orchestrator.addresses import needs_keys, own_address, reaching, socket_file
from orchestrator.cli.by_hand import identity, joining, plan_by_hand
from orchestrator.cli.loading import cluster_of
from orchestrator.cli.screen import Screen
from orchestrator.cli.signals import at_signals
from orchestrator.launch.rundir import RunDirectory
from orchestrator.near import nearest
from orchestrator.run import Source
from qnode.errors import ConfigError, KeyRefused, ProcessLost, ProtocolViolation, TransportError
from qnode.exits import EXIT_INTERRUPTED
from qnode.runtime.process import run_process
from qnode.wire.plan import ProcessSpec, RunSpec


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
    return _be(options, source, names.index(options.node), screen)


def _be(options: argparse.Namespace, source: Source, nth: int, screen: Screen) -> int:
    oracle = reaching(options.oracle, n_nodes=len(source.network.nodes))
    if oracle.is_open and options.keys is None:
        raise needs_keys("--oracle", options.oracle)
    who = identity(options.node, source, options.keys)
    own = own_address(oracle, listen=options.listen, advertise=options.advertise, has_keys=who.keys is not None)
    plan = plan_by_hand(source, oracle.address, wait_s=options.wait)
    process = joining(source, plan.processes[nth], own, who)
    directory = RunDirectory()
    leave_nothing = _LeaveNothing(directory, socket_file(plan.run.peers.format(process.number)))
    try:
        run = msgspec.structs.replace(plan.run, parcels=str(directory.path / "p"))
        return _run(run, process, options, screen)
    finally:
        leave_nothing()


def _run(run: RunSpec, process: ProcessSpec, options: argparse.Namespace, screen: Screen) -> int:
    """Raises what it fails with, in words for whoever started it."""
    try:
        return run_process(run, process, told=screen.tell)
    except ProtocolViolation as error:
        raise ConfigError(place=f"the oracle at {run.oracle}", detail=f"{error}") from None
    except KeyRefused as error:
        raise ConfigError(place=str(options.keys or "--keys"), detail=str(error)) from None
    except TransportError as error:
        raise ProcessLost(name="the oracle", reason=str(error)) from None


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
