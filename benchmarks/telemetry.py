"""What MQTT costs a run, whatever the broker does; and that every event is published or counted."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from typing import Final

from benchmarks.bench import Bench, elapsed, require
from benchmarks.broker import Broker, SilentServer
from benchmarks.measure import Figure, Sample, Target
from orchestrator.run import Run

_NODES: Final = ("alice", "bob")
_NOBODY: Final = "mqtt://127.0.0.1:1"  # a port at which nobody listens
_STEPS: Final = 3  # times what other benchmarks do, for a run that is not only its own start
_FEW: Final = {"every": 3, "events": 1}  # about 2,000 events a second, of some 3,000 steps
_MANY: Final = {"every": 3, "events": 6}  # about 10,000


async def run(bench: Bench) -> list[Figure]:
    with ExitStack() as stack:
        good, slow = stack.enter_context(Broker()), stack.enter_context(SilentServer())
        brokers = {"good": good.url, "slow": slow.url, "gone": _NOBODY}
        costs = {
            name: Figure(
                "telemetry",
                f"2,000 events/s, broker {name}",
                "us/step",
                Target("ratio", "at most", 1.05),
                yardstick_name="the same without MQTT",
            )
            for name in brokers
        }
        rates = {
            name: Figure("telemetry", f"10,000 events/s, all accounted for, broker {name}", "/s")
            for name in ("good", "slow")
        }
        cases: list[tuple[str, Sample]] = [
            (f"2,000 events/s, {name}", partial(_cost, bench, figure, brokers[name])) for name, figure in costs.items()
        ]
        cases += [(f"10,000 events/s, {name}", partial(_rate, bench, rates[name], brokers[name])) for name in rates]
        await bench.sample("telemetry", cases)
    return [*costs.values(), *rates.values()]


async def _cost(bench: Bench, figure: Figure, broker: str) -> None:
    """With and without, side by side: who goes first takes turns, for a machine may grow slower or faster meanwhile."""
    n = _STEPS * bench.effort.steps
    configs = [_config(n, _FEW), _config(n, _FEW, broker)]
    order = (0, 1) if len(figure.samples) % 2 else (1, 0)
    runs = {which: await bench.run(configs[which]) for which in order}
    _require_all_counted(runs[1])
    figure.add(elapsed(runs[1]) / n * 1e6, elapsed(runs[0]) / n * 1e6)


async def _rate(bench: Bench, figure: Figure, broker: str) -> None:
    found = await bench.run(_config(_STEPS * bench.effort.steps, _MANY, broker))
    figure.add(_require_all_counted(found) / elapsed(found))


def _require_all_counted(found: Run) -> int:
    """Every event is published or counted as dropped; how many there were."""
    events = found.events_bytes.count(b"\n")
    outcome = found.telemetry
    require(outcome is not None, "nobody knows what became of the events")
    assert outcome is not None
    counted = outcome.published + outcome.dropped
    require(
        events == outcome.offered == counted, f"{events} events, {outcome.offered} offered, {counted} accounted for"
    )
    return events


def _config(n: int, how_much: Mapping[str, int], broker: str = "") -> Mapping[str, object]:
    program = {"program": "chatter.py:chatter", "args": {"n": n, **how_much}}
    telemetry = {"telemetry": {"mqtt": {"broker": broker, "linger": "0.2 s"}}} if broker else {}  # it is not measured
    return {"name": "telemetry", "nodes": dict.fromkeys(_NODES, program), **telemetry}
