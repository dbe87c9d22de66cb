"""`qnode oracle` and `qnode node`: one process each, started by whoever wants them elsewhere."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import tempfile
from contextlib import ExitStack, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from orchestrator import loader
from orchestrator.cli.by_hand import LONGEST_IPC, addresses, plan_by_hand
from orchestrator.topology import Network, describe
from qnode.errors import ConfigError
from qnode.quantum.hardware import Hardware, Slots
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


def free_port() -> int:
    """One with two more above it, as far as one can know.

    None that the system gives to whoever does not ask for a certain one: a client that tries to connect there until
    somebody listens may get that port itself, is then connected to itself, and nobody else can listen there any more.
    """
    while True:
        port = random.SystemRandom().randrange(20_000, 32_000)
        with suppress(OSError), ExitStack() as stack:
            for number in range(port, port + 3):
                stack.enter_context(socket.socket()).bind(("127.0.0.1", number))
            return port


by_hand: Final = partial(started, QNODE_TOKEN=TOKEN)


@pytest.mark.parametrize("kind", ["tcp", "ipc"])
def test_an_oracle_and_its_nodes_find_each_other_and_leave_nothing(kind: str, tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(LARGE)
    address = f"tcp://127.0.0.1:{free_port()}" if kind == "tcp" else "ipc://net.socket"
    same = ("net.py", "--seed", "7", "--address", address, "--wait", "60")  # then they say who did not come
    with (
        by_hand("oracle", "--json", "--set", "telemetry.mqtt=mqtt://127.0.0.1:1", *same, cwd=tmp_path) as oracle,
        by_hand("node", same[0], "alice", *same[1:], cwd=tmp_path) as alice,
        by_hand("node", same[0], "bob", *same[1:], cwd=tmp_path) as bob,
    ):
        assert [ended(one) for one in (alice, bob)] == [(0, "", "")] * 2
        done = ended(oracle)
        assert done.code == 0, done.err
    assert f"listening at {address}, waiting for alice, bob" in done.err
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
            arguments = ("node", "net.py", name, "--seed", seed, "--address", address)
            return stack.enter_context(started(*arguments, cwd=tmp_path, QNODE_TOKEN=token))

        oracle = stack.enter_context(by_hand("oracle", "net.py", "--seed", "1", "--address", address, cwd=tmp_path))
        strangers = [node("alice", "2"), node("alice", "1", token=TOKEN[::-1])]
        for stranger in strangers:
            refused = ended(stranger)
            assert refused.code == 2
            assert "the token is not this run's; configuration, --set, --seed" in refused.err
        alice, bob = node("alice", "1"), node("bob", "1")
        assert ended(oracle).code == 0
        assert (ended(alice).code, ended(bob).code) == (0, 0)


def test_nodes_end_when_the_oracle_is_interrupted_which_saves_the_run(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(COUNTS)
    same = ("--seed", "1", "--address", "ipc://s")
    with (
        by_hand("oracle", "net.py", *same, cwd=tmp_path) as oracle,
        by_hand("node", "net.py", "alice", *same, cwd=tmp_path) as alice,
        by_hand("node", "net.py", "bob", *same, cwd=tmp_path) as bob,
    ):
        assert out(alice).readline() == "alice is here\n"
        oracle.send_signal(signal.SIGINT)
        done = ended(oracle)
        assert done.code == 130
        assert "the run was interrupted at" in done.err
        for node in (alice, bob):
            left = ended(node)
            assert left.code == 4
            assert "the oracle at ipc://s is gone" in left.err
    assert [run["ended"] for run in json.loads(typed("runs", "--json", cwd=tmp_path).out)] == ["interrupted"]
    assert not [path for path in tmp_path.iterdir() if path.is_socket()]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_oracle_that_waits_is_a_run_under_way_until_a_signal_ends_and_saves_it(
    number: signal.Signals, tmp_path: Path
) -> None:
    (tmp_path / "net.py").write_text(COUNTS)
    with by_hand("oracle", "net.py", "--seed", "1", "--address", "ipc://s", cwd=tmp_path) as oracle:
        assert err(oracle).readline() == "listening at ipc://s, waiting for alice, bob\n"
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
        done = qnode("oracle", "net.py", "--seed", "1", "--address", address, cwd=tmp_path, QNODE_TOKEN=TOKEN)
    assert (done.code, done.out) == (2, "")
    assert done.err == (
        f"qnode: --address: cannot listen at {address}: another program listens there: end it, or choose another"
        " address\n"
    )
    assert not (tmp_path / ".qnode").exists()


def ended_runs(folder: Path) -> list[tuple[str, int | None]]:
    return [(run["ended"], run["exit_code"]) for run in json.loads(typed("runs", "--json", cwd=folder).out)]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_node_ends_at_a_signal_and_leaves_nothing(number: signal.Signals, tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(COUNTS)
    with tempfile.TemporaryDirectory(prefix="qn-", dir="/tmp") as folder:
        words = ("node", "net.py", "alice", "--seed", "1", "--address", "ipc://s")
        with by_hand(*words, cwd=tmp_path, TMPDIR=folder) as node:
            wait_for_file(tmp_path / "s.1")  # it listens, and waits for the oracle
            assert len(list(Path(folder).glob("qnode-*/*"))) == 2  # a directory and its lock
            node.send_signal(number)
            assert ended(node).code == 130
        assert not list(Path(folder).glob("qnode-*/*"))
    assert not [path for path in tmp_path.iterdir() if path.is_socket()]


# --- plans ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def network() -> Network:
    data = {"version": 1, "nodes": {"a": {"qubits": 3}, "b": {}}, "links": {"ab": {"between": ["a", "b"]}}}
    return describe(loader.from_mapping(data), Path("/somewhere"), 1)


def test_with_tcp_each_node_has_a_port_above_the_oracle_s(network: Network) -> None:
    plan = plan_by_hand(network, addresses("tcp://127.0.0.1:5700", 2), TOKEN)
    listen = [plan.run.peers.format(number) for number in plan.run.processes.values()]
    assert [plan.oracle.address, *listen] == [f"tcp://127.0.0.1:{port}" for port in (5700, 5701, 5702)]
    assert [process.number for process in plan.processes] == list(plan.run.processes.values())


def test_the_token_binds_what_all_must_agree_on_and_no_folder(network: Network) -> None:
    where = addresses("ipc://x", 2)

    def token(changed: Network, secret: str = TOKEN) -> bytes:
        plan = plan_by_hand(changed, where, secret, parcels=os.urandom(4).hex(), folder=os.urandom(4).hex())
        assert plan.oracle.token == plan.processes[0].token == plan.processes[1].token
        return plan.oracle.token

    first = next(iter(network.nodes.values()))
    nodes = {**network.nodes, first.name: replace(first, hardware=Hardware(Slots(4)))}
    others = [
        token(replace(network, seed=2)),
        token(replace(network, nodes=nodes)),
        token(replace(network, links=())),
        token(replace(network, tick_ns=5)),
        token(replace(network, until_ns=5)),
        token(network, TOKEN[::-1]),
    ]
    assert len({token(network), *others}) == 7
    assert token(network) == token(replace(network, base=Path("/elsewhere")))
    assert TOKEN.encode() not in token(network)


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("tcp://10.0.0.1:5700", "10.0.0.1 is not this machine's loopback: messages would travel open"),
        ("tcp://example.org:5700", "example.org is not this machine's loopback"),
        ("tcp://0.0.0.0:5700", "0.0.0.0 is not this machine's loopback"),
        ("tcp://*:5700", "* is not this machine's loopback"),
        ("tcp://127.0.0.1:65534", "no address with room for 2 nodes above its port"),
        ("tcp://127.0.0.1", "is no address"),
        ("tcp://127.0.0.1:port", "is no address"),
        ("udp://127.0.0.1:1", "write tcp://127.0.0.1:PORT or ipc://PATH"),
        ("ipc://", "has no path"),
        ("ipc://" + "x" * 120, "a path of 122 bytes; the system takes up to 103"),
    ],
)
def test_an_address_that_cannot_be_is_refused_with_what_could(address: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        addresses(address, 2)
    assert sentence in str(caught.value)
    assert str(caught.value).startswith("--address: ")


@pytest.mark.parametrize(("secret", "sentence"), [("", "is not set"), ("short", "has only 5 characters")])
def test_a_token_that_is_no_secret_is_refused(secret: str, sentence: str, network: Network) -> None:
    with pytest.raises(ConfigError, match=sentence):
        plan_by_hand(network, addresses("ipc://x", 2), secret)
