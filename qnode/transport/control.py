"""The side of whoever started a run: hears from the oracle how far it is, and how it ended."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import zmq

from qnode.errors import MalformedMessage
from qnode.transport.sockets import make_socket
from qnode.wire.messages import (
    PROTOCOL_VERSION,
    Command,
    Finish,
    Gone,
    Hello,
    Steer,
    ToCluster,
    decode_to_cluster,
    encode,
)


class Control:
    """A connection to the oracle that asks for news, and steers. `fileno` becomes readable when there may be some."""

    def __init__(self, address: str, token: bytes, *, role: str = "cluster") -> None:
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket = make_socket(self._context, zmq.DEALER)
        self._socket.connect(address)
        self._socket.send(encode(Hello(PROTOCOL_VERSION, token, role, ())))

    def fileno(self) -> int:
        """ZeroMQ's own descriptor: it speaks up once, so all news must be taken each time."""
        return int(self._socket.getsockopt(zmq.FD))

    def news(self) -> Iterator[ToCluster]:
        """All that has arrived. Frames that are no news are passed over."""
        while int(self._socket.getsockopt(zmq.EVENTS)) & zmq.POLLIN:
            for frame in self._socket.recv_multipart():
                try:
                    yield decode_to_cluster(frame)
                except MalformedMessage:
                    continue

    def finish(self, how: str, without: Mapping[str, str] = {}) -> None:
        """Ask for the end of the run, now, with what there is; nodes that are gone, and why, are not waited for."""
        self._socket.send(encode(Finish(how, dict(without))))

    def gone(self, nodes: Mapping[str, str]) -> None:
        """Tell of nodes whose processes have ended, and how."""
        self._socket.send(encode(Gone(dict(nodes))))

    def steer(self, number: int, command: Command) -> None:
        """Ask for something; the answer comes as news, with the number."""
        self._socket.send(encode(Steer(number, command)))

    def close(self) -> None:
        self._socket.close(linger=0)
        self._context.term()
