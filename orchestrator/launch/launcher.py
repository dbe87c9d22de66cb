"""The launcher: the client's side of the forkserver."""

from __future__ import annotations

import asyncio
import subprocess
import weakref
from collections import deque
from collections.abc import Sequence
from typing import Final, NoReturn

from orchestrator.launch import early
from orchestrator.launch.limits import require_descriptors
from orchestrator.launch.protocol import (
    Answer,
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
    send,
)
from orchestrator.oracle.spec import encode_oracle
from orchestrator.plan import LaunchPlan
from qnode.errors import ProcessLost, TransportError
from qnode.wire.plan import encode_spec

ORACLE: Final = -1
_END_S: Final = 10.0  # wall time that the forkserver has to end everything


_open: Final[weakref.WeakSet[Launcher]] = weakref.WeakSet()


def end_all() -> None:
    """End everything that this process started, at once; for where no event loop will turn any more."""
    for launcher in list(_open):
        launcher.end()


class Launcher:
    """Starts the processes of one run after another, each time afresh.

    It belongs to the event loop of a run only from `open` to the end of `end_run`: the next may be in another loop.

    Attributes:
        pids: The process id of each process of this run, by its number; the oracle's number is ORACLE.
        surroundings: What its nodes have of this process, as it was when the forkserver started.
    """

    def __init__(self) -> None:
        self._exits: deque[Exited] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._answers: asyncio.Queue[Answer | None] = asyncio.Queue()
        self.pids: dict[int, int] = {}
        self._begin()
        _open.add(self)

    def _begin(self) -> None:
        started = early.take()
        self._process = started.process
        self.surroundings = started.surroundings
        self._socket = started.socket
        self._reader = Reader(self._socket)
        self._gone = False
        self._given_up = False

    @property
    def is_ready(self) -> bool:
        """Whether no run of it is under way, and its forkserver is there for the next."""
        return self._loop is None and not self._given_up and self._process.poll() is None

    def _bind(self) -> None:
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            self._loop.add_reader(self._socket, self._take)
            self._answers = asyncio.Queue()  # one belongs to the loop in which somebody first waited for it
            if self._gone:
                self._answers.put_nowait(None)

    def _unbind(self) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.remove_reader(self._socket)
        self._loop = None

    async def open(self, modules: Sequence[str] = ()) -> str:
        """A directory for the sockets of the next run.

        Cancelling it ends the forkserver, which may be importing for long; the next run has another one.

        Args:
            modules: What its programs will import, see preload.py.
        Raises:
            TransportError: If there can be none; it says why.
        """
        if self._given_up:
            self._begin()
        self._bind()
        self._tell(Open(tuple(modules)))
        try:
            answer = await self._answer()
        except asyncio.CancelledError:
            self._give_up()
            raise
        match answer:
            case Opened(directory=directory):
                return directory
            case Unable(detail=detail):
                raise TransportError(detail=detail)
            case _:
                raise ProcessLost(name="the forkserver", reason=f"it answered {answer!r}")

    async def start(self, plan: LaunchPlan, *, with_oracle: bool = True) -> None:
        """Start the oracle and every node process. Returns once all have a process id.

        Args:
            with_oracle: False where the oracle is on another machine.
        Raises:
            ConfigError: The operating system's limits are too low for so many; nothing was started.
            TransportError: A process could not be started; `end_run` ends those that were.
        """
        require_descriptors(len(plan.processes))
        self.pids = {}
        self._exits.clear()
        self._tell(
            Prepare(encode_spec(plan.run), plan.programs),
            *([Fork(ORACLE, "oracle", encode_oracle(plan.oracle))] if with_oracle else []),
            *(Fork(process.number, "node", encode_spec(process)) for process in plan.processes),
        )
        while len(self.pids) < len(plan.processes) + with_oracle:
            match await self._answer():
                case Forked(number=number, pid=pid):
                    self.pids[number] = pid
                case Exited() as exited:
                    self._exits.append(exited)
                case Unable(detail=detail):
                    _cannot_start(detail)

    async def exited(self) -> Exited:
        """The next process that ends. Raises TransportError if one could not be started again."""
        while not self._exits:
            match await self._answer():
                case Exited() as exited:
                    self._exits.append(exited)
                case Forked(number=number, pid=pid):
                    self.pids[number] = pid
                case Unable(detail=detail):
                    _cannot_start(detail)
        return self._exits.popleft()

    def end_process(self, number: int) -> None:
        """Kill one process, if it is still there; `exited` tells when it has ended."""
        self._tell(End(number))

    def start_again(self, number: int, kind: str, spec: bytes) -> None:
        """Start a process in the place of one that has ended; `pids` has it soon."""
        self.pids.pop(number, None)
        self._tell(Fork(number, kind, spec))

    async def end_run(self) -> None:
        """End what is left of the run; returns once nothing is."""
        self._tell(Kill())
        try:
            async with asyncio.timeout(_END_S):
                while not isinstance(await self._answer(), Killed):
                    pass
        except TimeoutError:  # stopped, say; its children end with it
            self._process.kill()
            self._give_up()
        else:
            self._unbind()

    def close(self) -> None:
        """End the forkserver and everything that it started; returns once it is gone."""
        _open.discard(self)
        if not self._given_up:
            self._give_up()

    def _give_up(self) -> None:
        self._given_up = True
        self._unbind()
        self._end()

    def end(self) -> None:
        """The same, where the loop that it was made in does not matter any more."""
        _open.discard(self)
        self._end()

    def _end(self) -> None:
        self._leave()
        self._socket.close()
        self._process.terminate()  # it does not hear of its socket while it imports something
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:  # stopped, say; its children end with it
            self._process.kill()
            self._process.wait()

    def _tell(self, *orders: Order) -> None:
        try:
            send(self._socket, *orders)
        except OSError:  # it is gone, or the launcher was closed
            raise self._lost() from None

    async def _answer(self) -> Answer:
        answer = await self._answers.get()
        if answer is None:
            self._answers.put_nowait(None)  # whoever else waits must hear of it too
            raise self._lost()
        return answer

    def _take(self) -> None:
        for answer in self._reader.answers():
            self._answers.put_nowait(answer)
        if self._reader.closed:
            if self._loop is not None:
                self._loop.remove_reader(self._socket)
            self._leave()

    def _leave(self) -> None:
        """Nothing comes any more: whoever waits, now or later, is told."""
        if not self._gone:
            self._gone = True
            self._answers.put_nowait(None)

    def _lost(self) -> ProcessLost:
        return ProcessLost(name="the forkserver", reason="it is gone, and every process of the run with it")


def _cannot_start(detail: str) -> NoReturn:
    raise TransportError(
        detail=f"{detail}; allow more processes (`ulimit -u`, or the container's limit), or put several nodes into one"
        " (`nodes_per_process: 10`)"
    )
