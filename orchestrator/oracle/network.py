"""From what the oracle was told to the core that executes it; a replay of the record builds the same one."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Final

from orchestrator.delays import AlongLinks, ClassicalDelays, FromMatrix, SameForAll
from orchestrator.oracle.core import OracleCore
from orchestrator.oracle.events import SCHEMA_VERSION, Event
from orchestrator.oracle.ledger import Ledger
from orchestrator.oracle.limits import Usage
from orchestrator.oracle.operations import Observer
from orchestrator.oracle.spec import LinkSpec, OracleSpec
from qnode.core.coins import Coins, derive_key
from qnode.ids import NodeName
from qnode.quantum.noisy import Attempts, Laboratory
from qnode.quantum.pair_source import PairSource
from qnode.quantum.register import Register


class NetworkDelays:
    """How long light and messages take."""

    def __init__(self, spec: OracleSpec) -> None:
        self._names = frozenset(spec.programs)
        self._links = {(NodeName(link.a), NodeName(link.b)): link for link in spec.links}
        self._source_of = spec.source_of
        self._sources: dict[tuple[NodeName, NodeName], tuple[PairSource, bool]] = {}
        self._classical: ClassicalDelays
        if spec.classical_ns is not None:
            self._classical = SameForAll(spec.classical_ns)
        elif spec.matrix_ns is not None:
            self._classical = FromMatrix(
                {(NodeName(a), NodeName(b)): ns for a, row in spec.matrix_ns.items() for b, ns in row.items()}
            )
        else:
            self._classical = AlongLinks((NodeName(link.a), NodeName(link.b), link.delay_ns) for link in spec.links)

    def quantum_ns(self, one: NodeName, other: NodeName) -> int | None:
        """Of the link between two neighbours; None if there is none."""
        link = self._links.get((one, other)) or self._links.get((other, one))
        return None if link is None else link.delay_ns

    def source(self, one: NodeName, other: NodeName) -> tuple[PairSource, bool]:
        """Of pairs between two neighbours, and whether `one` is its end b."""
        found = self._sources.get((one, other))
        if found is None:
            turned = (one, other) not in self._links
            found = self._sources[one, other] = self._source_of(self._between(one, other)), turned
        return found

    def transmission(self, one: NodeName, other: NodeName) -> float:
        """The probability that a qubit which is sent over the link between two neighbours arrives."""
        return self._between(one, other).transmission

    def _between(self, one: NodeName, other: NodeName) -> LinkSpec:
        return self._links.get((one, other)) or self._links[other, one]

    def classical_ns(self, one: NodeName, other: NodeName) -> int | None:
        """Of a classical message; None if none can get there."""
        return self._classical.delay_ns(one, other) if other in self._names else None


AHEAD_S: Final = 0.05
"""Wall time before which nothing is handed out on the real clock: enough for it to travel, and for a busy machine.

Until then a link may still make something more urgent, and a request may be withdrawn.
"""


def build_core(spec: OracleSpec, emit: Callable[[Event], None] | None, observer: Observer | None) -> OracleCore:
    """The core at time 0."""
    watch = None
    if any(fault.on is not None for fault in spec.faults):
        from orchestrator.oracle.faults import Watch  # lazy: most runs have no faults

        watch = Watch(emit)
        emit = watch.emit
    register = Register(spec.formalism, spec.max_state_vector_qubits)
    ledger = Ledger(register, Coins(derive_key(spec.seed, "oracle")), laboratories(spec))
    delays = NetworkDelays(spec)
    core = OracleCore(
        ledger,
        delays,
        {NodeName(node): programs for node, programs in spec.programs.items()},
        tick_ns=spec.tick_ns,
        until_ns=spec.until_ns,
        emit=emit,
        observer=observer,
        realtime=spec.clock == "real",
        ahead_ns=int(AHEAD_S * 1e9 * spec.speed),
        services={NodeName(node): programs for node, programs in spec.services.items()},
        usage=Usage({NodeName(node): limits for node, limits in spec.limits_of.items()}, spec.limits),
        key=derive_key(spec.seed, "arrays"),
        incarnations={NodeName(node): life for node, life in spec.incarnations.items()},
        detection_ns=spec.detection_ns,
        restart_ns=spec.restart_ns,
        watch=watch,
    )
    photons = {(NodeName(link.a), NodeName(link.b)): link.photons for link in spec.links if link.photons}
    if photons:
        from orchestrator.oracle.pulses import PulseTrains  # lazy: most networks carry no light, and start without it

        core.operations.carry(
            PulseTrains(
                photons,
                delays.quantum_ns,
                core.time,
                derive_key(spec.seed, "photons"),
                core.operations.log,
                core.operations.usage,
                core.lives,
                core.operations.generation.broken,
            )
        )
    if spec.faults:
        core.plan(spec.faults)
    if spec.staged:
        core.stage.plan(spec.staged)
    return core


def laboratories(spec: OracleSpec) -> dict[NodeName, Laboratory]:
    """What each node works with, as the oracle applies it; those that are alike share one if they can."""
    busy = {end for link in spec.links if spec.source_of(link).attempt_dephasing for end in (link.a, link.b)}
    shared = [Laboratory(hardware) for hardware in spec.hardware]
    return {
        NodeName(node): Laboratory(spec.hardware[nth], Attempts()) if node in busy else shared[nth]
        for node, nth in spec.hardware_of.items()
    }


def run_event(core: OracleCore, spec: OracleSpec, *, ended: str | None = None) -> None:
    """The first and the last line of the event log."""
    if ended is None:
        detail = json.dumps({"network": spec.name, "seed": spec.seed, "schema": SCHEMA_VERSION})
        core.log_run("run_started", detail=detail)
    else:
        core.log_run("run_ended", name=ended)
