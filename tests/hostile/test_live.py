"""Real processes over real sockets, one node of which lies: the others finish as if it had kept quiet.

Mallory is a node of the network. The process that plays her knows the run's token, and says what it likes.
"""

from __future__ import annotations

import json
import os
import select
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

import pytest
import zmq
from msgspec.structs import replace

from orchestrator import Cluster
from orchestrator.cli.by_hand import oracle_facts
from orchestrator.oracle.limits import Limits
from orchestrator.oracle.spec import decode_summary
from qnode.wire.messages import (
    MAX_FRAME_BYTES,
    PROTOCOL_VERSION,
    Farewell,
    Grant,
    Hello,
    Ping,
    Refused,
    Report,
    Stop,
    Wake,
    Welcome,
    decode_to_node,
    encode,
)
from qnode.wire.operations import Apply, Discard, Entangle, Measure, Op, Send, Transfer, Withdraw
from tests.cli.commands import Done, ended, err, out, started
from tests.hostile.frames import Mutator

SECRET: Final = "hostile-token-0123456789"
TOKEN: Final = blake2b(b"token", key=blake2b(SECRET.encode()).digest(), digest_size=32).digest()
MOST_BYTES: Final = 800 * 2**20
"""Of memory for the oracle: a few of the longest frames, and what is read of one."""

NETWORK: Final = """
import os

from qnode import Node

ROUNDS = 400


async def alice(node: Node) -> list[int]:
    assert "QNODE_TOKEN" not in os.environ  # where programs run it is not there any more
    outcomes = []
    for _ in range(ROUNDS):
        half = await node.entangle("bob")
        outcomes.append(await half.measure("x"))
        await node.send("bob", outcomes[-1])
    return outcomes


async def bob(node: Node) -> list[int]:
    outcomes = []
    for left in reversed(range(ROUNDS)):
        half = await node.entangle("alice")
        if not left:
            with open("gate", "rb", buffering=0) as gate:
                gate.read(1)  # mallory has done her worst
        assert await half.measure("x") == await node.receive("alice")
        outcomes.append(1)
    return outcomes


async def mallory(node: Node) -> None:
    pass
"""
CONFIG: Final = """
version: 1
seed: 11
nodes:
  alice: {program: "net.py:alice"}
  bob: {program: "net.py:bob"}
  mallory: {programs: {main: {run: "net.py:mallory", service: true}}}
links:
  one: {between: [alice, bob], length: 1 km}
  two: {between: [bob, mallory], length: 1 km}
limits: {refusals: REFUSALS, connections: 50}
"""
LIES: Final[tuple[Op, ...]] = (
    Measure(1, ("alice~bob#0@alice",), "z", False, 0, 0),
    Apply("x", ("alice~bob#0@bob",), (), 0),
    Discard(("alice~bob#0@alice", "alice~bob#0@bob"), 0),
    Transfer("main", "alice~bob#0@bob", "bob", 0),
    Entangle(2, "main", "alice", "", 1, 0.0),
    Send("main", "nobody", "main", "", "", b"x", b"", 1),
    Send("main", "bob", "main", "", "", b"", b"never sent, but announced".ljust(32), 10**6),  # harms nobody
)


class Mallory:
    """A raw client with her name.

    Args:
        gate: What she writes a byte to when she has done all that she meant to do: the others do not end before.
    """

    def __init__(self, address: str, gate: int) -> None:
        self._gate = gate
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.address = address
        self.socket = self._context.socket(zmq.DEALER)
        self.socket.setsockopt(zmq.SNDHWM, 4)  # she waits for whoever does not read
        self.socket.setsockopt(zmq.SNDTIMEO, 20_000)
        self._cut = self.socket.get_monitor_socket(zmq.EVENT_DISCONNECTED)
        self.socket.connect(address)
        self.over = threading.Event()
        self._hello = Hello(PROTOCOL_VERSION, TOKEN, "node", (("mallory", 0),), os.urandom(16))

    def say(self, *frames: bytes) -> bool:
        """False if nobody takes it any more."""
        try:
            self.socket.send_multipart(frames)
        except zmq.ZMQError:
            return False
        return True

    def hear(self) -> list[Any]:
        if not self.socket.poll(20_000):
            return []
        return [decode_to_node(frame) for frame in self.socket.recv_multipart()]

    def greet(self, facts: Mapping[str, str]) -> None:
        self._hello = replace(self._hello, facts=dict(facts))
        assert not any(isinstance(one, Refused) for one in self._greet())

    def greet_again(self) -> None:
        """As a process does whose connection was cut, once it is."""
        assert self._cut.poll(20_000), "the connection is still there"
        self._hello = replace(self._hello, nth=self._hello.nth + 1)
        self._greet()

    def _greet(self) -> list[Any]:
        """What she hears until she is welcome."""
        self.say(encode(self._hello))
        heard: list[Any] = []
        while not any(isinstance(one, Welcome) for one in heard):
            more = self.hear()
            assert more, heard
            heard += more
        return heard

    def report(self, ops: tuple[Op, ...] = (), step: int = 1, **more: Any) -> bytes:
        return encode(Report("mallory", 0, step, None, None, 0, ops, **more))

    def done(self) -> None:
        os.write(self._gate, b".")

    def obey(self) -> None:
        """Do nothing more but answer every grant, until the run is over."""
        self.done()
        while heard := self.hear():
            for one in heard:
                if isinstance(one, Stop):
                    self.say(encode(Farewell("mallory", 0, (), 0, 0, 0)))
                    return
                if isinstance(one, Grant):
                    self.say(self.report(step=one.step + 1, heard=1_000))

    def close(self) -> None:
        self._context.destroy(linger=0)


def quiet(mallory: Mallory) -> None:
    """She does what she is granted, and wants nothing."""
    mallory.say(mallory.report())
    mallory.obey()


def floods_with_strangers(mallory: Mallory) -> None:
    floods(mallory)
    strangers(mallory)


def much_at_once(mallory: Mallory) -> None:
    many_parts(mallory)
    a_gigabyte(mallory)
    mallory.greet_again()
    mallory.obey()


def lies_and_replays(mallory: Mallory) -> None:
    """What others have, in her own name and in theirs; old reports; wrong lives; and whatever is nearly right."""
    for node in ("alice", "bob"):
        for step in (1, 2, 3):
            mallory.say(
                encode(Report(node, 0, step, None, None, 0, (Measure(1, (f"alice~bob#0@{node}",), "z", False, 0, 0),)))
            )
        mallory.say(encode(Wake(node, 0)))
    mallory.say(encode(Report("mallory", 1, 1, None, None, 0, ())))
    mutator = Mutator(5)
    for _ in range(500):
        mallory.say(mutator.frame().replace(b"alice", b"malic"))
    first = mallory.report(LIES, heard=100)
    for _ in range(50):
        mallory.say(first)
    mallory.obey()


def floods(mallory: Mallory) -> None:
    """As fast as it goes, until she is not listened to any more; and she reads nothing of what she is told."""
    mallory.say(mallory.report())
    old = mallory.report()
    for _ in range(4_000):
        if not mallory.say(b"garbage") or not mallory.say(old) or not mallory.say(encode(Ping(1))):
            return


def a_gigabyte(mallory: Mallory) -> None:
    """In as many frames as it takes; then in one that is too long, which ends her connection."""
    mallory.say(mallory.report())
    longest = bytes(MAX_FRAME_BYTES)
    for _ in range(2**30 // MAX_FRAME_BYTES):
        if not mallory.say(longest):
            break
    mallory.say(bytes(MAX_FRAME_BYTES + 1))


def many_parts(mallory: Mallory) -> None:
    mallory.say(mallory.report())
    part = encode(Wake("bob", 0))
    for _ in range(3):
        mallory.say(*[part] * 100_000)
    n = Limits().operations + 1  # that are hardly there, and would take a hundred times as much memory
    whole = encode(Report("mallory", 0, 2, None, None, 0, ()))
    assert whole[-4:] == b"\x90\x90\x00\x00"
    mallory.say(whole[:-4] + b"\xdd" + n.to_bytes(4, "big") + encode(Withdraw(1)) * n + whole[-3:])


def strangers(mallory: Mallory) -> None:
    """No node at all: connections that say nothing, half a greeting, another protocol, or are there by the hundreds.

    Those that say nothing stay until the oracle ends one.
    """
    mallory.say(mallory.report())
    host, port = mallory.address.removeprefix("tcp://").rsplit(":", 1)
    greeting = b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32)
    said = (
        b"",
        b"\xff",
        greeting[:20],
        greeting,
        b"GET / HTTP/1.1\r\n\r\n",
        os.urandom(5_000),
        greeting + os.urandom(500),
    )
    silent: list[socket.socket] = []
    with ExitStack() as stack:
        for nth in range(600):
            one = stack.enter_context(socket.create_connection((host, int(port))))
            one.settimeout(20)
            try:
                one.sendall(said[nth % len(said)])
            except OSError:
                continue  # ended already
            if nth % len(said) == 0:
                silent.append(one)
        while not any(_has_ended(one) for one in select.select(silent, (), (), 60)[0]):
            pass
        mallory.done()
        mallory.over.wait(60)


def _has_ended(connection: socket.socket) -> bool:
    """Of one that there is something to read of."""
    try:
        return not connection.recv(1_000)
    except ConnectionResetError:
        return True


Attack = Callable[[Mallory], None]
ATTACKS: Final[tuple[tuple[Attack, tuple[str, ...]], ...]] = (
    (lies_and_replays, ("NotOwner", "MalformedMessage")),
    (floods_with_strangers, ("MalformedMessage", "not listened to any more", "a connection too many")),
    (much_at_once, ("MalformedMessage", "LimitExceeded")),
)


def ended_with_most(process: subprocess.Popen[str]) -> tuple[Done, int]:
    """What a process still says, and the most memory that it has had, in bytes."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        errors = pool.submit(err(process).read)
        rest = out(process).read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return Done(process.returncode, rest, errors.result()), usage.ru_maxrss * 1024


@contextmanager
def network(
    folder: Path, refusals: int, clock: str
) -> Iterator[tuple[str, subprocess.Popen[str], list[subprocess.Popen[str]]]]:
    """An oracle, alice and bob, who wait for mallory."""
    (folder / "net.py").write_text(NETWORK)
    (folder / "net.yaml").write_text(f"{CONFIG}clock: {clock}\n".replace("REFUSALS", str(refusals)))
    by_hand = partial(started, cwd=folder, QNODE_TOKEN=SECRET)
    with ExitStack() as stack:
        listening = ("oracle", "net.yaml", "--json", "--listen", "tcp://127.0.0.1:0")
        oracle = stack.enter_context(by_hand(*listening, afresh=True))  # its memory is measured
        at = err(oracle).readline().removeprefix("listening at ").partition(",")[0]
        nodes = [stack.enter_context(by_hand("node", "net.yaml", name, "--oracle", at)) for name in ("alice", "bob")]
        yield at, oracle, nodes


def attacked(folder: Path, attack: Attack, clock: str = "virtual") -> tuple[Mapping[str, Any], int, str]:
    """The summary of a run, how much memory its oracle took, and all that was printed."""
    folder.mkdir()
    refusals = 500 if attack is floods_with_strangers else 3_000  # fewer than a busy machine takes in a second
    os.mkfifo(folder / "gate")
    with network(folder, refusals, clock) as (at, oracle, nodes), (folder / "gate").open("r+b", buffering=0) as gate:
        mallory = Mallory(at, gate.fileno())
        try:
            for process in (oracle, *nodes):
                assert SECRET not in Path(f"/proc/{process.pid}/cmdline").read_text()
            mallory.greet(oracle_facts(Cluster.from_yaml(folder / "net.yaml").set_up(None)))
            while not any(isinstance(one, Grant | Stop) for one in mallory.hear()):
                pass
            attacking = threading.Thread(target=attack, args=(mallory,), daemon=True)
            attacking.start()
            with_nodes = [ended(node) for node in nodes]
            done, most = ended_with_most(oracle)
            mallory.over.set()
            attacking.join(60)
        finally:
            mallory.close()
    assert [one.code for one in with_nodes] == [0, 0], with_nodes
    assert done.code == 0, done.err
    printed = done.err + "".join(one.err + one.out for one in with_nodes)
    assert "Traceback" not in printed, printed
    return json.loads(done.out), most, printed


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    return attacked(tmp_path_factory.mktemp("quiet") / "run", quiet)[0]


@pytest.mark.parametrize("clock", ["virtual", pytest.param("real", marks=pytest.mark.slow)])
@pytest.mark.parametrize(("attack", "refused"), ATTACKS, ids=[attack.__name__ for attack, _ in ATTACKS])
def test_the_others_finish_as_if_nothing_were(
    attack: Attack, refused: tuple[str, ...], clock: str, undisturbed: Mapping[str, Any], tmp_path: Path
) -> None:
    told, most, printed = attacked(tmp_path / "run", attack, clock)
    if clock == "virtual":
        assert told["results"] == undisturbed["results"]
    assert len(told["results"]["bob"]["main"]) == 400
    assert most < MOST_BYTES
    (summary,) = (tmp_path / "run").glob(".qnode/runs/*/summary")
    counted = decode_summary(summary.read_bytes()).frames_refused
    print(f"{attack.__name__}: refused {counted}; the oracle took at most {most >> 20} MiB")  # noqa: T201  # for reports
    assert all(any(word in reason for reason in counted) for word in refused), counted
    for text in (printed, json.dumps(told), *(path.read_bytes().decode(errors="replace") for path in kept(tmp_path))):
        assert SECRET not in text
        assert TOKEN.decode(errors="replace") not in text
        assert TOKEN.hex() not in text


def kept(folder: Path) -> list[Path]:
    """All that a run has left."""
    return [path for path in (folder / "run").rglob("*") if path.is_file() and path.suffix != ".pyc"]
