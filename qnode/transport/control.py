"""The side of whoever started a run: hears from the oracle how far it is, and how it ended."""

from __future__ import annotations

import secrets
import selectors
from collections.abc import Iterator, Mapping

import zmq
from msgspec.structs import replace

from qnode.errors import MalformedMessage
from qnode.transport.security import connect_with
from qnode.transport.sockets import SESSION_BYTES, Losses, connect, make_socket, say
from qnode.wire.keys import ORACLE, Keys
from qnode.wire.messages import (
    PROTOCOL_VERSION,
    Command,
    Finish,
    Gone,
    Hello,
    Steer,
    ToCluster,
    Welcome,
    decode_to_cluster,
    encode,
)


class Control:
    """A connection to the oracle that asks for news, and steers. `fileno` becomes readable when there may be some.

    When the oracle is gone and comes back, it is greeted again: then a second Welcome is among the news.

    Attributes:
        is_cut: Whether it is gone, as far as is known, and has not answered yet.
    """

    def __init__(self, address: str, token: bytes, *, role: str = "cluster", keys: Keys | None = None) -> None:
        self.is_cut = False
        self._address = address
        self._keys = keys
        self._hello = Hello(PROTOCOL_VERSION, token, role, (), secrets.token_bytes(SESSION_BYTES))
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._selector = selectors.DefaultSelector()
        self._connect()

    def _connect(self) -> None:
        self._socket = make_socket(self._context, zmq.DEALER)
        self._losses = Losses(self._context, self._socket)
        if self._keys is not None:
            connect_with(self._socket, self._keys, ORACLE)
        connect(self._socket, self._address)
        say(self._socket, encode(self._hello))
        self._hello = replace(self._hello, nth=self._hello.nth + 1)
        for socket in (self._socket, self._losses.socket):
            self._selector.register(int(socket.getsockopt(zmq.FD)), selectors.EVENT_READ)

    def _disconnect(self) -> None:
        for socket in (self._socket, self._losses.socket):
            self._selector.unregister(int(socket.getsockopt(zmq.FD)))
        self._losses.close()
        self._socket.close(linger=0)

    def fileno(self) -> int:
        """It speaks up once, so all news must be taken each time; the first time without being asked."""
        descriptor: int = self._selector.fileno()
        return descriptor

    def news(self) -> Iterator[ToCluster]:
        """All that has arrived. Frames that are no news are passed over."""
        while True:
            is_lost = self._losses.came()  # before we look what there is: what had arrived by then is read below
            while int(self._socket.getsockopt(zmq.EVENTS)) & zmq.POLLIN:
                for frame in self._socket.recv_multipart():
                    try:
                        message = decode_to_cluster(frame)
                    except MalformedMessage:
                        continue
                    self.is_cut = self.is_cut and not isinstance(message, Welcome)
                    yield message
            if not is_lost:
                return
            self.is_cut = True
            self._disconnect()
            self._connect()  # and look again: a socket that nobody has looked at does not speak up

    def finish(self, how: str, without: Mapping[str, str] = {}) -> None:
        """Ask for the end of the run, now, with what there is; nodes that are gone, and why, are not waited for."""
        say(self._socket, encode(Finish(how, dict(without))))

    def gone(self, nodes: Mapping[str, str], lives: Mapping[str, int]) -> None:
        """Tell of nodes whose processes have ended, and how; and which of their lives those were."""
        say(self._socket, encode(Gone(dict(nodes), dict(lives))))

    def steer(self, number: int, command: Command) -> None:
        """Ask for something; the answer comes as news, with the number."""
        say(self._socket, encode(Steer(number, command)))

    def close(self) -> None:
        self._disconnect()
        self._selector.close()
        self._context.term()
