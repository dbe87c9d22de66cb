"""The side of whoever started the run: it tells what the process beside the run can take, and waits for nothing."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator import loader
from orchestrator.launch.companion import Companion
from orchestrator.run import Source
from orchestrator.telemetry import beside
from orchestrator.telemetry.beside import Telemetry
from orchestrator.telemetry.orders import decode_order
from tests.telemetry.networks import HERE, NOBODY, network


def everything(sock: socket.socket) -> bytes:
    """What can be read at once."""
    read = bytearray()
    while True:
        try:
            read += sock.recv(1 << 20)
        except BlockingIOError:
            return bytes(read)


def test_a_process_that_reads_again_after_long_is_told_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    process = subprocess.Popen([sys.executable, "-c", ""])
    monkeypatch.setattr(beside, "start_companion", lambda module, output: Companion(process, ours))
    with theirs, Telemetry(Source(loader.from_mapping(network(NOBODY), "net"), HERE), tmp_path) as telemetry:
        for nth in range(50_000):  # about 2 MB: more than is kept for it
            telemetry.reached(nth, nth)
        telemetry.steer("address", b"token")
        read = b""
        for _ in range(100):  # each time it takes as much as there is room for
            read += everything(theirs)
            telemetry.reached(1, 50_000)
        orders = [decode_order(line) for line in read.splitlines()]
        theirs.close()
    assert orders[0].spec is not None
    steps = [order.reached.steps for order in orders if order.reached is not None]
    skipped = next(nth for nth, told in enumerate(steps) if nth != told)
    assert 20_000 < skipped < 50_000
    assert set(steps[skipped:]) == {50_000}
    assert [order.steer.address for order in orders if order.steer is not None] == ["address"]
