"""Programs that are started and stopped while the network runs: by the configuration, from outside, on both clocks."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from orchestrator import Cluster, Program, faults
from orchestrator.node_replay import replay
from orchestrator.report import table
from orchestrator.run import Run
from orchestrator.steering import RunOver, Steering
from qnode.errors import ConfigError, InvalidOperation, ProgramFailed
from qnode.wire.payload import unpack
from tests.applications import programs
from tests.applications.worlds import KM_10_NS, PROGRAMS, WALL_S, assert_repeated, network, run

ASKS: Mapping[str, Any] = {"main": {"run": "asks", "args": {"peer": "bob", "times": 6, "every": 1e-3}}}
MS = 1_000_000


def sleeping(seconds: float, **more: Any) -> dict[str, Any]:
    return {"run": "sleeps", "args": {"seconds": seconds}, **more}


def echo(**more: Any) -> dict[str, Any]:
    return {"run": "echoes", "args": {"peer": "alice"}, **more}


def came_and_went(run: Run) -> list[tuple[int, str, str]]:
    """When programs were started and were over, but for those that ran to their end."""
    kinds = ("program_started", "program_stopped")
    return [(event.t, event.event, event.program) for event in run.events if event.event in kinds]


@pytest.mark.parametrize("inline", [True, False])
async def test_a_program_of_a_configuration_comes_and_goes_at_its_times(inline: bool, tmp_path: Path) -> None:
    """Letters that were there before the program wait for it; those that come after it was stopped, for another."""
    config = network(ASKS, {"echo": echo(start="1.5 ms", stop="3.5 ms", service=True)})
    done = await run(config, tmp_path, inline=inline)
    assert done["alice"] == [[0, 1_500_000], [1, 1_500_000], [2, 2 * MS + KM_10_NS], [3, 3 * MS + KM_10_NS]]
    assert came_and_went(done) == [(1_500_000, "program_started", "echo"), (3_500_000, "program_stopped", "echo")]
    assert done.notes["bob"] == {"answered": 4}  # it cleaned up
    assert done.summary.unread == {"bob": 2}
    assert ["bob", "programs.py:echoes", "stopped", "3.5", "ms"] in [line.split() for line in table(done).splitlines()]


async def test_the_run_waits_for_a_program_that_is_still_to_come(tmp_path: Path) -> None:
    done = await run(network({"soon": sleeping(0), "late": sleeping(1e-3, start="5 ms", stop="7 ms")}), tmp_path)
    assert done.results["alice"] == {"soon": 0, "late": 6 * MS}
    assert came_and_went(done) == [(5 * MS, "program_started", "late")]  # it had returned before it was to be stopped


async def test_what_a_stopped_program_had_is_withdrawn_discarded_released_and_told(tmp_path: Path) -> None:
    """Two qubits, a reservation, a request under way, a task that sleeps, and a letter that nobody has read."""
    greedy = {"run": "greedy", "args": {"peer": "bob"}, "stop": "2 ms"}
    alice = {"greedy": greedy, "wants": {"run": "wants", "args": {"n": 4}}}
    bob = {"main": {"run": "writes_to", "args": {"peer": "alice", "program": "greedy"}}}
    done = await run(network(alice, bob), tmp_path)
    assert done.results["alice"] == {"wants": 2 * MS}  # all four slots, in the same instant
    assert done.notes["alice"] == {"task_cleaned_up_at": 2 * MS}
    (withdrawn,) = [event for event in done.events if event.event == "withdraw"]
    assert (withdrawn.t, withdrawn.node, withdrawn.request) == (2 * MS, "alice", 1)
    (stopped,) = [event for event in done.events if event.event == "program_stopped"]
    assert (stopped.n, stopped.detail) == (1, "left 2 qubits and 1 unread messages")
    assert done.summary.unread == {"alice": 1}
    assert done.summary.left_over == {"alice": 4}  # those of `wants`, which returned with them
    assert {"alice.0", "alice.1"} <= {
        qubit for event in done.events if event.event == "discard" for qubit in event.qubits
    }


async def test_what_a_program_returns_as_it_is_stopped_is_its_result_and_its_clean_up_takes_its_time(
    tmp_path: Path,
) -> None:
    done = await run(network({"x": {"run": "tells_at_the_end", "stop": "3 ms"}}), tmp_path)
    assert done.results["alice"] == {"x": "stopped at 3001000"}
    assert came_and_went(done) == [(3_001_000, "program_stopped", "x")]


async def test_an_error_in_the_clean_up_of_a_stopped_program_fails_the_run(tmp_path: Path) -> None:
    done = await run(network({"x": {"run": "dies_when_stopped", "stop": "3 ms"}}), tmp_path, check=False)
    (failure,) = done.summary.failures
    assert (failure.program, failure.at_ns) == ("x", 3 * MS)
    assert "RuntimeError: in its clean-up" in failure.traceback
    with pytest.raises(ProgramFailed):
        done.raise_failure()


async def test_what_never_reached_the_oracle_is_refused_once_the_run_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[asyncio.Task[None]] = []
    monkeypatch.setattr("orchestrator.cluster.Steering", lambda _, token: Steering("tcp://127.0.0.1:1", token))
    async with Cluster({"alice": programs.draws}, runs=tmp_path) as net:
        await net.run(on_start=lambda: asked.append(asyncio.create_task(net.stop("alice", "main"))))
        with pytest.raises(RunOver):
            async with asyncio.timeout(WALL_S):
                await asked[0]


@pytest.mark.parametrize("inline", [True, False])
async def test_programs_are_started_and_stopped_from_outside_between_two_instants(inline: bool, tmp_path: Path) -> None:
    async with Cluster.from_dict(network(ASKS), base=PROGRAMS, runs=tmp_path) as net:
        net.inline = inline
        await net.run_until("1.5 ms", timeout=WALL_S)
        await net.start("bob", "echo", run=Program(programs.echoes, peer="alice"), service=True)
        with pytest.raises(InvalidOperation, match="program echo of node bob runs already; stop it first"):
            await net.start("bob", "echo", run="programs.py:echoes", args={"peer": "alice"})
        await net.run_until("2.5 ms")
        await net.stop("bob", "echo")
        await net.run_until("3.5 ms")
        with pytest.raises(InvalidOperation, match="no program 'echo' runs at node bob; those that do: none"):
            await net.stop("bob", "echo")
        await net.start("bob", "echo")  # the same again
        await net.run_until("4.5 ms")
        await net.start("bob", "draws", run="programs.py:draws")
        await net.run_until("4.6 ms")
        await net.start("bob", "draws")
        await net.start("alice", "last", run=programs.sleeps, args={"seconds": 1e-2})
        done = await net.run()
    assert done["alice"] == [
        *([nth, 1_500_000] for nth in (0, 1)),
        [2, 2 * MS + KM_10_NS],
        [3, 3_500_000],  # it came when no program was there
        *([nth, nth * MS + KM_10_NS] for nth in (4, 5)),
    ]
    first, again = [unpack(one.packed) for one in done.summary.results if one.program == "draws"]
    assert first[1:] == [4_500_000]
    assert again[1:] == [4_600_000]
    assert first[0] != again[0]  # what is started again is not dealt the same random numbers
    assert done.results["alice"]["last"] == 14_600_000  # the run has waited for it
    assert_repeated(done)


async def test_what_cannot_be_started_or_stopped_is_refused_and_nothing_happens(tmp_path: Path) -> None:
    config = network({"main": sleeping(1e-2), "late": sleeping(0, start="5 ms")})
    async with Cluster.from_dict(config, base=PROGRAMS, runs=tmp_path) as net:
        net.inline = True
        await net.run_until("1 ms")
        for wrong, said in (
            (net.start("alcie", "x", run="programs.py:sleeps"), "there is no node 'alcie' (did you mean 'alice'?)"),
            (net.start("alice", "x", run="programs.py:sleps"), "sleps"),
            (net.start("alice", "x", run="programs.py:sleeps"), "sleeps needs 'seconds'; give it in `args`"),
            (net.start("alice", "x", run="programs.py:wants", args={"n": 1}, memories=5), "there are 4 memory slots"),
            (net.start("alice", "x", memories=1), "without `run` it is as the configuration says"),
        ):
            with pytest.raises(ConfigError) as refused:
                await wrong
            assert said in str(refused.value)
        for wrong, said in (
            (net.start("alice", "x"), "node alice knows no program 'x': say what to run"),
            (net.start("alice", "late"), "program late of node alice has not begun: the configuration starts it at"),
            (net.stop("alice", "late"), "program late of node alice has not begun"),
            (net.stop("alice", "x"), "no program 'x' runs at node alice; those that do: late, main"),
            (net.stop("alcie", "x"), "there is no node 'alcie'; there are: alice, bob"),
        ):
            with pytest.raises(InvalidOperation) as not_now:
                await wrong
            assert said in str(not_now.value)
        done = await net.run()
    assert done.results["alice"] == {"main": 10 * MS, "late": 5 * MS}
    assert_repeated(done)


async def test_a_program_started_with_slots_of_its_own_waits_for_them(tmp_path: Path) -> None:
    async with Cluster.from_dict(
        network({"main": {"run": "holds", "args": {"n": 3, "until": 2e-3}}}), base=PROGRAMS, runs=tmp_path
    ) as net:
        net.inline = True
        await net.run_until("1 ms")
        await net.start("alice", "late", run="programs.py:sleeps", args={"seconds": 0}, memories=2)
        done = await net.run()
    assert done.results["alice"]["late"] == 2 * MS
    assert_repeated(done)


async def test_a_node_that_begins_again_has_the_programs_that_run_by_then(tmp_path: Path) -> None:
    """Of three of bob's, one was stopped before he was lost, one started, and one is started while he is away."""
    bob = {
        "stopped": {"run": "tells_its_life", "args": {"peer": "alice"}, "stop": "1 ms"},
        "started": {"run": "tells_its_life", "args": {"peer": "alice"}, "start": "1 ms", "service": True},
        "away": {"run": "tells_its_life", "args": {"peer": "alice"}, "start": "3.5 ms", "service": True},
        "never": {"run": "tells_its_life", "args": {"peer": "alice"}, "start": "3.4 ms", "stop": "3.6 ms"},
    }
    listens = {"run": "listens", "args": {"peer": "bob", "programs": list(bob), "until": 6e-3}}
    config = network({"main": listens}, bob, faults=[faults.kill("bob", at="3 ms", fresh=True)])
    config["failures"] = {"restart_delay": "1 ms"}
    done = await run(config, tmp_path)
    assert done["alice"] == [["away", 4 * MS], ["started", 1 * MS], ["started", 4 * MS], ["stopped", 0]]


async def test_a_program_may_be_stopped_before_the_run_begins(tmp_path: Path) -> None:
    """Its node begins it nevertheless, and is told then: it is over once."""
    config = network({"main": sleeping(1e-3)}, {"main": sleeping(5e-3)})
    async with Cluster.from_dict(config, base=PROGRAMS, runs=tmp_path) as net:
        await net.stop("bob", "main")
        done = await net.run()
    assert done.summary.how == "done"
    assert came_and_went(done) == [(0, "program_stopped", "main")]


@pytest.mark.parametrize("fresh", [False, True], ids=["at the beginning", "as it begins again"])
async def test_a_program_may_be_stopped_while_its_node_is_paused_before_it_began(fresh: bool, tmp_path: Path) -> None:
    """The run does not wait for it, and nobody else for its slots."""
    stop = "5 ms" if fresh else "1 ms"
    takes_all = {"run": "holds", "args": {"n": 4, "until": 8e-3}, "start": stop}
    bob = {"main": sleeping(1, stop=stop, memories=1), "all": takes_all}
    script = [faults.pause("bob", at=0, lasting="2 ms")]
    if fresh:
        begins = faults.upon("node_restarted", node="bob")
        script = [faults.kill("bob", at="3 ms", fresh=True), faults.pause("bob", on=begins, lasting="3 ms")]
    config = network({"main": sleeping(1e-3)}, bob, faults=script)
    config["failures"] = {"restart_delay": "1 ms"}
    done = await run(config, tmp_path)
    assert (done.summary.how, [*done.results["bob"]]) == ("done", ["all"])
    stopped = [(one.program, one.t) for one in done.events if one.event == "program_stopped"]
    assert stopped == [("main", 5 * MS if fresh else 1 * MS)]


async def test_slots_of_a_late_program_that_was_stopped_are_everybodys_in_the_nodes_next_life(tmp_path: Path) -> None:
    """It is stopped before the node is lost, or while the node is away."""
    for stop in ("1 ms", "3.5 ms"):
        takes_all = {"run": "holds", "args": {"n": 4, "until": 8e-3}, "start": "3.8 ms"}
        bob = {"late": sleeping(1, start="0.5 ms", stop=stop, memories=1), "all": takes_all}
        config = network({"main": sleeping(1e-3)}, bob, faults=[faults.kill("bob", at="3 ms", fresh=True)])
        config["failures"] = {"restart_delay": "1 ms"}
        done = await run(config, tmp_path)
        assert [*done.results["bob"]] == ["all"]


async def test_a_late_program_of_a_node_that_is_gone_keeps_no_run_alive(tmp_path: Path) -> None:
    config = network(
        {"main": sleeping(2e-3)}, {"late": sleeping(0, start="5 ms")}, faults=[faults.kill("bob", at=1e-3)]
    )
    done = await run(config, tmp_path)
    assert (done.summary.how, done.summary.at_ns, done.results) == ("done", 2 * MS, {"alice": {"main": 2 * MS}})


@pytest.mark.parametrize("clock", ["virtual", {"mode": "real", "speed": 1.0}])
async def test_a_run_under_way_takes_programs_in_from_another_task(clock: Any, tmp_path: Path) -> None:
    """Whenever that is: alice asks until she is answered, and then until she is told that it is over."""
    begun, answered = asyncio.Event(), asyncio.Event()

    def heard(line: str) -> None:
        if line.endswith("answered"):
            answered.set()

    config = network({"main": {"run": "asks_until_told", "args": {"peer": "bob"}}}, clock=clock)
    async with Cluster.from_dict(config, base=PROGRAMS, runs=tmp_path) as net:
        going = asyncio.create_task(net.run(timeout=WALL_S, on_start=begun.set, on_output=heard))
        await begun.wait()
        await net.start("bob", "echo", run=programs.says_goodbye, args={"peer": "alice"})
        await answered.wait()
        await net.stop("bob", "echo")
        done = await going
    assert done["alice"] >= 1
    assert [event for _, event, _ in came_and_went(done)] == ["program_started", "program_stopped"]
    assert not done.summary.reproducible
    assert_repeated(done)


@pytest.mark.parametrize("inline", [True, False])
async def test_a_node_is_replayed_with_the_programs_that_came_and_went(inline: bool, tmp_path: Path) -> None:
    async with Cluster.from_dict(network(ASKS), base=PROGRAMS, runs=tmp_path) as net:
        net.inline = inline
        await net.run_until("1.5 ms", timeout=WALL_S)
        await net.start("bob", "echo", run="programs.py:echoes", args={"peer": "alice"})
        await net.run_until("2.5 ms")
        await net.stop("bob", "echo")
        done = await net.run()
    again = replay(done.folder, "bob")
    assert (again.how, again.diverged) == ("end", None)
    assert [(one.program, one.stopped) for one in again.ended.values()] == [("echo", True)]


async def test_the_real_clock_keeps_the_times_of_a_configuration(tmp_path: Path) -> None:
    """From 20 ms to 60 ms, or later: a busy machine is late, never early. The letter of the beginning has waited."""
    asks = {"main": {"run": "asks", "args": {"peer": "bob", "times": 1, "every": 0.1}}}
    config = network(asks, {"echo": echo(start="20 ms", stop="60 ms")}, clock={"mode": "real", "speed": 1.0})
    done = await run(config, tmp_path, inline=False)
    ((nth, at_ns),) = done["alice"]
    assert (nth, at_ns >= 20 * MS) == (0, True)
    (started, _, _), (stopped, _, _) = came_and_went(done)
    assert 20 * MS <= started <= at_ns
    assert stopped >= 60 * MS


async def test_on_the_real_clock_a_node_that_begins_again_has_late_programs_too(tmp_path: Path) -> None:
    """Its life begins long before its new process is there, which is told then."""
    bob = {"late": sleeping(0.1, start="1 ms")}
    killed = [faults.kill("bob", at="50 ms", fresh=True)]
    config = network({"main": sleeping(0)}, bob, clock={"mode": "real", "speed": 1.0}, faults=killed)
    config["failures"] = {"restart_delay": "1 ms"}
    done = await run(config, tmp_path, inline=False)
    assert [*done.results["bob"]] == ["late"]
