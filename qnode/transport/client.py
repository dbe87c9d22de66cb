"""A process's side: one DEALER to the oracle, and everything else that may wake the process up."""

from __future__ import annotations

from collections.abc import Sequence

import zmq

from qnode.errors import TransportError
from qnode.transport.sockets import check_size, make_socket
from qnode.wire.messages import PROTOCOL_VERSION, Hello, Refused, Welcome, decode_to_node, encode, error_of

Context = zmq.Context[zmq.Socket[bytes]]


def make_context() -> Context:
    """One for a process; made after the fork, never before."""
    context: Context = zmq.Context()
    return context


class Client:
    """The connection to the oracle. `watch` adds descriptors that `wait` looks at as well."""

    def __init__(self, context: Context, address: str) -> None:
        self._socket = make_socket(context, zmq.DEALER)
        self._socket.connect(address)
        self._poller = zmq.Poller()
        self._poller.register(self._socket, zmq.POLLIN)

    def greet(
        self, token: bytes, nodes: Sequence[tuple[str, int]], *, role: str = "node", timeout_s: float = 30.0
    ) -> None:
        """Say who we are. Raises what the oracle refuses us with, or TransportError if it does not answer."""
        self._socket.send(encode(Hello(PROTOCOL_VERSION, token, role, tuple(nodes))))
        if not self._socket.poll(int(timeout_s * 1000)):
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
        ready: set[object] = {source for source, _ in self._poller.poll(timeout_ms)}
        if self._socket in ready:
            ready.add(self)
        return ready

    def receive(self) -> list[bytes]:
        """The frames of the next message; waits for it."""
        return self._socket.recv_multipart()

    def close(self) -> None:
        self._socket.close()
