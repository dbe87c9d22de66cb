"""Teleportations a second, one after another and with 64 in flight."""

from __future__ import annotations

from functools import partial
from typing import Any, Final, NamedTuple

from benchmarks.bench import YARDSTICK_MESSAGES, Bench, elapsed, require, timed
from benchmarks.measure import Figure, Target
from orchestrator.run import Run

IN_FLIGHT: Final = 64
WITHOUT_EVENTS: Final = "The same without the event log"
SPREAD_NS: Final = 4_000
_FEW: Final = 2
_MANY: Final = 22


class Case(NamedTuple):
    """How teleportations are run; `spread_ns` is the width of the delays, `tick` the clock's grid."""

    name: str
    in_flight: int
    target: float | None = None
    spread_ns: int = 0
    tick: str = ""
    events: bool = False


CASES: Final = (
    Case("one after another", 1, 1_000),
    Case("one after another, event log", 1, events=True),
    Case("64 in flight, equal delays", IN_FLIGHT, 10_000),
    Case("64 in flight, equal delays, event log", IN_FLIGHT, events=True),
    Case("64 in flight, delays spread over 4 us, tick 1 us", IN_FLIGHT, 5_000, SPREAD_NS, "1 us"),
    Case("64 in flight, delays spread over 4 us", IN_FLIGHT, None, SPREAD_NS),
)


async def run(bench: Bench) -> list[Figure]:
    rates = {case: _rate(case) for case in CASES}
    plain = {(case.in_flight, case.spread_ns): figure for case, figure in rates.items() if not case.events}
    steps = Figure("teleport", "steps of one more, one after another", "steps", Target("value", "at most", 4))
    samples = [
        (case.name, partial(_sample, bench, case, figure, plain[case.in_flight, case.spread_ns]))
        for case, figure in rates.items()
    ]
    await bench.sample("teleport", [*samples, ("steps", partial(_count, bench, steps))])
    return [*rates.values(), steps]


def _rate(case: Case) -> Figure:
    if case.events:
        most = Target("ratio", "at most", 1.15)
        return Figure("teleport", case.name, "/s", most, yardstick_name=WITHOUT_EVENTS, inverse=True)
    target = None if case.target is None else Target("value", "at least", case.target)
    return Figure("teleport", case.name, "/s", target, yardstick_name=YARDSTICK_MESSAGES, inverse=True)


async def _sample(bench: Bench, case: Case, figure: Figure, plain: Figure) -> None:
    n = _how_many(bench, case)
    run = await bench.run(_config(case, n))
    _check(run, n)
    figure.add(n / elapsed(run), plain.samples[-1] if case.events else n / bench.messages_alone(run))


async def _count(bench: Bench, figure: Figure) -> None:
    """Steps of a run with more teleportations less those of a run with fewer: without its beginning and its end."""
    few, many = [(await bench.run(_config(CASES[0], n))).summary.counts["steps"] for n in (_FEW, _MANY)]
    figure.add((many - few) / (_MANY - _FEW))


def _how_many(bench: Bench, case: Case) -> int:
    if case.in_flight == 1:
        return bench.effort.one_by_one
    return bench.effort.spread if case.spread_ns and not case.tick else bench.effort.in_flight


def _check(run: Run, n: int) -> None:
    wrong = timed(run, "bob")["wrong"]
    require(not wrong, f"{wrong} of {n} teleported states were not what was sent")
    require(run.summary.counts["pairs"] == n, f"{n} teleportations used {run.summary.counts['pairs']} pairs")


def _config(case: Case, n: int) -> dict[str, Any]:
    args = {"n": n, "in_flight": case.in_flight, "first_angle": 0.3}
    senders = {"to": "bob", "spread_ns": case.spread_ns, **args}
    receivers = {"sender": "alice", **args}
    return {
        "name": "teleport",
        "clock": {"tick": case.tick} if case.tick else "virtual",
        "events": case.events,
        "nodes": {
            "alice": {"program": "teleport.py:send_states", "args": senders, "qubits": 2 * IN_FLIGHT},
            "bob": {"program": "teleport.py:receive_states", "args": receivers, "qubits": IN_FLIGHT},
        },
        "links": {"fibre": {"between": ["alice", "bob"], "length": "1 km"}},
    }
