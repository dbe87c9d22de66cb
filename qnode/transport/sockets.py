"""How every socket of ours is set up, said once."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Callable, Sequence
from contextlib import suppress
from enum import IntEnum, auto
from typing import Final

import zmq

from qnode.errors import TransportError
from qnode.wire.messages import MAX_FRAME_BYTES

LINGER_MS: Final = 1_000  # what a last message has, to get out
RECONNECT_MS: Final = 2  # whoever is bound second should not make the first wait
RECONNECT_MAX_MS: Final = 200
SESSION_BYTES: Final = 16

# Between machines. What a network does is noticed by these, and ends a connection, which is taken up again; that
# somebody is gone for good follows from how long there was none.
HEARTBEAT_MS: Final = 500
SILENCE_MS: Final = 2_000  # of the other side, after which the connection counts as cut
CONNECT_MS: Final = 2_000
RECONNECT_FAR_MS: Final = 100
RECONNECT_FAR_MAX_MS: Final = 500


UNREAD: Final = 250_000  # messages that somebody who connected has not read
WAITING: Final = 8  # messages of a connection that wait for us: each may be as long as a frame may be
SILENT: Final = "a connection that sent nothing we could read"  # not our protocol, or a frame that is too long


def make_socket(context: zmq.Context[zmq.Socket[bytes]], kind: int) -> zmq.Socket[bytes]:
    """A socket with explicit limits.

    On the virtual clock a peer has at most one message under way. What a stranger may make us hold is bounded: by the
    size of a frame, above which the socket itself ends the connection, and by the messages that wait to be read, above
    which a ROUTER reads no more of this connection. What somebody does not read is bounded too, far above what a sound
    process leaves; then `send` fails, and whoever called counts it. Whoever connects has no such marks: it waits.
    """
    socket = context.socket(kind)
    socket.setsockopt(zmq.LINGER, LINGER_MS)
    socket.setsockopt(zmq.SNDHWM, UNREAD if kind == zmq.ROUTER else 0)
    socket.setsockopt(zmq.RCVHWM, WAITING if kind == zmq.ROUTER else 0)
    socket.setsockopt(zmq.MAXMSGSIZE, MAX_FRAME_BYTES)
    socket.setsockopt(zmq.RECONNECT_IVL, RECONNECT_MS)
    socket.setsockopt(zmq.RECONNECT_IVL_MAX, RECONNECT_MAX_MS)
    socket.setsockopt(zmq.BACKLOG, 4096)
    if kind == zmq.ROUTER:
        socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
        # With a domain, which nobody is asked about, libzmq 4.3.5 lets in nobody who speaks ZMTP 1 or 2. What they say
        # first would be the name of their connection, and end this process (an assertion) where the socket is closing.
        socket.setsockopt(zmq.ZAP_DOMAIN, b"qnode")
    return socket


def is_tcp(address: str) -> bool:
    return address.startswith("tcp://")


def prepare_for(socket: zmq.Socket[bytes], address: str) -> None:
    """Before a socket is bound or connected to an address: what goes through a network has heartbeats."""
    if not is_tcp(address):
        return
    if "[" in address:
        socket.setsockopt(zmq.IPV6, 1)
    socket.setsockopt(zmq.HEARTBEAT_IVL, HEARTBEAT_MS)
    socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, SILENCE_MS)
    socket.setsockopt(zmq.HEARTBEAT_TTL, SILENCE_MS)
    socket.setsockopt(zmq.TCP_MAXRT, SILENCE_MS)  # no heartbeat gets out, or is missed, while a long message is stuck
    socket.setsockopt(zmq.CONNECT_TIMEOUT, CONNECT_MS)
    socket.setsockopt(zmq.RECONNECT_IVL, RECONNECT_FAR_MS)
    socket.setsockopt(zmq.RECONNECT_IVL_MAX, RECONNECT_FAR_MAX_MS)
    socket.setsockopt(zmq.TCP_KEEPALIVE, 1)


def connect(socket: zmq.Socket[bytes], address: str) -> None:
    """Raises TransportError for what is no address; nobody need be there yet."""
    prepare_for(socket, address)
    try:
        socket.connect(address)
    except zmq.ZMQError as error:
        raise TransportError(detail=f"cannot connect to {address}: {error.strerror}") from None


def bind(socket: zmq.Socket[bytes], address: str) -> None:
    """Raises TransportError with the address and what is wrong with it."""
    prepare_for(socket, address)
    try:
        socket.bind(address)
    except zmq.ZMQError as error:
        if error.errno == zmq.EADDRINUSE:
            remedy = "another program listens there: end it, or choose another address"
        else:
            remedy = f"{error.strerror}: choose another address"
        raise TransportError(detail=f"cannot listen at {address}: {remedy}") from None


def bound_at(socket: zmq.Socket[bytes]) -> str:
    """Where a socket listens, its port written out."""
    return str(socket.getsockopt_string(zmq.LAST_ENDPOINT))


def check_size(frames: Sequence[bytes]) -> None:
    """Raises TransportError for a frame that the other side's socket would refuse, and end the connection for."""
    for frame in frames:
        if len(frame) > MAX_FRAME_BYTES:
            raise TransportError(
                detail=f"a message of {len(frame)} bytes is longer than the {MAX_FRAME_BYTES} that may travel at once;"
                " send or return it in parts"
            )


class Latest:
    """Connections, of which only the latest are remembered: strangers may come and go for as long as a run takes."""

    def __init__(self, remembered: int = 4096) -> None:
        self._remembered = remembered
        self._latest: dict[bytes, None] = {}

    def __contains__(self, connection: bytes) -> bool:
        return connection in self._latest

    def __len__(self) -> int:
        return len(self._latest)

    def add(self, connection: bytes) -> None:
        self._latest[connection] = None
        if len(self._latest) > self._remembered:
            del self._latest[next(iter(self._latest))]


class Speakers:
    """Counts the connections that have said something, whatever it was.

    One that speaks again after so many others that it is forgotten counts twice, which costs a silent one its place in
    the count, and nothing else.
    """

    def __init__(self, remembered: int = 4096) -> None:
        self.count = 0
        self._latest = Latest(remembered)

    def add(self, connection: bytes) -> None:
        """A connection has said something, perhaps not for the first time."""
        if connection not in self._latest:
            self.count += 1
            self._latest.add(connection)


class Arrivals:
    """Counts the connections to a ROUTER, those that never get a frame through included.

    `refused` is called for each that libzmq itself refuses, because it has no key or another protocol.

    Made before the socket is bound. The queue of what ZeroMQ tells is unlimited, for its own thread waits when it is
    full; it holds one short message for each connection that was not counted yet.
    """

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        socket: zmq.Socket[bytes],
        refused: Callable[[], object] = lambda: None,
    ) -> None:
        self._count = 0
        self._refused = refused
        self._unknown: dict[int, None] = {}  # descriptors of connections that have not greeted, the oldest first
        self._monitored = socket
        address = f"inproc://arrivals-{id(self)}"
        socket.monitor(address, _ARRIVALS)
        self._events = context.socket(zmq.PAIR)
        self._events.setsockopt(zmq.RCVHWM, 0)
        self._events.setsockopt(zmq.LINGER, 0)
        self._events.connect(address)

    def count(self) -> int:
        """How many connections there have been."""
        while self._events.poll(0):
            event, value = _MONITORED.unpack_from(self._events.recv_multipart()[0])
            if event == zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL:
                self._refused()
                continue
            self._unknown.pop(value, None)
            if event == zmq.EVENT_ACCEPTED:
                self._count += 1
                self._unknown[value] = None
        return self._count

    def known(self, descriptor: int) -> None:
        """Whoever is behind this has greeted."""
        self.count()
        self._unknown.pop(descriptor, None)

    def strangers(self, most: int) -> list[int]:
        """The descriptors of connections that have not greeted and are too many: the oldest. Each is told once."""
        self.count()
        found = list(self._unknown)[: max(0, len(self._unknown) - most)]
        for descriptor in found:
            del self._unknown[descriptor]
        return found

    def close(self) -> None:
        """To be called before the socket is closed."""
        self._monitored.disable_monitor()
        self._events.close()


_ARRIVALS: Final = zmq.EVENT_ACCEPTED | zmq.EVENT_DISCONNECTED | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
_losses: Final = itertools.count()


class Loss(IntEnum):
    """Why a connection that we made is not there, or not any more; the worst last."""

    CUT = auto()
    SILENT = auto()  # it ended before either side knew the other: one may have been the end of a server
    OTHER_TALK = auto()
    KEY_REFUSED = auto()


_MONITORED: Final = struct.Struct("=HI")  # an event and its value, as libzmq tells them
_KEY_REFUSED: Final = 400  # what a Doorkeeper says of a key that it does not know
_LOSSES: Final = (
    zmq.EVENT_DISCONNECTED
    | zmq.EVENT_HANDSHAKE_FAILED_AUTH
    | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
    | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
)


def say(socket: zmq.Socket[bytes], *frames: bytes) -> None:
    """Send, and never wait: a socket whose connection was refused has nowhere to put it, and `Losses` tells of that."""
    with suppress(zmq.Again):
        socket.send_multipart(frames, flags=zmq.DONTWAIT)


class Losses:
    """Tells that a socket which connects to somebody has lost its connection, or got none because of its keys.

    The queue of what ZeroMQ tells is unlimited, as for Arrivals: who computes for long, or waits for somebody else,
    does not look, while one who takes a connection and drops it at once is connected to again and again.
    """

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], watched: zmq.Socket[bytes]) -> None:
        self._watched = watched
        address = f"inproc://losses-{next(_losses)}"
        watched.monitor(address, _LOSSES)
        self.socket = context.socket(zmq.PAIR)
        self.socket.setsockopt(zmq.RCVHWM, 0)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.connect(address)

    def came(self) -> Loss | None:
        """What has come since this was last asked; the worst of it."""
        found: Loss | None = None
        while self.socket.poll(0):
            loss = _loss_of(*_MONITORED.unpack_from(self.socket.recv_multipart()[0]))
            found = loss if found is None else max(found, loss)
        return found

    def close(self) -> None:
        """To be called before the socket is closed."""
        self._watched.disable_monitor()
        self.socket.close()


def _loss_of(event: int, value: int) -> Loss:
    match event:
        case zmq.EVENT_HANDSHAKE_FAILED_AUTH if value == _KEY_REFUSED:
            return Loss.KEY_REFUSED
        case zmq.EVENT_DISCONNECTED:
            return Loss.CUT
        case zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL:
            return Loss.SILENT
    return Loss.OTHER_TALK
