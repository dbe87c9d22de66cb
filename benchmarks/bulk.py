"""Pairs that both ends measure at birth, a million at once, between two processes."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from time import perf_counter
from typing import Any, Final

import numpy as np

from benchmarks.bench import Bench, elapsed, require, timed
from benchmarks.measure import Figure, Target

_BATCHES: Final = 3
_GATES: Final = {"single": {"error": 0.001}, "measure": {"error": 0.002, "readout": {"p01": 0.02, "p10": 0.01}}}

CASES: Final[Mapping[str, tuple[Mapping[str, Any], Mapping[str, Any], float]]] = {
    "perfect": ({"length": "1 km"}, {}, 0.0),
    "single click, noisy nodes": (
        {"length": "10 km", "source": {"model": "single_click", "bright_state": 0.05, "visibility": 0.95}},
        {"gates": _GATES},
        0.2,
    ),
}
"""The link, what the nodes are made of, and how many sifted outcomes may differ."""


async def run(bench: Bench) -> list[Figure]:
    target = Target("value", "at least", 1e6)
    figures = {
        name: Figure("bulk", name, "pairs/s", target, yardstick_name="NumPy's draws alone", inverse=True)
        for name in CASES
    }
    await bench.sample("bulk", [(name, partial(_sample, bench, figures[name], *CASES[name])) for name in CASES])
    return list(figures.values())


async def _sample(
    bench: Bench, figure: Figure, link: Mapping[str, Any], node: Mapping[str, Any], most_wrong: float
) -> None:
    n = bench.effort.batch
    run = await bench.run(_config(n, link, node))
    alice, bob = timed(run, "alice"), timed(run, "bob")
    require(alice["wrong"] == bob["wrong"], "the two ends count differently")
    require(abs(alice["sifted"] / n - 0.5) < 0.1, "half of the bases should have been the same")
    require(alice["wrong"] <= most_wrong * alice["sifted"], "more outcomes differ than should")
    require(0.3 < alice["ones"] / n < 0.7, "outcomes should be even")
    figure.add(_BATCHES * n / elapsed(run), _BATCHES * n / _drawing_seconds(_BATCHES * n))


def _drawing_seconds(n: int) -> float:
    """Two uniform numbers for each pair, in one process, compared with one half."""
    stream = np.random.default_rng(1)
    started = perf_counter()
    for _ in range(2):
        stream.random(n) < 0.5  # noqa: B015  # only how long it takes
    return perf_counter() - started


def _config(n: int, link: Mapping[str, Any], node: Mapping[str, Any]) -> Mapping[str, object]:
    return {
        "name": "bulk",
        "nodes": {
            one: {
                **node,
                "program": "bulk.py:measure_all",
                "args": {"peer": other, "n": n, "batches": _BATCHES},
            }
            for one, other in (("alice", "bob"), ("bob", "alice"))
        },
        "links": {"fibre": {"between": ["alice", "bob"], **link}},
    }
