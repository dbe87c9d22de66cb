"""What is handed out on the real clock arrives once and in order, whatever becomes of connections."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.oracle.handing import Handing
from qnode.errors import MalformedMessage
from qnode.wire.messages import PROTOCOL_VERSION, Hello

steps = st.lists(st.sampled_from(["give", "deliver", "say", "cut"]), max_size=60)


@given(steps)
def test_each_arrives_once_and_in_order_over_any_number_of_connections(script: list[str]) -> None:
    hello = Hello(PROTOCOL_VERSION, b"", "node", (("alice", 0),), b"session")
    hellos = {bytes([nth]): hello for nth in range(100)}
    under_way: list[tuple[bytes, bytes]] = []

    def send(connection: bytes, frames: Sequence[bytes]) -> None:
        under_way.extend((connection, frame) for frame in frames)

    handing, now, given_out, taken = Handing(send, hellos), 0, 0, list[int]()

    def deliver() -> None:
        taken.extend(int(frame) for connection, frame in under_way if connection == bytes([now]))
        under_way.clear()

    for step in [*script, "cut", "say", "deliver"]:
        match step:
            case "give":
                handing.give(bytes([now]), [str(given_out).encode()])
                given_out += 1
            case "deliver":
                deliver()
            case "say":
                handing.has(bytes([now]), len(taken))
            case "cut":  # what is under way is lost; whoever comes back says at once what arrived
                under_way.clear()
                now += 1
                handing.has(bytes([now]), len(taken))
    assert taken == list(range(given_out))


@pytest.mark.parametrize("n", [-1, 3])
def test_what_cannot_have_been_taken_is_refused(n: int) -> None:
    handing = Handing(lambda connection, frames: None, {b"c": Hello(PROTOCOL_VERSION, b"", "node", (), b"s")})
    for _ in range(2):
        handing.give(b"c", [b"x"])
    with pytest.raises(MalformedMessage, match=f"{n} grants were taken; 0 to 2 are possible"):
        handing.has(b"c", n)
