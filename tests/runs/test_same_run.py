"""The same seed gives the same run, byte for byte: whatever the start order, the load, the delays, the processes."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager
from hashlib import sha256
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import pytest_asyncio

from orchestrator import Cluster
from orchestrator.launch.launcher import Launcher
from orchestrator.launch.protocol import Fork, Order
from orchestrator.run import Run
from tests.launch.processes import linux_only

PROGRAMS = Path(__file__).parents[1] / "programs_api"
RING = [f"n{number}" for number in range(6)]
SEED = 11


def network(*, module_random: bool = True, string_sets: bool = True, **settings: Any) -> dict[str, Any]:
    """A wheel: six nodes on the rim, all equally far from the hub."""
    args = {"ring": RING, "module_random": module_random, "string_sets": string_sets}
    rim = {"main": {"run": "busy.py:rim", "args": args}, "echo": {"run": "busy.py:echo", "service": True}}
    gates = {"single": {"duration": "10 ns"}, "two": {"duration": "25 ns"}, "measure": {"duration": "100 ns"}}
    return {
        "version": 1,
        "seed": SEED,
        "kinds": {"busy": {"qubits": 60, "gates": gates}},
        "nodes": {
            **{name: {"kind": "busy", "programs": rim} for name in RING},
            "hub": {"kind": "busy", "program": "busy.py:hub", "args": {"ring": RING}},
        },
        "links": {
            "rim": {"ring": RING, "length": "1 km"},
            **{f"spoke{number}": {"between": [name, "hub"], "length": "2 km"} for number, name in enumerate(RING)},
        },
        "observe": {"received": ["fidelity"]},
        **settings,
    }


class Fingerprint(NamedTuple):
    """All that two equal runs must have in common."""

    events: str
    results: str
    notes: str
    at_ns: int
    counts: tuple[tuple[str, int], ...]


def fingerprint(run: Run) -> Fingerprint:
    summary = run.summary
    assert summary.how == "done"
    assert summary.reproducible
    results = [b"%s %s %d " % (one.node.encode(), one.program.encode(), one.at_ns) for one in summary.results]
    packed = [one.packed for one in summary.results]
    return Fingerprint(
        sha256(run.events_bytes).hexdigest(),
        sha256(b"".join(chain(results, packed))).hexdigest(),
        sha256(repr((summary.notes, summary.observed)).encode()).hexdigest(),
        summary.at_ns,
        tuple(sorted(summary.counts.items())),
    )


async def run(runs: Path, config: dict[str, Any], *, inline: bool = False, seed: int | None = None) -> Run:
    async with Cluster.from_dict(config, base=PROGRAMS, runs=runs) as net:
        return await net.run(inline=inline, seed=seed, timeout=60)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def reference(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Run]:
    """The run that all others are compared with: undisturbed, a process a node."""
    yield await run(tmp_path_factory.mktemp("reference"), network())


# ---------------------------------------------------------------- what disturbs


class ShufflingLauncher(Launcher):
    """Starts the processes of each run, the oracle among them, in an order of its own."""

    started: list[tuple[int, ...]]

    def _tell(self, *orders: Order) -> None:
        forks = [order for order in orders if isinstance(order, Fork)]
        random.SystemRandom().shuffle(forks)
        if forks:
            ShufflingLauncher.started.append(tuple(fork.number for fork in forks))
        super()._tell(*(order for order in orders if not isinstance(order, Fork)), *forks)


@contextmanager
def busy_processors() -> Iterator[None]:
    """Somebody else computes on every processor."""
    with ExitStack() as stack:
        for _ in range(os.cpu_count() or 1):
            burner = stack.enter_context(subprocess.Popen([sys.executable, "-c", "while True: pass"]))
            stack.callback(burner.kill)
        yield


async def suspend_at_random(pids: list[int], stopped: list[int]) -> None:
    """Until cancelled: one process after another stands still for some milliseconds."""
    draw = random.SystemRandom()
    with ExitStack() as stack:
        processes = [os.pidfd_open(pid) for pid in pids]
        for process in processes:
            stack.callback(os.close, process)
        while True:
            process = draw.choice(processes)
            if send_signal(process, signal.SIGSTOP):
                stopped.append(process)
            try:
                await asyncio.sleep(draw.uniform(0, 0.01))
            finally:
                send_signal(process, signal.SIGCONT)
            await asyncio.sleep(draw.uniform(0, 0.002))


def send_signal(process: int, number: signal.Signals) -> bool:
    """False if the process has ended."""
    try:
        signal.pidfd_send_signal(process, number)
    except ProcessLookupError:
        return False
    return True


async def disturbed_runs(
    n: int, runs: Path, monkeypatch: pytest.MonkeyPatch, config: dict[str, Any] | None = None
) -> list[Fingerprint]:
    monkeypatch.setenv("QNODE_TEST_JITTER", "3")
    monkeypatch.setattr("orchestrator.cluster.Launcher", ShufflingLauncher)
    ShufflingLauncher.started = []
    with busy_processors():
        async with Cluster.from_dict(config or network(), base=PROGRAMS, runs=runs) as net:
            found = [fingerprint(await net.run(timeout=60)) for _ in range(n)]
    if config is None:
        assert len(set(ShufflingLauncher.started)) > 1  # 8 processes: twice the same order once in 40,320
    return found


# ---------------------------------------------------------------- the promise


def test_the_run_that_is_repeated_has_something_of_everything(reference: Run) -> None:
    """Otherwise the comparisons below would promise less than they say."""
    there = {event.event for event in reference.events}
    assert there >= {
        *("create", "gate", "measure", "reset", "adopt", "request", "withdraw", "generate", "deliver", "discard"),
        *("send_qubit", "receive_qubit", "send", "receive", "mark", "note", "executed", "program_returned"),
    }
    assert any(event.event == "withdraw" and event.qubits for event in reference.events)  # its pair was on its way
    assert {event.gate for event in reference.events if event.local} >= {"u", "t", "h"}
    assert {event.gate for event in reference.events if event.event == "gate" and not event.local} >= {
        "t",
        "cnot",
        "cz",
    }
    receptions = [
        (event.t, event.peer) for event in reference.events if (event.event, event.node) == ("receive", "hub")
    ]
    instants = {t: {peer for when, peer in receptions if when == t} for t, _ in receptions}
    assert max(map(len, instants.values())) == len(RING)  # all at the same instant
    assert reference.summary.counts["steps"] > 50


async def test_start_order_load_and_random_delays_change_no_byte(
    reference: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert set(await disturbed_runs(3, tmp_path, monkeypatch)) == {fingerprint(reference)}


@pytest.mark.slow
async def test_a_hundred_disturbed_runs_are_one_and_the_same(
    reference: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert set(await disturbed_runs(100, tmp_path, monkeypatch)) == {fingerprint(reference)}


@linux_only
async def test_suspending_processes_at_random_changes_no_byte(reference: Run, tmp_path: Path) -> None:
    stopped: list[int] = []
    async with Cluster.from_dict(network(), base=PROGRAMS, runs=tmp_path) as net, asyncio.TaskGroup() as group:

        def begin() -> None:
            disturbers.append(group.create_task(suspend_at_random(list(net.pids.values()), stopped)))

        for _ in range(3):
            disturbers: list[asyncio.Task[None]] = []
            found = await net.run(timeout=60, on_start=begin)
            for disturber in disturbers:
                disturber.cancel()
            assert fingerprint(found) == fingerprint(reference)
    assert len(set(stopped)) > 3


async def test_the_number_of_nodes_in_a_process_changes_no_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nodes of one process share the module `random`, as the documentation says; nothing else."""
    alone = fingerprint(await run(tmp_path, network(module_random=False, string_sets=False), inline=True))
    for nodes_per_process, runs in ((1, 1), (3, 2), ("all", 2)):
        config = network(module_random=False, string_sets=False, nodes_per_process=nodes_per_process)
        assert set(await disturbed_runs(runs, tmp_path, monkeypatch, config)) == {alone}, nodes_per_process


async def test_sets_of_text_iterate_alike_however_many_nodes_share_a_process(tmp_path: Path) -> None:
    apart = fingerprint(await run(tmp_path, network(module_random=False)))
    for nodes_per_process in (3, "all"):
        together = await run(tmp_path, network(module_random=False, nodes_per_process=nodes_per_process))
        assert fingerprint(together) == apart, nodes_per_process


async def test_the_order_in_which_nodes_are_written_down_changes_no_byte(reference: Run, tmp_path: Path) -> None:
    config = network()
    config["nodes"] = dict(reversed(config["nodes"].items()))
    assert fingerprint(await run(tmp_path, config)) == fingerprint(reference)


@pytest.mark.parametrize("hash_seed", ["1", "random"])
async def test_the_shells_hash_seed_changes_no_byte(
    hash_seed: str, reference: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONHASHSEED", hash_seed)
    assert fingerprint(await run(tmp_path, network())) == fingerprint(reference)


async def test_runs_one_after_another_in_one_cluster_are_the_same(reference: Run, tmp_path: Path) -> None:
    async with Cluster.from_dict(network(), base=PROGRAMS, runs=tmp_path) as net:
        first = fingerprint(await net.run(timeout=60))
        other = fingerprint(await net.run(timeout=60, seed=SEED + 1))
        again = fingerprint(await net.run(timeout=60))
    assert first == again == fingerprint(reference)
    assert other.events != first.events
    assert other.results != first.results


async def test_inline_runs_one_after_another_are_the_same(tmp_path: Path) -> None:
    """In one and the same process; what lies where in memory has changed meanwhile."""
    config = network(module_random=False, string_sets=False)
    first = fingerprint(await run(tmp_path, config, inline=True))
    other = fingerprint(await run(tmp_path, config, inline=True, seed=SEED + 1))
    clutter = [object() for _ in range(100_000)]
    again = fingerprint(await run(tmp_path, config, inline=True))
    assert len(clutter) == 100_000
    assert first == again
    assert other.events != first.events
    assert other.results != first.results
