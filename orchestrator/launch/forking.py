"""Forking processes from one that has imported everything: they share its memory, and start in a millisecond."""

from __future__ import annotations

import contextlib
import gc
import importlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Sequence
from typing import NoReturn

import numpy.random  # noqa: F401  # NumPy imports it when it is first used, which is in every node
import stim  # noqa: F401  # its pages are shared too

from orchestrator.launch.child import be_process
from orchestrator.launch.early import python
from orchestrator.launch.parent import end_with_parent
from orchestrator.launch.protocol import Fork, Prepare
from orchestrator.launch.starting import Again, Parent
from qnode.runtime.programs import read_ahead
from qnode.runtime.rehearsal import rehearse
from qnode.wire.plan import RunSpec, decode_run

log = logging.getLogger("qnode")


class Forking:
    """Forks from this process.

    Args:
        server: Whose children they are.
        socket: The number of its socket.
        left_out: Modules that an earlier life of this process found it could not import.
    """

    def __init__(self, server: Parent, socket: int, left_out: Sequence[str]) -> None:
        self._server = server
        self._socket = socket
        self._left_out = list(left_out)
        self._run: RunSpec | None = None
        rehearse()

    def load(self, modules: tuple[str, ...]) -> None:
        """Import modules; what cannot be imported is left to the programs, which will say so themselves.

        A module that starts a thread cannot stay here, for no fork would take its thread along. It cannot be removed
        either: then this process starts itself anew, without that module. That happens before there is any child.
        """
        for name in modules:
            if self._server.is_deserted():
                return
            if name not in sys.modules and name not in self._left_out:
                if not _import(name):
                    self._left_out.append(name)
                if _threads() > 1:
                    self._start_anew(Again((*self._left_out, name), modules))

    def prepare(self, order: Prepare, directory: str) -> None:
        self._run = decode_run(order.run)
        read_ahead(order.programs, (self._run.base, *self._run.path))
        gc.collect()
        gc.freeze()  # what is there now is never looked at again, so that its pages stay shared

    def start(self, order: Fork) -> int:
        server = os.getpid()
        pid = os.fork()
        if pid == 0:
            self._be_child(order, server)
        with contextlib.suppress(OSError):  # the child does the same: whoever comes first
            os.setpgid(pid, pid)
        return pid

    def _be_child(self, order: Fork, server: int) -> NoReturn:
        try:
            os.setpgid(0, 0)
            self._server.let_go()
            end_with_parent(signal.SIGKILL)
            assert self._run is not None  # prepare() comes first
            if os.getppid() == server:  # else it went before we asked
                lifeline, words = self._server.lifeline, self._server.words.writing
                be_process(order.number, order.kind, self._run, order.spec, lifeline, words)
        finally:
            os._exit(1)

    def _start_anew(self, again: Again) -> None:
        os.set_inheritable(self._socket, True)
        os.execv(sys.executable, python("orchestrator.launch.forkserver", str(self._socket), again.text()))


def _import(name: str) -> bool:
    """False if it cannot be imported."""
    package, _, last = name.rpartition(".")
    if package and hasattr(sys.modules.get(package), last):
        return True  # it was no module but something inside one
    try:
        importlib.import_module(name)
    except BaseException:  # whatever a package does when it is imported, the server goes on
        log.debug("not loaded ahead: %s", name, exc_info=True)
        return False
    return True


def _threads() -> int:
    """How many threads there are, those that Python does not know of included."""
    try:
        return len(os.listdir("/proc/self/task"))
    except OSError:
        return threading.active_count()
