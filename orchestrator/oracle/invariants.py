"""What is true of every run between its rounds, whatever was done to it: for tests, and for runs that are replayed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from orchestrator.oracle.core import OracleCore
from qnode.ids import NodeName, QubitId, life_of, maker_of
from qnode.wire.items import Arrived, Paired


def check(core: OracleCore) -> list[str]:
    """A sentence for everything that is wrong with a core whose round is over; empty if all is well."""
    return [*_of_qubits(core), *_of_the_dead(core), *_of_what_is_under_way(core)]


def _of_qubits(core: OracleCore) -> Iterator[str]:
    """Each qubit has one owner, one home and one state, which is one."""
    ledger = core.operations.ledger
    homes = Counter(qubit for state in ledger.register.snapshots() for qubit in state.qubits)
    for qubit, times in homes.items():
        if times > 1:
            yield f"{qubit} is in {times} joint states"
    for qubit in sorted(ledger.owner.keys() ^ homes.keys()):
        yield f"{qubit} has {'an owner and no state' if qubit in ledger.owner else 'a state and no owner'}"
    for qubit in sorted(ledger.under_way - ledger.owner.keys()):
        yield f"{qubit} is under way, and has no owner"
    try:
        ledger.register.check_invariants()
    except AssertionError as error:
        yield f"a state is none: {error}"


def _of_the_dead(core: OracleCore) -> Iterator[str]:
    """Who is gone owns nothing, waits for nothing and is waited for by nobody; nor is anything of an earlier life."""
    operations, lives, time = core.operations, core.lives, core.time
    for qubit, owner in operations.ledger.owner.items():
        if owner in lives.gone:
            yield f"{owner} is gone, and owns {qubit}"
        maker = maker_of(qubit)
        if maker == owner and qubit.rpartition(".")[0] != life_of(owner, lives.current[owner]):
            yield f"{qubit} is of a life of {owner} that is over"
    for node in sorted(lives.gone):
        due = time.deliveries_to(node)
        if due:
            yield f"{node} is gone, and {len(due)} deliveries are under way to it"
        if node in time.awaited or node in time.held:
            yield f"{node} is gone, and {'awaited' if node in time.awaited else 'held'}"
        if operations.matching.of(node) or operations.bulk.asked_by(node):
            yield f"{node} is gone, and has open requests"


def _of_what_is_under_way(core: OracleCore) -> Iterator[str]:
    """What is on its way to a node is its own, arrives once, and is wanted where it is a half of a pair."""
    operations, time = core.operations, core.time
    ledger, arriving = operations.ledger, Counter[str]()
    for node in sorted(core.lives.current):
        for delivery in time.deliveries_to(node):
            if delivery.at_ns < time.now_ns and node not in time.held:
                yield f"{node} would get {type(delivery.item).__name__} at {delivery.at_ns} ns, and it is later"
            if isinstance(delivery.item, Arrived | Paired):
                arriving[delivery.item.qubit] += 1
                owner = ledger.owner.get(QubitId(delivery.item.qubit))
                if owner is not None and owner != node:
                    yield f"{delivery.item.qubit} is on its way to {node}, and {owner} owns it"
    for qubit, times in arriving.items():
        if times > 1:
            yield f"{qubit} arrives {times} times"
    for qubit in sorted(ledger.under_way):
        if qubit not in arriving:
            yield f"{qubit} is under way and never arrives"
    for node in sorted(core.lives.current):
        for demand in operations.matching.of(NodeName(node)):
            for qubit in demand.under_way:
                if ledger.owner.get(qubit) != node:
                    yield f"request {demand.wanted.request} of {node} waits for {qubit}, which is not on its way to it"
