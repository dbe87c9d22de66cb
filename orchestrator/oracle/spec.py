"""What the oracle process is told when it starts, and what it tells when the run is over."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from orchestrator.oracle.counts import Counts
from orchestrator.oracle.limits import Limits, Strangers
from orchestrator.oracle.staging import Staged
from qnode.photons.hardware import PhotonLink
from qnode.quantum.hardware import Hardware
from qnode.quantum.pair_source import PairSource, perfect
from qnode.wire.faults import Fault
from qnode.wire.keys import Keys
from qnode.wire.plan import PATIENCE_S

PERFECT: Final = -1
RESUME: Final = "resume"  # as in failures.py, whose models the oracle does without
SEGMENT_BYTES: Final = 64 * 2**20  # of a record, before another file of it is begun


class LinkSpec(msgspec.Struct, array_like=True, frozen=True):
    """A quantum link between its ends a and b.

    Attributes:
        delay_ns: How long light and messages take, one way; both ways alike.
        source: Where its source of pairs stands in `OracleSpec.sources`; `PERFECT` for one that always succeeds.
        transmission: Probability that a qubit which is sent over it arrives.
    """

    a: str
    b: str
    delay_ns: int
    source: int = PERFECT
    transmission: float = 1.0
    photons: PhotonLink | None = None


class OracleSpec(msgspec.Struct, array_like=True, frozen=True):
    """A run, as the oracle needs it.

    Attributes:
        programs: Each node's programs that keep the run alive (services are not among them).
        incarnations: Which life each node is in.
        classical_ns: One delay for all classical messages; None: `matrix_ns` if that is given, else along the links.
        observe: Labels of marks, each with its targets ("" stands for Phi+ of the pair).
        folder: Where record and event log are written; "" for nowhere.
        followed: Whether whoever started the run connects, too, and is waited for.
        paused: Whether nobody runs until whoever started the run says so.
        sources: The different sources of pairs that there are; many links share few of them.
        hardware, hardware_of: What the nodes are made of, each kind once, and which of them each node is.
        services: Each node's programs that keep the run not alive.
        limits, limits_of: What each node may have of the oracle; for those of `limits_of`, that.
        strangers: What connections may do that belong to nobody, or are refused.
        restart: What is done when a node's process is lost, "fresh" or "resume"; a node that is not there stays away.
        restarts: How often a node may come back.
        restart_ns: Network time from the loss of a node to its next, fresh life.
        detection_ns: Network time until others learn of a loss; longer, where a message takes longer.
        faults: What a script does to the network.
        keys: Who the oracle is, where messages leave the machine.
        patience_s: Wall time without a connection after which a node of another machine is gone.
        synced: Whether the disk has each round before anybody is granted what comes of it.
        segment_bytes: How long a file of the record gets before another one is begun.
        staged: Which programs are started and stopped while the network runs.
        resume: Whether its record is there already, and is gone on with.
    """

    run_id: str
    name: str
    seed: int
    programs: dict[str, tuple[str, ...]]
    incarnations: dict[str, int]
    links: tuple[LinkSpec, ...]
    classical_ns: int | None
    matrix_ns: dict[str, dict[str, int]] | None
    clock: str
    speed: float
    tick_ns: int
    until_ns: int | None
    formalism: str
    max_state_vector_qubits: int
    observe: dict[str, tuple[str, ...]]
    address: str
    token: bytes
    folder: str
    events: bool
    join_timeout_s: float = 60.0
    followed: bool = True
    paused: bool = False
    hardware: tuple[Hardware, ...] = ()
    hardware_of: dict[str, int] = {}
    sources: tuple[PairSource, ...] = ()
    services: dict[str, tuple[str, ...]] = {}
    limits: Limits = Limits()
    limits_of: dict[str, Limits] = {}
    strangers: Strangers = Strangers()
    restart: dict[str, str] = {}
    restarts: int = 0
    restart_ns: int = 0
    detection_ns: int = 0
    faults: tuple[Fault, ...] = ()
    keys: Keys | None = None
    patience_s: float = PATIENCE_S
    synced: bool = False
    segment_bytes: int = SEGMENT_BYTES
    resume: bool = False
    staged: tuple[Staged, ...] = ()

    def source_of(self, link: LinkSpec) -> PairSource:
        """How a link's pairs come about."""
        return perfect(link.delay_ns) if link.source == PERFECT else self.sources[link.source]

    def without_secrets(self) -> OracleSpec:
        """As it may be kept: without what lets others speak to this run, and without this machine's paths."""
        return msgspec.structs.replace(
            self, token=b"", keys=None, address="", folder="", followed=True, paused=False, resume=False
        )


encode_oracle = msgspec.msgpack.Encoder().encode
decode_oracle = msgspec.msgpack.Decoder(OracleSpec).decode


class Failure(msgspec.Struct, array_like=True, frozen=True):
    node: str
    program: str
    at_ns: int
    traceback: str


class Result(msgspec.Struct, array_like=True, frozen=True):
    """What a program returned, packed, and when."""

    node: str
    program: str
    at_ns: int
    packed: bytes


class Observed(msgspec.Struct, array_like=True, frozen=True):
    """One evaluation at a mark; `value` is None where there was nothing to compare with."""

    label: str
    nth: int
    node: str
    qubit: str
    quantity: str
    value: float | None


class Waiting(msgspec.Struct, array_like=True, frozen=True):
    node: str
    program: str
    what: str
    where: str


class Summary(msgspec.Struct, array_like=True, frozen=True):
    """How a run ended.

    Attributes:
        how: "done", "until", "failed", "deadlock", "livelock", "stall" or "lost".
        counts: steps, reports, operations, messages, pairs, transfers, absorbed, refused.
        frames_refused: What was refused at the oracle's socket, by reason, and at those of node processes.
        unread: Messages that no program received, by node.
        left_over: Qubits that programs still held when they returned, by node.
        used: Qubits that were ever in a node's memory, by node.
        lost: Qubits that arrived at a node that had no place for them, by node and reason.
        peer_lost: Programs that were ended by the loss of a node that they waited for: node, program, which was lost.
        stopped: Programs that were stopped: node, program, and when they were over.
        gone: Nodes that were not there any more at the end, and why.
        lateness_ns: On the real clock, how late a node was at worst, by node.
        clock_bound_ns: On the real clock, by how much a node's idea of network time may have been off, by node.
    """

    how: str
    at_ns: int
    nodes: tuple[str, ...]
    results: tuple[Result, ...]
    failures: tuple[Failure, ...]
    notes: tuple[tuple[str, str, bytes], ...]
    observed: tuple[Observed, ...]
    waits: tuple[Waiting, ...]
    counts: dict[str, int]
    frames_refused: dict[str, int]
    unread: dict[str, int]
    lateness_ns: dict[str, int]
    clock_bound_ns: dict[str, int]
    reproducible: bool
    resumable: bool
    left_over: dict[str, int] = {}
    used: dict[str, int] = {}
    lost: dict[str, dict[str, int]] = {}
    peer_lost: tuple[tuple[str, str, str], ...] = ()
    gone: dict[str, str] = {}
    stopped: tuple[tuple[str, str, int], ...] = ()


def cut_short(how: str, *, at_ns: int = 0, steps: int = 0) -> Summary:
    """The summary of a run whose oracle could not tell: only how it ended and how far it was known to be."""
    counts = {**vars(Counts()), "steps": steps}
    return Summary(
        how=how,
        at_ns=at_ns,
        nodes=(),
        results=(),
        failures=(),
        notes=(),
        observed=(),
        waits=(),
        counts=counts,
        frames_refused={},
        unread={},
        lateness_ns={},
        clock_bound_ns={},
        reproducible=False,
        resumable=False,
    )


encode_summary = msgspec.msgpack.Encoder().encode
decode_summary = msgspec.msgpack.Decoder(Summary).decode


def record_path(folder: str | Path) -> Path:
    return Path(folder) / "record"


def log_path(folder: str | Path) -> Path:
    return Path(folder) / "log"


def events_path(folder: str | Path) -> Path:
    return Path(folder) / "events.jsonl"


def payloads_path(folder: str | Path) -> Path:
    """Where long payloads are kept, in a folder for each process that received some."""
    return Path(folder) / "payloads"
