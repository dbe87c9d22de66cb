"""Somebody who sees every packet between the machines: what is said is encrypted, on every connection that there is."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Final

import pytest

from orchestrator.keys import keys_for
from tests.cli.commands import ended
from tests.machines.hosts import Machines
from tests.machines.lan import Lan
from tests.machines.networks import NETWORK, PROGRAMS

TOLD: Final = "what nobody may read"
TIMES: Final = 5_000  # in a long message, which goes straight to carol; a short one goes by way of the oracle
TELLING: Final = PROGRAMS.replace(
    'await node.send("carol", bytes(100_000 + number))',
    f'await node.send("carol", {TOLD!r} * ({TIMES} if number % 2 else 1))',
)
MECHANISM: Final = re.compile(rb"(NULL|PLAIN|CURVE|GSSAPI)\0{14,16}")  # of a greeting of ZeroMQ's protocol
HOSTS: Final = {"alice": "lab1", "bob": "lab2", "carol": "lab3"}


@pytest.mark.parametrize("clock", ["virtual", "{mode: real, speed: 0.01}"])
def test_whoever_sees_all_packets_reads_nothing(clock: str, lan: Lan, tmp_path: Path) -> None:
    network, seen = NETWORK.replace("seed: 5", f"seed: 5\nclock: {clock}"), tmp_path / "seen"
    with Machines(lan, tmp_path, network, TELLING) as machines:
        with lan.overheard(seen):
            oracle = machines.oracle("--json", host="lab2")
            nodes = [machines.node(host, name, oracle="tcp://lab2:5700") for name, host in HOSTS.items()]
            done = ended(oracle)
            left = [ended(node) for node in nodes]
        assert done.code == 0, done.err
        assert [one.code for one in left] == [0, 0, 0]
        secrets = [keys_for(name, machines.keys, "three machines").secret for name in ("oracle", *HOSTS)]
    told = json.loads(done.out)
    long = TIMES * len(TOLD)
    assert told["results"]["carol"]["main"] == [len(TOLD), long, len(TOLD), long, len(TOLD)]
    packets = seen.read_bytes()
    assert len(packets) > 2 * long  # it has seen them go by
    mechanisms = MECHANISM.findall(packets)
    assert len(mechanisms) >= 2 * 4  # alice, bob and carol with the oracle, and alice with carol: both ends of each
    assert set(mechanisms) == {b"CURVE"}
    for word in (TOLD, "alice", "programs.py", *(secret.decode() for secret in secrets)):
        assert word.encode() not in packets, word
    kept = [path for path in (tmp_path / "lab2/.qnode").rglob("*") if path.is_file()]
    assert kept
    printed = "".join(one.out + one.err for one in (done, *left)).encode()
    for secret in secrets:
        assert not [path for path in kept if secret in path.read_bytes()]
        assert secret not in printed
