"""The plan of a run whose processes are started by hand, on one machine or on many, by `qnode oracle` and `qnode node`.

Everybody works it out from the same configuration and seed. That it is the same is compared when a node joins.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import Final

import msgspec

from orchestrator.addresses import Own
from orchestrator.facts import facts_of
from orchestrator.keys import keys_for, require_all
from orchestrator.plan import LaunchPlan, plan
from orchestrator.run import Source
from qnode.errors import ConfigError
from qnode.wire.keys import Keys
from qnode.wire.plan import SECRET, ProcessSpec

SHORTEST_SECRET: Final = 16
_MAKE_ONE: Final = "make one with `openssl rand -hex 16`, and give the same one to the oracle and to every node"
_FIRST: Final = 1  # the number of the first node's process; with ipc it is in the name of a file


@dataclass(frozen=True)
class Identity:
    """What lets a process take part: the run's token, or keys; one of them is always empty."""

    token: bytes = b""
    keys: Keys | None = None


def identity(name: str, source: Source, keys: Path | None) -> Identity:
    """Of the oracle or a node: by its file of keys, or else by QNODE_TOKEN. Raises ConfigError."""
    if keys is not None:
        found = keys_for(name, keys, source.name)
        require_all(found, tuple(source.network.nodes), keys)
        return Identity(keys=found)
    secret = os.environ.get(SECRET, "")
    if len(secret) < SHORTEST_SECRET:
        what = f"has only {len(secret)} characters" if secret else "is not set"
        raise ConfigError(place=SECRET, detail=f"{what}; {_MAKE_ONE}, or use keys (--keys)")
    return Identity(token=blake2b(b"token", key=blake2b(secret.encode()).digest(), digest_size=32).digest())


def plan_by_hand(source: Source, oracle: str, *, parcels: str = "", log: str = "", wait_s: float = 0.0) -> LaunchPlan:
    """What each process is told, whoever it is; one node in each.

    Args:
        oracle: Where it listens, or is reached.
        parcels: A folder of the nodes' processes for large payloads.
        log: Where their output goes; "" leaves it where it is.
        wait_s: Wall time that nodes wait for the oracle.
    """
    alone = _alone(source)
    change = msgspec.structs.replace
    run = change(
        alone.run,
        oracle=oracle,
        peers=f"{oracle}.{{}}",
        processes={name: _FIRST + number for name, number in alone.run.processes.items()},
        parcels=parcels,
        path=source.path,
        log=log,
        alone_s=wait_s,
    )
    processes = tuple(change(one, number=_FIRST + one.number) for one in alone.processes)
    return LaunchPlan(run, change(alone.oracle, address=oracle, followed=False), processes)


def oracle_facts(source: Source) -> Mapping[str, str]:
    """What nodes are compared with when they join."""
    alone = _alone(source)
    return facts_of(source, alone, alone.programs)


def joining(source: Source, process: ProcessSpec, own: Own, who: Identity) -> ProcessSpec:
    """What one node's process is told, so that it joins."""
    (node,) = process.nodes
    return msgspec.structs.replace(
        process,
        token=who.token,
        keys=who.keys,
        facts=facts_of(source, _alone(source), [program.run for program in node.programs]),
        listen=own.listen,
        advertise=own.advertise,
    )


def _alone(source: Source) -> LaunchPlan:
    """What all have alike, without anything of one machine."""
    network = replace(source.network, nodes_per_process=1)
    return plan(network, run_id=network.name, token=b"", directory="", folder="")
