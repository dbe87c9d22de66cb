"""`qnode run CONFIG`: start the network, follow it, print the results; with `--runs` a number of times."""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Callable
from contextlib import nullcontext
from typing import TYPE_CHECKING

from orchestrator import report
from orchestrator.cli.endings import tell_error
from orchestrator.cli.live import Live
from orchestrator.cli.loading import cluster_of, repeated
from orchestrator.cli.screen import Screen
from orchestrator.cli.series import Series
from orchestrator.cluster import Cluster
from orchestrator.launch.signals import interruptible
from orchestrator.run import Run
from orchestrator.text import count, from_here
from orchestrator.topology import Network
from qnode.errors import ConfigError

if TYPE_CHECKING:
    from orchestrator.cli.on_slurm import OnSlurm

    Net = Cluster | OnSlurm  # what runs a network, here or elsewhere


def run(options: argparse.Namespace, screen: Screen) -> int:
    """Carry out the command; the exit code."""
    return asyncio.run(_run(options, screen))


async def _run(options: argparse.Namespace, screen: Screen) -> int:
    if options.name is not None and options.runs is not None:
        raise ConfigError(place="--name", detail="names one run; leave it out together with --runs")
    net = _where(options)
    network = (net if isinstance(net, Cluster) else net.cluster).set_up(options.seed).network
    if not options.json and not options.quiet:
        screen.say(screen.heading(report.heading(network)))
    # In one process the loop stands still while the network runs: `InlineRun` sees to Ctrl-C.
    with nullcontext() if options.inline else interruptible(lambda: screen.status("ending the run; again: at once")):
        return await _follow(options, screen, net, network)


def _where(options: argparse.Namespace) -> Net:
    """On this machine, or on Slurm's hosts."""
    if options.on is not None:
        from orchestrator.cli.on_slurm import here_or_allocated  # lazy: keys and what else only many hosts need

        return here_or_allocated(options)
    for option in ("hosts", "slurm"):
        if getattr(options, option):
            raise ConfigError(place=f"--{option}", detail="goes with --on slurm")
    return cluster_of(options, runs=options.runs_folder)


async def _follow(options: argparse.Namespace, screen: Screen, entered: Net, network: Network) -> int:
    async with entered as net:
        if options.runs is not None:
            return await _many(options, screen, net, network)
        return _show(options, screen, await _once(options, screen, net, network))


async def _once(
    options: argparse.Namespace,
    screen: Screen,
    net: Net,
    network: Network,
    *,
    seed: int | None = None,
    label: str = "",
) -> Run:
    with Live(screen, network, _shown(options, screen), label=label) as live:
        return await net.run(
            seed=network.seed if seed is None else seed,
            name=options.name,
            inline=options.inline,
            timeout=options.timeout,
            check=False,
            on_start=live.started,
            on_progress=live.progress,
            on_output=live.output,
        )


def _shown(options: argparse.Namespace, screen: Screen) -> Callable[[str], None] | None:
    """Where programs' output goes: standard output is for JSON alone, if that is what was asked for."""
    if options.quiet:
        return None
    return screen.tell if options.json else screen.say


def _show(options: argparse.Namespace, screen: Screen, run: Run) -> int:
    if options.json:
        screen.say(report.as_json(run))
    elif run.failure is None:
        screen.say(report.table(run, width=screen.width, whole=options.all))
    if not options.quiet:
        tell_warnings(screen, run)
    if not options.quiet and not options.json:
        screen.say(f"{report.closing(run)}\nrepeat: {_repeated(options, run.seed)}")
    return 0 if run.failure is None else tell_error(screen, run.failure, debug=options.debug)


def _repeated(options: argparse.Namespace, seed: int) -> str:
    return repeated("run", options, seed) + (f" --on {options.on}" if options.on else "")


def tell_warnings(screen: Screen, run: Run) -> None:
    """What may be a mistake, though the run ended well."""
    for warning in report.warnings(run):
        screen.tell(f"{screen.style('warning:', 'yellow')} {warning}")


async def _many(options: argparse.Namespace, screen: Screen, net: Net, network: Network) -> int:
    series = Series(network.seed, options.runs)
    since = time.monotonic()
    failed: Run | None = None
    repeat = f"repeat: {_repeated(options, network.seed)} --runs {options.runs}"
    try:
        for nth, seed in enumerate(series.seeds, 1):
            run = await _once(options, screen, net, network, seed=seed, label=f"run {nth} of {options.runs}: ")
            if run.failure is not None:
                failed = run
                break
            series.add(run)
    except (asyncio.CancelledError, KeyboardInterrupt):
        _show_series(options, screen, series, None, since)
        if not options.quiet:
            screen.tell(f"{len(series.runs)} of {count(options.runs, 'run')} ended before the interruption\n{repeat}")
        raise
    _show_series(options, screen, series, failed, since)
    if failed is None:
        if not options.quiet and not options.json:
            screen.say(repeat)
        return 0
    if not options.quiet:
        done = f"run {len(series.runs) + 1} of {options.runs} failed, with seed {failed.seed}"
        screen.tell(f"{done}; saved in {from_here(failed.folder)}")
        screen.tell(f"repeat: {_repeated(options, failed.seed)}")
    assert failed.failure is not None
    return tell_error(screen, failed.failure, debug=options.debug)


def _show_series(options: argparse.Namespace, screen: Screen, series: Series, failed: Run | None, since: float) -> None:
    if options.json:
        screen.say(series.as_json(failed))
    elif series.runs:
        screen.say(series.table(width=screen.width, whole=options.all))
        if not options.quiet:
            done = f"{count(len(series.runs), 'run')} in {time.monotonic() - since:.2f} s"
            screen.say(f"{done}, saved in {from_here(options.runs_folder.resolve())}")
