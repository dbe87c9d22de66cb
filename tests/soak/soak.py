"""One turn of the soak: a random network under a random script, whose processes are killed and stopped at random.

With `restart: resume` nothing of that may be seen. Otherwise losses are inputs, and the record must lead to all that
came of them again. After every turn the invariants hold after each round, and nothing of the run is left.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from orchestrator import Cluster
from orchestrator.inspect import MarkObserver
from orchestrator.oracle.events import Event, encode_events
from orchestrator.oracle.invariants import check
from orchestrator.oracle.network import build_core
from orchestrator.oracle.record import RecordReader
from orchestrator.oracle.replay import Again
from orchestrator.oracle.spec import decode_oracle, record_path
from orchestrator.run import Run
from tests.recovery.kills import Disturbed, size, told

PROGRAMS: Final = Path(__file__).parent
EVERY: Final = 25  # rounds, after which the invariants are looked at again
SHAPES: Final = ("chain", "ring", "star", "complete")


def network(draw: random.Random, restart: str) -> dict[str, Any]:
    """A few nodes that wander, and a script of what happens to them."""
    names = [f"n{nth}" for nth in range(draw.randrange(3, 6))]
    nodes: dict[str, Any] = {name: {"program": "programs.py:wanders", "args": {"n": 40}} for name in names}
    if restart == "mixed":
        for node in nodes.values():
            node["restart"] = draw.choice(("never", "fresh"))
    link: dict[str, Any] = {draw.choice(SHAPES): names, "length": "5 km"}
    if draw.random() < 0.5:
        link["source"] = {"model": "werner", "fidelity": 0.9}
    script = list(_faults(draw, names))
    return {
        "version": 1,
        "name": "soak",
        "seed": draw.randrange(2**31),
        "until": "200 ms",
        "failures": {
            "restart": "resume" if restart == "resume" else "never",
            "restarts": 1000,
            "restart_delay": "500 us",
            "detection_delay": draw.choice(("0", "300 us")),
        },
        "record": {"segment": draw.choice(("64 KiB", "64 MiB"))},
        "nodes": nodes,
        "links": {"all": link},
        "faults": script,
    }


def _faults(draw: random.Random, names: list[str]) -> Iterator[dict[str, Any]]:
    for _ in range(draw.randrange(6)):
        a, b = draw.sample(names, 2)
        upon = {"event": "deliver", "node": a, "nth": draw.randrange(1, 9)}
        when = draw.choice(({"at": f"{draw.randrange(20_000)} us"}, {"on": upon}))
        lasts = {"for": f"{draw.randrange(1, 5000)} us"}
        way = draw.choice(({"between": [a, b]}, {"from": a, "to": b}))
        odds = {**way, "probability": draw.choice((0.1, 0.5, 1.0))}
        yield {
            **when,
            **draw.choice(
                (
                    {"kill": a},
                    {"kill": b, "restart": "fresh"},
                    {"pause": a, **lasts},
                    {"cut": way, **lasts},
                    {"slow": {**way, "by": "1 ms"}, **lasts},
                    {"lose": odds, **lasts},
                    {"duplicate": {**odds, "within": "100 us"}, **lasts},
                    {"reorder": {**odds, "within": "100 us"}, **lasts},
                    {"break": "all", **lasts},
                )
            ),
        }


async def turn(draw: random.Random, folder: Path) -> Counter[str]:
    """One run, and what was done to it. Raises AssertionError for what must not be."""
    restart = draw.choice(("resume", "mixed"))
    config = network(draw, restart)
    counts: Counter[str] = Counter(next(key for key in fault if key not in _TIMES) for fault in config["faults"])
    async with Cluster.from_dict(config, base=PROGRAMS, runs=folder) as net:
        undisturbed = await net.run(name="undisturbed", inline=True, check=False, on_output=None)
        assert undisturbed.exit_code == 0, undisturbed.failure
        assert_sound(undisturbed)
        disturbed = Disturbed(net, folder, "disturbed")
        async for what in _disturbances(draw, disturbed, size(undisturbed.folder), [*config["nodes"], "oracle"]):
            counts[what] += 1
        run = await disturbed.running
        assert not _alive(disturbed.seen), "processes are left"
    if restart == "resume":
        assert told(run) == told(undisturbed)
    else:
        assert run.exit_code in (0, 4), run.failure
    assert_sound(run)
    counts["rounds"] += run.summary.counts["steps"]
    return counts


async def _disturbances(draw: random.Random, disturbed: Disturbed, whole: int, who: list[str]) -> Any:
    places = sorted(draw.randrange(whole) for _ in range(draw.randrange(1, 6)))
    for place in places:
        if not await disturbed.reaches(place):
            return
        victim = draw.choice(who)
        if draw.random() < 0.3:
            if disturbed.kill(victim, signal.SIGSTOP):
                await asyncio.sleep(draw.random() * 0.2)  # as long as a lid is closed
                disturbed.kill(victim, signal.SIGCONT)
                yield "SIGSTOP"
        elif disturbed.kill(victim):
            yield f"kill -9 {'oracle' if victim == 'oracle' else 'node'}"


def assert_sound(run: Run) -> None:
    """The record leads to the same events and the same end, and no round leaves anything that cannot be."""
    reader = RecordReader(record_path(run.folder))
    spec, events = decode_oracle(reader.description), list[Event]()
    core = build_core(spec, events.append, MarkObserver(spec.observe))
    again = Again(spec, core)
    for followed in again.follow(reader.rounds()):
        if not followed.number % EVERY:
            assert check(core) == [], f"after round {followed.number}"
    assert again.divergence is None, again.divergence
    assert check(core) == []
    assert encode_events(events) == run.events_bytes or not (again.rounds or run.events_bytes)  # it never began
    assert core.outcome is None or core.outcome.how == run.summary.how
    results: Mapping[tuple[str, str], bytes] = {
        (one.node, one.program): one.ended.result for one in core.results if not one.ended.failed
    }
    assert results == {(one.node, one.program): one.packed for one in run.summary.results}


def _alive(pids: set[int]) -> list[int]:
    alive = []
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, 0)
            alive.append(pid)
    return alive


_TIMES: Final = ("at", "on", "after", "for", "until", "restart")
