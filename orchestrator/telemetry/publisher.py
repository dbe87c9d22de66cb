"""The client of the broker: publishes what waits, takes commands, and connects again whenever it must."""

from __future__ import annotations

import asyncio
import logging
import math
import os
import secrets
import ssl
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Final, NamedTuple

import aiomqtt

from orchestrator.telemetry.backlog import Backlog
from orchestrator.telemetry.commands import Commands
from orchestrator.telemetry.credentials import PASSWORD, USERNAME
from orchestrator.telemetry.orders import Mqtt
from orchestrator.telemetry.tally import LOST
from orchestrator.telemetry.topics import Topics

_AT_ONCE: Final = 20  # messages that the broker has not acknowledged yet; its own limit is often the same
_KEEPALIVE_S: Final = 10
_CONNECT_S: Final = 5.0  # wall time that the broker has to answer
_SHORTEST_S, _LONGEST_S = 0.1, 5.0  # between two attempts to connect
_ACKS: Final = 100  # answers that wait; a broker that sends more commands than it takes answers loses the oldest


class _Message(NamedTuple):
    topic: str
    payload: bytes
    qos: int
    retain: bool
    settle: Callable[[], object] | None
    give_back: Callable[[], object]


class Publisher:
    """Publishes until it is finished. Whatever the broker does, calls return at once; only `run` waits for it.

    Args:
        mqtt: The broker.
        topics: Where everything goes.
        backlog: Events; others put them in and call `wake`.
        commands: What carries out commands, or None.
        say: Told in a sentence when a connection could not be made, broke, or is there again.

    Attributes:
        connected: Whether the broker is there.
        problem: What was wrong last, or ""; in the end, only what has had consequences.
    """

    def __init__(
        self, mqtt: Mqtt, topics: Topics, backlog: Backlog, commands: Commands | None, say: Callable[[str], None]
    ) -> None:
        self._mqtt = mqtt
        self._topics = topics
        self._backlog = backlog
        self._commands = commands
        self._say = say
        self._retained: dict[str, bytes] = {}
        self._unsent: dict[str, None] = {}  # topics of those that the broker has not got, in order
        self._acks: deque[bytes] = deque(maxlen=_ACKS)
        self._work = asyncio.Event()
        self._idle = asyncio.Event()
        self._hurry = asyncio.Event()
        self._obeying = False
        self._finished = False
        self.connected = False
        self.problem = ""

    def retain(self, topic: str, payload: bytes) -> None:
        """Publish a retained message, unless the topic has it already; only the newest of a topic is sent."""
        if self._retained.get(topic) != payload:
            self._retained[topic] = payload
            self._unsent[topic] = None
            self.wake()

    def forget_retained(self) -> None:
        """Have the broker remove everything that is retained."""
        for topic in self._retained:
            self.retain(topic, b"")

    def wake(self) -> None:
        """There is something to publish."""
        self._idle.clear()
        self._work.set()

    def hurry(self) -> None:
        """The run is over: try to connect once more if there is no connection, and not again after that."""
        self._hurry.set()

    async def drained(self) -> None:
        """Wait until the broker has everything, answers too. Does not return if it never will: cancel it."""
        await self._idle.wait()

    def finish(self) -> None:
        """Let `run` take leave of the broker and return."""
        if not self.connected:
            self.problem = self.problem or "no connection: it did not answer"
        elif not self._backlog.dropped:
            self.problem = ""  # it was overcome
        else:
            self.problem = self.problem or "it was slower than the run"
        self._finished = True
        self._hurry.set()
        self._work.set()

    async def run(self) -> None:
        """Connect and publish, again and again."""
        wait_s = _SHORTEST_S
        while not self._finished:
            last = self._hurry.is_set()
            try:
                async with self._client() as client:
                    self._say_connected()
                    wait_s = _SHORTEST_S
                    await self._serve(client)
            except* (aiomqtt.MqttError, ValueError) as errors:  # ValueError: a host that cannot be one
                self._say_problem(errors)
            self.connected = False
            if last or self._finished:
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._hurry.wait()
            wait_s = min(2 * wait_s, _LONGEST_S)

    def _client(self) -> aiomqtt.Client:
        logger = logging.getLogger("qnode.telemetry.mqtt")
        logger.setLevel(logging.CRITICAL)  # what is wrong is said in our words
        return aiomqtt.Client(
            self._mqtt.host,
            self._mqtt.port,
            identifier=f"qnode{secrets.token_hex(8)}",  # any broker takes so many letters and digits
            username=os.environ.get(USERNAME),
            password=os.environ.get(PASSWORD),
            tls_context=ssl.create_default_context() if self._mqtt.tls else None,
            will=aiomqtt.Will(self._topics.status, LOST.encode(), qos=1, retain=True),
            keepalive=_KEEPALIVE_S,
            timeout=_CONNECT_S,
            max_inflight_messages=_AT_ONCE,
            max_queued_incoming_messages=_ACKS,
            logger=logger,
        )

    def _say_connected(self) -> None:
        self.connected = True
        if self.problem:
            self._say(f"connected to the broker at {self._where}")

    def _say_problem(self, errors: BaseExceptionGroup[Exception]) -> None:
        error: BaseException = errors
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        was = "the connection broke" if self.connected else "no connection"
        problem = f"{was}: {error}"
        if problem != self.problem:
            self._say(f"broker at {self._where}: {problem}; trying again")
        self.problem = problem

    @property
    def _where(self) -> str:
        return f"{self._mqtt.host}:{self._mqtt.port}"

    async def _serve(self, client: aiomqtt.Client) -> None:
        self._unsent = dict.fromkeys(self._retained)  # it may be a broker that has forgotten everything
        if self._commands is not None:
            await client.subscribe(self._topics.command, qos=1)
        async with asyncio.TaskGroup() as group:
            listening = group.create_task(self._listen(client), name="telemetry: commands")
            await self._publish(client)
            listening.cancel()

    async def _listen(self, client: aiomqtt.Client) -> None:
        """Also what notices that the connection is gone."""
        async for message in client.messages:
            if self._commands is None or str(message.topic) != self._topics.command:  # amqtt sends others', too
                continue
            self._obeying = True
            self._idle.clear()  # an answer is still to come: the end of the run, which it may be about, waits for it
            try:
                self._acks.append(await self._commands.carry_out(message.payload, retained=message.retain))
            finally:
                self._obeying = False
                self.wake()

    async def _publish(self, client: aiomqtt.Client) -> None:
        while True:
            self._work.clear()
            while messages := self._next():
                await _publish_all(client, messages)
            if not self._obeying:
                self._idle.set()
            if self._finished:
                return
            await self._work.wait()

    def _next(self) -> list[_Message]:
        """What goes out next: statuses, then answers, then events."""
        messages = [self._retained_message(topic) for topic in list(self._unsent)[:_AT_ONCE]]
        for _ in range(min(len(self._acks), _AT_ONCE - len(messages))):
            ack = self._acks.popleft()
            messages.append(_Message(self._topics.ack, ack, 1, False, None, partial(self._acks.appendleft, ack)))
        for batch in self._backlog.take(_AT_ONCE - len(messages)):
            settle, give_back = partial(self._backlog.settle, batch), partial(self._backlog.give_back, batch)
            messages.append(_Message(batch.topic, batch.payload, self._mqtt.qos, False, settle, give_back))
        return messages

    def _retained_message(self, topic: str) -> _Message:
        del self._unsent[topic]
        return _Message(topic, self._retained[topic], 1, True, None, partial(self._unsent.setdefault, topic))


async def _publish_all(client: aiomqtt.Client, messages: Sequence[_Message]) -> None:
    """Returns once the broker has all of them; if it does not get there, those that it has not got are given back."""
    missing = dict(enumerate(messages))

    async def publish(nth: int, message: _Message) -> None:
        await client.publish(message.topic, message.payload, message.qos, message.retain, timeout=math.inf)
        del missing[nth]
        if message.settle is not None:
            message.settle()

    try:
        async with asyncio.TaskGroup() as group:
            for nth, message in enumerate(messages):
                group.create_task(publish(nth, message), name=f"telemetry: {message.topic}")
    finally:
        for message in reversed(missing.values()):
            message.give_back()
