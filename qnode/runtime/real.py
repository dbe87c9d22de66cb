"""The real clock from a process's side: network time is the oracle's clock times a speed, and it waits for nobody.

Operations go to the oracle as soon as the programs have nothing left to run; what is granted carries the time at
which it takes effect, and is held back until then. A message goes from node to node and is delivered at
max(arrival, sent + delay). What comes later than it should is measured and reported; time never steps back.
"""

from __future__ import annotations

import heapq
import itertools
import math
import time
from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from qnode.ids import NUMBERS_OF_A_LIFE
from qnode.runtime.hearing import Hearing
from qnode.runtime.host import NodeHost
from qnode.runtime.parcels import send_ahead
from qnode.runtime.reports import frame_of
from qnode.runtime.sequence import InOrder
from qnode.runtime.virtual import Outside, refused_by
from qnode.runtime.watchdog import Watchdog
from qnode.transport.client import Client
from qnode.transport.peers import Peers
from qnode.wire.items import Item, Message
from qnode.wire.messages import Book, Direct, Gone, Grant, Ping, Pong, Refused, Stop, Welcome, encode, error_of
from qnode.wire.operations import Op, Receive, Send
from qnode.wire.plan import RunSpec

_PINGS: Final = 8
_LOOK_MS: Final = 200  # wall time after which peers that owe us an acknowledgement are looked after
_PING_NS: Final = 500_000_000  # wall time between two questions whether what was said has arrived


class NetworkClock:
    """The oracle's network time, estimated from the round trip that was shortest.

    Attributes:
        bound_ns: Half of that round trip, in network time: the estimate is off by no more.
    """

    def __init__(self, speed: float, monotonic_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self._speed = speed
        self._monotonic_ns = monotonic_ns
        self._best_ns: int | None = None
        self._known = (0, 0)
        self._last_ns = 0
        self.bound_ns = 0

    def now_ns(self) -> int:
        """Network time; it never steps back."""
        middle_ns, network_ns = self._known
        now_ns = network_ns + round((self._monotonic_ns() - middle_ns) * self._speed)
        self._last_ns = max(self._last_ns, now_ns)
        return self._last_ns

    def learn(self, pong: Pong) -> None:
        """Take the answer to a Ping into account."""
        trip_ns = self._monotonic_ns() - pong.sent_ns
        if self._best_ns is None or trip_ns < self._best_ns:
            self._best_ns = trip_ns
            self._known = (pong.sent_ns + trip_ns // 2, pong.network_ns)
            self.bound_ns = math.ceil((trip_ns + 1) // 2 * self._speed) + 1  # the one is for rounding

    def wait_ms(self, until_ns: int) -> int:
        """Wall time until a network time, in whole milliseconds rounded down: never too long."""
        return max(0, int((until_ns - self.now_ns()) / self._speed / 1e6))


class _Held:
    """What has arrived and is not due yet, in order of time."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, str, Item]] = []
        self._sequence = itertools.count()

    def add(self, at_ns: int, node: str, item: Item) -> None:
        heapq.heappush(self._heap, (at_ns, next(self._sequence), node, item))

    def due(self, now_ns: int) -> dict[str, list[tuple[int, Item]]]:
        found: dict[str, list[tuple[int, Item]]] = {}
        while self._heap and self._heap[0][0] <= now_ns:
            at_ns, _, node, item = heapq.heappop(self._heap)
            found.setdefault(node, []).append((at_ns, item))
        return found

    def next_ns(self) -> int | None:
        return self._heap[0][0] if self._heap else None


class RealDriver:
    """Runs the nodes of this process as time goes by."""

    def __init__(
        self,
        run: RunSpec,
        hosts: Mapping[str, NodeHost],
        client: Client,
        peers: Peers,
        inbox: list[Direct],
        outside: Outside,
    ) -> None:
        self._hosts = hosts
        self._client = client
        self._peers = peers
        self._inbox = inbox
        self._outside = outside
        self._clock = NetworkClock(run.speed)
        self._logs = run.log_local
        self._held = _Held()
        life = max((host.incarnation for host in hosts.values()), default=0)
        self._numbers = itertools.count(life * NUMBERS_OF_A_LIFE + 1)
        self._process_of = run.processes
        self._in_order = InOrder()
        self._lateness_ns = dict.fromkeys(hosts, 0)
        self._hearing = Hearing(client, peers)
        self._pings = 0
        self._asked = False  # a Ping is under way
        self._asked_ns = 0
        self._unanswered: list[bytes] = []  # what was reported, and may be lost with the connection
        self._said_before = 0  # so many of these were said before the Ping
        self._taken = 0  # of all that was handed out to us
        self._told_taken = 0
        self._started = False
        self._whole_on = client.nth  # the connection over which all was said that may have been lost before

    def drive(self, watchdog: Watchdog, token: bytes) -> None:
        """Run until the oracle says stop."""
        client, peers = self._client, self._peers
        client.watch(self._outside.fileno())
        client.watch(peers.socket)
        while True:
            stop = self._take_in()
            if stop is not None:
                for host in self._hosts.values():
                    host.lose(stop.lost, stop.at_ns)
                client.send(self._farewells())
                return
            if self._started:
                now_ns = self._clock.now_ns()
                due = self._held.due(now_ns)
                for name in sorted(self._hosts):
                    self._run(self._hosts[name], now_ns, due.get(name, []), watchdog, token)
            self._wait()

    # ------------------------------------------------------------ time

    def _ping(self) -> None:
        self._pings += 1
        self._asked, self._asked_ns = True, time.monotonic_ns()
        self._said_before, self._told_taken = len(self._unanswered), self._taken
        self._say([encode(Ping(self._asked_ns, self._taken))])

    def _compare(self, pong: Pong) -> None:
        """Programs start once the clocks have been compared often enough."""
        self._clock.learn(pong)
        if pong.sent_ns != self._asked_ns:  # of a Ping that another connection took along
            return
        self._asked = False
        del self._unanswered[: self._said_before]
        self._said_before = 0
        if self._pings < _PINGS:
            self._ping()
        else:
            self._started = True

    @property
    def _may_be_lost(self) -> bool:
        """Whether there is anything that the other side is not known to have."""
        return bool(self._unanswered) or self._taken > self._told_taken

    def _say_again(self) -> None:
        """The connection was lost, and is there again: what was handed out since goes on behind what we have."""
        self._whole_on = self._client.nth
        if not self._pings:  # the run has not begun for us
            return
        self._ping()
        self._said_before = 0
        for frame in self._unanswered:
            self._say([frame])

    def _say(self, frames: list[bytes]) -> None:
        """Unless the connection is a new one: what was lost with the one before goes first, for steps may have gaps."""
        if self._client.nth == self._whole_on:
            self._client.send(frames)

    def _wait(self) -> None:
        if self._inbox or self._hearing.came or any(host.loop.runnable() for host in self._hosts.values()):
            return  # the inbox fills while a long payload is sent ahead: the socket will not tell of that again
        times = [host.loop.next_timer_ns() for host in self._hosts.values()]
        times.append(self._held.next_ns())
        known = [when for when in times if when is not None]
        # The last millisecond is waited for by looking again and again: poll() knows no less.
        timeout_ms = self._clock.wait_ms(min(known)) if known and self._started else None
        if self._peers.unacknowledged:  # a connection that is lost does not wake us
            timeout_ms = _LOOK_MS if timeout_ms is None else min(timeout_ms, _LOOK_MS)
        if self._started and self._may_be_lost and not self._asked:
            left_ns = self._asked_ns + _PING_NS - time.monotonic_ns()
            if left_ns <= 0:
                self._ping()
            else:
                left_ms = left_ns // 1_000_000 + 1
                timeout_ms = left_ms if timeout_ms is None else min(timeout_ms, left_ms)
        ready = self._client.wait(timeout_ms)
        if self._client not in ready and ready:
            for host in self._outside.ask():
                host.loop.woken = True

    # ------------------------------------------------------------ what comes in

    def _take_in(self) -> Stop | None:
        while (early := self._hearing.take()) or self._client in self._client.wait(0):
            for message in early or self._client.receive():
                if isinstance(message, Stop):
                    return message
                self._take(message)
        self._peers.serve()
        for direct in self._inbox:
            if direct.target not in self._hosts:
                self._peers.refused["for a node that is not here"] += 1
                continue
            try:
                come = self._in_order.take(self._process_of[direct.source], direct)
            except ValueError as error:
                self._peers.refused[str(error)] += 1  # most often it was sent again, or by a life that is over
                continue
            for one in come:
                delay_ns = self._hosts[one.target].spec.delays_ns.get(one.source, 0)
                self._held.add(one.sent_ns + delay_ns, one.target, one.message)
        self._inbox.clear()
        return None

    def _take(self, message: object) -> None:
        match message:
            case Book() | Gone():
                self._hearing.heed(message)
            case Welcome():
                self._say_again()
            case Grant():
                self._taken += bool(message.items)
                if not self._pings:  # the run begins; before, there was no network time to ask for
                    self._ping()
                if message.node not in self._hosts:
                    self._client.refused += 1
                    return
                for item in message.items:
                    self._held.add(message.now_ns, message.node, item)
            case Pong():
                self._compare(message)
            case Refused():  # what we say is not understood: nothing of it would ever be done
                raise error_of(message)
            case _:
                self._client.refused += 1

    def _farewells(self) -> list[bytes]:
        refused, bound_ns = refused_by(self._hosts, self._peers, self._client), self._clock.bound_ns
        return [
            encode(host.farewell(self._lateness_ns[name], bound_ns, refused[name]))
            for name, host in self._hosts.items()
        ]

    # ------------------------------------------------------------ a node runs

    def _run(self, host: NodeHost, now_ns: int, due: list[tuple[int, Item]], watchdog: Watchdog, token: bytes) -> None:
        timer_ns = host.loop.next_timer_ns()
        if host.step and not due and not (timer_ns is not None and timer_ns <= now_ns) and not host.loop.runnable():
            return
        latest = max(
            [now_ns - at_ns for at_ns, _ in due]
            + [now_ns - timer_ns if timer_ns is not None and timer_ns <= now_ns else 0]
        )
        if host.step:
            self._lateness_ns[host.name] = max(self._lateness_ns[host.name], latest)
        if self._logs:
            host.machine.outbox += [_logged(item, now_ns) for _, item in due if isinstance(item, Message)]
        self._peers.expect_again()
        watchdog.running = host.name
        watchdog.resumptions += 1
        host.resume(Grant(host.name, host.step, now_ns, tuple(item for _, item in due)))
        watchdog.running = ""
        self._outside.has_run(host.name)
        report = host.report()
        if report.ops or report.ended or report.heard:
            ops = self._send_messages(host, report.ops, token)
            report = msgspec.structs.replace(report, ops=ops)
            frame = frame_of(report, host.programs)
            self._unanswered.append(frame)
            self._say([frame])

    def _send_messages(self, host: NodeHost, ops: tuple[Op, ...], token: bytes) -> tuple[Op, ...]:
        sent: list[Op] = []
        now_ns = self._clock.now_ns()
        for op in send_ahead(host.name, ops, self._peers, token, look=self._hearing.look):
            if isinstance(op, Send):
                message = Message(
                    host.name,
                    op.program,
                    op.peer_program,
                    op.channel,
                    op.about,
                    op.payload,
                    op.digest,
                    op.size,
                    op.number,
                )
                number = next(self._numbers)
                self._peers.send(Direct(token, host.name, op.peer, number, now_ns, message))
                sent.append(msgspec.structs.replace(op, payload=b"", sent_ns=now_ns))
            else:
                sent.append(op)
        return tuple(sent)


def _logged(message: Message, at_ns: int) -> Receive:
    """What the event log is told of a message: the oracle has not seen it."""
    return Receive(at_ns, message.peer, message.program, message.channel, message.about, message.number, message.size)


def drive_real(
    run: RunSpec,
    hosts: Mapping[str, NodeHost],
    client: Client,
    peers: Peers,
    inbox: list[Direct],
    outside: Outside,
    watchdog: Watchdog,
    token: bytes,
) -> None:
    """Run the nodes of this process in real time until the oracle stops them."""
    RealDriver(run, hosts, client, peers, inbox, outside).drive(watchdog, token)
