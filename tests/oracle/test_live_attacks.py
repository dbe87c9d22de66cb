"""Strangers at the sockets of a real run: refused, counted, and the run is the same to the byte."""

from __future__ import annotations

import asyncio
import os
import random
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path

import msgpack
import pytest

from orchestrator import Cluster
from orchestrator.oracle.record import read_record
from orchestrator.oracle.spec import record_path
from orchestrator.plan import LaunchPlan
from orchestrator.run import Run
from qnode.runtime.parcels import digest_of
from qnode.transport.sockets import SILENT
from qnode.wire.items import Message
from qnode.wire.messages import (
    PROTOCOL_VERSION,
    Direct,
    Hello,
    Parcel,
    Received,
    Report,
    Stored,
    Wake,
    decode_between_nodes,
    decode_to_oracle,
    encode,
)
from tests import tally
from tests.oracle.strangers import WRONG_TOKEN, Gate, Stranger, counted, gate_at, oversized, talk_bytes

PROGRAMS = Path(__file__).parents[1] / "programs_api"

GARBAGE = [
    b"",
    b"\x00" * 100,
    os.urandom(1000),
    b"\x91" * 50_000,
    b"\xdd\xff\xff\xff\xff",
    encode(Hello(PROTOCOL_VERSION, b"token", "node", (("alice", 0),)))[:-3],
    msgpack.packb([41, "alice", 0]),
    msgpack.packb([40, "one", b"", "node", []]),
]

N_DAMAGED = 64
LETTER = Message("alice", "main", "main", "", "", b"\xc0", b"", 1)

Attack = Callable[[LaunchPlan, "Path"], Awaitable[None]]


@pytest.fixture(scope="module")
def door() -> Iterator[Path]:
    """A short path for a socket."""
    with tempfile.TemporaryDirectory(prefix="qn-", dir="/tmp") as folder:
        yield Path(folder) / "s"


@pytest.fixture(scope="module")
def spared(door: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The same run, left in peace."""
    run = asyncio.run(attacked(door, tmp_path_factory.mktemp("spared"), None))
    assert run.summary.frames_refused == {}
    return run


async def attacked(door: Path, runs: Path, attack: Attack | None, *, clock: object = "virtual") -> Run:
    """A run of two nodes that is held in its middle while somebody does something to it."""
    config = {
        "version": 1,
        "seed": 5,
        "clock": clock,
        "nodes": {
            "alice": {"program": "attacked.py:alice", "args": {"path": str(door)}},
            "bob": {"program": "attacked.py:bob"},
        },
        "links": {"fibre": {"between": ["alice", "bob"], "length": "10 km"}},
    }
    cluster = Cluster.from_dict(config, base=PROGRAMS, runs=runs)
    async with gate_at(door) as gate, cluster as net, asyncio.TaskGroup() as group:
        running = group.create_task(net.run(timeout=40))
        await first(gate, running)
        if attack is not None:
            assert net.launch is not None
            await attack(net.launch, runs)
        gate.release()
    return running.result()


async def first(gate: Gate, running: asyncio.Task[Run]) -> None:
    """Wait until the run has come to the gate; if it ends before, say why."""
    reached = asyncio.create_task(gate.reached.wait())
    await asyncio.wait((reached, running), return_when=asyncio.FIRST_COMPLETED)
    reached.cancel()
    if running.done():
        running.result()
        pytest.fail("the run did not come to its gate")


def same_run(one: Run, other: Run) -> bool:
    return one.results == other.results and one.events_bytes == other.events_bytes


async def garbage_to_the_oracle(launch: LaunchPlan, runs: Path) -> None:
    with Stranger(launch.oracle.address) as stranger:
        for frame in GARBAGE:
            stranger.say(frame)
            stranger.say(frame, frame)
        assert "token" in stranger.is_refused(WRONG_TOKEN)


async def a_flood_at_the_oracle(launch: LaunchPlan, runs: Path) -> None:
    with Stranger(launch.oracle.address) as stranger:
        for _ in range(5_000):
            stranger.say(b"garbage")
        assert "token" in stranger.is_refused(WRONG_TOKEN)


async def an_oversized_frame_to_the_oracle(launch: LaunchPlan, runs: Path) -> None:
    with Stranger(launch.oracle.address) as stranger:
        stranger.say(oversized())
        stranger.is_cut_off()


async def another_protocol_at_the_oracle(launch: LaunchPlan, runs: Path) -> None:
    """ZeroMQ's signature, and then a way of speaking that it does not know."""
    greeting = b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NONESUCH".ljust(20, b"\x00") + bytes(32)
    await talk_bytes(launch.oracle.address, greeting)


async def a_foreign_version_at_the_oracle(launch: LaunchPlan, runs: Path) -> None:
    with Stranger(launch.oracle.address) as stranger:
        hello = Hello(PROTOCOL_VERSION + 1, launch.oracle.token, "node", (("mallory", 0),))
        assert "runs another qnode" in stranger.is_refused(encode(hello))


async def a_replayed_hello_at_the_oracle(launch: LaunchPlan, runs: Path) -> None:
    with Stranger(launch.oracle.address) as stranger:
        hello = Hello(PROTOCOL_VERSION, launch.oracle.token, "node", (("bob", 0),))
        assert "connected already" in stranger.is_refused(encode(hello))


def recorded_reports(runs: Path) -> list[bytes]:
    """What bob really sent, byte by byte, as the record of the run under way has it."""
    (folder,) = (path for path in runs.iterdir() if path.is_dir())
    _, rounds = read_record(record_path(folder))
    frames = [bytes(frame) for one in rounds for frame in one.reports]
    return [frame for frame in frames if isinstance(m := decode_to_oracle(frame), Report) and m.node == "bob"]


async def replayed_reports_at_the_oracle(launch: LaunchPlan, runs: Path) -> None:
    reports = recorded_reports(runs)
    assert len(reports) >= 3
    with Stranger(launch.oracle.address) as stranger:
        for frame in reports:
            stranger.say(frame)
        stranger.say(encode(Wake("bob", 0)))
        assert "token" in stranger.is_refused(WRONG_TOKEN)


async def reports_for_others_at_the_oracle(launch: LaunchPlan, runs: Path) -> None:
    """A connection with the run's token speaks for nobody who is there already, nor for anybody who is not."""
    for node, why in (("mallory", "no node 'mallory'"), ("bob", "connected already")):
        with Stranger(launch.oracle.address) as stranger:
            hello = Hello(PROTOCOL_VERSION, launch.oracle.token, "node", ((node, 0),))
            assert why in stranger.is_refused(encode(hello))
    with Stranger(launch.oracle.address) as stranger:
        stranger.ask(encode(Hello(PROTOCOL_VERSION, launch.oracle.token, "steering", ())))
        for frame in recorded_reports(runs)[-2:]:
            assert stranger.ask(frame).__class__.__name__ == "Refused"
        for node in ("bob", "nobody"):
            assert stranger.ask(encode(Report(node, 0, 1, None, None, 0, ()))).__class__.__name__ == "Refused"
            assert stranger.ask(encode(Wake(node, 0))).__class__.__name__ == "Refused"


def bobs_address(launch: LaunchPlan) -> str:
    return launch.run.peers.format(launch.run.processes["bob"])


def is_stored(stranger: Stranger, launch: LaunchPlan) -> None:
    """A last parcel with the run's own token: once it is acknowledged, all before it was looked at."""
    digest = digest_of(b"the last")
    stranger.say(encode(Parcel(launch.oracle.token, "alice", "bob", digest, b"the last")))
    while (answer := decode_between_nodes(stranger.hear()[-1])) != Stored(digest):
        assert isinstance(answer, Received)


def damaged(token: bytes) -> list[bytes]:
    """What a node would take, but cut off, or with another byte in a place that matters.

    For whom a parcel is does not matter: it harms nobody where no message names it. Nor is the number of a Direct
    touched: with a higher one it would be the next.
    """
    draw = random.Random(19)
    frames = []
    for whole in (
        encode(Parcel(token, "alice", "bob", digest_of(b"x" * 50), b"x" * 50)),
        encode(Direct(token, "alice", "bob", 1, 0, LETTER)),
    ):
        target = whole.index(b"bob")
        places = [*range(target), *range(target + len(b"bob") + 1, len(whole))]
        for _ in range(N_DAMAGED // 4):
            place = draw.choice(places)
            frames += [
                whole[: draw.randrange(len(whole))],
                whole[:place] + bytes([whole[place] ^ draw.randrange(1, 256)]) + whole[place + 1 :],
            ]
    return frames


async def garbage_to_a_node(launch: LaunchPlan, runs: Path) -> None:
    with Stranger(bobs_address(launch)) as stranger:
        for frame in GARBAGE:
            stranger.say(frame)
            stranger.say(frame, frame)
        for frame in damaged(launch.oracle.token):
            stranger.say(frame)
        for _ in range(2_000):
            stranger.say(b"garbage")
        is_stored(stranger, launch)


async def an_oversized_frame_to_a_node(launch: LaunchPlan, runs: Path) -> None:
    with Stranger(bobs_address(launch)) as stranger:
        stranger.say(oversized())
        stranger.is_cut_off()


async def strange_messages_to_a_node(launch: LaunchPlan, runs: Path) -> None:
    token = launch.oracle.token
    with Stranger(bobs_address(launch)) as stranger:
        stranger.say(encode(Parcel(b"guessed", "alice", "bob", digest_of(b"x"), b"x")))  # wrong token
        stranger.say(encode(Direct(b"guessed", "alice", "bob", 1, 0, LETTER)))
        stranger.say(encode(Parcel(token, "alice", "bob", digest_of(b"x"), b"y")))  # not what its digest says
        stranger.say(encode(Hello(PROTOCOL_VERSION + 1, token, "node", (("alice", 0),))))  # for an oracle
        stranger.say(encode(Stored(digest_of(b"x"))))  # the answer to nothing
        stranger.say(encode(Direct(token, "alice", "bob", 1, 0, LETTER)))  # came before, or not by this way at all
        is_stored(stranger, launch)


async def two_nodes_on_one_connection(launch: LaunchPlan, runs: Path) -> None:
    with Stranger(bobs_address(launch)) as stranger:
        is_stored(stranger, launch)
        stranger.say(encode(Parcel(launch.oracle.token, "bob", "bob", digest_of(b"x"), b"x")))
        is_stored(stranger, launch)


ATTACKS: list[tuple[Attack, dict[str, int]]] = [
    (garbage_to_the_oracle, {"no hello": 2 * len(GARBAGE), "token": 1}),
    (a_flood_at_the_oracle, {"no hello": 5_000, "token": 1}),
    (an_oversized_frame_to_the_oracle, {SILENT: 1}),
    (another_protocol_at_the_oracle, {SILENT: 1}),
    (a_foreign_version_at_the_oracle, {"another qnode": 1}),
    (a_replayed_hello_at_the_oracle, {"connected already": 1}),
    (replayed_reports_at_the_oracle, {"token": 1}),
    (reports_for_others_at_the_oracle, {"no node 'mallory'": 1, "connected already": 1, "NotOwner": 6}),
    (garbage_to_a_node, {"process of bob": 2 * len(GARBAGE) + N_DAMAGED + 2_000}),
    (an_oversized_frame_to_a_node, {"process of bob": 1}),
    (strange_messages_to_a_node, {"process of bob": 6}),
    (two_nodes_on_one_connection, {"process of bob": 1}),
]


def check_all_is_well_and_counted(hit: Run, expected: Mapping[str, int]) -> None:
    assert hit.summary.how == "done"
    assert hit["alice"] == hit["bob"]  # after a Hadamard on one half, Z there and X here agree
    refused = dict(hit.summary.frames_refused)
    assert counted(refused, list(expected)) == list(expected.values()), refused


@pytest.mark.parametrize(("attack", "expected"), ATTACKS, ids=[attack.__name__ for attack, _ in ATTACKS])
async def test_an_attack_is_refused_and_counted_and_changes_nothing(
    attack: Attack, expected: dict[str, int], door: Path, spared: Run, tmp_path: Path
) -> None:
    hit = await attacked(door, tmp_path, attack)
    tally.bad_inputs("messages of strangers and liars", sum(expected.values()))
    check_all_is_well_and_counted(hit, expected)
    assert same_run(hit, spared)


@pytest.mark.parametrize("alone", [True, False])
async def test_attacks_on_the_real_clock_are_refused_and_counted(alone: bool, door: Path, tmp_path: Path) -> None:
    """Replayed reports on a run of their own, for their number is not known here; all others on one run."""
    attacks = [one for one in ATTACKS if (one[0] is replayed_reports_at_the_oracle) == alone]
    expected: Counter[str] = Counter()

    async def one_after_another(launch: LaunchPlan, runs: Path) -> None:
        for attack, counts in attacks:
            await attack(launch, runs)
            expected.update(counts)

    hit = await attacked(door, tmp_path, one_after_another, clock="real")
    check_all_is_well_and_counted(hit, expected)
