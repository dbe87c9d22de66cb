"""The process beside a run: reads its event log as it grows, publishes it, answers Prometheus, takes commands.

It ends when it is told that the run is over, or when whoever started it is gone.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import time
from functools import partial
from pathlib import Path
from typing import Final

import msgspec

from orchestrator.oracle.spec import events_path
from orchestrator.telemetry import tally as tallies
from orchestrator.telemetry.backlog import Backlog
from orchestrator.telemetry.commands import Commands, Steers
from orchestrator.telemetry.orders import End, Mqtt, Outcome, Prometheus, Spec, Steer, decode_order, write_outcome
from orchestrator.telemetry.tail import Tail
from orchestrator.telemetry.tally import Tally
from orchestrator.telemetry.topics import Topics

_NICE: Final = 10
_LONGEST_ORDER: Final = 1 << 24  # bytes
_EVERY_S: Final = 0.2  # between two looks at the log without a broker
_METRICS_EVERY_S: Final = 1.0
_BUSY: Final = 9  # for each second of computing, this many of rest: the run has the machine first
_LONGEST_REST_S: Final = 2.0
_DESERTED: Final = End((), 0.5)  # whoever started the run is gone, and the run with it

_encode = msgspec.json.Encoder().encode


class Beside:
    """Everything of one run.

    Args:
        spec: The run.
    """

    def __init__(self, spec: Spec) -> None:
        self._spec = spec
        self._tally = Tally(spec.programs)
        self._tail = Tail(events_path(spec.folder))
        self._ended: asyncio.Future[End] = asyncio.get_running_loop().create_future()
        self._broker = _Broker(spec, spec.mqtt, self._tally) if spec.mqtt is not None else None
        self._every_s = spec.mqtt.every_s if spec.mqtt is not None else _EVERY_S
        self._problem = ""
        if spec.prometheus is not None:
            self._answer(spec.prometheus)

    def _answer(self, where: Prometheus) -> None:
        from orchestrator.telemetry.exposition import Metrics, serve  # lazy: an extra of its own

        try:
            port = serve(Metrics(self._spec, self._tally, self._broker), where)
        except OSError as error:
            self._problem = f"no metrics for Prometheus at {where.host}:{where.port}: {error.strerror or error}"
            say(f"{self._problem}; the run goes on")
        else:
            if not where.port:
                say(f"metrics for Prometheus at http://{where.host}:{port}/metrics")

    async def run(self, orders: asyncio.StreamReader) -> None:
        """Until the run is over and the broker has been told, or does not listen."""
        async with asyncio.TaskGroup() as group:
            taking = group.create_task(self._take(orders), name="telemetry: orders")
            publishing = None
            if self._broker is not None:
                publishing = group.create_task(self._broker.publisher.run(), name="telemetry: broker")
            await self._look_until_the_end()
            end = await self._ended
            self._tally.ended(end.lost)
            if self._broker is not None and publishing is not None:
                await self._broker.take_leave(publishing, end.limit_s)
            taking.cancel()
        problem = self._broker.publisher.problem if self._broker is not None else ""
        backlog = Backlog(0) if self._broker is None else self._broker.backlog
        outcome = Outcome(backlog.offered, backlog.published, backlog.dropped, problem or self._problem)
        write_outcome(Path(self._spec.folder), outcome)

    async def _take(self, orders: asyncio.StreamReader) -> None:
        while line := await orders.readline():
            order = decode_order(line)
            if order.reached is not None:
                self._tally.now_ns, self._tally.steps = order.reached.now_ns, order.reached.steps
                self._tally.started()
            if order.steer is not None and self._broker is not None:
                self._broker.steer(order.steer)
            if order.end is not None:
                self._ended.set_result(order.end)
                return
        self._ended.set_result(_DESERTED)

    async def _look_until_the_end(self) -> None:
        is_over = False
        before_s = time.process_time()
        while not is_over:
            is_over = self._ended.done()  # before the log is read: then what is read last is its end
            await self._look()
            now_s = time.process_time()  # what was published since the last look is in it
            rest_s = min(_BUSY * (now_s - before_s), _LONGEST_REST_S)
            before_s = now_s
            if not is_over:
                await asyncio.wait((self._ended,), timeout=max(self._every_s, rest_s))

    async def _look(self) -> None:
        while chunk := self._tail.read():
            by_node = self._tally.take(chunk)
            if self._broker is not None:
                self._broker.put(by_node)
            await asyncio.sleep(0)  # orders and the broker have their turn
        if self._broker is not None:
            self._broker.tell()


class _Broker:
    """What goes to the broker."""

    def __init__(self, spec: Spec, mqtt: Mqtt, tally: Tally) -> None:
        from orchestrator.telemetry.publisher import Publisher  # lazy: an extra of its own

        self._clear = mqtt.clear
        self._tally = tally
        self._topics = Topics(mqtt.topic, spec.run)
        self._node_topics = {node: self._topics.node_status(node) for node in spec.programs}
        self._commands = Commands(spec.clock, self._pause) if mqtt.commands else None
        self._paused = False
        self._next_metrics = 0.0
        self.backlog = Backlog(mqtt.queue)
        self.publisher = Publisher(mqtt, self._topics, self.backlog, self._commands, say)
        self.tell()

    @property
    def connected(self) -> bool:
        return self.publisher.connected

    def put(self, by_node: dict[str, list[bytes]]) -> None:
        """Events from the log."""
        self.backlog.put(tallies.batches(by_node, self._topics))
        self.publisher.wake()

    def tell(self) -> None:
        """Statuses if they have changed, and now and then the metrics."""
        for node, status in self._tally.status.items():
            self.publisher.retain(self._node_topics[node], status.encode())
        self.publisher.retain(self._topics.status, self._status().encode())
        if time.monotonic() >= self._next_metrics:
            self._next_metrics = time.monotonic() + _METRICS_EVERY_S
            self._tell_metrics()

    def steer(self, steer: Steer) -> None:
        """Where commands go from now on."""
        if self._commands is not None:
            self._commands.steer_by(partial(_steering, steer))

    async def take_leave(self, publishing: asyncio.Task[None], limit_s: float) -> None:
        """The last of the events, then the last of the statuses, then the end of the connection, as time allows."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        if self._commands is not None:
            self._commands.ended()
        self.publisher.hurry()
        await self._drain(publishing, now + 0.75 * limit_s)
        self.backlog.give_up()
        self.tell()
        self._tell_metrics()
        await self._drain(publishing, now + limit_s)
        if self._clear:
            self.publisher.forget_retained()
            await self._drain(publishing, now + limit_s)
        self.publisher.finish()
        await asyncio.wait((publishing,), timeout=max(0.1, now + limit_s - loop.time()))
        publishing.cancel()
        await asyncio.wait((publishing,))

    async def _drain(self, publishing: asyncio.Task[None], deadline: float) -> None:
        draining = asyncio.ensure_future(self.publisher.drained())
        left_s = max(0.0, deadline - asyncio.get_running_loop().time())
        await asyncio.wait((draining, publishing), timeout=left_s, return_when=asyncio.FIRST_COMPLETED)
        draining.cancel()

    def _status(self) -> str:
        tally = self._tally
        if tally.how:
            return tally.how
        if tallies.STARTING in tally.status.values():
            return tallies.STARTING
        return tallies.PAUSED if self._paused else tallies.RUNNING

    def _pause(self, paused: bool) -> None:
        self._paused = paused
        self.tell()

    def _tell_metrics(self) -> None:
        backlog, tally = self.backlog, self._tally
        metrics = {
            "network_time_ns": tally.now_ns,
            "steps": tally.steps,
            **tally.counts(),
            "events": tally.totals(),
            "telemetry": {
                "offered": backlog.offered,
                "published": backlog.published,
                "dropped": backlog.dropped,
                "waiting": backlog.waiting,
            },
        }
        self.publisher.retain(self._topics.metrics, _encode(metrics))


def _steering(steer: Steer) -> Steers:
    from orchestrator.steering import Steering  # lazy: only who takes commands needs ZeroMQ

    return Steering(steer.address, steer.token, steer.keys)


def say(text: str) -> None:
    """A line in the log of the run, where whoever started it reads it."""
    os.write(sys.stderr.fileno(), f"telemetry | {text}\n".encode())


async def _run() -> None:
    sock = socket.socket(fileno=os.dup(0))  # the other one is closed by the end of this process, which tells of it
    orders, _ = await asyncio.open_connection(sock=sock, limit=_LONGEST_ORDER)
    line = await orders.readline()
    spec = decode_order(line).spec if line else None
    if spec is not None:
        await Beside(spec).run(orders)
    os._exit(0)  # a thread that still tries to connect, or that answers Prometheus, is not waited for


def main() -> None:
    """Entry point. Standard input is a socket on which orders come; standard error is the log of the run."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's Ctrl-C is the orchestrator's to handle
    os.nice(_NICE)
    asyncio.run(_run())
