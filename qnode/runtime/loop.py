"""The event loop that programs run on: asyncio as everybody knows it, but its clock is network time.

Time is an integer number of nanoseconds that only moves when the driver says so. The loop never waits: when nothing
is left to run at this instant it stops, and whoever drives it decides what comes next. Three things differ from
asyncio's own loop, each for a reason:

- Timers live in a heap of our own, ordered by (nanoseconds, sequence). asyncio compares floats with a tolerance that
  spins for ever once the clock is past 2**24 seconds, and it has no order among equal times.
- Tasks and futures hash by a sequence number. `TaskGroup` cancels, and `wait` iterates, in the order of a set, which
  otherwise is the order of memory addresses: identical runs would differ.
- Functions in executors hold the clock: the instant does not end before they do, and their results enter together, in
  the order of submission.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import heapq
import selectors
import socket
import threading
from asyncio import events
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from contextvars import Context, ContextVar
from functools import cached_property
from typing import Any, Final, TypeVar, TypeVarTuple, cast
from weakref import WeakSet

from qnode.wire.messages import NEVER_NS

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

NS: Final = 1_000_000_000

background: ContextVar[bool] = ContextVar("background", default=False)
"""True in the tasks of daemons and services: their timers keep no run alive."""


program: ContextVar[str] = ContextVar("program", default="")
"""The name of the program that a task belongs to: when it returns, its tasks are cancelled."""

MAX_ROUNDS: Final = 10_000_000
"""After so many rounds of the loop at one instant nobody will be heard who waits for network time to go on."""

CLEAN_UP_ROUNDS: Final = 10_000
"""What tasks have for cleaning up when the loop is shut down."""


class Spins(Exception):
    """The loop went round too often without coming to an end."""


def to_ns(seconds: float) -> int:
    """Seconds to whole nanoseconds, exactly for whole seconds however many."""
    if isinstance(seconds, int):
        return seconds * NS
    try:
        return round(seconds * 1e9)
    except OverflowError:
        return NEVER_NS if seconds > 0 else -NEVER_NS


class NodeTask(asyncio.Task[T]):
    """A task whose place in a set does not depend on its memory address (a task is hashed when it is made)."""

    birth: int = 0

    def __hash__(self) -> int:
        return self.birth or _register(self)


class NodeFuture(asyncio.Future[T]):
    """A future likewise, numbered when it is first put in a set."""

    birth: int = 0

    def __hash__(self) -> int:
        return self.birth or _register(self)


def _register(one: NodeTask[Any] | NodeFuture[Any]) -> int:
    loop = cast("NodeLoop", one.get_loop())
    loop.births += 1
    one.birth = loop.births
    return one.birth


_COMPLETION: Final = 0
_TIMER: Final = 1


class _Timer(asyncio.TimerHandle):
    """A timer that sorts by (ns, completions of operations before timers of programs, sequence)."""

    __slots__ = ("is_background", "key")

    key: tuple[int, int, int]
    is_background: bool

    def __lt__(self, other: object) -> bool:
        return self.key < cast("_Timer", other).key


class _Selector(selectors.BaseSelector):
    """Looks at real sockets without ever waiting for them; where asyncio would wait, it stops the loop instead."""

    def __init__(self) -> None:
        self.real = selectors.DefaultSelector()
        self.loop: NodeLoop | None = None
        self.registered = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        loop = self.loop
        if loop is None:
            return []
        found = self.real.select(0) if loop.looks_outside else []
        loop.rounds += 1
        if loop.rounds > loop.max_rounds:
            raise Spins
        if found and not loop.entered:
            loop.entered = any(key.fd not in loop.own_fds for key, _ in found)
        if timeout is None and not found:
            loop.stop()
        return found

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        key = self.real.register(fileobj, events, data)
        self.registered += 1
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        key = self.real.unregister(fileobj)
        self.registered -= 1
        return key

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self.real.modify(fileobj, events, data)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self.real.get_map()

    def get_key(self, fileobj: Any) -> selectors.SelectorKey:
        return self.real.get_key(fileobj)

    def close(self) -> None:
        self.real.close()


Job = concurrent.futures.Future[Any]


class _Bell:
    """Rung from any thread, heard where somebody waits for it or for the outside."""

    def __init__(self, outside_fd: int) -> None:
        self._outside_fd = outside_fd
        self._told, self._tell = socket.socketpair()
        self._told.setblocking(False)
        self._tell.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(outside_fd, selectors.EVENT_READ)
        self._selector.register(self._told, selectors.EVENT_READ)

    def ring(self) -> None:
        with suppress(OSError):  # it is full, and says enough; or the loop was closed
            self._tell.send(b"\0")

    def wait(self) -> bool:
        """Wait for a ring or for the outside. True if that has something."""
        ready = {key.fd for key, _ in self._selector.select()}
        if self._told.fileno() in ready:
            with suppress(BlockingIOError):
                while self._told.recv(4096):
                    pass
        return self._outside_fd in ready

    def close(self) -> None:
        self._selector.close()
        self._told.close()
        self._tell.close()


class _Jobs:
    """Functions in executors, in order of submission.

    The end of one is told through a bell of its own. In asyncio's own sockets it would look like something from
    outside, if it came late: a function is done before it says so. Most nodes never need one.
    """

    def __init__(self, outside_fd: int) -> None:
        self._running: deque[tuple[Job, asyncio.Future[Any]]] = deque()
        self._done: list[tuple[Job, asyncio.Future[Any]]] = []
        self._outside_fd = outside_fd

    @cached_property
    def _bell(self) -> _Bell:
        return _Bell(self._outside_fd)

    def __bool__(self) -> bool:
        return bool(self._running or self._done)

    def add(self, job: Job, future: asyncio.Future[Any]) -> None:
        bell = self._bell  # made here, and not by whichever thread is done first
        self._running.append((job, future))
        job.add_done_callback(lambda _: bell.ring())

    def wait(self) -> bool:
        """Wait for the end of a function, or for the outside. True if that has something."""
        return self._bell.wait()

    def take(self, *, singly: bool) -> list[tuple[Job, asyncio.Future[Any]]]:
        """All of them once the last is done, none before; if singly, those that are done."""
        if singly:
            self._done += [one for one in self._running if one[0].done()]
            self._running = deque(one for one in self._running if not one[0].done())
        else:
            while self._running and self._running[0][0].done():
                self._done.append(self._running.popleft())
            if self._running:
                return []
        done, self._done = self._done, []
        return done

    def close(self) -> None:
        if "_bell" in vars(self):
            self._bell.close()


class NodeLoop(asyncio.SelectorEventLoop):
    """One node's loop.

    Attributes:
        now_ns: Network time.
        woken: Set by the driver when something from outside is waiting; the next run looks at it.
        entered: True once something from outside the emulator has entered (the run is then not reproducible).
        own_fds: The descriptors that asyncio needs for itself.
        unpackable: True once a function outside the loop returned what the record cannot hold.
        rounds: How often it has gone round since it was last run.
        max_rounds: After so many it raises Spins.
        tasks_of: The tasks of each program, its main one excepted.
        on_executed: Told of each function that ran outside the loop, in order of submission; it says whether what came
            of it could be recorded.
        recorded: What the next functions to run outside the loop have come to already: they are not executed again.
    """

    def __init__(
        self, name: str = "node", *, tick_ns: int = 1, holds_clock: bool = True, max_rounds: int = MAX_ROUNDS
    ) -> None:
        self.name = name
        self.stopping = False
        self.now_ns = 0
        self.births = 0
        self.woken = False
        self.entered = False
        self.unpackable = False
        self.holds = 0
        self.rounds = 0
        self.max_rounds = max_rounds
        self.tasks_of: dict[str, WeakSet[NodeTask[Any]]] = {}
        self.on_executed: Callable[[Job], bool] = lambda _: True
        self.recorded: deque[Callable[[], Job]] = deque()
        self._tick_ns = tick_ns
        self._holds_clock = holds_clock
        self._timers: list[_Timer] = []
        self._timer_births = 0
        self._cancelled_timers = 0
        self._called_back = False
        self._children: list[asyncio.SubprocessTransport] = []
        self._thread = threading.get_ident()
        selector = _Selector()
        super().__init__(selector)
        selector.loop = self
        self._node_selector = selector
        self.own_fds: frozenset[int] = frozenset(selector.get_map())
        self._jobs = _Jobs(self.outside_fd())
        self.set_task_factory(cast("Any", _make_task))

    running_program = staticmethod(program.get)
    """The program whose task, or callback, runs now; "" for what belongs to none."""

    # ------------------------------------------------------------ time

    def time(self) -> float:
        """Network time in seconds; use differences of it as with any loop."""
        return self.now_ns / NS

    def call_later(
        self, delay: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        return self._set_timer(self.now_ns + max(0, to_ns(delay)), _TIMER, callback, args, context)

    def call_at(
        self, when: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        return self._set_timer(to_ns(when), _TIMER, callback, args, context)

    def call_at_ns(
        self, when_ns: int, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Tell of the completion of an operation: at the same instant it comes before what `call_at` asks for."""
        return self._set_timer(when_ns, _COMPLETION, callback, args, context)

    def call_in_background_ns(self, when_ns: int, callback: Callable[..., object], *args: Any) -> asyncio.TimerHandle:
        """Tell of something that keeps no run alive."""
        timer = self._set_timer(when_ns, _COMPLETION, callback, args, None)
        timer.is_background = True
        return timer

    def _set_timer(
        self, when_ns: int, rank: int, callback: Callable[..., object], args: tuple[Any, ...], context: Context | None
    ) -> _Timer:
        self._check_closed()  # type: ignore[attr-defined]
        when_ns = max(self.now_ns, -(-when_ns // self._tick_ns) * self._tick_ns)  # rounded up to the clock's grid
        timer = _Timer(when_ns / NS, callback, args, self, context)
        self._timer_births += 1
        timer.key = (when_ns, rank, self._timer_births)
        timer.is_background = background.get()
        if when_ns < NEVER_NS:
            timer._scheduled = True  # type: ignore[attr-defined]  # so that cancelling it counts
            heapq.heappush(self._timers, timer)
        return timer

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        if not handle._scheduled:  # type: ignore[attr-defined]  # it has fired, or would never have
            return
        self._cancelled_timers += 1
        if self._cancelled_timers > 100 and self._cancelled_timers * 2 > len(self._timers):
            self._timers = [timer for timer in self._timers if not (timer.cancelled() or timer is handle)]
            heapq.heapify(self._timers)
            self._cancelled_timers = 0

    def next_timers_ns(self) -> tuple[int | None, int | None]:
        """When the earliest foreground and the earliest background timer are due."""
        timers = self._timers
        while timers and timers[0].cancelled():
            heapq.heappop(timers)
            self._cancelled_timers -= 1
        if not timers:
            return None, None
        first = timers[0]
        if not first.is_background:
            return first.key[0], None  # whatever the background wants is later: it is not asked
        pending = [timer.key[0] for timer in timers if not timer.is_background and not timer.cancelled()]
        return min(pending, default=None), first.key[0]

    def next_timer_ns(self) -> int | None:
        """When the earliest timer of either sort is due."""
        known = [when for when in self.next_timers_ns() if when is not None]
        return min(known, default=None)

    def runnable(self) -> bool:
        """Whether something could run right now."""
        return self.woken or bool(self._ready)  # type: ignore[attr-defined]

    def advance(self, now_ns: int) -> None:
        """Let network time go on; it never goes back."""
        if now_ns > self.now_ns:
            self.now_ns = now_ns

    def fire_completions(self) -> None:
        """Make ready to run what waits for operations that are complete."""
        self._fire(_COMPLETION)

    def fire_timers(self) -> bool:
        """Make the timers that are due ready to run. False if there are none."""
        return self._fire(_TIMER)

    def _fire(self, rank: int) -> bool:
        timers = self._timers
        fired = False
        while timers and (timers[0].cancelled() or (timers[0].key[0] <= self.now_ns and timers[0].key[1] <= rank)):
            timer = heapq.heappop(timers)
            if timer.cancelled():
                self._cancelled_timers -= 1
                continue
            timer._scheduled = False  # type: ignore[attr-defined]
            self._ready.append(timer)  # type: ignore[attr-defined]
            fired = True
        return fired

    # ------------------------------------------------------------ futures that have an order

    def create_future(self) -> asyncio.Future[Any]:
        return NodeFuture(loop=self)

    # ------------------------------------------------------------ the outside

    @property
    def looks_outside(self) -> bool:
        return self.woken or self.has_sockets

    @property
    def has_sockets(self) -> bool:
        """Whether the program waits for sockets, pipes, signals or child processes of its own."""
        return (
            self._node_selector.registered > len(self.own_fds)
            or bool(getattr(self, "_signal_handlers", None))
            or bool(self._children and self._any_child_runs())
        )

    async def _make_subprocess_transport(self, *args: Any, **options: Any) -> asyncio.SubprocessTransport:
        # The end of a child may be told by a thread, when all its pipes are closed already.
        child: asyncio.SubprocessTransport = await super()._make_subprocess_transport(*args, **options)  # type: ignore[misc]
        self._children.append(child)
        return child

    def _any_child_runs(self) -> bool:
        self._children = [child for child in self._children if child.get_returncode() is None]
        return bool(self._children)

    def outside_fd(self) -> int:
        """A descriptor that is readable when something from outside waits for this loop."""
        return cast("Any", self._node_selector.real).fileno()  # type: ignore[no-any-return]

    def call_soon_threadsafe(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        if threading.get_ident() != self._thread:
            self.entered = self._called_back = True
        return super().call_soon_threadsafe(callback, *args, context=context)

    def run_in_executor(
        self, executor: concurrent.futures.Executor | None, func: Callable[[*Ts], T], *args: *Ts
    ) -> asyncio.Future[T]:
        self._check_closed()  # type: ignore[attr-defined]
        if not self._holds_clock:  # real time waits for nobody
            return super().run_in_executor(executor, func, *args)
        future: asyncio.Future[T] = self.create_future()
        if self.recorded:
            self._jobs.add(self.recorded.popleft()(), future)
            return future
        if executor is None:
            executor = self._default_executor = self._default_executor or concurrent.futures.ThreadPoolExecutor(  # type: ignore[has-type]
                thread_name_prefix="asyncio"
            )
        self._jobs.add(executor.submit(func, *args), future)
        return future

    def _handle_signal(self, number: int) -> None:
        self.entered = True
        super()._handle_signal(number)  # type: ignore[misc]

    @asynccontextmanager
    async def hold(self) -> AsyncIterator[None]:
        """Hold the clock while the program deals with the outside; what comes from there is not reproducible."""
        self.entered = True
        self.holds += self._holds_clock
        try:
            yield
        finally:
            self.holds -= self._holds_clock

    # ------------------------------------------------------------ driving

    def until_idle(self) -> None:
        """Run everything that can run at this instant, executors and holds included.

        Raises Spins if that has no end; what was still to run is forgotten then.
        """
        self._thread = threading.get_ident()
        if not (self._ready or self._jobs or self.holds or self.looks_outside):  # type: ignore[attr-defined]
            return  # starting asyncio's loop for nothing costs 5 us
        while True:
            self.rounds = 0
            try:
                self.run_forever()
            except Spins:
                self._ready.clear()  # type: ignore[attr-defined]
                raise
            self.woken = False
            if self._jobs or self.holds:
                self._wait_outside()
            else:
                return

    def _wait_outside(self) -> None:
        # A function that calls back may wait for what another one brings: then they cannot wait for each other.
        done = self._jobs.take(singly=self._called_back)
        if done:
            self._settle(done)
            self._called_back = self._called_back and bool(self._jobs)
        elif self._jobs.wait():
            self.woken = True

    def _settle(self, done: Iterable[tuple[Job, asyncio.Future[Any]]]) -> None:
        for job, future in done:
            if not self.on_executed(job):
                self.unpackable = True
            if job.cancelled():
                future.cancel()
                continue
            error = job.exception()
            if future.done():
                continue
            if isinstance(error, StopIteration):  # no coroutine could pass it on
                future.set_exception(RuntimeError("a function in an executor raised StopIteration"))
            elif error is not None:
                future.set_exception(error)
            else:
                future.set_result(job.result())

    def default_exception_handler(self, context: dict[str, Any]) -> None:
        # These have left the loop already, and whoever drives it has told of them.
        if not isinstance(context.get("exception"), (SystemExit, KeyboardInterrupt)):
            super().default_exception_handler(context)

    def unfinished(self) -> list[asyncio.Task[Any]]:
        """The tasks that are not done, oldest first."""
        return sorted(asyncio.all_tasks(self), key=hash)

    def shut_down(self) -> None:
        """Cancel all tasks, let them clean up as far as they can without waiting or spinning, and close."""
        self.stopping = True
        for task in self.unfinished():
            task.cancel()
        self.rounds, self.max_rounds = 0, CLEAN_UP_ROUNDS
        with suppress(Spins):
            self.run_forever()
        if self._default_executor is not None:
            self._default_executor.shutdown(wait=False, cancel_futures=True)
        for task in self.unfinished():
            task._log_destroy_pending = False  # type: ignore[attr-defined]  # it was told, and would not end
        self.close()
        self._jobs.close()


def _make_task(loop: events.AbstractEventLoop, coro: Coroutine[Any, Any, T], **options: Any) -> NodeTask[T]:
    node_loop = cast("NodeLoop", loop)
    task: NodeTask[T] = NodeTask(coro, loop=node_loop, **options)
    name = program.get()
    if name:
        tasks = node_loop.tasks_of.get(name)
        if tasks is None:
            tasks = node_loop.tasks_of[name] = WeakSet()
        tasks.add(task)
    return task


_as_completed = asyncio.as_completed


def as_completed_in_order(fs: Iterable[Any], *, timeout: float | None = None) -> Any:
    """asyncio.as_completed, with tasks made in the order given: it would make them in the order of a set."""
    return _as_completed([asyncio.ensure_future(one) for one in fs], timeout=timeout)


def _hash_of_gathered(one: asyncio.Future[Any]) -> int:
    if not isinstance(one.get_loop(), NodeLoop):
        return object.__hash__(one)
    return getattr(one, "birth", 0) or _register(cast("NodeFuture[Any]", one))


def make_asyncio_deterministic() -> None:
    """Give as_completed, and what gather returns, the order that the loop cannot give them."""
    asyncio.tasks._GatheringFuture.__hash__ = _hash_of_gathered  # type: ignore[attr-defined]
    asyncio.as_completed = as_completed_in_order
    asyncio.tasks.as_completed = as_completed_in_order
