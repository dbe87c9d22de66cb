"""A request for pairs that met another and will not be served: its node is told, and the event log."""

from __future__ import annotations

from collections.abc import Callable

from orchestrator.oracle.matching import Demand
from orchestrator.oracle.timekeeper import Timekeeper
from qnode.errors import QnodeError
from qnode.ids import NodeName
from qnode.wire.items import Failed
from qnode.wire.messages import fields_of


def refuse(time: Timekeeper, log: Callable[..., object], mine: Demand, peer: NodeName, error: QnodeError) -> None:
    """Tell one end."""
    wanted = mine.wanted
    time.schedule(time.now_ns, mine.node, Failed(None, wanted.request, error.code, fields_of(error)))
    log(
        "request_failed",
        mine.node,
        program=wanted.program,
        request=wanted.request,
        n=wanted.n,
        peer=peer,
        name=error.code,
        detail=str(error),
    )
