"""Node to node: each process binds one ROUTER and connects a DEALER to each process that it has something for."""

from __future__ import annotations

import hmac
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Final

import zmq
from msgspec.structs import replace

from qnode.errors import MalformedMessage
from qnode.transport.client import Context
from qnode.transport.security import Complaints, Doorkeeper, connect_with, serve_with, speaker_of
from qnode.transport.sockets import (
    SILENT,
    Arrivals,
    Losses,
    Speakers,
    bind,
    bound_at,
    check_size,
    connect,
    make_socket,
    say,
)
from qnode.wire.keys import Keys
from qnode.wire.messages import BetweenNodes, Direct, Parcel, Received, Stored, decode_between_nodes, encode

AT_ONCE: Final = 512  # messages that are taken in one after another
Key = tuple[int, int | bytes]  # a process, and the number or digest of a message for it

ORACLE_HOST: Final = "{oracle}"  # in an address: the host under which its reader reaches the oracle


class Peers:
    """Messages between node processes, each acknowledged.

    A connection belongs to the process whose node it first had a message from; where there are keys, to the node whose
    key it has.

    Args:
        pattern: Addresses, with {} for a process's number.
        number: This process's number.
        process_of: Which process a node lives in; KeyError if there is no such node.
        accept: Told each Parcel and Direct for a node of ours before it is acknowledged.
        listen: Where to listen, if the pattern does not say; then others are reached where a Book says.
        keys: Who we are, where messages leave the machine.

    Attributes:
        refused: How often something was refused, by reason.
    """

    def __init__(
        self,
        context: Context,
        pattern: str,
        number: int,
        token: bytes,
        process_of: Callable[[str], int],
        accept: Callable[[Parcel | Direct], None],
        *,
        listen: str = "",
        keys: Keys | None = None,
    ) -> None:
        self.refused: Counter[str] = Counter()
        self.unacknowledged: dict[Key, bytes] = {}
        self._context = context
        self._pattern = "" if listen else pattern
        self._keys = keys
        self._book: dict[int, tuple[str, str]] = {}
        self._token = token
        self._process_of = process_of
        self._accept = accept
        self._outgoing: dict[int, zmq.Socket[bytes]] = {}
        self._losses: dict[int, Losses] = {}
        self._latest: dict[int, int] = {}  # the number of the last message to each process
        self._gone: set[int] = set()
        self._away: set[int] = set()
        self._poller = zmq.Poller()
        self._speakers = Speakers()
        self._process_behind: dict[bytes, int] = {}
        self.socket = make_socket(context, zmq.ROUTER)
        self._arrivals = Arrivals(context, self.socket)
        if keys is not None:
            Doorkeeper(context, keys, Complaints())
            serve_with(self.socket, keys)
        bind(self.socket, listen or pattern.format(number))
        self._poller.register(self.socket, zmq.POLLIN)

    def send(self, message: Parcel | Direct) -> Key:
        """Send to the process of the message's target; the key under which it is unacknowledged until that has it."""
        process = self._process_of(message.target)
        key = process, message.digest if isinstance(message, Parcel) else message.number
        if isinstance(message, Direct):
            message = replace(message, after=self._latest.get(process, 0))
        frame = encode(message)
        check_size((frame,))
        if process in self._gone or process in self._away:
            return key
        if isinstance(message, Direct):
            self._latest[process] = message.number
        self.unacknowledged[key] = frame
        socket = self._to(process)
        if socket is not None:  # else nobody has told yet where that is, and it goes when somebody does
            say(socket, frame)
        return key

    @property
    def port(self) -> int:
        """Where it listens, if that is a port."""
        return int(bound_at(self.socket).rpartition(":")[2])

    def learn(self, addresses: Mapping[str, str], oracle_host: str) -> None:
        """Where the processes of nodes are, as a Book says; what is not acknowledged goes there.

        Args:
            oracle_host: Under which this process reaches the oracle.
        """
        for name, address in addresses.items():
            process = self._process_of(name)
            entry = address.replace(ORACLE_HOST, oracle_host), name
            if self._book.get(process) != entry:
                self._book[process] = entry
                self._connect_anew(process)

    def give_up(self, node: str, *, for_now: bool = False) -> None:
        """A node is gone, and its process with it: nothing is kept for it any more.

        Args:
            for_now: Until `expect_again`: then another process may have taken its place.
        """
        process = self._process_of(node)
        (self._away if for_now else self._gone).add(process)
        self._latest.pop(process, None)
        self.unacknowledged = {key: frame for key, frame in self.unacknowledged.items() if key[0] != process}

    def expect_again(self) -> None:
        """Whoever was given up for now is there again, or soon will be."""
        self._away.clear()

    def give_up_all(self) -> None:
        """Nobody has to have anything of us any more: the run is over."""
        self.unacknowledged.clear()

    def serve(self, timeout_ms: int | None = 0) -> None:
        """Take in what has come, waiting at most timeout_ms for the first (None: for ever)."""
        for socket, _ in self._poller.poll(timeout_ms):
            if socket is self.socket:
                self._take_messages()
            elif (process := self._process_of_socket(socket)) is not None:
                self._take_acknowledgements(process, socket)
            else:
                self._resend(socket)

    def refusals(self) -> Mapping[str, int]:
        """How often something was refused so far, by reason; what the socket itself refused counts as silent."""
        silent = self._arrivals.count() - self._speakers.count
        return {**self.refused, **({SILENT: silent} if silent > 0 else {})}

    def close(self) -> None:
        self._arrivals.close()
        for losses in self._losses.values():
            losses.close()
        for socket in (self.socket, *self._outgoing.values()):
            socket.close()

    def _to(self, process: int) -> zmq.Socket[bytes] | None:
        socket = self._outgoing.get(process)
        if socket is None:
            address, name = self._book.get(process, (self._pattern.format(process), ""))
            if not address:
                return None
            socket = self._outgoing[process] = make_socket(self._context, zmq.DEALER)
            self._losses[process] = losses = Losses(self._context, socket)
            if self._keys is not None:
                connect_with(socket, self._keys, name)
            connect(socket, address)
            self._poller.register(socket, zmq.POLLIN)
            self._poller.register(losses.socket, zmq.POLLIN)
        return socket

    def _process_of_socket(self, socket: object) -> int | None:
        return next((number for number, one in self._outgoing.items() if one is socket), None)

    def _resend(self, losses: object) -> None:
        """The connection is lost, perhaps with the process: what it has not acknowledged goes over a new one."""
        process = next((number for number, one in self._losses.items() if one.socket is losses), None)
        if process is not None and self._losses[process].came() is not None:  # else it has been replaced meanwhile
            self._connect_anew(process)

    def _connect_anew(self, process: int) -> None:
        if process in self._outgoing:
            losses, socket = self._losses.pop(process), self._outgoing.pop(process)
            for one in (losses.socket, socket):
                self._poller.unregister(one)
            losses.close()
            socket.close(linger=0)
        for (target, _), frame in self.unacknowledged.items():
            if target == process and (to := self._to(process)) is not None:
                say(to, frame)

    def _take_messages(self) -> None:
        for connection, frame, speaker in self._pending(self.socket):
            self._speakers.add(connection)
            try:
                message = decode_between_nodes(frame)
                answer = self._answer(connection, message, speaker)
            except MalformedMessage:
                self.refused["malformed"] += 1
                continue
            if answer is not None:
                self._acknowledge(connection, encode(answer))

    def _answer(self, connection: bytes, message: BetweenNodes, speaker: str) -> Stored | Received | None:
        if not isinstance(message, Parcel | Direct):
            self.refused["not a message for a node"] += 1
            return None
        if not hmac.compare_digest(message.token, self._token):
            self.refused["the token is not this run's"] += 1
            return None
        if self._keys is not None and speaker != message.source:
            self.refused["from a node that its key is not of"] += 1
            return None
        try:
            process = self._process_of(message.source)
        except KeyError:
            self.refused["from a node that does not exist"] += 1
            return None
        if isinstance(message, Direct) and message.message.peer != message.source:
            self.refused["in another node's name"] += 1
            return None
        if self._process_behind.get(connection, process) != process:
            self.refused["from a node of another process"] += 1
            return None
        self._accept(message)
        self._process_behind[connection] = process
        return Stored(message.digest) if isinstance(message, Parcel) else Received(message.number)

    def _acknowledge(self, connection: bytes, frame: bytes) -> None:
        try:
            self.socket.send_multipart([connection, frame], flags=zmq.DONTWAIT)
        except zmq.ZMQError as error:
            self.refused[f"unreachable ({error.errno})"] += 1  # whoever asked is gone

    def _take_acknowledgements(self, process: int, socket: zmq.Socket[bytes]) -> None:
        for _, frame, _ in self._pending(socket):
            try:
                message = decode_between_nodes(frame)
            except MalformedMessage:
                self.refused["malformed"] += 1
                continue
            match message:
                case Stored():
                    self.unacknowledged.pop((process, message.digest), None)
                case Received():
                    self.unacknowledged.pop((process, message.number), None)

    def _pending(self, socket: zmq.Socket[bytes]) -> Iterator[tuple[bytes, bytes, str]]:
        """What has arrived on a socket, as (connection, last frame, whose key it came with)."""
        for _ in range(AT_ONCE):  # then the node goes on: nobody keeps it here by talking
            if not socket.poll(0):
                return
            if self._keys is None:
                frames = socket.recv_multipart()
                yield frames[0], frames[-1], ""
            else:
                named = socket.recv_multipart(copy=False)
                yield named[0].bytes, named[-1].bytes, speaker_of(named[-1])[0]
