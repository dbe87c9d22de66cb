"""A cluster, from YAML to a clean exit: `from orchestrator import Cluster`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchestrator.cluster import Cluster
    from orchestrator.node_replay import replay
    from orchestrator.programs import Program, Service
    from orchestrator.run import Run

__all__ = ["Cluster", "Program", "Run", "Service", "replay"]


def __getattr__(name: str) -> object:
    # The oracle and the forkserver import this package too, and need none of what a Cluster needs.
    if name == "Cluster":
        from orchestrator.cluster import Cluster  # lazy: configuration models take 0.3 s to import

        return Cluster
    if name in ("Program", "Service"):
        from orchestrator import programs  # lazy: as above

        return getattr(programs, name)
    if name == "Run":
        from orchestrator.run import Run  # lazy: as above

        return Run
    if name == "replay":
        from orchestrator.node_replay import replay  # lazy: as above, and the oracle

        return replay
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
