"""From process to process, over real sockets: who is let in, who is waited for, and what is remembered of strangers."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from socket import SHUT_RDWR, create_server
from threading import Event, Thread
from typing import Final

import msgspec
import pytest
import zmq

from qnode.runtime.parcels import digest_of, send_ahead
from qnode.transport.client import Context, make_context
from qnode.transport.peers import Peers
from qnode.transport.sockets import Losses, Speakers, make_socket
from qnode.wire.items import Message
from qnode.wire.messages import INLINE_PAYLOAD_BYTES, BetweenNodes, Direct, Parcel, decode_between_nodes, encode
from tests.oracle.cores import send
from tests.oracle.strangers import ANSWER_MS, Stranger

TOKEN: Final = b"the token of this run"
LOST_OFTEN: Final = 2_000  # each is told in two messages, and a socket takes 2000 of those if nothing is said
LOST_OFTEN_S: Final = 30.0
PROCESSES: Final = {"alice": 0, "bob": 1, "carol": 2, "dave": 2}


class Room:
    """A folder of sockets, and processes there."""

    def __init__(self, folder: str, context: Context) -> None:
        self.pattern = f"ipc://{folder}/{{}}"
        self.taken: list[Parcel | Direct] = []
        self._context = context
        self._peers: list[Peers] = []

    def peers(self, number: int) -> Peers:
        one = Peers(self._context, self.pattern, number, TOKEN, PROCESSES.__getitem__, self.taken.append)
        self._peers.append(one)
        return one

    def close(self) -> None:
        for one in self._peers:
            one.close()


@pytest.fixture
def room() -> Iterator[Room]:
    context = make_context()
    with tempfile.TemporaryDirectory(prefix="qn-", dir="/tmp") as folder:
        one = Room(folder, context)
        yield one
        one.close()
        context.destroy(linger=0)


def direct(source: str, number: int, token: bytes = TOKEN) -> Direct:
    return Direct(token, source, "bob", number, 0, Message(source, "main", "main", "", "", b"\xc0", b"", 1))


def exchange(peers: Peers, stranger: Stranger, *messages: BetweenNodes) -> BetweenNodes:
    """Say all of them; the last is answered, and then all before it have been looked at."""
    for message in messages:
        stranger.say(encode(message))
    poller = zmq.Poller()
    for socket in (peers.socket, stranger.socket):
        poller.register(socket, zmq.POLLIN)
    while stranger.socket not in (ready := dict(poller.poll(ANSWER_MS))):
        assert ready, "no answer"
        peers.serve()
    return decode_between_nodes(stranger.hear()[-1])


def test_a_connection_speaks_for_the_process_that_it_first_spoke_for(room: Room) -> None:
    bob = room.peers(1)
    with Stranger(room.pattern.format(1)) as one, Stranger(room.pattern.format(1)) as other:
        exchange(bob, one, direct("alice", 1, b"guessed"), direct("nobody", 1), direct("carol", 1))
        exchange(bob, one, direct("alice", 2), direct("dave", 3))  # carol and dave share a process
        exchange(bob, other, direct("alice", 4))
    assert [(one.source, one.number) for one in room.taken if isinstance(one, Direct)] == [
        ("carol", 1), ("dave", 3), ("alice", 4),
    ]  # fmt: skip
    assert bob.refusals() == {
        "the token is not this run's": 1, "from a node that does not exist": 1, "from a node of another process": 1,
    }  # fmt: skip


def test_a_message_in_another_nodes_name_is_refused(room: Room) -> None:
    bob = room.peers(1)
    forged = msgspec.structs.replace(direct("carol", 1), message=direct("alice", 1).message)
    with Stranger(room.pattern.format(1)) as one:
        exchange(bob, one, forged, direct("carol", 2))
    assert [(one.source, one.message.peer) for one in room.taken if isinstance(one, Direct)] == [("carol", "carol")]
    assert bob.refusals() == {"in another node's name": 1}


def test_a_long_payload_waits_for_its_own_receiver_and_for_nobody_else(room: Room) -> None:
    alice, bob = room.peers(0), room.peers(1)
    alice.send(Direct(TOKEN, "alice", "carol", 1, 0, direct("alice", 1).message))  # there is nobody
    payload = bytes(INLINE_PAYLOAD_BYTES + 1)
    ahead: list[object] = []
    sending = Thread(
        target=lambda: ahead.extend(send_ahead("alice", (send("bob", payload),), alice, TOKEN)),  # type: ignore[arg-type]
        daemon=True,
    )
    sending.start()
    bob.serve(ANSWER_MS)
    sending.join(ANSWER_MS / 1000)
    assert not sending.is_alive()
    assert [getattr(op, "digest", b"") for op in ahead] == [digest_of(payload)]
    assert list(alice.unacknowledged) == [(2, 1)]


def test_speakers_are_counted_once_while_they_are_remembered_and_only_the_latest_are() -> None:
    speakers = Speakers(remembered=2)
    for connection in (b"1", b"1", b"2", b"2", b"1"):
        speakers.add(connection)
    assert speakers.count == 2
    for connection in (b"3", b"3", b"1"):
        speakers.add(connection)
    assert speakers.count == 4
    assert len(speakers._latest) == 2


def test_each_message_names_the_one_before_to_the_same_process_unless_that_was_given_up(room: Room) -> None:
    alice, bob = room.peers(0), room.peers(1)

    def say(target: str, number: int) -> None:
        alice.send(Direct(TOKEN, "alice", target, number, 0, direct("alice", 1).message))

    say("bob", 1)
    say("carol", 2)
    say("bob", 5)
    alice.give_up("bob", for_now=True)
    say("bob", 6)
    alice.expect_again()
    say("bob", 7)
    say("bob", 9)
    while len(room.taken) < 4:
        bob.serve(ANSWER_MS)
    taken = {one.number: one.after for one in room.taken if isinstance(one, Direct)}
    assert taken == {1: 0, 5: 1, 7: 0, 9: 7}


def test_losses_that_nobody_reads_stop_no_other_connection_of_the_process() -> None:
    """ZeroMQ's own thread once waited for that, and all sockets of the process with it."""
    enough = Event()
    context = make_context()
    with create_server(("127.0.0.1", 0)) as listener:

        def hang_up() -> None:
            with suppress(OSError):
                for nth in count(1):
                    listener.accept()[0].close()
                    if nth == LOST_OFTEN:
                        enough.set()

        Thread(target=hang_up, daemon=True).start()
        lost = make_socket(context, zmq.DEALER)
        lost.setsockopt(zmq.RECONNECT_IVL_MAX, 1)
        lost.setsockopt(zmq.RECONNECT_IVL, 1)
        losses = Losses(context, lost)
        try:
            lost.connect(f"tcp://127.0.0.1:{listener.getsockname()[1]}")
            assert enough.wait(LOST_OFTEN_S)
            assert losses.came() is not None
        finally:
            losses.came()  # else the context could not end, if it has not
            losses.close()
            context.destroy(linger=0)
            listener.shutdown(SHUT_RDWR)
