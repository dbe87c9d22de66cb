"""The directory for sockets, where others start and end too: each has its own, and the last one leaves nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from orchestrator.launch.rundir import RunDirectory
from tests.launch.processes import directories

ROOT: Final = Path(__file__).parents[2]
RACER: Final = """
import sys
from orchestrator.launch.rundir import RunDirectory
print("ready", flush=True)
sys.stdin.read(1)
for _ in range(500):
    directory = RunDirectory()
    (directory.path / "socket").touch()
    directory.remove()
"""


def test_the_last_to_leave_removes_the_folder_that_they_are_in(temporary: Path) -> None:
    one, other = RunDirectory(), RunDirectory()
    assert len(directories()) == 5
    one.remove()
    assert other.path.is_dir()
    other.remove()
    assert not list(temporary.iterdir())


def test_whoever_starts_while_the_last_one_leaves_has_its_directory_all_the_same(temporary: Path) -> None:
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", RACER]
    racers = [subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, cwd=ROOT) for _ in range(3)]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("!")
        racer.stdin.flush()
    assert [racer.communicate(timeout=60) for racer in racers] == [("", "")] * 3
    assert not list(temporary.iterdir())


def test_where_there_is_no_folder_for_temporary_files_nobody_waits_for_one(temporary: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tempfile.tempdir", str(temporary / "removed"))
        with pytest.raises(FileNotFoundError):
            RunDirectory()
