"""The oracle's side: one ROUTER, and who is behind each of its connections."""

from __future__ import annotations

import hmac
import math
import os
import re
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import zmq

from qnode.errors import MalformedMessage, QnodeError, TransportError
from qnode.transport.guard import Guard, cut, descriptor_of
from qnode.transport.security import Complaints, Doorkeeper, is_named, serve_with, speaker_of
from qnode.transport.sockets import SILENT, Arrivals, Latest, Speakers, bind, bound_at, check_size, is_tcp, make_socket
from qnode.wire.keys import Keys
from qnode.wire.messages import (
    PROTOCOL_VERSION,
    TO_BE_TOLD,
    Hello,
    Refused,
    Welcome,
    decode_to_oracle,
    encode,
    fields_of,
)

LOOK_NS: Final = 500_000  # wall time; a step of the virtual clock takes half of it
MOST_BLIND: Final = 63  # receives without looking, after looking was in vain again and again
CORES: Final = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
_ADDRESS: Final = re.compile(r"tcp://(\{oracle\}|[\w.-]{1,255}|\[[0-9A-Fa-f:.]{2,45}(%\w{1,20})?\]):\d{1,5}", re.ASCII)
_TAKEN: Final = "a node of that name is connected already"
_MOST_WAITING: Final = 1_000  # processes that greet for nodes which are being lost
_Waiting = tuple[bytes, list[bytes], tuple[str, str], int]  # a connection, its greeting, whose that is, a descriptor
_NAME_CHARS: Final = 60  # of what a stranger says, in a line of ours
MUTED: Final = "from a connection that is not listened to any more"
MOST_FRAMES: Final = 64  # of a message; and of a process of many nodes, so many as tell of each
LOOK_AFTER_S: Final = 0.2
ROLES: Final = frozenset({"node", "cluster", "steering"})
MOST_GREETING_BYTES: Final = 2**20  # of whoever lives with thousands of nodes in one process
IDLE_MS: Final = 250  # how long the server waits at most before its owner can do something else


class Server:
    """Takes frames from connections that said a valid Hello; everything else is refused and counted.

    A connection is a routing id that ZeroMQ made: clients choose none. Its first frame binds it to the nodes that it
    names. A node that has a connection keeps it until the same session greets again, over another, or a process that
    may take its place does. Whatever the old connection still says is refused.

    Args:
        keys: Who we are, where messages leave the machine: then a connection is who its key says.
        why_not: What speaks against letting somebody in who says this Hello; "" for nothing.
        most_connections: Through a network, that have not said a good Hello; of more, the oldest are ended.
        most_refusals: Messages of one connection that are refused in a second; then nothing of it is read any more.

    Attributes:
        nodes_of, connection_of: Which nodes are behind a connection, and the other way round.
        hellos: What each connection greeted with.
        incarnations: Which life each node is in; a process that is in another is refused.
        admits: Whether another process may take the place of the one that is connected with these nodes.
        knocks: Told of nodes for which another process has greeted that may not; it may put them among `leaving`.
        leaving: Nodes that are being lost. Who greets for one of them waits until `open_to` says that it may.
        lost: Nodes that have no place in the run any more, and why.
        roles: What a connection said it is: "node", "cluster" or "steering".
        refused: How often something was refused, by reason.
    """

    def __init__(
        self,
        address: str,
        token: bytes,
        *,
        keys: Keys | None = None,
        why_not: Callable[[Hello], str] | None = None,
        most_connections: int = 2_000,
        most_refusals: int = 10_000,
    ) -> None:
        self.refused: Counter[str] = Counter()
        self.nodes_of: dict[bytes, frozenset[str]] = {}
        self.connection_of: dict[str, bytes] = {}
        self.roles: dict[bytes, str] = {}
        self.hellos: dict[bytes, Hello] = {}
        self.incarnations: Mapping[str, int] = {}
        self.admits: Callable[[frozenset[str]], bool] = lambda nodes: False
        self.knocks: Callable[[frozenset[str]], object] = lambda nodes: None
        self.leaving: set[str] = set()
        self.lost: dict[str, str] = {}
        self._waiting: list[_Waiting] = []
        self._may_come: deque[_Waiting] = deque()
        self._connection_of_session: dict[bytes, bytes] = {}
        self._replaced = Latest()
        self._replaced_sessions: set[bytes] = set()
        self._token = token
        self._keys = keys
        self._objects = why_not
        self._complaints = Complaints()
        self._speaker = ("", "")
        self._descriptor = -1  # of the connection of the message that was taken last, if it came through a network
        self._guard = Guard(most_refusals)
        self._most_connections = most_connections
        self._next_look = 0.0
        self._vain = 0
        self._blind = 0
        self._speakers = Speakers()
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket = make_socket(self._context, zmq.ROUTER)
        self._socket.setsockopt(zmq.RCVTIMEO, IDLE_MS)
        self._take = self._take_named if is_tcp(address) else self._socket.recv_multipart
        self._arrivals = Arrivals(self._context, self._socket, self._wrong_talk)
        if keys is not None:
            Doorkeeper(self._context, keys, self._complaints)
            serve_with(self._socket, keys)
        try:
            bind(self._socket, address)
        except TransportError:
            self.close()
            raise

    def receive(self, timeout_ms: int | None = None, *, running: int = 0) -> tuple[bytes, list[bytes]] | None:
        """The next message of a known connection as (connection, frames); None after timeout_ms.

        Without a time-out it waits for IDLE_MS, and costs less: there is no poll before each message. Whatever is said
        in vain meanwhile, it returns by then.

        A Hello is answered here; the frames of a connection that has just said a good one come back as an empty list.

        Args:
            running: How many processes of this machine were told to do what we wait for; 0 if nobody was.
        """
        if 0 < running <= CORES:
            self._look()
        while self._may_come:
            connection, came, self._speaker, self._descriptor = self._may_come.popleft()
            if self._greet(connection, came):
                return connection, []
        deadline = math.inf if timeout_ms is None else time.monotonic() + timeout_ms / 1000
        while timeout_ms is None or self._poll(timeout_ms):
            try:
                connection, *frames = self._take()
            except zmq.Again:
                return None
            heard = self._heed(connection, frames)
            if heard is not None:
                return connection, heard
            now = time.monotonic()  # who speaks in vain makes us wait no longer, nor less
            if timeout_ms is None:
                deadline = min(deadline, now + IDLE_MS / 1000)
            else:
                timeout_ms = int((deadline - now) * 1000)
            if now >= deadline:
                return None
        return None

    def _heed(self, connection: bytes, frames: list[bytes]) -> list[bytes] | None:
        """What a message says to whoever owns us; None if nothing."""
        if self._guard.is_muted(connection):
            self.refused[MUTED] += 1
            return None
        if connection in self.nodes_of:
            if len(frames) > MOST_FRAMES and len(frames) > 4 * len(self.nodes_of[connection]):
                self.refuse(connection, MalformedMessage(detail=f"a message of {len(frames)} frames"))
                return None
            return frames
        if connection in self._replaced:
            self.refused["from a connection that was replaced"] += 1
            self.blame(connection)
            return None
        self._speakers.add(connection)
        return [] if self._greet(connection, frames) else None

    def _poll(self, timeout_ms: int) -> bool:
        """Whether a message comes within that time; meanwhile it is looked after strangers."""
        while timeout_ms > IDLE_MS:
            if self._socket.poll(IDLE_MS):
                return True
            if self._take == self._take_named:
                self._end_strangers()
            timeout_ms -= IDLE_MS
        return bool(self._socket.poll(timeout_ms))

    @property
    def address(self) -> str:
        """Where it listens, its port written out."""
        return bound_at(self._socket)

    @property
    def addresses(self) -> dict[str, str]:
        """Where each node that has said so is reached by the others."""
        return {name: hello.address for hello in self.hellos.values() if hello.address for name, _ in hello.nodes}

    @property
    def unheard(self) -> set[str]:
        """Nodes that are not listened to any more."""
        return {name for name, connection in self.connection_of.items() if self._guard.is_muted(connection)}

    def _take_named(self) -> list[bytes]:
        """A message of a connection through a network; if that is not known yet, whose it is, too."""
        now = time.monotonic()
        if now >= self._next_look:
            self._next_look = now + LOOK_AFTER_S
            self._end_strangers()
        frames = self._socket.recv_multipart(copy=False)
        connection = frames[0].bytes
        self._descriptor = descriptor_of(frames[-1])
        if connection not in self.nodes_of:
            self._speaker = speaker_of(frames[-1])
        return [connection, *(frame.bytes for frame in frames[1:])]

    def send(self, connection: bytes, frames: Sequence[bytes]) -> bool:
        """Never waits. False if nobody is at the other end any more.

        Raises TransportError for a frame that is too long to travel: the other side would wait for it for ever.
        """
        check_size(frames)
        try:
            self._socket.send_multipart([connection, *frames], flags=zmq.DONTWAIT)
        except zmq.Again:
            self.refused["does not read what it is sent"] += 1
            return False
        except zmq.ZMQError as error:
            if connection not in self.nodes_of:  # else it is one of ours that was lost, and will come back, or not
                self.refused[f"unreachable ({error.errno})"] += 1
            return False
        return True

    def blame(self, connection: bytes, cost: int = 1) -> None:
        """A connection has said something in vain. One that does so too often is not listened to any more."""
        if self._guard.blame(connection, cost):
            self._complaints.say(f"not listened to any more: {self._whose(connection)}, of which too much was refused")
            cut(self._descriptor)

    def _whose(self, connection: bytes) -> str:
        hello = self.hellos.get(connection)
        return "a connection" if hello is None else f"the connection of {_named(hello)}"

    def _end_strangers(self) -> None:
        """Of connections that have said no good Hello there must not be too many."""
        for descriptor in self._arrivals.strangers(self._most_connections):
            self.refused["a connection too many that had not greeted"] += 1
            cut(descriptor)

    def _look(self) -> None:
        """Look for a message for a short while, without giving the processor up.

        Being woken takes longer than most nodes run for at an instant. Where looking was in vain, because they run for
        longer or the machine has other things to do, it is left out for ever more receives.
        """
        if self._blind:
            self._blind -= 1
            return
        get, now_ns = self._socket.get, time.perf_counter_ns
        end_ns = now_ns() + LOOK_NS
        while not int(get(zmq.EVENTS)) & zmq.POLLIN:
            if now_ns() > end_ns:
                self._vain = min(2 * self._vain + 1, MOST_BLIND)
                self._blind = self._vain
                return
        self._vain = 0

    def let_go(self, node: str) -> None:
        """A node has no connection any more: what its old one brings is refused, and it may have another."""
        connection = self.connection_of.pop(node, None)
        if connection is None:
            return
        self.nodes_of[connection] -= {node}
        session = self.hellos[connection].session
        if session and not self.nodes_of[connection]:
            self._connection_of_session.pop(session, None)
            self._replaced_sessions.add(session)

    def open_to(self, node: str) -> None:
        """A node that was leaving has left: whoever greeted for it meanwhile is heard now."""
        self.leaving.discard(node)
        self._may_come += self._waiting
        self._waiting = []

    def refuse(self, connection: bytes, error: QnodeError) -> None:
        """Answer what must not be done with the error, and count it."""
        self.refused[error.code] += 1
        self.blame(connection)
        self.send(connection, [encode(Refused(error.code, fields_of(error)))])

    def refusals(self) -> Mapping[str, int]:
        """How often something was refused so far, by reason; what the socket itself refused counts as silent."""
        silent = self._arrivals.count() - self._speakers.count
        return {**self.refused, **({SILENT: silent} if silent > 0 else {})}

    def close(self) -> None:
        self._arrivals.close()
        self._socket.close()
        self._context.term()

    def _greet(self, connection: bytes, frames: list[bytes]) -> bool:
        try:
            hello = _hello(frames)
        except MalformedMessage:
            self.refused["no hello"] += 1  # not answered: who speaks no protocol of ours would not read it
            self.blame(connection)
            return False
        if self._is_overtaken(hello):
            self.refused["a greeting that a later one has overtaken"] += 1
            self._replaced.add(connection)
            return False
        reason = self._why_not(hello)
        if reason == _TAKEN:
            self.knocks(frozenset(name for name, _ in hello.nodes))
            reason = self._why_not(hello)
        if reason:
            self.refused[reason] += 1
            self._complain(hello, reason)
            self.blame(connection)
            self.send(connection, [encode(Refused("ProtocolViolation", {"detail": reason}))])
            return False
        names = frozenset(name for name, _ in hello.nodes)
        if not names.isdisjoint(self.leaving):
            self._waiting = [*self._waiting[1 - _MOST_WAITING :], (connection, frames, self._speaker, self._descriptor)]
            return False
        for old in self._before(hello, names):
            self._replace(old, hello.session)
        self._arrivals.known(self._descriptor)
        self.nodes_of[connection] = names
        self.roles[connection] = hello.role
        self.hellos[connection] = hello
        if hello.session:
            self._connection_of_session[hello.session] = connection
        for name in names:
            self.connection_of[name] = connection
        lives = {name: self.incarnations[name] for name in sorted(names & self.incarnations.keys())}
        self.send(connection, [encode(Welcome(PROTOCOL_VERSION, lives))])
        return True

    def _why_not(self, hello: Hello) -> str:
        if hello.version != PROTOCOL_VERSION:
            return f"protocol version {hello.version} is not {PROTOCOL_VERSION}: the other side runs another qnode"
        if not hmac.compare_digest(hello.token, self._token):
            return "the token is not this run's"
        names = frozenset(name for name, _ in hello.nodes)
        if self.incarnations and (strange := sorted(names - self.incarnations.keys())):
            return f"there is no node {strange[0][:_NAME_CHARS]!r} in this network"
        if hello.role not in ROLES or (bool(names) != (hello.role == "node")):
            return f"nobody is {hello.role[:_NAME_CHARS]!r} with {len(names)} nodes; processes of nodes name theirs"
        if self._keys is not None and not is_named(self._speaker[0], names, hello.role):
            return f"its key is that of {self._speaker[0]}, and it says that it is {_named(hello)}"
        if hello.address and not _ADDRESS.fullmatch(hello.address):
            return f"{hello.address[:_NAME_CHARS]!r} is no address at which others could reach it"
        if self._objects is not None and (objection := self._objects(hello)):
            return objection
        for name in sorted(names & self.lost.keys()):
            return f"{name} was lost ({self.lost[name]}), and the run has gone on without it"
        if hello.session in self._replaced_sessions:
            return "another process has taken the place of this one"
        for name, incarnation in hello.nodes:
            now = self.incarnations.get(name, incarnation)
            if incarnation not in (now, TO_BE_TOLD):
                return f"{name} is in incarnation {now}, not {incarnation}"
        for old in self._before(hello, names):
            same = hello.session and self.hellos[old].session == hello.session and self.roles[old] == hello.role
            if self.nodes_of[old] != names or not (same or self.admits(names)):
                return "" if self.leaving.issuperset(names) else _TAKEN
        return ""

    def _is_overtaken(self, hello: Hello) -> bool:
        """Whether its process has another connection since: ZeroMQ may have made one on its way to being closed."""
        now = self._connection_of_session.get(hello.session)
        return now is not None and hello.nth < self.hellos[now].nth

    def _before(self, hello: Hello, names: frozenset[str]) -> set[bytes]:
        """The connections that have had what this greeting is for."""
        found = {self.connection_of[name] for name in names if name in self.connection_of}
        if hello.session in self._connection_of_session:
            found.add(self._connection_of_session[hello.session])
        return found

    def _replace(self, connection: bytes, session: bytes) -> None:
        for name in self.nodes_of.pop(connection):
            del self.connection_of[name]
        del self.roles[connection]
        before = self.hellos.pop(connection).session
        self._connection_of_session.pop(before, None)
        if before and before != session:
            self._replaced_sessions.add(before)
        self._replaced.add(connection)

    def _complain(self, hello: Hello, reason: str) -> None:
        """One line for whoever sees to the oracle; a run on one machine is told at the other end alone."""
        _, where = self._speaker
        if where:
            self._complaints.say(f"refused {_named(hello)} at {where}: {reason}")

    def _wrong_talk(self) -> None:
        why = "no key" if self._keys is not None else "a key, and none is used here"
        self._complaints.say(f"refused a connection: it has {why}, or speaks another protocol")


def _named(hello: Hello) -> str:
    """Who somebody says they are, in a few words whatever they say."""
    names = [name[:_NAME_CHARS] for name, _ in hello.nodes[:2]]
    return (" and ".join(names) + (" and others" if len(hello.nodes) > 2 else "")) or hello.role[:_NAME_CHARS]


def _hello(frames: list[bytes]) -> Hello:
    if len(frames) != 1:
        raise MalformedMessage(detail=f"a greeting has one frame, not {len(frames)}")
    if len(frames[0]) > MOST_GREETING_BYTES:  # not even read
        raise MalformedMessage(detail=f"a greeting of {len(frames[0])} bytes")
    message = decode_to_oracle(frames[0])
    if not isinstance(message, Hello):
        raise MalformedMessage(detail=f"the first message must be Hello, not {type(message).__name__}")
    return message
