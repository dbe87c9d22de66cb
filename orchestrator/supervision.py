"""A run under way, as whoever started it follows it: news from the oracle, ends of processes, and what is kept."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final

from orchestrator.failures import TOO_EARLY
from orchestrator.keeper import Keeper
from orchestrator.launch.launcher import ORACLE, Launcher
from orchestrator.launch.protocol import Exited
from orchestrator.oracle.spec import Summary, decode_summary
from orchestrator.plan import LaunchPlan
from orchestrator.replacing import Replacing
from orchestrator.run import failure_of, name_of
from qnode.errors import ProcessLost
from qnode.transport.control import Control
from qnode.wire.messages import Progress, Replace, RunEnded, Welcome

GRACE_S: Final = 10.0  # wall time that processes have to go once their run is over
_HASTE_S: Final = 1.0  # wall time that the oracle has to tell what there is of a run that is cut short


async def follow(
    launcher: Launcher,
    launch: LaunchPlan,
    *,
    deadline: float | None,
    on_start: Callable[[], None] | None,
    on_progress: Callable[[Progress], None],
    keep: Callable[[Summary], None],
) -> Summary:
    """Start the processes of a run and wait for its end.

    Args:
        deadline: By the event loop's clock, when the run must have ended.
        on_start: Called when all have been started.
        on_progress: Told now and then how far the run is.
        keep: Given what there is, if the run is cut short and the oracle can still tell.
    Raises:
        TimeoutError: The time is over.
        ProcessLost: A process ended that should not have.
        Exception: Whatever `on_progress` raises.
    """
    async with asyncio.timeout_at(deadline):
        await launcher.start(launch)
    if on_start is not None:
        on_start()
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[Summary] = loop.create_future()
    failed: asyncio.Future[None] = loop.create_future()
    control = Control(launch.oracle.address, launch.oracle.token)

    parts: list[bytes] = []
    replacing = Replacing(launcher, launch)
    gone: dict[str, tuple[str, int]] = {}  # nodes that were lost, why, and in which life

    def take_news() -> None:
        try:
            take_all_news()
        except Exception as error:  # noqa: BLE001  # in a callback of the loop: it must reach the task that follows
            if not failed.done():
                failed.set_exception(error)

    def take_all_news() -> None:
        for message in control.news():
            if isinstance(message, RunEnded) and not ended.done():
                parts.append(message.summary)
                if not message.more:
                    ended.set_result(decode_summary(b"".join(parts)))
            elif isinstance(message, Progress):
                on_progress(message)
            elif isinstance(message, Welcome) and gone:  # the oracle was lost too, and may not have heard of it
                tell_gone(gone)
            elif isinstance(message, Replace) and not ended.done():
                replacing.replace(message.lives)

    def tell_gone(nodes: Mapping[str, tuple[str, int]]) -> None:
        control.gone({node: why for node, (why, _) in nodes.items()}, {node: life for node, (_, life) in nodes.items()})

    def lose(exited: Exited) -> None:
        """A node's process has ended: the oracle says what becomes of the run."""
        take_news()  # it may have lost the node before
        reason = exited.words or _reason(exited.status)
        lost = replacing.ended(exited.number, TOO_EARLY + reason)
        if lost:
            gone.update({node: (why, replacing.lives.get(node, 0)) for node, why in lost.items()})
            tell_gone({node: gone[node] for node in lost})
            take_news()  # as below

    async def what_there_is(how: str) -> None:
        control.finish(how)
        take_news()  # ZeroMQ's descriptor speaks up once, and sending may have used that up
        await asyncio.wait((ended,), timeout=_HASTE_S)
        if ended.done():
            keep(ended.result())

    loop.add_reader(control.fileno(), take_news)
    take_news()
    watching = asyncio.ensure_future(_watch(launcher, Keeper(launcher, launch), replacing, ended, lose))
    try:
        left = None if deadline is None else max(0.0, deadline - loop.time())
        await asyncio.wait((ended, watching, failed), timeout=left, return_when=asyncio.FIRST_COMPLETED)
        if failed.done():
            failed.result()  # what was behind it in the news is not known: the run cannot be followed any more
        if not ended.done() and not watching.done():
            await what_there_is("timed_out")
            if not ended.done() or ended.result().how == "timed_out":  # else it had ended by itself just before
                raise TimeoutError
        if not ended.done() and (lost := await watching) is not None:
            raise ProcessLost(nodes=(), name=name_of(()), reason=lost.words or _reason(lost.status))
        summary = await ended
        for number in sorted({launch.run.processes[node] for node in summary.gone}):
            launcher.end_process(number)  # it may just have begun, or say nothing any more
        if failure_of(summary) is None:
            await asyncio.wait((watching,), timeout=GRACE_S)
        return summary
    except asyncio.CancelledError:
        await what_there_is("interrupted")
        raise
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        loop.remove_reader(control.fileno())
        control.close()


async def _watch(
    launcher: Launcher,
    keeper: Keeper,
    replacing: Replacing,
    ended: asyncio.Future[Summary],
    lose: Callable[[Exited], None],
) -> Exited | None:
    """Wait until all processes have ended as they should: None. The oracle is returned if it has not.

    Args:
        lose: Told of a node's process that has ended before the run.
    """
    oracle = {ORACLE}
    while replacing.running | oracle:
        exited = await launcher.exited()
        if ended.done() and exited.number == ORACLE and exited.status:
            return None  # it has told all that it had to, and nobody else can tell the nodes that they may end
        expected = replacing.expects(exited.number)
        if not ended.done() and not expected and keeper.start_again(exited):
            continue
        if not exited.status and not ended.done() and not expected:
            with suppress(TimeoutError):  # the oracle's last message may still be under way
                async with asyncio.timeout(GRACE_S):
                    await asyncio.shield(ended)
        if ended.done():
            for numbers in (replacing.running, oracle):
                numbers.discard(exited.number)
        elif exited.number == ORACLE:
            return keeper.why_not(exited)
        else:
            lose(keeper.why_not(exited))
    return None


def _reason(status: int) -> str:
    return f"killed by signal {-status}" if status < 0 else f"exit status {status}"
