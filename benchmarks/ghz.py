"""GHZ states over n nodes, each in a process of its own: one measured in Z, one in X."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from benchmarks.bench import YARDSTICK_MESSAGES, Bench, elapsed, require, timed
from benchmarks.measure import Figure
from orchestrator.run import Run


async def run(bench: Bench) -> list[Figure]:
    sizes = bench.effort.ghz_nodes
    inside = {n: Figure("ghz", f"n = {n}, two states", "s", yardstick_name=YARDSTICK_MESSAGES) for n in sizes}
    whole = {n: Figure("ghz", f"n = {n}, with all processes", "s") for n in sizes}
    await bench.sample("ghz", [(f"n = {n}", partial(_sample, bench, inside[n], whole[n], n)) for n in sizes])
    return [figure for n in sizes for figure in (inside[n], whole[n])]


async def _sample(bench: Bench, inside: Figure, whole: Figure, n: int) -> None:
    run = await bench.run(_config(n))
    _check(run)
    inside.add(elapsed(run), bench.messages_alone(run))
    whole.add(run.wall_s)


def _check(run: Run) -> None:
    results = [timed(run, node) for node in run.results]
    require(len({result["z"] for result in results}) == 1, "the Z outcomes of a GHZ state did not agree")
    require(sum(result["x"] for result in results) % 2 == 0, "the X outcomes of a GHZ state had odd parity")


def _config(n: int) -> Mapping[str, object]:
    chain = [f"n{index}" for index in range(n)]
    return {
        "name": f"ghz-{n}",
        "events": False,
        "nodes": {name: {"program": "ghz.py:timed_ghz", "args": {"chain": chain}} for name in chain},
        "links": {"backbone": {"chain": chain, "length": "25 km"}},
    }
