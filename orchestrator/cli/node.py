"""`qnode node`: one node's process alone, or all of one host, for an oracle that was started here or elsewhere."""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import msgspec

from orchestrator.addresses import at_port, needs_keys, own_address, reaching, socket_file
from orchestrator.cli.by_hand import identity, joining, plan_by_hand
from orchestrator.cli.loading import cluster_of
from orchestrator.cli.screen import Screen
from orchestrator.cli.signals import at_signals
from orchestrator.hosted import be_host
from orchestrator.launch.rundir import RunDirectory
from orchestrator.launch.signals import interruptible
from orchestrator.near import nearest
from orchestrator.plan import LaunchPlan
from orchestrator.ready import ReadyFile
from orchestrator.run import Source
from orchestrator.text import names_of
from qnode.errors import ConfigError, KeyRefused, ProcessLost, ProtocolViolation, TransportError
from qnode.exits import EXIT_DONE, EXIT_INTERRUPTED
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
    here = _Here(options, source)
    if options.host is not None:
        return asyncio.run(_be_host(here, screen))
    names = [str(name) for name in source.network.nodes]
    if options.node not in names:
        raise ConfigError(place=options.node, detail=f"the network has no such node{nearest(options.node, names)}")
    return _be(here, screen)


class _Here:
    """This machine's part: where its oracle is, and what processes are told. Raises ConfigError.

    Args:
        options: As they were given.
        source: What is run.
    """

    def __init__(self, options: argparse.Namespace, source: Source) -> None:
        if (options.node is None) == (options.host is None):
            raise ConfigError(place="NODE", detail="name a node, or a host by --host HOST, and not both")
        self.options = options
        self.source = source
        oracle = reaching(options.oracle, n_nodes=len(source.network.nodes))
        if oracle.is_open and options.keys is None:
            raise needs_keys("--oracle", options.oracle)
        self._oracle = oracle
        plan = plan_by_hand(source, oracle.address, wait_s=options.wait)
        self._plan = replace(plan, run=msgspec.structs.replace(plan.run, patience_s=options.patience))

    def plan(self, names: Sequence[str], *, host: str = "") -> LaunchPlan:
        """What the processes of these nodes are told; those of a host listen at one port after another."""
        processes = {process.nodes[0].name: process for process in self._plan.processes}
        return replace(
            self._plan,
            processes=tuple(self._joining(processes[name], nth, host) for nth, name in enumerate(names)),
        )

    def _joining(self, process: ProcessSpec, nth: int, host: str) -> ProcessSpec:
        options = self.options
        who = identity(process.nodes[0].name, self.source, options.keys)
        own = own_address(
            self._oracle,
            listen=at_port(options.listen, nth) if options.listen else "",
            advertise=options.advertise or self.source.network.hosts.get(host, ""),
            has_keys=who.keys is not None,
        )
        return joining(self.source, process, own, who)


async def _be_host(here: _Here, screen: Screen) -> int:
    network, host = here.source.network, str(here.options.host)
    if host not in network.hosts:
        known = f"known hosts: {', '.join(network.hosts)}" if network.hosts else "the configuration has no `hosts`"
        raise ConfigError(place="--host", detail=f"there is no host {host!r}{nearest(host, network.hosts)}; {known}")
    names = [str(name) for name in network.nodes if network.place[name] == host]
    if not names:
        raise ConfigError(place="--host", detail=f"no node is placed on {host}; `qnode check` shows who is where")
    if here.options.keys is not None and not here.options.keys.is_dir():
        raise ConfigError(place=str(here.options.keys), detail="--host needs a folder, with a file for each node")
    plan = here.plan(names, host=host)
    screen.tell(f"starting {names_of(names)} for the oracle at {plan.run.oracle}")
    with interruptible(lambda: screen.status("ending the processes; again: at once")):
        await be_host(here.source, plan, output=screen.say, tell=screen.tell)
    screen.tell("the run is over")
    return EXIT_DONE


def _be(here: _Here, screen: Screen) -> int:
    plan = here.plan([here.options.node])
    (process,) = plan.processes
    directory = RunDirectory()
    ready = ReadyFile(here.options.ready)
    leave_nothing = _LeaveNothing(directory, socket_file(plan.run.peers.format(process.number)), ready)
    try:
        run = msgspec.structs.replace(plan.run, parcels=str(directory.path / "p"))
        return _run(run, process, here.options, screen, ready)
    finally:
        leave_nothing()


def _run(run: RunSpec, process: ProcessSpec, options: argparse.Namespace, screen: Screen, ready: ReadyFile) -> int:
    """Raises what it fails with, in words for whoever started it."""
    has_joined = False

    def joined(address: str) -> None:
        nonlocal has_joined
        has_joined = True
        ready.say(address)

    try:
        return run_process(run, process, told=screen.tell, joined=joined)
    except ProtocolViolation as error:
        if has_joined:  # it was away for too long, and the run does without it
            name = process.nodes[0].name
            raise ProcessLost(nodes=(name,), name=f"node {name}", reason=str(error)) from None
        raise ConfigError(place=f"the oracle at {run.oracle}", detail=f"{error}") from None
    except KeyRefused as error:
        raise ConfigError(place=str(options.keys or "--keys"), detail=str(error)) from None
    except TransportError as error:
        raise ProcessLost(name="the oracle", reason=str(error)) from None


class _LeaveNothing:
    """Removes what the process has made; and ends it at a signal, which no program may take for an error of its own."""

    def __init__(self, directory: RunDirectory, socket: Path | None, ready: ReadyFile) -> None:
        self._directory = directory
        self._socket = socket
        self._ready = ready
        at_signals(self._end)

    def __call__(self) -> None:
        self._ready.remove()
        self._directory.remove()
        if self._socket is not None:
            self._socket.unlink(missing_ok=True)

    def _end(self) -> NoReturn:
        self()
        os._exit(EXIT_INTERRUPTED)
