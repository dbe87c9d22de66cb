"""A subscriber: everything that a broker hands out, and waiting for some of it."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final

import aiomqtt

from benchmarks.broker import Broker

_PATIENCE_S: Final = 20.0  # for a machine that is busy; whoever waits is woken by the message itself


class Heard:
    """Messages in the order in which they came."""

    def __init__(self, client: aiomqtt.Client, topics: Sequence[str]) -> None:
        self._client = client
        self._topics = topics
        self._news = asyncio.Event()
        self.messages: list[tuple[str, bytes]] = []

    async def listen(self) -> None:
        async for message in self._client.messages:
            # amqtt 0.12 sends to whoever connects what is retained on topics that others had subscribed to
            if any(message.topic.matches(topic) for topic in self._topics):
                self.messages.append((str(message.topic), message.payload))
                self._news.set()

    def of(self, topic: str) -> list[bytes]:
        """What came on topics that end so."""
        return [payload for name, payload in self.messages if name.endswith(topic)]

    def texts(self, topic: str) -> list[str]:
        return [payload.decode() for payload in self.of(topic)]

    async def until(self, said: Callable[[], object]) -> None:
        """Wait until the messages are such."""
        try:
            async with asyncio.timeout(_PATIENCE_S):
                while not said():
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"it was never said; heard were: {self.messages[-20:]}") from None

    async def status(self, text: str, node: str = "") -> None:
        """Wait until the run, or one of its nodes, has had a status."""
        topic = f"/node/{node}/status" if node else "-1/status"
        await self.until(lambda: text in self.texts(topic))

    async def say(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        await self._client.publish(topic, payload, qos=1, retain=retain)


@asynccontextmanager
async def listening(broker: Broker, topics: Sequence[str] = ("#",)) -> AsyncIterator[Heard]:
    async with aiomqtt.Client("127.0.0.1", broker.port, identifier=f"test{secrets.token_hex(8)}") as client:
        heard = Heard(client, topics)
        for topic in topics:
            await client.subscribe(topic, qos=1)
        listener = asyncio.create_task(heard.listen())
        try:
            yield heard
        finally:
            listener.cancel()
            await asyncio.gather(listener, return_exceptions=True)
