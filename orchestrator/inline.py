"""A whole run in this process: the same core, the same nodes, no socket in between. For debugging, and as a check."""

from __future__ import annotations

import asyncio
import asyncio.tasks
import contextlib
import selectors
import signal
import sys
import threading
import time
from asyncio import events
from collections.abc import Callable, Iterator, Mapping
from types import FrameType

from orchestrator.inspect import MarkObserver
from orchestrator.launch.interrupted import Interrupted
from orchestrator.oracle.core import OracleCore
from orchestrator.oracle.event_writer import EventWriter
from orchestrator.oracle.network import build_core, run_event
from orchestrator.oracle.record import RecordWriter
from orchestrator.oracle.spec import Summary, encode_oracle, events_path, record_path
from orchestrator.oracle.summary import summarise
from orchestrator.plan import LaunchPlan
from qnode.errors import ConfigError, MalformedMessage, TimedOut
from qnode.ids import NodeName
from qnode.runtime.host import NodeHost
from qnode.runtime.loop import make_asyncio_deterministic
from qnode.runtime.programs import PROGRAM_MODULES
from qnode.runtime.virtual import Outside
from qnode.wire.messages import Farewell, Grant, Progress, Wake, encode


class _Limits:
    """What ends a run from outside: a time-out, and in the main thread Ctrl-C. Both reach a program that computes."""

    def __init__(self, timeout: float | None) -> None:
        self._timeout = timeout
        self._deadline = None if timeout is None else time.monotonic() + timeout
        self._came: BaseException | None = None

    def left_s(self) -> float | None:
        """How long nothing may happen; None: for ever."""
        return None if self._deadline is None else max(0.0, self._deadline - time.monotonic())

    def check(self) -> None:
        """Raise what ends the run, whether or not a program has caught it. Raises TimedOut, Interrupted."""
        if self._came is None and self.left_s() == 0.0:
            self._came = TimedOut(timeout=str(self._timeout))
        if self._came is not None:
            raise self._came

    @contextlib.contextmanager
    def kept(self) -> Iterator[None]:
        """Inside, signals end the run. asyncio's own handler would cancel a task that waits for this very call."""
        with contextlib.ExitStack() as stack:
            if threading.current_thread() is threading.main_thread():
                if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
                    stack.callback(signal.signal, signal.SIGINT, signal.signal(signal.SIGINT, self._interrupted))
                # Who has an alarm of their own keeps it: then only a program that gives way is timed out.
                if self._timeout is not None and signal.getsignal(signal.SIGALRM) is signal.SIG_DFL:
                    stack.callback(signal.signal, signal.SIGALRM, signal.signal(signal.SIGALRM, self._timed_out))
                    stack.callback(signal.setitimer, signal.ITIMER_REAL, 0.0)
                    signal.setitimer(signal.ITIMER_REAL, max(self._timeout, 1e-6))
            try:
                yield
            except KeyboardInterrupt:
                self.check()
                raise

    def _interrupted(self, number: int, frame: FrameType | None) -> None:
        self._came = Interrupted(signal.Signals(number))
        raise self._came

    def _timed_out(self, number: int, frame: FrameType | None) -> None:
        if self._came is None:  # or what has come is ending the run: nothing may disturb that
            self._came = TimedOut(timeout=str(self._timeout))
            raise KeyboardInterrupt  # which asyncio lets through, whichever task it meets; `kept` says what it means


def run_inline(
    launch: LaunchPlan, timeout: float | None = None, on_progress: Callable[[Progress], None] = lambda reached: None
) -> Summary:
    """Run to the end, here and now; the caller's event loop stands still meanwhile.

    Sets of text in programs iterate in this interpreter's order, and the module-level generators are this process's:
    programs that depend on either differ from a run in processes of their own.

    Args:
        timeout: Seconds of wall time after which the run is ended.
        on_progress: Told at the end how far the run came.
    Raises:
        TimedOut, Interrupted.
    """
    if launch.run.clock != "virtual":
        raise ConfigError(place="clock", detail="only the virtual clock can run in one process; leave --inline out")
    folder = launch.oracle.folder
    writer = EventWriter(events_path(folder)) if folder and launch.oracle.events else None
    observer = MarkObserver(launch.oracle.observe)
    core = build_core(launch.oracle, writer.emit if writer else None, observer)
    nodes = [node for process in launch.processes for node in process.nodes]
    limits = _Limits(timeout)
    with _here(launch.run.base, *launch.run.path), limits.kept(), contextlib.ExitStack() as stack:
        record = (
            stack.enter_context(RecordWriter(record_path(folder), encode_oracle(launch.oracle.without_secrets())))
            if folder
            else None
        )
        if writer is not None:
            stack.callback(writer.close)
        stack.callback(lambda: on_progress(Progress(core.time.now_ns, core.counts.steps)))
        hosts: dict[NodeName, NodeHost] = {}
        for node in nodes:
            hosts[NodeName(node.name)] = host = NodeHost(node, launch.run, _no_parcel)
            stack.callback(host.close)
        run_event(core, launch.oracle)
        _drive(core, hosts, record, limits, writer)
        farewells: dict[str, Farewell] = {host.name: host.farewell() for host in hosts.values()}
        outcome = core.outcome
        if outcome is not None:
            run_event(core, launch.oracle, ended=outcome.how)
    return summarise(core, observer.evaluate(), farewells, {}, virtual=True)


def _drive(
    core: OracleCore,
    hosts: Mapping[NodeName, NodeHost],
    record: RecordWriter | None,
    limits: _Limits,
    writer: EventWriter | None,
) -> None:
    outside = Outside(hosts.values())
    grants: Mapping[NodeName, Grant] = core.first_grants()
    while core.outcome is None:
        limits.check()
        if writer is not None:
            writer.flush()  # a program may stand at a breakpoint: what led there can be read
        if not grants:
            with selectors.DefaultSelector() as selector:
                selector.register(outside.fileno(), selectors.EVENT_READ)
                selector.select(limits.left_s())
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
            limits.check()
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
