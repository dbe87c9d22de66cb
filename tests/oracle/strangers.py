"""Somebody who speaks to the sockets of a run and does not belong to it, and a place where a program waits for us."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import zmq

from qnode.wire.messages import MAX_FRAME_BYTES, PROTOCOL_VERSION, Hello, Refused, ToNode, decode_to_node, encode

ANSWER_MS: Final = 10_000
WRONG_TOKEN: Final = encode(Hello(PROTOCOL_VERSION, b"guessed", "node", (("mallory", 0),)))


class Stranger:
    """A DEALER of its own context. Everything that it sent before an answered frame has been looked at by then.

    Args:
        once: It does not connect again. What it has not read when the other side ends the connection is gone then.
    """

    def __init__(self, address: str, *, once: bool = True) -> None:
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket = self._context.socket(zmq.DEALER)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.setsockopt(zmq.RECONNECT_IVL, -1 if once else 100)
        self._monitor = self._socket.get_monitor_socket(zmq.EVENT_DISCONNECTED)
        self._socket.connect(address)

    @property
    def socket(self) -> zmq.Socket[bytes]:
        """To wait for several at once."""
        return self._socket

    def say(self, *frames: bytes) -> None:
        self._socket.send_multipart(frames)

    def hear(self) -> list[bytes]:
        assert self._socket.poll(ANSWER_MS), "no answer"
        return self._socket.recv_multipart()

    def ask(self, *frames: bytes) -> ToNode:
        """Say something to an oracle, and what it answers."""
        self.say(*frames)
        (frame,) = self.hear()
        return decode_to_node(frame)

    def is_refused(self, *frames: bytes) -> str:
        """Say something that must be refused; the sentence that comes back."""
        answer = self.ask(*frames)
        assert isinstance(answer, Refused)
        return str(answer.fields["detail"])

    def is_cut_off(self) -> None:
        """The other side ends the connection."""
        assert self._monitor.poll(ANSWER_MS), "still connected"
        self._monitor.recv_multipart()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._socket.disable_monitor()
        self._monitor.close()
        self._context.destroy(linger=0)


async def talk_bytes(address: str, data: bytes) -> None:
    """Send bytes that are not ZeroMQ's protocol and wait until the other side hangs up."""
    reader, writer = await asyncio.open_unix_connection(address.removeprefix("ipc://"))
    try:
        writer.write(data)
        async with asyncio.timeout(ANSWER_MS / 1000):
            await reader.read()
    finally:
        writer.close()


def oversized() -> bytes:
    return bytes(MAX_FRAME_BYTES + 2**20)


class Gate:
    """`reached` once a program has come here; it goes on when we say so."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self._writers: list[asyncio.StreamWriter] = []

    def _arrive(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        self.reached.set()

    def release(self) -> None:
        for writer in self._writers:
            writer.close()
        self._writers.clear()


@asynccontextmanager
async def gate_at(path: Path) -> AsyncIterator[Gate]:
    gate = Gate()
    server = await asyncio.start_unix_server(gate._arrive, path)
    try:
        yield gate
    finally:
        gate.release()
        server.close()
        await server.wait_closed()
        path.unlink(missing_ok=True)  # noqa: ASYNC240  # newer servers remove it themselves


def counted(refused: dict[str, int], words: Sequence[str]) -> list[int]:
    """How often something was refused for reasons that contain each of the words."""
    return [sum(count for reason, count in refused.items() if word in reason) for word in words]
