"""The command line: `qnode run CONFIG`."""

from __future__ import annotations

import argparse
import asyncio
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from orchestrator import report
from orchestrator.cluster import Cluster
from orchestrator.topology import describe
from qnode import __version__
from qnode.errors import ConfigError, QnodeError, RunFailed

EXIT_FAILED: Final = 1
EXIT_USAGE: Final = 2
EXIT_INTERRUPTED: Final = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of the `qnode` command; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        return asyncio.run(_run(options))
    except KeyboardInterrupt:
        _say("interrupted: all processes of the run are gone")
        return EXIT_INTERRUPTED
    except QnodeError as error:
        if options.debug:
            traceback.print_exc()
        else:
            _say(f"qnode: {error}")
        return _exit_code(error)


def _exit_code(error: QnodeError) -> int:
    match error:
        case RunFailed():
            return error.exit_code
        case ConfigError():
            return EXIT_USAGE
        case _:
            return EXIT_FAILED


async def _run(options: argparse.Namespace) -> int:
    cluster = Cluster.from_yaml(options.config, runs=options.runs_folder)
    seed = cluster.draw_seed(options.seed)
    network = describe(cluster.config, cluster.base, seed)
    if not options.json:
        sys.stdout.write(report.heading(network) + "\n")
        sys.stdout.flush()
    async with cluster as net:
        run = await net.run(seed=seed, inline=options.inline, timeout=options.timeout)
    if options.json:
        sys.stdout.write(report.as_json(run) + "\n")
    else:
        sys.stdout.write(f"{report.table(run, network)}\n{report.closing(run)}\n")
        sys.stdout.write(f"repeat: qnode run {options.config} --seed {run.seed}\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="qnode",
        description="A quantum internet that you can run.",
        epilog="exit codes: 0 done; 1 a program failed; 2 usage or configuration; 3 deadlock or time-out;"
        " 4 a node or the oracle was lost; 130 interrupted",
    )
    parser.add_argument("--version", action="version", version=f"qnode {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    run = commands.add_parser("run", help="start the network, wait for its end, print the results")
    run.add_argument("config", type=Path, metavar="CONFIG", help="a YAML file that describes the network")
    run.add_argument("--seed", type=_seed, help="overrides the configuration's seed")
    run.add_argument("--json", action="store_true", help="print the results as JSON")
    run.add_argument("--inline", action="store_true", help="run everything in this process, for debugging")
    run.add_argument("--timeout", type=_positive, metavar="SECONDS", help="end the run after this much wall time")
    run.add_argument(
        "--runs-folder", type=Path, default=Path(".qnode") / "runs", metavar="DIR", help="where runs are saved"
    )
    run.add_argument("--debug", action="store_true", help="show tracebacks of qnode itself")
    return parser


def _seed(text: str) -> int:
    try:
        seed = int(text)
    except ValueError:
        seed = -1
    if not 0 <= seed < 2**63:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 to 2**63 - 1")
    return seed


def _positive(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive number of seconds")
    return seconds


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")


if __name__ == "__main__":
    sys.exit(main())
