"""However `qnode run` is ended: it says so, keeps what there is, and leaves no process, socket or folder behind."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
from pathlib import Path

import pytest

from orchestrator.launch.rundir import RunDirectory
from tests.full import file_system, fill
from tests.launch.commands import HERE, SPAWN_IS_SLOW, Command, at_the_gate, started, write
from tests.launch.processes import directories, linux_only, watching

pytestmark = linux_only


def waiting(folder: Path, door: Path) -> Path:
    """alice waits for ever; bob has returned long ago."""
    return write(
        folder,
        {
            "alice": {"program": "ending.py:waits", "args": {"path": str(door)}},
            "bob": {"program": "ending.py:returns_early"},
        },
    )


def check_what_is_kept(command: Command) -> None:
    saved = command.saved()
    assert saved["ended"] == "interrupted"
    assert saved["exit_code"] == 130
    assert saved["results"] == {"bob": {"main": "done long ago"}}
    assert saved["records"] == {"bob": {"half": 0.5}}


async def test_ctrl_c_keeps_what_there_is_and_leaves_nothing(method: str, temporary: Path, tmp_path: Path) -> None:
    door = temporary / "s"
    async with at_the_gate(waiting(tmp_path, door), door, terminal=True) as (command, _):
        assert len(command.pids) == 1 + 1 + 2  # forkserver, oracle, nodes
        with watching(command.pids) as watch:
            command.terminal.type(b"\x03")
            code, _, _ = await command.result()
            assert code == 130
            assert watch.left(0.0) == []
        await command.terminal.shows("interrupted: every process of the run is gone")
        assert "Traceback" not in command.terminal.text
        check_what_is_kept(command)
        assert directories() == set()


async def test_ctrl_c_twice_ends_all_at_once(temporary: Path, tmp_path: Path) -> None:
    """The oracle stands still, so that after the first one the command still waits for what there is."""
    door = temporary / "s"
    async with at_the_gate(waiting(tmp_path, door), door, terminal=True) as (command, _):
        with watching(command.pids) as watch:
            oracle = command.pids[1]
            os.kill(oracle, signal.SIGSTOP)
            command.terminal.type(b"\x03")
            await command.terminal.shows("again: at once")
            command.terminal.type(b"\x03")
            code, _, _ = await command.result()
            assert code == 130
            assert watch.left(0.0) == []
        assert "every process of the run is gone" not in command.terminal.text  # it did not wait to say so
        assert directories() == set()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
async def test_a_polite_kill_keeps_what_there_is_and_leaves_nothing(
    number: signal.Signals, temporary: Path, tmp_path: Path
) -> None:
    door = temporary / "s"
    async with at_the_gate(waiting(tmp_path, door), door) as (command, _):
        with watching(command.pids) as watch:
            command.process.send_signal(number)
            code, _, err = await command.result()
            assert code == 130
            assert "interrupted" in err
            assert watch.left(0.0) == []
        check_what_is_kept(command)
        assert directories() == set()


async def test_when_its_terminal_is_closed_the_run_ends_and_is_kept(temporary: Path, tmp_path: Path) -> None:
    door = temporary / "s"
    async with at_the_gate(waiting(tmp_path, door), door, terminal=True) as (command, _):
        with watching(command.pids) as watch:
            command.terminal.close()
            code, _, _ = await command.result()
            assert code == 130
            assert watch.left(0.0) == []
        check_what_is_kept(command)
        assert directories() == set()


async def test_when_the_command_is_killed_everything_ends(method: str, temporary: Path, tmp_path: Path) -> None:
    door = temporary / "s"
    async with at_the_gate(waiting(tmp_path, door), door) as (command, _):
        with watching(command.pids) as watch:
            command.process.kill()
            assert watch.left() == []
        assert directories() == set()


HOLDS_AN_IMPORT = """
import socket
import sys

class Door:
    def find_spec(self, name, path=None, target=None):
        if name == "orchestrator.cli.arguments":
            with socket.socket(socket.AF_UNIX) as door:
                door.connect({door!r})
                door.recv(1)

sys.meta_path.insert(0, Door())
"""


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, -signal.SIGTERM)])
async def test_a_signal_before_the_command_has_read_its_own_arguments_leaves_nothing(
    number: signal.Signals, status: int, temporary: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The forkserver was started first of all, and the command still imports what it needs itself."""
    door = temporary / "s"
    (tmp_path / "sitecustomize.py").write_text(HOLDS_AN_IMPORT.format(door=str(door)))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, (str(tmp_path), os.environ.get("PYTHONPATH")))))
    async with at_the_gate(waiting(tmp_path, temporary / "never"), door) as (command, gate):
        assert len(command.pids) == 1
        with watching(command.pids) as watch:
            command.process.send_signal(number)
            gate.release()
            code, out, err = await command.result()
            assert watch.left() == []
    assert (code, out, err) == (status, "", "interrupted\n" if status > 0 else "")
    assert not command.runs.exists()


@SPAWN_IS_SLOW
@pytest.mark.parametrize("debug", [False, True])
async def test_when_a_node_is_killed_the_command_says_so_in_one_sentence_and_exits_4(
    debug: bool, method: str, temporary: Path, tmp_path: Path
) -> None:
    door = temporary / "s"
    options = ["--debug"] if debug else []
    async with at_the_gate(waiting(tmp_path, door), door, *options, "--quiet") as (command, _):
        with watching(command.pids) as watch:
            watch.kill(command.pids[2])  # the oracle was started first
            code, _, err = await command.result()
            assert watch.left() == []
        saved = command.saved()
    assert code == 4
    assert err.startswith("qnode.errors.ProcessLost: ") == debug
    assert err.endswith("the process of node alice ended before the run did: killed by signal 9\n")
    assert err.count("\n") == 1
    assert (saved["ended"], saved["exit_code"]) == ("lost", 4)
    assert saved["results"] == {"bob": {"main": "done long ago"}}  # the oracle could still tell


@SPAWN_IS_SLOW
async def test_when_the_oracle_is_killed_on_the_real_clock_the_command_says_so_and_exits_4(
    method: str, temporary: Path, tmp_path: Path
) -> None:
    door = temporary / "s"
    async with at_the_gate(waiting(tmp_path, door), door, "--quiet", "--set", "clock=real") as (command, _):
        with watching(command.pids) as watch:
            watch.kill(command.pids[1])
            code, _, err = await command.result()
            assert watch.left() == []
        saved = command.saved()
    assert code == 4
    assert err == "qnode: the process of the oracle ended before the run did: killed by signal 9\n"
    assert (saved["ended"], saved["exit_code"], saved["results"]) == ("lost", 4, {})  # nobody else could tell
    assert directories() == set()


@SPAWN_IS_SLOW
async def test_when_the_forkserver_is_killed_the_command_says_so_and_exits_4(
    method: str, temporary: Path, tmp_path: Path
) -> None:
    door = temporary / "s"
    async with at_the_gate(waiting(tmp_path, door), door, "--quiet") as (command, _):
        with watching(command.pids) as watch:
            watch.kill(command.forkserver)
            code, _, err = await command.result()
            assert watch.left() == []
    assert code == 4
    assert err.count("\n") == 1
    assert "the forkserver" in err
    assert directories()  # nobody was there to remove it
    RunDirectory().remove()  # as the next start does


# ---------------------------------------------------------------- nobody reads, nothing can be written


@SPAWN_IS_SLOW
async def test_when_nobody_reads_the_output_any_more_the_run_ends(method: str, temporary: Path, tmp_path: Path) -> None:
    config = write(tmp_path, {"alice": {"program": "ending.py:prints_for_ever"}})
    reading, writing = os.pipe()
    async with started(config, stdout=writing) as command:
        os.close(writing)
        text = b""
        while b"line 0" not in text:
            text += await asyncio.to_thread(os.read, reading, 64)
        os.close(reading)  # head has seen enough
        code, _, err = await command.result()
    assert (code, err) == (141, "")
    assert directories() == set()


def at_most(n_bytes: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, n_bytes))


async def test_a_record_that_cannot_be_written_ends_the_run_with_a_sentence(temporary: Path, tmp_path: Path) -> None:
    config = write(tmp_path, {"alice": {"program": "ending.py:measures_for_ever"}}, events=False)
    async with started(config, first=lambda: at_most(100_000)) as command:
        code, _, err = await command.result()
    assert code == 4
    assert err.startswith("qnode: the process of the oracle ended before the run did: File too large: ")
    assert err.endswith("record; make room there, or choose another folder for runs\n")
    assert err.count("\n") == 1
    assert directories() == set()


async def test_what_programs_print_is_not_lost_without_a_word(temporary: Path, tmp_path: Path) -> None:
    config = write(tmp_path, {"alice": {"program": "ending.py:prints_for_ever"}}, events=False)
    async with started(config, "--quiet", first=lambda: at_most(100_000)) as command:
        code, _, err = await command.result()
    assert code in (1, 4)  # the log or the record, whichever is full first
    assert "File too large" in err
    assert directories() == set()


async def test_how_a_run_ended_is_kept_where_it_filled_the_disk(temporary: Path, tmp_path: Path) -> None:
    with file_system(tmp_path / "full", "256k") as full:
        config = write(full, {"alice": {"program": "ending.py:fills", "args": {"folder": str(full)}}})
        async with started(config) as command:
            code, _, err = await command.result()
            head = command.saved()
        assert "No space left on device" in err
        assert (code, head["ended"], head["exit_code"]) == (2, "done", 2)
        assert head["unsaved"] == "No space left on device"


async def test_an_interrupted_run_that_cannot_be_saved_says_so(temporary: Path, tmp_path: Path) -> None:
    door = temporary / "s"
    with file_system(tmp_path / "full", "256k") as full:
        config = waiting(full, door)
        async with at_the_gate(config, door) as (command, _):
            fill(full)
            command.process.send_signal(signal.SIGINT)
            code, _, err = await command.result()
            head = command.saved()
    assert err.startswith("interrupted: every process of the run is gone, and ")
    assert "a run cannot be saved here: No space left on device" in err
    assert (code, head["ended"], head["exit_code"]) == (130, "interrupted", 130)


# ---------------------------------------------------------------- side by side


async def test_two_commands_in_one_folder_run_side_by_side(temporary: Path, tmp_path: Path) -> None:
    door, other_door = temporary / "s", temporary / "t"
    program = {"program": "ending.py:returns_when_told", "args": {"path": str(other_door)}}
    async with (
        at_the_gate(waiting(tmp_path / "one", door), door) as (one, _),
        at_the_gate(write(tmp_path / "other", {"carol": program}), other_door) as (other, gate),
    ):
        with watching(one.pids) as first, watching(other.pids) as second:
            assert len(directories()) == 5  # one folder, and in it two directories with their locks
            one.process.send_signal(signal.SIGINT)
            assert (await one.result())[0] == 130
            assert first.left(0.0) == []
            assert second.left(0.0) == sorted(other.pids)
            gate.release()
            assert (await other.result())[0] == 0
            assert second.left(0.0) == []
        assert other.saved()["results"] == {"carol": {"main": "when told"}}
    assert directories() == set()


# ---------------------------------------------------------------- limits


def files(soft: int, hard: int) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_too_few_open_files_are_reported_before_anything_starts(temporary: Path, tmp_path: Path) -> None:
    config = write(tmp_path, {"n[0..99]": {"program": "ending.py:returns_early"}})
    async with started(config, first=lambda: files(128, 128)) as command:
        code, _, err = await command.result()
    assert code == 2
    assert "100 node processes need 164 open files in one process, and this user may have 128" in err
    assert "nodes_per_process: 2" in err
    assert "ulimit -n 164" in err
    assert directories() == set()


async def test_a_soft_limit_of_open_files_is_raised(temporary: Path, tmp_path: Path) -> None:
    config = write(tmp_path, {"n[0..29]": {"program": "ending.py:returns_early"}})
    async with started(config, "--quiet", first=lambda: files(32, 4096)) as command:
        code, out, err = await command.result()
    assert (code, err) == (0, "")
    assert "n29" in out


def test_the_programs_of_these_tests_are_where_they_are_looked_for() -> None:
    assert (HERE / "ending.py").is_file()
