"""A debugger for programs that are executed again in this process, whose output goes another way than its own."""

from __future__ import annotations

import pdb
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from types import FrameType, TracebackType
from typing import Any, ClassVar, TextIO

from qnode.runtime.host import OWN_CODE
from qnode.runtime.programs import Main


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

    def stop_at(self, function: Main) -> None:
        """Stop at the first line of a function whenever it begins next."""
        code = function.__code__
        self.set_break(code.co_filename, code.co_firstlineno, temporary=True, funcname=code.co_name)
        if self.botframe is None:
            self.botframe = sys._getframe(1)  # without one, it would stop at whatever is called next
            self.set_continue()
        sys.settrace(self.trace_dispatch)

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
