"""From what the oracle was told to the core that executes it; a replay of the record builds the same one."""

from __future__ import annotations

import json
from collections.abc import Callable

from orchestrator.delays import AlongLinks, ClassicalDelays, FromMatrix, SameForAll
from orchestrator.oracle.core import OracleCore
from orchestrator.oracle.events import SCHEMA_VERSION, Event
from orchestrator.oracle.ledger import Ledger
from orchestrator.oracle.operations import Observer
from orchestrator.oracle.pulses import PulseTrains
from orchestrator.oracle.spec import OracleSpec
from qnode.core.coins import Coins, derive_key
from qnode.ids import NodeName
from qnode.quantum.register import Register


class NetworkDelays:
    """How long light and messages take."""

    def __init__(self, spec: OracleSpec) -> None:
        self._names = frozenset(spec.programs)
        self._links = {(NodeName(link.a), NodeName(link.b)): link.delay_ns for link in spec.links}
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
        delay_ns = self._links.get((one, other))
        return self._links.get((other, one)) if delay_ns is None else delay_ns

    def classical_ns(self, one: NodeName, other: NodeName) -> int | None:
        """Of a classical message; None if none can get there."""
        return self._classical.delay_ns(one, other) if other in self._names else None


def build_core(spec: OracleSpec, emit: Callable[[Event], None] | None, observer: Observer | None) -> OracleCore:
    """The core at time 0."""
    register = Register(spec.formalism, spec.max_state_vector_qubits)
    ledger = Ledger(register, Coins(derive_key(spec.seed, "oracle")))
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
    )
    photons = {(NodeName(link.a), NodeName(link.b)): link.photons for link in spec.links if link.photons}
    core.operations.carry(
        PulseTrains(photons, delays.quantum_ns, core.time, derive_key(spec.seed, "photons"), core.operations.log)
    )
    return core


def run_event(core: OracleCore, spec: OracleSpec, *, ended: str | None = None) -> None:
    """The first and the last line of the event log."""
    if ended is None:
        detail = json.dumps({"network": spec.name, "seed": spec.seed, "schema": SCHEMA_VERSION})
        core.log_run("run_started", detail=detail)
    else:
        core.log_run("run_ended", name=ended)
