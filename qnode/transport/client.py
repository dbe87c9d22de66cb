"""A process's side: one DEALER to the oracle, and everything else that may wake the process up."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import zmq
from msgspec.structs import replace

from qnode.errors import KeyRefused, MalformedMessage, TransportError
from qnode.transport.security import connect_with
from qnode.transport.sockets import (
    RECONNECT_MAX_MS,
    RECONNECT_MS,
    SESSION_BYTES,
    Loss,
    Losses,
    check_size,
    connect,
    make_socket,
    say,
)
from qnode.wire.keys import ORACLE, Keys
from qnode.wire.messages import (
    PROTOCOL_VERSION,
    Hello,
    Refused,
    ToNode,
    Welcome,
    decode_to_node,
    encode,
    error_of,
)

Context = zmq.Context[zmq.Socket[bytes]]
_SIGNALS_MS: Final = 500
"""So long a process that ends itself at signals waits at once: one that comes just before poll() does not wake it."""

_MOST_SILENT: Final = 3  # connections that end before either side knows the other
_ONE_SET: Final = "oracle and nodes need keys of the same `qnode keys`"
_SOCKETS: Final = 1023  # what a context has room for, unless it is told


def make_context(peers: int = 0) -> Context:
    """One for a process; made after the fork, never before. `peers`: how many processes it may have something for."""
    context: Context = zmq.Context()
    if peers > _SOCKETS // 2:
        context.set(zmq.MAX_SOCKETS, peers + _SOCKETS)
    return context


class Client:
    """The connection to the oracle. `watch` adds descriptors that `wait` looks at as well.

    When the connection is lost, a new one is made and greets as the same session. Then `receive` brings a second
    Welcome: whoever gets it says again what was not answered, for it may have been lost.

    Args:
        watched: Whether losses are noticed at all.
        patience_s: How long the oracle may be gone until `wait` raises TransportError. None: for ever; a process that
            somebody started and watches need not count.
        keys: Who we are, where messages leave the machine.
        told: Hears when the connection is lost, and when it is there again.

    Attributes:
        refused: How many frames came that say nothing to a node.
    """

    def __init__(
        self,
        context: Context,
        address: str,
        *,
        watched: bool = True,
        patience_s: float | None = None,
        keys: Keys | None = None,
        told: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.refused = 0
        self._context = context
        self._address = address
        self._watched = watched
        self._patience_s = patience_s
        self._keys = keys
        self._silent = 0
        self._told = told
        self._has_been_here = False
        self._hello = Hello(PROTOCOL_VERSION, b"", "node", (), secrets.token_bytes(SESSION_BYTES))
        self._gone_since: float | None = None
        self._losses_in_a_row = 0
        self._poller = zmq.Poller()
        self._connect()

    def _connect(self) -> None:
        self._socket = make_socket(self._context, zmq.DEALER)
        self._losses = Losses(self._context, self._socket) if self._watched else None
        if self._keys is not None:
            connect_with(self._socket, self._keys, ORACLE)
        connect(self._socket, self._address)
        self._poller.register(self._socket, zmq.POLLIN)
        if self._losses is not None:
            self._poller.register(self._losses.socket, zmq.POLLIN)

    def _disconnect(self, linger_ms: int | None = None) -> None:
        self._poller.unregister(self._socket)
        if self._losses is not None:
            self._poller.unregister(self._losses.socket)
            self._losses.close()
        self._socket.close(linger_ms)

    @property
    def nth(self) -> int:
        """Which connection this is; the first is 0."""
        return self._hello.nth

    @property
    def host(self) -> str:
        """Under which this process reaches the oracle, if that is through a network."""
        return self._address.partition("://")[2].rpartition(":")[0]

    def greet(
        self,
        token: bytes,
        nodes: Sequence[tuple[str, int]],
        *,
        timeout_s: float = 30.0,
        facts: Mapping[str, str] = {},
        address: str = "",
    ) -> Welcome:
        """Say who we are. Raises what the oracle refuses us with, or TransportError if it does not answer.

        Args:
            facts: What must be as it is at the oracle.
            address: Where the other processes reach this one.
        """
        told = {"token": token, "nodes": tuple(nodes), "facts": dict(facts), "address": address}
        self._hello = replace(self._hello, **told)
        say(self._socket, encode(self._hello))
        deadline = time.monotonic() + timeout_s
        while self not in self.wait(max(0, min(_SIGNALS_MS, int((deadline - time.monotonic()) * 1000)))):
            if time.monotonic() >= deadline:
                raise TransportError(detail=f"the oracle at {self._address} did not answer within {timeout_s:g} s")
        answer = decode_to_node(self._socket.recv())
        if isinstance(answer, Refused):
            raise error_of(answer)
        if not isinstance(answer, Welcome):
            raise TransportError(detail=f"the oracle answered a greeting with {type(answer).__name__}")
        self._welcomed()
        lives = [(name, answer.incarnations.get(name, incarnation)) for name, incarnation in nodes]
        self._hello = replace(self._hello, nodes=tuple(lives))  # as that we greet again
        return answer

    def send(self, frames: Sequence[bytes]) -> None:
        """Raises TransportError for a frame that is too long to travel."""
        check_size(frames)
        say(self._socket, *frames)

    def watch(self, other: int | zmq.Socket[bytes]) -> None:
        """Let `wait` return when this descriptor or socket is readable too."""
        self._poller.register(other, zmq.POLLIN)

    def unwatch(self, other: int | zmq.Socket[bytes]) -> None:
        self._poller.unregister(other)

    def wait(self, timeout_ms: int | None = None) -> set[object]:
        """Wait for the oracle or for anything watched; which of them are readable (`self` stands for the oracle)."""
        slice_ms = _SIGNALS_MS if timeout_ms is None and self._patience_s is not None else timeout_ms
        while True:
            ready: set[object] = {source for source, _ in self._poller.poll(slice_ms)}
            if self._socket in ready:  # what had arrived before a loss is taken first
                ready.add(self)
                return ready
            if self._losses is not None and self._losses.socket in ready:
                ready.discard(self._losses.socket)
                if self._socket.poll(0):  # it came just before the loss, and after the socket was looked at
                    return {self, *ready}
                self._lost()
            self._check_patience()
            if ready or timeout_ms is not None:
                return ready

    def receive(self) -> list[ToNode]:
        """What the next message says, frame by frame; waits for it. Frames that say nothing are counted as refused."""
        said: list[ToNode] = []
        for frame in self._socket.recv_multipart():
            try:
                said.append(decode_to_node(frame))
            except MalformedMessage:
                self.refused += 1
        if self._gone_since is not None and said and isinstance(said[0], Welcome):
            self._welcomed()
        return said

    def close(self) -> None:
        self._disconnect()

    def _lost(self) -> None:
        """Greet again, over a connection of its own: on the old one, what nobody has taken would go before."""
        loss = None if self._losses is None else self._losses.came()
        if loss is None:
            return
        self._check_keys(loss)
        if self._gone_since is None:
            self._gone_since = time.monotonic()
            if self._has_been_here and self._patience_s:
                self._told(f"no connection to the oracle any more; trying again for {self._patience_s:g} s")
        self._check_patience()
        # Whoever takes a connection and drops it at once must not make us try as fast as we can.
        time.sleep(min(RECONNECT_MAX_MS, RECONNECT_MS * 2 ** min(self._losses_in_a_row, 10)) / 1000)
        self._losses_in_a_row += 1
        self._disconnect(0)
        self._connect()
        self._hello = replace(self._hello, nth=self._hello.nth + 1)
        if self._hello.nodes:  # else nobody has greeted yet
            say(self._socket, encode(self._hello))

    def _check_keys(self, loss: Loss) -> None:
        whose = "" if self._keys is None else f" of {self._keys.name}"
        self._silent = self._silent + 1 if loss is Loss.SILENT else 0
        if loss is Loss.KEY_REFUSED:
            raise KeyRefused(detail=f"the oracle at {self._address} does not know the key{whose}; {_ONE_SET}")
        if loss is not Loss.OTHER_TALK and self._silent < _MOST_SILENT:
            return
        if self._keys is None:
            raise KeyRefused(detail=f"what listens at {self._address} wants a key, or is no oracle; give --keys")
        raise KeyRefused(
            detail=f"what listens at {self._address} is not the oracle that the keys{whose} are for: it has other keys,"
            f" or none, or is something else; {_ONE_SET}"
        )

    def _welcomed(self) -> None:
        if self._has_been_here:
            self._told("the oracle is here again")
        self._has_been_here = True
        self._gone_since = None
        self._losses_in_a_row = 0

    def _check_patience(self) -> None:
        if self._gone_since is None or self._patience_s is None:
            return
        if time.monotonic() - self._gone_since >= self._patience_s:
            waited = f", and has not come back for {self._patience_s:g} s" if self._patience_s else ""
            raise TransportError(detail=f"the oracle at {self._address} is gone, or its machine is{waited}")
