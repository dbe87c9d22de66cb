"""A small process that has imported everything once and forks the processes of a run from itself.

No thread and no ZeroMQ context ever exists in it. The end of its socket ends it and all its children; the end of it
ends them too (a lifeline pipe, and on Linux the kernel's own signal).
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import select
import signal
import socket
import sys
import traceback
from typing import Final

from orchestrator.launch.protocol import Exited, Fork, Forked, Kill, Killed, Open, Opened, Order, Prepare, Reader, send
from orchestrator.launch.rundir import RunDirectory
from orchestrator.oracle.service import run_oracle
from orchestrator.oracle.spec import decode_oracle
from qnode.runtime.process import run_process
from qnode.wire.plan import RunSpec, decode_process, decode_run

_PR_SET_PDEATHSIG: Final = 1


class Forkserver:
    """Serves orders until its socket ends."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._reader = Reader(sock)
        self._children: dict[int, int] = {}
        self._run: RunSpec | None = None
        self._directory: RunDirectory | None = None
        self._lifeline, self._lifeline_end = os.pipe()
        self._woken, self._wake = os.pipe()
        os.set_blocking(self._wake, False)
        os.set_blocking(self._woken, False)
        signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # so that the wakeup descriptor is written

    def serve(self) -> None:
        """Carry out orders and report exits; returns once the launcher is gone and every child is too."""
        try:
            while not self._reader.closed:
                ready, _, _ = select.select([self._socket.fileno(), self._woken], [], [])
                if self._woken in ready:
                    with contextlib.suppress(BlockingIOError):
                        os.read(self._woken, 4096)
                    self._reap()
                if self._socket.fileno() in ready:
                    for order in self._reader.orders():
                        self._carry_out(order)
        except BrokenPipeError:
            return  # the launcher went while we were telling it something
        finally:
            self._end_run()

    def _carry_out(self, order: Order) -> None:
        match order:
            case Open():
                self._directory = RunDirectory()
                send(self._socket, Opened(str(self._directory.path)))
            case Prepare():
                self._run = decode_run(order.run)
                gc.collect()
                gc.freeze()
            case Fork():
                self._fork(order)
            case Kill():
                self._end_run()
                send(self._socket, Killed())

    def _fork(self, order: Fork) -> None:
        pid = os.fork()
        if pid == 0:
            self._be_child(order)
        self._children[pid] = order.number
        send(self._socket, Forked(order.number, pid))

    def _be_child(self, order: Fork) -> None:
        """Never returns."""
        status = 1
        try:
            self._let_go()
            if order.kind == "oracle":
                status = run_oracle(decode_oracle(order.spec))
            elif self._run is not None:
                status = run_process(self._run, decode_process(order.spec), self._lifeline)
        except BaseException:  # noqa: BLE001  # the last frame of a process: whatever it is, it is shown and becomes an exit code
            traceback.print_exc()
        finally:
            with contextlib.suppress(OSError, ValueError):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(status)

    def _let_go(self) -> None:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        self._socket.close()
        for descriptor in (self._lifeline_end, self._woken, self._wake):
            os.close(descriptor)
        if sys.platform == "linux":
            ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            if os.getppid() == 1:  # it went before we asked
                os._exit(1)

    def _reap(self) -> None:
        while self._children:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            number = self._children.pop(pid, None)
            if number is not None:
                send(self._socket, Exited(number, os.waitstatus_to_exitcode(status)))

    def _end_run(self) -> None:
        for pid in self._children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for pid in self._children:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)
        self._children.clear()
        if self._directory is not None:
            self._directory.remove()
            self._directory = None


def main() -> None:
    """Entry point: the only argument is the number of the inherited socket."""
    sock = socket.socket(fileno=int(sys.argv[1]))
    gc.disable()
    gc.collect()
    gc.freeze()
    gc.enable()
    Forkserver(sock).serve()


if __name__ == "__main__":
    main()
