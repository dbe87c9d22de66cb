"""A whole run in this process: the same core, the same nodes, no socket in between. For debugging, and as a check."""

from __future__ import annotations

import asyncio
import asyncio.tasks
import contextlib
import select
import sys
from asyncio import events
from collections.abc import Iterator, Mapping

from orchestrator.inspect import MarkObserver
from orchestrator.oracle.core import OracleCore
from orchestrator.oracle.network import build_core, run_event
from orchestrator.oracle.record import RecordWriter
from orchestrator.oracle.service import EventWriter
from orchestrator.oracle.spec import Summary, encode_oracle, events_path, record_path
from orchestrator.oracle.summary import summarise
from orchestrator.plan import LaunchPlan
from qnode.errors import ConfigError, MalformedMessage
from qnode.ids import NodeName
from qnode.runtime.host import NodeHost
from qnode.runtime.loop import make_asyncio_deterministic
from qnode.runtime.programs import PROGRAM_MODULES
from qnode.runtime.virtual import Outside
from qnode.wire.messages import Farewell, Grant, Wake, encode


def run_inline(launch: LaunchPlan) -> Summary:
    """Run to the end, here and now; the caller's event loop stands still meanwhile.

    Sets of text in programs iterate in this interpreter's order, and the module-level generators are this process's:
    programs that depend on either differ from a run in processes of their own.
    """
    if launch.run.clock != "virtual":
        raise ConfigError(place="clock", detail="only the virtual clock can run in one process; leave --inline out")
    folder = launch.oracle.folder
    writer = EventWriter(events_path(folder)) if folder and launch.oracle.events else None
    observer = MarkObserver(launch.oracle.observe)
    core = build_core(launch.oracle, writer, observer)
    nodes = [node for process in launch.processes for node in process.nodes]
    with _here(launch.run.base, *launch.run.path), contextlib.ExitStack() as stack:
        record = (
            stack.enter_context(RecordWriter(record_path(folder), encode_oracle(launch.oracle.without_secrets())))
            if folder
            else None
        )
        if writer is not None:
            stack.callback(writer.close)
        hosts = {NodeName(node.name): NodeHost(node, launch.run, _no_parcel) for node in nodes}
        run_event(core, launch.oracle)
        _drive(core, hosts, record)
        farewells: dict[str, Farewell] = {host.name: host.farewell() for host in hosts.values()}
        outcome = core.outcome
        if outcome is not None:
            run_event(core, launch.oracle, ended=outcome.how)
        for host in hosts.values():
            host.close()
    return summarise(core, observer.evaluate(), farewells, {}, virtual=True)


def _drive(core: OracleCore, hosts: Mapping[NodeName, NodeHost], record: RecordWriter | None) -> None:
    outside = Outside(hosts.values())
    grants: Mapping[NodeName, Grant] = core.first_grants()
    while core.outcome is None:
        if not grants:
            select.select([outside.fileno()], [], [])
            for host in outside.ask():
                core.wake(Wake(host.name, host.incarnation))
            grants = core.grants()
            continue
        frames = []
        for name, grant in grants.items():
            host = hosts[name]
            if record is not None:
                record.granted(encode(grant))
            host.resume(grant)
            outside.has_run(name)
            report = host.report()
            if record is not None:
                frames.append(encode(report))
            core.report(report)
        if record is not None:
            record.append(core.time.now_ns, core.time.last_woken, frames)
        core.execute()
        for host in outside.ask():
            core.wake(Wake(host.name, host.incarnation))
        grants = core.grants()


@contextlib.contextmanager
def _here(*folders: str) -> Iterator[None]:
    """The process as a node process finds it, and afterwards as it was."""
    running = events._get_running_loop()
    as_completed, path, modules = asyncio.as_completed, list(sys.path), set(sys.modules)
    events._set_running_loop(None)
    make_asyncio_deterministic()
    sys.path[:0] = folders
    try:
        yield
    finally:
        sys.path[:] = path
        for name in set(sys.modules) - modules:
            if name.startswith(PROGRAM_MODULES):
                del sys.modules[name]  # the next run reads the file again, as a new process would
        asyncio.as_completed = asyncio.tasks.as_completed = as_completed
        events._set_running_loop(running)


def _no_parcel(digest: bytes) -> bytes:
    raise MalformedMessage(detail=f"payload {digest.hex()}: in one process nothing travels by itself")
