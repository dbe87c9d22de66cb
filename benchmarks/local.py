"""Gates on a node's own qubits, against Stim alone; and that they cause no message."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from time import perf_counter

import stim

from benchmarks.bench import Bench, elapsed, require, timed
from benchmarks.measure import Figure, Target

_COUNTED = 1_200


async def run(bench: Bench) -> list[Figure]:
    clifford = Figure("local", "Clifford gates", "/s", yardstick_name="Stim alone", inverse=True)
    general = Figure("local", "a third of them rotations", "/s")
    messages = Figure("local", f"messages of {_COUNTED:,} gates", "messages", Target("value", "at most", 0))
    await bench.sample(
        "local",
        [
            ("Clifford gates", partial(_sample, bench, clifford, clifford=True)),
            ("a third of them rotations", partial(_sample, bench, general, clifford=False)),
            ("messages", partial(_count, bench, messages)),
        ],
    )
    return [clifford, general, messages]


async def _sample(bench: Bench, figure: Figure, *, clifford: bool) -> None:
    n = bench.effort.local_gates // 6 * 6
    run = await bench.run(_config(n, clifford=clifford))
    require(not timed(run, "alice")["wrong"], "a circuit and its inverse did not cancel")
    figure.add(n / elapsed(run), n / _stim_seconds(n) if clifford else None)


async def _count(bench: Bench, figure: Figure) -> None:
    """Reports of a run with gates less those of the same run without: each report is a message, and so is its grant."""
    few, many = [(await bench.run(_config(n, clifford=False))).summary.counts["reports"] for n in (0, _COUNTED)]
    figure.add(many - few)


def _stim_seconds(n: int) -> float:
    """The same gates by calls of Stim's simulator, from Python as well."""
    simulator = stim.TableauSimulator()
    simulator.set_num_qubits(3)
    started = perf_counter()
    for _ in range(n // 6):
        simulator.h(0)
        simulator.cnot(0, 1)
        simulator.s(2)
        simulator.s_dag(2)
        simulator.cnot(0, 1)
        simulator.h(0)
    return perf_counter() - started


def _config(n: int, *, clifford: bool) -> Mapping[str, object]:
    return {
        "name": "local",
        "events": False,
        "nodes": {"alice": {"program": "local.py:local_gates", "args": {"n": n, "clifford": clifford}}},
    }
