"""The virtual clock from a process's side: report, wait for the grant, run, report.

The wait for a grant also looks at what the programs' own sockets, threads and signals have for them. If that is
anything, the process says so once and goes on waiting: what comes from outside is let in when the oracle grants it.
"""

from __future__ import annotations

import selectors
from collections.abc import Iterable, Mapping
from functools import partial

import msgspec

from qnode.errors import NotTheSame
from qnode.runtime.hearing import Hearing
from qnode.runtime.host import NodeHost
from qnode.runtime.logs import format_time
from qnode.runtime.parcels import send_ahead
from qnode.runtime.reports import frame_of
from qnode.runtime.watchdog import Watchdog
from qnode.transport.client import Client
from qnode.transport.peers import Peers
from qnode.wire.grants import joined
from qnode.wire.messages import (
    MAX_FRAME_BYTES,
    Book,
    Gone,
    Goodbye,
    Grant,
    Past,
    Refused,
    Show,
    Step,
    Stop,
    ToNode,
    Wake,
    Welcome,
    decode_step,
    decode_to_node,
    encode,
    error_of,
)


class Outside:
    """Everything outside the emulator that may want something: one descriptor for all loops of this process."""

    def __init__(self, hosts: Iterable[NodeHost]) -> None:
        self._selector = selectors.DefaultSelector()
        self._fd_of: dict[str, int] = {host.name: host.loop.outside_fd() for host in hosts}
        self._host_of: dict[str, NodeHost] = {host.name: host for host in hosts}
        for name, fd in self._fd_of.items():
            self._selector.register(fd, selectors.EVENT_READ, name)
        self._asked: set[str] = set()

    def fileno(self) -> int:
        fd: int = self._selector.fileno()
        return fd

    def ask(self) -> list[NodeHost]:
        """The nodes for which something new is waiting. They are not named again until they have run."""
        waiting = []
        for key, _ in self._selector.select(0):
            self._asked.add(key.data)
            self._selector.unregister(key.fd)
            host = self._host_of[key.data]
            host.loop.woken = True
            waiting.append(host)
        return waiting

    def put(self, host: NodeHost) -> None:
        """Look at a node instead of the one of its name; with `drop`, at none of that name any more."""
        self.drop(host.name)
        self._host_of[host.name] = host
        self._fd_of[host.name] = host.loop.outside_fd()
        self._selector.register(self._fd_of[host.name], selectors.EVENT_READ, host.name)

    def drop(self, name: str) -> None:
        """Look at a node no more."""
        if name in self._host_of and name not in self._asked:
            self._selector.unregister(self._fd_of[name])
        self._asked.discard(name)
        self._host_of.pop(name, None)

    def asked(self) -> list[NodeHost]:
        """The nodes that have been named, and have not run yet."""
        return [self._host_of[name] for name in sorted(self._asked)]

    def close(self) -> None:
        self._selector.close()

    def has_run(self, name: str) -> None:
        """The node has looked at everything that waited for it."""
        if name in self._asked:
            self._asked.discard(name)
            self._selector.register(self._fd_of[name], selectors.EVENT_READ, name)


def drive_virtual(
    hosts: Mapping[str, NodeHost], client: Client, peers: Peers, outside: Outside, watchdog: Watchdog, token: bytes
) -> None:
    """Run the nodes of this process until the oracle stops them."""
    _Driver(hosts, client, peers, outside, watchdog, token).drive()


class _Driver:
    """Runs the nodes of a process, and keeps what they said until they are granted something for it.

    When the oracle has lost the connection, or its process, all of that is said again; what had come is not done twice.
    """

    def __init__(
        self,
        hosts: Mapping[str, NodeHost],
        client: Client,
        peers: Peers,
        outside: Outside,
        watchdog: Watchdog,
        token: bytes,
    ) -> None:
        self._hosts = hosts
        self._client = client
        self._peers = peers
        self._outside = outside
        self._watchdog = watchdog
        self._token = token
        self._unanswered: dict[str, list[bytes]] = {name: [] for name in hosts}
        self._farewells: list[bytes] = []
        self._hearing = Hearing(client, peers)

    def drive(self) -> None:
        """Until the oracle has kept the farewells."""
        client, hosts = self._client, self._hosts
        client.watch(self._outside.fileno())
        client.watch(self._peers.socket)
        for host in hosts.values():
            host.machine.on_part = partial(self._send_part, host)
        while True:
            reports = []
            begun: list[Grant] = []
            past: list[bytes] = []
            for message in self._hearing.take() or _wait(client, self._peers, self._outside):
                if not isinstance(message, Grant):
                    if isinstance(message, Past):
                        past.append(message.content)
                        if not message.more:
                            self._live_again(message.node, decode_step(b"".join(past)))
                            past.clear()
                    elif self._take(message):
                        return
                elif message.node not in hosts:
                    client.refused += 1
                elif message.more:
                    begun.append(message)
                else:
                    if begun:
                        message = joined([*begun, message])
                        begun.clear()
                    if message.step != hosts[message.node].step:
                        continue  # a grant that came before; its report is on its way
                    reports.append(self._run(hosts[message.node], message))
                    self._outside.has_run(message.node)
            if reports:
                client.send(reports)

    def _take(self, message: ToNode) -> bool:
        """Anything but a grant. True if that was all."""
        client = self._client
        match message:
            case Stop():
                self._say_farewell(message)
            case Goodbye():
                return True
            case Show():
                for host in self._hosts.values():
                    client.send([_shown(host)])
            case Gone() | Book():
                self._hearing.heed(message)
            case Welcome():
                self._say_again()
            case Refused():  # what we say is not understood: nobody would ever grant us anything
                raise error_of(message)
            case _:
                client.refused += 1
        return False

    def _say_farewell(self, stop: Stop) -> None:
        """Once; if the oracle was lost, it asks again."""
        if not self._farewells:
            for host in self._hosts.values():
                host.lose(stop.lost, stop.at_ns)
            refused = refused_by(self._hosts, self._peers, self._client)
            self._farewells = [encode(host.farewell(refused=refused[name])) for name, host in self._hosts.items()]
        self._client.send(self._farewells)
        for host in self._hosts.values():  # at once: when all have said so, somebody may end this process
            host.close()

    def _say_again(self) -> None:
        for frames in self._unanswered.values():
            for frame in frames:
                self._client.send([frame])
        for host in self._outside.asked():
            self._client.send([encode(Wake(host.name, host.incarnation))])

    def _live_again(self, name: str, step: Step) -> None:
        """Go through a step that was gone through in a process that was lost."""
        from qnode.runtime.again import execute_again  # lazy: only a process that takes the place of another needs it

        host, grant = self._hosts[name], decode_to_node(step.grant)
        assert isinstance(grant, Grant)  # the oracle that we trust with everything else says so
        self._watchdog.running = name
        self._watchdog.resumptions += 1
        said = execute_again(host, grant, step.frames)
        self._watchdog.running = ""
        if said != step.frames:
            raise NotTheSame(node=name, step=host.step, time=format_time(grant.now_ns))

    def _run(self, host: NodeHost, grant: Grant) -> bytes:
        unanswered = self._unanswered[host.name]
        unanswered.clear()
        self._peers.expect_again()  # the round is over, and who was lost in it has been replaced
        self._watchdog.running = host.name
        self._watchdog.resumptions += 1
        host.resume(grant)
        self._watchdog.running = ""
        report = host.report()
        if report.ops:
            ops = send_ahead(host.name, report.ops, self._peers, self._token, look=self._hearing.look)
            if ops is not report.ops:
                report = msgspec.structs.replace(report, ops=ops)
        frame = frame_of(report, host.programs)
        unanswered.append(frame)
        return frame

    def _send_part(self, host: NodeHost) -> None:
        """Let the oracle work while the node goes on."""
        part = host.part()
        ops = send_ahead(host.name, part.ops, self._peers, self._token, look=self._hearing.look)
        if ops is not part.ops:
            part = msgspec.structs.replace(part, ops=ops)
        frame = encode(part)
        if len(frame) > MAX_FRAME_BYTES:  # the report tells whose fault that is
            host.machine.on_part = None
            return
        self._client.send([frame])
        self._unanswered[host.name].append(frame)
        host.part_left()


def _shown(host: NodeHost) -> bytes:
    shown = host.shown()
    frame = encode(shown)
    if len(frame) > MAX_FRAME_BYTES:
        return encode(msgspec.structs.replace(shown, components=(), too_long=len(frame)))
    return frame


def refused_by(hosts: Mapping[str, NodeHost], peers: Peers, client: Client) -> Mapping[str, int]:
    """How many frames this process refused; they stand with its first node, for all share a socket."""
    peers.serve()
    first, *others = hosts
    return {first: sum(peers.refusals().values()) + client.refused, **dict.fromkeys(others, 0)}


def _wait(client: Client, peers: Peers, outside: Outside) -> list[ToNode]:
    while True:
        ready = client.wait()
        if client in ready:
            return client.receive()
        if peers.socket in ready:
            peers.serve()
        for host in outside.ask():
            client.send([encode(Wake(host.name, host.incarnation))])
