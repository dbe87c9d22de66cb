"""`qnode oracle` and `qnode node`: one process each, started by whoever wants them elsewhere."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import tempfile
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from orchestrator import addresses
from orchestrator.addresses import LONGEST_IPC, Endpoint, Own, listening, own_address, reaching
from orchestrator.cli.by_hand import identity, plan_by_hand
from orchestrator.cluster import Cluster
from orchestrator.run import Source
from qnode.errors import ConfigError
from tests.cli.commands import ended, err, out, qnode, started, typed, wait_for_file
from tests.cli.programs import COUNTS

TOKEN: Final = "0123456789abcdef"

# More than 64 KiB travel from node to node, and not by way of the oracle.
LARGE: Final = """
from qnode import Node


async def alice(node: Node):
    await node.send("bob", bytes(100_000))
    return await (await node.entangle("bob")).measure()


async def bob(node: Node):
    size = len(await node.receive("alice"))
    return [size, await (await node.entangle("alice")).measure()]
"""


def listens_at(oracle: subprocess.Popen[str]) -> str:
    """Where an oracle says that it listens: with port 0 it has one that nobody else has."""
    line = err(oracle).readline()
    assert line.startswith("listening at "), line + err(oracle).read()
    return line.removeprefix("listening at ").partition(",")[0]


by_hand: Final = partial(started, QNODE_TOKEN=TOKEN)


@pytest.mark.parametrize("listen", ["tcp://127.0.0.1:0", "tcp://localhost:0", "ipc://net.socket"])
def test_an_oracle_and_its_nodes_find_each_other_and_leave_nothing(listen: str, tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(LARGE)
    same = ("net.py", "--seed", "7", "--wait", "60")  # then they say who did not come
    unequal = ("--set", "telemetry.mqtt=mqtt://127.0.0.1:1")  # concerns the oracle alone
    with by_hand("oracle", "--json", *unequal, *same, "--listen", listen, cwd=tmp_path) as oracle:
        at = listens_at(oracle)
        with (
            by_hand("node", same[0], "alice", *same[1:], "--oracle", at, cwd=tmp_path) as alice,
            by_hand("node", same[0], "bob", *same[1:], "--oracle", at, cwd=tmp_path) as bob,
        ):
            for one in (alice, bob):
                node = ended(one)
                assert (node.code, node.out) == (0, "")
                assert node.err.splitlines() == [
                    f"waiting for the oracle at {at}", "the oracle is here; waiting for the other nodes",
                    "the run is over",
                ]  # fmt: skip
        done = ended(oracle)
        assert done.code == 0, done.err
    first, second = done.err.splitlines()[:2]
    assert (first, second) in {
        ("alice came; waiting for bob", "all nodes are here"), ("bob came; waiting for alice", "all nodes are here"),
    }  # fmt: skip
    told = json.loads(done.out)
    launched = json.loads(qnode("run", "net.py", "--seed", "7", "--json", cwd=tmp_path).out)
    assert told["results"] == launched["results"]
    assert told["results"]["bob"]["main"][0] == 100_000
    assert (told["telemetry"]["dropped"], launched["telemetry"]) == (told["telemetry"]["offered"], None)
    assert told["telemetry"]["offered"] == (Path(told["folder"]) / "events.jsonl").read_bytes().count(b"\n")
    assert "100000" in typed("results", told["id"], cwd=tmp_path).out
    assert {path.name for path in tmp_path.iterdir()} <= {"net.py", ".qnode", "__pycache__"}


def test_whoever_has_another_seed_or_token_is_refused_and_the_run_goes_on(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(LARGE)
    address = f"ipc://{tmp_path}/s" if len(str(tmp_path)) < LONGEST_IPC - 4 else "ipc://s"
    with ExitStack() as stack:

        def node(name: str, seed: str, token: str = TOKEN) -> subprocess.Popen[str]:
            arguments = ("node", "net.py", name, "--seed", seed, "--oracle", address)
            return stack.enter_context(started(*arguments, cwd=tmp_path, QNODE_TOKEN=token))

        oracle = stack.enter_context(by_hand("oracle", "net.py", "--seed", "1", "--listen", address, cwd=tmp_path))
        for stranger, why in (
            (node("alice", "2"), "seed 2 here, 1 at the oracle"),
            (node("alice", "1", token=TOKEN[::-1]), "the token is not this run's"),
        ):
            refused = ended(stranger)
            assert refused.code == 2
            assert f"qnode: the oracle at {address}: {why}" in refused.err
        alice, bob = node("alice", "1"), node("bob", "1")
        assert ended(oracle).code == 0
        assert (ended(alice).code, ended(bob).code) == (0, 0)


def test_nodes_end_when_the_oracle_is_interrupted_which_saves_the_run(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(COUNTS)
    oracle_at = ("--seed", "1", "--oracle", "ipc://s")
    with (
        by_hand("oracle", "net.py", "--seed", "1", "--listen", "ipc://s", cwd=tmp_path) as oracle,
        by_hand("node", "net.py", "alice", *oracle_at, cwd=tmp_path) as alice,
        by_hand("node", "net.py", "bob", *oracle_at, cwd=tmp_path) as bob,
    ):
        assert out(alice).readline() == "alice is here\n"
        oracle.send_signal(signal.SIGINT)
        done = ended(oracle)
        assert done.code == 130
        assert "the run was interrupted at" in done.err
        for node in (alice, bob):
            left = ended(node)
            assert left.code == 0
            assert left.err.splitlines()[-1] == "the run is over"
    assert [run["ended"] for run in json.loads(typed("runs", "--json", cwd=tmp_path).out)] == ["interrupted"]
    assert not [path for path in tmp_path.iterdir() if path.is_socket()]


@pytest.mark.parametrize("listen", ["tcp://127.0.0.1:0", "ipc://s"])
def test_a_node_is_there_once_and_may_come_again_before_the_beginning(listen: str, tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(LARGE)
    with ExitStack() as stack:
        oracle = stack.enter_context(by_hand("oracle", "net.py", "--seed", "1", "--listen", listen, cwd=tmp_path))
        at = listens_at(oracle)

        def node(name: str, *, afresh: bool = False) -> subprocess.Popen[str]:
            words = ("node", "net.py", name, "--seed", "1", "--oracle", at)
            return stack.enter_context(by_hand(*words, cwd=tmp_path, afresh=afresh))

        first = node("alice", afresh=True)
        assert err(oracle).readline() == "alice came; waiting for bob\n"
        if listen.startswith("tcp"):  # with ipc, the second cannot even listen
            twice = ended(node("alice"))
            assert (twice.code, "a node of that name is connected already" in twice.err) == (2, True)
        first.kill()
        first.wait()
        again = node("alice")
        while (line := err(oracle).readline()).startswith("WARNING refused"):
            pass
        assert line == "alice came; waiting for bob\n"
        bob = node("bob")
        assert (ended(oracle).code, ended(again).code, ended(bob).code) == (0, 0, 0)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_oracle_that_waits_is_a_run_under_way_until_a_signal_ends_and_saves_it(
    number: signal.Signals, tmp_path: Path
) -> None:
    (tmp_path / "net.py").write_text(COUNTS)
    with by_hand("oracle", "net.py", "--seed", "1", "--listen", "ipc://s", cwd=tmp_path) as oracle:
        assert err(oracle).readline() == "listening at ipc://s, waiting for alice and bob\n"
        assert ended_runs(tmp_path) == [("running", None)]
        assert typed("runs", "prune", "--keep", "0", cwd=tmp_path).out == "removed 0 runs; 1 run left in .qnode/runs\n"
        oracle.send_signal(number)
        done = ended(oracle)
    assert done.code == 130
    assert "Traceback" not in done.err
    assert ended_runs(tmp_path) == [("interrupted", 130)]
    assert not (tmp_path / "s").exists()


def test_an_oracle_whose_address_is_in_use_says_so_and_makes_no_run(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(COUNTS)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        address = f"tcp://127.0.0.1:{other.getsockname()[1]}"
        done = qnode("oracle", "net.py", "--seed", "1", "--listen", address, cwd=tmp_path, QNODE_TOKEN=TOKEN)
    assert (done.code, done.out) == (2, "")
    assert done.err == (
        f"qnode: --listen: cannot listen at {address}: another program listens there: end it, or choose another"
        " address\n"
    )
    assert not (tmp_path / ".qnode").exists()


def ended_runs(folder: Path) -> list[tuple[str, int | None]]:
    return [(run["ended"], run["exit_code"]) for run in json.loads(typed("runs", "--json", cwd=folder).out)]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_node_ends_at_a_signal_and_leaves_nothing(number: signal.Signals, tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(COUNTS)
    with tempfile.TemporaryDirectory(prefix="qn-", dir="/tmp") as folder:
        words = ("node", "net.py", "alice", "--seed", "1", "--oracle", "ipc://s")
        with by_hand(*words, cwd=tmp_path, TMPDIR=folder) as node:
            wait_for_file(tmp_path / "s.1")  # it listens, and waits for the oracle
            assert len(list(Path(folder).glob("qnode-*/*"))) == 2  # a directory and its lock
            node.send_signal(number)
            assert ended(node).code == 130
        assert not list(Path(folder).glob("qnode-*/*"))
    assert not [path for path in tmp_path.iterdir() if path.is_socket()]


# --- plans and addresses -------------------------------------------------------------------------------------------


@pytest.fixture
def source(tmp_path: Path) -> Source:
    (tmp_path / "net.yaml").write_text("{version: 1, seed: 1, nodes: {a: {}, b: {}}, links: {ab: {between: [a, b]}}}")
    return Cluster.from_yaml(tmp_path / "net.yaml").set_up()


def test_with_ipc_each_node_listens_beside_the_oracle(source: Source) -> None:
    plan = plan_by_hand(source, "ipc://x")
    listen = [plan.run.peers.format(number) for number in plan.run.processes.values()]
    assert [plan.oracle.address, *listen] == ["ipc://x", "ipc://x.1", "ipc://x.2"]
    assert [process.number for process in plan.processes] == list(plan.run.processes.values())


def test_the_token_comes_of_the_secret_and_is_not_it(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = set()
    for secret in (TOKEN, TOKEN[::-1], TOKEN):
        monkeypatch.setenv("QNODE_TOKEN", secret)
        tokens.add(identity("a", source, None).token)
    assert len(tokens) == 2
    assert not any(TOKEN.encode() in token for token in tokens)


@pytest.mark.parametrize(("secret", "sentence"), [("", "is not set"), ("short", "has only 5 characters")])
def test_a_token_that_is_no_secret_is_refused(
    secret: str, sentence: str, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QNODE_TOKEN", secret)
    with pytest.raises(ConfigError, match=sentence):
        identity("a", source, None)


@pytest.mark.parametrize(
    ("text", "address", "is_open", "nearby"),
    [
        ("tcp://127.0.0.1:5700", "tcp://127.0.0.1:5700", False, "tcp://127.0.0.1:5700"),
        ("tcp://localhost:0", "tcp://127.0.0.1:*", False, "tcp://127.0.0.1:*"),
        ("tcp://*:5700", "tcp://0.0.0.0:5700", True, "tcp://127.0.0.1:5700"),
        ("tcp://0.0.0.0:5700", "tcp://0.0.0.0:5700", True, "tcp://127.0.0.1:5700"),
        ("tcp://[::]:5700", "tcp://[::]:5700", True, "tcp://[::1]:5700"),
        ("tcp://[::1]:5700", "tcp://[::1]:5700", False, "tcp://[::1]:5700"),
        ("tcp://10.1.2.3:5700", "tcp://10.1.2.3:5700", True, "tcp://10.1.2.3:5700"),
        ("ipc://x", "ipc://x", False, "ipc://x"),
    ],
)
def test_where_an_oracle_listens(text: str, address: str, is_open: bool, nearby: str) -> None:
    assert listening(text) == Endpoint(address, is_open, nearby)


@pytest.mark.parametrize(
    ("text", "address", "is_open"),
    [
        ("tcp://127.0.0.1:5700", "tcp://127.0.0.1:5700", False),
        ("tcp://localhost:5700", "tcp://localhost:5700", False),
        ("tcp://10.1.2.3:5700", "tcp://10.1.2.3:5700", True),
        ("ipc://x", "ipc://x", False),
    ],
)
def test_where_a_node_finds_the_oracle(text: str, address: str, is_open: bool) -> None:
    assert reaching(text)[:2] == (address, is_open)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("tcp://127.0.0.1", "is no address; write tcp://HOST:PORT or ipc://PATH"),
        ("tcp://127.0.0.1:port", "is no address"),
        ("tcp://127.0.0.1:65536", "is no address"),
        ("tcp://127.0.0.1:-1", "is no address"),
        ("tcp://127.0.0.1:\N{SUPERSCRIPT TWO}", "is no address"),
        ("tcp://:5700", "is no address"),
        ("tcp://a b:5700", "is no address"),
        ("udp://127.0.0.1:1", "write tcp://HOST:PORT or ipc://PATH"),
        ("127.0.0.1:5700", "write tcp://HOST:PORT or ipc://PATH"),
        ("ipc://", "has no path"),
        ("ipc://" + "x" * 120, "a path of 122 bytes; the system takes up to 103"),
        ("tcp://no-such-machine.invalid:5700", "this machine knows no 'no-such-machine.invalid'"),
    ],
)
def test_an_address_that_cannot_be_is_refused_with_what_could(text: str, sentence: str) -> None:
    for read, option in ((listening, "--listen"), (reaching, "--oracle")):
        with pytest.raises(ConfigError) as caught:
            read(text, n_nodes=2)
        assert sentence in str(caught.value)
        assert str(caught.value).startswith(f"{option}: ")


def test_nobody_reaches_an_oracle_at_any_address_or_at_port_0() -> None:
    for text in ("tcp://0.0.0.0:5700", "tcp://*:5700", "tcp://127.0.0.1:0"):
        with pytest.raises(ConfigError, match="--oracle"):
            reaching(text)


@pytest.mark.parametrize(
    ("facing", "listen", "advertise", "has_keys", "expected"),
    [
        ("10.0.0.2", "", "", True, Own("tcp://10.0.0.2:*", "tcp://10.0.0.2:{port}")),
        ("fe80::2", "", "", True, Own("tcp://[fe80::2]:*", "tcp://[fe80::2]:{port}")),
        ("127.0.0.1", "", "", True, Own("tcp://0.0.0.0:*", "tcp://{oracle}:{port}")),
        ("127.0.0.1", "", "", False, Own("tcp://127.0.0.1:*", "tcp://{oracle}:{port}")),
        ("10.0.0.2", "tcp://0.0.0.0:5701", "", True, Own("tcp://0.0.0.0:5701", "tcp://10.0.0.2:{port}")),
        ("127.0.0.1", "tcp://0.0.0.0:5701", "", True, Own("tcp://0.0.0.0:5701", "tcp://{oracle}:{port}")),
        ("10.0.0.2", "tcp://10.9.0.2:5701", "", True, Own("tcp://10.9.0.2:5701", "tcp://10.9.0.2:{port}")),
        ("10.0.0.2", "", "lab2", True, Own("tcp://10.0.0.2:*", "tcp://lab2:{port}")),
        ("10.0.0.2", "", "lab2:80", True, Own("tcp://10.0.0.2:*", "tcp://lab2:80")),
        ("10.0.0.2", "", "fe80::9", True, Own("tcp://10.0.0.2:*", "tcp://[fe80::9]:{port}")),
        ("10.0.0.2", "", "[fe80::9]:80", True, Own("tcp://10.0.0.2:*", "tcp://[fe80::9]:80")),
    ],
)
def test_a_node_listens_where_it_faces_the_oracle_and_says_so(
    facing: str, listen: str, advertise: str, has_keys: bool, expected: Own, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(addresses, "_facing", lambda address: facing)
    oracle = reaching("tcp://10.0.0.1:5700")
    assert own_address(oracle, listen=listen, advertise=advertise, has_keys=has_keys) == expected


@pytest.mark.parametrize(
    ("oracle", "listen", "advertise", "sentence"),
    [
        ("tcp://127.0.0.1:1", "tcp://0.0.0.0:0", "", "reaches beyond this machine: make keys"),
        ("tcp://127.0.0.1:1", "", "a b", "is no HOST or HOST:PORT"),
        ("tcp://127.0.0.1:1", "", "lab2:0", "is no HOST or HOST:PORT"),
        ("tcp://127.0.0.1:1", "", "lab2:x", "is no HOST or HOST:PORT"),
        ("ipc://x", "tcp://127.0.0.1:0", "", "goes with an oracle at tcp://HOST:PORT"),
        ("ipc://x", "", "lab2", "goes with an oracle at tcp://HOST:PORT"),
    ],
)
def test_a_node_s_own_address_that_cannot_be_is_refused(
    oracle: str, listen: str, advertise: str, sentence: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        own_address(reaching(oracle), listen=listen, advertise=advertise, has_keys=False)
    assert sentence in str(caught.value)
