"""Whoever asks for a process may be killed at any moment, for tests kill what they have started."""

from __future__ import annotations

import array
import os
import select
import socket

import pytest

from tests.launch.processes import linux_only
from tests.warm import commands as warm

pytestmark = linux_only


@pytest.mark.parametrize("asked", [b"", (1_000).to_bytes(8, "big"), (1_000).to_bytes(8, "big") + b"and so on"])
def test_for_a_typist_that_is_killed_while_it_asks_nothing_goes_on(asked: bytes) -> None:
    reading, writing = os.pipe()
    with socket.socket(socket.AF_UNIX) as typist:
        typist.connect(warm.address_of("forkserver"))
        if asked:
            passed = array.array("i", [writing] * 3)
            typist.sendmsg([asked], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, passed)])
    os.close(writing)
    ready, _, _ = select.select([reading], [], [], 60)
    assert ready, "somebody holds the streams that were passed"
    assert os.read(reading, 1) == b""
    os.close(reading)
