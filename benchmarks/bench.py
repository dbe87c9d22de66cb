"""What every benchmark is given: clusters to run programs on, the yardstick, how much to do, where to tell."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

from benchmarks.measure import Effort, Sample, WrongResult, interleave
from benchmarks.yardstick import EchoGroup
from orchestrator import Cluster
from orchestrator.run import Run

PROGRAMS: Final = Path(__file__).parent / "programs"
_TIMEOUT_S: Final = 300.0

YARDSTICK_MESSAGES: Final = "its messages alone, raw ZeroMQ"


class Bench:
    """One invocation. Clusters are started once and kept, so that no sample contains a start of the launcher."""

    def __init__(self, effort: Effort, echo: EchoGroup, scratch: Path, say: Callable[[str], None]) -> None:
        self.effort = effort
        self.echo = echo
        self.say = say
        self._scratch = scratch
        self._clusters: dict[str, Cluster] = {}
        self._stack = AsyncExitStack()

    async def run(self, config: Mapping[str, object]) -> Run:
        """Run a configuration whose programs are files in programs/. Raises what the run raised."""
        key = json.dumps(config, sort_keys=True)
        if key not in self._clusters:
            cluster = Cluster.from_dict({"version": 1, "seed": 1, **config}, base=PROGRAMS, runs=self._scratch)
            self._clusters[key] = await self._stack.enter_async_context(cluster)
        run = await self._clusters[key].run(timeout=_TIMEOUT_S, on_output=None)
        if run.summary.how != "done":
            raise WrongResult(f"a run of {config.get('name')} ended with {run.summary.how}")
        return run

    async def sample(self, name: str, cases: Sequence[tuple[str, Sample]]) -> None:
        """Take all samples of a benchmark, then let its clusters go."""
        try:
            await interleave(cases, self.effort.repetitions, lambda text: self.say(f"{name}: {text}"))
        finally:
            await self._stack.aclose()
            self._clusters.clear()

    def messages_alone(self, run: Run, steps: int | None = None) -> float:
        """Seconds that raw ZeroMQ needs for as many messages as a run had; for a part of its steps if given."""
        counts = run.summary.counts
        share = 1.0 if steps is None else steps / counts["steps"]
        return share * self.echo.seconds_for(counts["steps"], counts["reports"], self.effort.echoes)


def elapsed(run: Run) -> float:
    """Wall seconds from the first program's start to the last one's end, by the clock that all processes share.

    Processes that are being forked, imports and the end of the run are not in it.
    """
    results = [timed(run, node) for node in run.results]
    return float(max(result["end"] for result in results) - min(result["start"] for result in results))


def timed(run: Run, node: str) -> dict[str, Any]:
    """What a program in programs/ returned."""
    result: dict[str, Any] = run[node]
    return result


def require(condition: bool, what: str) -> None:
    """Raises WrongResult: a figure of something that went wrong is worth nothing."""
    if not condition:
        raise WrongResult(what)
