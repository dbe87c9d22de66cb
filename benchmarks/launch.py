"""From the command to its table, and what a node costs: a real command with as many real processes as nodes."""

from __future__ import annotations

import asyncio
import json
import os
import select
import signal
import statistics
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Final

from benchmarks.bench import PROGRAMS, Bench, require
from benchmarks.measure import Figure, Target
from orchestrator import Cluster

_TARGETS_S: Final[Mapping[int, float]] = {2: 0.8, 100: 1.5, 1000: 10.0}
_REPEATED: Final = "one run after another, 2 nodes"
_YARDSTICK: Final = "an interpreter that imports NumPy, Stim and pyzmq"
_IMPORTS: Final = "import numpy, stim, zmq"
_HELP: Final = "qnode --help"
_ENDS: Final[Mapping[str, signal.Signals]] = {
    "Ctrl-C to nothing left, 2 nodes": signal.SIGINT,
    "SIGTERM to nothing left, 2 nodes": signal.SIGTERM,
    "kill -9 of the command to nothing left, 2 nodes": signal.SIGKILL,
}


async def run(bench: Bench) -> list[Figure]:
    sizes = bench.effort.launch_nodes
    table = {
        n: Figure("launch", f"command to table, {n:,} nodes", "s", _at_most(_TARGETS_S.get(n)), _YARDSTICK)
        for n in sizes
    }
    memory = {
        n: Figure("launch", f"PSS of an idle node of {n:,}", "MiB", _at_most(12)) for n in sizes if _can_measure()
    }
    repeated = Figure("launch", _REPEATED, "s", _at_most(0.05))
    shown = Figure("launch", _HELP, "s", _at_most(0.25))
    ends = {number: Figure("launch", case, "s", _at_most(1.0)) for case, number in _ENDS.items() if _can_measure()}
    with tempfile.TemporaryDirectory(prefix="qb-") as folder:
        scratch = Path(folder)
        await bench.sample(
            "launch",
            [
                *((figure.case, partial(_command, scratch, figure, n)) for n, figure in table.items()),
                *((figure.case, partial(_memory, scratch, figure, n)) for n, figure in memory.items()),
                (_REPEATED, partial(_repeat, bench, repeated)),
                (_HELP, partial(_help, shown)),
                *((figure.case, partial(_end, scratch, figure, number)) for number, figure in ends.items()),
            ],
        )
    return [*table.values(), *memory.values(), repeated, shown, *ends.values()]


def _enough(figure: Figure, n: int) -> bool:
    """A thousand processes keep a machine busy for seconds: two samples of that will do."""
    return n >= 1000 and len(figure.samples) >= 2


def _at_most(limit: float | None) -> Target | None:
    return None if limit is None else Target("value", "at most", limit)


# ---------------------------------------------------------------- the command


async def _command(scratch: Path, figure: Figure, n: int) -> None:
    if _enough(figure, n):
        return
    config = scratch / f"{n}.yaml"
    config.write_text(json.dumps(_network(n)))  # JSON is YAML
    options = ("--quiet", "--runs-folder", str(scratch / "runs"))
    started = perf_counter()
    out = await _python("-m", "orchestrator.cli", "run", str(config), *options)
    took = perf_counter() - started
    require(b"program" in out, "the command printed no table")
    started = perf_counter()
    await _python("-c", _IMPORTS)
    figure.add(took, perf_counter() - started)


async def _help(figure: Figure) -> None:
    started = perf_counter()
    out = await _python("-m", "orchestrator.cli", "--help")
    figure.add(perf_counter() - started)
    require(b"Usage: qnode" in out, "the command printed no help")


async def _python(*arguments: str) -> bytes:
    process = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, stdout=asyncio.subprocess.PIPE, cwd=PROGRAMS.parents[1]
    )
    out, _ = await process.communicate()
    require(process.returncode == 0, f"python {' '.join(arguments)} ended with {process.returncode}")
    return out


def _network(n: int) -> dict[str, object]:
    program = f"{PROGRAMS / 'idle.py'}:named"
    return {"version": 1, "name": f"launch-{n}", "seed": 1, "nodes": {f"n[0..{n - 1}]": {"program": program}}}


# ---------------------------------------------------------------- memory


def _can_measure() -> bool:
    return Path("/proc/self/smaps_rollup").exists()


async def _memory(scratch: Path, figure: Figure, n: int) -> None:
    """The median over all nodes but the one that waits until we have looked."""
    if _enough(figure, n):
        return
    door = scratch / "door"
    waits = {"program": "idle.py:waits", "args": {"path": str(door)}}
    nodes = {"waits": waits, **{f"n{index}": {} for index in range(n - 1)}}
    config = {"version": 1, "name": f"memory-{n}", "seed": 1, "events": False, "nodes": nodes}
    async with (
        _waiting_at(door) as (reached, leave),
        Cluster.from_dict(config, base=PROGRAMS, runs=scratch / "runs") as net,
    ):
        running = asyncio.ensure_future(net.run())
        await asyncio.wait((running, asyncio.ensure_future(reached.wait())), return_when=asyncio.FIRST_COMPLETED)
        if not running.done():
            figure.add(statistics.median(_pss_mib(net.pids[name]) for name in nodes if name != "waits"))
        leave.set()
        await running


@asynccontextmanager
async def _waiting_at(door: Path) -> AsyncIterator[tuple[asyncio.Event, asyncio.Event]]:
    """Set once a program waits there; and what lets it go."""
    reached, leave = asyncio.Event(), asyncio.Event()

    async def arrive(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reached.set()
        await leave.wait()
        writer.close()

    server = await asyncio.start_unix_server(arrive, door)
    try:
        yield reached, leave
    finally:
        leave.set()
        server.close()
        await server.wait_closed()
        with suppress(FileNotFoundError):  # newer servers remove it themselves
            os.unlink(door)


def _pss_mib(pid: int) -> float:
    """Proportional set size: what is shared counts for each by its share."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    raise AssertionError(f"/proc/{pid}/smaps_rollup names no Pss")


# ---------------------------------------------------------------- the end


async def _end(scratch: Path, figure: Figure, number: signal.Signals) -> None:
    """From the signal to the end of the last process that the command had started."""
    door, config = scratch / "door", scratch / "end.yaml"
    waits = {"program": f"{PROGRAMS / 'idle.py'}:waits", "args": {"path": str(door)}}
    config.write_text(json.dumps({"version": 1, "name": "end", "seed": 1, "nodes": {"waits": waits, "other": {}}}))
    options = ("--quiet", "--runs-folder", str(scratch / "runs"))
    async with _waiting_at(door) as (reached, _):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "orchestrator.cli", "run", str(config), *options),
            cwd=PROGRAMS.parents[1],
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        gone = asyncio.ensure_future(process.wait())
        await asyncio.wait((gone, asyncio.ensure_future(reached.wait())), return_when=asyncio.FIRST_COMPLETED)
        require(not gone.done(), "the command ended by itself")
        pids = _family(process.pid)
        require(len(pids) == 1 + 1 + 2, f"the command started {len(pids)} processes")
        watched = [os.pidfd_open(pid) for pid in pids]
        started = perf_counter()
        process.send_signal(number)
        for descriptor in watched:
            await asyncio.to_thread(select.select, [descriptor], [], [])
            os.close(descriptor)
        await gone
        figure.add(perf_counter() - started)


def _family(pid: int) -> list[int]:
    """Everything that descends from a process."""
    children = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return children + [one for child in children for one in _family(child)]


# ---------------------------------------------------------------- again and again


async def _repeat(bench: Bench, figure: Figure) -> None:
    """Fresh processes each time, by a launcher that is warm."""
    config = {"name": "repeated", "nodes": {name: {"program": "idle.py:named"} for name in ("alice", "bob")}}
    pids = set()
    await bench.run(config)
    times = []
    for _ in range(5):
        started = perf_counter()
        run = await bench.run(config)
        times.append(perf_counter() - started)
        pids.add(run["alice"])
    require(pids == {"alice"}, "a run returned something else")
    figure.add(statistics.median(times))
