"""`python -m benchmarks`: run them, print a table, write JSON."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Final

from benchmarks import (
    bulk,
    chain,
    ghz,
    launch,
    loading,
    local,
    noise,
    pairs,
    plugin,
    pulses,
    recording,
    refusing,
    register,
    report,
    step,
    telemetry,
    teleport,
)
from benchmarks.bench import Bench
from benchmarks.measure import EFFORTS, Effort, Figure, WrongResult
from benchmarks.yardstick import EchoGroup
from qnode.errors import QnodeError

BENCHMARKS: Final[Mapping[str, Callable[[Bench], Awaitable[list[Figure]]]]] = {
    "launch": launch.run,
    "loading": loading.run,
    "plugin": plugin.run,
    "step": step.run,
    "teleport": teleport.run,
    "pairs": pairs.run,
    "bulk": bulk.run,
    "chain": chain.run,
    "noise": noise.run,
    "pulses": pulses.run,
    "ghz": ghz.run,
    "local": local.run,
    "register": register.run,
    "telemetry": telemetry.run,
    "record": recording.run,
    "keys": refusing.run,
}

_EPILOG: Final = """\
benchmarks:
  launch    from the command to its table, memory of a node, repeated runs, help, and how soon all is gone
  loading   a configuration of 1,000 nodes, one by one
  plugin    a test of two nodes by the pytest plugin, and what pytest without networks pays for it
  step      one step of the virtual clock with 1, 2 and 10 active nodes
  teleport  teleportations a second, one after another and 64 in flight
  pairs     Bell pairs with both measurements a second
  chain     end-to-end pairs over chains of 5 and 20 nodes, 64 requests in flight and one after another
  bulk      Bell pairs that are measured at birth, many at once
  noise     what noise costs
  pulses    weak coherent pulses a second, from source to sifted bits
  ghz       GHZ states over n nodes
  local     gates on a node's own qubits
  register  the state engine by itself
  telemetry a run that publishes over MQTT, to a broker that is good, slow or gone
  record    what the record costs a step: by itself, compressed all the time, and waiting for the disk
  keys      how soon a process learns that its key is not good

The exit code is 1 if a result was wrong, never because it was slow. docs/benchmarks.md explains the figures.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the command line asks for; the exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.markdown and not report.has_section(options.markdown):
        parser.error(
            f"{options.markdown} has no section to rewrite; it begins and ends with the lines\n{report.MARKERS}"
        )
    effort = EFFORTS[options.effort]
    names = options.name or list(BENCHMARKS)
    started = perf_counter()
    try:
        figures = asyncio.run(measure(names, effort, lambda text: _say(started, text)))
    except (QnodeError, WrongResult) as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    print(report.as_table(figures))
    if options.json:
        options.json.write_text(report.as_json(figures, effort), encoding="utf-8")
    if options.markdown:
        report.rewrite(options.markdown, report.as_markdown(figures, effort))
    return 0


async def measure(names: Sequence[str], effort: Effort, say: Callable[[str], None]) -> list[Figure]:
    """Run benchmarks one after the other, in the order given."""
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="qnode-bench-") as folder, EchoGroup(Path(folder)) as echo:
        for name in names:
            bench = Bench(effort, echo, Path(folder) / "runs", say)
            figures += await BENCHMARKS[name](bench)
    return figures


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure qnode on this machine, each figure beside a yardstick taken in the same run.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", nargs="*", type=_name, metavar="NAME", help="which ones (default: all)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all samples to FILE")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="rewrite the generated section of a page")
    parser.add_argument(
        "--effort", choices=list(EFFORTS), default="normal", help="how much is done (default: %(default)s)"
    )
    for name, what in (
        ("quick", "a first impression, in a fraction of the time"),
        ("full", "GHZ over 300 nodes and 1,000 processes too"),
    ):
        parser.add_argument(f"--{name}", dest="effort", action="store_const", const=name, help=what)
    return parser


def _name(text: str) -> str:
    if text not in BENCHMARKS:
        raise argparse.ArgumentTypeError(f"there is no benchmark {text!r}; there are: {', '.join(BENCHMARKS)}")
    return text


def _say(started: float, text: str) -> None:
    print(f"{perf_counter() - started:6.1f} s  {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
