"""Runs that are gone through by hand: in processes of their own, and inline."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator import Cluster, Program, saved
from orchestrator.oracle.events import decode_events
from orchestrator.oracle.replay import replay
from orchestrator.oracle.spec import events_path, record_path
from orchestrator.run import Run
from orchestrator.steering import RunOver, Steering
from qnode.errors import ConfigError, Deadlock, Interrupted, InvalidOperation, MalformedMessage, ProgramFailed, TimedOut
from qnode.wire.messages import Seen
from tests import tally
from tests.steering import programs

KM_NS = 5_003  # the light's time over 1 km of fibre


@pytest.fixture(params=["processes", "inline"])
def inline(request: pytest.FixtureRequest) -> bool:
    return bool(request.param == "inline")


@pytest.fixture
async def net(inline: bool, tmp_path: Path) -> AsyncIterator[Cluster]:
    """alice entangles, waits 10 us, tells bob 1 and 2, waits 10 us, measures."""
    cluster = Cluster(
        {"alice": Program(programs.giver, to="bob"), "bob": Program(programs.taker, of="alice")},
        links=[("alice", "bob", "1 km")],
        seed=1,
        runs=tmp_path,
    )
    cluster.inline = inline
    async with cluster as entered:
        yield entered


def check_replay(run: Run) -> None:
    """The record repeats the run, with all that was done to it; but not that somebody ended it, if that is so."""
    events: list[Any] = []
    again = replay(record_path(run.folder), emit=events.append)
    assert again.divergence is None
    assert events == [event for event in run.events if again.outcome or event.event != "run_ended"]
    assert [(one.node, one.ended.result) for one in again.results] == [
        (one.node, one.packed) for one in run.summary.results
    ]
    assert again.notes == {(node, name): value for node, name, value in run.summary.notes}


async def test_the_clock_stops_where_it_is_told_to_and_the_run_does_not_notice(net: Cluster) -> None:
    plain = await net.run()
    before = await net.run_until("5.002 us")
    assert before is not None
    assert (before.at_ns, before.qubits("alice"), before.qubits("bob")) == (
        5_002,
        ("alice~bob#0@alice",),
        ("alice~bob#0@bob",),
    )
    after = await net.run_until(8e-6)
    assert after is not None
    assert after.at_ns == 8_000
    assert after.qubits("alice") == ("alice.0", "alice~bob#0@alice")
    stopped = await net.run()
    assert stopped.events_bytes == plain.events_bytes
    assert (stopped["alice"], stopped["bob"]) == (plain["alice"], plain["bob"])


async def test_a_view_shows_joint_states_and_what_nodes_compute_alone(net: Cluster) -> None:
    view = await net.run_until("8 us")
    assert view is not None
    assert view.fidelity("alice~bob#0@alice", "bob", to="phi+") == pytest.approx(1, abs=1e-12)
    assert view.fidelity("alice.0", to="+") == pytest.approx(1, abs=1e-12)
    assert view.fidelity("alice.0", "bob", to="phi+") == pytest.approx(0.25, abs=1e-12)
    assert view.entangled_with("bob") == {"alice~bob#0@alice"}
    assert view.entangled_with("alice.0") == frozenset()
    assert view.node_of("alice.0") == "alice"
    with pytest.raises(InvalidOperation, match=r"node alice holds 2 qubits; name one: alice.0, alice~bob#0@alice"):
        view.reduced_state("alice")
    with pytest.raises(InvalidOperation, match=r"there is no qubit 'carol'.* the qubits: alice.0, "):
        view.reduced_state("carol")
    with pytest.raises(InvalidOperation, match="'plus' names no state; these do: 0 1"):
        view.fidelity("bob", to="plus")


async def test_a_message_is_lost_and_its_receiver_waits_for_ever(net: Cluster) -> None:
    await net.drop_next("alice", "bob")
    run = await net.run(check=False)
    assert isinstance(run.failure, Deadlock)
    assert "bob main waits for receive" in str(run.failure)
    check_replay(run)


async def test_a_message_is_delayed_and_the_next_overtakes_it(net: Cluster) -> None:
    await net.run_until("8 us")
    await net.delay_next("alice", "bob", "1 ms")
    run = await net.run()
    assert run["bob"][:2] == [2, 1]
    assert run["bob"][3] == 1_020
    check_replay(run)


async def test_other_channels_and_other_ways_are_left_alone(net: Cluster) -> None:
    await net.drop_next("bob", "alice")
    await net.drop_next("alice", "bob", channel="news")
    assert (await net.run())["bob"][:2] == [1, 2]


async def test_a_held_node_gets_everything_when_it_is_released(net: Cluster) -> None:
    await net.hold("bob")
    view = await net.run_until("1 ms")
    assert view is not None
    assert view.qubits("alice") == ()
    assert view.qubits("bob") == ("alice~bob#0@bob",)
    await net.release("bob")
    run = await net.run()
    assert run["bob"][3] == 1_000
    assert run["alice"] == run["bob"][2]
    assert [(event.t, event.event) for event in run.events if event.event in ("hold", "release")] == [
        (0, "hold"),
        (1_000_000, "release"),
    ]
    check_replay(run)


async def test_a_node_is_held_from_a_step_on(net: Cluster) -> None:
    await net.hold("bob", step=2)
    await net.run_until("1 ms")
    await net.release("bob")
    run = await net.run()
    (held,) = (event for event in run.events if event.event == "hold")
    assert held.t == KM_NS  # its first step was at 0, its second when its half came
    check_replay(run)


async def test_only_held_nodes_are_left(net: Cluster) -> None:
    await net.hold("bob")
    with pytest.raises(
        InvalidOperation, match=r"nobody but bob can go on at 25.003 us, and that is held; release it first"
    ):
        await net.run()
    await net.release("bob")
    assert (await net.run()).summary.how == "done"


async def test_a_run_that_ends_before_the_moment(net: Cluster) -> None:
    assert await net.run_until("1 s") is None
    run = await net.run(seed=2)  # so this is the next one, with options of its own
    assert run.seed == 2


async def test_time_does_not_go_back_and_commands_make_sense(net: Cluster) -> None:
    await net.run_until("8 us")
    with pytest.raises(InvalidOperation, match="it is 8000 ns already"):
        await net.run_until("7 us")
    with pytest.raises(MalformedMessage, match="no node 'carol'; there are: alice, bob"):
        await net.hold("carol")
    with pytest.raises(ConfigError, match="'8' needs a unit"):
        await net.run_until("8")
    with pytest.raises(ConfigError, match="its options were given to run_until"):
        await net.run(seed=3)
    assert (await net.run()).summary.how == "done"


async def test_a_run_that_nobody_ends_is_cut_short_and_saved(inline: bool, tmp_path: Path) -> None:
    cluster = Cluster({"alice": programs.drawing}, seed=1, runs=tmp_path)
    cluster.inline = inline
    async with cluster:
        assert await cluster.run_until(0) is not None
    assert ["interrupted" in file.read_text() for file in tmp_path.glob("network-*/run.json")] == [True]  # noqa: ASYNC240


async def test_a_run_whose_oracle_says_nothing_any_more_is_saved_as_far_as_it_stood(tmp_path: Path) -> None:
    """Whoever lets go of it waits for the oracle's word only so long, and a busy machine may take longer."""
    async with Cluster({"alice": programs.ticking}, seed=1, runs=tmp_path) as net:
        assert await net.run_until("3 us") is not None
        os.kill(net.pids["oracle"], signal.SIGSTOP)
        tally.count("SIGSTOP")
    (folder,) = tmp_path.iterdir()  # noqa: ASYNC240
    assert saved.load(folder).summary.at_ns == 3_000


async def test_a_program_that_fails_on_the_way_is_told(inline: bool, tmp_path: Path) -> None:
    cluster = Cluster({"alice": programs.failing}, seed=1, runs=tmp_path)
    cluster.inline = inline
    async with cluster:
        with pytest.raises(ProgramFailed, match="on purpose"):
            await cluster.run_until("1 s")


async def test_a_timeout_reaches_a_run_that_stands_still(tmp_path: Path) -> None:
    async with Cluster({"alice": programs.drawing}, seed=1, runs=tmp_path) as net:
        with pytest.raises(TimedOut):  # now, or when it stands still
            await _stand_until_over(net, timeout=1.0)


async def _stand_until_over(net: Cluster, timeout: float) -> None:
    await net.run_until(0, timeout=timeout)
    assert net._stepping is not None
    await asyncio.wait((net._stepping.task,))
    await net.run()


async def test_two_who_steer_one_run_and_one_of_them_ends_it(tmp_path: Path) -> None:
    async with Cluster({"alice": programs.drawing}, seed=1, runs=tmp_path) as net:
        await net.run_until(0)
        launch = net.launch
        assert launch is not None
        async with Steering(launch.oracle.address, launch.oracle.token) as other:
            await other.pause()
            await other.stop()
            with pytest.raises(RunOver, match="the run is over"):
                await other.stop()
            with pytest.raises(Interrupted):
                await net.run()


async def test_a_pause_by_somebody_else_delays_run_until_and_does_not_end_it(tmp_path: Path) -> None:
    async with Cluster({"alice": programs.ticking}, seed=1, runs=tmp_path) as net:
        await net.run_until(0)
        launch = net.launch
        assert launch is not None
        async with Steering(launch.oracle.address, launch.oracle.token) as other:
            until = asyncio.create_task(net.run_until("1.5 ms"))
            while not (await paused_view(other)).components:  # until it is under way
                await other.resume()
            assert not until.done()
            await other.resume()
            view = await until
            assert view is not None
            assert view.at_ns == 1_500_000
            await other.resume()  # nothing that it could go on with
            view = await net.run_until("1.6 ms")
            assert view is not None
            assert view.at_ns == 1_600_000


async def test_a_moment_that_was_given_up_has_passed_all_the_same(tmp_path: Path) -> None:
    async with Cluster({"alice": programs.ticking}, seed=1, runs=tmp_path) as net:
        await net.run_until(0)
        given_up = asyncio.create_task(net.run_until("1 ms"))
        launch = net.launch
        assert launch is not None
        async with Steering(launch.oracle.address, launch.oracle.token) as other:
            while not (await paused_view(other)).components:  # until it is under way
                await other.resume()
            given_up.cancel()
            with pytest.raises(asyncio.CancelledError):
                await given_up
            with pytest.raises(InvalidOperation, match="already; network time does not go back"):
                await net.run_until("1 ns")


async def paused_view(steering: Steering) -> Seen:
    """Pause a run, and look once it stands still."""
    await steering.pause()
    while True:
        try:
            return await steering.look()
        except InvalidOperation:
            await asyncio.sleep(0)


async def test_whoever_resumes_begins_no_run(tmp_path: Path) -> None:
    async with Cluster({"alice": programs.ticking}, seed=1, runs=tmp_path) as net:
        await net.hold("alice", step=5)  # it is under way, and has not begun
        launch = net.launch
        assert launch is not None
        async with Steering(launch.oracle.address, launch.oracle.token) as other:
            await other.pause()
            await other.resume()
        view = await net.run_until("0.5 us")
        assert view is not None
        assert view.at_ns == 500


async def test_the_end_of_network_time_comes_before_a_later_moment(inline: bool, tmp_path: Path) -> None:
    cluster = Cluster({"alice": programs.ticking}, seed=1, until="10.5 us", runs=tmp_path)
    cluster.inline = inline
    async with cluster:
        view = await cluster.run_until("10.5 us")
        assert view is not None
        assert view.at_ns == 10_500
        assert await cluster.run_until("20 us") is None
        assert (await cluster.run()).summary.how == "until"


async def test_what_was_changed_last_is_in_the_record_of_a_run_that_is_ended_there(
    inline: bool, tmp_path: Path
) -> None:
    cluster = Cluster({"alice": programs.ticking, "bob": programs.ticking}, seed=1, runs=tmp_path)
    cluster.inline = inline
    async with cluster:
        await cluster.run_until("5.5 us")
        await cluster.hold("alice")
        await cluster.run_until("8.5 us")
        await cluster.release("alice")
    events: list[Any] = []
    (folder,) = tmp_path.glob("network-*")  # noqa: ASYNC240
    assert replay(record_path(folder), emit=events.append).divergence is None
    logged = decode_events(events_path(folder).read_bytes())
    assert events == [event for event in logged if event.event != "run_ended"]
    assert [(event.t, event.event) for event in events if event.event in ("hold", "release")] == [
        (5_500, "hold"),
        (8_500, "release"),
    ]


async def test_a_round_that_is_cut_short_is_told_as_far_as_it_was_executed(tmp_path: Path) -> None:
    nodes = {"alice": Program(programs.telling), "bob": Program(programs.thinking, of_wall_s=60.0)}
    async with Cluster(nodes, seed=1, runs=tmp_path) as net:
        run = await net.run(timeout=1.0, check=False)
    assert isinstance(run.failure, TimedOut)
    check_replay(run)


@pytest.mark.slow
async def test_results_that_are_longer_than_a_frame_together_arrive(tmp_path: Path) -> None:
    nodes = dict.fromkeys(("alice", "bob", "carol"), programs.returning)
    async with Cluster(nodes, seed=1, runs=tmp_path) as net:
        run = await net.run()
    assert [len(run[node]) for node in nodes] == [30 * 2**20] * 3


async def test_a_held_node_that_waits_for_the_outside_does_not_keep_the_run_waiting(tmp_path: Path) -> None:
    async with Cluster({"alice": programs.listening}, seed=1, runs=tmp_path) as net:
        await net.hold("alice", step=1)
        with pytest.raises(InvalidOperation, match="nobody but alice can go on"):
            await net.run()


async def test_what_is_too_large_to_be_shown_is_refused(tmp_path: Path) -> None:
    async with Cluster(
        {"alice": {"program": programs.large, "qubits": 22}}, seed=1, runs=tmp_path, max_state_vector_qubits=22
    ) as net:
        with pytest.raises(InvalidOperation, match=r"node alice computes by itself takes \d+ bytes: too much to show"):
            await net.run_until("1 us")
        assert (await net.run()).summary.how == "done"


async def test_whoever_steers_too_early_on_the_real_clock_is_answered(tmp_path: Path) -> None:
    refused: list[asyncio.Task[None]] = []

    async def pause(cluster: Cluster) -> None:
        launch = cluster.launch
        assert launch is not None
        async with Steering(launch.oracle.address, launch.oracle.token) as steering:
            try:
                with pytest.raises(InvalidOperation, match="the real clock"):
                    await steering.pause()
            finally:
                await steering.stop()  # else the run goes on for ever

    cluster = Cluster({"alice": programs.listening}, seed=1, clock="real", runs=tmp_path)
    async with cluster:
        run = await cluster.run(on_start=lambda: refused.append(asyncio.create_task(pause(cluster))), check=False)
    await refused[0]
    assert run.summary.how == "interrupted"


async def test_a_run_on_the_real_clock_cannot_be_stopped(tmp_path: Path) -> None:
    async with Cluster({"alice": programs.drawing}, seed=1, clock="real", runs=tmp_path) as net:
        with pytest.raises(ConfigError, match="only the virtual clock can be stopped"):
            await net.run_until(0)


async def test_generators_of_modules_are_each_nodes_own_inline_as_in_processes(tmp_path: Path) -> None:
    cluster = Cluster({"alice": programs.drawing, "bob": programs.drawing}, seed=1, runs=tmp_path)
    async with cluster as net:
        apart = await net.run()
        together = await net.run(inline=True)
    assert apart.results == together.results
    assert apart["alice"] != apart["bob"]


async def test_marks_are_seen_in_a_run_that_is_over(tmp_path: Path) -> None:
    async with Cluster(
        {"alice": Program(programs.marking, to="bob"), "bob": Program(programs.marking, to="alice")},
        links=[("alice", "bob")],
        seed=1,
        runs=tmp_path,
    ) as net:
        run = await net.run()
    assert run.fidelity("plus", "+") == pytest.approx(1, abs=1e-12)
    assert run.fidelity("plus", "half") == pytest.approx(0.5, abs=1e-12)
    assert run.entangled_with("half") == {"alice~bob#0@bob"}
    assert run.entangled_with("half", nth=1) == {"alice~bob#0@alice"}
    assert run.reduced_state("half").trace() == pytest.approx(1)
    assert run.counts["pairs"] == 1
    with pytest.raises(InvalidOperation, match="no qubit was marked 'halve' that could be seen; marks: plus, half"):
        run.reduced_state("halve")
    with pytest.raises(InvalidOperation, match="2 qubits were marked 'half'; there is no number 2"):
        run.reduced_state("half", 2)
