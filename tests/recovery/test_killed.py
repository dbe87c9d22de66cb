"""Processes that are killed -9 wherever a run has got to: the run ends as if nothing had happened, byte for byte."""

from __future__ import annotations

import os
import random
import signal
from pathlib import Path

import pytest

from orchestrator.oracle.events import Event, encode_events
from orchestrator.oracle.record import RecordReader
from orchestrator.oracle.replay import replay
from orchestrator.oracle.spec import events_path, record_path
from orchestrator.run import Run
from tests.recovery.kills import Disturbed, cluster, killed, surely_killed, told, whole_of

SEED = int(os.environ.get("QNODE_KILLS", "20261126"))
BOTH = ("oracle", "alice", "bob")


async def kill_and_compare(tmp_path: Path, victims: tuple[str, ...], runs: int, kills: int = 2, salt: int = -1) -> int:
    """How many processes were killed, of as many runs."""
    draw = random.Random(f"{SEED} {salt} {victims}")
    n_killed = 0
    async with cluster(tmp_path) as net:
        undisturbed = await net.run(name="undisturbed", on_output=None)
        expected, whole = told(undisturbed), whole_of(undisturbed)
        for nth in range(runs):
            run, done = await killed(net, tmp_path, f"killed-{nth}", draw, victims, whole, kills)
            assert told(run) == expected, f"QNODE_KILLS={SEED}, run {nth}: {done}"
            n_killed += len(done)
    return n_killed


@pytest.mark.parametrize(("victims", "runs"), [(("oracle",), 4), (("alice", "bob"), 3), (BOTH, 3)])
async def test_kills_at_random_places_leave_no_trace(victims: tuple[str, ...], runs: int, tmp_path: Path) -> None:
    assert await kill_and_compare(tmp_path, victims, runs) >= runs, "hardly anything was killed"


@pytest.mark.slow
@pytest.mark.parametrize("nth", range(7))
@pytest.mark.parametrize("victims", [("oracle",), ("alice", "bob"), BOTH])
async def test_many_kills_at_random_places_leave_no_trace(victims: tuple[str, ...], nth: int, tmp_path: Path) -> None:
    assert await kill_and_compare(tmp_path, victims, 10, kills=2, salt=nth) >= 10


async def test_what_is_left_of_a_run_that_was_recovered_is_a_whole_record(tmp_path: Path) -> None:
    async with cluster(tmp_path) as net:
        whole = whole_of(await net.run(name="undisturbed", on_output=None))
        run, _ = await surely_killed(net, tmp_path, "killed", random.Random(SEED), ("oracle",), whole)
    assert run.folder is not None
    events: list[Event] = []
    again = replay(record_path(run.folder), emit=events.append)
    assert again.divergence is None
    assert (again.rounds, again.outcome) == (run.summary.counts["steps"], ("done", run.summary.at_ns, ()))
    assert encode_events(events) == events_path(run.folder).read_bytes()


async def test_kills_while_the_record_is_cut_into_files_leave_no_trace(tmp_path: Path) -> None:
    """Whoever comes back reads files that are compressed, and goes on in the last one, or begins the next."""
    draw, done = random.Random(SEED), []
    async with cluster(tmp_path, record={"segment": "4 KiB"}) as net:
        undisturbed = await net.run(name="undisturbed", on_output=None)
        last = last_segment(undisturbed)
        disturbed = Disturbed(net, tmp_path, "killed")
        places = sorted(draw.sample(range(3, last - 2), 4))  # by then the first ones are compressed
        for number, victim in zip(places, ("oracle", "alice", "oracle", "bob"), strict=True):
            if await disturbed.begins_segment(number) and await disturbed.kill_the_next(victim):
                done.append(f"{victim} at file {number}")
        run = await disturbed.running
    assert told(run) == told(undisturbed), f"QNODE_KILLS={SEED}: {done}"
    assert len(done) >= 2, "hardly anything was killed"
    assert last_segment(run) == last
    assert replay(record_path(run.folder)).divergence is None
    assert not [path for path in run.folder.glob("record*") if path.suffix not in (".gz", f".{last}")]


def last_segment(run: Run) -> int:
    """The number of the last file of its record, which is read to its end."""
    reader = RecordReader(record_path(run.folder))
    for _ in reader.rounds():
        pass
    return reader.last


async def test_nodes_of_one_process_are_resumed_together(tmp_path: Path) -> None:
    async with cluster(tmp_path, n=200, nodes_per_process="all") as net:
        undisturbed = await net.run(name="undisturbed", on_output=None)
        for nth, victims in enumerate((("alice",), ("oracle", "alice"))):
            draw = random.Random(SEED + nth)
            run, done = await surely_killed(net, tmp_path, f"killed-{nth}", draw, victims, whole_of(undisturbed))
            assert told(run) == told(undisturbed), done


async def test_an_oracle_alone_comes_back_where_nodes_do_not(tmp_path: Path) -> None:
    async with cluster(tmp_path, "never") as net:
        undisturbed = await net.run(name="undisturbed", on_output=None)
        whole = whole_of(undisturbed)
        run, done = await surely_killed(net, tmp_path, "killed", random.Random(SEED), ("oracle",), whole)
    assert told(run) == told(undisturbed), done


@pytest.mark.parametrize("who", ["oracle", "alice"])
async def test_whoever_stands_still_is_not_dead(who: str, tmp_path: Path) -> None:
    async with cluster(tmp_path, n=300) as net, cluster(tmp_path, n=300) as meanwhile:
        stopped = Disturbed(net, tmp_path, "stopped")
        assert await stopped.reaches(5_000)
        pids = dict(net.pids)
        assert stopped.kill(who, signal.SIGSTOP)
        try:
            undisturbed = await meanwhile.run(name="undisturbed", on_output=None)
            assert dict(net.pids) == pids
            assert not stopped.running.done()
        finally:
            stopped.kill(who, signal.SIGCONT)
        run = await stopped.running
    assert told(run) == told(undisturbed)


# ---------------------------------------------------------------- where it cannot go on


@pytest.mark.parametrize("who", ["oracle", "alice"])
async def test_who_is_killed_too_often_stays_away_and_the_sentence_says_so(who: str, tmp_path: Path) -> None:
    async with cluster(tmp_path, n=200, failures={"restart": "resume", "restarts": 2}) as net:
        whole = whole_of(await net.run(name="undisturbed", on_output=None))
        often = Disturbed(net, tmp_path, "often")
        for nth in range(3):
            assert await often.reaches((nth + 1) * whole // 6)
            assert await often.kill_the_next(who)
        run = await often.running
    assert run.failure is not None
    assert run.exit_code == 4
    assert "killed by signal 9, after it had been started again 2 times" in str(run.failure)


@pytest.mark.parametrize(
    ("program", "sentence"),
    [
        ("busy.py:goes_its_own_way", "of node alice, at 0 ns, came out otherwise than before its process was lost"),
        ("busy.py:returns_what_no_record_holds", "cannot be resumed: a function outside the loop returned what"),
    ],
)
async def test_a_node_that_cannot_be_resumed_is_lost_with_the_reason(
    program: str, sentence: str, tmp_path: Path
) -> None:
    life = tmp_path / "life"
    life.write_text("first")
    args = {"n": 400, **({"path": str(life)} if "own_way" in program else {})}
    nodes = {"alice": {"program": program, "args": args}, "bob": {"program": "busy.py:listens", "args": {"n": 400}}}
    async with cluster(tmp_path / "runs", nodes=nodes) as net:
        lost = Disturbed(net, tmp_path / "runs", "lost")
        assert await lost.reaches(4000)
        life.write_text("second")
        assert lost.kill("alice")
        run = await lost.running
    assert run.failure is not None
    assert run.exit_code == 4
    assert sentence in str(run.failure)
    assert "alice" in str(run.failure)
