"""What a process does that the oracle refuses, and what the oracle's socket does with what cannot travel."""

from __future__ import annotations

import socket
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Final

import pytest

from qnode.errors import MalformedMessage, TransportError
from qnode.quantum.hardware import IDEAL
from qnode.runtime.host import NodeHost
from qnode.runtime.real import drive_real
from qnode.runtime.virtual import Outside, drive_virtual
from qnode.runtime.watchdog import Watchdog
from qnode.transport.client import Client, make_context
from qnode.transport.peers import Peers
from qnode.transport.server import Server
from qnode.wire.messages import MAX_FRAME_BYTES, Farewell, Goodbye, Grant, Refused, Stop, decode_to_oracle, encode
from qnode.wire.plan import NodeSpec, ProgramSpec, RunSpec
from tests.oracle.strangers import ANSWER_MS

TOKEN: Final = b"the token of this run"


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="qn-", dir="/tmp") as short:
        yield Path(short)


def greeted(server: Server, client: Client) -> bytes:
    """The client's connection, as the server calls it."""
    found: list[bytes] = []

    def receive() -> None:
        received = server.receive(ANSWER_MS)
        found.extend([received[0]] if received else [])

    receiving = Thread(target=receive, daemon=True)
    receiving.start()
    client.greet(TOKEN, [("alice", 0)])
    receiving.join()
    return found[0]


def run_at(folder: Path, clock: str) -> RunSpec:
    return RunSpec(
        "test-1", ("alice",), clock, 1.0, 1, "auto", 24, (), False, "", f"ipc://{folder}/o", f"ipc://{folder}/{{}}", "",
        {"alice": 0},
    )  # fmt: skip


@pytest.mark.parametrize("clock", ["virtual", "real"])
def test_a_process_that_is_refused_ends_with_the_error_that_the_oracle_names(clock: str, folder: Path) -> None:
    run, context, watchdog = run_at(folder, clock), make_context(), Watchdog(10.0, lambda frame: True)
    server, client = Server(run.oracle, TOKEN), Client(context, run.oracle)
    peers = Peers(context, run.peers, 0, TOKEN, run.processes.__getitem__, print)

    def drive() -> None:
        if clock == "virtual":
            drive_virtual({}, client, peers, Outside(()), watchdog, TOKEN)
        else:
            drive_real(run, {}, client, peers, [], Outside(()), watchdog, TOKEN)

    try:
        server.refuse(greeted(server, client), MalformedMessage(detail="alice said what nobody says"))
        with pytest.raises(MalformedMessage, match="alice said what nobody says"):
            drive()
    finally:
        watchdog.stop()
        peers.close()
        client.close()
        context.destroy(linger=0)
        server.close()


@pytest.mark.parametrize("clock", ["virtual", "real"])
def test_what_the_oracle_would_never_say_is_counted_and_the_node_goes_on(clock: str, folder: Path) -> None:
    run, context, watchdog = run_at(folder, clock), make_context(), Watchdog(10.0, lambda frame: True)
    node = NodeSpec("alice", 0, IDEAL, (), (ProgramSpec("main", "nowhere.py:main", {}, False),), bytes(32), {})
    server, client = Server(run.oracle, TOKEN), Client(context, run.oracle)
    peers = Peers(context, run.peers, 0, TOKEN, run.processes.__getitem__, print)
    hosts: dict[str, NodeHost] = {"alice": NodeHost(node, run, lambda digest: b"")}
    outside = Outside(hosts.values())
    garbage = [b"", b"garbage", encode(Grant("mallory", 0, 0, ())), encode(Farewell("alice", 0, (), 0, 0, 0))]
    try:
        connection = greeted(server, client)
        server.send(connection, [*garbage, encode(Stop("done", 0, {})), encode(Goodbye())])
        if clock == "virtual":
            drive_virtual(hosts, client, peers, outside, watchdog, TOKEN)
        else:
            drive_real(run, hosts, client, peers, [], outside, watchdog, TOKEN)
        said: list[object] = []
        while not any(isinstance(message, Farewell) for message in said):
            received = server.receive(ANSWER_MS)
            assert received is not None
            said += map(decode_to_oracle, received[1])
        assert [message.refused for message in said if isinstance(message, Farewell)] == [len(garbage)]
    finally:
        watchdog.stop()
        hosts["alice"].close()
        peers.close()
        client.close()
        context.destroy(linger=0)
        server.close()


def test_the_server_sends_no_frame_that_would_not_arrive(folder: Path) -> None:
    address, context = f"ipc://{folder}/o", make_context()
    server, client = Server(address, TOKEN), Client(context, address)
    try:
        connection = greeted(server, client)
        with pytest.raises(TransportError, match=str(MAX_FRAME_BYTES)):
            server.send(connection, [b"short", bytes(MAX_FRAME_BYTES + 1)])
        server.refuse(connection, MalformedMessage(detail="long " * MAX_FRAME_BYTES))  # cut, for it must get there
        assert client.wait(ANSWER_MS)
        (refused,) = client.receive()
        assert isinstance(refused, Refused)
        assert len(encode(refused)) < 2**20
    finally:
        client.close()
        context.destroy(linger=0)
        server.close()


@pytest.mark.parametrize("said", [b"\x06\x00hello\x03\x00ab", b"\xff" + bytes(8) + b"\x7f\x01\x05\x00\x00\x00\x02ab"])
def test_whoever_speaks_an_old_protocol_is_ended_unheard(said: bytes) -> None:
    """The first is ZMTP 1, the second ZMTP 2: in both, whoever connects would choose what its connection is called."""
    context = make_context()
    server = Server("tcp://127.0.0.1:0", TOKEN)
    client = Client(context, server.address)
    host, port = server.address.removeprefix("tcp://").rsplit(":", 1)
    try:
        with socket.create_connection((host, int(port)), timeout=ANSWER_MS / 1000) as stranger:
            stranger.sendall(said)
            with suppress(ConnectionResetError):
                while stranger.recv(1_000):
                    pass
        assert server.receive(0) is None
        assert "no hello" not in server.refused
        greeted(server, client)  # all others are heard
    finally:
        client.close()
        context.destroy(linger=0)
        server.close()
