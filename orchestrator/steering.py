"""Steering a run under way: pause it, go on, look at it, meddle with it, end it. For whoever has the token."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

from qnode.errors import InvalidOperation
from qnode.transport.control import Control
from qnode.wire.keys import Keys
from qnode.wire.messages import (
    Change,
    Command,
    Go,
    Look,
    Pause,
    Paused,
    Resume,
    RunEnded,
    Seen,
    Steered,
    Welcome,
    error_of,
)


class RunOver(InvalidOperation, travels=False):
    """There is nothing left to steer."""

    sentence = "the run is over"


class Steering:
    """A connection to a run's oracle that commands. Virtual clock only, but for `stop`; belongs to one event loop.

    Args:
        address: Where the oracle listens.
        token: The run's.
        keys: The oracle's own, where it is reached by keys.
    """

    def __init__(self, address: str, token: bytes, keys: Keys | None = None) -> None:
        self._control = Control(address, token, role="steering", keys=keys)
        self._loop = asyncio.get_running_loop()
        self._number = 0
        self._answers: dict[int, asyncio.Future[Steered]] = {}
        self._stands: asyncio.Future[Paused | None] | None = None
        self._going = 0  # the number of the last Go; what is told before its answer belongs to an earlier one
        self._asked: dict[int, Command] = {}  # and not answered yet
        self._standing: dict[type[Command], tuple[int, Command]] = {}  # what must be said again to another oracle
        self._is_known = False
        self._ended = asyncio.Event()
        self._loop.add_reader(self._control.fileno(), self._take_news)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the run; it goes on as it is."""
        self._loop.remove_reader(self._control.fileno())
        self._control.close()
        self._end()

    def over(self) -> None:
        """The run has ended, as whoever started it knows: an oracle that was never reached has not told."""
        self._take_news()
        self._end()

    async def pause(self) -> None:
        """Let nobody run any more, as soon as those that run now are done with this instant."""
        await self._ask(Pause())

    async def resume(self) -> None:
        """Go on after a pause, as far as the run was to go before it."""
        await self._ask(Resume())

    async def stop(self) -> None:
        """End the run, as Ctrl-C does, and wait for that: what there is of results is kept. Raises RunOver."""
        if self._ended.is_set():
            raise RunOver
        self._control.finish("interrupted", {})
        self._take_news()  # as in _ask
        await self._ended.wait()

    async def go(self, until_ns: int | None = None) -> Paused | None:
        """Go on until network time would pass a point, and wait for it; None if the run has ended before.

        Whoever else steers may pause the run on the way: then this waits until it goes on.
        """
        stands: asyncio.Future[Paused | None] = self._loop.create_future()
        self._going = self._number + 1
        self._stands = stands
        try:
            await self._ask(Go(until_ns))
        except RunOver:
            return None
        return await stands

    async def change(self, change: Change) -> None:
        """Change a run that is paused."""
        await self._ask(change)

    async def look(self) -> Seen:
        """All joint states of a run that is paused."""
        seen = (await self._ask(Look())).seen
        if seen is None:
            raise AssertionError("the oracle said yes and showed nothing")
        return seen

    async def _ask(self, command: Command) -> Steered:
        """Raises what it is refused with; RunOver."""
        if self._ended.is_set():
            raise RunOver
        self._number += 1
        number = self._number
        answer: asyncio.Future[Steered] = self._loop.create_future()
        self._answers[number] = answer
        self._asked[number] = command
        if not self._control.is_cut:  # else it is said when the oracle is back, behind what stands
            self._control.steer(number, command)
        self._take_news()  # ZeroMQ's descriptor speaks up once, and sending may have used that up
        try:
            steered = await answer
        finally:
            self._answers.pop(number, None)
            self._asked.pop(number, None)
        if steered.code:
            raise error_of(steered)
        if isinstance(command, Go | Pause):
            self._standing[type(command)] = number, command
        elif isinstance(command, Resume):
            self._standing.pop(Pause, None)
        return steered

    def _take_news(self) -> None:
        for message in self._control.news():
            match message:
                case Welcome():
                    if self._is_known:
                        self._say_again()
                    self._is_known = True
                case Steered():
                    answer = self._answers.get(message.number)
                    if answer is not None and not answer.done():
                        answer.set_result(message)
                    if message.number == self._going:
                        self._going = 0
                case Paused():
                    if self._stands is not None and not self._going and not message.asked and not self._stands.done():
                        self._stands.set_result(message)
                case RunEnded():
                    self._end()

    def _say_again(self) -> None:
        """Another oracle goes on with the run from its record, which has all that was changed, and no more."""
        again = {number: command for number, command in self._standing.values() if number not in self._asked}
        for number, command in sorted((again | self._asked).items()):
            if isinstance(command, Go) and self._stands is not None and not self._stands.done():
                self._going = number
            self._control.steer(number, command)  # what it has done of that, it does not do twice

    def _end(self) -> None:
        self._ended.set()
        if self._stands is not None and not self._stands.done():
            self._stands.set_result(None)
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(RunOver())
