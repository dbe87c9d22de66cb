"""A node on the real clock whose oracle is gone for a while: what it says then arrives, and in order."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Final

import msgpack
import pytest

from qnode.quantum.hardware import IDEAL
from qnode.runtime.host import NodeHost
from qnode.runtime.real import drive_real
from qnode.runtime.virtual import Outside
from qnode.runtime.watchdog import Watchdog
from qnode.transport.client import Client, make_context
from qnode.transport.peers import Peers
from qnode.transport.server import Server
from qnode.wire.messages import Grant, Ping, Pong, Report, Stop, decode_to_oracle, encode
from qnode.wire.operations import Note
from qnode.wire.plan import NodeSpec, ProgramSpec, RunSpec
from tests.oracle import counts
from tests.oracle.strangers import ANSWER_MS

TOKEN: Final = b"the token of this run"
FEW: Final = 5


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="qn-", dir="/tmp") as short:
        yield Path(short)


class Oracle:
    """As much of one as a node needs to run; it takes reports as the real one does, where steps may have gaps."""

    def __init__(self, address: str) -> None:
        self.taken: list[int] = []
        self.address = address
        self._step = 0

    def serve(self, server: Server, enough: int) -> bytes:
        """Until so many reports have been taken; the connection."""
        connection = b""
        while len(self.taken) < enough:
            received = server.receive(ANSWER_MS)
            assert received is not None, self.taken
            connection, frames = received
            if not frames and not self.taken:
                server.send(connection, [encode(Grant("alice", 0, 0, ()))])
            for frame in frames:
                message = decode_to_oracle(frame)
                if isinstance(message, Ping):
                    server.send(connection, [encode(Pong(message.sent_ns, time.monotonic_ns()))])
                elif isinstance(message, Report) and message.step > self._step:
                    self._step = message.step
                    self.taken += [msgpack.unpackb(op.value) for op in message.ops if isinstance(op, Note)]
        return connection

    def wait_for(self, more: int) -> None:
        """Until the program has said so many more."""
        enough = len(counts.said) + more
        while len(counts.said) < enough:
            time.sleep(1e-3)

    def is_lost_and_comes_back(self) -> None:
        server = Server(self.address, TOKEN)
        self.serve(server, FEW)
        self.wait_for(FEW)  # that are on their way when the oracle is lost
        server.close()
        back = Server(self.address, TOKEN)
        self.wait_for(10 * FEW)  # that are said before there is an answer
        connection = self.serve(back, 15 * FEW)
        back.send(connection, [encode(Stop("done", 0, {}))])
        back.close()


def test_what_was_said_while_the_oracle_was_gone_comes_before_what_is_said_later(folder: Path) -> None:
    addresses = f"ipc://{folder}/o", f"ipc://{folder}/{{}}"
    run = RunSpec("test-1", ("alice",), "real", 1.0, 1, "auto", 24, (), False, "", *addresses, "", {"alice": 0})
    programs = (ProgramSpec("main", "tests.oracle.counts:counts", {}, False),)
    host = NodeHost(NodeSpec("alice", 0, IDEAL, (), programs, bytes(32), {}), run, lambda digest: b"")
    context, watchdog, outside = make_context(), Watchdog(10.0, lambda frame: True), Outside([host])
    client = Client(context, run.oracle)
    peers = Peers(context, run.peers, 0, TOKEN, run.processes.__getitem__, print)
    counts.said.clear()
    oracle = Oracle(run.oracle)
    thread = Thread(target=oracle.is_lost_and_comes_back, daemon=True)
    thread.start()
    try:
        client.greet(TOKEN, [("alice", 0)])
        drive_real(run, {"alice": host}, client, peers, [], outside, watchdog, TOKEN)
    finally:
        watchdog.stop()
        host.close()
        peers.close()
        client.close()
        context.destroy(linger=0)
    thread.join()
    assert oracle.taken == list(range(len(oracle.taken)))
    assert len(oracle.taken) >= 15 * FEW
