"""One step of the virtual clock with k active nodes, against one raw scatter and gather to k processes."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Final

from benchmarks.bench import Bench, elapsed, require
from benchmarks.measure import Figure, Target

ACTIVE: Final = (1, 2, 10)
_WARM_UP: Final = 50


async def run(bench: Bench) -> list[Figure]:
    yardstick = "raw scatter/gather of 100 bytes"
    figures = {
        k: Figure("step", f"k = {k}", "us", Target("ratio", "at most", 2), yardstick_name=yardstick) for k in ACTIVE
    }
    await bench.sample("step", [(f"k = {k}", partial(_sample, bench, figures[k], k)) for k in ACTIVE])
    return list(figures.values())


async def _sample(bench: Bench, figure: Figure, k: int) -> None:
    n = bench.effort.steps
    before = bench.echo.seconds_per_step(k, bench.effort.echoes)
    run = await bench.run(_config(k, n))
    after = bench.echo.seconds_per_step(k, bench.effort.echoes)
    steps = run.summary.counts["steps"]
    require(n + _WARM_UP <= steps <= n + _WARM_UP + 2, f"{k} nodes that sleep {n} times took {steps} steps")
    figure.add(elapsed(run) / n * 1e6, (before + after) / 2 * 1e6)


def _config(k: int, n: int) -> Mapping[str, object]:
    program = {"program": "tick.py:tick", "args": {"n": n, "warm_up": _WARM_UP}}
    return {"name": f"step-{k}", "nodes": {f"n{index}": program for index in range(k)}}
