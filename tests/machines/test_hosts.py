"""Across machines: namespaces of our own, each with its own interface, its own folder and its own processes."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.cli.commands import ended, err, out, qnode
from tests.machines.hosts import AT, Machines, outcome, said
from tests.machines.lan import Lan
from tests.machines.networks import NETWORK, write


@pytest.fixture
def machines(lan: Lan, tmp_path: Path) -> Machines:
    return Machines(lan, tmp_path)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> tuple[object, bytes]:
    """Results and event log of the same run on one machine."""
    folder = write(tmp_path_factory.mktemp("alone"))
    return outcome(qnode("run", "net.yaml", "--json", cwd=folder))


def test_three_hosts_come_to_the_same_bytes_as_one(machines: Machines, alone: tuple[object, bytes]) -> None:
    with machines:
        nodes = [machines.start(host, "node", "net.yaml", "--host", host, "--oracle", AT, "--keys", machines.keys)
                 for host in ("lab3", "lab2")]  # fmt: skip
        oracle = machines.oracle("--json")
        nodes.append(
            machines.start(
                "lab1",
                "node",
                "net.yaml",
                "--host",
                "lab1",
                "--oracle",
                "tcp://localhost:5700",
                "--keys",
                machines.keys,
            )
        )
        assert outcome(ended(oracle)) == alone
        ats = (AT, AT, "tcp://localhost:5700")
        for node, name, at in zip(nodes, ("carol", "bob", "alice"), ats, strict=True):
            done = ended(node)
            assert done.code == 0, done.err
            assert done.err == f"starting {name} for the oracle at {at}\nthe run is over\n"


@pytest.mark.parametrize("order", [("oracle", "alice", "bob", "carol"), ("carol", "oracle", "bob", "alice"),
                                   ("bob", "alice", "carol", "oracle")], ids="-".join)  # fmt: skip
def test_the_order_of_starting_does_not_matter(
    order: tuple[str, ...], machines: Machines, alone: tuple[object, bytes]
) -> None:
    hosts = {"alice": "lab1", "bob": "lab2", "carol": "lab3"}
    with machines:
        running = {}
        for name in order:
            if name == "oracle":
                running[name] = machines.oracle("--json")
                assert err(running[name]).readline().startswith("listening at tcp://0.0.0.0:5700, waiting for alice")
            else:
                running[name] = machines.node(hosts[name], name)
                assert err(running[name]).readline() == f"waiting for the oracle at {AT}\n"
        assert outcome(ended(running.pop("oracle"))) == alone
        assert [ended(one).code for one in running.values()] == [0, 0, 0]


@pytest.mark.parametrize(
    "hosts", [("lab2", "lab3", "lab1"), ("lab1", "lab2", "lab3")], ids=["carol by localhost", "alice by localhost"]
)
def test_whoever_is_on_several_networks_is_reached_at_the_right_one(
    hosts: tuple[str, ...], machines: Machines, alone: tuple[object, bytes]
) -> None:
    """Alice's long messages go straight to carol, who is beside the oracle, or faces it by one of two interfaces."""
    with ExitStack() as stack:
        for host in machines.lan.hosts:
            stack.enter_context(machines.lan.facing_elsewhere(host))
        stack.enter_context(machines)
        oracle = machines.oracle("--json")
        nodes = [
            machines.node(host, name, oracle="tcp://localhost:5700" if host == "lab1" else AT)
            for host, name in zip(hosts, ("alice", "bob", "carol"), strict=True)
        ]
        assert outcome(ended(oracle)) == alone
        assert [ended(node).code for node in nodes] == [0, 0, 0]


def test_a_cut_that_heals_changes_nothing(machines: Machines, alone: tuple[object, bytes], tmp_path: Path) -> None:
    gate, lan = tmp_path / "gate", machines.lan
    with machines:
        oracle = machines.oracle("--json")
        alice = machines.node("lab1", "alice", GATE=str(gate))
        bob, carol = machines.node("lab2", "bob"), machines.node("lab3", "carol")
        assert out(alice).readline() == "at the gate\n"
        try:
            for host in ("lab2", "lab3"):
                lan.cut(host)
            for node in (bob, carol):
                said(node, "no connection to the oracle any more; trying again for 30 s")
            gate.touch()
        finally:
            for host in ("lab2", "lab3"):
                lan.heal(host)
        assert outcome(ended(oracle)) == alone
        for node in (alice, bob, carol):
            done = ended(node)
            assert done.code == 0
            assert ("the oracle is here again" in done.err) == (node is not alice)


def test_a_node_that_stays_away_is_lost_and_the_run_says_so(machines: Machines) -> None:
    lan = machines.lan
    with machines:
        oracle = machines.oracle("--patience", "1")
        alice = machines.node("lab1", "alice", GATE="/nowhere")
        bob, carol = machines.node("lab2", "bob", "--patience", "1"), machines.node("lab3", "carol")
        assert out(alice).readline() == "at the gate\n"
        try:
            lan.cut("lab2")
            left = ended(bob)
            assert left.code == 4
            assert "the oracle at tcp://lab1:5700 is gone, or its machine is, and has not come back for 1 s" in left.err
        finally:
            lan.heal("lab2")
        alice.kill()
        done = ended(oracle)
        assert done.code == 4
        assert "no connection to it for 1 s" in done.err
        assert ended(carol).code == 0


def test_with_the_real_clock_too_messages_go_from_host_to_host(machines: Machines) -> None:
    real = NETWORK.replace("seed: 5", "seed: 5\nclock: {mode: real, speed: 0.01}")
    with machines:
        machines.network = real
        oracle = machines.oracle("--json")
        nodes = [machines.node(f"lab{nth}", name) for nth, name in enumerate(("alice", "bob", "carol"), 1)]
        done = ended(oracle)
        assert done.code == 0, done.err
        assert json.loads(done.out)["results"]["carol"]["main"] == [100_000 + number for number in range(5)]
        assert [ended(node).code for node in nodes] == [0, 0, 0]


@pytest.mark.parametrize(
    ("oracle", "code", "sentence"),
    [
        ("tcp://10.77.0.99:5700", 4, "the oracle at tcp://10.77.0.99:5700 did not answer within 1 s"),
        ("tcp://lab1:5999", 4, "the oracle at tcp://lab1:5999 did not answer within 1 s"),
        ("tcp://192.0.2.1:5700", 2, "--oracle: no way from this machine to 192.0.2.1: Network is unreachable"),
        ("tcp://lab9:5700", 2, "--oracle: this machine knows no 'lab9'"),
    ],
)
def test_an_oracle_that_cannot_be_reached_is_told(oracle: str, code: int, sentence: str, machines: Machines) -> None:
    with machines:
        done = ended(machines.node("lab2", "bob", "--wait", "1", oracle=oracle))
        assert done.code == code
        assert sentence in done.err


def test_nobody_waits_for_ever_for_a_node_that_takes_a_long_message_no_more(machines: Machines) -> None:
    with machines:
        oracle = machines.oracle("--json", "--patience", "1")
        alice, bob = machines.node("lab1", "alice"), machines.node("lab2", "bob")
        carol = machines.node("lab3", "carol", "--advertise", "10.77.0.99")  # where nobody is
        said(oracle, "all nodes are here")
        carol.kill()
        done = ended(oracle)
        assert done.code == 4
        assert "carol" in done.err
        for node in (alice, bob):
            assert ended(node).code == 0
