"""What is told of a run when it is over."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.oracle.core import OracleCore
from orchestrator.oracle.spec import Failure, Observed, Result, Summary, Waiting
from qnode.wire.messages import Farewell


def summarise(
    core: OracleCore,
    observed: tuple[Observed, ...],
    farewells: Mapping[str, Farewell],
    refused: Mapping[str, int],
    *,
    virtual: bool,
) -> Summary:
    """The summary of a run that has an outcome."""
    outcome = core.outcome
    if outcome is None:
        raise AssertionError("the run is not over")
    ordered = [farewells[name] for name in sorted(farewells)]
    return Summary(
        how=outcome.how,
        at_ns=outcome.at_ns,
        nodes=outcome.nodes,
        results=tuple(
            Result(one.node, one.program, one.at_ns, one.ended.result)
            for one in core.results
            if one.ended.result and not one.ended.failed
        ),
        failures=tuple(
            Failure(one.node, one.program, one.at_ns, one.ended.traceback) for one in core.results if one.ended.failed
        ),
        notes=tuple((node, name, value) for (node, name), value in core.operations.noted.items()),
        observed=observed,
        waits=tuple(Waiting(one.node, wait.program, wait.what, wait.where) for one in ordered for wait in one.waits),
        counts=dict(vars(core.counts)),
        frames_refused={**refused, **{f"by the process of {one.node}": one.refused for one in ordered if one.refused}},
        unread={one.node: one.unread for one in ordered if one.unread},
        lateness_ns={one.node: one.lateness_ns for one in ordered if one.lateness_ns},
        clock_bound_ns={one.node: one.clock_bound_ns for one in ordered if one.clock_bound_ns},
        reproducible=core.reproducible and virtual,
        resumable=core.resumable and virtual,
        left_over={one.node: one.held for one in ordered if one.held},
        used={one.node: one.used for one in ordered if one.used},
        lost={one.node: one.lost for one in ordered if one.lost},
        stopped=tuple((one.node, one.program, one.at_ns) for one in core.results if one.ended.stopped),
        gone=dict(core.lives.gone.items()),
        peer_lost=tuple((one.node, program, peer) for one in ordered for program, peer in one.peer_lost.items()),
    )
