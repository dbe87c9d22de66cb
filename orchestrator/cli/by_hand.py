"""The plan of a run whose processes are started one by one, by `qnode oracle` and `qnode node`.

Everybody works it out from the same configuration and seed. That it is the same is part of the token: whoever has
another configuration, seed or version is refused like a stranger.
"""

from __future__ import annotations

import ipaddress
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from orchestrator.oracle.spec import encode_oracle
from orchestrator.plan import LaunchPlan, plan
from orchestrator.topology import Network
from qnode import __version__
from qnode.errors import ConfigError
from qnode.wire.plan import encode_spec

LONGEST_IPC: Final = 103  # bytes of a socket's path that every system takes
SHORTEST_SECRET: Final = 16
_MAKE_ONE: Final = "make one with `openssl rand -hex 16`, and give the same one to the oracle and to every node"


class Addresses(NamedTuple):
    """Where the oracle listens, and a pattern for the others with {} for a process's number; the first number."""

    oracle: str
    peers: str
    first: int


def addresses(address: str, n_nodes: int) -> Addresses:
    """Where everybody listens. Raises ConfigError for an address that cannot be, or that is not on this machine."""
    kind, _, rest = address.partition("://")
    match kind:
        case "ipc":
            return _ipc(address, rest, n_nodes)
        case "tcp":
            return _tcp(address, rest, n_nodes)
    raise _refused(f"{address!r} is no address; write tcp://127.0.0.1:PORT or ipc://PATH")


def socket_file(address: str) -> Path | None:
    """The file that whoever listens at an address leaves behind, if it leaves one."""
    kind, _, path = address.partition("://")
    return Path(path) if kind == "ipc" else None


def plan_by_hand(
    network: Network, where: Addresses, secret: str, *, parcels: str = "", folder: str = "", path: tuple[str, ...] = ()
) -> LaunchPlan:
    """What each process is told; one node in each.

    Args:
        secret: What QNODE_TOKEN says. Raises ConfigError if it is no secret.
        parcels: A folder of the node's process for large payloads.
        folder: Where the oracle writes.
        path: More folders that programs may be in.
    """
    if len(secret) < SHORTEST_SECRET:
        what = f"has only {len(secret)} characters" if secret else "is not set"
        raise ConfigError(place="QNODE_TOKEN", detail=f"{what}; {_MAKE_ONE}")
    alone = plan(replace(network, nodes_per_process=1), run_id=network.name, token=b"", directory="", folder=folder)
    token = _token(alone, secret)
    change = msgspec.structs.replace
    run = change(
        alone.run,
        oracle=where.oracle,
        peers=where.peers,
        processes={name: where.first + number for name, number in alone.run.processes.items()},
        parcels=parcels,
        path=path,
        log="",
    )
    processes = tuple(change(one, number=where.first + one.number, token=token) for one in alone.processes)
    return LaunchPlan(run, change(alone.oracle, address=where.oracle, token=token, followed=False), processes)


def _token(alone: LaunchPlan, secret: str) -> bytes:
    """The secret, bound to everything that all must agree on; not to folders, which differ between machines."""
    run = msgspec.structs.replace(alone.run, base="", path=(), parcels="", log="", oracle="", peers="")
    key = blake2b(secret.encode()).digest()
    agreed = b"".join(
        [
            __version__.encode(),
            encode_spec(run),
            encode_oracle(alone.oracle.without_secrets()),
            *(encode_spec(process) for process in alone.processes),
        ]
    )
    return blake2b(agreed, key=key, digest_size=32).digest()


def _ipc(address: str, path: str, n_nodes: int) -> Addresses:
    longest = len(f"{path}.{n_nodes}".encode())
    if not path or longest > LONGEST_IPC:
        what = f"a path of {longest} bytes" if path else "no path"
        raise _refused(
            f"{address!r} has {what}; the system takes up to {LONGEST_IPC}: choose one such as ipc:///tmp/run"
        )
    return Addresses(address, f"{address}.{{}}", 1)


def _tcp(address: str, rest: str, n_nodes: int) -> Addresses:
    host, _, port_text = rest.rpartition(":")
    port = int(port_text) if port_text.isdecimal() else 0
    if not host or not 0 < port < 65536 - n_nodes:
        raise _refused(
            f"{address!r} is no address with room for {n_nodes} nodes above its port; write tcp://127.0.0.1:5700, say"
        )
    if not _is_loopback(host):
        raise _refused(
            f"{host} is not this machine's loopback: messages would travel open to everybody in between, for this"
            " version has no keys yet; use tcp://127.0.0.1:PORT, or ipc://PATH"
        )
    return Addresses(address, f"tcp://{host}:{{}}", port + 1)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False  # not even localhost: what a name means is decided elsewhere


def _refused(detail: str) -> ConfigError:
    return ConfigError(place="--address", detail=detail)
