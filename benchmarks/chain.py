"""End-to-end pairs over a chain of repeaters, with 64 requests in flight and one after another."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Final, NamedTuple

from benchmarks.bench import YARDSTICK_MESSAGES, Bench, elapsed, require, timed
from benchmarks.measure import Figure, Target

IN_FLIGHT: Final = 64
MOST: Final = 640  # pairs of a sample: a chain of 20 makes 19 link pairs of each


class Case(NamedTuple):
    """A chain, how many requests are open at once, and at most how many milliseconds a pair is to take.

    The best peer with real states takes 8.1 ms over 5 nodes and 44 ms over 20, one after another.
    """

    nodes: int
    in_flight: int
    most_ms: float | None

    @property
    def name(self) -> str:
        how = f"{self.in_flight} in flight" if self.in_flight > 1 else "one after another"
        return f"{self.nodes} nodes, {how}"


CASES: Final = (
    Case(5, IN_FLIGHT, 1.0),
    Case(5, 1, 8.1),
    Case(20, IN_FLIGHT, 4.4),
    Case(20, 1, 44.0),
)


async def run(bench: Bench) -> list[Figure]:
    figures = {
        case: Figure(
            "chain",
            case.name,
            "ms/pair",
            None if case.most_ms is None else Target("value", "at most", case.most_ms),
            yardstick_name=YARDSTICK_MESSAGES,
        )
        for case in CASES
    }
    await bench.sample("chain", [(case.name, partial(_sample, bench, figures[case], case)) for case in CASES])
    return list(figures.values())


async def _sample(bench: Bench, figure: Figure, case: Case) -> None:
    share = 1 if case.in_flight > 1 else 4
    each = max(1, min(bench.effort.pairs, MOST) // share // case.in_flight)
    run = await bench.run(_config(case, each))
    n = each * case.in_flight
    ends = [timed(run, f"n{place}") for place in (0, case.nodes - 1)]
    require(ends[0]["outcomes"] == ends[1]["outcomes"], "two halves of a pair disagreed")
    made = (n + 1) * (case.nodes - 1)  # and one to begin with
    require(run.summary.counts["pairs"] == made, f"{n} pairs took {run.summary.counts['pairs']} link pairs, not {made}")
    figure.add(elapsed(run) / n * 1e3, bench.messages_alone(run) / n * 1e3)


def _config(case: Case, each: int) -> Mapping[str, object]:
    names = [f"n{place}" for place in range(case.nodes)]
    room = {"qubits": 2 * IN_FLIGHT}
    ends = {
        one: {
            **room,
            "program": "chain.py:measure_far_pairs",
            "args": {"peer": other, "n": each, "in_flight": case.in_flight},
        }
        for one, other in ((names[0], names[-1]), (names[-1], names[0]))
    }
    return {
        "name": f"chain-{case.nodes}",
        "events": False,
        "nodes": {name: ends.get(name, room) for name in names},
        "links": {"backbone": {"chain": names, "length": "0 km"}},
    }
