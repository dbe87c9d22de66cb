"""What a process is told when it starts: the run it belongs to, and the nodes that live in it."""

from __future__ import annotations

from typing import Final

import msgspec

from qnode.errors import MalformedMessage
from qnode.quantum.hardware import Hardware
from qnode.wire.keys import Keys
from qnode.wire.stack import LinkFacts, StackSpec
from qnode.wire.unreadable import UNREADABLE

BLOCKED_S: Final = 10.0  # wall time
SECRET: Final = "QNODE_TOKEN"
"""The variable of the environment in which processes that somebody starts by hand find the run's secret."""
PATIENCE_S: Final = 30.0  # wall time


class ProgramSpec(msgspec.Struct, array_like=True, frozen=True):
    """A program: `run` is `file.py:function` or `package.module:function`; a service keeps no run alive.

    `memories` are slots of its own, of those that new qubits are made in and of those for communication. `late`: it
    does not run from the beginning, but when the oracle says so.
    """

    name: str
    run: str
    args: dict[str, object]
    service: bool = False
    memories: tuple[int, int] = (0, 0)
    late: bool = False


class NodeSpec(msgspec.Struct, array_like=True, frozen=True):
    """One node.

    `key` is the root of its named randomness; `delays_ns` only where nodes time messages themselves. `all_shared`: the
    oracle keeps all its qubits from the beginning, for only there is known what attempts at pairs do to them.
    `links` is what the node knows of its links, and `stack` how it makes entanglement with others than its neighbours.
    """

    name: str
    incarnation: int
    hardware: Hardware
    neighbours: tuple[str, ...]
    programs: tuple[ProgramSpec, ...]
    key: bytes
    delays_ns: dict[str, int] = {}
    all_shared: bool = False
    links: tuple[LinkFacts, ...] = ()
    stack: StackSpec = StackSpec()


class RunSpec(msgspec.Struct, array_like=True, frozen=True):
    """What all nodes of a run agree on.

    Attributes:
        names: All nodes of the network.
        clock: "virtual" or "real".
        speed: Seconds of network time in a second of wall time, on the real clock.
        tick_ns: The grid that all times are rounded up to.
        observed: The labels of marks that the observer evaluates.
        log_local: Whether nodes report what they do with their own qubits, for the event log.
        base: The folder that program files are relative to.
        oracle: The oracle's address.
        peers: A pattern for the address of the process that a node lives in, with {} for the process's number.
        parcels: A folder of the run for payloads that travel by themselves.
        processes: Which process each node lives in.
        blocked_s: Wall time after which a program that blocks its loop is named in a warning.
        path: More folders that program files may be in, and that programs import from.
        log: The file that everything printed goes to; "" leaves it where it goes.
        alone_s: Wall time to wait for an oracle that somebody else started, and watches or not; None: whoever started
            this process started the oracle, too.
        patience_s: Wall time that an oracle which somebody else started may be gone.
    """

    run_id: str
    names: tuple[str, ...]
    clock: str
    speed: float
    tick_ns: int
    formalism: str
    max_state_vector_qubits: int
    observed: tuple[str, ...]
    log_local: bool
    base: str
    oracle: str
    peers: str
    parcels: str
    processes: dict[str, int]
    blocked_s: float = BLOCKED_S
    path: tuple[str, ...] = ()
    log: str = ""
    alone_s: float | None = None
    patience_s: float = PATIENCE_S


class ProcessSpec(msgspec.Struct, array_like=True, frozen=True):
    """One process and its nodes.

    Attributes:
        token: What lets it speak to the others of this run, where there are no keys.
        facts: What it has, to be compared with what the oracle has, see `Hello.facts`.
        listen: Where its peers reach it, if that is not the pattern's: an address to bind, perhaps with a free port.
        advertise: What the others are told of that: an address with {port}, and perhaps {oracle} for the host under
            which each of them reaches the oracle.
        keys: Who it is, where messages leave the machine.
    """

    number: int
    token: bytes
    nodes: tuple[NodeSpec, ...]
    facts: dict[str, str] = {}
    listen: str = ""
    advertise: str = ""
    keys: Keys | None = None


encode_spec = msgspec.msgpack.Encoder().encode
_run = msgspec.msgpack.Decoder(RunSpec)
_process = msgspec.msgpack.Decoder(ProcessSpec)


def decode_run(data: bytes) -> RunSpec:
    """Raises MalformedMessage."""
    try:
        return _run.decode(data)
    except UNREADABLE as error:
        raise MalformedMessage(detail=f"not a run: {error}") from None


def decode_process(data: bytes) -> ProcessSpec:
    """Raises MalformedMessage."""
    try:
        return _process.decode(data)
    except UNREADABLE as error:
        raise MalformedMessage(detail=f"not a process: {error}") from None
