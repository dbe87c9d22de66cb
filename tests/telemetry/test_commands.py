"""Commands over the broker: each gets an answer, and only what is meant is done."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.broker import Broker
from orchestrator.run import Run
from orchestrator.telemetry import commands
from orchestrator.telemetry.backlog import Backlog
from orchestrator.telemetry.commands import MOST_BYTES, Commands
from orchestrator.telemetry.orders import Mqtt
from orchestrator.telemetry.publisher import Publisher
from orchestrator.telemetry.topics import Topics
from qnode.errors import Interrupted
from tests.telemetry.listening import Heard, listening
from tests.telemetry.networks import cluster, start, until_told

GARBAGE = {
    "nothing": (b"", "", "one of pause, resume, stop"),
    "no JSON": (b"\xff\xfe pause", "", "one of pause, resume, stop"),
    "no object": (b'"pause"', "", "one of pause, resume, stop"),
    "no id": (b'{"command": "pause"}', "", "`id`"),
    "no command": (b'{"id": "7"}', "7", "`command`"),
    "unknown": (b'{"id": "7", "command": "explode"}', "7", "one of pause, resume, stop"),
    "more than that": (b'{"id": "7", "command": "pause", "now": true}', "7", "`now`"),
    "huge": (b'{"id": "7", "command": "' + b"x" * MOST_BYTES + b'"}', "", f"at most {MOST_BYTES:,} are read"),
    "too early": (b'{"id": "7", "command": "pause"}', "7", "cannot be steered, or not yet"),
}


@pytest.mark.parametrize("case", GARBAGE.values(), ids=GARBAGE.keys())
async def test_what_is_no_command_is_answered_with_what_is(case: tuple[bytes, str, str]) -> None:
    payload, name, expected = case
    answer = json.loads(await Commands("virtual", lambda paused: None).carry_out(payload))
    assert (answer["id"], answer["ok"]) == (name, False)
    assert expected in answer["error"]


async def test_a_retained_command_is_not_carried_out() -> None:
    answer = json.loads(
        await Commands("virtual", lambda paused: None).carry_out(b'{"id":"1","command":"stop"}', retained=True)
    )
    assert (answer["ok"], "long ago" in answer["error"]) == (False, True)


class Steered:
    """A run that notes what is asked of it, and does it once it is let."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.is_asked = asyncio.Event()
        self.does = asyncio.Event()

    async def _do(self, what: str) -> None:
        self.asked.append(what)
        self.is_asked.set()
        await self.does.wait()

    async def pause(self) -> None:
        await self._do("pause")

    async def resume(self) -> None:
        await self._do("resume")

    async def stop(self) -> None:
        await self._do("stop")


async def test_only_what_was_carried_out_is_remembered_and_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    run, obeys = Steered(), Commands("virtual", lambda paused: None)

    async def ask(name: str) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(await obeys.carry_out(f'{{"id":"{name}","command":"pause"}}'.encode()))
        return answer

    assert "or not yet" in (await ask("a"))["error"]
    obeys.steer_by(lambda: run)
    with monkeypatch.context() as patch:
        patch.setattr(commands, "_ANSWER_S", 0.0)
        assert "did not answer within" in (await ask("a"))["error"]
    run.does.set()
    for _ in range(2):
        assert await ask("a") == {"id": "a", "ok": True}
    assert len(run.asked) == 2  # the one that got no answer in time, and one
    for nth in range(100):
        await ask(str(nth))
    await ask("0")
    assert len(run.asked) == 102
    await ask("a")
    assert len(run.asked) == 103


@pytest.mark.parametrize(
    ("command", "answer"),
    [("stop", {"id": "1", "ok": True}), ("pause", {"id": "1", "ok": False, "error": "the run is over"})],
)
async def test_a_run_that_ends_answers_no_more_and_is_not_waited_for(command: str, answer: dict[str, Any]) -> None:
    run, obeys = Steered(), Commands("virtual", lambda paused: None)
    obeys.steer_by(lambda: run)
    answering = asyncio.create_task(obeys.carry_out(b'{"id":"1","command":"%s"}' % command.encode()))
    await asyncio.wait_for(run.is_asked.wait(), 20)
    obeys.ended()
    assert json.loads(await answering) == answer
    late = json.loads(await obeys.carry_out(b'{"id":"2","command":"stop"}'))
    assert late == {"id": "2", "ok": False, "error": "the run is over"}


async def test_the_end_waits_for_the_answer_to_stop(broker: Broker, root: str) -> None:
    run, obeys = Steered(), Commands("virtual", lambda paused: None)
    obeys.steer_by(lambda: run)
    topics = Topics(root, "net-1")
    mqtt = Mqtt("127.0.0.1", broker.port, False, root, 1, 0.02, 1, commands=True, clear=False)
    publisher = Publisher(mqtt, topics, Backlog(1), obeys, print)
    publisher.retain(topics.status, b"running")
    async with listening(broker, [f"{root}/#"]) as heard:
        publishing = asyncio.create_task(publisher.run())
        await heard.status("running")
        await heard.say(topics.command, b'{"id":"1","command":"stop"}')
        await asyncio.wait_for(run.is_asked.wait(), 20)
        publisher.retain(topics.status, b"interrupted")
        leaving = asyncio.create_task(publisher.drained())
        await heard.status("interrupted")
        await asyncio.wait((leaving,), timeout=0.1)
        assert (leaving.done(), heard.of("/ack")) == (False, [])
        run.does.set()
        await asyncio.wait_for(leaving, 20)
        publisher.finish()
        await asyncio.wait_for(publishing, 20)
        await heard.until(lambda: heard.of("/ack"))
    assert json.loads(heard.of("/ack")[0]) == {"id": "1", "ok": True}


class Asked:
    """A run under way, as one at the broker sees it."""

    def __init__(self, heard: Heard, topic: str) -> None:
        self.heard = heard
        self._topic = topic

    async def __call__(self, name: str, command: str) -> dict[str, Any]:
        return await self.raw(name, json.dumps({"id": name, "command": command}).encode())

    async def raw(self, name: str, payload: bytes) -> dict[str, Any]:
        before = len(self.acks(name))
        await self.heard.say(f"{self._topic}/command", payload)
        await self.heard.until(lambda: len(self.acks(name)) > before)
        return self.acks(name)[-1]

    def acks(self, name: str) -> list[dict[str, Any]]:
        return [ack for ack in map(json.loads, self.heard.of("/ack")) if ack["id"] == name]


async def test_a_run_is_paused_goes_on_and_is_stopped(each_broker: Broker, root: str, tmp_path: Path) -> None:
    nodes, _ = until_told(tmp_path)
    async with listening(each_broker, [f"{root}/#"]) as heard:
        running = start(cluster(tmp_path, each_broker.url, topic=root, nodes=nodes))
        await heard.status("running", "alice")
        ask = Asked(heard, f"{root}/net-1")
        assert await ask("1", "pause") == {"id": "1", "ok": True}
        await heard.status("paused")
        assert await ask.raw("", b"\0" * 200_000) == {
            "id": "",
            "ok": False,
            "error": f"a command of 200,000 bytes; at most {MOST_BYTES:,} are read",
        }
        assert await ask("2", "resume") == {"id": "2", "ok": True}
        assert await ask("1", "pause") == {"id": "1", "ok": True}  # came before, and is not done again
        await heard.until(lambda: heard.texts("net-1/status")[-2:] == ["paused", "running"])
        n = len(heard.of("alice/events"))
        await heard.until(lambda: len(heard.of("alice/events")) > n)  # it goes on
        assert await ask("3", "stop") == {"id": "3", "ok": True}
        run = await running
        await heard.status("interrupted")
        await heard.status("stopped", "alice")
    assert isinstance(run.failure, Interrupted)
    assert run.exit_code == 130


async def test_commands_can_be_left_out(broker: Broker, root: str, tmp_path: Path) -> None:
    nodes, file = until_told(tmp_path)
    async with listening(broker, [f"{root}/#"]) as heard:
        running = start(cluster(tmp_path, broker.url, topic=root, nodes=nodes, commands=False))
        await heard.status("running", "alice")
        await heard.say(f"{root}/net-1/command", b'{"id": "1", "command": "stop"}')
        file.touch()
        run: Run = await running
        await heard.status("done")
    assert run.failure is None
    assert heard.of("/ack") == []


async def test_the_real_clock_is_not_paused_and_says_so(broker: Broker, root: str, tmp_path: Path) -> None:
    nodes, file = until_told(tmp_path)
    net = cluster(tmp_path, broker.url, topic=root, nodes=nodes, clock="real")
    async with listening(broker, [f"{root}/#"]) as heard:
        running = start(net)
        await heard.status("running", "alice")
        answer = await Asked(heard, f"{root}/net-1")("1", "pause")
        assert not answer["ok"]
        assert "clock" in answer["error"]
        file.touch()
        assert (await asyncio.wait_for(running, 60)).failure is None
