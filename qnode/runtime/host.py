"""One node in this process: its loop, its programs, and how a grant becomes a report."""

from __future__ import annotations

import asyncio
import contextvars
import importlib
import logging
import os
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from types import FrameType, TracebackType
from typing import Any, Final

import msgspec

import qnode
from qnode.api.node import KINDS, Node
from qnode.api.services import NodeServices, Stack, Turn
from qnode.core.coins import Coins, derive_key
from qnode.core.machine import NodeMachine
from qnode.errors import PeerLost, QnodeError, Spinning
from qnode.ids import NodeName, ProgramName
from qnode.quantum.register import Register
from qnode.runtime.executed import outcome_of
from qnode.runtime.loop import CLEAN_UP_ROUNDS, MAX_ROUNDS, Job, NodeLoop, NodeTask, Spins, background
from qnode.runtime.loop import program as program_of_task
from qnode.runtime.programs import Main, load_program
from qnode.runtime.watchdog import UNKNOWN
from qnode.wire.items import Newcomer, Stopped
from qnode.wire.messages import (
    NOT_REPRODUCIBLE,
    NOT_RESUMABLE,
    OUTSIDE,
    Ended,
    Farewell,
    Grant,
    Part,
    Report,
    Shown,
    Waits,
)
from qnode.wire.payload import pack_result, unpack
from qnode.wire.plan import NodeSpec, ProgramSpec, RunSpec

log = logging.getLogger("qnode")

OWN_CODE: Final = (
    os.path.dirname(os.path.abspath(qnode.__file__)) + os.sep,
    os.path.dirname(asyncio.__file__) + os.sep,
)

REPORTS_UNDER_WAY: Final = 10_000
"""On the real clock a node goes on while its reports travel: of so many it knows who issued what."""

_LIBRARY: Final = os.path.join(OWN_CODE[0], "protocols") + os.sep
"""Programs of ours: their lines are shown of what has none of anybody else's."""

_ABOVE_PROGRAMS: Final = (*OWN_CODE, "<frozen importlib", importlib.__file__)


class NodeHost:
    """A node that runs when it is granted an instant, and then reports.

    Attributes:
        programs: Those that have been started, by name.
        folders: What program files are relative to, and import from.
        on_loaded: Told of each program's function before it is called.
        on_failed: Told which program has raised, and where; the frames are only there for whoever keeps them.

    Args:
        payload_of: Finds a payload by its digest, if it came ahead of its header.
        max_rounds: How often the loop may go round at one instant until a program has failed by that.
    """

    def __init__(
        self, node: NodeSpec, run: RunSpec, payload_of: Callable[[bytes], bytes], *, max_rounds: int = MAX_ROUNDS
    ) -> None:
        self.name = NodeName(node.name)
        self.incarnation = node.incarnation
        self.step = 0
        self.spec = node
        self.programs: dict[str, ProgramSpec] = {}
        virtual = run.clock == "virtual"
        self.loop = NodeLoop(node.name, tick_ns=run.tick_ns, holds_clock=virtual, max_rounds=max_rounds)
        self.machine: NodeMachine[Turn] = NodeMachine(
            self.name,
            node.incarnation,
            hardware=node.hardware,
            coins=Coins(derive_key(node.key, "coins", node.incarnation)),
            register=Register(run.formalism, run.max_state_vector_qubits),
            neighbours=frozenset(map(NodeName, node.neighbours)),
            observed=frozenset(run.observed),
            log_local=run.log_local,
            reports_under_way=1 if virtual else REPORTS_UNDER_WAY,
            all_shared=node.all_shared,
        )
        self.services = NodeServices(self.machine, self.loop, self.loop, run.processes.keys())
        self.services.open_stack = self._open_stack
        self.folders = (run.base, *run.path)
        self._payload_of = payload_of
        self._ended: list[Ended] = []
        self._parts = 0
        self._left_over = 0  # qubits that programs still held when they returned
        self._mains: dict[str, asyncio.Task[None]] = {}
        self._peer_lost: dict[str, str] = {}
        self._stopped: set[str] = set()  # programs that are to run no more
        self._dropped = 0  # messages for those that are over, which nobody read
        self.on_loaded: Callable[[Main], None] = lambda function: None
        self.on_failed: Callable[[str, TracebackType | None], None] = lambda program, tb: None
        self.loop.on_executed = self._record_executed
        self.services.on_unheard = self._fail_unheard
        self.services.on_started = self._take_in
        self.services.on_stopped = self._stop
        for program in node.programs:
            self._set_aside(program)

    def _open_stack(self) -> Stack:
        from qnode.runtime.stack import NetworkStack  # lazy: most nodes never ask for more than their neighbours

        return NetworkStack(self.spec, self.services)

    # ------------------------------------------------------------ a round

    def resume(self, grant: Grant) -> None:
        """Results and deliveries, run to idle; then the timers that are due, run to idle.

        In this order, so that a message that arrives exactly at a deadline is in time; and so is the outcome of an
        operation, whether it was computed here or by the oracle.
        """
        loop = self.loop
        loop.advance(grant.now_ns)
        self.machine.now_ns = loop.now_ns
        if not self.step:
            self._start_programs(grant)
        self.step += 1
        if grant.items:
            self.services.accept(grant.items, self._payload_of)
        try:
            loop.fire_completions()
            loop.until_idle()
            if loop.fire_timers():
                loop.until_idle()
        except (
            SystemExit,
            KeyboardInterrupt,
        ) as error:  # asyncio lets them through the loop, whichever task raised them
            self._exited(error)
        except Spins:
            self._spun()

    def report(self) -> Report:
        """What this node wants done, and when it wants to run next."""
        loop = self.loop
        timer_ns, background_ns = loop.next_timers_ns()
        flags = (
            (OUTSIDE if loop.has_sockets else 0)
            | (NOT_REPRODUCIBLE if loop.entered else 0)
            | (NOT_RESUMABLE if loop.unpackable else 0)
        )
        ended = tuple(self._ended)
        self._ended.clear()
        heard, self.services.heard = self.services.heard, 0
        ops = self.machine.take_outbox(self.step)
        parts, self._parts = self._parts, 0
        return Report(self.name, self.incarnation, self.step, timer_ns, background_ns, flags, ops, ended, heard, parts)

    def part(self) -> Part:
        """What this node wants done so far, as it goes ahead of its report."""
        return Part(self.name, self.incarnation, self.step, self._parts, self.machine.next_part())

    def part_left(self) -> None:
        """That has gone."""
        self._parts += 1
        self.machine.part_left()

    def shown(self) -> Shown:
        """The joint states that this node computed by itself."""
        return Shown(self.name, self.incarnation, self.machine.own_states())

    # ------------------------------------------------------------ programs

    def _start_programs(self, grant: Grant) -> None:
        """Those of the beginning; a node that begins again may be told at once that some of them run no more."""
        stopped = {item.program for item in grant.items if isinstance(item, Stopped)}
        for program in self.spec.programs:
            if program.name in stopped:
                self.services.let_go(program.name)
            elif not program.late:
                self._start(program)

    def _take_in(self, one: Newcomer) -> None:
        if one.run:
            self._start(ProgramSpec(one.name, one.run, dict(unpack(one.args)), one.service, one.memories))
        else:
            self._start(next(program for program in self.spec.programs if program.name == one.name))

    def _start(self, program: ProgramSpec) -> None:
        self.programs[program.name] = program
        self._stopped.discard(program.name)
        self.services.told.pop(program.name, None)
        context = contextvars.copy_context()
        context.run(background.set, program.service)
        context.run(program_of_task.set, program.name)
        # Made here and not in the task: on the real clock a qubit may be there before the program has run at all.
        node = Node(self.services, ProgramName(program.name), self.spec.key)
        main = self._run(program, node)
        self._mains[program.name] = self.loop.create_task(main, name=f"{self.name}.{program.name}", context=context)

    def _stop(self, program: str) -> None:
        main = self._mains.get(program)
        if main is not None and not main.done():
            self._stopped.add(program)
            self.loop.call_soon(main.cancel)  # behind its first step, if it was started just now

    def _set_aside(self, program: ProgramSpec) -> None:
        """Slots of its own, from the node's beginning on, so that nobody else can have taken them."""
        for memory, n in zip(self.machine.memories, program.memories, strict=True):
            if n:
                booking = memory.calendar.add(program.name, n, 0)
                memory.set_aside(booking)
                memory.keep(program.name, booking)

    async def _run(self, program: ProgramSpec, node: Node) -> None:
        ended: Ended | None = None
        try:
            try:
                for kind, n in enumerate(program.memories):
                    if n and program.name not in self.machine.memories[kind].own():  # else they are since the beginning
                        await node.reserve(n, slot=KINDS[kind]).__aenter__()
                function = load_program(program.run, self.folders)
                self.on_loaded(function)
                result = await function(node, **program.args)
            finally:
                if not self.loop.stopping:
                    await self._end_tasks(program.name)
            self.services.raise_unheard(program.name)
            ended = Ended(program.name, self._packed(result, program, function))
        except asyncio.CancelledError:
            if program.name in self._stopped:
                ended = Ended(program.name, b"")
            elif not self.loop.stopping:
                self._fail(program, "the program's task was cancelled from within")
            raise
        except BaseException as error:  # noqa: BLE001  # whatever a program raises, even SystemExit, ends the run and is shown
            self._fail(program, self._traceback(error))
            self.on_failed(program.name, _from_program(error))
        finally:
            if not self.loop.stopping:
                self._finish(node, ended)

    def _finish(self, node: Node, ended: Ended | None) -> None:
        """A program is over: what it has is nobody's, and, if it was stopped, its messages too."""
        held = node.finish()
        if ended is None or node.program not in self._stopped:
            self._left_over += held
        else:
            unread = self.services.letters.clear(lambda address: address[0] == node.program)
            self._dropped += unread
            ended = msgspec.structs.replace(ended, stopped=True, held=held, unread=unread)
        if ended is not None:
            self._ended.append(ended)

    async def _end_tasks(self, program: str) -> None:
        """Cancel what tasks a program has left behind, and wait for them: like asyncio.run."""
        tasks: list[NodeTask[Any]] = []
        while left := sorted((one for one in self.loop.tasks_of.get(program, ()) if not one.done()), key=hash):
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)
            tasks += left
        for task in tasks:
            error = None if task.cancelled() else task.exception()
            if error is not None:
                message = "unhandled exception while a task of a program that is over was cancelled"
                self.loop.call_exception_handler({"message": message, "exception": error, "task": task})

    def _fail(self, program: ProgramSpec, text: str) -> None:
        ended = Ended(program.name, b"", failed=True, traceback=text)
        lost = self.services.told.get(program.name, "") if PeerLost.__name__ in ended.error else ""
        if lost:
            self._peer_lost[program.name] = lost
        self._ended.append(msgspec.structs.replace(ended, lost=lost))

    def _fail_unheard(self, program: str, error: QnodeError) -> None:
        """What a program has issued was refused when nothing could tell it of that any more."""
        if any(ended.failed and ended.program == program for ended in self._ended):
            return  # one follows from the other
        self._ended.append(Ended(program, b"", failed=True, traceback=_with_notes(error)))

    def _spun(self) -> None:
        """The oldest program with a task that was not waiting for anything has failed."""
        spinning, mains = self._not_waiting(), {task: name for name, task in self._mains.items()}
        names = {mains.get(task) for task in spinning}
        names |= {name for name, tasks in self.loop.tasks_of.items() if any(task in tasks for task in spinning)}
        programs = list(self.programs.values())
        program = next((one for one in programs if one.name in names), programs[0])
        self._fail(program, str(Spinning(node=self.name, rounds=self.loop.max_rounds, where=_lines(spinning))))

    def spinning_at(self) -> str:
        """The lines of the tasks that make the loop go round and round; for a thread beside it."""
        return _lines(self._not_waiting())

    def _not_waiting(self) -> list[asyncio.Task[Any]]:
        """The tasks that have given way, and go on at once."""
        return [task for task in self.loop.unfinished() if getattr(task, "_fut_waiter", None) is None]

    def _exited(self, error: BaseException) -> None:
        """A task that is no program's main wanted to end the process: the oldest program that still runs has failed."""
        programs = list(self.programs.values())
        running = [one for one in programs if not self._mains[one.name].done()] or programs
        self._fail(running[0], self._traceback(error))

    def _packed(self, result: object, program: ProgramSpec, function: Main) -> bytes:
        code = function.__code__
        what = f"what program {program.name} of node {self.name} returned ({code.co_filename}:{code.co_firstlineno})"
        return pack_result(result, what=what, verb="return")

    def _traceback(self, error: BaseException) -> str:
        """The traceback from the program's first line on; a program that could not be loaded has none."""
        tb = _from_program(error)
        if tb is None and isinstance(error, QnodeError):
            return _with_notes(error)
        return "".join(traceback.format_exception(type(error), error, tb))

    def _record_executed(self, job: Job) -> bool:
        outcome = outcome_of(job, self.folders)
        if outcome is not None:
            self.machine.executed(outcome)
        return outcome is not None

    # ------------------------------------------------------------ the end

    def lose(self, lost: Mapping[str, str], at_ns: int) -> None:
        """Other nodes have failed, and the run with them: PeerLost where programs wait for one; run to idle.

        So they can clean up here. What they still want done elsewhere is not done any more.
        """
        loop = self.loop
        loop.advance(at_ns)
        self.machine.now_ns = loop.now_ns
        told = self.services.lose({peer: reason for peer, reason in lost.items() if peer != self.name})
        if not told:
            return
        loop.max_rounds = CLEAN_UP_ROUNDS
        self.machine.on_part = None
        while loop.runnable():
            with suppress(
                SystemExit, KeyboardInterrupt, Spins
            ):  # they leave the loop, and others have their turn still
                loop.until_idle()
        self._peer_lost |= {program: peer for program, peer in told.items() if self._mains[program].done()}
        for ended in self._ended:
            if ended.failed and ended.program in told and PeerLost.__name__ not in ended.error:
                log.error("after node %s was lost: %s", told[ended.program], ended.traceback.rstrip())

    def farewell(self, lateness_ns: int = 0, clock_bound_ns: int = 0, refused: int = 0) -> Farewell:
        """What every unfinished program is waiting for, and what is left over."""
        waits = tuple(self.waits())
        unread = self.services.letters.unread() + self._dropped
        return Farewell(
            self.name,
            self.incarnation,
            waits,
            unread,
            self._left_over,
            lateness_ns,
            clock_bound_ns,
            refused,
            self.machine.used,
            dict(self.services.lost_qubits),
            self._peer_lost,
        )

    def close(self) -> None:
        """Cancel what still runs, give it one chance to clean up, and close the loop. The second time, nothing."""
        if not self.loop.is_closed():
            self.loop.shut_down()

    def waits(self) -> Iterator[Waits]:
        """What the programs and their tasks are waiting for, and at which lines."""
        mains = {task: name for name, task in self._mains.items()}
        for task in self.loop.unfinished():
            coroutine = task.get_coro()
            if coroutine is not None:
                what, where = _innermost(coroutine)
                yield Waits(mains.get(task, f"task {task.get_name()}"), what, where)


def _with_notes(error: QnodeError) -> str:
    return "\n".join([str(error), *getattr(error, "__notes__", ())])


def _from_program(error: BaseException) -> TracebackType | None:
    tb = error.__traceback__
    while tb is not None and not _is_theirs(tb.tb_frame.f_code.co_filename):
        tb = tb.tb_next
    return tb


def _is_theirs(file: str) -> bool:
    """Whether it belongs to programs, those of the library included."""
    return not file.startswith(_ABOVE_PROGRAMS) or file.startswith(_LIBRARY)


def _lines(tasks: Iterable[asyncio.Task[Any]]) -> str:
    return ", ".join(dict.fromkeys(_innermost(task.get_coro())[1] for task in tasks)) or "an unknown line"


def _innermost(coroutine: object) -> tuple[str, str]:
    """What a suspended coroutine waits for, and at which line of the program."""
    frames = list(_frames(coroutine))
    files = [frame.f_code.co_filename for frame in frames]
    own = [index for index, file in enumerate(files) if not file.startswith(OWN_CODE)]
    own = own or [index for index, file in enumerate(files) if file.startswith(_LIBRARY)]
    if not own:  # a task that is nothing but a call of ours, as those of asyncio.gather(node.receive(...), ...)
        calls = [frame for frame in frames if frame.f_code.co_filename != __file__]
        return _called(calls[0]) if calls else "something", UNKNOWN
    last = own[-1]
    frame = frames[last]
    where = f"{frame.f_code.co_filename}:{frame.f_lineno}"
    if last + 1 == len(frames):
        return "a future", where
    return _called(frames[last + 1]), where


def _called(awaited: FrameType) -> str:
    name = awaited.f_code.co_name
    if name in ("__aenter__", "__aexit__"):
        return f"async with {type(awaited.f_locals.get('self')).__name__}"
    peer, name = awaited.f_locals.get("peer"), name.lstrip("_")
    return f"{name}({peer!r})" if isinstance(peer, str) else f"{name}()"


def _frames(coroutine: object) -> Iterator[FrameType]:
    while coroutine is not None:
        frame: Any = getattr(coroutine, "cr_frame", None) or getattr(coroutine, "gi_frame", None)
        if frame is None:
            return
        yield frame
        coroutine = getattr(coroutine, "cr_await", None) or getattr(coroutine, "gi_yieldfrom", None)
