"""All nodes of one host, for an oracle that is elsewhere: started, watched and ended together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from orchestrator.failures import FRESH, RESUME
from orchestrator.follow import LogFollower
from orchestrator.launch.launcher import Launcher
from orchestrator.launch.preload import modules_of
from orchestrator.launch.protocol import Exited
from orchestrator.plan import LaunchPlan
from orchestrator.run import Source
from qnode.errors import ProcessLost
from qnode.wire.plan import encode_spec


async def be_host(
    source: Source, plan: LaunchPlan, *, output: Callable[[str], None], tell: Callable[[str], None]
) -> None:
    """Run the processes of a plan, without its oracle, until all have ended; cancelled, it ends them.

    A process that something has killed is started again, unless its node is not to come back. If one stays away like
    that, the others go on, and the oracle says what that means; what one of them could not do at all, the others cannot
    either.

    Args:
        plan: With the processes of this host only.
        output: Gets each line that they print, with the node's name before it.
        tell: Gets what there is to say about them.
    Raises:
        ProcessLost: At the end, if one has not ended as it should.
    """
    launcher = Launcher()
    try:
        folders = (source.base, *map(Path, source.path))
        directory = Path(await launcher.open(modules_of(plan.programs, folders)))
        log = directory / "log"
        run = msgspec.structs.replace(plan.run, parcels=str(directory / "p"), log=str(log))
        try:
            with LogFollower(log, output):
                await launcher.start(LaunchPlan(run, plan.oracle, plan.processes), with_oracle=False)
                await _Host(launcher, plan, tell).watch()
        finally:
            await launcher.end_run()
    finally:
        launcher.close()


class _Host:
    def __init__(self, launcher: Launcher, plan: LaunchPlan, tell: Callable[[str], None]) -> None:
        self._launcher = launcher
        self._plan = plan
        self._tell = tell
        self._processes = {process.number: process for process in plan.processes}
        self._restarts: Counter[int] = Counter()

    async def watch(self) -> None:
        """Until all have ended. Raises ProcessLost."""
        running, lost = set(self._processes), list[ProcessLost]()
        while running:
            exited = await self._launcher.exited()
            if exited.status == 0:
                running.discard(exited.number)
            elif not self._start_again(exited):
                running.discard(exited.number)
                lost.append(self._lost(exited))
                if exited.words:
                    break
                self._tell(str(lost[-1]))
        if lost:
            raise lost[0]

    def _start_again(self, exited: Exited) -> bool:
        """Whether another process takes the place of one that was killed."""
        number, oracle = exited.number, self._plan.oracle
        is_kept = all(oracle.restart.get(name) in (RESUME, FRESH) for name in self._names(number))
        if exited.status > 0 or not is_kept or self._restarts[number] >= oracle.restarts:
            return False
        self._restarts[number] += 1
        how = {RESUME: "is executed again", FRESH: "begins afresh"}[oracle.restart[self._names(number)[0]]]
        self._tell(f"{self._names(number)[0]} was killed by signal {-exited.status}, and {how}")
        self._launcher.start_again(number, "node", encode_spec(self._processes[number]))
        return True

    def _lost(self, exited: Exited) -> ProcessLost:
        names = self._names(exited.number)
        how = f"killed by signal {-exited.status}" if exited.status < 0 else f"exit status {exited.status}"
        return ProcessLost(nodes=tuple(names), name=f"node {names[0]}", reason=exited.words or how)

    def _names(self, number: int) -> Sequence[str]:
        return [node.name for node in self._processes[number].nodes]
