"""`qnode up`, `ps`, `logs` and `down`: networks in the background, several of them, and nothing left of any."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.commands import (
    DEADLINE_S,
    ended,
    environment,
    out,
    qnode,
    started,
    typed,
    wait_for_file,
    wait_until_gone,
)
from tests.cli.programs import COUNTS, FAILS
from tests.launch.processes import GONE_S, linux_only, watching
from tests.warm import commands as warm

pytestmark = linux_only


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder with a network that goes on until somebody ends it; whatever is up at the end of a test is ended."""
    (tmp_path / "net.py").write_text(COUNTS)
    yield tmp_path
    typed("down", "--all", cwd=tmp_path)


def processes(folder: Path, name: str) -> list[int]:
    (entry,) = json.loads(typed("ps", name, "--json", cwd=folder).out)
    return [entry["pid"], *entry["pids"].values()]


def left_in(folder: Path) -> list[str]:
    return [path.name for path in (folder / ".qnode" / "networks").iterdir()]


def test_two_networks_are_up_side_by_side_and_go_one_after_the_other(folder: Path) -> None:
    up = qnode("up", "net.py", "--seed", "1", cwd=folder)
    assert up.code == 0, up.err
    assert up.out.splitlines() == [
        "net is up: 2 nodes, seed 1; saved in .qnode/runs/net-1",
        "look: qnode ps net; qnode logs net -f   end: qnode down net",
    ]
    taken = qnode("up", "net.py", cwd=folder)
    assert taken.code == 2
    assert taken.err == "qnode: net: a network of this name is up; `qnode down net` ends it, or give another --name\n"
    assert qnode("up", "net.py", "--name", "other", "--seed", "2", cwd=folder).code == 0

    listed = typed("ps", cwd=folder).out.splitlines()
    assert [line.split()[0] for line in listed] == ["network", "net", "other"]
    shown = typed("ps", "net", cwd=folder).out
    assert [line.split("   ")[0].strip() for line in shown.splitlines()] == [
        "process",
        "the keeper",
        "alice",
        "bob",
        "the oracle",
    ]
    both = {name: processes(folder, name) for name in ("net", "other")}
    assert len({*both["net"], *both["other"]}) == 8
    several = typed("down", cwd=folder)
    assert several.code == 2
    assert "several are up, name one of them: net, other" in several.err

    with watching(both["net"]) as first, watching(both["other"]) as second:
        down = typed("down", "net", cwd=folder)
        assert (down.code, down.out) == (0, "net is down; saved in .qnode/runs/net-1\n")
        assert first.left(0.0) == []  # when `down` returns, everything is gone
        assert sorted(second.left(0.0)) == sorted(both["other"])
        assert typed("down", "--all", cwd=folder).out == "other is down; saved in .qnode/runs/net-2\n"
        assert second.left(0.0) == []
    assert left_in(folder) == []
    assert typed("ps", cwd=folder).out == "no network is up here; `qnode up CONFIG` starts one\n"
    nothing = typed("down", cwd=folder)
    assert nothing.code == 2
    assert "no network is up here" in nothing.err
    assert [run["ended"] for run in json.loads(typed("runs", "--json", cwd=folder).out)] == ["interrupted"] * 2


def test_logs_are_followed_until_the_network_ends(folder: Path) -> None:
    assert qnode("up", "net.py", "--seed", "1", cwd=folder).code == 0
    bob = typed("logs", "--node", "bob", cwd=folder)
    assert bob.out in ("", "bob | bob is here\n")  # up returns when all are there, before they have done anything
    with started("logs", "net", "--follow", cwd=folder) as follower:
        first = [out(follower).readline() for _ in range(5)]
        assert "bob | bob is here\n" in first
        assert "alice | at 500\n" in first
        assert typed("down", cwd=folder).code == 0
        done = ended(follower)
    assert (done.code, done.err) == (0, "")
    after = typed("logs", cwd=folder).out.splitlines()
    assert [line.rstrip("\n") for line in first] + done.out.splitlines() == after
    assert typed("logs", "net-1", "-n", "1", cwd=folder).out.splitlines() == after[-1:]
    assert typed("logs", "-n", "1", "--node", "bob", cwd=folder).out == "bob | bob is here\n"
    unknown = typed("logs", "net-1", "--node", "bobb", cwd=folder)
    assert unknown.code == 2
    assert "net-1: no node 'bobb' (did you mean 'bob'?); there are: alice, bob" in unknown.err
    nobody = typed("logs", "nobody", cwd=folder)
    assert nobody.code == 2
    assert "there is no run 'nobody'" in nobody.err


def test_logs_of_a_run_are_followed_until_it_ends(folder: Path) -> None:
    with started("run", "net.py", "-q", cwd=folder) as run:
        wait_for_file(folder / ".qnode" / "runs" / "net-1" / "log")
        with started("logs", "net-1", "-f", cwd=folder) as follower:
            assert any(line == "alice | at 500\n" for line in out(follower))
            run.send_signal(signal.SIGINT)
            assert ended(run).code == 130
            assert ended(follower).code == 0


def test_a_line_of_a_log_ends_at_its_line_feed_whoever_reads_it(folder: Path) -> None:
    (folder / "net.py").write_text('async def alice(node):\n    print("10 %\\r20 %\\r\\nend\\x0bof\\u2028it")\n')
    assert qnode("run", "net.py", "-q", cwd=folder).code == 0
    written = (folder / ".qnode" / "runs" / "net-1" / "log").read_bytes()
    assert b"\r" in written

    def read(*options: str) -> bytes:
        return subprocess.run(
            warm.qnode("logs", "net-1", *options),
            cwd=folder,
            env=environment(),
            stdout=subprocess.PIPE,
            timeout=DEADLINE_S,
            check=True,
        ).stdout

    assert read() == read("--follow") == written
    last = written[written.rstrip(b"\n").rfind(b"\n") + 1 :]
    assert read("-n", "1") == read("-n", "1", "--follow") == last


def test_when_the_keeper_is_killed_everything_goes_with_it_and_the_name_is_free(folder: Path) -> None:
    assert qnode("up", "net.py", cwd=folder).code == 0
    keeper, *others = processes(folder, "net")
    with watching([keeper, *others]) as watch:
        watch.kill(keeper)
        assert watch.left(GONE_S) == []
    assert typed("ps", cwd=folder).out.startswith("no network is up here")
    assert left_in(folder) == []
    assert qnode("up", "net.py", cwd=folder).code == 0


def test_a_network_that_nobody_can_name_any_more_ends(folder: Path) -> None:
    assert qnode("up", "net.py", cwd=folder).code == 0
    with watching(processes(folder, "net")) as watch:
        shutil.rmtree(folder / ".qnode" / "networks")
        assert watch.left(GONE_S) == []
    assert [run["ended"] for run in json.loads(typed("runs", "--json", cwd=folder).out)] == ["interrupted"]


def test_a_keeper_that_does_not_listen_is_killed_in_the_end(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from orchestrator.cli import down, networks
    from orchestrator.cli.arguments import parser_of
    from orchestrator.cli.commands import COMMANDS
    from orchestrator.cli.screen import Screen

    assert qnode("up", "net.py", cwd=folder).code == 0
    keeper, *others = processes(folder, "net")
    monkeypatch.chdir(folder)
    monkeypatch.setattr(networks, "END_S", 0.5)
    with watching([keeper, *others]) as watch:
        os.kill(keeper, signal.SIGSTOP)
        assert down.run(parser_of(COMMANDS["down"]).parse(["net"]), Screen()) == 0
        assert watch.left(GONE_S) == []
    assert left_in(folder) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_when_up_is_ended_before_the_network_is_up_the_network_goes_with_it(
    number: signal.Signals, folder: Path
) -> None:
    os.mkfifo(folder / "gate")  # nobody ever writes there: the nodes do not come up
    (folder / "net.py").write_text(f"open({str(folder / 'gate')!r}).read()\n{COUNTS}")
    with started("up", "net.py", cwd=folder) as up:
        wait_for_file(folder / ".qnode" / "runs" / "net-1" / "run.json")
        up.send_signal(number)
        assert ended(up) == (130, "", "interrupted\n")
    assert left_in(folder) == []
    assert [run["ended"] for run in json.loads(typed("runs", "--json", cwd=folder).out)] == ["interrupted"]


def test_a_keeper_that_cannot_write_what_is_up_ends_and_up_tells_why(folder: Path) -> None:
    (folder / ".qnode" / "networks" / "net.new").mkdir(parents=True)
    up = qnode("up", "net.py", cwd=folder)
    assert (up.code, up.out) == (1, "")
    assert up.err.startswith("qnode: .qnode/networks/net.new: Is a directory")
    assert left_in(folder) == ["net.new"]
    (run,) = json.loads(typed("runs", "--json", cwd=folder).out)
    assert run["ended"] != "running"


def test_what_a_keeper_leaves_that_is_killed_before_the_network_is_up_is_removed(folder: Path) -> None:
    networks = folder / ".qnode" / "networks"
    networks.mkdir(parents=True)
    for name in ("net.lock", "net.out"):
        (networks / name).touch()
    assert typed("ps", cwd=folder).out.startswith("no network is up here")
    assert left_in(folder) == []


@pytest.mark.parametrize(
    ("text", "code", "sentence"),
    [
        (FAILS.replace("from qnode", "import nothing_of_this_name\nfrom qnode"), 1, "nothing_of_this_name"),
        ("async def alice(node, a): pass", 2, "no top-level function is a node"),
    ],
    ids=["an import that fails", "no program"],
)
def test_up_tells_why_a_network_does_not_start(text: str, code: int, sentence: str, folder: Path) -> None:
    (folder / "net.py").write_text(text)
    up = qnode("up", "net.py", cwd=folder)
    wait_until_gone(folder / ".qnode" / "networks" / "net.lock")  # nobody has to ask for that
    if up.code == 0:  # all processes were there; what the programs did came after that
        (run,) = json.loads(typed("runs", "--json", cwd=folder).out)
        assert (run["ended"], run["exit_code"]) == ("failed", code)
        assert sentence in typed("results", cwd=folder).out
    else:
        assert up.code == code
        assert sentence in up.err
        assert "Traceback" not in up.err
