"""What comes from outside the emulator: held, woken, marked; and how much of it stays reproducible."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from inspect import signature
from pathlib import Path
from typing import Any, Final

import pytest

from orchestrator import Cluster
from orchestrator.loader import from_mapping
from orchestrator.plan import plan
from orchestrator.topology import describe
from qnode.errors import ProgramFailed
from qnode.testing import assert_frequency
from tests.runtime.networks import PROGRAMS, WALL_S, ended_ns, line_of, network, pair, program, run

N: Final = 5


def outside(name: str, **args: object) -> dict[str, object]:
    return program(f"outside.py:{name}", **args)


@pytest.fixture
def door() -> Iterator[Path]:
    """A short path for a socket."""
    with tempfile.TemporaryDirectory(prefix="qn-", dir="/tmp") as folder:
        yield Path(folder) / "s"


Visit = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any]


@asynccontextmanager
async def behind(door: Path, visit: Visit) -> AsyncIterator[None]:
    """Somebody who answers at the door."""
    server = await asyncio.start_unix_server(visit, door)
    try:
        yield
    finally:
        server.close()
        await server.wait_closed()


# ---------------------------------------------------------------- executors hold the clock


def computing(**settings: Any) -> dict[str, Any]:
    return pair(
        outside("computes_in_reverse", n=N, answer="bob"), outside("receives_in_order", peer="alice", n=N), **settings
    )


async def test_what_threads_bring_enters_in_order_of_submission_and_the_run_repeats_to_the_byte(tmp_path: Path) -> None:
    """The functions end last to first, by force."""
    results = [await run(computing(), tmp_path, inline=inline) for inline in (True, False, False)]
    for result in results:
        assert result["alice"] == (list(range(N)), 0)
        assert result["bob"] == list(range(N))
        assert result.summary.reproducible
        assert result.summary.resumable
    assert len({result.events_bytes for result in results}) == 1
    executed = [event for event in results[0].events if event.event == "executed"]
    assert len(executed) == N


async def test_on_the_real_clock_threads_hold_nothing(tmp_path: Path) -> None:
    """Each result enters as it comes, and its message goes out then."""
    result = await run(computing(clock="real"), tmp_path, inline=False)
    assert sorted(result["alice"][0]) == list(range(N))
    assert result["bob"] == result["alice"][0]


@pytest.mark.parametrize("inline", [True, False])
async def test_a_result_that_cannot_be_packed_marks_the_run_as_not_resumable_but_reproducible(
    inline: bool, tmp_path: Path
) -> None:
    result = await run(network({"a": outside("brings_something_unpackable")}), tmp_path, inline=inline)
    assert result["a"] is True
    assert not result.summary.resumable
    assert result.summary.reproducible


async def test_an_error_in_a_thread_reaches_its_program_and_can_be_recorded(tmp_path: Path) -> None:
    result = await run(network({"a": outside("brings_an_error")}), tmp_path)
    assert "invalid literal" in result["a"]
    assert result.summary.resumable


@pytest.mark.parametrize("inline", [True, False])
async def test_an_error_in_a_thread_that_nobody_catches_fails_the_program(inline: bool, tmp_path: Path) -> None:
    with pytest.raises(ProgramFailed, match="invalid literal") as caught:
        await run(network({"a": outside("fails_in_a_thread")}), tmp_path, inline=inline)
    assert "return await asyncio.to_thread" in str(caught.value)


# ---------------------------------------------------------------- the outside


async def test_outside_holds_everybodys_clock_and_marks_the_run(door: Path, tmp_path: Path) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"at last")
        writer.close()

    config = network({"a": outside("asks_outside", path=str(door)), "b": outside("sleeps_meanwhile")})
    async with behind(door, answer):
        result = await run(config, tmp_path, inline=False)
    assert result["a"] == ("at last", 0)
    assert ended_ns(result) == {"a": 0, "b": 10**9}
    assert not result.summary.reproducible


@pytest.mark.parametrize("inline", [True, False])
async def test_whoever_says_that_it_looks_outside_is_believed(inline: bool, tmp_path: Path) -> None:
    result = await run(network({"a": outside("looks_outside")}), tmp_path, inline=inline)
    assert (result["a"] == os.getpid()) == inline
    assert not result.summary.reproducible


@pytest.mark.parametrize("clock", ["virtual", "real"])
async def test_a_node_that_listens_is_woken_when_somebody_connects(clock: str, door: Path, tmp_path: Path) -> None:
    """Both nodes wait for nothing but the connection: that is no deadlock. Its consequences travel as ever."""
    port: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        port.set_result(int(await reader.readline()))
        writer.close()

    config = pair(outside("serves_tcp", path=str(door)), outside("hears_of_it"), clock=clock)
    async with behind(door, hear), Cluster.from_dict(config, base=PROGRAMS, runs=tmp_path) as net:
        running = asyncio.ensure_future(net.run(timeout=WALL_S))
        reader, writer = await asyncio.open_connection("127.0.0.1", await port)
        writer.write(b"from outside\n")
        assert await reader.readline() == b"thank you\n"
        writer.close()
        result = await running
    assert (result["alice"], result["bob"]) == ("from outside", "from outside")
    assert not result.summary.reproducible
    if clock == "virtual":
        assert ended_ns(result) == {"alice": 0, "bob": 50_035}


@pytest.mark.parametrize("inline", [True, False])
async def test_a_node_that_listens_is_woken_by_a_thread_and_time_goes_on_from_there(
    inline: bool, tmp_path: Path
) -> None:
    result = await run(network({"a": outside("serves_its_own_thread")}), tmp_path, inline=inline)
    assert result["a"] == ("from a thread", 10**9)
    assert not result.summary.reproducible


@pytest.mark.parametrize("inline", [True, False])
async def test_waiting_for_a_child_process_is_no_deadlock(inline: bool, tmp_path: Path) -> None:
    result = await run(network({"a": outside("starts_a_child")}), tmp_path, inline=inline)
    assert result["a"] == (b"out", 0)
    assert not result.summary.reproducible


async def test_a_signal_that_a_program_handles_reaches_it_while_it_waits(door: Path, tmp_path: Path) -> None:
    pid: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        pid.set_result(int(await reader.readline()))
        await reader.read()  # it has closed the door, and waits for nothing but the signal
        writer.close()

    config = network({"a": outside("takes_a_signal", path=str(door))})
    async with behind(door, hear), Cluster.from_dict(config, base=PROGRAMS, runs=tmp_path) as net:
        running = asyncio.ensure_future(net.run(timeout=WALL_S))
        node = await pid
        assert node == net.pids["a"]
        os.kill(node, signal.SIGTERM)
        result = await running
    assert result["a"] is True
    assert not result.summary.reproducible


async def test_a_thread_of_a_program_wakes_its_node(door: Path, tmp_path: Path) -> None:
    async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.close()

    async with behind(door, hear):
        result = await run(network({"a": outside("is_called_from_a_thread", path=str(door))}), tmp_path, inline=False)
    assert result["a"] == "caller"
    assert not result.summary.reproducible


async def test_a_server_that_nobody_talks_to_leaves_the_run_reproducible(tmp_path: Path) -> None:
    config = pair(outside("listens_in_vain"), program("sends", peer="alice", after=1.0))
    results = [await run(config, tmp_path, inline=inline) for inline in (True, False)]
    assert all(result.summary.reproducible for result in results)
    assert results[0].events_bytes == results[1].events_bytes


# ---------------------------------------------------------------- a loop that is blocked


def test_a_blocked_loop_is_named_after_ten_seconds_unless_somebody_says_otherwise() -> None:
    alone = describe(from_mapping({"version": 1, "nodes": {"alice": {}}}), Path(), 1)
    assert plan(alone, run_id="test-1", token=b"", directory="", folder="").run.blocked_s == 10
    assert signature(Cluster.run).parameters["blocked_s"].default == 10


@pytest.mark.parametrize("clock", ["virtual", "real"])
async def test_a_program_that_blocks_its_loop_is_named_with_its_line(clock: str, tmp_path: Path) -> None:
    """It blocks until the warning frees it: without one the run would not end."""
    config = pair(outside("blocks", peer="bob"), program("sends", peer="alice"), clock=clock)
    result = await run(config, tmp_path, inline=False, blocked_s=0.1)
    (text,) = result["alice"]
    lines = (PROGRAMS / "outside.py").read_text().splitlines()
    line = next(number for number, text in enumerate(lines, 1) if text.endswith("# blocks"))
    assert re.match(r"node alice has not given way for \d+\.\d s; ", text)
    assert f"it is at {PROGRAMS / 'outside.py'}:{line} in blocks." in text
    assert "asyncio.to_thread()" in text


@pytest.mark.parametrize("clock", ["virtual", "real"])
async def test_a_program_that_spins_is_named_with_its_line_and_told_to_wait(clock: str, tmp_path: Path) -> None:
    """It spins until the warning frees it: without one the run would not end."""
    config = pair(outside("spins", peer="bob"), program("sends", peer="alice"), clock=clock)
    result = await run(config, tmp_path, inline=False, blocked_s=0.1)
    (text,) = result["alice"]
    assert re.match(r"node alice has been at one instant for \d+\.\d s; it spins at ", text)
    assert f"it spins at {line_of('spins', 'outside.py')}. " in text
    assert "await what the program waits for, or sleep for a time" in text


# ---------------------------------------------------------------- randomness that nobody passed in


def agreements(one: list[int], other: list[int]) -> int:
    return sum(left == right for left, right in zip(one, other, strict=True))


async def test_module_level_generators_differ_between_nodes_and_repeat_with_the_seed(tmp_path: Path) -> None:
    """random, numpy.random and node.rng, n = 256 bits each: nodes a and b agree half of the time, as do two seeds.

    p = 1/2, six comparisons, each with a false alarm below 1e-9; the seeds are fixed. It accepts 77 to 179 agreements;
    a generator that is shared agrees 256 times.
    """
    config = network({name: outside("draws_everywhere", n=256) for name in "ab"})
    first, again, other = [await run(config, tmp_path, inline=False, seed=seed) for seed in (1, 1, 2)]
    assert first.results == again.results
    for kind in range(3):
        assert_frequency(agreements(first["a"][kind], first["b"][kind]), 256, 0.5, false_alarm=1e-9)
        assert_frequency(agreements(first["a"][kind], other["a"][kind]), 256, 0.5, false_alarm=1e-9)
