"""Who has which key: what is let in, what is not, and what both sides are told of it. On this machine, with keys."""

from __future__ import annotations

import stat
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pytest
import zmq

from orchestrator.keys import keys_for, make_keys
from qnode.errors import ConfigError
from qnode.transport.client import make_context
from qnode.transport.control import Control
from qnode.transport.peers import Peers
from qnode.transport.security import Complaints, connect_with
from qnode.transport.server import Server
from qnode.transport.sockets import bound_at, connect, make_socket
from qnode.wire.items import Message
from qnode.wire.keys import Keys
from qnode.wire.messages import PROTOCOL_VERSION, Direct, Hello, Refused, Welcome, decode_to_node, encode
from tests import tally
from tests.cli.commands import ended, err, qnode, started
from tests.machines.networks import NETWORK, write

NODES: Final = ("alice", "bob", "carol")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = write(tmp_path / "here")
    assert qnode("keys", "net.yaml", "keys", cwd=made).code == 0
    return made


def keys_in(folder: Path, *names: str) -> dict[str, Keys]:
    make_keys("net", NODES, folder)
    return {name: keys_for(name, folder, "net") for name in ("oracle", *NODES)}


# --- files ---------------------------------------------------------------------------------------------------------


def test_keys_are_for_their_owner_alone_and_are_not_replaced_unasked(folder: Path) -> None:
    keys = folder / "keys"
    assert sorted(path.name for path in keys.iterdir()) == ["alice.key", "bob.key", "carol.key", "oracle.key"]
    assert stat.S_IMODE(keys.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in keys.iterdir()} == {0o600}
    before = {path.name: path.read_bytes() for path in keys.iterdir()}
    refused = qnode("keys", "net.yaml", "keys", cwd=folder)
    assert refused.code == 2
    assert "oracle.key: is there already and 3 more; --force replaces it" in refused.err
    assert {path.name: path.read_bytes() for path in keys.iterdir()} == before
    forced = qnode("keys", "net.yaml", "keys", "--force", cwd=folder)
    assert forced.code == 0
    assert not set(before.values()) & {path.read_bytes() for path in keys.iterdir()}


def test_each_file_has_one_secret_and_nobody_is_shown_it(tmp_path: Path) -> None:
    keys = keys_in(tmp_path)
    secrets = {one.secret for one in keys.values()}
    assert len(secrets) == 4
    for name, one in keys.items():
        text = (tmp_path / f"{name}.key").read_bytes()
        assert [secret for secret in secrets if secret in text] == [one.secret]
        assert one.public == keys["oracle"].public
        assert one.secret.decode() not in f"{one!r} {one}"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "is no file of keys"),
        ("secret = 5", "is no file of keys"),
        ("\x00", "is no file of keys"),
        ('network = "net"\nname = "alice"\nsecret = "short"\n[public]\nalice = "short"\n', "is no file of keys"),
        (None, "there is no such file; `qnode keys CONFIG DIR` makes one"),
    ],
)
def test_what_is_no_file_of_keys_is_told_without_what_stands_in_it(
    text: str | None, sentence: str, tmp_path: Path
) -> None:
    file = tmp_path / "alice.key"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ConfigError, match=sentence) as caught:
        keys_for("alice", file, "net")
    assert "short" not in str(caught.value)


def test_a_secret_that_belongs_to_another_key_is_noticed(tmp_path: Path) -> None:
    keys = keys_in(tmp_path)
    file = tmp_path / "alice.key"
    file.write_text(file.read_text().replace(keys["alice"].secret.decode(), keys["bob"].secret.decode()))
    with pytest.raises(ConfigError, match="its secret does not belong to its public key"):
        keys_for("alice", file, "net")


# --- commands ------------------------------------------------------------------------------------------------------


def test_keys_that_are_not_good_are_refused_on_both_sides_and_the_run_goes_on(folder: Path, tmp_path: Path) -> None:
    other = write(tmp_path / "other")
    assert qnode("keys", "net.yaml", "keys", cwd=other).code == 0
    mixed = tmp_path / "mixed.key"  # what is alice's by its name, with a key that the oracle does not know
    own, strange = (
        keys_for("alice", folder / "keys", "three machines"),
        keys_for("alice", other / "keys", "three machines"),
    )
    text = (folder / "keys/alice.key").read_text()
    text = text.replace(own.secret.decode(), strange.secret.decode())
    mixed.write_text(text.replace(own.public["alice"].decode(), strange.public["alice"].decode()))
    as_bob = tmp_path / "as_bob.key"  # alice's key, in a file that says that it is bob's
    as_bob.write_text(
        (folder / "keys/alice.key").read_text().replace('name = "alice"', 'name = "bob"')
        .replace(own.public["bob"].decode(), own.public["alice"].decode())
    )  # fmt: skip
    with ExitStack() as stack:
        oracle = stack.enter_context(
            started("oracle", "net.yaml", "--listen", "tcp://127.0.0.1:0", "--keys", "keys", "--json", cwd=folder)
        )
        at = err(oracle).readline().removeprefix("listening at ").partition(",")[0]

        def node(name: str, *keys: str | Path, **changes: str) -> subprocess.Popen[str]:
            words = ("node", "net.yaml", name, "--oracle", at, *keys)
            return stack.enter_context(started(*words, cwd=folder, afresh=False, **changes))

        def is_refused(name: str, *keys: str | Path, **changes: str) -> str:
            done = ended(node(name, *keys, **changes))
            assert done.code == 2, done.err
            tally.bad_inputs("keys")
            return done.err

        for file, sentence in (
            (folder / "keys/bob.key", "bob.key: this is the key of bob, and node alice needs its own"),
            (folder / "keys/nobody.key", "nobody.key: there is no such file"),
            (mixed, f"mixed.key: the oracle at {at} does not know the key of alice; oracle and nodes need keys"),
            (other / "keys", f"keys: what listens at {at} is not the oracle that the keys of alice are for"),
        ):
            assert sentence in is_refused("alice", "--keys", file)
        assert "what listens at" in (open_hand := is_refused("alice", QNODE_TOKEN="0123456789abcdef"))
        assert "wants a key, or is no oracle; give --keys" in open_hand
        assert "its key is that of alice, and it says that it is bob" in is_refused("bob", "--keys", as_bob)
        good = [node(name, "--keys", "keys") for name in NODES]
        done = ended(oracle)
        assert done.code == 0, done.err
        assert [ended(one).code for one in good] == [0, 0, 0]
    assert "refused a connection from 127.0.0.1: its key is none of this network's" in done.err
    assert "refused a connection: it has no key, or speaks another protocol" in done.err
    assert "refused bob at 127.0.0.1: its key is that of alice, and it says that it is bob" in done.err
    for name in NODES:
        assert keys_for(name, folder / "keys", "three machines").secret.decode() not in done.err + done.out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            ("oracle", "net.yaml", "--listen", "tcp://0.0.0.0:0"),
            "--listen: tcp://0.0.0.0:0 reaches beyond this machine",
        ),
        (("oracle", "net.yaml", "--listen", "tcp://*:0"), "--listen: tcp://*:0 reaches beyond this machine"),
        (
            ("node", "net.yaml", "bob", "--oracle", "tcp://10.1.2.3:5700"),
            "--oracle: tcp://10.1.2.3:5700 reaches beyond this machine: make keys by `qnode keys CONFIG DIR`",
        ),
        (("node", "net.yaml", "bob", "--host", "lab1", "--oracle", "ipc://x"), "name a node, or a host by --host HOST"),
        (("node", "net.yaml", "--oracle", "ipc://x"), "name a node, or a host by --host HOST"),
        (("node", "net.yaml", "--host", "lab4", "--oracle", "ipc://x"), "there is no host 'lab4' (did you mean 'lab"),
        (
            ("node", "net.yaml", "--host", "lab1", "--oracle", "ipc://x", "--keys", "keys/alice.key"),
            "keys/alice.key: --host needs a folder, with a file for each node",
        ),
        (
            ("node", "net.yaml", "alise", "--oracle", "ipc://x"),
            "alise: the network has no such node (did you mean 'alice'",
        ),
    ],
)
def test_what_cannot_be_is_told_before_anything_is_started(words: tuple[str, ...], sentence: str, folder: Path) -> None:
    done = qnode(*words, cwd=folder, QNODE_TOKEN="0123456789abcdef")
    assert done.code == 2
    assert sentence in done.err
    assert not (folder / ".qnode").exists()


def test_keys_of_another_network_or_from_before_a_node_came_are_refused(folder: Path) -> None:
    (folder / "net.yaml").write_text(NETWORK.replace("links:", "  dave: {}\nlinks:"))
    done = qnode("oracle", "net.yaml", "--listen", "tcp://127.0.0.1:0", "--keys", "keys", cwd=folder)
    assert (done.code, "keys: knows no key of dave; make all keys anew" in done.err) == (2, True)
    (folder / "net.yaml").write_text(NETWORK.replace("name: three machines", "name: another"))
    done = qnode("oracle", "net.yaml", "--listen", "tcp://127.0.0.1:0", "--keys", "keys", cwd=folder)
    assert (done.code, "these are keys of the network 'three machines', and this one is 'another'" in done.err) == (
        2,
        True,
    )


# --- sockets -------------------------------------------------------------------------------------------------------


def greeting(address: str, keys: Keys, role: str, *names: str) -> object:
    """What a server says to somebody with these keys."""
    context = make_context()
    socket = make_socket(context, zmq.DEALER)
    connect_with(socket, keys, "oracle")
    connect(socket, address)
    socket.send(encode(Hello(PROTOCOL_VERSION, b"", role, tuple((name, 0) for name in names))))
    try:
        assert socket.poll(20_000)
        return decode_to_node(socket.recv())
    finally:
        context.destroy(linger=0)


@pytest.mark.parametrize("whose", ["oracle", *NODES])
@pytest.mark.parametrize(
    ("role", "names", "who_may"),
    [
        ("node", ("alice",), "alice"),
        ("node", ("carol",), "carol"),
        ("node", ("alice", "bob"), None),
        ("node", (), None),
        ("cluster", (), "oracle"),
        ("steering", (), "oracle"),
        ("node", ("oracle",), "oracle"),
    ],
)
def test_a_connection_is_who_its_key_says(
    whose: str, role: str, names: tuple[str, ...], who_may: str | None, tmp_path: Path
) -> None:
    keys = keys_in(tmp_path)
    server = Server("tcp://127.0.0.1:*", b"", keys=keys["oracle"])
    try:
        with ExitStack() as stack:
            pool = stack.enter_context(ThreadPoolExecutor(1))
            answer = pool.submit(greeting, server.address, keys[whose], role, *names)
            while not answer.done():
                server.receive(20)
            said = answer.result()
        tally.bad_inputs("greetings with a key of another", whose != who_may)
        assert isinstance(said, Welcome if whose == who_may else Refused), said
    finally:
        server.close()


def test_a_peer_speaks_for_nobody_else(tmp_path: Path) -> None:
    keys, context = keys_in(tmp_path), make_context()
    taken: list[object] = []
    bob = Peers(
        context, "", 1, b"", {"alice": 0, "bob": 1, "carol": 2}.__getitem__, taken.append,
        listen="tcp://127.0.0.1:*", keys=keys["bob"],
    )  # fmt: skip
    theirs = make_context()
    carol = make_socket(theirs, zmq.DEALER)
    connect_with(carol, keys["carol"], "bob")
    connect(carol, bound_at(bob.socket))
    try:
        for number, source in enumerate(("alice", "carol"), 1):
            message = Message(source, "main", "main", "", "", b"\xc0", b"", 1)
            carol.send(encode(Direct(b"", source, "bob", number, 0, message)))
        while not taken:
            bob.serve(20_000)
        assert [getattr(one, "source", "") for one in taken] == ["carol"]
        assert bob.refusals() == {"from a node that its key is not of": 1}
    finally:
        bob.close()
        theirs.destroy(linger=0)
        context.term()


def test_whoever_steers_has_the_oracle_s_key(tmp_path: Path) -> None:
    keys = keys_in(tmp_path)
    server = Server("tcp://127.0.0.1:*", b"", keys=keys["oracle"])
    control = Control(server.address, b"", role="steering", keys=keys["oracle"])
    try:
        assert server.receive(20_000) is not None
        assert list(server.roles.values()) == ["steering"]
    finally:
        control.close()
        server.close()


def test_complaints_without_end_are_few_lines_that_count_the_others() -> None:
    lines: list[str] = []
    now = 0.0
    complaints = Complaints(lines.append, at_once=3, every_s=10, now=lambda: now)
    for _ in range(1000):
        complaints.say("no")
        now += 0.05  # 50 s in all
    assert len(lines) <= 3 + 5
    assert lines[:3] == ["no"] * 3
    assert lines[3].startswith("no (and ")
    counted = sum(int(line.split()[2]) for line in lines[3:])
    assert 800 < counted + len(lines) <= 1000
