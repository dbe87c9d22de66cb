"""`qnode oracle`: the oracle's process alone. Whoever starts it starts the nodes too, each by `qnode node`."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from orchestrator import report, saved, saving
from orchestrator.addresses import Endpoint, listening, needs_keys, socket_file
from orchestrator.cli.by_hand import identity, oracle_facts, plan_by_hand
from orchestrator.cli.endings import tell_error
from orchestrator.cli.loading import cluster_of
from orchestrator.cli.run import tell_warnings
from orchestrator.cli.screen import Screen
from orchestrator.cli.signals import raise_at_signals
from orchestrator.cli.taking_up import Earlier, earlier
from orchestrator.facts import differences
from orchestrator.head import read_head
from orchestrator.oracle.service import OracleService
from orchestrator.oracle.spec import OracleSpec, Summary, cut_short
from orchestrator.ready import ReadyFile
from orchestrator.run import Run, Source
from orchestrator.telemetry.beside import Telemetry
from orchestrator.text import count, names_of
from qnode.errors import ConfigError, Interrupted, ProcessLost, QnodeError, TransportError
from qnode.exits import EXIT_USAGE
from qnode.runtime.logs import format_time, set_up_logging
from qnode.transport.server import Server
from qnode.wire.keys import ORACLE
from qnode.wire.messages import Hello, Progress


def run(options: argparse.Namespace, screen: Screen) -> int:
    """Carry out the command; the exit code."""
    resumed = None if options.resume is None else saved.find(options.runs_folder, options.resume)
    cluster = cluster_of(options, runs=options.runs_folder)
    if options.take_up and (last := earlier(cluster, options.runs_folder, options.seed)):
        if not last.is_killed:
            return _tell_again(screen, last)
        resumed = last.folder
    seed = read_head(resumed).seed if resumed is not None and options.seed is None else options.seed
    source = cluster.set_up(seed)
    network = source.network
    where = listening(options.listen, n_nodes=len(network.nodes))
    if where.is_open and options.keys is None:
        raise needs_keys("--listen", options.listen)
    who = identity(ORACLE, source, options.keys)
    spec = msgspec.structs.replace(plan_by_hand(source, where.address).oracle, token=who.token, keys=who.keys)
    facts = oracle_facts(source)
    raise_at_signals()
    set_up_logging()
    # Before anything is written: that it cannot be had is no run.
    server = _listen(spec, lambda hello: differences(hello.facts, facts) if hello.role == "node" else "")
    started, clock = datetime.now(UTC), time.perf_counter()
    folder, lock = _begin(options, source, started, server, resumed)
    telemetry = Telemetry(source, folder)
    followed = _Followed(screen, telemetry)
    ready = ReadyFile(options.ready)
    if not options.json:
        screen.say(screen.heading(report.heading(network)))
    failure: QnodeError | None = None
    with lock:
        spec = msgspec.structs.replace(
            spec,
            folder=str(folder),
            join_timeout_s=options.wait,
            patience_s=options.patience,
            resume=resumed is not None,
        )
        try:
            with telemetry:
                nearby = _nearby(where, server)
                telemetry.steer(nearby, spec.token, spec.keys)
                ready.say(nearby, spec.folder)
                summary = _serve(spec, server, screen, followed)
        except KeyboardInterrupt:
            failure = Interrupted(time=format_time(followed.reached.now_ns))
            summary = followed.cut_short("interrupted")
        except ProcessLost as error:
            failure = error
            summary = followed.cut_short("lost")
        finally:
            ready.remove()
        wall_s = time.perf_counter() - clock
        found = Run(source, summary, folder=folder, started=started, wall_s=wall_s, failure=failure)
        saving.save(found)
    return _show(options, screen, found)


def _tell_again(screen: Screen, last: Earlier) -> int:
    """The exit code of a run that has ended, once more: whoever starts us again for that must not begin another."""
    screen.tell(
        f"{last.head.id} has ended ({last.head.ended}), and nothing has changed since: it would end so again; for"
        " another run take another seed, or away what is saved of this one (docker compose down --volumes)"
    )
    return last.head.exit_code or EXIT_USAGE


_FEW: Final = 20
_SOME: Final = 50


class _Followed:
    """How far the run is known to be."""

    def __init__(self, screen: Screen, telemetry: Telemetry) -> None:
        self._screen = screen
        self._telemetry = telemetry
        self.reached = Progress(0, 0)
        self._is_complete = False

    def progress(self, progress: Progress) -> None:
        if not self._is_complete:
            self._is_complete = True
            self._screen.tell("all nodes are here")
        self.reached = progress
        self._telemetry.reached(progress.now_ns, progress.steps)
        self._screen.status(f"at {format_time(progress.now_ns)}   {count(progress.steps, 'step')}")

    def joined(self, came: Collection[str], missing: Sequence[str]) -> None:
        """Say who has come and who has not; of very many, only now and then."""
        few = len(missing) <= _FEW
        if few or len(missing) % _SOME == 0:
            what = f"{names_of(sorted(came))} came" if came else f"{names_of(missing)} went again"
            self._screen.tell(f"{what}; waiting for {names_of(missing)}")

    def cut_short(self, how: str) -> Summary:
        return cut_short(how, at_ns=self.reached.now_ns, steps=self.reached.steps)


def _listen(spec: OracleSpec, why_not: Callable[[Hello], str]) -> Server:
    try:
        return Server(
            spec.address,
            spec.token,
            keys=spec.keys,
            why_not=why_not,
            most_connections=spec.strangers.connections,
            most_refusals=spec.strangers.refusals,
        )
    except TransportError as error:
        raise ConfigError(place="--listen", detail=str(error)) from None


def _nearby(where: Endpoint, server: Server) -> str:
    """Where this machine reaches the server, whichever port that got."""
    if socket_file(where.address) is not None:
        return where.nearby
    return f"{where.nearby.rpartition(':')[0]}:{server.address.rpartition(':')[2]}"


def _begin(
    options: argparse.Namespace, source: Source, started: datetime, server: Server, resumed: Path | None
) -> tuple[Path, BinaryIO]:
    """The run's folder, and the lock that says that it is under way."""
    try:
        if resumed is not None:
            return resumed, saving.go_on(resumed)
        folder = options.folder or saving.new_folder(options.runs_folder, source.name)
        return folder, saving.begin(folder, source, started)
    except BaseException:
        server.close()
        raise


def _serve(spec: OracleSpec, server: Server, screen: Screen, followed: _Followed) -> Summary:
    try:
        service = OracleService(spec, server, followed.progress, followed.joined)
        try:
            screen.tell(f"listening at {server.address}, waiting for {names_of(list(spec.programs))}")
            return service.serve()
        except KeyboardInterrupt:
            service.dismiss("interrupted")
            raise
        finally:
            service.close()
    finally:
        screen.status("")
        file = socket_file(spec.address)
        if file is not None:
            file.unlink(missing_ok=True)


def _show(options: argparse.Namespace, screen: Screen, found: Run) -> int:
    if options.json:
        screen.say(report.as_json(found))
    else:
        if found.failure is None:
            screen.say(report.table(found, width=screen.width, whole=options.all))
        screen.say(report.closing(found))
    tell_warnings(screen, found)
    return 0 if found.failure is None else tell_error(screen, found.failure, debug=options.debug)
