"""The virtual clock from a process's side: report, wait for the grant, run, report.

The wait for a grant also looks at what the programs' own sockets, threads and signals have for them. If that is
anything, the process says so once and goes on waiting: what comes from outside is let in when the oracle grants it.
"""

from __future__ import annotations

import selectors
from collections.abc import Iterable, Mapping
from functools import partial

import msgspec

from qnode.runtime.host import NodeHost
from qnode.runtime.parcels import send_ahead
from qnode.runtime.reports import frame_of
from qnode.runtime.watchdog import Watchdog
from qnode.transport.client import Client
from qnode.transport.peers import Peers
from qnode.wire.grants import joined
from qnode.wire.messages import MAX_FRAME_BYTES, Grant, Refused, Show, Stop, ToNode, Wake, encode, error_of


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
    client.watch(outside.fileno())
    client.watch(peers.socket)
    for host in hosts.values():
        host.machine.on_part = partial(_send_part, host, client, peers, token)
    while True:
        reports = []
        begun: list[Grant] = []
        for message in _wait(client, peers, outside):
            if isinstance(message, Stop):
                for host in hosts.values():
                    host.lose(message.lost, message.at_ns)
                refused = refused_by(hosts, peers, client)
                client.send([encode(host.farewell(refused=refused[name])) for name, host in hosts.items()])
                return
            if isinstance(message, Show):
                for host in hosts.values():
                    client.send([_shown(host)])
                continue
            if isinstance(message, Refused):  # what we say is not understood: nobody would ever grant us anything
                raise error_of(message)
            if not isinstance(message, Grant) or message.node not in hosts:
                client.refused += 1
            else:
                if message.more:
                    begun.append(message)
                    continue
                if begun:
                    message = joined([*begun, message])
                    begun.clear()
                host = hosts[message.node]
                if message.step != host.step:
                    continue  # a grant that came before; its report is on its way
                reports.append(_run(host, message, peers, watchdog, token))
                outside.has_run(message.node)
        if reports:
            client.send(reports)


def _shown(host: NodeHost) -> bytes:
    shown = host.shown()
    frame = encode(shown)
    if len(frame) > MAX_FRAME_BYTES:
        return encode(msgspec.structs.replace(shown, components=(), too_long=len(frame)))
    return frame


def _send_part(host: NodeHost, client: Client, peers: Peers, token: bytes) -> None:
    """Let the oracle work while the node goes on."""
    part = host.part()
    ops = send_ahead(host.name, part.ops, peers, token)
    if ops is not part.ops:
        part = msgspec.structs.replace(part, ops=ops)
    frame = encode(part)
    if len(frame) > MAX_FRAME_BYTES:  # the report tells whose fault that is
        host.machine.on_part = None
        return
    client.send([frame])
    host.part_left()


def refused_by(hosts: Mapping[str, NodeHost], peers: Peers, client: Client) -> Mapping[str, int]:
    """How many frames this process refused; they stand with its first node, for all share a socket."""
    peers.serve()
    first, *others = hosts
    return {first: sum(peers.refusals().values()) + client.refused, **dict.fromkeys(others, 0)}


def _run(host: NodeHost, grant: Grant, peers: Peers, watchdog: Watchdog, token: bytes) -> bytes:
    watchdog.running = host.name
    watchdog.resumptions += 1
    host.resume(grant)
    watchdog.running = ""
    report = host.report()
    if report.ops:
        ops = send_ahead(host.name, report.ops, peers, token)
        if ops is not report.ops:
            report = msgspec.structs.replace(report, ops=ops)
    return frame_of(report, host.spec.programs)


def _wait(client: Client, peers: Peers, outside: Outside) -> list[ToNode]:
    while True:
        ready = client.wait()
        if client in ready:
            return client.receive()
        if peers.socket in ready:
            peers.serve()
        for host in outside.ask():
            client.send([encode(Wake(host.name, host.incarnation))])
