"""A debugger for programs that are executed again in this process, whose output goes another way than its own."""

from __future__ import annotations

import pdb
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from inspect import CO_COROUTINE
from types import CodeType, FrameType, TracebackType
from typing import Any, ClassVar, Final, TextIO

from qnode.runtime.host import OWN_CODE, NodeHost
from qnode.runtime.programs import Main

_RESUME: Final[CodeType] = NodeHost.resume.__code__


class Debugger(pdb.Pdb):
    """Talks to whoever started this process, not where programs print."""

    terminal: ClassVar[tuple[TextIO, TextIO]] = (sys.stdout, sys.stderr)
    has_left: ClassVar[bool] = False

    def interaction(self, frame: FrameType | None, *more: Any) -> None:
        out, err = self.terminal
        self.stdout = out
        with redirect_stdout(out), redirect_stderr(err):
            super().interaction(frame, *more)

    def set_quit(self) -> None:
        """Whoever debugs wants to leave: then the programs go no further."""
        type(self).has_left = True
        super().set_quit()

    def do_run(self, arg: str) -> None:
        """run | restart: a replay begins with its command, not here."""
        self.message("a replay begins again with its command; `q` leaves this one")

    do_restart = do_run

    def stop_at(self, function: Main) -> None:
        """Stop at the first line of a function whenever it begins next."""
        code = function.__code__
        self.set_break(code.co_filename, code.co_firstlineno, temporary=True, funcname=code.co_name)
        if self.botframe is None:
            frame: FrameType | None = sys._getframe(1)  # without one, it would stop at whatever is called next
            while frame is not None and frame.f_code.co_flags & CO_COROUTINE:  # nor at whatever one of these awaits
                frame = frame.f_back
            self.botframe = frame
            self.set_continue()
        sys.settrace(self.trace_dispatch)

    def get_stack(self, f: FrameType | None, t: TracebackType | None) -> tuple[list[tuple[FrameType, int]], int]:
        """The frames of the programs, without those of ours that lead to them."""
        stack, index = super().get_stack(f, t)
        ours = next((nth for nth, (frame, _) in enumerate(stack) if frame.f_code is _RESUME), -1) + 1
        while ours < index and stack[ours][0].f_code.co_filename.startswith(OWN_CODE):
            ours += 1
        return stack[ours:], index - ours

    def look_at(self, tb: TracebackType, what: str) -> None:
        """Stand where something was raised: at the program's own line, wherever below it that was. Say what it is."""
        sys.settrace(None)
        self.reset()
        self.terminal[0].write(f"{what}\n")
        self.interaction(None, _of_program(tb))


@contextmanager
def debugging() -> Iterator[Debugger]:
    """Inside, programs reach this debugger by `breakpoint()` and `pdb.set_trace()`, too."""
    hook, original, trace = sys.breakpointhook, pdb.Pdb, sys.gettrace()
    Debugger.terminal, Debugger.has_left = (sys.stdout, sys.stderr), False
    debugger = Debugger()
    debugger.reset()

    def stop(*arguments: object, **options: object) -> None:
        debugger.set_trace(sys._getframe(1))

    sys.breakpointhook = stop
    pdb.Pdb = Debugger  # type: ignore[misc]  # what pdb.set_trace() makes one of
    try:
        yield debugger
    finally:
        sys.settrace(trace)
        debugger.clear_all_breaks()
        sys.breakpointhook, pdb.Pdb = hook, original  # type: ignore[misc]


def _of_program(tb: TracebackType) -> TracebackType:
    """As far as the last line that is a program's."""
    entries: list[TracebackType] = []
    one: TracebackType | None = tb
    while one is not None:
        entries.append(one)
        one = one.tb_next
    while len(entries) > 1 and entries[-1].tb_frame.f_code.co_filename.startswith(OWN_CODE):
        entries.pop()
    found: TracebackType | None = None
    for entry in reversed(entries):
        found = TracebackType(found, entry.tb_frame, entry.tb_lasti, entry.tb_lineno)
    assert found is not None  # the first is always left
    return found
