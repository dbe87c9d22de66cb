"""A request for pairs, while it is served: awaited as a whole, or pair by pair."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Generator
from typing import Any, Final, Generic, NamedTuple, TypeVar

from qnode.errors import QnodeError, RequestOver
from qnode.ids import NodeName

SERVED: Final = "served"
REFUSED: Final = "refused"
WITHDRAWN: Final = "withdrawn"
EXPIRED: Final = "expired"

Key = tuple[int, int]
T = TypeVar("T")


class Progress(NamedTuple):
    """How far a request is.

    Attributes:
        state: "asked" until the peer has asked too, "routing", "setting up", "queued" for memory at the node
            `waits_for`, "reserved" until its time has come, "running", "settling" after a link or node of the route
            was lost; then "served", "refused", "withdrawn" or "expired".
        wanted, delivered: Pairs.
        route: Which it takes, from the requester on; () before there is one.
        circuits: How many it has taken so far, one after the other.
        asked_ns, first_ns, last_ns: When it was made, and when the first and the last pair came; None before.
        waits: How often it has had to wait for memory, or for a link that others have been promised.
        tried: How many link pairs this end has had for it, to become pairs of both ends; distilled ones count once.
        lost: How many of these have lost their other end: to a cut-off, a swap that failed.
        fidelity: What is to be expected of the pairs that came, when they came, in the mean; None if nothing is.
    """

    state: str
    wanted: int
    delivered: int
    route: tuple[str, ...] = ()
    waits_for: str = ""
    circuits: int = 0
    asked_ns: int = 0
    first_ns: int | None = None
    last_ns: int | None = None
    waits: int = 0
    tried: int = 0
    lost: int = 0
    fidelity: float | None = None

    @property
    def rate_hz(self) -> float | None:
        """Pairs a second of network time since the request was made; None before the first."""
        if self.last_ns is None or self.last_ns <= self.asked_ns:
            return None
        return self.delivered * 1e9 / (self.last_ns - self.asked_ns)


class Request(Generic[T]):
    """What `node.request` returns: `await` it for all halves, or iterate over it with `async for`, half by half.

    A task that is cancelled while it awaits the request withdraws it. (Of halves that are measured directly, the
    outcomes come in place of them.)
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        program: str,
        peer: NodeName,
        n: int,
        tag: str,
        asked_ns: int,
        look: Callable[[], Progress | None],
        withdraw: Callable[[str], None],
        discard: Callable[[list[T]], None],
    ) -> None:
        self.program = program
        self.peer = peer
        self.n = n
        self.tag = tag
        self.delivered = 0
        self.error: BaseException | None = None
        self.timer: asyncio.TimerHandle | None = None  # that gives it up
        self.late: QnodeError | None = None  # if somebody awaits all halves, and that happens
        self._loop = loop
        self._look = look
        self._withdraw = withdraw
        self._discard = discard
        self._fresh: deque[tuple[Key, T]] = deque()
        self._waiters: list[asyncio.Future[None]] = []
        self._last = Progress("asked", n, 0, asked_ns=asked_ns)
        self._ended = ""

    # ------------------------------------------------------------ for programs

    @property
    def progress(self) -> Progress:
        """How far it is now."""
        if not self._ended:
            seen = self._look()
            if seen is not None:
                self._last = seen._replace(
                    delivered=self.delivered,
                    asked_ns=self._last.asked_ns,
                    first_ns=self._last.first_ns,
                    last_ns=self._last.last_ns,
                    fidelity=self._last.fidelity,
                )
        return self._last

    def cancel(self) -> None:
        """Give up what has not been delivered. Halves that were handed out stay; others are discarded."""
        self.give_up(WITHDRAWN)

    def give_up(self, state: str) -> None:
        """The same, for a reason."""
        if not self._ended:
            self.progress  # noqa: B018  # remembers how far it was
            self.end(state)
            self._withdraw(state)
        self._discard([half for _, half in self._fresh])
        self._fresh.clear()

    def __await__(self) -> Generator[Any, None, list[T]]:
        return self.all(self.peer).__await__()

    async def all(self, peer: str) -> list[T]:  # whoever tells what a program waits for, looks for a `peer` here
        """All halves, in the same order at both ends; of a request that ends before it is served, none are kept."""
        came: list[tuple[Key, T]] = []
        try:
            while len(came) < self.n:
                came.append(await self._next())
        except StopAsyncIteration:
            self._discard([half for _, half in came])
            if self._ended == EXPIRED and self.late is not None:
                raise self.late from None
            raise RequestOver(peer=peer, state=self._ended, delivered=self.delivered, wanted=self.n) from None
        except BaseException:
            self._discard([half for _, half in came])
            raise
        return [half for _, half in sorted(came, key=lambda one: one[0])]

    def __aiter__(self) -> Request[T]:
        return self

    async def __anext__(self) -> T:
        return (await self._next())[1]

    async def _next(self) -> tuple[Key, T]:
        while not self._fresh:
            if self.error is not None:
                raise self.error
            if self._ended:
                raise StopAsyncIteration
            waiter: asyncio.Future[None] = asyncio.Future(loop=self._loop)
            self._waiters.append(waiter)
            try:
                await waiter
            except asyncio.CancelledError:
                self.cancel()
                raise
            finally:
                self._waiters.remove(waiter)
        return self._fresh.popleft()

    # ------------------------------------------------------------ for the stack

    def put(self, key: Key, half: T, now_ns: int) -> None:
        """A half is delivered; `key` sorts it among the others."""
        self._fresh.append((key, half))
        self.delivered += 1
        last, mean = self._last, self._last.fidelity
        expected = getattr(half, "fidelity", None)
        if expected is not None:
            mean = ((mean or 0.0) * (self.delivered - 1) + expected) / self.delivered
        first_ns = now_ns if last.first_ns is None else last.first_ns
        self._last = last._replace(delivered=self.delivered, first_ns=first_ns, last_ns=now_ns, fidelity=mean)
        if self.delivered == self.n:
            self.progress  # noqa: B018
            self.end(SERVED)
        self._wake()

    def end(self, state: str, error: BaseException | None = None) -> None:
        """Nothing more comes."""
        if not self._ended:
            self._ended = state
            if self.timer is not None:
                self.timer.cancel()
            self.error = error
            self._last = self._last._replace(state=state)
            self._wake()

    def _wake(self) -> None:
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
