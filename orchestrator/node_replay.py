"""One node of a saved run once more, alone and in this process: no other process, no socket, the same bytes."""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FrameType, TracebackType
from typing import IO, TYPE_CHECKING, Final, SupportsIndex, cast

from orchestrator.divergence import first_difference
from orchestrator.follow import show
from orchestrator.inline import Generators, Limits, here
from orchestrator.oracle.regrant import Answered, Regrants
from orchestrator.replayable import Replayable, Wish, replayable
from orchestrator.run import Run
from orchestrator.stepping import to_ns
from qnode.runtime.again import execute_again
from qnode.runtime.host import OWN_CODE, NodeHost
from qnode.runtime.logs import set_up_logging
from qnode.runtime.output import SEPARATOR, LineWriter, speaker
from qnode.wire.messages import Ended, Report, Waits, decode_to_oracle
from qnode.wire.operations import Op

if TYPE_CHECKING:
    from orchestrator.debugging import Debugger

_RESUME: Final[CodeType] = NodeHost.resume.__code__


@dataclass(frozen=True)
class Diverged:
    """The first thing that was not as recorded.

    Attributes:
        step: Of the node, counted from 1.
        at_ns: Network time.
        what: What differs, in words.
        where: File and line of the program that issued it, or where it is now; "" if that is unknown.
    """

    step: int
    at_ns: int
    what: str
    where: str


@dataclass
class Replayed:
    """What came of it.

    Attributes:
        steps: How many were the same bytes as recorded.
        at_ns: Network time of the last step that was executed.
        how: "end" of what is recorded, "until", "diverged", or "left" if whoever debugged it did.
        unrecorded: Whether it executed a step besides, whose end is not in the record: the run ended first.
        ended: How programs ended, by name.
        waits: What those were waiting for that have not.
        diverged: What was not as recorded; the record itself may be what does not fit.
    """

    node: str
    steps: int = 0
    at_ns: int = 0
    how: str = "end"
    unrecorded: bool = False
    ended: dict[str, Ended] = field(default_factory=dict)
    waits: tuple[Waits, ...] = ()
    diverged: Diverged | None = None


def replay(
    run: Run | Path | str,
    node: str,
    *,
    until: str | float | None = None,
    life: int | None = None,
    anyway: bool = False,
    on_output: Callable[[str], None] | None = show,
) -> Replayed:
    """One node of a run once more, alone, in this process: the same bytes as recorded, or the first that differ.

    Sets of text iterate in this interpreter's order: as in the run if PYTHONHASHSEED is 0, as `qnode replay` has it.

    Args:
        run: It, or the folder that it is saved in.
        until: Network time to stop at, text with a unit or seconds; None: the end.
        life: Which life of a node that was restarted, from 1; None: the last.
        anyway: Go on in spite of changed programs or versions, to see where it becomes another run.
        on_output: Called with each line that the node's programs print, `alice | text`; None: they are dropped.
    Raises:
        ConfigError: If it cannot be replayed, with the reasons.
    """
    folder = run.folder if isinstance(run, Run) else Path(run)
    wish = Wish(node, life=life, until_ns=None if until is None else to_ns(until), anyway=anyway)
    return replay_node(replayable(folder, wish), on_output=on_output)


def replay_node(
    ready: Replayable,
    *,
    on_output: Callable[[str], None] | None = None,
    debugger: Debugger | None = None,
    stops: bool = False,
) -> Replayed:
    """Execute a node again, as far as its record and the wish go, or until it does something else.

    Args:
        on_output: Called with each line that its programs print, `alice | text`.
        debugger: What programs reach by `breakpoint()`.
        stops: Whether it stops at the first line of every program, and where one fails.
    Raises:
        ConfigError: If the record is damaged, or something that the node received is not there.
        Interrupted: At Ctrl-C.
    """
    with ExitStack() as stack:
        run, node = ready.run, ready.wish.node
        output = stack.enter_context(_output(node, on_output))
        stack.enter_context(_imported_anew(ready.modules))
        stack.enter_context(here(run.base, *run.path))
        generators = stack.enter_context(Generators([ready.process]))
        generators.turn_to(ready.process.number)
        limits = Limits(None)
        if not stops:  # there, Ctrl-C is the debugger's
            stack.enter_context(limits.kept())
        again = _Again(ready, debugger, stops=stops)
        try:
            again.execute(limits)
            return again.told()
        finally:
            output.is_muted = again.done.how != "end"  # clean-up is no part of what it did until then
            for host in again.hosts.values():
                host.close()


class _Again:
    def __init__(self, ready: Replayable, debugger: Debugger | None, *, stops: bool) -> None:
        self.done = Replayed(ready.wish.node)
        self.hosts = {node.name: NodeHost(node, ready.run, ready.payload_of) for node in ready.process.nodes}
        self._ready = ready
        self._debugger = debugger
        self._raised: dict[str, TracebackType] = {}
        self._regrants = Regrants(ready.spec)
        self._outboxes = {name: _Outbox() for name in self.hosts}
        for name, host in self.hosts.items():
            host.machine.outbox = self._outboxes[name]
        if debugger is not None and stops:
            own = self.hosts[ready.wish.node]
            own.on_loaded = debugger.stop_at
            own.on_failed = self._failed

    def execute(self, limits: Limits) -> None:
        """All steps of the life that is wished for."""
        until_ns = self._ready.wish.until_ns
        for answered in self._steps():
            if until_ns is not None and answered.grant.now_ns > until_ns:
                self.done.how, self.done.at_ns = "until", until_ns
                return
            self._step(answered)
            limits.check()
            if self.done.how != "end":
                return
        broken = self._regrants.divergence
        if broken is not None:
            self.done.how = "diverged"
            what = f"the record does not follow from itself: {broken}"
            self.done.diverged = Diverged(self.done.steps + 1, self._regrants.core.time.now_ns, what, "")
        else:
            self._lose()

    def told(self) -> Replayed:
        """What came of it."""
        self.done.waits = tuple(self.hosts[self.done.node].waits())
        return self.done

    def _steps(self) -> Iterator[Answered]:
        life = -1
        for answered in self._regrants.of(self.hosts, self._ready.rounds()):
            if not answered.grant.step and answered.grant.node == self.done.node:
                life += 1
            if life > self._ready.incarnation:
                return
            if life == self._ready.incarnation or len(self.hosts) > 1:
                yield answered

    def _step(self, answered: Answered) -> None:
        grant, done = answered.grant, self.done
        host, is_own = self.hosts[grant.node], grant.node == done.node
        now = execute_again(host, grant, answered.frames)
        if self._debugger is not None and self._debugger.has_left:
            done.how, done.at_ns = "left", grant.now_ns
            return
        if is_own:
            done.at_ns = grant.now_ns
            report = decode_to_oracle(now[-1])
            done.ended.update({one.program: one for one in report.ended} if isinstance(report, Report) else {})
            self._look()
        if not answered.is_whole:
            done.unrecorded = done.unrecorded or is_own
            return
        difference = first_difference(answered.frames, now)
        if difference is None:
            done.steps += is_own
            return
        what = difference.what if is_own else f"{grant.node}, of the same process: {difference.what}"
        places = self._outboxes[grant.node].left
        where = places[difference.op] if difference.op is not None and difference.op < len(places) else ""
        done.how = "diverged"
        done.diverged = Diverged(host.step, grant.now_ns, what, where or ", ".join(one.where for one in host.waits()))

    def _failed(self, program: str, tb: TracebackType | None) -> None:
        if tb is not None:
            self._raised[program] = tb

    def _look(self) -> None:
        """Stand at the line of what was raised, if somebody debugs."""
        raised, self._raised = self._raised, {}
        for program, tb in raised.items():
            if self._debugger is not None and not self._debugger.has_left:
                self._debugger.look_at(tb, f"{program} failed: {self.done.ended[program].error}")

    def _lose(self) -> None:
        """As in the run: when other nodes failed, whoever waits for one of them was told."""
        core, own = self._regrants.core, self.hosts[self.done.node]
        if core.outcome is None or not core.why_failed:
            return
        own.lose(core.why_failed, core.outcome.at_ns)
        self.done.ended.update({one.program: one for one in own.report().ended if one.program not in self.done.ended})
        self._look()


class _Outbox(list[Op]):
    """Remembers at which line of a program each operation was issued.

    Attributes:
        left: Those of the report that left last.
    """

    def __init__(self) -> None:
        super().__init__()
        self.left: list[str] = []
        self._places: list[str] = []

    def append(self, op: Op, /) -> None:
        self._places.append(_place(sys._getframe(1)))
        super().append(op)

    def insert(self, index: SupportsIndex, op: Op, /) -> None:
        raise AssertionError("what a node wants done is in order")

    def clear(self) -> None:
        self.left, self._places = self._places, []
        super().clear()


def _place(frame: FrameType | None) -> str:
    while frame is not None and frame.f_code is not _RESUME:
        file = frame.f_code.co_filename
        if not file.startswith((*OWN_CODE, "<")):
            return f"{file}:{frame.f_lineno}"
        frame = frame.f_back
    return ""


class _Told(LineWriter):
    """Hands on the lines of one node.

    Attributes:
        is_muted: Whether it hands on none any more.
    """

    def __init__(self, node: str, say: Callable[[str], None], out: IO[str], err: IO[str]) -> None:
        super().__init__(1, "standard output", lambda: speaker() or node)
        self.is_muted = False
        self._node = node
        self._say = say
        self._streams = out, err

    def _append(self, label: str, line: bytes) -> None:
        if self.is_muted or label != self._node:
            return
        ours = sys.stdout, sys.stderr
        sys.stdout, sys.stderr = self._streams  # whoever says it may print it
        try:
            self._say(f"{label}{SEPARATOR}{line.decode(errors='replace')}")
        finally:
            sys.stdout, sys.stderr = ours


@contextmanager
def _output(node: str, on_output: Callable[[str], None] | None) -> Iterator[_Told]:
    """What is printed and logged inside goes there, line by line."""
    out, err, root = sys.stdout, sys.stderr, logging.getLogger()
    handlers, level = list(root.handlers), root.level
    writer = _Told(node, on_output or (lambda line: None), out, err)
    stream = io.TextIOWrapper(
        cast("IO[bytes]", writer), encoding="utf-8", errors="backslashreplace", newline="\n", write_through=True
    )
    sys.stdout = sys.stderr = stream
    set_up_logging(named=False)
    try:
        yield writer
        writer.finish()
    finally:
        sys.stdout, sys.stderr = out, err
        set_up_logging(named=False)  # its handler is kept for the next time, and lets go of our stream
        root.handlers[:] = handlers
        root.setLevel(level)


@contextmanager
def _imported_anew(modules: Collection[str]) -> Iterator[None]:
    """Inside, these are imported as in a new process; what was imported here before is there again afterwards."""
    aside = {name: sys.modules.pop(name) for name in modules if name in sys.modules}
    try:
        yield
    finally:
        for name in modules:
            sys.modules.pop(name, None)
        sys.modules.update(aside)
