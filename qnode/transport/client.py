"""A process's side: one DEALER to the oracle, and everything else that may wake the process up."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

import zmq

from qnode.errors import MalformedMessage, TransportError
from qnode.transport.sockets import check_size, make_socket
from qnode.wire.messages import PROTOCOL_VERSION, Hello, Refused, ToNode, Welcome, decode_to_node, encode, error_of

Context = zmq.Context[zmq.Socket[bytes]]
_SIGNALS_MS: Final = 500
"""So long a process that ends itself at signals waits at once: one that comes just before poll() does not wake it."""

_SOCKETS: Final = 1023  # what a context has room for, unless it is told


def make_context(peers: int = 0) -> Context:
    """One for a process; made after the fork, never before. `peers`: how many processes it may have something for."""
    context: Context = zmq.Context()
    if peers > _SOCKETS // 2:
        context.set(zmq.MAX_SOCKETS, peers + _SOCKETS)
    return context


class Client:
    """The connection to the oracle. `watch` adds descriptors that `wait` looks at as well.

    Args:
        watched: Whether `wait` raises TransportError once the connection is gone. A process that somebody started and
            watches need not look itself.

    Attributes:
        refused: How many frames came that say nothing to a node.
    """

    def __init__(self, context: Context, address: str, *, watched: bool = False) -> None:
        self.refused = 0
        self._address = address
        self._socket = make_socket(context, zmq.DEALER)
        self._losses = self._socket.get_monitor_socket(zmq.EVENT_DISCONNECTED) if watched else None
        self._socket.connect(address)
        self._poller = zmq.Poller()
        self._poller.register(self._socket, zmq.POLLIN)
        if self._losses is not None:
            self._poller.register(self._losses, zmq.POLLIN)

    def greet(
        self, token: bytes, nodes: Sequence[tuple[str, int]], *, role: str = "node", timeout_s: float = 30.0
    ) -> None:
        """Say who we are. Raises what the oracle refuses us with, or TransportError if it does not answer."""
        self._socket.send(encode(Hello(PROTOCOL_VERSION, token, role, tuple(nodes))))
        deadline = time.monotonic() + timeout_s
        while not self._socket.poll(max(0, min(_SIGNALS_MS, int((deadline - time.monotonic()) * 1000)))):
            if time.monotonic() >= deadline:
                raise TransportError(detail=f"the oracle did not answer within {timeout_s} s")
        answer = decode_to_node(self._socket.recv())
        if isinstance(answer, Refused):
            raise error_of(answer)
        if not isinstance(answer, Welcome):
            raise TransportError(detail=f"the oracle answered a greeting with {type(answer).__name__}")

    def send(self, frames: Sequence[bytes]) -> None:
        """Raises TransportError for a frame that is too long to travel."""
        check_size(frames)
        self._socket.send_multipart(frames)

    def watch(self, other: int | zmq.Socket[bytes]) -> None:
        """Let `wait` return when this descriptor or socket is readable too."""
        self._poller.register(other, zmq.POLLIN)

    def unwatch(self, other: int | zmq.Socket[bytes]) -> None:
        self._poller.unregister(other)

    def wait(self, timeout_ms: int | None = None) -> set[object]:
        """Wait for the oracle or for anything watched; which of them are readable (`self` stands for the oracle)."""
        sliced = timeout_ms is None and self._losses is not None
        ready: set[object] = {source for source, _ in self._poller.poll(_SIGNALS_MS if sliced else timeout_ms)}
        while sliced and not ready:
            ready = {source for source, _ in self._poller.poll(_SIGNALS_MS)}
        if self._socket in ready:
            ready.add(self)
        elif self._losses is not None and self._losses in ready:  # what had arrived before has been taken
            raise TransportError(detail=f"the oracle at {self._address} is gone, or its machine is")
        return ready

    def receive(self) -> list[ToNode]:
        """What the next message says, frame by frame; waits for it. Frames that say nothing are counted as refused."""
        said: list[ToNode] = []
        for frame in self._socket.recv_multipart():
            try:
                said.append(decode_to_node(frame))
            except MalformedMessage:
                self.refused += 1
        return said

    def close(self) -> None:
        if self._losses is not None:
            self._socket.disable_monitor()
            self._losses.close()
        self._socket.close()
