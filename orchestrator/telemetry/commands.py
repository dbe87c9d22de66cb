"""Commands that come in over the broker, and what is answered. Whatever comes, it gets an answer and harms nobody."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Final, Literal, Protocol

import msgspec

from qnode.errors import QnodeError
from qnode.wire.unreadable import UNREADABLE

MOST_BYTES: Final = 4096  # of a command
_ANSWER_S: Final = 5.0  # wall time that the run has to obey
_REMEMBERED: Final = 100  # commands that were carried out
_OVER: Final = "the run is over"
_HOW: Final = 'send {"id": "...", "command": "..."} with one of pause, resume, stop'


class Steers(Protocol):
    """Whoever can steer a run. Each raises QnodeError if the run refuses."""

    async def pause(self) -> None: ...
    async def resume(self) -> None: ...
    async def stop(self) -> None: ...


class _Named(msgspec.Struct):
    """As much of a command as its answer needs."""

    id: str


class _Command(msgspec.Struct, forbid_unknown_fields=True):
    id: str
    command: Literal["pause", "resume", "stop"]


class _Ack(msgspec.Struct, omit_defaults=True):
    id: str
    ok: bool
    error: str = ""


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Command).decode
_decode_name = msgspec.json.Decoder(_Named).decode


class Commands:
    """Carries out commands, one after another. Nothing is connected to the run before the first of them comes.

    Args:
        clock: "virtual" or "real": what is tied to the wall clock cannot be paused.
        on_pause: Told whether the run stands still.
    """

    def __init__(self, clock: str, on_pause: Callable[[bool], None]) -> None:
        self._clock = clock
        self._on_pause = on_pause
        self._connect: Callable[[], Steers] | None = None
        self._steering: Steers | None = None
        self._done: dict[str, None] = {}  # ids, the oldest first
        self._over = asyncio.Event()

    def steer_by(self, connect: Callable[[], Steers]) -> None:
        """Now there is a run to steer; this is how to get at it."""
        self._connect = connect

    def ended(self) -> None:
        """The run is over: what it has not answered yet it may never answer, for its oracle is gone with it."""
        self._over.set()

    async def carry_out(self, payload: bytes, *, retained: bool = False) -> bytes:
        """The answer to one command. One that was carried out before, by its id, is answered and not done again."""
        if len(payload) > MOST_BYTES:
            return _refused("", f"a command of {len(payload):,} bytes; at most {MOST_BYTES:,} are read")
        try:
            command = _decode(payload)
        except UNREADABLE as error:
            return _refused(_id_of(payload), f"{error}; {_HOW}")
        if retained:
            return _refused(command.id, "a retained command may be of long ago, and is not carried out")
        if command.id not in self._done:
            if why_not := await self._obey(command):
                return _refused(command.id, why_not)  # it may be sent again: what was too early may be in time then
            self._done[command.id] = None
            if len(self._done) > _REMEMBERED:
                del self._done[next(iter(self._done))]
        return _encode(_Ack(command.id, True))

    async def _obey(self, command: _Command) -> str:
        """Why it was not carried out, or ""."""
        if self._over.is_set():
            return _OVER
        if self._clock == "real" and command.command != "stop":
            return "only the virtual clock can be paused; this run's is real"
        if self._steering is None:
            if self._connect is None:
                return "this run cannot be steered, or not yet"
            self._steering = self._connect()
        steering = self._steering
        does: dict[str, Callable[[], Coroutine[None, None, None]]] = {
            "pause": steering.pause,
            "resume": steering.resume,
            "stop": steering.stop,
        }
        doing = asyncio.ensure_future(does[command.command]())
        over = asyncio.ensure_future(self._over.wait())
        try:
            await asyncio.wait((doing, over), timeout=_ANSWER_S, return_when=asyncio.FIRST_COMPLETED)
            if doing.done():
                doing.result()
            elif not over.done():
                return f"the run did not answer within {_ANSWER_S:.0f} s"
            elif command.command != "stop":
                return _OVER
        except QnodeError as error:
            return str(error)
        finally:
            doing.cancel()
            over.cancel()
        if command.command != "stop":
            self._on_pause(command.command == "pause")
        return ""


def _refused(name: str, error: str) -> bytes:
    return _encode(_Ack(name, False, error))


def _id_of(payload: bytes) -> str:
    try:
        return _decode_name(payload).id
    except UNREADABLE:
        return ""
