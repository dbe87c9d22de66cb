"""What one node may have: up to each limit all is done, beyond it nothing, and others are not concerned."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Event, Thread
from typing import Final

import pytest
import zmq

from orchestrator import Cluster
from orchestrator.config import Config
from orchestrator.oracle.limits import Limits, Strangers, Usage
from orchestrator.topology import describe
from qnode import Node
from qnode.errors import LimitExceeded, MalformedMessage, ProgramFailed
from qnode.ids import NodeName
from qnode.transport.guard import Guard
from qnode.transport.server import MUTED, Server
from qnode.wire.messages import count_operations, encode
from qnode.wire.operations import Entangle, MeasureDirectly, Note, Op, Send, Withdraw
from tests.hostile.frames import OPS, report
from tests.hostile.worlds import zero
from tests.oracle.cores import ALICE, BOB, Bench, entangle, send, spec
from tests.oracle.strangers import Stranger

ENDLESS_S: Final = 8.0
FLOOD: Final = 1_000  # messages that are passed over unread

CASES: Final[Sequence[tuple[Limits, list[Op], list[Op]]]] = [
    (
        Limits(qubits=3),
        [zero("alice.0", "alice.1"), entangle(1, BOB)],
        [zero("alice.2", "alice.3"), entangle(2, BOB, n=2)],
    ),
    (Limits(component=2), [zero("alice.0", "alice.1")], [zero("alice.2", "alice.3", "alice.4")]),
    (Limits(operations=2), [Withdraw(1), Withdraw(2)], [Withdraw(3), send(BOB)]),
    (
        Limits(requests=1),
        [entangle(1, BOB), MeasureDirectly(Entangle(2, "main", BOB, "", 5, 0.0))],
        [entangle(3, BOB), MeasureDirectly(Entangle(4, "main", BOB, "", 5, 0.0))],
    ),
    (Limits(message_bytes=10), [send(BOB, bytes(10))], [send(BOB, bytes(11))]),
    (Limits(queue_bytes=25), [send(BOB, bytes(10)), send(BOB, bytes(10))], [send(BOB, bytes(10))]),
    (
        Limits(notes_bytes=20),
        [Note("main", "n", bytes(20)), Note("main", "n", bytes(15)), Note("main", "m", bytes(5))],
        [Note("main", "m", bytes(6)), Note("main", "k", bytes(1))],
    ),
]  # pulses: in tests/oracle/test_pulses.py


@pytest.mark.parametrize(("limits", "within", "beyond"), CASES)
def test_what_is_within_a_limit_is_done_and_what_is_beyond_is_not(
    limits: Limits, within: list[Op], beyond: list[Op]
) -> None:
    of = Bench(spec(limits_of={ALICE: limits}))
    of.core.operations.execute(ALICE, tuple(within))
    assert of.core.counts.refused == 0
    of.core.operations.execute(ALICE, tuple(beyond))
    codes = [one.name for one in of.of_kind("refused")]
    assert codes == ["LimitExceeded"] * len(beyond)
    (name,) = (name for name in Limits._fields if getattr(limits, name) != getattr(Limits(), name))
    assert all(f"raise `limits: {name}:`" in one.detail for one in of.of_kind("refused"))
    of.core.operations.execute(BOB, tuple(zero(f"bob.{nth}") for nth in range(5)))
    assert of.core.counts.refused == len(beyond)


def test_what_is_given_back_may_be_had_again() -> None:
    of = Bench(spec(limits=Limits(queue_bytes=10, requests=1)))
    for _ in range(3):
        of.round({ALICE: [send(BOB, bytes(10)), entangle(1, BOB), Withdraw(1)]}, alice=of.core.time.now_ns + 1_000)
        while ALICE not in of.granted:
            of.round()
    assert of.core.counts.refused == 0


def test_a_report_that_would_not_fit_into_the_record_is_refused_as_a_whole() -> None:
    usage = Usage({ALICE: Limits(record_bytes=100)})
    usage.report(ALICE, 60)
    with pytest.raises(LimitExceeded, match="120 bytes of reports, and may have 100"):
        usage.report(ALICE, 60)
    usage.report(ALICE, 40)
    usage.report(BOB, 10**6)


@pytest.mark.parametrize("n", [0, 1, 15, 16, 300, 70_000])
def test_operations_are_counted_before_they_are_read(n: int) -> None:
    assert count_operations(encode(report(*[Withdraw(1)] * n))) == n
    assert count_operations(encode(OPS[0])) == 0
    with pytest.raises(MalformedMessage):
        count_operations(b"\xdd\xff\xff\xff\xff")


def test_whoever_says_too_much_in_vain_within_a_second_is_not_listened_to_any_more() -> None:
    now = [0.0]
    guard = Guard(3, now=lambda: now[0])
    for _ in range(5):
        assert [guard.blame(b"a") for _ in range(3)] == [False] * 3
        now[0] += 1.1
    assert [guard.blame(b"a", 2), guard.blame(b"b", 3), guard.blame(b"a", 2)] == [False, False, True]
    assert (guard.is_muted(b"a"), guard.is_muted(b"b")) == (True, False)


@pytest.fixture
def short() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="qn-", dir="/tmp") as folder:
        yield Path(folder)


def flood(address: str, over: Event) -> None:
    """Talk without end; an end there is, so that a server that cannot turn away from it fails and does not hang."""
    end = time.monotonic() + ENDLESS_S
    with Stranger(address) as mallory:
        while not over.is_set() and time.monotonic() < end:
            if mallory.socket.poll(10, zmq.POLLOUT):
                mallory.say(b"x")


@pytest.mark.parametrize("timeout_ms", [None, 200])
def test_whoever_talks_on_though_nobody_listens_makes_nobody_wait_longer(timeout_ms: int | None, short: Path) -> None:
    over = Event()
    server = Server(f"ipc://{short}/o", b"token", most_refusals=1)
    flooding = [Thread(target=flood, args=(server.address, over)) for _ in range(2)]
    try:
        for one in flooding:
            one.start()
        start = time.monotonic()
        while server.refused[MUTED] < FLOOD and time.monotonic() - start < ENDLESS_S / 2:
            assert server.receive(timeout_ms) is None
        assert server.refused[MUTED] >= FLOOD
        assert time.monotonic() - start < ENDLESS_S / 2
    finally:
        over.set()
        for one in flooding:
            one.join()
        server.close()


def test_limits_of_a_node_win_over_those_of_its_kind_and_these_over_all() -> None:
    config = Config.model_validate(
        {
            "version": 1,
            "kinds": {"small": {"limits": {"qubits": 5, "requests": 7}}},
            "nodes": {"a": {"kind": "small", "limits": {"qubits": 4}}, "b": {"kind": "small"}, "c": {}},
            "limits": {"requests": 9, "pulses": 3, "refusals": 8},
        }
    )
    network = describe(config, Path(), 1)
    assert [(one.limits.qubits, one.limits.requests, one.limits.pulses) for one in network.nodes.values()] == [
        (4, 7, 3), (5, 7, 3), (Limits().qubits, 9, 3),
    ]  # fmt: skip
    assert network.strangers == Strangers(refusals=8)


async def talks(node: Node) -> None:
    for _ in range(10):
        await node.send("bob", bytes(30))


async def listens(node: Node) -> None:
    await node.receive("alice")


async def test_a_program_that_goes_beyond_its_limit_is_told_which_and_how_to_raise_it(tmp_path: Path) -> None:
    limits = {"queue_bytes": 100}
    cluster = Cluster({"alice": talks, "bob": listens}, [("alice", "bob")], seed=1, runs=tmp_path, limits=limits)
    with pytest.raises(
        ProgramFailed, match=r"program main of node alice failed[^~]*may have 100.*raise `limits: queue_bytes:`"
    ):
        await cluster.run()


def test_the_page_has_every_limit_and_its_default() -> None:
    text = (Path(__file__).parents[2] / "docs" / "security.md").read_text(encoding="utf-8")
    for name, value in {**Limits()._asdict(), **Strangers()._asdict()}.items():
        assert f"| `{name}` | {value:,} |" in text


async def announces_what_it_never_sends(node: Node) -> None:
    """A program that gets hold of its node's outbox."""
    node._machine.outbox.append(
        Send("main", NodeName("bob"), "main", "", "", b"", b"never".ljust(32), 10**6),
    )
    await node.send("bob", "the truth")


async def hears(node: Node) -> object:
    return await node.receive("alice")


async def test_a_payload_that_was_announced_and_never_sent_is_lost_and_nobody_ends_of_it(tmp_path: Path) -> None:
    nodes = {"alice": announces_what_it_never_sends, "bob": hears}
    run = await Cluster(nodes, [("alice", "bob")], seed=1, runs=tmp_path).run()
    assert run["bob"] == "the truth"
