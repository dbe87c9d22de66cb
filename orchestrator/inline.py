"""A whole run in this process: the same core, the same nodes, no socket in between. For debugging, and as a check."""

from __future__ import annotations

import asyncio
import asyncio.tasks
import contextlib
import random
import selectors
import signal
import sys
import threading
import time
from asyncio import events
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from types import FrameType, TracebackType
from typing import Any, Self

import msgspec
import numpy as np

from orchestrator.inspect import MarkObserver
from orchestrator.launch.interrupted import Interrupted
from orchestrator.oracle import records
from orchestrator.oracle.event_writer import EventWriter
from orchestrator.oracle.helm import Helm
from orchestrator.oracle.network import build_core, run_event
from orchestrator.oracle.spec import Summary, events_path
from orchestrator.oracle.summary import summarise
from orchestrator.plan import LaunchPlan
from qnode.errors import ConfigError, MalformedMessage, TimedOut
from qnode.ids import NodeName
from qnode.runtime.host import NodeHost
from qnode.runtime.loop import make_asyncio_deterministic
from qnode.runtime.process import reseed
from qnode.runtime.programs import PROGRAM_MODULES
from qnode.runtime.virtual import Outside
from qnode.wire.messages import (
    Change,
    Command,
    Farewell,
    Go,
    Grant,
    Paused,
    Progress,
    Show,
    Steer,
    Steered,
    Wake,
    encode,
    error_of,
)
from qnode.wire.plan import NodeSpec, ProcessSpec


class Limits:
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


class InlineRun:
    """A run in this process; the caller's event loop stands still whenever it goes on.

    Sets of text in programs iterate in this interpreter's order: programs that depend on it do as in processes of their
    own if PYTHONHASHSEED is 0, as it is there. The module-level generators, `random` and `numpy.random`, are each
    process's own here too.

    Attributes:
        failed: Where programs raised, by node and program, for a debugger.

    Args:
        timeout: Seconds of wall time after which the run is ended.
        on_progress: Told at the end how far the run came.
    """

    def __init__(
        self,
        launch: LaunchPlan,
        timeout: float | None = None,
        on_progress: Callable[[Progress], None] = lambda reached: None,
    ) -> None:
        if launch.run.clock != "virtual":
            raise ConfigError(place="clock", detail="only the virtual clock can run in one process; leave --inline out")
        self._launch = launch
        self._on_progress = on_progress
        self._limits = Limits(timeout)
        self._observer = MarkObserver(launch.oracle.observe)
        self._open = contextlib.ExitStack()
        folder, oracle = launch.oracle.folder, launch.oracle
        self._writer = EventWriter(events_path(folder)) if folder and oracle.events else None
        if self._writer is not None:
            self._open.callback(self._writer.close)
        self._core = build_core(oracle, self._writer.emit if self._writer else None, self._observer)
        self._record = self._open.enter_context(records.writer(oracle, None)) if folder else None
        self.failed: dict[tuple[str, str], TracebackType | None] = {}
        self._hosts: dict[NodeName, NodeHost] = {}
        self._generators = Generators(launch.processes)
        self._process_of: dict[NodeName, int] = {}
        self._lost: list[NodeHost] = []
        with self._inside():
            for process in launch.processes:
                for node in process.nodes:
                    self._host(node)
                    self._process_of[NodeName(node.name)] = process.number
        self._outside = Outside(self._hosts.values())
        self._helm = Helm(
            self._core,
            self._hosts,
            changed=self._changed,
            everybody=self._paused,
            ask_nodes=self._show,
            paused=True,
        )
        self._stands: Paused | None = None
        self._grants: Mapping[NodeName, Grant] = {}
        self._begun = False
        self._core.on_replace = self._replace
        run_event(self._core, oracle)

    def go(self, until_ns: int | None = None) -> Paused | None:
        """Go on until network time would pass a point; None if the run is over. Raises TimedOut, Interrupted."""
        self.steer(Go(until_ns))
        self._stands = None
        with self._inside(), self._generators, self._limits.kept():
            self._drive()
            self._lose()
        return self._stands

    def steer(self, command: Command) -> Steered:
        """Do what is commanded. Raises what it is refused with."""
        answers: list[Steered] = []
        self._helm.take(Steer(0, command), answers.append)
        if answers[0].code:
            raise error_of(answers[0])
        self._flush()
        return answers[0]

    def summary(self) -> Summary:
        """What is told of a run that is over."""
        if self._core.outcome is not None:
            run_event(self._core, self._launch.oracle, ended=self._core.outcome.how)
        self._flush()
        farewells: dict[str, Farewell] = {host.name: host.farewell() for host in self._hosts.values()}
        return summarise(self._core, self._observer.evaluate(), farewells, {}, virtual=True)

    def close(self) -> None:
        """Clean-up in programs runs now; files are closed."""
        with self._open, self._inside():
            if self._record is not None:
                self._record.end(self._core.time.now_ns, (), ())
            for host in (*reversed(self._hosts.values()), *self._lost):
                host.close()
        self._on_progress(Progress(self._core.time.now_ns, self._core.counts.steps))

    def _inside(self) -> contextlib.AbstractContextManager[None]:
        return here(self._launch.run.base, *self._launch.run.path)

    def _host(self, node: NodeSpec) -> NodeHost:
        name = NodeName(node.name)
        self._hosts[name] = host = NodeHost(node, self._launch.run, _no_parcel)
        host.on_failed = partial(self._failed, name)
        return host

    def _replace(self, node: NodeName, life: int) -> None:
        """A node is lost: what ran there runs no more, and cleans up only when all is over; perhaps another begins."""
        lost = self._hosts.pop(node)
        self._lost.append(lost)
        self._outside.drop(node)
        if life < 0:
            return
        process = self._launch.processes[self._process_of[node]]
        nodes = tuple(msgspec.structs.replace(one, incarnation=life) for one in process.nodes if one.name == node)
        host = self._host(nodes[0])
        self._outside.put(host)
        self._generators.renew(msgspec.structs.replace(process, nodes=nodes))
        self._hosts = {name: self._hosts[name] for name in self._process_of if name in self._hosts}

    def _failed(self, node: str, program: str, tb: TracebackType | None) -> None:
        self.failed[node, program] = tb

    def _changed(self, at_ns: int, change: Change) -> None:
        if self._record is not None:
            self._record.changed(at_ns, change)

    def _paused(self, paused: Paused) -> None:
        self._stands = paused

    def _show(self, show: Show) -> None:
        for host in self._hosts.values():
            self._helm.shown(host.shown())

    def _drive(self) -> None:
        core, outside = self._core, self._outside
        if not self._begun:
            self._begun = True
            self._grants = core.first_grants()
        elif not core.time.awaited:
            self._grants = core.grants()
        while core.outcome is None:
            self._limits.check()
            self._flush()
            if self._grants:
                self._round()
            else:
                self._helm.stands(core.standing)
                if self._helm.paused:
                    return
                with selectors.DefaultSelector() as selector:
                    selector.register(outside.fileno(), selectors.EVENT_READ)
                    selector.select(self._limits.left_s())
            for host in outside.ask():
                core.wake(Wake(host.name, host.incarnation))
            self._grants = core.grants()

    def _flush(self) -> None:
        """A program may stand at a breakpoint: what led there can be read."""
        if self._writer is not None:
            self._writer.settle()
            self._writer.flush()

    def _lose(self) -> None:
        """If nodes have failed, whoever waits for one of them is told."""
        outcome, failed = self._core.outcome, self._core.why_failed
        if outcome is None or not failed:
            return
        for name, host in self._hosts.items():
            self._generators.turn_to(self._process_of[name])
            host.lose(failed, outcome.at_ns)
            self._limits.check()

    def _round(self) -> None:
        core, record = self._core, self._record
        frames = []
        for name, grant in self._grants.items():
            host = self._hosts[name]
            if record is not None:
                record.granted(encode(grant))
            self._generators.turn_to(self._process_of[name])
            host.resume(grant)
            self._limits.check()
            self._outside.has_run(name)
            report = host.report()
            if record is not None:
                frames.append(encode(report))
            core.report(report)
        if record is not None:
            record.append(core.time.now_ns, core.time.last_woken, frames)
        core.execute()


class Generators:
    """The module-level generators of a run's processes: inside `with`, those of the process whose turn it is."""

    def __init__(self, processes: Iterable[ProcessSpec]) -> None:
        self._outside = _states()
        self._turn: int | None = None
        self._own: dict[int, Any] = {}
        for process in processes:
            reseed(process)
            self._own[process.number] = _states()
        _set_states(self._outside)

    def renew(self, process: ProcessSpec) -> None:
        """A process starts again: its own generators do too."""
        if self._turn == process.number:
            self._turn = None
        states = _states()
        reseed(process)
        self._own[process.number] = _states()
        _set_states(states)

    def __enter__(self) -> Self:
        self._outside = _states()
        return self

    def __exit__(self, *_: object) -> None:
        self._put_away()
        _set_states(self._outside)

    def turn_to(self, process: int) -> None:
        """Now a node of this process runs. To change costs 0.1 ms: it is left out where it changes nothing."""
        if process != self._turn:
            self._put_away()
            _set_states(self._own[process])
            self._turn = process

    def _put_away(self) -> None:
        if self._turn is not None:
            self._own[self._turn] = _states()
            self._turn = None


def _states() -> tuple[Any, Any]:
    return random.getstate(), np.random.get_state()


def _set_states(states: tuple[Any, Any]) -> None:
    random.setstate(states[0])
    np.random.set_state(states[1])


@contextlib.contextmanager
def here(*folders: str) -> Iterator[None]:
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
