"""An oracle's core without sockets, and the reports that nodes could send it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from orchestrator.oracle.core import OracleCore
from orchestrator.oracle.events import Event
from orchestrator.oracle.network import build_core
from orchestrator.oracle.operations import Observer
from orchestrator.oracle.spec import LinkSpec, OracleSpec
from qnode.ids import NodeName
from qnode.wire.items import Item
from qnode.wire.messages import Ended, Grant, Report
from qnode.wire.operations import Entangle, Measure, Op, Send

ALICE, BOB, CAROL = map(NodeName, ("alice", "bob", "carol"))
NAMES = (ALICE, BOB, CAROL)
LINK_NS = 50  # alice - bob - carol; classical messages take as long per link


def spec(**changes: Any) -> OracleSpec:
    """Three nodes in a row, each with one program."""
    plain = OracleSpec(
        run_id="test-1",
        name="test",
        seed=7,
        programs=dict.fromkeys(NAMES, ("main",)),
        incarnations=dict.fromkeys(NAMES, 0),
        links=(LinkSpec(ALICE, BOB, LINK_NS), LinkSpec(BOB, CAROL, LINK_NS)),
        classical_ns=None,
        matrix_ns=None,
        clock="virtual",
        speed=1.0,
        tick_ns=1,
        until_ns=None,
        formalism="auto",
        max_state_vector_qubits=24,
        observe={},
        address="",
        token=b"",
        folder="",
        events=True,
    )
    return msgspec.structs.replace(plain, **changes)


class Bench:
    """A core, its event log, and how far each node has got."""

    def __init__(self, of: OracleSpec | None = None, observer: Observer | None = None) -> None:
        self.events: list[Event] = []
        self.core: OracleCore = build_core(of or spec(), self.events.append, observer)
        self.granted: Mapping[NodeName, Grant] = self.core.first_grants()
        self.steps = dict.fromkeys(NAMES, 0)

    def report(self, node: NodeName, *ops: Op, timer_ns: int | None = None, **fields: Any) -> Report:
        """The next report of a node. Operations at time 0 are meant for this instant."""
        self.steps[node] += 1
        timed = tuple(not_before(self.core.time.now_ns, op) for op in ops)
        plain = Report(node, 0, self.steps[node], timer_ns, None, 0, timed)
        return msgspec.structs.replace(plain, **fields)

    def round(self, ops: Mapping[NodeName, Sequence[Op]] | None = None, **timers_ns: int) -> Mapping[NodeName, Grant]:
        """Everybody who was granted this round reports; what is granted next."""
        given = ops or {}
        assert set(given) <= self.core.time.awaited
        for node in sorted(self.core.time.awaited):
            report = self.report(node, *given.get(node, ()), timer_ns=timers_ns.get(node))
            assert self.core.check(report) is None
            self.core.report(report)
        self.execute()
        self.granted = self.core.grants()
        return self.granted

    def execute(self) -> None:
        """A round that was reported; whatever was asked for, the ledger is sound afterwards."""
        self.core.execute()
        self.core.operations.ledger.check_invariants()

    def items(self, node: NodeName) -> tuple[Item, ...]:
        """What the last grants bring to a node; nothing if it has none."""
        grant = self.granted.get(node)
        return grant.items if grant else ()

    def of_kind(self, *kinds: str) -> list[Event]:
        return [event for event in self.events if event.event in kinds]


def not_before(now_ns: int, op: Op) -> Op:
    """The same operation, at this time if it was meant for time 0."""
    if getattr(op, "start_ns", None) != 0:
        return op
    times = {name: max(now_ns, getattr(op, name)) for name in ("start_ns", "end_ns") if hasattr(op, name)}
    return msgspec.structs.replace(op, **times)


def entangle(request: int, peer: NodeName, n: int = 1, tag: str = "") -> Entangle:
    return Entangle(request, "main", peer, tag, n, 0.0)


def measure(request: int, *qubits: str, basis: str = "z", keep: bool = False, end_ns: int = 0) -> Measure:
    return Measure(request, qubits, basis, keep, 0, end_ns)


def send(peer: NodeName, payload: bytes = b"hello", channel: str = "", *, number: int = 0, sent_ns: int = 0) -> Send:
    return Send("main", peer, "main", channel, "", payload, b"", len(payload), number, sent_ns)


def done(result: bytes = b"\xc0") -> tuple[Ended, ...]:
    return (Ended("main", result),)
