"""The log of a run, followed: every whole line once and in order, and an end to the run if nobody listens."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from orchestrator import Cluster, saved
from orchestrator.follow import LogFollower
from qnode import Node
from tests.python.programs import endless


class Lines(list[str]):
    """The lines that came, and a way to wait for the n-th."""

    def __init__(self) -> None:
        self._came = asyncio.Condition()
        self._tasks: list[asyncio.Task[None]] = []

    def take(self, line: str) -> None:
        self.append(line)
        self._tasks.append(asyncio.ensure_future(self._tell()))

    async def _tell(self) -> None:
        async with self._came:
            self._came.notify_all()

    async def until(self, n: int) -> None:
        async with asyncio.timeout(10), self._came:
            await self._came.wait_for(lambda: len(self) >= n)


async def test_lines_are_handed_on_while_they_are_written_and_the_torn_last_one_at_the_end(tmp_path: Path) -> None:
    log = tmp_path / "log"
    lines = Lines()
    with LogFollower(log, lines.take), log.open("ab", buffering=0) as file:
        file.write("alice | où\nbob | ".encode())
        await lines.until(1)
        assert lines == ["alice | où"]
        file.write(b"two\n\n")
        await lines.until(3)
        file.write(b"bob | \xff" + b"x" * 3_000_000)
    assert lines[1:3] == ["bob | two", ""]
    assert lines[3:] == ["bob | \ufffd" + "x" * 3_000_000]


async def test_what_a_listener_raises_ends_the_task_that_follows(tmp_path: Path) -> None:
    def broken(line: str) -> None:
        raise BrokenPipeError(line)

    async def follow() -> None:
        async with asyncio.timeout(10):
            with LogFollower(log, broken):
                await asyncio.Event().wait()

    log = tmp_path / "log"
    log.write_text("first\nsecond\n")
    with pytest.raises(BrokenPipeError, match="first"):
        await follow()
    await asyncio.sleep(0)  # the task is not cancelled any more
    assert asyncio.current_task().cancelling() == 0  # type: ignore[union-attr]


def broken(line: str) -> None:
    raise BrokenPipeError(line)


async def test_a_run_whose_listener_breaks_is_ended_and_saved(tmp_path: Path) -> None:
    net = Cluster(nodes={"a": endless.forever}, runs=tmp_path)
    with pytest.raises(BrokenPipeError):
        await net.run(on_output=broken, timeout=10)
    assert [(entry.ended, entry.exit_code) for entry in saved.listing(tmp_path)] == [("interrupted", 141)]


async def test_a_run_whose_progress_nobody_can_be_told_is_ended_at_once_and_saved(tmp_path: Path) -> None:
    told: list[object] = []

    def broken_too(progress: object) -> None:
        told.append(progress)
        raise ValueError("on purpose")

    net = Cluster(nodes={"a": endless.forever}, runs=tmp_path)
    with pytest.raises(ValueError, match="on purpose"):
        await net.run(on_output=None, on_progress=broken_too, timeout=10)
    assert len(told) == 1
    assert [(entry.ended, entry.exit_code) for entry in saved.listing(tmp_path)] == [("failed", 1)]


@pytest.mark.parametrize(("program", "ended"), [(endless.once, "done"), (endless.once_and_fails, "failed")])
async def test_a_run_whose_listener_breaks_at_its_last_lines_is_saved_with_all_there_is(
    program: Callable[[Node], Awaitable[object]], ended: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.follow.EVERY_S", 3600.0)  # all lines are the last ones
    net = Cluster(nodes={"a": program}, runs=tmp_path)
    with pytest.raises(BrokenPipeError):
        await net.run(on_output=broken, timeout=60)
    run = saved.load(saved.find(tmp_path))
    assert (run.summary.how, run.exit_code) == (ended, 141)
    assert run.results == ({"a": {"main": "done"}} if ended == "done" else {})
    assert ("ValueError: on purpose" in str(run.failure)) is (ended == "failed")
