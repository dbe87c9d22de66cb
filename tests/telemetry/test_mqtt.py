"""Runs and a real broker: what is published, what is retained, and that no broker disturbs a run."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections import Counter
from functools import partial
from pathlib import Path

import pytest

from benchmarks.broker import Broker, SilentServer
from orchestrator import Cluster, report
from orchestrator.run import Run
from orchestrator.telemetry.credentials import PASSWORD, USERNAME
from qnode.errors import ProcessLost
from tests.cli.commands import environment
from tests.launch.processes import children, linux_only, watching
from tests.telemetry.listening import Heard, listening
from tests.telemetry.networks import HERE, NOBODY, cluster, network, start, until_told
from tests.warm import commands as warm


def beside() -> list[int]:
    """The processes that publish what the runs of this process do."""
    ours = children(os.getpid())
    return [pid for pid in ours if b"orchestrator.telemetry" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def kill_telemetry() -> None:
    """kill -9 of the process beside the only run that is under way."""
    (pid,) = beside()
    with watching([pid]) as watch:
        watch.kill(pid)


def all_counted(run: Run) -> bool:
    outcome = run.telemetry
    assert outcome is not None
    return run.events_bytes.count(b"\n") == outcome.offered == outcome.published + outcome.dropped


@linux_only
async def test_a_run_without_telemetry_has_no_process_for_it_and_loads_none_of_it(tmp_path: Path) -> None:
    nodes, file = until_told(tmp_path)
    async with cluster(tmp_path, "", nodes=nodes) as net:
        under_way = asyncio.Event()
        running = asyncio.create_task(net.run(on_progress=lambda progress: under_way.set()))
        await under_way.wait()
        assert beside() == []
        file.touch()
        assert (await running).telemetry is None
    program = "import sys; import orchestrator.cluster, orchestrator.cli.run; print('aiomqtt' in sys.modules)"
    done = await asyncio.create_subprocess_exec(sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE)
    assert (await done.communicate())[0] == b"False\n"


# --- what is published ----------------------------------------------------------------------------------------------


async def test_events_arrive_as_they_stand_in_the_log_and_statuses_and_metrics_with_them(
    each_broker: Broker, root: str, tmp_path: Path
) -> None:
    async with listening(each_broker, [f"{root}/#"]) as heard:
        run = await cluster(tmp_path, each_broker.url, topic=root).run()
        # The broker has it all now, and hands it out topic by topic: only within one is there an order.
        await heard.status("done")
        await heard.until(lambda: sum(map(len, heard.of("/events"))) >= len(run.events_bytes))
        await heard.until(partial(_is_counted, heard, run))
    lines = run.events_bytes.splitlines(keepends=True)
    for node in ("alice", "bob", ""):
        own = [line for line in lines if f'"node":"{node}"'.encode() in line]
        topic = f"{root}/net-1/node/{node}/events" if node else f"{root}/net-1/events"
        assert b"".join(heard.of(topic)) == b"".join(own)
    of_nodes = [f"node/{node}/{what}" for node in ("alice", "bob") for what in ("events", "status")]
    expected = {f"{root}/net-1/{what}" for what in ("status", "metrics", "events", *of_nodes)}
    assert {name for name, _ in heard.messages} == expected
    assert heard.texts("/node/alice/status")[-1] == heard.texts("/node/bob/status")[-1] == "done"
    metrics = json.loads(heard.of("/metrics")[-1])
    counts = run.summary.counts
    in_summary = ("steps", "pairs", "messages", "refused")
    assert {key: metrics[key] for key in in_summary} == {key: counts[key] for key in in_summary}
    assert metrics["network_time_ns"] == run.summary.at_ns
    kinds = Counter(event.event for event in run.events)
    assert metrics["events"] == kinds
    quantum = ("create", "gate", "measure", "reset", "discard")
    assert metrics["quantum_operations"] == sum(kinds[kind] for kind in quantum) == kinds["measure"] == 2
    assert metrics["telemetry"] == {"offered": len(lines), "published": len(lines), "dropped": 0, "waiting": 0}
    assert all_counted(run)
    assert report.warnings(run) == []
    without = await cluster(tmp_path, "").run()
    assert without.events_bytes == run.events_bytes
    assert (without.telemetry, run.as_data()["telemetry"]["published"]) == (None, len(lines))


def _is_counted(heard: Heard, run: Run) -> bool:
    metrics = [json.loads(payload) for payload in heard.of("/metrics")[-1:]]
    return any(one["steps"] == run.summary.counts["steps"] and not one["telemetry"]["waiting"] for one in metrics)


def _is_last(heard: Heard, topic: str, payload: bytes) -> bool:
    return heard.of(topic)[-1:] == [payload]


async def late(broker: Broker, root: str, *expected: str) -> None:
    """Whoever comes late is told this; brokers take their time with what they have retained."""
    async with listening(broker, [f"{root}/+/status", f"{root}/+/node/+/status"]) as heard:
        for one in expected:
            topic, _, status = one.partition(": ")
            await heard.until(partial(_is_last, heard, topic, status.encode()))


async def test_who_comes_late_is_told_how_it_ended(each_broker: Broker, root: str, tmp_path: Path) -> None:
    await cluster(tmp_path, each_broker.url, topic=root).run()
    await late(each_broker, root, "net-1/status: done", "node/alice/status: done", "node/bob/status: done")


async def test_what_is_retained_can_be_cleared_at_the_end(broker: Broker, root: str, tmp_path: Path) -> None:
    async with listening(broker, [f"{root}/#"]) as heard:
        await cluster(tmp_path, broker.url, topic=root, clear=True).run()
        for topic in ("net-1/status", "node/alice/status", "node/bob/status", "metrics"):
            await heard.until(partial(_is_last, heard, topic, b""))
            assert len(heard.of(topic)) > 1


async def test_a_program_that_fails_shows_at_its_node(broker: Broker, root: str, tmp_path: Path) -> None:
    nodes = {"alice": {"program": "programs.py:fail"}, "eve": {}}
    await cluster(tmp_path, broker.url, topic=root, nodes=nodes).run(check=False)
    await late(broker, root, "net-1/status: failed", "node/alice/status: failed", "node/eve/status: stopped")


async def test_a_node_whose_process_is_lost_shows(broker: Broker, root: str, tmp_path: Path) -> None:
    nodes, file = until_told(tmp_path, "die")
    async with listening(broker, [f"{root}/#"]) as heard:
        net = cluster(tmp_path, broker.url, topic=root, nodes=nodes)
        running = start(net)
        await heard.status("running", "alice")
        file.touch()
        run = await running
        assert isinstance(run.failure, ProcessLost)
        await heard.status("lost", "alice")


@pytest.mark.parametrize("qos", [0, 1])
async def test_thousands_of_events_are_all_accounted_for(broker: Broker, root: str, tmp_path: Path, qos: int) -> None:
    chatter = {"program": "chatter.py:chatter", "args": {"n": 100, "every": 1, "events": 100}}
    net = network(broker.url, topic=root, nodes={"alice": chatter, "eve": chatter}, qos=qos)
    async with listening(broker, [f"{root}/+/node/alice/events"]) as heard:
        base = HERE.parents[1] / "benchmarks" / "programs"
        run = await Cluster.from_dict(net, base=base, runs=tmp_path).run()
        assert all_counted(run)
        assert run.telemetry is not None
        assert run.telemetry.offered > 20_000
        assert run.telemetry.dropped == 0
        expected = run.events_bytes.count(b'"node":"alice"')
        await heard.until(lambda: b"".join(heard.of("")).count(b"\n") == expected)


# --- brokers that are no help ----------------------------------------------------------------------------------------


async def test_a_broker_that_is_gone_is_said_and_what_it_did_not_take_is_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = await cluster(tmp_path, NOBODY).run()
    assert run["bob"] in (0, 1)
    assert all_counted(run)
    n = run.events_bytes.count(b"\n")
    (warning,) = report.warnings(run)
    assert warning.startswith(f"telemetry: the broker did not take {n} of {n} events (no connection: ")
    assert "telemetry | broker at 127.0.0.1:1: no connection: " in capsys.readouterr().out
    assert run.as_data()["telemetry"]["dropped"] == n


@pytest.mark.parametrize(
    ("greets", "problem"), [(False, "no connection: it did not answer"), (True, "it was slower than the run")]
)
async def test_a_broker_that_falls_silent_holds_nothing_up(greets: bool, problem: str, tmp_path: Path) -> None:
    with SilentServer(greets=greets) as silent:
        run = await cluster(tmp_path, silent.url, linger="0.5 s").run()
    assert all_counted(run)
    assert run.telemetry is not None
    assert (run.telemetry.published, run.telemetry.problem) == (0, problem)


async def test_name_and_password_are_those_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(USERNAME, "ann")
    monkeypatch.setenv(PASSWORD, "secret")
    packets: list[bytes] = []

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        packets.append(await reader.readuntil(b"\x00\x03ann\x00\x06secret"))
        writer.write(b"\x20\x02\x00\x05")  # a CONNACK: not authorised
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        await cluster(tmp_path, f"mqtt://127.0.0.1:{server.sockets[0].getsockname()[1]}").run()
    for packet in packets:
        flags = packet[packet.index(b"\x00\x04MQTT") + 7]
        assert (packet[0], flags & 0b1100_0000) == (0x10, 0b1100_0000)  # a CONNECT with both
    assert packets


async def test_a_broker_that_goes_and_comes_back_is_told_everything_again(tmp_path: Path) -> None:
    nodes, file = until_told(tmp_path)
    with Broker() as broker:
        net = cluster(tmp_path, broker.url, nodes=nodes)
        async with listening(broker) as heard:
            running = start(net)
            await heard.until(lambda: heard.of("alice/events"))
        broker.kill()
        broker.start()
        async with listening(broker) as heard:
            await heard.status("running")
            await heard.status("running", "alice")
            await heard.until(lambda: heard.of("alice/events"))
            file.touch()
            run = await running
            await heard.status("done")
        assert run.failure is None
        assert all_counted(run)
        log = (run.folder / "log").read_text()
        assert "the connection broke" in log or "no connection" in log
        assert f"telemetry | connected to the broker at 127.0.0.1:{broker.port}\n" in log


async def test_a_broker_that_comes_late_is_told_too(tmp_path: Path) -> None:
    nodes, file = until_told(tmp_path)
    broker = Broker()
    running = start(cluster(tmp_path, broker.url, nodes=nodes))
    with broker:
        async with listening(broker) as heard:
            await heard.until(lambda: heard.of("alice/events"))
            file.touch()
            run = await running
    assert run.telemetry is not None
    assert (run.telemetry.dropped, all_counted(run)) == (0, True)
    assert report.warnings(run) == []


# --- when somebody dies ----------------------------------------------------------------------------------------------


@linux_only
async def test_telemetry_that_is_killed_leaves_its_will_and_the_run_goes_on(
    broker: Broker, root: str, tmp_path: Path
) -> None:
    nodes, file = until_told(tmp_path)
    async with listening(broker, [f"{root}/#"]) as heard:
        running = start(cluster(tmp_path, broker.url, topic=root, nodes=nodes))
        await heard.status("running")
        kill_telemetry()
        await heard.status("lost")
        file.touch()
        run = await running
    assert run.failure is None
    assert report.warnings(run) == ["telemetry did not get to its end; nobody knows what was published"]


async def test_nodes_that_an_oracle_by_hand_waits_for_in_vain_show(broker: Broker, root: str, tmp_path: Path) -> None:
    (tmp_path / "net.json").write_text(json.dumps(network(broker.url, topic=root)))
    (tmp_path / "programs.py").write_text((HERE / "programs.py").read_text())
    words = warm.qnode("oracle", "net.json", "--seed", "1", "--listen", "ipc://s", "--wait", "0.1")
    env = environment(QNODE_TOKEN="0123456789abcdef")
    process = await asyncio.create_subprocess_exec(*words, cwd=tmp_path, env=env, stderr=asyncio.subprocess.PIPE)
    _, err = await process.communicate()
    assert process.returncode == 4
    assert b"the process of alice, bob ended before the run did: not here after 0.1 s" in err
    await late(broker, root, "net-1/status: lost", "node/alice/status: lost", "node/bob/status: lost")


@linux_only
async def test_the_end_of_whoever_started_the_run_is_told(broker: Broker, root: str, tmp_path: Path) -> None:
    nodes, _ = until_told(tmp_path)
    (tmp_path / "net.json").write_text(json.dumps(network(broker.url, topic=root, nodes=nodes)))
    (tmp_path / "programs.py").write_text((HERE / "programs.py").read_text())
    async with listening(broker, [f"{root}/#"]) as heard:
        process = await asyncio.create_subprocess_exec(*warm.qnode("run", "net.json"), cwd=tmp_path, env=environment())
        with watching([process.pid]) as watch:
            await heard.status("running", "alice")
            watch.kill(process.pid)
        await heard.status("lost")
        await process.wait()
    await late(broker, root, "net-1/status: lost", "node/alice/status: stopped")
