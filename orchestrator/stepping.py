"""A run that is gone through by hand: how far it may go, who is held, what is lost, what can be seen."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from orchestrator import units
from orchestrator.run import Run
from qnode.errors import ConfigError, InvalidOperation, QnodeError, RunFailed
from qnode.runtime.logs import format_time
from qnode.wire.messages import Change, Look, Paused, Seen

if TYPE_CHECKING:  # they bring the oracle and the nodes
    from orchestrator.inline import InlineRun
    from orchestrator.oracle.spec import OracleSpec
    from orchestrator.view import View


class Steerable(Protocol):
    """A run that does as it is told; `orchestrator.steering.Steering` is one."""

    async def go(self, until_ns: int | None = None) -> Paused | None:
        """Go on until network time would pass a point; None if the run is over."""

    async def change(self, change: Change) -> None:
        """Change the run, which is paused."""

    async def look(self) -> Seen:
        """All joint states of the run, which is paused."""


class Inline:
    """A run in this process, steered like one in processes of its own."""

    def __init__(self, run: InlineRun) -> None:
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._run = run

    async def go(self, until_ns: int | None = None) -> Paused | None:
        try:
            paused = self._run.go(until_ns)
        except QnodeError as error:
            if not isinstance(error, RunFailed):
                raise
            self.over.set_exception(error)
            return None
        if paused is None:
            self.over.set_result(None)
        return paused

    async def change(self, change: Change) -> None:
        self._run.steer(change)

    async def look(self) -> Seen:
        seen = self._run.steer(Look()).seen
        if seen is None:
            raise AssertionError("the run showed nothing")
        return seen


class Stepping:
    """A run under way that waits for whoever goes through it.

    Args:
        task: Ends with the run, however that ends.
        live: How it is steered, once it can be.
        spec: What it is that runs.
        stands: Told each moment at which it stands still.
    """

    def __init__(
        self,
        task: asyncio.Task[Run],
        live: asyncio.Future[Steerable],
        spec: Callable[[], OracleSpec],
        stands: Callable[[int], None],
    ) -> None:
        self.task = task
        self._live = live
        self._spec = spec
        self._stands = stands
        self._at_ns = 0

    async def go(self, until_ns: int | None = None) -> int | None:
        """Network time when it stands still at `until_ns`; None if the run ended before.

        Whoever else steers the run may pause it on the way: then this waits until it goes on.

        Raises:
            InvalidOperation: If network time cannot go on because of nodes that are held.
        """
        live = await self._steered()
        if live is None:
            return None
        going = asyncio.ensure_future(live.go(until_ns))
        try:
            await asyncio.wait((going, self.task), return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not going.done():
                going.cancel()
        paused = going.result() if going.done() and not going.cancelled() else None
        if paused is None:
            await asyncio.wait((self.task,))
            return None
        self._at_ns = paused.at_ns
        self._stands(paused.at_ns)
        if paused.held:
            held = ", ".join(paused.held)
            raise InvalidOperation(
                detail=f"nobody but {held} can go on at {format_time(paused.at_ns)}, and that is held; release it first"
            )
        return paused.at_ns

    async def view(self) -> View:
        """What there is at this moment."""
        live = await self._steered()
        if live is None:
            raise InvalidOperation(detail="the run is over: there is nothing to look at any more")
        from orchestrator.oracle.network import laboratories  # lazy: the quantum part, which only those need who look
        from orchestrator.view import View  # lazy: the same

        return View(self._at_ns, await live.look(), laboratories(self._spec()))

    async def change(self, change: Change) -> None:
        """Change what happens from now on."""
        live = await self._steered()
        if live is None:
            raise InvalidOperation(detail="the run is over: nothing can be changed any more")
        await live.change(change)

    async def end(self) -> None:
        """Let go of it: a run that has not ended is cut short."""
        self.task.cancel()
        await asyncio.wait((self.task,))
        if not self.task.cancelled():
            self.task.exception()  # whoever wanted to know has been told

    async def _steered(self) -> Steerable | None:
        """How to steer it; None if it is over."""
        await asyncio.wait((self._live, self.task), return_when=asyncio.FIRST_COMPLETED)
        return None if self.task.done() else self._live.result()


def to_ns(time: str | float) -> int:
    """Network time as people write it, "10 us" or seconds, in nanoseconds. Raises ConfigError."""
    if isinstance(time, int | float) and not isinstance(time, bool):
        time = f"{time!r} s"
    try:
        return units.to_ns(units.parse(time, units.TIME))
    except units.UnitError as error:
        raise ConfigError(place="network time", detail=str(error)) from None
