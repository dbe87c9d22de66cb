"""Who has been replaced: an old connection, an old process that wakes up again. It can do nothing any more."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from threading import Thread
from typing import Final

import pytest

from qnode.transport.client import Client, make_context
from qnode.transport.server import Server
from qnode.wire.messages import PROTOCOL_VERSION, TO_BE_TOLD, Hello, Refused, Wake, Welcome, decode_to_node, encode
from tests.cli.commands import ended, err, qnode, started
from tests.launch.processes import children, family, watching
from tests.oracle.strangers import ANSWER_MS, Stranger
from tests.recovery.kills import LOOK_S, Disturbed, cluster
from tests.recovery.test_by_hand import TOKEN as SECRET
from tests.recovery.test_by_hand import wait_until_record_has, write

TOKEN: Final = b"the token of this run"


@pytest.fixture
def server() -> Iterator[Server]:
    with tempfile.TemporaryDirectory(prefix="qn-", dir="/tmp") as folder:
        one = Server(f"ipc://{folder}/o", TOKEN)
        one.incarnations = {"alice": 2, "bob": 0}
        yield one
        one.close()


def hello(session: bytes, *nodes: tuple[str, int], role: str = "node", nth: int = 0) -> bytes:
    return encode(Hello(PROTOCOL_VERSION, TOKEN, role, nodes or (("alice", 2),), session, nth=nth))


def greets(server: Server, stranger: Stranger, frame: bytes) -> Welcome | Refused:
    stranger.say(frame)
    while not stranger.socket.poll(0):
        server.receive(20)
    (answer,) = stranger.hear()
    message = decode_to_node(answer)
    assert isinstance(message, Welcome | Refused)
    return message


def test_the_same_session_takes_its_connection_over_and_the_old_one_is_fenced(server: Server) -> None:
    with Stranger(server.address) as old, Stranger(server.address) as new, Stranger(server.address) as other:
        assert greets(server, old, hello(b"one")) == Welcome(PROTOCOL_VERSION, {"alice": 2})
        before = server.connection_of["alice"]
        assert isinstance(greets(server, other, hello(b"two")), Refused)
        assert server.connection_of["alice"] == before
        assert isinstance(greets(server, new, hello(b"one")), Welcome)
        assert server.connection_of["alice"] != before
        assert set(server.nodes_of) == {server.connection_of["alice"]}
        for nth in range(1, 4):
            old.say(encode(Wake("alice", 2)))
            assert server.receive(200) is None
            assert server.refused["from a connection that was replaced"] == nth
        old.say(hello(b"one"))
        assert server.receive(200) is None
        new.say(encode(Wake("alice", 2)))
        assert server.receive(ANSWER_MS) == (server.connection_of["alice"], [encode(Wake("alice", 2))])


def test_a_greeting_that_a_later_one_has_overtaken_takes_nothing_over(server: Server) -> None:
    with Stranger(server.address) as closed, Stranger(server.address) as new:
        assert isinstance(greets(server, new, hello(b"one", nth=2)), Welcome)
        now = server.connection_of["alice"]
        for nth in (1, 0):
            closed.say(hello(b"one", nth=nth))
            assert server.receive(200) is None
        assert server.connection_of["alice"] == now
        assert not closed.socket.poll(0)
        new.say(encode(Wake("alice", 2)))
        assert server.receive(ANSWER_MS) == (now, [encode(Wake("alice", 2))])


@pytest.mark.parametrize("admitted", [False, True])
def test_another_process_takes_a_place_only_if_it_may_and_then_the_old_session_is_over(
    admitted: bool, server: Server
) -> None:
    server.admits = lambda nodes: admitted and nodes == {"alice"}
    with Stranger(server.address) as old, Stranger(server.address) as new, Stranger(server.address) as back:
        assert isinstance(greets(server, old, hello(b"one")), Welcome)
        answer = greets(server, new, hello(b"two", ("alice", TO_BE_TOLD)))
        assert isinstance(answer, Welcome if admitted else Refused)
        again = greets(server, back, hello(b"one"))
        if admitted:
            assert isinstance(again, Refused)
            assert "another process has taken the place of this one" in str(again.fields)
        else:
            assert isinstance(again, Welcome)  # it is the one that was there


@pytest.mark.parametrize(
    "frame",
    [
        hello(b"one", ("alice", 2), ("bob", 0)),
        hello(b"one", ("bob", 0), role="node"),
        hello(b"one", ("alice", 2), role="cluster"),
        hello(b"one", ("alice", 1)),
        hello(b"one", ("alice", 3)),
        hello(b"", ("alice", 2)),
    ],
)
def test_a_session_that_says_that_it_is_something_else_takes_nothing_over(frame: bytes, server: Server) -> None:
    with Stranger(server.address) as old, Stranger(server.address) as new:
        assert isinstance(greets(server, old, hello(b"one")), Welcome)
        before = dict(server.connection_of)
        assert isinstance(greets(server, new, frame), Refused)
        assert server.connection_of == before


def receive(server: Server, found: list[object]) -> None:
    found.append(server.receive(ANSWER_MS))


def test_a_client_whose_oracle_comes_back_greets_again_by_itself() -> None:
    with tempfile.TemporaryDirectory(prefix="qn-", dir="/tmp") as folder, ExitStack() as stack:
        address, context = f"ipc://{folder}/o", make_context()
        stack.callback(context.destroy, linger=0)
        server = Server(address, TOKEN)
        client = Client(context, address)
        stack.callback(client.close)
        for life in range(4):
            found: list[object] = []
            receiving = Thread(target=receive, args=(server, found), daemon=True)
            receiving.start()
            if life:
                while client not in client.wait(ANSWER_MS):
                    pass
                assert [type(one) for one in client.receive()] == [Welcome]
            else:
                client.greet(TOKEN, [("alice", TO_BE_TOLD)])
            receiving.join()
            assert found
            assert found[0] is not None
            server.close()
            server = Server(address, TOKEN)
        server.close()


def test_an_old_process_that_wakes_up_when_another_has_its_place_changes_nothing(tmp_path: Path) -> None:
    write(tmp_path, failures={"restart": "resume"})
    undisturbed = json.loads(qnode("run", "busy.yaml", "--json", cwd=tmp_path).out)
    by_hand = partial(started, cwd=tmp_path, QNODE_TOKEN=SECRET)
    folder = tmp_path / ".qnode/runs/busy-2"
    alice = ("node", "busy.yaml", "alice", "--oracle", "ipc://s", "--patience", "1")
    with ExitStack() as stack:
        oracle = stack.enter_context(by_hand("oracle", "busy.yaml", "--listen", "ipc://s", "--json"))
        assert "listening" in err(oracle).readline()
        old = stack.enter_context(by_hand(*alice, afresh=True))
        bob = stack.enter_context(by_hand("node", "busy.yaml", "bob", "--oracle", "ipc://s"))
        wait_until_record_has(folder, 15_000)
        old.send_signal(signal.SIGSTOP)
        new = stack.enter_context(by_hand(*alice))
        while "the oracle is here" not in (line := err(new).readline()):
            assert line, "it was not let in"
        old.send_signal(signal.SIGCONT)
        done = ended(oracle)
        assert done.code == 0, done.err
        assert (ended(new).code, ended(bob).code) == (0, 0)
        assert ended(old).code != 0
    told = json.loads(done.out)
    assert told["results"] == undisturbed["results"]
    assert (folder / "events.jsonl").read_bytes() == (Path(undisturbed["folder"]) / "events.jsonl").read_bytes()


async def test_when_whoever_started_a_run_is_killed_an_oracle_that_was_started_again_goes_too(tmp_path: Path) -> None:
    """It is the forkserver's child like the first one."""
    async with cluster(tmp_path, n=100_000) as net:
        disturbed = Disturbed(net, tmp_path, "run")
        assert await disturbed.reaches(5_000)
        before = net.pids["oracle"]
        assert disturbed.kill("oracle")
        while net.pids.get("oracle") in (None, before):  # on a busy machine the first one came far
            assert await disturbed.reaches(0)
            await asyncio.sleep(LOOK_S)
        forkserver = children(os.getpid())[-1]
        with watching([*net.pids.values(), *family(forkserver)]) as watch:
            os.kill(forkserver, signal.SIGKILL)
            assert watch.left() == []
        await disturbed.running
