"""A Bell pair and the measurement of both its halves, one after another."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Final

from benchmarks.bench import YARDSTICK_MESSAGES, Bench, elapsed, require, timed
from benchmarks.measure import Figure, Target

LINKS: Final = {"length 0": "0 km", "length 1 km": "1 km"}


async def run(bench: Bench) -> list[Figure]:
    target = Target("value", "at least", 2_500)
    figures = {
        name: Figure("pairs", name, "/s", target, yardstick_name=YARDSTICK_MESSAGES, inverse=True) for name in LINKS
    }
    await bench.sample("pairs", [(name, partial(_sample, bench, figures[name], LINKS[name])) for name in LINKS])
    return list(figures.values())


async def _sample(bench: Bench, figure: Figure, length: str) -> None:
    n = bench.effort.pairs
    run = await bench.run(_config(n, length))
    require(timed(run, "alice")["outcomes"] == timed(run, "bob")["outcomes"], "two halves of a pair disagreed")
    require(0 < sum(timed(run, "alice")["outcomes"]) < n, f"{n} halves of Bell pairs all gave the same outcome")
    figure.add(n / elapsed(run), n / bench.messages_alone(run))


def _config(n: int, length: str) -> Mapping[str, object]:
    return {
        "name": "pairs",
        "events": False,
        "nodes": {
            one: {"program": "pairs.py:measure_pairs", "args": {"peer": other, "n": n}}
            for one, other in (("alice", "bob"), ("bob", "alice"))
        },
        "links": {"fibre": {"between": ["alice", "bob"], "length": length}},
    }
