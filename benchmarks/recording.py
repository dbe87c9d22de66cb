"""What the record costs a run: appending to it, compressing what is full, and waiting for the disk."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Final

from benchmarks.bench import Bench, elapsed, require
from benchmarks.measure import Figure, Sample, Target
from orchestrator.oracle.record import RecordReader, RecordWriter
from orchestrator.oracle.spec import record_path
from orchestrator.run import Run

_NODES: Final = ("alice", "bob")
_STEPS: Final = 3  # times what other benchmarks do, for a run that is not only its own start
_HOW: Final[Mapping[str, Mapping[str, object]]] = {
    "compressed, in files of 64 KiB": {"segment": "64 KiB"},  # a thousand times as often as usual
    "fsync: instant": {"fsync": "instant"},
}


async def run(bench: Bench) -> list[Figure]:
    alone = Figure(
        "record", "appending a round", "us/step", Target("ratio", "at most", 0.1), yardstick_name="the whole step"
    )
    costs = {name: Figure("record", name, "us/step", yardstick_name="as usual: one file, no fsync") for name in _HOW}
    cases: list[tuple[str, Sample]] = [("appending", partial(_append, bench, alone))]
    cases += [(name, partial(_cost, bench, figure, _HOW[name])) for name, figure in costs.items()]
    await bench.sample("record", cases)
    return [alone, *costs.values()]


async def _append(bench: Bench, figure: Figure) -> None:
    """All rounds of a run that has just been, appended once more; beside what the run took for each."""
    n = _STEPS * bench.effort.steps
    found = await bench.run(_config(n, {}))
    reader = RecordReader(record_path(_folder(found)))
    rounds = [(one.now_ns, [bytes(frame) for frame in one.reports]) for one in reader.rounds() if one.reports]
    with tempfile.TemporaryDirectory() as folder, RecordWriter(Path(folder, "record"), reader.description) as record:
        start = time.perf_counter()
        for now_ns, frames in rounds:
            record.append(now_ns, (), frames)
        took_s = time.perf_counter() - start
    figure.add(took_s / len(rounds) * 1e6, elapsed(found) / len(rounds) * 1e6)


async def _cost(bench: Bench, figure: Figure, how: Mapping[str, object]) -> None:
    """With and without, side by side: who goes first takes turns, for a machine may grow slower or faster meanwhile."""
    n = _STEPS * bench.effort.steps
    configs = [_config(n, {}), _config(n, how)]
    order = (0, 1) if len(figure.samples) % 2 else (1, 0)
    runs = {which: await bench.run(configs[which]) for which in order}
    steps = runs[1].summary.counts["steps"]
    rounds = sum(bool(one.reports) for one in RecordReader(record_path(_folder(runs[1]))).rounds())
    require(rounds == steps, f"{steps} steps, and {rounds} rounds in the record")
    figure.add(elapsed(runs[1]) / steps * 1e6, elapsed(runs[0]) / steps * 1e6)


def _folder(found: Run) -> Path:
    assert found.folder is not None  # a run of a cluster has one
    return found.folder


def _config(n: int, how: Mapping[str, object]) -> Mapping[str, object]:
    program = {"program": "chatter.py:chatter", "args": {"n": n, "every": 1, "events": 2}}
    return {"name": "record", "nodes": dict.fromkeys(_NODES, program), **({"record": dict(how)} if how else {})}
