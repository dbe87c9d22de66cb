"""The launcher gives all its orders at once; whatever a socket takes, neither side waits for the other for ever."""

from __future__ import annotations

import asyncio
import socket
import struct
from pathlib import Path

import pytest

from orchestrator import Cluster, Program
from orchestrator.launch.protocol import Exited, Reader, Writer
from qnode import Node

NODES = 12


async def says(node: Node, text: str) -> int:
    return len(text)


def test_answers_are_kept_until_the_socket_takes_them() -> None:
    ours, theirs = _small_pair()
    with ours, theirs:
        writer, reader = Writer(ours), Reader(theirs)
        for number in range(1000):
            writer.send(Exited(number, 0, "x" * number))
        found = list(reader.answers())
        assert 0 < len(found) < 1000
        while writer.waits:
            writer.flush()
            found += reader.answers()
    assert [(one.number, one.words) for one in found if isinstance(one, Exited)] == [(n, "x" * n) for n in range(1000)]


async def test_orders_and_answers_that_fill_the_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As those for 1,000 processes fill a socket of the usual size."""
    monkeypatch.setattr(socket, "socketpair", _small_pair)
    text = "x" * 20_000
    nodes = {f"n{nth}": Program(says, text=text) for nth in range(NODES)}
    async with asyncio.timeout(60), Cluster(nodes, runs=tmp_path) as net:
        run = await net.run(on_output=None)
    assert [run[name] for name in nodes] == [len(text)] * NODES


_socketpair = socket.socketpair


def _small_pair() -> tuple[socket.socket, socket.socket]:
    pair = _socketpair()
    for end in pair:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)  # the least that there may be: 4,608 bytes
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", 30, 0))  # so that waiting ends
    return pair
