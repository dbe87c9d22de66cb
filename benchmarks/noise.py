"""What noise costs: the same programs with ideal hardware and with memories, gates and links that err (t2 <= t1)."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from benchmarks.bench import Bench, elapsed, require
from benchmarks.measure import Figure, Target

_HARDWARE: Final = {
    "t1": "10 s",
    "t2": "1 s",
    "gates": {
        "single": {"error": 1e-4},
        "two": {"error": 1e-3},
        "measure": {"readout": {"p01": 1e-3, "p10": 1e-3}},
    },
}
_LINK: Final = {"between": ["alice", "bob"], "length": "1 km"}
CASES: Final = {
    "pairs, both halves measured": {
        "alice": {"program": "pairs.py:measure_pairs", "args": {"peer": "bob"}},
        "bob": {"program": "pairs.py:measure_pairs", "args": {"peer": "alice"}},
    },
    "teleportations, one after another": {
        "alice": {"program": "teleport.py:send_states", "args": {"to": "bob", "spread_ns": 0}},
        "bob": {"program": "teleport.py:receive_states", "args": {"sender": "alice"}},
    },
}


async def run(bench: Bench) -> list[Figure]:
    target = Target("ratio", "at most", 2)
    figures = {
        name: Figure("noise", name, "us/step", target, yardstick_name="the same without noise") for name in CASES
    }
    await bench.sample("noise", [(name, partial(_sample, bench, figures[name], name)) for name in CASES])
    return list(figures.values())


async def _sample(bench: Bench, figure: Figure, name: str) -> None:
    figure.add(await _step_us(bench, name, noisy=True), await _step_us(bench, name, noisy=False))


async def _step_us(bench: Bench, name: str, *, noisy: bool) -> float:
    n = bench.effort.pairs if "pairs" in name else bench.effort.one_by_one
    run = await bench.run(_config(name, n, noisy=noisy))
    require(run.summary.counts["pairs"] == n, f"{n} pairs were asked for and {run.summary.counts['pairs']} made")
    return elapsed(run) / run.summary.counts["steps"] * 1e6


def _config(name: str, n: int, *, noisy: bool) -> dict[str, Any]:
    more = {"n": n} if "pairs" in name else {"n": n, "in_flight": 1, "first_angle": 0.3}
    nodes = {
        node: {**config, "args": {**config["args"], **more}, **(_HARDWARE if noisy else {})}  # type: ignore[dict-item]
        for node, config in CASES[name].items()
    }
    link = {**_LINK, "fidelity": 0.95} if noisy else _LINK
    return {"name": "noise", "events": False, "nodes": nodes, "links": {"fibre": link}}
