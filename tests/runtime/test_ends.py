"""How a run ends that does not end by itself: deadlock, livelock, stall, `until`, time-out; and what is said of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import pytest

from orchestrator import report
from orchestrator.cli import main
from qnode.errors import Deadlock, Livelock, Stall, TimedOut
from tests.runtime.networks import PROGRAMS, ended_ns, line_of, network, pair, program, run

MS: Final = 1_000_000
DAEMON: Final = {"run": "programs.py:beats", "args": {"every": 1.0}, "service": True}


def with_daemon(name: str, daemon: dict[str, object] | None = None, **args: object) -> dict[str, object]:
    main_program = {"run": f"programs.py:{name}", "args": args}
    return {"programs": {"main": main_program, "daemon": DAEMON if daemon is None else daemon}}


# ---------------------------------------------------------------- deadlock

WAITS: Final[dict[str, tuple[dict[str, object], list[tuple[str, str, str]]]]] = {
    "receives": ({"peer": "bob"}, [("main", "receive('bob')", "receives")]),
    "waits_in_a_helper": ({"peer": "bob"}, [("main", "receive('bob')", "helper")]),
    "waits_for_a_pair": ({"peer": "bob"}, [("main", "entangle('bob')", "pair")]),
    "waits_for_a_lock": ({}, [("main", "async with Lock", "lock")]),
    "waits_for_a_future": ({}, [("main", "a future", "future")]),
    "waits_in_tasks": (
        {"peer": "bob"},
        [
            ("main", "async with TaskGroup", "group"),
            ("task eve", "wait()", "event"),
            ("task quentin", "get()", "queue"),
        ],
    ),
}


@pytest.mark.parametrize("inline", [True, False])
@pytest.mark.parametrize("name", WAITS)
async def test_a_deadlock_names_what_every_program_and_task_waits_for_and_where(
    name: str, inline: bool, tmp_path: Path
) -> None:
    args, waits = WAITS[name]
    config = pair(program(name, **args), program("sleeps"))
    result = await run(config, tmp_path, inline=inline, check=False)
    assert (result.summary.how, result.summary.at_ns) == ("deadlock", 3_300_001)
    found = [(one.node, one.program, one.what, one.where) for one in result.summary.waits]
    assert found == [("alice", who, what, line_of(comment)) for who, what, comment in waits]
    with pytest.raises(Deadlock) as caught:
        result.raise_failure()
    assert "deadlock at 3.3 ms: nothing can ever happen again." in str(caught.value)
    for _, who, what, where in found:
        assert f"alice {who} waits for {what} at {where}" in str(caught.value)


async def test_two_nodes_that_wait_for_each_other_are_both_named(tmp_path: Path) -> None:
    config = pair(program("receives", peer="bob"), program("receives", peer="alice"))
    with pytest.raises(Deadlock) as caught:
        await run(config, tmp_path, inline=False)
    here = line_of("receives")
    assert f"alice main waits for receive('bob') at {here}" in str(caught.value)
    assert f"bob main waits for receive('alice') at {here}" in str(caught.value)


async def test_a_node_without_a_program_keeps_no_run_alive_and_is_no_part_of_a_deadlock(tmp_path: Path) -> None:
    result = await run(pair(program("receives", peer="bob"), {}), tmp_path, check=False)
    assert [one.node for one in result.summary.waits] == ["alice"]


# ---------------------------------------------------------------- livelock


async def test_time_that_does_not_go_on_is_a_livelock_that_names_the_busy_nodes(tmp_path: Path) -> None:
    """One node sets timers that are due at once, for ever."""
    config = network({"busy": program("spins_in_time"), "idle": program("receives", peer="busy")}, events=False)
    result = await run(config, tmp_path, check=False)
    assert (result.summary.how, result.summary.at_ns) == ("livelock", 0)
    assert result.summary.nodes == ("busy",)
    with pytest.raises(Livelock) as caught:
        result.raise_failure()
    assert str(caught.value) == "livelock: 100000 rounds at 0 ns without time going on; still busy: busy"
    assert 100_000 <= result.summary.counts["steps"] <= 100_002


@pytest.mark.slow
async def test_messages_that_go_to_and_fro_without_delay_are_a_livelock_of_both(tmp_path: Path) -> None:
    talks = {name: program("talks_for_ever", peer=peer) for name, peer in (("ping", "pong"), ("pong", "ping"))}
    config = network({**talks, "idle": program("receives", peer="ping")}, events=False)
    with pytest.raises(Livelock, match=r"still busy: ping, pong$"):
        await run(config, tmp_path, timeout=400.0)  # a hundred thousand rounds


# ---------------------------------------------------------------- services


@pytest.mark.parametrize("inline", [True, False])
async def test_timers_of_a_service_keep_no_run_alive(inline: bool, tmp_path: Path) -> None:
    result = await run(network({"a": with_daemon("sleeps")}), tmp_path, inline=inline)
    assert (result.summary.how, result.summary.at_ns) == ("done", 3_300_001)


async def test_a_service_may_beat_a_thousand_times_before_it_has_something_to_say(tmp_path: Path) -> None:
    daemon = {"run": "programs.py:tells_after", "args": {"beats": 1000, "peer": "b"}, "service": True}
    config = network({"a": with_daemon("returns_in_an_instant", daemon), "b": program("hears_a_service", peer="a")})
    result = await run(config, tmp_path)
    assert result["b"] == "here"
    assert ended_ns(result)["b"] == 1000 * 10**9


@pytest.mark.parametrize("inline", [True, False])
async def test_a_thousand_instants_of_services_alone_are_a_stall_that_names_what_the_others_wait_for(
    inline: bool, tmp_path: Path
) -> None:
    daemon = {"run": "programs.py:tells_after", "args": {"beats": 1001, "peer": "b"}, "service": True}
    config = network({"a": with_daemon("returns_in_an_instant", daemon), "b": program("hears_a_service", peer="a")})
    result = await run(config, tmp_path, inline=inline, check=False)
    assert (result.summary.how, result.summary.at_ns) == ("stall", 1000 * 10**9)
    with pytest.raises(Stall) as caught:
        result.raise_failure()
    assert "stall at 1000 s: for 1000 instants only background timers have fired." in str(caught.value)
    assert f"b main waits for receive('a') at {line_of('service')}" in str(caught.value)


async def test_a_timer_of_a_program_that_is_still_to_come_is_no_stall(tmp_path: Path) -> None:
    config = network({"a": with_daemon("sends", peer="b", after=2000), "b": program("receives", peer="a")})
    result = await run(config, tmp_path)
    assert ended_ns(result) == {"a": 2000 * 10**9, "b": 2000 * 10**9}


# ---------------------------------------------------------------- until


@pytest.mark.parametrize("inline", [True, False])
async def test_until_is_a_normal_end_and_what_is_unfinished_is_shown(inline: bool, tmp_path: Path) -> None:
    config = network({"a": program("sleeps"), "b": program("beats", every=1.0)}, until="10.5 s")
    result = await run(config, tmp_path, inline=inline)
    assert (result.summary.how, result.summary.at_ns) == ("until", 10 * 10**9)
    assert set(result.results) == {"a"}
    lines = report.table(result).splitlines()
    assert any("programs.py:beats" in line and "unfinished" in line for line in lines)


@pytest.mark.parametrize(("until", "how"), [("3300001 ns", "done"), ("3300 us", "until")])
async def test_what_happens_exactly_at_until_still_happens(until: str, how: str, tmp_path: Path) -> None:
    result = await run(network({"a": program("sleeps")}, until=until), tmp_path)
    assert result.summary.how == how


async def test_until_is_an_end_for_services_too(tmp_path: Path) -> None:
    config = network({"a": with_daemon("sends", peer="b", after=100), "b": {}}, until="10 s")
    result = await run(config, tmp_path)
    assert (result.summary.how, result.summary.at_ns) == ("until", 10 * 10**9)


# ---------------------------------------------------------------- wall time


@pytest.mark.parametrize("clock", ["virtual", "real"])
async def test_a_run_that_wall_time_ends_is_timed_out(clock: str, tmp_path: Path) -> None:
    """Both have open sockets and wait: there is nothing else that would ever end it."""
    listens = program("outside.py:listens_in_vain")
    with pytest.raises(TimedOut, match=r"the run did not end within 0\.5 s of wall time"):
        await run(network({"bob": listens, "carol": listens}, clock=clock), tmp_path, inline=False, timeout=0.5)


ENDS: Final[dict[str, tuple[dict[str, Any], list[str], str]]] = {
    "deadlock": (network({"bob": program("receives", peer="bob")}), ["--inline"], "qnode: deadlock at 0 ns"),
    "time-out": (
        network({"bob": program("outside.py:listens_in_vain")}),
        ["--timeout", "0.5"],
        "qnode: the run did not end within 0.5 s",
    ),
}


@pytest.mark.parametrize("end", ENDS)
def test_deadlock_and_time_out_exit_with_3(end: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    config, options, sentence = ENDS[end]
    file = tmp_path / "network.yaml"
    file.write_text(json.dumps(config))  # JSON is YAML
    for name in ("programs.py", "outside.py"):
        (tmp_path / name).write_text((PROGRAMS / name).read_text())
    assert main(["run", str(file), "--runs-folder", str(tmp_path / "runs"), *options]) == 3
    assert sentence in capfd.readouterr().err


def test_until_exits_with_0(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "network.yaml"
    file.write_text(json.dumps(network({"a": program("beats", every=1.0)}, until="3 s")))
    (tmp_path / "programs.py").write_text((PROGRAMS / "programs.py").read_text())
    assert main(["run", str(file), "--runs-folder", str(tmp_path / "runs"), "--inline"]) == 0
    assert "unfinished" in capfd.readouterr().out
