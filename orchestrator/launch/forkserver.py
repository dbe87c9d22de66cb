"""A small process that starts the processes of a run and sees that they all end.

It forks them from itself, with everything imported once (`forking.py`), or, where forking is not safe, starts each
afresh (`spawning.py`). No thread and no ZeroMQ context ever exists in it. The end of its socket ends it and all its
children; the end of it ends them too (a lifeline pipe, and on Linux the kernel's own signal).

Until there is a run it has nothing to end and nothing to remove, and SIGTERM is left as deadly as it is by default:
even an import that takes long, and hears nothing of the socket, ends with it at once. On Linux the kernel sends it when
the launcher is gone.
"""

from __future__ import annotations

import contextlib
import gc
import os
import selectors
import signal
import socket
import sys
from typing import Final

from orchestrator.launch.limits import allow_descriptors
from orchestrator.launch.parent import end_with_parent
from orchestrator.launch.protocol import (
    End,
    Exited,
    Fork,
    Forked,
    Kill,
    Killed,
    Open,
    Opened,
    Order,
    Prepare,
    Reader,
    Unable,
    Writer,
)
from orchestrator.launch.rundir import RunDirectory
from orchestrator.launch.starting import Again, Starter
from orchestrator.launch.words import LastWords
from qnode.errors import QnodeError

START_METHOD: Final = "QNODE_START_METHOD"


class Forkserver:
    """Serves orders until its socket ends.

    Attributes:
        lifeline: The end of a pipe that children watch; the other end is this process's alone.
        words: Where children leave their last words.
    """

    def __init__(self, sock: socket.socket) -> None:
        self.words = LastWords()
        self.lifeline, self._lifeline_end = os.pipe()
        self._socket = sock
        self._reader = Reader(sock)
        self._writer = Writer(sock)
        self._children: dict[int, int] = {}
        self._directory: RunDirectory | None = None
        self._terminated = False
        self._woken, self._wake = os.pipe()
        os.set_blocking(self._wake, False)
        os.set_blocking(self._woken, False)
        signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # so that the wakeup descriptor is written
        for number in (signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)

    def serve(self, starter: Starter, unfinished: Order | None = None) -> None:
        """Carry out orders and report exits; returns once the launcher is gone and every child is too.

        `unfinished` is an order that an earlier life of this process took and did not finish.
        """
        try:
            if unfinished is not None:
                self._carry_out(unfinished, starter)
            with selectors.DefaultSelector() as selector:  # select() takes no number that is 1024 or more
                selector.register(self._socket, selectors.EVENT_READ)
                selector.register(self._woken, selectors.EVENT_READ)
                while not self._reader.closed and not self._terminated:
                    writes = selectors.EVENT_WRITE if self._writer.waits else 0
                    selector.modify(self._socket, selectors.EVENT_READ | writes)
                    ready = {key.fd: events for key, events in selector.select()}
                    if self._woken in ready:
                        with contextlib.suppress(BlockingIOError):
                            os.read(self._woken, 4096)
                        self._reap()
                    events = ready.get(self._socket.fileno(), 0)
                    if events & selectors.EVENT_WRITE:
                        self._writer.flush()
                    if events & selectors.EVENT_READ:
                        for order in self._reader.orders():
                            self._carry_out(order, starter)
        except (BrokenPipeError, ConnectionResetError):
            return  # the launcher went while we were telling it something
        finally:
            self._end_run()

    def is_deserted(self) -> bool:
        """Whether whoever gave the last order has gone since: then nobody needs what it ordered."""
        try:
            return not self._socket.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except ConnectionResetError:
            return True

    def let_go(self) -> None:
        """In a forked child: close what is the server's own, and take signals as a program expects them."""
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        self._socket.close()
        for descriptor in (self._lifeline_end, self._woken, self._wake, self.words.reading):
            os.close(descriptor)
        if self._directory is not None:
            self._directory.let_go()

    def _terminate(self, *_: object) -> None:
        self._terminated = True

    def _carry_out(self, order: Order, starter: Starter) -> None:
        match order:
            case Open():
                starter.load(order.modules)
                self._writer.send(self._open())
            case Prepare():
                assert self._directory is not None  # the launcher opens before it starts
                allow_descriptors()
                starter.prepare(order, str(self._directory.path))
            case Fork():
                self._start(order, starter)
            case Kill():
                self._end_run()
                self._writer.send(Killed())
            case End(number=number):
                for pid, other in self._children.items():
                    if other == number:
                        _kill_group(pid)  # its number is taken until we wait for it

    def _open(self) -> Opened | Unable:
        signal.signal(signal.SIGTERM, self._terminate)  # from now on there is something to end and to remove
        try:
            self._directory = RunDirectory()
        except (OSError, QnodeError) as error:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            return Unable(f"cannot make a directory for its sockets: {error}; set TMPDIR to another place")
        return Opened(str(self._directory.path))

    def _start(self, order: Fork, starter: Starter) -> None:
        try:
            pid = starter.start(order)
        except OSError as error:
            n = len(self._children)
            self._writer.send(Unable(f"no process can be started after the first {n}: {error.strerror or error}"))
            return
        self._children[pid] = order.number
        self._writer.send(Forked(order.number, pid))

    def _reap(self) -> None:
        while self._children:
            gone = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if gone is None:
                return
            pid = gone.si_pid
            _kill_group(pid)  # what a program started and did not end; its number is taken until we wait for it
            _, status = os.waitpid(pid, 0)
            number = self._children.pop(pid, None)
            if number is not None:
                self._writer.send(Exited(number, os.waitstatus_to_exitcode(status), self.words.of(number)))

    def _end_run(self) -> None:
        for pid in self._children:
            _kill_group(pid)
        for pid in self._children:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)
        self._children.clear()
        self.words.forget()
        if self._directory is not None:
            self._directory.remove()
            self._directory = None
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _kill_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS refuses for a group of zombies
        os.killpg(pid, signal.SIGKILL)


def start_method() -> str:
    """Either "fork" or "spawn": forking a process that holds system frameworks is not safe on macOS."""
    return os.environ.get(START_METHOD) or ("fork" if sys.platform == "linux" else "spawn")


def main() -> None:
    """Entry point. Arguments: the number of the inherited socket, and Again if this is not its first life."""
    number, *rest = sys.argv[1:]
    sock = socket.socket(fileno=int(number))
    sock.set_inheritable(False)
    end_with_parent(signal.SIGTERM)
    again = Again.of(rest[0]) if rest else None
    server = Forkserver(sock)
    starter: Starter
    if start_method() == "fork":
        gc.disable()  # as in `early.python`
        from orchestrator.launch.forking import Forking  # lazy: who spawns needs nothing of what nodes need

        starter = Forking(server, sock.fileno(), again.left_out if again else ())
        gc.enable()
    else:
        from orchestrator.launch.spawning import Spawning  # lazy: as above

        starter = Spawning(server)
    with sock:
        server.serve(starter, Open(again.modules) if again else None)
